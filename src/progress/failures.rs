//! Failure lines, limited for each failure code.

use super::screen::plain;
use crate::event::RunEvent;
use crate::model::{FailureCode, Tally, codes};
use std::collections::BTreeMap;

/// Maximum number of shown failures per code. Further ones are only counted.
const SHOWN: u64 = 5;

/// An answer in progress, without the punctuation of JSON. Its beginning may be missing.
pub(super) fn readable(answer: &str) -> String {
    let mut out = String::new();
    let (mut chars, mut after_value) = (answer.chars(), false);
    while let Some(c) = chars.next() {
        let separates = after_value && matches!(c, ',' | ':');
        let shown = match c {
            '\\' => match chars.next() {
                Some('n' | 't' | 'r') | None => Some(' '),
                Some('u') => {
                    let code: String = chars.by_ref().take(4).collect();
                    u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == 4).and_then(char::from_u32)
                }
                escaped => escaped,
            },
            '"' | '{' | '}' | '[' | ']' => None,
            ',' if separates => Some(';'),
            c if c.is_control() => Some(' '),
            c => Some(c),
        };
        after_value = matches!(c, '"' | '}' | ']');
        out.extend(shown.filter(|c| *c != ' ' || !out.ends_with(' ')));
        if separates {
            out.push(' ');
        }
    }
    plain(out.trim()).into_owned()
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

    /// The line for failures of earlier runs. `tally` counts all documents. `None` without such
    /// failures.
    pub fn earlier(&self, tally: &Tally) -> Option<String> {
        let new = |code| self.0.get(code).copied().unwrap_or(0);
        let earlier = tally.failures.iter().map(|(code, n)| (*code, n.saturating_sub(new(code)))).filter(|(_, n)| *n > 0);
        let earlier: BTreeMap<FailureCode, u64> = earlier.collect();
        (!earlier.is_empty()).then(|| format!("failed in earlier runs: {}; the results list them all", codes(&earlier)))
    }
}

/// A message of one or more lines after its kind.
fn labelled(kind: &str, message: &str) -> String {
    let lines: Vec<_> = message.lines().map(plain).collect();
    format!("{kind}: {}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RowStatus;

    #[test]
    fn failures_of_earlier_runs_are_counted_without_those_of_this_run() {
        let mut tally = Tally::default();
        tally.add(RowStatus::Failed, Some(FailureCode::Empty), 3);
        tally.add(RowStatus::Refused, Some(FailureCode::Refused), 1);
        let failures = Failures(BTreeMap::from([(FailureCode::Empty, 1), (FailureCode::Refused, 1)]));
        assert_eq!(failures.earlier(&tally).as_deref(), Some("failed in earlier runs: 2 empty; the results list them all"));
        assert_eq!(failures.earlier(&Tally::default()), None);
    }

    #[test]
    fn an_answer_in_progress_is_shown_without_json() {
        let shown = readable(r#"review: {"mood":"good","tags":["old, worn","new"],"note":"a \"b\"\nc \u00e4"#);
        assert_eq!(shown, "review: mood: good; tags: old, worn; new; note: a \"b\" c ä");
        // The beginning is missing, and escape sequences must not reach the terminal.
        assert_eq!(readable("d\":\"x\u{1b}[31m\\"), "d: x 31m");
        assert_eq!(readable(r"\u00"), "");
    }
}
