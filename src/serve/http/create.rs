//! Takes submissions.

use super::runs::Run;
use crate::engine::Plan;
use crate::model::Kind;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::{NewRun, QueuedRun, RunId, State as RunState, Submitted, Totals};
use crate::serve::runner::check;
use crate::serve::staging::Staged;
use crate::serve::submission::Submission;
use crate::serve::webhooks;
use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures::StreamExt as _;
use jiff::Timestamp;
use std::error::Error as _;
use std::io::Write as _;
use std::sync::Arc;

/// Bytes of a file that show its kind.
const BEGINNING: usize = 8192;
/// Maximum size of a submission as JSON. Files can be larger.
const JSON: usize = 32_000_000;

/// Submit a run
///
/// The body is a submission as JSON, or multipart with the submission in the field `run` and any
/// number of files.
#[utoipa::path(post, path = "/api/runs", request_body(content((Submission = "application/json"), (String = "multipart/form-data"))),
    params(("Idempotency-Key" = Option<String>, Header, description = "Submissions with the same key are the same run")),
    responses((status = ACCEPTED, body = Run, description = "The run is in the queue"),
        (status = OK, body = Run, description = "This submission came earlier"), (status = "default", body = Problem)))]
pub async fn create(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Response, Problem> {
    caller.check_may_run()?;
    if app.stop.is_cancelled() {
        return Err(Problem::full("the server stops. Submit again when it has started"));
    }
    let idempotency_key = idempotency_key(request.headers())?;
    let received = receive(&app, &caller, request).await?;
    let Received { id, submission, staged, .. } = received;
    let name = caller.name.clone();
    let kept = app.blocking(move |app| {
        let hash = staged.hash();
        let text = serde_json::to_string(&submission.without_documents()).map_err(Problem::internal)?;
        let new = NewRun {
            id: &id,
            owner: &name,
            held: submission.held,
            priority: submission.priority,
            submission: &text,
            cap: submission.cap(),
            deadline: submission.deadline()?,
            webhook: submission.webhook.as_deref(),
            idempotency_key: idempotency_key.as_deref(),
            hash,
        };
        // The files come first: a run in the queue has all its documents.
        app.directories.grow(staged.bytes());
        staged.keep(&app.directories.input(&id))?;
        let submitted = app.queue.submit(&new, app.settings.queue);
        if !matches!(submitted, Ok(Submitted::New(_))) {
            let _removed_at_the_next_start = app.directories.remove(&id);
        }
        submitted
    });
    let (status, run) = match kept.await? {
        Submitted::New(run) => (StatusCode::ACCEPTED, run),
        Submitted::Known(run) => (StatusCode::OK, run),
    };
    app.wake.notify_one();
    app.tell_change(&run.id);
    let location = format!("/api/runs/{}", run.id);
    Ok((status, [(LOCATION, location)], Json(Run::with_progress(&app, run))).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let text = given.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| Problem::bad_request("Idempotency-Key: expected 1 to 255 ASCII characters"))
}

/// A complete submission on the disk of the server.
pub(super) struct Received {
    pub id: RunId,
    pub submission: Submission,
    pub staged: Staged,
    /// The plan that it becomes. It reads the staged files.
    pub plan: Plan,
}

/// The run that a submission would become.
fn as_run(id: &RunId, submission: &Submission, caller: &Caller) -> Result<QueuedRun, Problem> {
    Ok(QueuedRun {
        id: id.clone(),
        owner: caller.name.clone(),
        state: RunState::Queued,
        held: true,
        priority: submission.priority,
        created: Timestamp::now(),
        started: None,
        ended: None,
        submission: serde_json::to_string(&submission.without_documents()).map_err(Problem::internal)?,
        message: String::new(),
        cap: submission.cap(),
        share: None,
        totals: Totals::default(),
        deadline: submission.deadline()?,
        webhook: submission.webhook.clone(),
        cancelling: false,
    })
}

/// Receives a submission and checks it. Sends nothing to a model.
pub(super) async fn receive(app: &Arc<App>, caller: &Caller, request: Request) -> Result<Received, Problem> {
    let id = RunId::new();
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let staging = id.clone();
    let staged = app.blocking(move |app| {
        if !app.has_disk() {
            return Err(Problem::full("the directory of the server is full (serve.disk_mb). Remove ended runs"));
        }
        Ok(Staged::begin(app.directories.incoming(&staging))?)
    });
    let mut staged = staged.await?;
    let submission = if content_type.starts_with("multipart/form-data") {
        receive_parts(app, request, &mut staged).await?
    } else if content_type.starts_with("application/json") {
        Submission::parse(&whole(request.into_body()).await?)?
    } else {
        return Err(Problem::bad_request("the content type must be application/json or multipart/form-data"));
    };
    submission.check(&app.settings)?;
    if !submission.rows.is_empty() && staged.has_no_files() {
        submission.check_columns()?;
    }
    check_webhook(app, caller, submission.webhook.as_deref())?;
    let job = tokio::task::block_in_place(|| submission.job_of_server(&app.settings, &app.default_job))?;
    caller.check_job(match &submission.job_file {
        Some(_) => None,
        None => Some(submission.job.as_deref().unwrap_or(&app.default_job)),
    })?;
    let (submission, staged) = app
        .blocking(move |_| {
            staged.write(&submission, job.as_deref())?;
            Ok((submission, staged))
        })
        .await?;
    let plan = check(app, &as_run(&id, &submission, caller)?, &submission, staged.input()).await?;
    check_kinds(&submission, staged.kind(), &plan)?;
    Ok(Received { id, submission, staged, plan })
}

/// Refuses documents that no job of the run takes: texts, rows, and files if all are of one `kind`.
fn check_kinds(submission: &Submission, kind: Option<Kind>, plan: &Plan) -> Result<(), Problem> {
    let is_taken = |kind| plan.jobs.iter().any(|job| job.accepts(kind));
    let has_texts = !submission.texts.is_empty() || !submission.rows.is_empty();
    let (takes, has) = match kind {
        _ if has_texts && !is_taken(Kind::Text) => ("images", "the submission has texts or rows"),
        Some(Kind::Text) if !is_taken(Kind::Text) => ("images", "all files are texts"),
        Some(Kind::Image) if !has_texts && submission.addresses.is_empty() && !is_taken(Kind::Image) => ("texts", "all files are images"),
        _ => return Ok(()),
    };
    let jobs: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    Err(Problem::invalid(format!("job {} takes {takes} only, but {has}. Choose another job", jobs.join(", "))))
}

fn check_webhook(app: &App, caller: &Caller, address: Option<&str>) -> Result<(), Problem> {
    let Some(address) = address else { return Ok(()) };
    if !app.webhooks.secrets.can_sign_for(&caller.name) {
        return Err(Problem::invalid("webhook: this server has no secret to sign webhooks with. Set serve.webhook_secrets"));
    }
    webhooks::check(address, app.webhooks.private)
}

async fn whole(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut pieces, mut whole) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::bad_request(format!("the body did not arrive: {error}")))?;
        if whole.len() + piece.len() > JSON {
            return Err(Problem::too_large("a submission as JSON is larger than 32 MB. Send its documents as files"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Receives a submission with files. The files go to disk piece by piece.
async fn receive_parts(app: &Arc<App>, request: Request, staged: &mut Staged) -> Result<Submission, Problem> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Problem::bad_request(format!(
            "the body is not valid multipart: {}",
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        ))
    };
    let mut parts = Multipart::from_request(request, &()).await.map_err(|error| Problem::bad_request(error.to_string()))?;
    let (mut submission, most) = (None, app.settings.max_upload());
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        let file_name = part.file_name().map(ToOwned::to_owned);
        if part.name() == Some("run") && file_name.is_none() {
            if submission.is_some() {
                return Err(Problem::bad_request("the field run came twice. Send one submission"));
            }
            let mut text = Vec::new();
            while let Some(piece) = part.chunk().await.map_err(broken)? {
                staged.count(&piece, most)?;
                if text.len() + piece.len() > JSON {
                    return Err(Problem::too_large("the field run is larger than 32 MB"));
                }
                text.extend_from_slice(&piece);
            }
            submission = Some(Submission::parse(&text)?);
            continue;
        }
        let name = file_name.ok_or_else(|| Problem::bad_request("each part must be the field \"run\" or a file with a name"))?;
        let mut file = tokio::task::block_in_place(|| staged.create(&name))?;
        let mut beginning = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            staged.count(&piece, most)?;
            let more = BEGINNING.saturating_sub(beginning.len()).min(piece.len());
            beginning.extend_from_slice(&piece[..more]);
            let written = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file));
            file = written.await.map_err(Problem::internal)??;
        }
        if !beginning.is_empty() {
            staged.look(&name, &beginning);
        }
    }
    Ok(submission.unwrap_or_default())
}
