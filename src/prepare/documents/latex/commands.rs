//! Writes the text of LaTeX source.

use super::super::verdict;
use super::scanner::{argument, group, name, option};
use super::words::{accented, dropped, symbol};
use std::fmt::Write as _;

/// Maximum depth of groups and environments.
const DEPTH: usize = 60;
/// Writes text.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: String,
    /// Levels by which headings rise, because the document has no chapters.
    raised: usize,
    /// For each open list: its next number; 0 for bullets.
    pub(super) lists: Vec<usize>,
    footnotes: Vec<String>,
    files: usize,
    pictures: usize,
    depth: usize,
    too_deep: bool,
}

impl Writer {
    pub fn new(body: &str) -> Self {
        let has_chapters = ["\\chapter{", "\\chapter*{", "\\part{"].iter().any(|command| body.contains(command));
        Self { raised: usize::from(!has_chapters), ..Self::default() }
    }

    /// Writes title, authors and date of the preamble.
    pub fn title(&mut self, preamble: &str) {
        for (command, mark) in [("\\title", "# "), ("\\author", ""), ("\\date", "")] {
            let Some(at) = preamble.rfind(&format!("{command}{{")).or_else(|| preamble.rfind(&format!("{command}["))) else { continue };
            let behind = &preamble[at + command.len()..];
            let behind = option(behind).map_or(behind, |(_, behind)| behind);
            if let Some((content, _)) = group(behind) {
                let content = self.inline(&content.replace("\\and", ", "));
                if !content.is_empty() {
                    self.paragraph();
                    let _infallible = write!(self.out, "{mark}{content}");
                }
            }
        }
        self.paragraph();
    }

    /// The text, and notes about what is not in it.
    pub fn finish(mut self) -> (String, Vec<String>) {
        for (number, note) in std::mem::take(&mut self.footnotes).iter().zip(1..).map(|(note, number): (&String, usize)| (number, note)) {
            self.paragraph();
            let _infallible = write!(self.out, "[^{number}]: {note}");
        }
        let mut notes = Vec::new();
        if self.files > 0 {
            notes.push(format!("{} included by the document named, not read", verdict::counted(self.files, "file")));
        }
        if self.pictures > 0 {
            notes.push(format!("{} named, not included", verdict::counted(self.pictures, "picture")));
        }
        if self.too_deep {
            notes.push("groups that are nested too deeply left out".to_owned());
        }
        (self.out.trim().to_owned(), notes)
    }

    /// Ends the paragraph.
    pub(super) fn paragraph(&mut self) {
        let kept = self.out.trim_end().len();
        self.out.truncate(kept);
        if !self.out.is_empty() {
            self.out.push_str("\n\n");
        }
    }

    pub(super) fn line(&mut self) {
        let kept = self.out.trim_end().len();
        if kept > 0 && !self.out[kept..].contains('\n') {
            self.out.truncate(kept);
            self.out.push('\n');
        }
    }

