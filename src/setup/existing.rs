//! Results that are there: whether a run would drop any of them from view, and what becomes of them
//! then.
//!
//! A run over everything that the results are about brings them up to date: what it does not find
//! is gone. Any other run leaves rows out, so it begins only when somebody says whether it adds to
//! the results or replaces them.

use super::SetupError;
use super::history::{ADDED_TO, ROOTS, changes, decides, kept};
use crate::engine::Beside;
use crate::read::{Coverage, InputRecord, Roots, coverage, file_of, id_of, is_made_up, read_otherwise, standing_apart, united, versions};
use crate::store::{Archive, Kept, RunRecord, View};
use crate::write::{Existing, Format, OutputSettings, ResultFiles};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Asks a person. The answer is in small letters. Where nobody can answer, the error is the second
/// text, which says what to do instead.
pub type Ask = fn(question: &str, otherwise: &str) -> Result<String, SetupError>;

/// Whether a command looks after results that are there.
#[derive(Debug, Clone, Copy, Default)]
pub enum Guard {
    /// It writes none.
    #[default]
    Off,
    /// It only tells what a run would ask.
    Tell,
    /// It asks.
    Ask(Ask),
}

/// What a run does with them.
pub(super) struct Settled {
    pub roots: Roots,
    pub beside: Option<Beside>,
    /// The inputs that the results will be about.
    pub records: Vec<InputRecord>,
    /// The run that documents are added to.
    pub added_to: Option<i64>,
    pub note: Option<String>,
}

/// What there is.
struct Before {
    archive: Archive,
    /// Views by job, of jobs with results.
    views: BTreeMap<String, View>,
    runs: Vec<RunRecord>,
}

impl Before {
    /// What there is of these jobs; `None` without a store. The run itself reports a store that
    /// cannot be read. Documents are also added to results of which the files are gone: the store
    /// still has them.
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

    /// The inputs that a view is about.
    fn records(&self, view: &View) -> Vec<InputRecord> {
        self.run(view).map(records).unwrap_or_default()
    }

    /// Rows by job that a run would leave out, where it leaves out any.
    fn lost(&self, plain: &Roots, named: &Roots) -> Result<BTreeMap<String, Kept>, SetupError> {
        let mut lost = BTreeMap::new();
        for (job, view) in &self.views {
            let how = coverage(&plain.records(), &self.records(view));
            if how == Coverage::All {
                continue;
            }
            let (changed, before) = (how == Coverage::ChangedTables, self.records(view));
            // A row that is named by its number may be another one in a changed table.
            let names =
                named.walk().map(|(document, _)| document.name).filter(|name| !changed || !id_of(name, &before).is_some_and(is_made_up));
            let named_gone = Cell::new(0_u64);
            // The same file may have another name, as it is looked at from elsewhere.
            let still_there = |name: &str| {
                let is_there = file_of(name, &before).is_some_and(|path| named.take(&path));
                let is_named = id_of(name, &before).is_some_and(|id| !is_made_up(id));
                named_gone.set(named_gone.get() + u64::from(is_named && !is_there));
                is_there
            };
            let kept = self.archive.kept(view, names, still_there).map_err(SetupError::internal)?.get(job).copied().unwrap_or_default();
            let gone = kept.rows - kept.kept.min(kept.rows);
            // Rows without ids have no name that could be missed. If most of them are gone, it is
            // another table.
            let few = changed && named_gone.get() == 0 && gone * 2 <= kept.rows;
            if gone > 0 && !few {
                lost.insert(job.clone(), kept);
            }
        }
        Ok(lost)
    }

    /// Checks that the newest run got to its end, or that a run over `now` goes on with it.
    /// Otherwise its documents would be neither in the results nor pending.
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
        Err(format!("run {} did not get to its end, and its documents would be left out: run the same command again first", run.id))
    }

    /// The view that a run over `now` can add documents to. The error says why there is none.
    fn to_add_to(&self, now: &[InputRecord], recipe: i64, settings: &str) -> Result<&View, String> {
        self.check_newest(now)?;
        let Some(view) = self.views.values().max_by_key(|view| view.run) else { return Err("there are no results".into()) };
        if self.views.values().any(|view| !view.complete) {
            return Err(format!("run {} did not get to its end: run the same command again first", view.run));
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
        Err(format!("the results were made with other settings ({keys}), and rows of one file are made alike: {}", made_anew(&there)))
    }
}

