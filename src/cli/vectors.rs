//! `docmill vectors`: writes the vectors of a job as a Parquet file.

use super::args::VectorsArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::archive;
use crate::model::{counted, unknown_name};
use crate::store::{Archive, EmbedRecord, StoredChunk, View};
use crate::write::{VectorRow, VectorsFile};
use std::io;

pub(super) fn vectors(args: &VectorsArgs) -> Result<Exit, CliError> {
    let (_, archive) = archive(&args.store)?;
    let (view, task) = newest_vectors(&archive, (args.job.as_deref(), args.task.as_deref()))?;
    let name = std::path::absolute(&args.file).map_err(CliError::usage)?;
    let describe = |key: &str, value: &str| (format!("docmill.{key}"), value.to_owned());
    let metadata = || {
        let version = env!("CARGO_PKG_VERSION");
        vec![describe("version", version), describe("job", &task.job), describe("task", &task.task), describe("model", &task.model)]
    };
    let (mut file, mut rows): (Option<VectorsFile>, u64) = (None, 0);
    let write = |chunk: StoredChunk<'_>| -> io::Result<()> {
        let StoredChunk { document, part, page, text, vector } = chunk;
        if file.is_none() {
            file = Some(VectorsFile::begin(&name, vector.len() / size_of::<f32>(), metadata())?);
        }
        rows += 1;
        file.as_mut().map_or(Ok(()), |file| file.push(VectorRow { document, chunk: part, page, text, vector }))
    };
    let error = |e: io::Error| CliError::internal(format!("{}: cannot write it: {e}", args.file.display()));
    archive.chunks(&view, &task.task, write).map_err(CliError::internal)?.map_err(error)?;
    let file = file.ok_or_else(|| CliError::usage(format!("the task {} has no vectors yet", task.task)))?;
    let size = file.finish().map_err(error)?.size;
    print(&format!("{}: {} of {}, {size} bytes", args.file.display(), counted(rows, "vector"), task.model))?;
    Ok(Exit::Ok)
}

/// The newest task with vectors, or the one of these names of a job and a task.
///
/// Complete runs come first. A run of other tasks has no vectors, so those of an earlier run count.
pub(super) fn newest_vectors(archive: &Archive, (job, task): (Option<&str>, Option<&str>)) -> Result<(View, EmbedRecord), CliError> {
    let runs = archive.runs().map_err(CliError::internal)?;
    let views: Vec<View> = runs.iter().rev().map(Archive::view_of).collect();
    let (complete, others): (Vec<&View>, Vec<&View>) = views.iter().partition(|view| view.complete);
    let newest = complete.first().map(|view| view.listing);
    let mut names: Vec<String> = Vec::new();
    for view in complete.into_iter().chain(others) {
        // If a later run found the same documents, only its listing is kept.
        let later = newest.filter(|listing| *listing != view.listing).map(|listing| View { listing, ..view.clone() });
        for own in archive.embed_tasks(view).map_err(CliError::internal)? {
            let is_wanted = job.is_none_or(|job| job == own.job) && view.jobs.iter().any(|job| job.name == own.job);
            let mut found = None;
            for view in [Some(view), later.as_ref()].into_iter().flatten().filter(|_| is_wanted) {
                if found.is_none() && archive.has_vectors(view, &own.task).map_err(CliError::internal)? {
                    found = Some(view);
                }
            }
            let Some(view) = found else { continue };
            if task.is_none_or(|task| task == own.task) {
                return Ok((view.clone(), own));
            }
            names.push(own.task);
        }
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    Err(CliError::usage(match task {
        Some(task) if !known.is_empty() => unknown_name("task", task, &known),
        _ => format!("{}: no vectors. Embed texts first: docmill run DIR --job embed", archive.path().display()),
    }))
}
