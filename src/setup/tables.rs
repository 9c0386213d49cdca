//! Asks how to read a table that is named as a document.
//!
//! An example is `docmill run table.csv`. A table as one document is sent in chunks and gets one
//! answer. Users rarely want that, and they pay for it. Therefore docmill first asks whether each
//! row is a document.

use super::SetupError;
use super::guard::Guard;
use crate::read::{Roots, Tables};

/// Decides how tables among the inputs are read. Returns a note if a run would ask.
pub fn settle(roots: &Roots, given: Tables, guard: Guard) -> Result<(Tables, Option<String>), SetupError> {
    if matches!(guard, Guard::Off | Guard::Stream) || given != Tables::Ask {
        return Ok((given, None));
    }
    let tables = roots.unnamed_tables();
    let Some((name, rows)) = tables.first() else { return Ok((given, None)) };
    let others = if tables.len() > 1 { format!(" (and {} more like it)", tables.len() - 1) } else { String::new() };
    let called = if name == "-" { "standard input" } else { name };
    let what = format!("{called} is a table of {rows}{} rows{others}", if *rows == 100_000 { " or more" } else { "" });
    let shown = quoted(name);
    let commands = format!("`--rows {shown}` makes each row a document; `{shown} --tables document` sends the table as one document");
    let Guard::Ask(ask) = guard else {
        return Ok((given, Some(format!("{what}; a run would ask first: {commands}"))));
    };
    let question = format!("{what}. Make each row a document, send the table as one document, or cancel? [r/d/C]");
    match ask(&question, &format!("{what} and would be sent as one document. {commands}. Nothing was sent"))?.as_str() {
        "r" | "rows" => Ok((Tables::Rows, None)),
        "d" | "document" => Ok((Tables::Document, None)),
        _ => Err(SetupError::usage("cancelled; nothing was sent")),
    }
}

/// A name, quoted for a shell if needed.
pub(super) fn quoted(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c));
    if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
