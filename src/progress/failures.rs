//! Failure lines, limited for each failure code.

use crate::event::RunEvent;
use crate::model::FailureCode;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Maximum number of shown failures per code. Further ones are only counted.
const SHOWN: u64 = 5;

/// Escapes control characters. Text then cannot move the cursor or colour the screen.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect::<String>().into()
}

#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<FailureCode, u64>);

impl Failures {
    /// The line for a failure, a warning or a note. `None` for other events.
    pub fn line(&mut self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::Warning { message } => Some(labelled("warning", message)),
            RunEvent::Note { message } => Some(labelled("note", message)),
            RunEvent::DocumentFailed { document, status, code, message } => {
                let count = self.0.entry(*code).or_default();
                *count += 1;
                let line = format!("{}: {}: {code}: {}", status.as_str(), plain(document), plain(message));
                match *count {
                    n if n < SHOWN => Some(line),
                    SHOWN => Some(format!("{line}\n(further {code} failures are not shown; the results list them all)")),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// A message of one or more lines after its kind.
fn labelled(kind: &str, message: &str) -> String {
    let lines: Vec<_> = message.lines().map(plain).collect();
    format!("{kind}: {}", lines.join("\n"))
}
