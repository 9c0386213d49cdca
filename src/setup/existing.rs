//! Protects existing results from runs that would drop rows.
//!
//! A run over all inputs of the results updates the results. Rows of documents that no longer exist
//! disappear. Any other run would drop rows. It begins only if the user chooses to add to the
//! results or to replace them.

use super::SetupError;
use super::guard::Guard;
use super::history::{ADDED_TO, ROOTS, changes, decides, kept};
use crate::engine::Beside;
use crate::model::{Digest, Stamp};
use crate::read::{
    Coverage, InputRecord, Roots, coverage, delivered_before, file_of, id_of, is_made_up, read_otherwise, standing_apart, united, versions,
};
use crate::store::{Archive, Kept, RunRecord, View};
use crate::write::{Existing, OutputSettings, ResultFiles, sinks};
use std::cell::Cell;
use std::collections::BTreeMap;

/// The decision about existing results.
pub(super) struct Settled {
    pub roots: Roots,
    pub beside: Option<Beside>,
    /// The inputs of the results after the run.
    pub records: Vec<InputRecord>,
    /// The run to which documents are added.
    pub added_to: Option<i64>,
    pub note: Option<String>,
}

/// The existing results and runs of some jobs.
struct Before {
    archive: Archive,
    /// Views by job, for jobs with results.
    views: BTreeMap<String, View>,
    runs: Vec<RunRecord>,
}

/// Advice to finish a run before documents are added.
fn finish_first(run: Option<&RunRecord>) -> String {
    match run.map(|run| run.command.as_str()).filter(|command| !command.is_empty()) {
        Some(command) => format!("finish it first with `{command}`"),
        None => "finish it first with the command that began it".to_owned(),
    }
}

impl Before {
    /// Reads the existing results of these jobs; `None` without a readable store.
    ///
    /// The run itself reports an unreadable store. With `--add`, results without files also count
    /// if the store has them.
    fn look(output: &OutputSettings, jobs: &[&str]) -> Result<Option<Self>, SetupError> {
        let Ok(Some(archive)) = Archive::open(&output.dir) else { return Ok(None) };
        let (mut views, adds) = (BTreeMap::new(), output.existing == Existing::Add);
        for job in jobs {
            let view = archive.view(Some(job), false).map_err(SetupError::internal)?;
            let counts = |view: &View| ResultFiles::exist(output, job) || (adds && view.complete);
            views.extend(view.filter(counts).map(|view| ((*job).to_owned(), view)));
        }
        let mut runs = archive.runs().map_err(SetupError::internal)?;
        runs.retain(|run| run.jobs.iter().any(|job| jobs.contains(&job.name.as_str())));
        Ok(Some(Self { archive, views, runs }))
    }

    fn run(&self, view: &View) -> Option<&RunRecord> {
        self.runs.iter().find(|run| run.id == view.run)
    }

    /// The inputs of a view.
    fn records(&self, view: &View) -> Vec<InputRecord> {
        self.run(view).map(records).unwrap_or_default()
    }

    /// Finds the jobs that would lose rows in a run. Returns the number of rows and of kept rows
    /// for each job.
    fn lost(&self, plain: &Roots, named: &Roots) -> Result<BTreeMap<String, Kept>, SetupError> {
        let mut lost = BTreeMap::new();
        for (job, view) in &self.views {
            let how = coverage(&plain.records(), &self.records(view));
            if how == Coverage::All {
                continue;
            }
            let (changed, before) = (how == Coverage::ChangedTables, self.records(view));
            // A row without an id is named by its number, which may differ in a changed table.
            let names =
                named.walk().map(|(document, _)| document.name).filter(|name| !changed || !id_of(name, &before).is_some_and(is_made_up));
            let named_gone = Cell::new(0_u64);
            let deliveries = same_tables(&before, &plain.records());
            // The same file may have another name, if the inputs have another base directory. A
            // project may have moved with its inputs, and a row may be in a later delivery.
            let is_held = |name: &str, digest: Digest, stamp: Option<Stamp>| {
                let later = |(old, new): &(String, String)| {
                    name.strip_prefix(&**old)
                        .filter(|id| id.starts_with('#'))
                        .is_some_and(|id| plain.hold(&format!("{new}{id}"), digest, stamp))
                };
                plain.hold(name, digest, stamp) || deliveries.iter().any(later)
            };
            // A document that could not be read has no digest.
            let has_its_size = |name: &str, stamp: Option<Stamp>| {
                let now = plain.locate(name).and_then(|place| plain.stamp_of(&place));
                now.is_some_and(|now| stamp.is_none_or(|stamp| stamp.size == now.size))
            };
            let still_there = |name: &str, digest: Option<Digest>, stamp: Option<Stamp>| {
                let is_there = file_of(name, &before).is_some_and(|path| named.take(&path))
                    || digest.map_or_else(|| has_its_size(name, stamp), |digest| is_held(name, digest, stamp));
                let is_named = id_of(name, &before).is_some_and(|id| !is_made_up(id));
                named_gone.set(named_gone.get() + u64::from(is_named && !is_there));
                is_there
            };
            let mut kept = self.archive.kept(view, names, still_there).map_err(SetupError::internal)?.get(job).copied().unwrap_or_default();
            // One document may have the content of several rows.
            kept.kept = kept.kept.min(plain.unsorted().count() as u64);
            let gone = kept.rows - kept.kept.min(kept.rows);
            // Rows without ids have no stable names. If more than half of them are gone, the table
            // counts as another table.
            let few = changed && named_gone.get() == 0 && gone * 2 <= kept.rows;
            if gone > 0 && !few {
                lost.insert(job.clone(), kept);
            }
        }
        Ok(lost)
    }

