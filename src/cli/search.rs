//! `docmill search`: finds the passages nearest to a text.

use super::args::SearchArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::load;
use crate::ask::query_vector;
use crate::model::unknown_name;
use crate::progress::wrapped_for_stdout;
use crate::setup::{Environment, Flag, upstream};
use crate::store::{Archive, EmbedRecord, Passage, View};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

/// Characters of a passage that are shown.
const SHOWN: usize = 300;

pub(super) fn search(args: &SearchArgs) -> Result<Exit, CliError> {
    let archive = Archive::open(Path::new(&args.directory)).map_err(CliError::usage)?;
    let archive = archive
        .ok_or_else(|| CliError::usage(format!("{}: no run store. Embed texts first: docmill run DIR --job embed", args.directory)))?;
    let (view, task) = task(&archive, args)?;
    let (config, settings) = load(&args.settings, Vec::<Flag>::new())?;
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
    let passages = archive.nearest(&view, &task.task, &query, args.top.max(1)).map_err(CliError::internal)?;
    print(&if args.json { as_json(&passages) } else { as_text(&passages) })?;
    Ok(Exit::Ok)
}

/// The newest task that embedded, or the one of the arguments.
fn task(archive: &Archive, args: &SearchArgs) -> Result<(View, EmbedRecord), CliError> {
    let mut tasks = Vec::new();
    for run in archive.runs().map_err(CliError::internal)?.iter().rev() {
        for job in run.jobs.iter().filter(|job| args.job.as_ref().is_none_or(|own| *own == job.name)) {
            if let Some(view) = archive.view(Some(&job.name), false).map_err(CliError::internal)? {
                let of_job = archive.embed_tasks(&view).map_err(CliError::internal)?;
                tasks.extend(of_job.into_iter().filter(|task| task.job == job.name).map(|task| (view.clone(), task)));
            }
        }
        if !tasks.is_empty() {
            break;
        }
    }
    let names: Vec<String> = tasks.iter().map(|(_, task)| task.task.clone()).collect();
    let found = tasks.into_iter().find(|(_, task)| args.task.as_ref().is_none_or(|own| *own == task.task));
    found.ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        CliError::usage(match &args.task {
            Some(task) if !known.is_empty() => unknown_name("task", task, &known),
            _ => format!("{}: no vectors. Embed texts first: docmill run DIR --job embed", args.directory),
        })
    })
}

fn as_json(passages: &[Passage]) -> String {
    let passage = |passage: &Passage| {
        let Passage { document, part, page, text, cosine, .. } = passage;
        json!({ "document": document, "part": part, "page": page, "cosine": cosine, "text": text }).to_string() + "\n"
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
