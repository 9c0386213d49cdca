//! What limited a run, and why documents failed.

use super::find;
use crate::html_report::Failures;
use crate::model::Money;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::RunId;
use crate::serve::thumbnails::ImageDocument;
use crate::store::{Archive, Requests};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What limited a run, and why documents failed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Summary {
    /// What limited an ended run, as a sentence; absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_by: Option<String>,
    /// Use of the stages of an ended run in its first `stages_s` seconds, in the order of the pipeline.
    #[schema(value_type = Vec<Object>)]
    stages: Vec<Value>,
    /// Seconds from the start to the last look at the stages; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    stages_s: Option<f64>,
    /// Documents that failed so far, by code, most frequent first.
    failures: Vec<FailedDocuments>,
    /// Requests that got no response, so that it is unknown whether they are billed; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe_billed: Option<MaybeBilled>,
}

/// Requests that got no response, so that it is unknown whether they are billed.
#[derive(Debug, Serialize, ToSchema)]
pub struct MaybeBilled {
    /// How many. Requests in flight count.
    requests: u64,
    /// Their maximum cost in US dollars, which `cost_usd` of the run includes; absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most_usd: Option<f64>,
}

/// Documents that failed with the same code.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedDocuments {
    /// The code.
    code: String,
    /// How many documents.
    documents: u64,
    /// What to do.
    advice: String,
    /// The first documents.
    examples: Vec<FailedDocument>,
}

/// A document that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedDocument {
    /// Its name.
    document: String,
    /// Why.
    message: String,
}

impl From<Failures> for FailedDocuments {
    fn from(failures: Failures) -> Self {
        let Failures { code, documents, advice, examples, .. } = failures;
        let examples = examples.into_iter().map(|(document, message)| FailedDocument { document, message });
        Self { code, documents, advice: advice.to_owned(), examples: examples.collect() }
    }
}

/// Find out what limited a run, and why documents failed
#[utoipa::path(get, path = "/api/runs/{id}/summary", params(("id" = String, Path)),
    responses((status = OK, body = Summary), (status = "default", body = Problem)))]
pub async fn summary(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Summary>, Problem> {
    let run = find(&app, &caller, &id).await?;
    Ok(Json(app.blocking(move |app| of(app, &run.id)).await?))
}

fn of(app: &App, id: &RunId) -> Result<Summary, Problem> {
    let Some(archive) = Archive::open(&app.directories.run(id))? else { return Ok(Summary::default()) };
    let runs = archive.runs()?;
    let Some(last) = runs.last() else { return Ok(Summary::default()) };
    let counted = archive.run_counts(&runs, last)?;
    let failures = Failures::gather(&archive, counted.view, &last.command, &counted.counts.all().failures)?;
    let parsed = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    let figures = parsed(last.figures.as_deref());
    let sample = parsed(archive.samples(last.id)?.last().map(|(_, sample)| sample.as_str()));
    let ledger = archive.ledger(Requests::All)?;
    let at_most_usd = ledger.maybe_billed_at_most_usd.map(Money::usd);
    Ok(Summary {
        maybe_billed: (ledger.maybe_billed > 0).then_some(MaybeBilled { requests: ledger.maybe_billed, at_most_usd }),
        limited_by: figures["bottleneck"]["sentence"].as_str().map(ToOwned::to_owned),
        stages_s: sample["elapsed_s"].as_f64(),
        stages: sample["stages"].as_array().cloned().unwrap_or_default(),
        failures: failures.into_iter().map(FailedDocuments::from).collect(),
    })
}

/// Fetch a small picture of an image document by its index
#[utoipa::path(get, path = "/api/runs/{id}/documents/{index}/thumbnail", params(("id" = String, Path), ("index" = u64, Path)),
    responses((status = OK, body = Vec<u8>, content_type = "image/jpeg"), (status = "default", body = Problem)))]
pub async fn picture(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path((id, index)): Path<(String, u64)>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &id).await?;
    let missing = || Problem::not_found("the document has no picture");
    let found = app.blocking(move |app| ImageDocument::find(&app.directories.run(&run.id), index, &app.environment, &app.source)).await?;
    let made = app.thumbnails.make(found.ok_or_else(missing)?).await?.ok_or_else(missing)?;
    Ok(([(CONTENT_TYPE, made.media_type), (CACHE_CONTROL, "private, max-age=3600")], made.bytes).into_response())
}
