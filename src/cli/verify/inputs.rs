//! Compares inputs with the results made of them.

use super::Receipt;
use crate::cli::exit::CliError;
use crate::cli::print;
use crate::model::{Digest, Place, subcommand};
use crate::prepare::is_archive_name;
use crate::progress::plain;
use crate::read::{InputKind, InputRecord, Roots};
use crate::setup::{self, inputs_of};
use crate::store::{Archive, Content, RunRecord, View};
use crate::watch::{is_temporary, moved_paths};
use crate::write::Hashed;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Inputs of each kind that are named before the rest is counted.
const NAMED: usize = 10;

/// Names of inputs: the first ones, and the number of all.
#[derive(Default)]
struct Names {
    count: usize,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(plain(name).into_owned());
        }
    }

    fn print(&self, what: &str) -> Result<(), CliError> {
        self.first.iter().try_for_each(|name| print(&format!("        {what:<7} {name}")))?;
        let others = self.count - self.first.len();
        if others > 0 { print(&format!("        {what:<7} and {others} more")) } else { Ok(()) }
    }
}

/// Compares the inputs with the digests from which the results were made.
pub(super) fn inputs(archive: &Archive, view: &View, runs: &[RunRecord], output: &Path, receipt: &mut Receipt) -> Result<(), CliError> {
    // For inputs in object storage.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(CliError::internal)?;
    let _inside = runtime.enter();
    // Several runs may have added documents. The newest comes first.
    let environment = setup::Environment::of_process().of_inputs();
    let (mut next, mut all) = (Some(view.run), Vec::new());
    while let Some(run) = next.and_then(|id| runs.iter().find(|run| run.id == id)) {
        next = setup::added_to(run).filter(|before| *before < run.id);
        let before = next.and_then(|id| runs.iter().find(|run| run.id == id)).map(setup::records).unwrap_or_default();
        let Some((input, used)) = inputs_of(run) else {
            return print(&format!("  note  inputs were not compared: run {} read them from a pipe", run.id));
        };
        match Roots::open_beside(&input, &environment, used, output, &before) {
            Ok(roots) => all.push(roots),
            Err(error) => {
                return print(&format!("  note  inputs were not compared: {error} (run {} may have used another directory)", run.id));
            }
        }
    }
    let (mut same, mut gone, mut changed, mut newer, mut delivered, mut unread, mut away) =
        (0_u64, Names::default(), Names::default(), 0_u64, 0_u64, 0_u64, 0_u64);
    let watch = runs.iter().find(|run| run.id == view.run && subcommand(&run.command).as_deref() == Some("watch"));
    let moved_to = watch.map(moved_to).unwrap_or_default();
    let deliveries = deliveries(view, runs, &all);
    let is_delivered = |name: &str| deliveries.iter().any(|table| name.strip_prefix(table).is_some_and(|rest| rest.starts_with('#')));
    let now = |roots: &Roots, place: &Place| match place {
        Place::File(path) => digest(path),
        Place::Row(row) => Ok(row.digest),
        object @ (Place::Object { .. } | Place::Group(_) | Place::Member(_)) => {
            roots.digest_elsewhere(object).map_err(|failure| io::Error::other(failure.message))
        }
    };
    let size = |roots: &Roots, name: &str| roots.stamp_of(&roots.locate(name)?).map(|stamp| stamp.size);
    let each = |name: &str, content: Content| {
        let known = match content {
            Content::Known(digest) => digest,
            // An archive without files has bytes.
            Content::Empty if !is_archive_name(name) && all.iter().any(|roots| size(roots, name).is_some_and(|bytes| bytes > 0)) => {
                return changed.add(name);
            }
            // An unreadable document may be a pipe without a writer, so it is not opened.
            Content::Empty | Content::Unknown => {
                unread += 1;
                return;
            }
        };
        let found: Vec<_> = all.iter().filter_map(|roots| roots.locate(name).and_then(|place| now(roots, &place).ok())).collect();
        match found.first() {
            Some(_) if found.contains(&known) => same += 1,
            // A later, incomplete run has read it.
            Some(now) if archive.knows(name, *now).unwrap_or(false) => newer += 1,
            Some(_) => changed.add(name),
            None if all.iter().any(|roots| roots.hold(name, known, None)) => same += 1,
            None if is_delivered(name) => delivered += 1,
            None if all.iter().any(|roots| roots.has_row(name)) => changed.add(name),
            // With such a directory, a watch keeps the rows of all files that are gone.
            None if !moved_to.is_empty() => {
                let is_there = moved_to.iter().flat_map(|to| moved_paths(to, name)).any(|path| digest(&path).is_ok_and(|now| now == known));
                *(if is_there { &mut same } else { &mut away }) += 1;
            }
            None => gone.add(name),
        }
    };
    archive.contents(view, each).map_err(CliError::internal)?;
    if delivered > 0 {
        print(&format!("  note  {delivered} rows come from deliveries whose files contain other rows now"))?;
    }
    if newer > 0 {
        receipt.older(&format!(
            "{newer} inputs have changed since, and a later run has read them; run again to bring the results up to date"
        ))?;
    }
    let unread = if unread > 0 { format!(", {unread} not compared (empty or unreadable when they were read)") } else { String::new() };
    let away = if away > 0 {
        format!(", {away} not compared (neither where they were nor in watch.done_dir or watch.failed_dir)")
    } else {
        String::new()
    };
    let text = format!("{same} inputs are unchanged, {} changed, {} gone{unread}{away}", changed.count, gone.count);
    // Documents that an incomplete run has not reached are pending, and not new.
    let new = if view.complete { new_names(archive, view, &all, watch.is_some())? } else { Names::default() };
    if gone.count + changed.count + new.count == 0 {
        return Receipt::right(&text);
    }
    let again = runs.iter().find(|run| run.id == view.run).map_or("", |run| run.command.as_str());
    let again = if again.is_empty() { "docmill run" } else { again };
    // A table may contain the next delivery.
    let otherwise = if all.iter().any(Roots::has_rows) { ". If a table contains the next delivery, use --add" } else { "" };
    receipt.older(&format!("{text}, {} new since run {}: `{again}` brings the results up to date{otherwise}", new.count, view.run))?;
    for (what, names) in [("changed", changed), ("gone", gone), ("new", new)] {
        names.print(what)?;
    }
    Ok(())
}

