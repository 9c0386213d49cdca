//! The inputs of an earlier run, and thumbnails of its images.

use super::{ADDED_TO, Environment, ROOTS, USED_COLUMNS};
use crate::engine::pictures;
use crate::html_report::Thumbnails;
use crate::prepare::PrepareSettings;
use crate::read::{InputSettings, Roots, is_stream};
use crate::store::{Archive, RunRecord, StoreError};
use futures::StreamExt as _;
use std::future::ready;
use std::path::Path;

/// The inputs of a run, and the columns that its prompts used; `None` if it read standard input.
pub fn inputs_of(run: &RunRecord) -> Option<(InputSettings, Option<Vec<String>>)> {
    let settings: serde_json::Value = serde_json::from_str(&run.settings).unwrap_or_default();
    let of_input = settings.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.strip_prefix("input.")?, value)));
    let mut input: serde_json::Map<_, _> = of_input.map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for ours in [ROOTS, ADDED_TO] {
        input.remove(ours.trim_start_matches("input."));
    }
    let used = input.remove(USED_COLUMNS).map_or(Some(Vec::new()), |used| serde_json::from_value(used).unwrap_or_default());
    let input: InputSettings = serde_json::from_value(input.into()).unwrap_or_default();
    let gone = is_stream(&input.files_from) || input.rows.iter().chain(&input.paths).any(|given| is_stream(given));
    (!gone).then_some((input, used))
}

/// The inputs of a run, if all of them exist on this machine.
pub fn local_inputs(run: &RunRecord, environment: &Environment, output: &Path) -> Option<Roots> {
    let (input, used) = inputs_of(run)?;
    let InputSettings { paths, rows, files_from, .. } = &input;
    let mut given = paths.iter().chain(rows).chain([files_from]);
    let is_elsewhere = |given: &String| given.contains("://");
    // Thumbnails are not worth requests to a server.
    if paths.is_empty() && files_from.is_empty() || given.any(is_elsewhere) {
        return None;
    }
    Roots::open(&input, &environment.of_inputs(), used, output).ok()
}

/// Makes thumbnails of the images of a report.
pub async fn thumbnails(archive: &Archive, view: (i64, i64), roots: &Roots, settings: &PrepareSettings) -> Result<Thumbnails, StoreError> {
    let files = Thumbnails::files(archive, view, roots)?;
    let settings = Thumbnails::settings(settings, files.len());
    let mut thumbnails = Thumbnails::default();
    let files = files.into_iter().map(|(index, path, digest)| (index, path, Some(digest))).collect();
    pictures(files, settings)
        .for_each(|(index, picture)| {
            thumbnails.add(index, &picture);
            ready(())
        })
        .await;
    Ok(thumbnails)
}
