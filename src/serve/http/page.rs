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

/// The files of the page.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/page.html")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("../page/style.css")),
    ("/page/script.js", "text/javascript; charset=utf-8", include_str!("../page/script.js")),
];

/// Routes of the page. They need no key, because they hold no data.
pub fn routes() -> Router<Arc<App>> {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| router.route(path, get(move || std::future::ready(file(kind, text)))))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")], text).into_response()
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
pub struct Jobs {
    /// The jobs.
    jobs: Vec<NamedJob>,
}

/// List the jobs that a submission can name
#[utoipa::path(get, path = "/api/jobs", responses((status = OK, body = Jobs), (status = "default", body = Problem)))]
pub async fn jobs(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Json<Jobs>, Problem> {
    let mut jobs: Vec<NamedJob> = AUTO.iter().map(|(name, names)| choice(name, names)).collect();
    jobs.extend(BUILTIN.iter().map(|(name, text)| of_file(name, (*text).to_owned())));
    jobs.extend(app.blocking(|app| Ok(of_directory(Path::new(&app.settings.jobs)))).await?);
    jobs.retain(|job| caller.check_job(Some(&job.name)).is_ok());
    Ok(Json(Jobs { jobs }))
}

fn choice(name: &str, names: &[&str]) -> NamedJob {
    NamedJob { name: name.to_owned(), about: format!("{}, by the kind of the document", names.join(" or ")), file: None }
}

fn of_file(name: &str, text: String) -> NamedJob {
    // A job file with mistakes is listed too: a submission names them.
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let about = table.get("description").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
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