/// The directories to which `docmill watch` has moved files with a row.
fn moved_to(run: &RunRecord) -> Vec<PathBuf> {
    let settings = setup::kept(&run.settings);
    let directory = |key| settings.get(key)?.as_str().filter(|name| !name.is_empty()).map(PathBuf::from);
    ["watch.done_dir", "watch.failed_dir"].into_iter().filter_map(directory).collect()
}

/// Inputs that the listing of a view does not have. `docmill watch` leaves unfinished files alone.
fn new_names(archive: &Archive, view: &View, all: &[Roots], was_watched: bool) -> Result<Names, CliError> {
    let mut catalog = archive.catalog(None).map_err(CliError::internal)?;
    let mut new = Names::default();
    for (document, _) in all.iter().flat_map(Roots::walk) {
        if was_watched && matches!(&document.place, Place::File(path) if is_temporary(path)) {
            continue;
        }
        // A row of a delivery may have the name of an earlier or later delivery in the results.
        let mut is_listed = all.len() > 1 && document.row().is_some();
        for version in catalog.versions(&document.name).map_err(CliError::internal)? {
            is_listed |= catalog.lists(view.listing, version.id).map_err(CliError::internal)?;
        }
        if !is_listed {
            new.add(&document.name);
        }
    }
    Ok(new)
}

/// Row name prefixes of added tables that are unchanged since their last delivery.
///
/// Rows with such a prefix that the file does not contain are of earlier deliveries.
fn deliveries(view: &View, runs: &[RunRecord], now: &[Roots]) -> Vec<String> {
    let there = runs.iter().find(|run| run.id == view.run && setup::added_to(run).is_some()).map(setup::records).unwrap_or_default();
    let now: Vec<InputRecord> = now.iter().flat_map(Roots::records).collect();
    let is_as_delivered = |old: &InputRecord| now.iter().any(|new| new.kind == old.kind && new.path == old.path && new.stamp == old.stamp);
    there.into_iter().filter(|old| old.kind == InputKind::Table && is_as_delivered(old)).map(|old| old.prefix).collect()
}

fn digest(path: &Path) -> io::Result<Digest> {
    Hashed::file(File::open(path)?).map(|(_, digest)| digest)
}
