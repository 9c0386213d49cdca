//! Environments of LaTeX: lists, tables, formulas, listings.

use super::super::table;
use super::commands::{Writer, behind};
use super::scanner::{VERBATIM, environment, group, name, option};
use super::words::is_rule;
use std::fmt::Write as _;

/// Maximum number of fields of a table whose rows get the same length.
const MOST_FIELDS: usize = 1_000_000;

/// Environments that are formulas.
const FORMULAS: [&str; 14] = [
    "equation",
    "align",
    "gather",
    "multline",
    "eqnarray",
    "displaymath",
    "math",
    "alignat",
    "flalign",
    "dmath",
    "equation*",
    "align*",
    "gather*",
    "multline*",
];

impl Writer {
    pub(super) fn item<'t>(&mut self, rest: &'t str) -> &'t str {
        self.line();
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        if let Some((label, behind)) = option(rest) {
            let label = self.inline(label);
            let _infallible = write!(self.out, "{indent}- {label}: ");
            return behind.trim_start_matches([' ', '\n']);
        }
        let _infallible = match self.lists.last_mut() {
            Some(number) if *number > 0 => {
                *number += 1;
                write!(self.out, "{indent}{}. ", *number - 1)
            }
            _ => write!(self.out, "{indent}- "),
        };
        rest.trim_start_matches([' ', '\n'])
    }

    /// Writes an environment whose beginning was read.
    pub(super) fn environment<'t>(&mut self, own: &str, text: &'t str) -> &'t str {
        let (content, rest) = environment(own, text);
        let plain = own.trim_end_matches('*');
        if FORMULAS.contains(&own) || FORMULAS.contains(&plain) {
            self.line();
            let _infallible = writeln!(self.out, "\\begin{{{own}}}{content}\\end{{{own}}}");
            return rest;
        }
        if VERBATIM.contains(&own) {
            self.paragraph();
            let content = option(content).map_or(content, |(_, content)| content);
            let content = if own == "minted" { group(content).map_or(content, |(_, content)| content) } else { content };
            let _infallible = write!(self.out, "```\n{}\n```\n\n", content.trim_matches('\n'));
            return rest;
        }
        let without_options = |mut content: &'t str| {
            while let Some((_, behind)) = option(content) {
                content = behind;
            }
            content
        };
        match plain {
            "comment" => {}
            "tabular" | "tabularx" | "longtable" | "tabulary" | "tabu" | "array" => {
                let content = without_options(content);
                let content = behind(content, if matches!(own, "tabularx" | "tabulary" | "tabular*") { 2 } else { 1 });
                self.table(content);
            }
            "itemize" | "enumerate" | "description" | "compactitem" => {
                self.lists.push(usize::from(plain == "enumerate"));
                self.line();
                self.write(without_options(content).trim_start());
                self.lists.pop();
                if self.lists.is_empty() { self.paragraph() } else { self.line() }
            }
            "theorem" | "lemma" | "proof" | "definition" | "corollary" | "proposition" | "remark" | "example" | "abstract" => {
                self.paragraph();
                let mut title = plain.to_owned();
                title[..1].make_ascii_uppercase();
                if let Some((note, _)) = option(content) {
                    let note = self.inline(note);
                    let _infallible = write!(title, " ({note})");
                }
                let _infallible = write!(self.out, "{title}. ");
                self.write(without_options(content).trim_start());
                self.paragraph();
            }
            _ => {
                self.paragraph();
                let content = without_options(content);
                let arguments =
                    usize::from(matches!(plain, "minipage" | "thebibliography" | "multicols" | "wrapfigure" | "adjustbox" | "column"));
                self.write(behind(content, arguments + usize::from(plain == "wrapfigure")));
                self.paragraph();
            }
        }
        rest
    }

    /// A cell without the lines and colours before its text.
    fn without_rules<'t>(&mut self, mut cell: &'t str) -> &'t str {
        while let Some(command) = cell.strip_prefix('\\').filter(|command| is_rule(name(command).0)) {
            // Such a command writes nothing.
            let rest = self.command(command).trim_start();
            if rest.len() >= cell.len() {
                break;
            }
            cell = rest;
        }
        cell
    }

    fn table(&mut self, source: &str) {
        let mut rows = Vec::new();
        for row in cells(source) {
            let mut written = Vec::new();
            for cell in row {
                let cell = self.without_rules(cell.trim());
                let many = cell.strip_prefix("\\multicolumn").and_then(|rest| {
                    let (count, rest) = group(rest)?;
                    let (text, _) = group(group(rest)?.1)?;
                    Some((count.trim().parse::<usize>().ok()?.clamp(1, 64), text))
                });
                let (count, cell) = many.unwrap_or((1, cell));
                written.push(self.inline(cell));
                written.extend((1..count).map(|_| String::new()));
            }
            rows.push(written);
        }
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        // One long row must not widen many others.
        if rows.len().saturating_mul(width) <= MOST_FIELDS {
            for row in &mut rows {
                row.resize(width, String::new());
            }
        }
        self.paragraph();
        self.out.push_str(&table::written(&rows));
        self.paragraph();
    }
}

/// Divides the content of a table into rows and cells.
fn cells(source: &str) -> Vec<Vec<&str>> {
    let (mut rows, mut row, mut from, mut depth, mut at) = (Vec::new(), Vec::new(), 0, 0_i32, 0);
    let bytes = source.as_bytes();
    while at < bytes.len() {
        let nested = || source[at..].strip_prefix("\\begin{").and_then(|rest| rest.split_once('}'));
        match bytes[at] {
            b'\\' if nested().is_some() => {
                let Some((name, content)) = nested() else { break };
                at = source.len() - environment(name, content).1.len();
                continue;
            }
            b'\\' if bytes.get(at + 1) == Some(&b'\\') && depth == 0 => {
                row.push(&source[from..at]);
                rows.push(std::mem::take(&mut row));
                at += 2;
                let rest = source[at..].trim_start_matches('*');
                let rest = option(rest).map_or(rest, |(_, rest)| rest);
                at = source.len() - rest.len();
                from = at;
                continue;
            }
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'&' if depth == 0 => {
                row.push(&source[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    row.push(source.get(from..).unwrap_or_default());
    rows.push(row);
    rows
}