    /// Checks that the newest run is complete or would be resumed. Otherwise its documents would be
    /// neither in the results nor pending. `now` are the inputs of the next run.
    fn check_newest(&self, now: &[InputRecord]) -> Result<(), String> {
        let is_open = |run: &&RunRecord| !matches!(run.outcome.as_deref(), Some("complete" | "sample"));
        let Some(run) = self.runs.last().filter(is_open) else { return Ok(()) };
        let there: Vec<InputRecord> = self.views.values().flat_map(|view| self.records(view)).collect();
        let goes_on = |old: &InputRecord| {
            let same = |new: &InputRecord| new.kind == old.kind && new.path == old.path;
            there.iter().chain(now).any(same) || coverage(now, std::slice::from_ref(old)) == Coverage::All
        };
        if records(run).iter().all(goes_on) {
            return Ok(());
        }
        Err(format!("run {} is incomplete, and its documents would be left out: {}", run.id, finish_first(Some(run))))
    }

    /// The view to which a run over `now` can add documents. The error is the reason why the run
    /// cannot add to the results.
    fn to_add_to(&self, now: &[InputRecord], recipe: i64, settings: &str) -> Result<&View, String> {
        self.check_newest(now)?;
        let Some(view) = self.views.values().max_by_key(|view| view.run) else { return Err("there are no results".into()) };
        if self.views.values().any(|view| !view.complete) {
            return Err(format!("run {} is incomplete: {}", view.run, finish_first(self.run(view))));
        }
        let there: Vec<InputRecord> = self.views.values().flat_map(|view| self.records(view)).collect();
        let columns: Vec<String> = read_otherwise(&there, now).into_iter().map(str::to_owned).collect();
        if columns.is_empty() && self.views.values().all(|view| view.recipe == recipe) {
            return Ok(view);
        }
        let before = self.run(view).map(|run| run.settings.as_str()).unwrap_or_default();
        let changed = changes(before, settings).into_iter().map(|(key, _)| key).filter(|key| decides(key) && !columns.contains(key));
        let keys: Vec<String> = columns.iter().cloned().chain(changed).collect();
        let keys = if keys.is_empty() { "the job".to_owned() } else { keys.join(", ") };
        Err(format!("the results were made with other settings ({keys}), but all rows of a file need the same: {}", made_anew(&there)))
    }
}

/// Name prefixes of tables with the same columns, before and now.
fn same_tables(before: &[InputRecord], now: &[InputRecord]) -> Vec<(String, String)> {
    let pairs = now.iter().flat_map(|new| before.iter().map(move |old| (old, new)));
    let same = pairs.filter(|(old, new)| old.columns.is_some() && old.columns == new.columns);
    same.map(|(old, new)| (old.prefix.clone(), new.prefix.clone())).collect()
}

/// Advice on how to make the results of these inputs again.
///
/// A run over several versions of a table at once would contain all their rows, and not only the
/// newest versions.
fn made_anew(there: &[InputRecord]) -> &'static str {
    let mut tables = there.iter().filter(|record| record.columns.is_some());
    match (tables.next(), tables.next()) {
        (Some(first), None) if !first.has_earlier => "run over all inputs together",
        (None, _) => "run over all inputs together",
        _ => "to make them again, run over the first delivery with --replace, and over each later one with --add",
    }
}

/// The inputs of the results of a run.
pub fn records(run: &RunRecord) -> Vec<InputRecord> {
    kept(&run.settings).remove(ROOTS).and_then(|records| serde_json::from_value(records).ok()).unwrap_or_default()
}

/// The run to which a run added documents.
pub fn added_to(run: &RunRecord) -> Option<i64> {
    kept(&run.settings).get(ADDED_TO).and_then(serde_json::Value::as_i64)
}

/// The facts that decide about existing results.
pub(super) struct Results<'a> {
    pub output: &'a OutputSettings,
    pub jobs: &'a [&'a str],
    pub recipe: i64,
    /// The settings of the run, as the history keeps them.
    pub settings: &'a str,
    pub guard: Guard,
}

