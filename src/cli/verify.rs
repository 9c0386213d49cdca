//! `docmill verify`: store, result files, inputs and bill, each against the others.

use super::args::StoreArgs;
use super::existing;
use super::exit::{Exit, Stop};
use super::history::{ADDED_TO, ROOTS, USED_COLUMNS};
use super::print;
use super::settings::archive;
use super::status::at_most;
use crate::model::{Digest, Place, ResultFile, Row, Totals};
use crate::read::{InputSettings, Roots, is_stream};
use crate::store::{Archive, Bookkeeping, RunLock, RunRecord, View};
use crate::write::{Format, Hashed, OutputSettings, ResultFiles, RowFile};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

/// What was found, line by line.
#[derive(Default)]
struct Receipt {
    wrong: u64,
}

impl Receipt {
    fn right(text: &str) -> Result<(), Stop> {
        print(&format!("  ok    {text}"))
    }

    fn wrong(&mut self, text: &str) -> Result<(), Stop> {
        self.wrong += 1;
        print(&format!("  WRONG {text}"))
    }

    fn say(&mut self, right: bool, text: &str) -> Result<(), Stop> {
        if right { Self::right(text) } else { self.wrong(text) }
    }
}

pub(super) fn verify(args: &StoreArgs) -> Result<Exit, Stop> {
    let (settings, archive) = archive(args)?;
    print(&format!("{}", archive.path().display()))?;
    let mut receipt = Receipt::default();
    store(&archive, &mut receipt)?;
    books(&archive, &mut receipt)?;
    let mut views: BTreeMap<i64, View> = BTreeMap::new();
    let runs = archive.runs().map_err(Stop::internal)?;
    for job in runs.iter().flat_map(|run| &run.jobs) {
        if let Some(view) = archive.view(Some(&job.name), false).map_err(Stop::internal)? {
            views.insert(view.run, view);
        }
    }
    let at_work = RunLock::holder(&settings.output.dir).is_some();
    if at_work {
        print("  note  result files were not compared: a run is at work, and they follow the store when it ends")?;
    }
    for view in views.values().filter(|_| !at_work) {
        files(&archive, view, &settings.output, &mut receipt)?;
    }
    if let Some(view) = views.values().next_back() {
        inputs(&archive, view, &runs, &settings.output.dir, &mut receipt)?;
    }
    if receipt.wrong == 0 {
        print(if at_work { "all that could be checked agrees" } else { "all agrees" })?;
        return Ok(Exit::Ok);
    }
    Err(Stop { exit: Exit::FailedRows, message: format!("{} things do not agree, see above", receipt.wrong) })
}

fn store(archive: &Archive, receipt: &mut Receipt) -> Result<(), Stop> {
    let damages = archive.damages().map_err(Stop::internal)?;
    receipt.say(damages.is_empty(), if damages.is_empty() { "the store is whole" } else { "the store is damaged:" })?;
    damages.iter().try_for_each(|damage| print(&format!("        {damage}")))
}

fn books(archive: &Archive, receipt: &mut Receipt) -> Result<(), Stop> {
    let Bookkeeping { answers, unsettled, unfounded } = archive.bookkeeping().map_err(Stop::internal)?;
    let (requests, bill) = archive.bill(None).map_err(Stop::internal)?;
    let text = format!("{answers} answers and their attempts in the ledger: {requests} requests, {bill}");
    receipt.say(unsettled.is_empty(), &text)?;
    unsettled.iter().try_for_each(|call| print(&format!("        {call}")))?;
    receipt.say(unfounded.is_empty(), "every answer in a row is in the store")?;
    unfounded.iter().try_for_each(|document| print(&format!("        {document}")))?;
    if let (lost @ 1.., bound) = archive.lost().map_err(Stop::internal)? {
        print(&format!("  note  and {lost} requests of runs that died, whose end nobody knows: {}", at_most(bound)))?;
    }
    let doubts = archive.in_doubt().map_err(Stop::internal)?;
    if !doubts.is_empty() {
        let bound = at_most(doubts.iter().map(|doubt| doubt.at_most).sum());
        print(&format!("  note  {} requests in doubt, {bound}: `docmill status` lists them", doubts.len()))?;
    }
    Ok(())
}

