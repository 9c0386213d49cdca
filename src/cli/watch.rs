//! `docmill status --watch`: follows the active run.

use super::args::StatusArgs;
use super::exit::CliError;
use super::live::{at_work, out_of_reach};
use super::settings::load_for_directory;
use super::{print, stdout_is_closed};
use crate::control;
use crate::event::{RunEvent, Snapshot};
use crate::progress::{Recent, Style, Watching, line};
use serde::Deserialize;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// The events to show. The run may have another version, so unknown events are ignored.
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

/// Follows the active run until it ends. Returns false if the reader of stdout has gone.
pub(super) fn watch(args: &StatusArgs) -> Result<bool, CliError> {
    let settings = load_for_directory(&args.store)?;
    let directory = &settings.output.dir;
    at_work(directory)?;
    let lines = control::watch(directory).map_err(|error| out_of_reach(directory, &error))?;
    let mut bars = (!args.json && std::io::stderr().is_terminal()).then(|| Watching::new(Style::Watch, &settings.report));
    let interval = Duration::from_secs(settings.report.interval_s);
    let (mut printed, mut recent): (Option<Instant>, _) = (None, Recent::default());
    // A broken connection ends the loop too: the caller then shows the status of the run.
    for text in lines.map_while(Result::ok) {
        if stdout_is_closed() {
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
            (Ok(Line::Progress(seen)), Some(bars)) => bars.see(&RunEvent::Progress(seen)),
            (Ok(Line::Progress(seen)), None) => {
                recent.see(&seen);
                if printed.is_none_or(|at| at.elapsed() >= interval) {
                    printed = Some(Instant::now());
                    print(&line(&seen, recent.left(&seen)))?;
                }
            }
            _ => {}
        }
    }
    Ok(true)
}
