//! The page for people, and the jobs that it offers.

use crate::job::{AUTO, BUILTIN};
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the page may load: only itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Types of the files.
const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The files of the page: address, type and content. A sample is a document to try the server with.
const FILES: [(&str, &str, &[u8]); 16] = [
    ("/", HTML, include_bytes!("../page/page.html")),
    ("/page/style.css", STYLE, include_bytes!("../page/style.css")),
    ("/page/script.js", SCRIPT, include_bytes!("../page/script.js")),
    ("/page/server.js", SCRIPT, include_bytes!("../page/server.js")),
    ("/page/new.js", SCRIPT, include_bytes!("../page/new.js")),
    ("/page/runs.js", SCRIPT, include_bytes!("../page/runs.js")),
    ("/page/lane.js", SCRIPT, include_bytes!("../page/lane.js")),
    ("/page/calls.js", SCRIPT, include_bytes!("../page/calls.js")),
    ("/page/samples/electronics-housing.webp", "image/webp", include_bytes!("../../../sample_data/images/electronics-housing.webp")),
    ("/page/samples/hex-bolt-nut.jpg", "image/jpeg", include_bytes!("../../../sample_data/images/hex-bolt-nut.jpg")),
    ("/page/samples/line-insulator.jpg", "image/jpeg", include_bytes!("../../../sample_data/images/line-insulator.jpg")),
    ("/page/samples/rubber-bellows.jpg", "image/jpeg", include_bytes!("../../../sample_data/images/rubber-bellows.jpg")),
    ("/page/samples/complaint-letter.txt", TEXT, include_bytes!("../../../sample_data/texts/complaint-letter.txt")),
    ("/page/samples/glockengiesserei.txt", TEXT, include_bytes!("../../../sample_data/texts/glockengiesserei.txt")),
    ("/page/samples/heat-pump-drying.md", TEXT, include_bytes!("../../../sample_data/texts/heat-pump-drying.md")),
    ("/page/samples/news-harbour-crane.txt", TEXT, include_bytes!("../../../sample_data/texts/news-harbour-crane.txt")),
];

/// Routes of the page. They need no key, because they hold no data of clients.
pub fn routes() -> Router<Arc<App>> {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, kind, content)| router.route(path, get(move || std::future::ready(file(kind, content)))))
}

fn file(kind: &'static str, content: &'static [u8]) -> Response {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")], content).into_response()
}

/// A job that clients can name.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedJob {
    /// Its name.
    name: String,
    /// What it does.
    about: String,
    /// The text of its file; null for a choice between several jobs.
    file: Option<String>,
}

/// Jobs that clients can name.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    /// The provider of the server's settings.
    provider: String,
    /// The model of the server's settings; empty for the provider's usual one.
    model: String,
    /// The job of the server's settings.
    default: String,
    /// Whether the key of the request may submit and control runs.
    may_run: bool,
    /// The jobs.
    jobs: Vec<NamedJob>,
}

/// List the jobs that a submission can name
#[utoipa::path(get, path = "/api/jobs", responses((status = OK, body = JobList), (status = "default", body = Problem)))]
pub async fn jobs(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Json<JobList>, Problem> {
    let mut jobs: Vec<NamedJob> = AUTO.iter().map(|(name, names)| choice(name, names)).collect();
    jobs.extend(BUILTIN.iter().map(|(name, text)| of_file(name, (*text).to_owned())));
    jobs.extend(app.blocking(|app| Ok(of_directory(Path::new(&app.settings.jobs)))).await?);
    jobs.retain(|job| caller.check_job(Some(&job.name)).is_ok());
    let (_, settings) = app.blocking(|app| Ok(app.source.load(&app.environment)?)).await?;
    let may_run = caller.check_may_run().is_ok();
    Ok(Json(JobList { provider: settings.llm.provider, model: settings.llm.model, default: app.default_job.clone(), may_run, jobs }))
}

fn choice(name: &str, names: &[&str]) -> NamedJob {
    NamedJob { name: name.to_owned(), about: format!("{}, by the kind of the document", names.join(" or ")), file: None }
}

fn of_file(name: &str, text: String) -> NamedJob {
    // A job file with mistakes is listed too: a submission names them.
    let about = match text.parse::<toml::Table>() {
        Ok(table) => table.get("description").and_then(toml::Value::as_str).unwrap_or_default().to_owned(),
        Err(error) => format!("{name}.toml cannot be used: {}", error.message()),
    };
    NamedJob { name: name.to_owned(), about, file: Some(text) }
}

/// The job files of the server. Files that cannot be read are left out.
fn of_directory(directory: &Path) -> Vec<NamedJob> {
    if directory.as_os_str().is_empty() {
        return Vec::new();
    }
    let mut files: Vec<_> = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let job = |file: std::path::PathBuf| {
        let name = file.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned();
        crate::read::text_file(&file).ok().map(|text| of_file(&name, text))
    };
    files.into_iter().filter_map(job).collect()
}
