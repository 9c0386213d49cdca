//! Files of clients: the inputs of batches, and their results.

use super::{check_may_send, deleted};
use crate::gateway::{ApiError, BATCH, FileRecord, LIFETIME_S, Page};
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use axum::body::Body;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest as _, Multipart, Path, Query, Request, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error as _;
use std::io::{SeekFrom, Write as _};
use std::ops::Range;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

/// Maximum length of the fields beside the file.
const FIELD: usize = 1000;
/// Maximum length of a name in bytes.
const NAME: usize = 255;

/// Which objects of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only objects behind this one.
    after: Option<String>,
    /// Maximum number of objects.
    limit: Option<u32>,
    /// `asc` for the oldest first, or `desc`.
    order: Option<String>,
    /// Only files for this purpose.
    purpose: Option<String>,
}

impl ListQuery {
    /// The page, with at most `most` objects.
    pub fn page(&self, usual: u32, most: u32) -> Result<Page, ApiError> {
        let ascending = match self.order.as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(other) => {
                return Err(ApiError::param("order", "invalid_value", format!("unknown order \"{other}\"; expected asc or desc")));
            }
        };
        Ok(Page { after: self.after.clone(), limit: self.limit.unwrap_or(usual).clamp(1, most), ascending })
    }
}

/// A list in OpenAI's form.
pub fn list_of(objects: &[Value], more: bool) -> Json<Value> {
    let id = |object: Option<&Value>| object.map_or(Value::Null, |object| object["id"].clone());
    let (first, last) = (id(objects.first()), id(objects.last()));
    Json(json!({"object": "list", "data": objects, "first_id": first, "last_id": last, "has_more": more}))
}

/// Upload the input of a batch
#[utoipa::path(post, path = "/v1/files", request_body(content = String, content_type = "multipart/form-data"), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn create(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Json<Value>, ApiError> {
    check_may_send(&app, &caller)?;
    let staged = app.blocking(|app| {
        if !app.has_disk() {
            return Err(Problem::full("the directory of the server is full (serve.disk_mb). Remove ended runs and files"));
        }
        Ok(app.gateway.stage()?)
    });
    let Upload { file, name, lifetime_s } = receive(request, staged.await?, app.settings.max_upload()).await?;
    Ok(Json(app.gateway.keep(caller.name, name, file, lifetime_s).await?.json()))
}

/// A complete upload.
struct Upload {
    file: NamedTempFile,
    name: String,
    lifetime_s: Option<i64>,
}

/// Receives a multipart body. The file goes to disk piece by piece.
async fn receive(request: Request, mut file: NamedTempFile, most: u64) -> Result<Upload, ApiError> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        ApiError::invalid(format!("the body is not valid multipart: {why}"))
    };
    let mut parts = Multipart::from_request(request, &()).await.map_err(ApiError::invalid)?;
    let (mut purpose, mut name, mut lifetime_s) = (None, None, None);
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        match part.name() {
            Some("file") if name.is_none() => {
                let given = part.file_name().unwrap_or("upload.jsonl");
                name = Some(given.chars().filter(|c| !c.is_control()).take(NAME).collect::<String>());
                let mut bytes = 0;
                while let Some(piece) = part.chunk().await.map_err(broken)? {
                    bytes += piece.len() as u64;
                    if bytes > most {
                        return Err(ApiError::too_large(format!("the file is larger than {} MB (serve.max_upload_mb)", most / 1_000_000)));
                    }
                    let written = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file));
                    file = written.await.map_err(ApiError::internal)??;
                }
            }
            Some("purpose") => purpose = Some(text(part).await?),
            Some("expires_after[seconds]") => {
                let seconds = text(part).await?.parse().ok().filter(|seconds| LIFETIME_S.contains(seconds));
                let wrong = || ApiError::param("expires_after", "invalid_value", "seconds must be 3600 to 2592000");
                lifetime_s = Some(seconds.ok_or_else(wrong)?);
            }
            _ => drop(text(part).await?),
        }
    }
    match purpose.as_deref() {
        Some(BATCH) => {}
        Some(other) => {
            let message = format!("'{other}' is not one of ['{BATCH}'] - 'purpose'");
            return Err(ApiError::param("purpose", "invalid_value", message));
        }
        None => return Err(ApiError::param("purpose", "missing_required_parameter", "Missing required parameter: 'purpose'.")),
    }
    let name = name.ok_or_else(|| ApiError::param("file", "missing_required_parameter", "Missing required parameter: 'file'."))?;
    Ok(Upload { file, name, lifetime_s })
}

