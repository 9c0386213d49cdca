//! Renders the figures with the template. The formatter makes all values visible and escapes them,
//! except docmill's own drawings.

use super::chart::Format;
use super::results::LeftOut;
use super::stages::STATES;
use super::{PageError, Report, comparison, history, number, shown, thumbnail};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Output, State, UndefinedBehavior, escape_formatter};
use serde_json::json;
use std::io::Write;

/// Shown for an unknown number.
const UNKNOWN: &str = "–";

/// Writes the page up to the end of its sections.
pub fn begin(report: &Report, out: &mut impl Write) -> Result<(), PageError> {
    let context = json!({
        "report": report,
        "nonce": nonce(report),
        "style": include_str!("style.css"),
        "over_time": report.over_time_charts,
        "stages": report.stages,
        "states": STATES,
        "pictures": report.slowest.iter().map(|slow| &slow.svg).collect::<Vec<_>>(),
        "clock": report.clock,
        "status_command": report.status_command,
        "distributions": report.distributions,
        "history": history::charts(&report.runs),
        "confusions": confusions(report),
    });
    Ok(write!(out, "{}", environment()?.get_template("page.html")?.render(Serde(context))?)?)
}

/// Writes the end of the page.
pub fn end(report: &Report, left: &LeftOut, out: &mut impl Write) -> Result<(), PageError> {
    let context = json!({
        "nonce": nonce(report),
        "script": include_str!("script.js"),
        "left": left,
        "rows": report.documents - report.pending,
        "thumbnails": thumbnail::MAX_THUMBNAILS,
        "version": report.version,
        "made": report.made,
        "directory": report.directory,
        // A client has no command line.
        "command": if report.of_server { "" } else { report.run.command.as_str() },
    });
    Ok(write!(out, "{}", environment()?.get_template("end.html")?.render(Serde(context))?)?)
}

/// The nonce of the page's script and style. It is a hash over all text of the report, so that this
/// text cannot contain it.
fn nonce(report: &Report) -> String {
    let text = serde_json::to_vec(report).unwrap_or_default();
    blake3::keyed_hash(blake3::hash(&std::process::id().to_le_bytes()).as_bytes(), &text).to_hex()[..32].to_owned()
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    // `compare.json` may come from another version.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_formatter(|out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(shown::visible(text).as_ref())),
        _ => escape_formatter(out, state, value),
    });
    let numbers: [(&str, Format); 6] = [
        ("count", number::count),
        ("plain", number::plain),
        ("short", number::short),
        ("secs", number::seconds),
        ("usd", number::usd),
        ("pct", number::percent),
    ];
    for (name, format) in numbers {
        environment.add_filter(name, move |value: Value| f64::try_from(value).map_or_else(|_| UNKNOWN.to_owned(), format));
    }
    environment.add_filter("cut", |text: String, most: usize| shown::short(&text, most));
    environment.add_filter("when", |time: String| time.replace('T', " ").trim_end_matches('Z').to_owned());
    environment.add_filter("interval", |value: Value| comparison::interval(&json(&value)));
    environment.add_filter("share", |value: Value| {
        let (of, n) = (value.get_attr("of"), value.get_attr("n"));
        let share = value.get_attr("share").ok().and_then(|share| f64::try_from(share).ok());
        match (of, n, share) {
            (Ok(of), Ok(n), Some(share)) => format!("{} ({of} of {n})", number::percent(share)),
            _ => UNKNOWN.to_owned(),
        }
    });
    environment.add_template("page.html", include_str!("page.html"))?;
    environment.add_template("end.html", include_str!("end.html"))?;
    Ok(environment)
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Confusion tables, each as `[title, left label, top label, table]`.
fn confusions(report: &Report) -> Vec<serde_json::Value> {
    let variants = report.comparison.as_ref().map(|comparison| &comparison["variants"]);
    let list = |key: &str| variants.and_then(|variants| variants[key].as_array()).into_iter().flatten();
    let of_variant = |one: &serde_json::Value| {
        let table = comparison::confusion(&one["confusion"], "label", "answer")?;
        let name = one["variant"].as_str().unwrap_or_default();
        Some(json!([format!("Confusions of {name} with the labels"), "label", "answer", table]))
    };
    let of_pair = |pair: &serde_json::Value| {
        let table = comparison::confusion(&pair["confusion"], "first", "second")?;
        let [one, other] = [0, 1].map(|n| pair["variants"][n].as_str().unwrap_or_default());
        Some(json!([format!("{one} against {other}"), one, other, table]))
    };
    list("variants").filter_map(of_variant).chain(list("pairs").filter_map(of_pair)).collect()
}
