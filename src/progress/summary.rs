//! The text of the final summary.

use super::duration::duration;
use super::fit::wrapped;
use crate::model::{LedgerSum, LeftOut, Summary, Tally, codes, counted};
use std::fmt::Write as _;

/// Columns of the names of lines.
const HEAD: usize = 14;

/// Formats the summary: a block per job, and one for the run. Wraps lines at `width`, if there is
/// one.
pub(super) fn text(jobs: &[Summary], results: &[String], width: Option<usize>) -> String {
    let mut out = String::new();
    for summary in jobs {
        let totals = &summary.totals;
        let tally = &totals.tally;
        let mark = if summary.simulated { " (simulated answers)" } else { "" };
        line(&mut out, &summary.job, &format!("{}: {}{mark}", counted(tally.rows(), "document"), tally.statuses()));
        reasons(&mut out, tally, "");
        if totals.noted > 0 {
            line(&mut out, "", &format!("{} with a note on how they were read (column input_note)", totals.noted));
        }
        let tokens = totals.tokens;
        if totals.calls == 0 {
            continue;
        }
        line(
            &mut out,
            "",
            &format!(
                "{}, {} tokens in ({} cached), {} out, cost {}",
                counted(totals.calls, "call"),
                tokens.input(),
                tokens.cache_read,
                tokens.output,
                totals.cost
            ),
        );
    }
    if let Some(summary) = jobs.first() {
        let run = &summary.whole_run;
        let mut reused = if run.calls_reused > 0 { format!(", {} reused", counted(run.calls_reused, "answer")) } else { String::new() };
        if run.up_to_date > 0 {
            // Writing to a String cannot fail.
            let _infallible = write!(reused, ", {} up to date", counted(run.up_to_date, "document"));
        }
        let speed = match run.requests {
            0 => String::new(),
            // A speed-up below 1 means that reading and writing took most of the time.
            _ if run.speed_up < 1.0 => format!(", {:.1} requests/s", run.requests_per_second),
            _ => format!(", {:.1} requests/s, about {:.1}x faster than one after another", run.requests_per_second, run.speed_up),
        };
        let sent = match run.requests {
            0 => "nothing was sent".to_owned(),
            _ => format!("{}, up to {} at a time, {}", counted(run.requests, "request"), run.concurrency, counted(run.retries, "retry")),
        };
        if run.refusals > 0 {
            let _infallible =
                write!(reused, ", {} refused because of the provider's limit ({} paused)", run.refusals, duration(run.paused_seconds));
        }
        line(&mut out, "run", &format!("{sent}{reused}; {} wall time{speed}", duration(run.wall_seconds)));
        let LedgerSum { requests, tokens, cost, .. } = run.this_run;
        if requests > 0 {
            let (sent, input) = (counted(requests, "request"), tokens.input());
            let text = format!("{sent}, {input} tokens in ({} cached), {} out, cost {cost}", tokens.cache_read, tokens.output);
            line(&mut out, "this run", &text);
        }
        if let Some(doubtful) = run.all_runs.doubtful(", in all runs") {
            line(&mut out, "", &doubtful);
        }
        let stages: Vec<String> = run.stages.iter().map(|s| format!("{} {:.0} %", s.stage, 100.0 * s.busy)).collect();
        line(&mut out, "", &format!("busiest stage: {} ({})", run.busiest_stage, stages.join(", ")));
        if let Some(bottleneck) = &run.bottleneck {
            line(&mut out, "bottleneck", &bottleneck.sentence);
        }
        if run.cache_hit_rate > 0.0 {
            let saved = run.cache_saved_usd.map_or_else(String::new, |usd| format!(", which saved ${usd:.6}"));
            line(&mut out, "", &format!("prompt cache: {:.0} % of the tokens in came from it{saved}", 100.0 * run.cache_hit_rate));
        }
        if run.left_out != LeftOut::default() {
            line(&mut out, "", &format!("left out: {}", run.left_out));
        }
    }
    for directory in results {
        line(&mut out, "results", directory);
    }
    fit(&out, width)
}

/// Formats the summary of a run with nothing to do.
pub(super) fn up_to_date(tally: &Tally, width: Option<usize>) -> String {
    let mut out = String::new();
    let counts = format!("{}: {}; nothing was sent, results are unchanged", counted(tally.rows(), "document"), tally.statuses());
    if tally.rows() == 0 {
        line(&mut out, "up to date", "no documents; nothing was sent");
    } else {
        line(&mut out, "up to date", &counts);
    }
    let again = if tally.failures.keys().any(|code| code.may_pass()) { " (--retry-failed asks again)" } else { "" };
    reasons(&mut out, tally, again);
    fit(&out, width)
}

/// Formats what must change before failed documents can succeed, and commands that may come next,
/// each with what it does.
pub fn next(to_mend: &[String], commands: &[(String, String)], width: Option<usize>) -> String {
    let mut out = String::new();
    for (n, what) in to_mend.iter().enumerate() {
        line(&mut out, if n == 0 { "to mend" } else { "" }, what);
    }
    out = fit(&out, width) + if to_mend.is_empty() { "" } else { "\n" };
    for (n, (command, what)) in commands.iter().enumerate() {
        // A command stays on one line, so that it can be copied.
        line(&mut out, if n == 0 { "next" } else { "" }, command);
        let mut about = String::new();
        line(&mut about, "", &format!("  {what}"));
        let about = about.trim_end();
        out += &width.map_or_else(|| about.to_owned(), |width| wrapped(about, HEAD + 2, width));
        out.push('\n');
    }
    out.trim_end().to_owned()
}

fn fit(text: &str, width: Option<usize>) -> String {
    let text = text.trim_end();
    match width {
        Some(width) => text.lines().map(|line| wrapped(line, HEAD, width)).collect::<Vec<_>>().join("\n"),
        None => text.to_owned(),
    }
}

/// Adds the codes of failures and skips.
fn reasons(out: &mut String, tally: &Tally, next: &str) {
    if !tally.failures.is_empty() {
        line(out, "", &format!("failures: {}{next}", codes(&tally.failures)));
    }
    if !tally.skips.is_empty() {
        line(out, "", &format!("skipped: {}", codes(&tally.skips)));
    }
}

fn line(out: &mut String, head: &str, text: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "{head:>12}  {text}");
}