async fn text(mut part: Field<'_>) -> Result<String, ApiError> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(ApiError::invalid)? {
        if text.len() + piece.len() > FIELD {
            return Err(ApiError::invalid("a field of the upload is too long"));
        }
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).map_err(|_| ApiError::invalid("a field of the upload is not UTF-8"))
}

/// List files, newest first
#[utoipa::path(get, path = "/v1/files", params(ListQuery), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let page = query.page(1000, 10_000)?;
    let (files, more) = app.gateway.files(caller.name, query.purpose, page).await?;
    Ok(list_of(&files.iter().map(FileRecord::json).collect::<Vec<_>>(), more))
}

/// Look at a file
#[utoipa::path(get, path = "/v1/files/{id}", params(("id" = String, Path)), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.gateway.file(&caller.name, &id).await?.0.json()))
}

/// Remove a file
#[utoipa::path(delete, path = "/v1/files/{id}", params(("id" = String, Path)), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    check_may_send(&app, &caller)?;
    app.gateway.delete_file(&caller.name, &id).await?;
    Ok(deleted(&id, "file"))
}

/// Fetch the content of a file
#[utoipa::path(get, path = "/v1/files/{id}/content", params(("id" = String, Path)), responses((status = OK, body = String), (status = "default", body = Value)))]
pub async fn content(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (file, path) = app.gateway.file(&caller.name, &id).await?;
    let range = match headers.get(RANGE).and_then(|range| range.to_str().ok()).map(|range| part(range, file.bytes)) {
        None | Some(None) => None,
        Some(Some(range)) if range.is_empty() => {
            let response = ApiError::new(416, "invalid_request_error", None, "the file is shorter than the range").into_response();
            return Ok(([(CONTENT_RANGE, format!("bytes */{}", file.bytes))], response).into_response());
        }
        Some(range) => range,
    };
    let name: String = file.name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect();
    let mut content = tokio::fs::File::open(path).await?;
    let sent = range.clone().unwrap_or(0..file.bytes);
    content.seek(SeekFrom::Start(sent.start)).await?;
    let body = Body::from_stream(ReaderStream::new(content.take(sent.end - sent.start)));
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CONTENT_LENGTH, (sent.end - sent.start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    Ok(match range {
        None => (headers, body).into_response(),
        Some(Range { start, end }) => {
            let range = format!("bytes {start}-{}/{}", end - 1, file.bytes);
            (StatusCode::PARTIAL_CONTENT, headers, [(CONTENT_RANGE, range)], body).into_response()
        }
    })
}

/// The bytes that a header `Range` asks for; empty if there are none. `None` if the header has
/// another form, which asks for the whole file.
fn part(range: &str, size: u64) -> Option<Range<u64>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    match (from, to) {
        ("", last) => Some(size.saturating_sub(last.parse().ok()?)..size),
        (from, "") => Some(from.parse::<u64>().ok()?.min(size)..size),
        (from, to) => {
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            (from <= to).then(|| from.min(size)..to.saturating_add(1).min(size))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_never_exceeds_the_file() {
        for (range, expected) in [
            ("bytes=0-3", Some(0..4)),
            ("bytes=4-", Some(4..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=8-99", Some(8..10)),
            ("bytes=10-", Some(10..10)),
            ("bytes=5-4", None),
            ("bytes=a-b", None),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
            ("bytes=0-18446744073709551615", Some(0..10)),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }
}