/// How results about these inputs are made anew. A run over several deliveries at once would have
/// each of their rows, and not only the newest versions.
fn made_anew(there: &[InputRecord]) -> &'static str {
    let mut tables = there.iter().filter(|record| record.columns.is_some());
    match (tables.next(), tables.next()) {
        (Some(first), None) if !first.has_earlier => "run over all inputs together",
        (None, _) => "run over all inputs together",
        _ => "to make them anew, run over the first delivery with --replace, and over each later one with --add",
    }
}

/// The inputs that the results of a run are about.
pub fn records(run: &RunRecord) -> Vec<InputRecord> {
    kept(&run.settings).remove(ROOTS).and_then(|records| serde_json::from_value(records).ok()).unwrap_or_default()
}

/// The run that a run added documents to.
pub fn added_to(run: &RunRecord) -> Option<i64> {
    kept(&run.settings).get(ADDED_TO).and_then(serde_json::Value::as_i64)
}

/// What decides whether results that are there may go.
pub(super) struct Results<'a> {
    pub output: &'a OutputSettings,
    pub jobs: &'a [&'a str],
    pub recipe: i64,
    /// The settings of the run, as the history keeps them.
    pub settings: &'a str,
    pub guard: Guard,
}

/// Decides what becomes of results that are there. `open` opens the inputs beside those of the
/// results.
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
    if before.views.is_empty() {
        let newest = if output.existing == Existing::Add { before.check_newest(&plain.records()) } else { Ok(()) };
        return newest.map(|()| alone(plain, None)).map_err(|why| SetupError::usage(format!("--add: {why}; --replace makes new results")));
    }
    let view = before.to_add_to(&plain.records(), recipe, settings);
    let add = |view: &View| {
        let (roots, there) = (open(&before.records(view))?, before.records(view));
        let beside = Beside { listing: view.listing, versions: versions(&there, &roots.records()), records: there.clone() };
        let versions: Vec<String> = beside.versions.iter().map(|(old, new)| format!("{new} with {old}")).collect();
        let same = (!versions.is_empty())
            .then(|| format!("rows with the same id are versions of one row, and the new one counts: {}", versions.join(", ")));
        let apart = standing_apart(&there, &roots.records());
        let apart = apart.into_iter().map(|(new, old)| {
            format!("table {new} has other columns than {old}: its rows stand beside those that are there and replace none of them")
        });
        let notes: Vec<String> = same.into_iter().chain(apart).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Settled { records: united(&there, roots.records()), roots, beside: Some(beside), added_to: Some(view.run), note })
    };
    let everything = before.views.values().all(|view| coverage(&plain.records(), &before.records(view)) == Coverage::All);
    if output.existing == Existing::Add {
        return match view {
            // What cannot be named beside the results may have all of them in it.
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
    let Some(what) = told(output, &lost, plain.unsorted().count()) else { return Ok(alone(plain, None)) };
    let choices = match &view {
        Ok(_) => "--add keeps them beside the new ones".to_owned(),
        Err(why) => format!("--add is not possible: {why}"),
    };
    let otherwise =
        format!("{what}. {choices}; --replace lets them go (paid answers stay in the run store); --output names another directory");
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

/// What would be lost from view, in words.
fn told(output: &OutputSettings, lost: &BTreeMap<String, Kept>, documents: usize) -> Option<String> {
    let of_job = |(job, kept): (&String, &Kept)| {
        let there = Format::ALL.iter().map(|format| output.dir.join(job).join(format.file_name())).find(|path| path.exists());
        let file = there.unwrap_or_else(|| output.dir.join(job)).display().to_string();
        let Kept { rows, kept } = *kept;
        format!("{file} has {rows} {}; this run would leave {kept} of them", if rows == 1 { "row" } else { "rows" })
    };
    let all: Vec<String> = lost.iter().map(of_job).collect();
    (!all.is_empty())
        .then(|| format!("{} (it looks at {documents} {})", all.join("; "), if documents == 1 { "document" } else { "documents" }))
}
