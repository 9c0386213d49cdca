//! Sequential against parallel: two runs on the same documents, neither answered from a store.

use super::speed::{Comparison, Measurement};
use super::{Ground, Measured, prepare};
use crate::ask::Provider;
use crate::cli::args::CompareArgs;
use crate::cli::assemble::Assembled;
use crate::cli::exit::{Exit, Stop};
use crate::cli::{agreed, print};
use crate::model::{Bill, Money, Row, Totals};
use crate::report::say;
use crate::store::{Archive, StoreError};
use std::path::Path;

/// One call, one document, one reader, one worker at a time, and nothing asked twice.
const SEQUENTIAL: [&str; 7] = [
    "llm.concurrency=1",
    "llm.documents=1",
    "llm.hedge=false",
    "read.concurrency=1",
    "read.queue=1",
    "prepare.workers=1",
    "prepare.queue=1",
];

/// Directories of the two runs.
const RUNS: [&str; 2] = ["parallel", "sequential"];

pub(super) async fn compare(args: &CompareArgs) -> Result<Exit, Stop> {
    let parallel = prepare(args, &[]).await?;
    let ground = Ground::open(&parallel.plan.output.dir, args.quiet)?;
    let concurrency = parallel.plan.llm.concurrency;
    if parallel.plan.account.provider != Provider::Simulated {
        say(&price(&ground, &parallel)?);
        if !args.yes && !agreed("Begin?", "nobody can be asked here: --yes begins")? {
            return Ok(Exit::Ok);
        }
    }
    for name in RUNS {
        empty(&ground.directory.join(name))?;
    }
    // The parallel run first: if the second one finds the provider's cache warm, that is not in favour of being parallel.
    let title = format!("parallel, {concurrency} calls at a time");
    let parallel = ground.run(RUNS[0], &title, parallel).await?;
    let further = SEQUENTIAL.map(ToOwned::to_owned);
    let sequential = ground.run(RUNS[1], "sequential, one call after another", prepare(args, &further).await?).await?;

    let comparison = Comparison::of(&measure(&sequential)?, &measure(&parallel)?, concurrency as u64);
    let json = serde_json::to_value(&comparison).map_err(Stop::internal)?;
    let path = ground.keep("sequential", &json)?;
    if args.json {
        print(&serde_json::to_string_pretty(&json).map_err(Stop::internal)?)?;
    } else {
        comparison.lines().iter().try_for_each(|line| print(line))?;
        print(&format!("\n{}", path.display()))?;
    }
    Ok(if sequential.unanswered || parallel.unanswered { Exit::FailedRows } else { Exit::Ok })
}

fn measure(run: &Measured) -> Result<Measurement, Stop> {
    let mut measurement = Measurement::default();
    run.archive.requests(run.view.recipe, |request| measurement.add(request)).map_err(Stop::internal)?;
    measurement.bill = run.archive.bill(None).map_err(Stop::internal)?.1;
    Ok(measurement)
}

/// Makes room for a measuring run, which must not find answers. Removes run stores only.
fn empty(directory: &Path) -> Result<(), Stop> {
    let is_empty = std::fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    if !directory.join(crate::store::FILE_NAME).is_file() {
        let shown = directory.display();
        return Err(Stop::usage(format!("{shown} is to be emptied, and there is something else than a run in it: move it away")));
    }
    std::fs::remove_dir_all(directory).map_err(|e| Stop::internal(format!("{}: {e}", directory.display())))
}

/// What the two runs will cost, as far as that is known.
fn price(ground: &Ground, run: &Assembled) -> Result<String, Stop> {
    let documents = run.plan.roots.unsorted().count() as u64;
    let about = format!("{documents} documents are asked about twice, with {}: ", run.plan.account.model);
    let stores = [ground.output.clone()].into_iter().chain(RUNS.map(|name| ground.directory.join(name)));
    for directory in stores {
        let known = known(&directory, run.plan.recipe).map_err(Stop::usage)?;
        if let Some((rows, bill)) = known
            && let Some(usd) = bill.exact()
        {
            let total = Money::from_usd(2.0 * usd.usd() * documents as f64 / rows as f64);
            return Ok(format!("{about}about {total}, as {rows} of them have cost {usd} in {}", directory.display()));
        }
    }
    let cap = run.plan.max_cost.map_or_else(|| "budget.max_usd caps it".to_owned(), |cap| format!("at most {cap} (budget.max_usd)"));
    Ok(format!("{about}what that costs is not known, as no run has asked the same yet; {cap}"))
}

/// Rows of a recipe in a store, and what they have cost.
fn known(directory: &Path, recipe: i64) -> Result<Option<(u64, Bill)>, StoreError> {
    let Some(archive) = Archive::open(directory)? else { return Ok(None) };
    let Some(view) = archive.view(None, true)?.filter(|view| view.recipe == recipe) else { return Ok(None) };
    let mut totals = Totals::default();
    archive.rows(&view)?.read_from(0, true, |row| {
        if let Ok(row) = Row::read(row.position, row.document, row.text) {
            totals.add(&row);
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(Some((totals.rows(), totals.cost)).filter(|(rows, _)| *rows > 0))
}
