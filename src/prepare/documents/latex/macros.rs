//! Macros that a LaTeX document defines (`\newcommand`, `\def`), if they are simple.

use super::scanner::{argument, group, name, option};
use std::collections::HashMap;

/// Rounds of expansion: macros may use others.
const ROUNDS: usize = 4;
/// Maximum growth of a text by macros.
const GROWTH: usize = 4;
/// Maximum bytes of a macro.
const LONGEST: usize = 2000;

#[derive(Debug, Default)]
pub(super) struct Macros(HashMap<String, Macro>);

#[derive(Debug)]
struct Macro {
    arguments: usize,
    /// The value of the first argument, if it is optional.
    default: Option<String>,
    body: String,
}

impl Macros {
    /// Reads the definitions in a text.
    pub fn learn(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            let (command, behind) = name(&rest[at + 1..]);
            rest = behind;
            let defined = match command.trim_end_matches('*') {
                "newcommand" | "renewcommand" | "providecommand" => defined(behind),
                "def" => defined_plainly(behind),
                _ => None,
            };
            if let Some((name, own, behind)) = defined {
                if own.body.len() <= LONGEST {
                    self.0.insert(name, own);
                }
                rest = behind;
            }
        }
    }

    /// The text with the macros expanded.
    pub fn expanded(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.0.is_empty() {
            return text;
        }
        let most = text.len().saturating_mul(GROWTH).saturating_add(100_000);
        for _ in 0..ROUNDS {
            let (next, changed) = self.round(&text, most);
            text = next;
            if !changed || text.len() >= most {
                break;
            }
        }
        text
    }

    fn round(&self, text: &str, most: usize) -> (String, bool) {
        let (mut out, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
        while let Some(at) = rest.find('\\') {
            let (command, behind) = name(&rest[at + 1..]);
            let found = self.0.get(command).filter(|_| out.len() < most).and_then(|own| own.applied(behind));
            let Some((body, behind)) = found else {
                out.push_str(&rest[..at + 1 + command.len()]);
                rest = behind;
                continue;
            };
            out.push_str(&rest[..at]);
            out.push_str(&body);
            // A space behind a command without arguments ends its name.
            if body.ends_with(|c: char| c.is_ascii_alphabetic()) && body.contains('\\') {
                out.push_str("{}");
            }
            (rest, changed) = (behind, true);
        }
        out.push_str(rest);
        (out, changed)
    }
}

impl Macro {
    /// The body with its arguments, and the rest of the text.
    fn applied<'t>(&self, text: &'t str) -> Option<(String, &'t str)> {
        let (mut body, mut rest) = (self.body.clone(), text);
        for number in 1..=self.arguments {
            let value = match (&self.default, number) {
                (Some(default), 1) => match option(rest) {
                    Some((value, behind)) => {
                        rest = behind;
                        value
                    }
                    None => default,
                },
                _ => {
                    let (value, behind) = argument(rest)?;
                    rest = behind;
                    value
                }
            };
            let argument = format!("#{number}");
            let growth = body.matches(&*argument).count().saturating_mul(value.len());
            if body.len().saturating_add(growth) > LONGEST * 10 {
                return None;
            }
            body = filled(&body, &argument, value);
        }
        if self.arguments == 0 {
            rest = rest.strip_prefix("{}").unwrap_or_else(|| rest.trim_start_matches(' '));
        }
        Some((body, rest))
    }
}

/// A body with the value of an argument. A space ends the name of a command before it.
fn filled(body: &str, argument: &str, value: &str) -> String {
    let mut parts = body.split(argument);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letters = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
        if letters < text.len() && text[..letters].ends_with('\\') && value.starts_with(|c: char| c.is_ascii_alphabetic()) {
            text.push(' ');
        }
        text.push_str(value);
        text.push_str(part);
    }
    text
}

/// `{\x}[1][default]{body}` or `\x{body}`.
fn defined(text: &str) -> Option<(String, Macro, &str)> {
    let (own, mut rest) = argument(text)?;
    let own = own.trim().strip_prefix('\\')?.to_owned();
    let mut arguments = 0;
    if let Some((count, behind)) = option(rest) {
        arguments = count.trim().parse().ok().filter(|count| *count <= 9)?;
        rest = behind;
    }
    let default = option(rest).map(|(default, behind)| {
        rest = behind;
        default.to_owned()
    });
    let (body, rest) = group(rest)?;
    Some((own, Macro { arguments, default, body: body.to_owned() }, rest))
}

/// `\x#1#2{body}`.
fn defined_plainly(text: &str) -> Option<(String, Macro, &str)> {
    let (own, rest) = name(text.trim_start().strip_prefix('\\')?);
    let brace = rest.find('{')?;
    let arguments = rest[..brace].matches('#').count();
    // Other texts between the arguments are patterns.
    if rest[..brace].len() != arguments * 2 {
        return None;
    }
    let (body, rest) = group(&rest[brace..])?;
    Some((own.to_owned(), Macro { arguments, default: None, body: body.to_owned() }, rest))
}