/// Decides whether a run adds to results, replaces them, or is refused.
///
/// `open` opens the inputs of the run beside the inputs of the results.
pub(super) fn settle(
    plain: Roots,
    open: impl Fn(&[InputRecord]) -> Result<Roots, SetupError>,
    results: &Results<'_>,
) -> Result<Settled, SetupError> {
    let Results { output, jobs, recipe, settings, guard } = *results;
    let alone = |roots: Roots, note| Settled { records: roots.records(), roots, beside: None, added_to: None, note };
    if matches!(guard, Guard::Off) || output.existing == Existing::Replace {
        return Ok(alone(plain, None));
    }
    let Some(before) = Before::look(output, jobs)? else { return Ok(alone(plain, None)) };
    if matches!(guard, Guard::Stream) {
        let others = before.views.iter().find(|(_, view)| view.recipe != recipe);
        return others.map_or(Ok(alone(plain, None)), |(job, view)| Err(made_otherwise(output, job, view)));
    }
    if before.views.is_empty() {
        let newest = if output.existing == Existing::Add { before.check_newest(&plain.records()) } else { Ok(()) };
        return newest.map(|()| alone(plain, None)).map_err(|why| SetupError::usage(format!("--add: {why}; --replace makes new results")));
    }
    let view = before.to_add_to(&plain.records(), recipe, settings);
    let add = |view: &View| {
        let (roots, there) = (open(&before.records(view))?, before.records(view));
        let beside = Beside { run: view.run, listing: view.listing, versions: versions(&there, &roots.records()), records: there.clone() };
        let apart = standing_apart(&there, &roots.records());
        let apart = apart
            .into_iter()
            .map(|(new, old)| format!("table {new} has other columns than {old}: its rows are added and replace no existing rows"));
        let again = delivered_before(&there, &roots.records());
        let again = again.into_iter().map(|(old, later)| {
            format!("table {old} was delivered before {later}: rows that {later} changed go back to their version in {old}")
        });
        let notes: Vec<String> = apart.chain(again).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Settled { records: united(&there, roots.records()), roots, beside: Some(beside), added_to: Some(view.run), note })
    };
    let everything = before.views.values().all(|view| coverage(&plain.records(), &before.records(view)) == Coverage::All);
    if output.existing == Existing::Add {
        return match view {
            // Inputs that cannot be opened beside the earlier ones may still cover all of them.
            Ok(view) => add(view).or_else(|why| if everything { Ok(alone(plain, None)) } else { Err(why) }),
            Err(_) if everything => Ok(alone(plain, None)),
            Err(why) => Err(SetupError::usage(format!("--add: {why}; --replace makes new results"))),
        };
    }
    if everything {
        return Ok(alone(plain, None));
    }
    let named = view.as_ref().ok().and_then(|view| open(&before.records(view)).ok());
    let lost = before.lost(&plain, named.as_ref().unwrap_or(&plain))?;
    let Some(what) = describe_loss(output, &lost, plain.unsorted().count()) else { return Ok(alone(plain, None)) };
    let choices = match &view {
        Ok(_) => "--add keeps them and adds the new ones".to_owned(),
        Err(why) => format!("--add is not possible: {why}"),
    };
    let otherwise =
        format!("{what}. {choices}; --replace drops them (paid answers stay in the run store); --output names another directory");
    let Guard::Ask(ask) = guard else {
        return Ok(alone(plain, Some(format!("a run would ask first: {otherwise}"))));
    };
    let question = if view.is_ok() { "Add to them, replace them, or cancel? [a/r/C]" } else { "Replace them? [r/C]" };
    match ask(&format!("{what}. {question}"), &format!("{otherwise}. Nothing was sent"))?.as_str() {
        "a" | "add" if view.is_ok() => add(view.map_err(SetupError::usage)?),
        "r" | "replace" => Ok(alone(plain, None)),
        _ => Err(SetupError::usage("cancelled; nothing was sent")),
    }
}

/// Refuses to replace results that other settings have made.
fn made_otherwise(output: &OutputSettings, job: &str, view: &View) -> SetupError {
    SetupError::usage(format!(
        "{}: the results of run {} were made with another job or other settings, and what will come is not known. --replace drops them \
         (paid answers stay in the run store); --output names another directory. Nothing was sent",
        output.dir.join(job).display(),
        view.run
    ))
}

/// Describes the rows that a run would drop; `None` without any.
fn describe_loss(output: &OutputSettings, lost: &BTreeMap<String, Kept>, documents: usize) -> Option<String> {
    let of_job = |(job, kept): (&String, &Kept)| {
        let there = sinks(output, job).into_iter().find(|sink| sink.exists());
        let file = output.dir.join(there.as_ref().map_or(job.as_str(), |sink| sink.path())).display().to_string();
        let Kept { rows, kept } = *kept;
        format!("{file} has {rows} {}; this run would leave {kept} of them", if rows == 1 { "row" } else { "rows" })
    };
    let all: Vec<String> = lost.iter().map(of_job).collect();
    (!all.is_empty())
        .then(|| format!("{} (it looks at {documents} {})", all.join("; "), if documents == 1 { "document" } else { "documents" }))
}
