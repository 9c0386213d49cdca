//! Rows and results of a run, also while it is at work.

use super::find;
use super::runs::limit_of;
use crate::engine::RowStream;
use crate::model::Row;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::RunId;
use crate::store::{Archive, StoreError, View};
use crate::write::{FileForm, Format, OutputFile};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

/// Pieces of a response that wait for a slow client.
const PIECES: usize = 8;
/// Size of a piece in bytes.
const PIECE: usize = 64 * 1024;

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultsQuery {
    /// The job, if the run has several.
    job: Option<String>,
    /// The format: csv, jsonl, json, parquet, arrow or xlsx. Default: jsonl.
    #[param(schema_with = formats)]
    format: Option<Format>,
}

/// The formats, for the description of the route.
fn formats() -> Object {
    let names = Format::ALL.map(Format::as_str);
    ObjectBuilder::new().schema_type(Type::String).description(Some("The format. Default: jsonl.")).enum_values(Some(names)).build()
}

/// Fetch all rows so far as a file
#[utoipa::path(get, path = "/api/runs/{id}/results", params(("id" = String, Path), ResultsQuery),
    responses((status = OK, content((String = "application/x-ndjson"), (String = "text/csv"), (String = "application/json"),
            (String = "application/vnd.apache.parquet"), (String = "application/vnd.apache.arrow.stream"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = "default", body = Problem)))]
pub async fn results(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<ResultsQuery>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &id).await?;
    let format = query.format.unwrap_or(Format::Jsonl);
    let opened = app.blocking(move |app| Source::open(app, &run.id, query.job.as_deref())).await?;
    let name = opened.job.clone();
    let (pieces, receiver) = mpsc::channel(PIECES);
    // The thread ends with the last row, or when the client has gone.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = opened.write(format, pieces.clone()) {
            let _client_has_gone = pieces.blocking_send(Err(error));
        }
    }));
    let ending = format.file_name().trim_start_matches("results.");
    let headers =
        [(CONTENT_TYPE, format.media_type().to_owned()), (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\""))];
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// The rows of one job.
struct Source {
    archive: Archive,
    view: View,
    job: String,
}

impl Source {
    fn open(app: &App, id: &RunId, job: Option<&str>) -> Result<Self, Problem> {
        let nothing = || Problem::not_found("the run has no results yet");
        let archive = Archive::open(&app.directories.run(id))?.ok_or_else(nothing)?;
        let view = archive.view(None, true)?.ok_or_else(nothing)?;
        let names: Vec<&str> = view.jobs.iter().map(|job| job.name.as_str()).collect();
        let job = match (job, names.as_slice()) {
            (Some(job), names) if names.contains(&job) => job.to_owned(),
            (None, [only]) => (*only).to_owned(),
            (_, names) => return Err(Problem::invalid(format!("job: expected one of {}", names.join(", ")))),
        };
        Ok(Self { archive, view, job })
    }

    fn write(&self, format: Format, to: mpsc::Sender<Result<Bytes, io::Error>>) -> io::Result<()> {
        let file = OutputFile::stream(Box::new(BufWriter::with_capacity(PIECE, Pieces(to))));
        let rows = self.archive.rows(&self.view).map_err(io::Error::other)?;
        let stream = RowStream { name: "the response", file, format, form: FileForm::default() };
        stream.write(&rows, &self.view.jobs, &self.job).map_err(io::Error::other)
    }
}

/// Sends what is written to a client.
struct Pieces(mpsc::Sender<Result<Bytes, io::Error>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RowsQuery {
    /// Rows from this index on. Default: 0.
    #[serde(default)]
    from: u64,
    /// Maximum number of rows. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Rows of a run, in input order.
#[expect(clippy::struct_field_names, reason = "the names in the API")]
#[derive(Debug, Serialize, ToSchema)]
pub struct Rows {
    /// The rows, as lines of results.jsonl.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Box<RawValue>>,
    /// The jobs of the run. Each has results of its own.
    pub jobs: Vec<String>,
    /// The value of `from` for the next page; absent if no further row is there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Fetch some rows
///
/// While the run is at work, rows that are not done yet are missing.
#[utoipa::path(get, path = "/api/runs/{id}/rows", params(("id" = String, Path), RowsQuery),
    responses((status = OK, body = Rows), (status = "default", body = Problem)))]
pub async fn rows(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<Rows>, Problem> {
    let run = find(&app, &caller, &id).await?;
    let limit = limit_of(query.limit, 100, 1000)? as usize;
    let rows = app.blocking(move |app| {
        let none = || Rows { rows: Vec::new(), jobs: Vec::new(), next: None };
        let Some(archive) = Archive::open(&app.directories.run(&run.id))? else { return Ok(none()) };
        let Some(view) = archive.view(None, true)? else { return Ok(none()) };
        let jobs = view.jobs.iter().map(|job| job.name.clone()).collect();
        let (mut rows, mut next) = (Vec::new(), None);
        let read = archive.rows(&view)?.read_from(query.from, true, |row| -> Result<(), Page> {
            if rows.len() == limit {
                next = Some(row.position);
                return Err(Page::Full);
            }
            let line = Row::line(row.position, row.document, row.text);
            rows.push(RawValue::from_string(line).map_err(|error| Page::Failed(Problem::internal(error)))?);
            Ok(())
        });
        match read {
            Ok(_) | Err(Page::Full) => Ok(Rows { rows, jobs, next }),
            Err(Page::Failed(problem)) => Err(problem),
        }
    });
    Ok(Json(rows.await?))
}

/// Why reading a page ends.
enum Page {
    Full,
    Failed(Problem),
}

impl From<StoreError> for Page {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Fetch the report of a run: a page with charts, pictures, failures and the bill
#[utoipa::path(get, path = "/api/runs/{id}/report", params(("id" = String, Path)),
    responses((status = OK, body = String, content_type = "text/html"), (status = "default", body = Problem)))]
pub async fn report(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &id).await?;
    let made = app.blocking(move |app| crate::serve::report::make(app, &run.id));
    let page = tokio_util::io::ReaderStream::new(tokio::fs::File::from_std(made.await?));
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // The page holds texts of strangers.
        (
            axum::http::header::CONTENT_SECURITY_POLICY,
            "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:",
        ),
    ];
    Ok((headers, Body::from_stream(page)).into_response())
}
