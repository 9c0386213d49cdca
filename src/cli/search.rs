//! `docmill search`: finds the passages nearest to a text.

use super::args::SearchArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::load;
use super::vectors::{newest_vectors, tell_incomplete};
use crate::ask::query_vector;
use crate::progress::wrapped_for_stdout;
use crate::setup::{Environment, Flag, upstream};
use crate::store::{Archive, EmbedRecord, Passage};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

/// Characters of a passage that are shown.
const SHOWN: usize = 300;

pub(super) fn search(args: &SearchArgs) -> Result<Exit, CliError> {
    if args.text.trim().is_empty() {
        return Err(CliError::usage("the text to search for is empty"));
    }
    let archive = Archive::open(Path::new(&args.directory)).map_err(CliError::usage)?;
    let archive = archive
        .ok_or_else(|| CliError::usage(format!("{}: no run store. Embed texts first: docmill run DIR --job embed", args.directory)))?;
    let names = (args.job.as_deref(), args.task.as_deref());
    let (view, task) = newest_vectors(&archive, names)?;
    tell_incomplete(&archive, &view, &task)?;
    let (config, mut settings) = load(&args.settings, Vec::<Flag>::new())?;
    task.model.clone_into(&mut settings.llm.model);
    if settings.llm.provider != task.provider {
        let message = format!(
            "the vectors in {} are from the provider {}, but the settings name {}. Use the settings of the run, or --set llm.provider={}",
            args.directory, task.provider, settings.llm.provider, task.provider
        );
        return Err(CliError::usage(message));
    }
    let runtime = tokio::runtime::Runtime::new().map_err(CliError::internal)?;
    let query = runtime.block_on(async {
        let upstream = upstream(&Environment::of_process(), &config, settings).await?;
        let vector = query_vector(&upstream.account, &upstream.llm, &task.model, &task.query, &args.text).await;
        vector.map_err(|why| {
            let message = format!("{}: no vector for the query: {why}", upstream.account.base_url);
            CliError { exit: Exit::StoppedEarly, message }
        })
    })?;
    let passages = nearest(&archive, names, &task, (&query, args.top))?;
    let text = if args.json { as_json(&passages) } else { as_text(&passages) };
    print(text.trim_end())?;
    Ok(Exit::Ok)
}

/// The passages of `before` nearest to a query. A run may have replaced the results since `before`
/// was read.
fn nearest(
    archive: &Archive,
    names: (Option<&str>, Option<&str>),
    before: &EmbedRecord,
    (query, top): (&[f32], usize),
) -> Result<Vec<Passage>, CliError> {
    archive.hold_still().map_err(CliError::internal)?;
    let (view, task) = newest_vectors(archive, names)?;
    let stopped = |message| Err(CliError { exit: Exit::StoppedEarly, message });
    if task != *before {
        return stopped("a run has changed the task during the search. Search again".to_owned());
    }
    let passages = archive.nearest(&view, &task.task, query, top).map_err(CliError::internal)?;
    if passages.len() < top {
        let stored = archive.dimensions(&view, &task.task).map_err(CliError::internal)?;
        if let Some(other) = stored.iter().find(|dimensions| **dimensions != query.len()) {
            return Err(CliError::usage(format!(
                "the vector of the text has {} dimensions, but vectors in the run store have {other}: the server has another model \
                    \"{}\" than during the run. Use the server of the run, or embed the documents into another output directory",
                query.len(),
                task.model
            )));
        }
    }
    if passages.is_empty() {
        return stopped("no passage was found, because a run was replacing the vectors. Search again".to_owned());
    }
    Ok(passages)
}

fn as_json(passages: &[Passage]) -> String {
    let passage = |passage: &Passage| {
        let Passage { document, part, page, text, cosine, .. } = passage;
        json!({ "document": document, "chunk": part, "page": page, "cosine": cosine, "text": text }).to_string() + "\n"
    };
    passages.iter().map(passage).collect()
}

fn as_text(passages: &[Passage]) -> String {
    let mut text = String::new();
    for Passage { document, part, page, text: passage, cosine, .. } in passages {
        let place = page.map_or_else(|| format!("chunk {part}"), |page| format!("page {page}"));
        let shown: String = passage.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
        let passage = wrapped_for_stdout(&format!("       {shown}"), 7);
        let _infallible = writeln!(text, "{cosine:.3}  {document}, {place}\n{passage}\n");
    }
    text
}