    /// The text of a part, on one line.
    pub(super) fn inline(&mut self, source: &str) -> String {
        let before = std::mem::take(&mut self.out);
        self.write(source);
        let text = std::mem::replace(&mut self.out, before);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Writes the text of some source.
    pub fn write(&mut self, source: &str) {
        if self.depth == DEPTH {
            self.too_deep = true;
            return;
        }
        self.depth += 1;
        let mut rest = source;
        while let Some(at) = rest.find(['\\', '$', '{', '}', '~', '`', '\'', '-', '&', '\n', ' ']) {
            self.out.push_str(&rest[..at]);
            let (special, behind) = rest[at..].split_at(1);
            rest = match special {
                "\\" => self.command(behind),
                "$" => self.formula(&rest[at..]),
                "~" | " " => self.space(behind),
                "\n" if behind.trim_start_matches([' ', '\t']).starts_with('\n') => {
                    self.paragraph();
                    behind.trim_start()
                }
                "\n" => {
                    if self.out.is_empty() || self.out.ends_with('\n') || self.out.ends_with("- ") {
                        behind
                    } else {
                        self.put("\n", behind.trim_start_matches([' ', '\t']))
                    }
                }
                "`" | "'" | "-" => self.punctuation(&rest[at..]),
                "&" => self.put(" ", behind),
                _ => behind,
            };
        }
        self.out.push_str(rest);
        self.depth -= 1;
    }

    fn put<'t>(&mut self, text: &str, rest: &'t str) -> &'t str {
        self.out.push_str(text);
        rest
    }

    fn space<'t>(&mut self, rest: &'t str) -> &'t str {
        if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        rest
    }

    fn punctuation<'t>(&mut self, text: &'t str) -> &'t str {
        const MARKS: [(&str, &str); 6] = [("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("`", "‘"), ("'", "’")];
        let found = MARKS.iter().find(|(mark, _)| text.starts_with(mark));
        match found {
            Some((mark, character)) => self.put(character, &text[mark.len()..]),
            None => self.put(&text[..1], &text[1..]),
        }
    }

    /// Writes a formula as it stands.
    fn formula<'t>(&mut self, text: &'t str) -> &'t str {
        let mark = if text.starts_with("$$") { "$$" } else { "$" };
        let mut from = mark.len();
        while let Some(at) = text[from..].find(mark).map(|at| from + at) {
            if !text[..at].ends_with('\\') {
                let (formula, rest) = text.split_at(at + mark.len());
                return self.put(formula, rest);
            }
            from = at + 1;
        }
        self.put("$", &text[1..])
    }

    pub(super) fn command<'t>(&mut self, text: &'t str) -> &'t str {
        let (own, rest) = name(text);
        let behind_space = rest.trim_start_matches([' ', '\t']);
        if accented(own, "e").is_some()
            && let Some((letter, behind)) = argument(rest)
            && let Some(letter) = accented(own, letter)
        {
            return self.put(&letter, behind);
        }
        match own {
            "\\" | "newline" | "linebreak" | "tabularnewline" => {
                self.line();
                return option(rest.trim_start_matches('*')).map_or(rest, |(_, behind)| behind);
            }
            "(" | "[" => {
                let end = if own == "(" { "\\)" } else { "\\]" };
                let Some((formula, behind)) = rest.split_once(end) else { return rest };
                let mark = if own == "(" { "$" } else { "$$" };
                let _infallible = write!(self.out, "{mark}{formula}{mark}");
                return behind;
            }
            "begin" => {
                let Some((environment, behind)) = group(rest) else { return rest };
                return self.environment(environment.trim(), behind);
            }
            "end" => return group(rest).map_or(rest, |(_, behind)| behind),
            "par" => {
                self.paragraph();
                return behind_space;
            }
            "item" => return self.item(rest),
            "verb" | "verb*" => {
                let Some(mark) = rest.chars().next() else { return rest };
                let Some((text, behind)) = rest[mark.len_utf8()..].split_once(mark) else { return rest };
                return self.put(text, behind);
            }
            "iffalse" => return rest.split_once("\\fi").map_or("", |(_, behind)| behind),
            "def" => return rest.find('{').and_then(|at| group(&rest[at..])).map_or(rest, |(_, behind)| behind),
            _ => {}
        }
        if let Some(symbol) = symbol(own) {
            // The space behind a name of letters ends it.
            let is_word = own.starts_with(|c: char| c.is_ascii_alphabetic());
            let rest = rest.strip_prefix("{}").unwrap_or(if is_word { behind_space } else { rest });
            return self.put(symbol, if own == "hspace" { self::behind(rest, 1) } else { rest });
        }
        self.with_arguments(own.trim_end_matches('*'), rest)
    }

    fn with_arguments<'t>(&mut self, own: &str, rest: &'t str) -> &'t str {
        let (mut after, mut note) = (rest, None);
        while let Some((content, behind)) = option(after) {
            note.get_or_insert(content);
            after = behind;
        }
        if let Some(count) = dropped(own) {
            // The sides at which a line is shorter.
            let trimmed = after.strip_prefix('(').filter(|_| own == "cmidrule").and_then(|rest| rest.split_once(')'));
            return behind(trimmed.map_or(after, |(_, rest)| rest), count);
        }
        let level = ["part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph"];
        let level = level.iter().position(|name| *name == own).map(|at| at.max(1) - usize::from(at > 1) * self.raised);
        let Some((content, behind)) = group(after) else {
            // A command of the program, such as \centering or \bfseries.
            return if own.is_empty() { rest } else { rest.trim_start_matches([' ', '\t']) };
        };
        if let Some(level) = level {
            let title = self.inline(content);
            self.paragraph();
            let _infallible = write!(self.out, "{} {title}\n\n", "#".repeat(level.max(1)));
            return behind.trim_start();
        }
        match own {
            "input" | "include" | "subfile" | "import" | "lstinputlisting" | "verbatiminput" => {
                self.files += 1;
                self.line();
                let _infallible = writeln!(self.out, "[file: {}, not included]", content.trim());
            }
            "includegraphics" | "includesvg" => {
                self.pictures += 1;
                let _infallible = write!(self.out, "[image: {}]", content.trim());
            }
            "cite" | "citep" | "citet" | "parencite" | "textcite" | "autocite" | "footcite" => {
                let note = note.map(|note| format!(", {}", self.inline(note))).unwrap_or_default();
                let _infallible = write!(self.out, "[{}{note}]", content.trim());
            }
            "ref" | "eqref" | "autoref" | "cref" | "Cref" | "pageref" | "nameref" => {
                let _infallible = write!(self.out, "[{}]", content.trim());
            }
            "bibitem" => {
                self.paragraph();
                let _infallible = write!(self.out, "[{}] ", content.trim());
            }
            "footnote" | "thanks" | "footnotetext" => {
                let text = self.inline(content);
                self.footnotes.push(text);
                let _infallible = write!(self.out, "[^{}]", self.footnotes.len());
            }
            "url" | "path" | "nolinkurl" => self.out.push_str(&content.replace('\\', "")),
            "href" => {
                let Some((text, behind)) = group(behind) else { return self.put(content, behind) };
                let text = self.inline(text);
                let _infallible = write!(self.out, "[{text}]({})", content.replace('\\', ""));
                return behind;
            }
            "caption" => {
                let text = self.inline(content);
                self.paragraph();
                self.out.push_str(&text);
                self.paragraph();
            }
            "textcolor" | "colorbox" | "foreignlanguage" | "resizebox" | "scalebox" => {
                let behind = if own == "resizebox" { self::behind(behind, 1) } else { behind };
                let Some((text, behind)) = group(behind) else { return behind };
                self.write(text);
                return behind;
            }
            "frac" | "nicefrac" | "sfrac" => {
                let Some((lower, behind)) = group(behind) else { return behind };
                let text = format!("{}/{}", self.inline(content), self.inline(lower));
                return self.put(&text, behind);
            }
            "SI" | "qty" => {
                let Some((unit, behind)) = group(behind) else { return self.put(content, behind) };
                let text = format!("{content} {}", unit.replace('\\', ""));
                return self.put(&text, behind);
            }
            "textsuperscript" | "textsubscript" => {
                let text = self.inline(content);
                // 10⁶ must not become 106, but 1ˢᵗ may become 1st.
                let is_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '\u{2212}'));
                let sign = if own == "textsuperscript" { "^" } else { "_" };
                self.out.extend([if is_number { sign } else { "" }, &text]);
            }
            "sout" | "st" | "xout" => {
                let text = self.inline(content);
                let mark = if text.is_empty() { "" } else { "~~" };
                self.out.extend([mark, &text, mark]);
            }
            // The text comes behind two other arguments.
            "multirow" | "multicolumn" | "multirowcell" => {
                let behind = self::behind(behind, usize::from(own != "multirowcell"));
                let behind = option(behind).map_or(behind, |(_, behind)| behind);
                let Some((text, behind)) = group(behind) else { return behind };
                self.write(text);
                return behind;
            }
            "title" | "author" | "date" if self.depth == 1 && self.out.trim().is_empty() => {
                self.write(content);
                self.paragraph();
            }
            _ => self.write(content),
        }
        behind
    }
}

/// The text behind a number of groups.
pub(super) fn behind(mut text: &str, count: usize) -> &str {
    for _ in 0..count {
        while let Some((_, rest)) = option(text) {
            text = rest;
        }
        match argument(text) {
            Some((_, rest)) => text = rest,
            None => break,
        }
    }
    text
}
