//! `docmill status --watch`.

use super::args::StatusArgs;
use super::exit::CliError;
use super::live::{at_work, out_of_reach};
use super::settings::load_for_directory;
use super::{nobody_reads, print};
use crate::control;
use crate::event::{RunEvent, Snapshot};
use crate::progress::{Recent, Style, Watching, line};
use serde::Deserialize;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// What is of interest of what a run tells. It may be of another version: what is not known is passed over.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Started {
        version: u32,
        run: i64,
        provider: String,
        model: String,
        jobs: Vec<String>,
        output: String,
    },
    Progress(Box<Snapshot>),
    #[serde(other)]
    Other,
}

/// Follows the run at work until it ends, or until nobody reads what is told. Whether somebody does.
pub(super) fn watch(args: &StatusArgs) -> Result<bool, CliError> {
    let settings = load_for_directory(&args.store)?;
    let directory = &settings.output.dir;
    at_work(directory)?;
    let lines = control::watch(directory).map_err(|error| out_of_reach(directory, &error))?;
    let mut bars = (!args.json && std::io::stderr().is_terminal()).then(|| Watching::new(Style::Watch, &settings.report));
    let interval = Duration::from_secs(settings.report.interval_s);
    let (mut said, mut recent): (Option<Instant>, _) = (None, Recent::default());
    // A connection that breaks is an end like any other: what is left of the run is told then.
    for text in lines.map_while(Result::ok) {
        if nobody_reads() {
            return Ok(false);
        }
        if args.json {
            print(&text)?;
            continue;
        }
        match (serde_json::from_str(&text), &mut bars) {
            (Ok(Line::Started { version, run, provider, model, jobs, output }), Some(bars)) => {
                bars.see(&RunEvent::Started { version, run, provider, model, jobs, output });
            }
            (Ok(Line::Progress(seen)), Some(bars)) => bars.see(&RunEvent::Progress(*seen)),
            (Ok(Line::Progress(seen)), None) => {
                recent.see(&seen);
                if said.is_none_or(|at| at.elapsed() >= interval) {
                    said = Some(Instant::now());
                    print(&line(&seen, recent.left(&seen)))?;
                }
            }
            _ => {}
        }
    }
    Ok(true)
}