/// Makes every published file again, to nowhere, and compares digests.
fn files(archive: &Archive, view: &View, output: &OutputSettings, receipt: &mut Receipt) -> Result<(), Stop> {
    let published = archive.published().map_err(Stop::internal)?;
    for job in &view.jobs {
        let mut totals = Totals::default();
        for format in Format::ALL {
            let path = format!("{}/{}", job.name, format.file_name());
            let Some(known) = published.iter().find(|file| file.path == path) else { continue };
            let mut file = RowFile::begin(format, Hashed::new(io::sink()), &job.columns, ResultFiles::has_bom(output, &job.name))
                .map_err(Stop::internal)?;
            totals = Totals::default();
            let each = |row: crate::store::StoredRow<'_>| -> Result<(), crate::engine::RunError> {
                if row.job == job.name {
                    let internal = |e: &dyn std::fmt::Display| crate::engine::RunError::Internal(e.to_string());
                    let parsed = Row::read(row.position, row.document, row.text).map_err(|e| internal(&e))?;
                    file.push(&parsed, &Row::line(row.position, row.document, row.text)).map_err(|e| internal(&e))?;
                    totals.add(&parsed);
                }
                Ok(())
            };
            archive.rows(view).map_err(Stop::internal)?.read_from(0, true, each).map_err(Stop::internal)?;
            let (_, _, made) = file.finish().map_err(Stop::internal)?.finish();
            compare(&output.dir, known, made, &totals, receipt)?;
        }
        summary(&output.dir, &job.name, &totals, receipt)?;
    }
    Ok(())
}

fn compare(directory: &Path, known: &ResultFile, made: Digest, totals: &Totals, receipt: &mut Receipt) -> Result<(), Stop> {
    let path = directory.join(&known.path);
    let shown = path.display();
    match digest(&path) {
        Err(error) => receipt.wrong(&format!("{shown}: {error}; `docmill export` makes it again")),
        Ok(on_disk) if on_disk == made => Receipt::right(&format!("{shown}: {} rows, BLAKE3 {}", totals.rows(), on_disk)),
        Ok(on_disk) if on_disk == known.digest => {
            receipt.wrong(&format!("{shown} is as it was published and not what the store holds; `docmill export` brings it up to date"))
        }
        Ok(_) => receipt.wrong(&format!("{shown} was changed after it was published; `docmill export` makes it again")),
    }
}

/// Sums in `summary.json` against those of the rows.
fn summary(directory: &Path, job: &str, totals: &Totals, receipt: &mut Receipt) -> Result<(), Stop> {
    let path = directory.join(job).join("summary.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let expected = serde_json::to_value(totals).map_err(Stop::internal)?;
    let same = ["documents", "calls", "attempts", "tokens", "cost"].iter().all(|key| read.get(key) == expected.get(key));
    receipt.say(same, &format!("{}: {} calls, {} attempts, {}", path.display(), totals.calls, totals.attempts, totals.cost))
}

/// Inputs against the digests that the results were made of.
fn inputs(archive: &Archive, view: &View, runs: &[RunRecord], output: &Path, receipt: &mut Receipt) -> Result<(), Stop> {
    // For inputs in object storage.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Stop::internal)?;
    let _inside = runtime.enter();
    // Documents may have been added by several runs. The last one knows best.
    let (mut next, mut all) = (Some(view.run), Vec::new());
    while let Some(run) = next.and_then(|id| runs.iter().find(|run| run.id == id)) {
        next = existing::added_to(run).filter(|before| *before < run.id);
        let before = next.and_then(|id| runs.iter().find(|run| run.id == id)).map(existing::records).unwrap_or_default();
        let Some((input, used)) = inputs_of(run) else {
            return print(&format!("  note  inputs were not compared: those of run {} came through a pipe", run.id));
        };
        match Roots::open_beside(&input, used, output, &before) {
            Ok(roots) => all.push(roots),
            Err(error) => return print(&format!("  note  inputs were not compared: {error} (run {} was started elsewhere?)", run.id)),
        }
    }
    let (mut same, mut gone, mut changed) = (0_u64, 0_u64, Vec::new());
    let now = |roots: &Roots, place: &Place| match place {
        Place::File(path) => digest(path),
        Place::Row(row) => Ok(row.digest),
        object @ Place::Object { .. } => roots.digest_elsewhere(object).map_err(|failure| io::Error::other(failure.message)),
    };
    let each = |name: &str, known: Option<Digest>| {
        // What could not be read has nothing to compare, and may be a pipe that nobody writes to.
        let Some(known) = known else { return };
        let found: Vec<_> = all.iter().filter_map(|roots| roots.locate(name).and_then(|place| now(roots, &place).ok())).collect();
        match found.first() {
            Some(_) if found.contains(&known) => same += 1,
            Some(_) => changed.push(name.to_owned()),
            None if all.iter().any(|roots| roots.hold(name, known, None)) => same += 1,
            None => gone += 1,
        }
    };
    archive.documents(view.listing, each).map_err(Stop::internal)?;
    let text = format!("{same} inputs are as they were, {} changed, {gone} gone", changed.len());
    if gone == 0 && changed.is_empty() {
        return Receipt::right(&text);
    }
    receipt.wrong(&format!("{text}; `docmill run` brings the results up to date"))?;
    changed.iter().take(10).try_for_each(|name| print(&format!("        {name}")))
}

/// The inputs of a run, and the columns of tables that its prompts used; `None` if they came through standard input.
pub(super) fn inputs_of(run: &RunRecord) -> Option<(InputSettings, Option<Vec<String>>)> {
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

fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut hashed = Hashed::new(io::sink());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hashed.finish().2),
            n => io::Write::write_all(&mut hashed, &buffer[..n])?,
        }
    }
}
