//! Writes rows as lines of text.
//!
//! Gaps become spaces, and wide gaps become tabs. Text drawn twice is written once. Words broken at
//! line ends are joined. Right-to-left text is in logical order.

use super::super::table;
use super::characters;
use super::hyphens::{self, JOINT, SOFT};
use super::pieces::{Piece, SPACE};
use super::row::{Row, rows};
use super::stops;
use super::tables::{self, Columns, Ruling, Table};
use std::ops::Range;

/// Minimum gap for a tab, in ems.
///
/// `UNSPACED` is the minimum gap for a space in scripts without spaces between words.
const TAB: f64 = 1.8;
/// Minimum gap between columns in text against the direction of its line, in ems.
const COLUMNS: f64 = 0.95;
const UNSPACED: f64 = 0.45;
/// Factor of the usual line distance that separates paragraphs.
const PARAGRAPH: f64 = 1.35;
/// Maximum line distance within a paragraph, in ems.
const LOOSE: f64 = 2.5;

/// Minimum shift of raised or lowered digits of full size, in ems.
const SHIFTED: f64 = 0.3;
/// Signs of percentages.
const PERCENT: [char; 2] = ['%', '\u{66A}'];
/// The mark before and behind struck text.
const STRUCK: &str = "~~";
/// The end of a struck line, and the start of the next.
const STRUCK_LINES: &str = "~~\n~~";

/// Writes the text of a page.
#[derive(Debug)]
pub(super) struct Lines<'t, 'p> {
    text: &'t str,
    tables: &'t [Table<'p>],
    ruling: &'t Ruling,
    columns: &'t mut Columns,
    /// Whether the text is that of a cell.
    in_cell: bool,
    /// Whether lines are read from right to left. `None` if their letters decide.
    backward: Option<bool>,
    /// Whether the text so far ends in struck words, and the mark behind them is not yet written.
    struck: bool,
    out: String,
}

impl<'t, 'p> Lines<'t, 'p> {
    /// Creates a writer for pieces that refer to `text`, and for tables that pieces stand for.
    pub(super) fn new(text: &'t str, tables: &'t [Table<'p>], ruling: &'t Ruling, columns: &'t mut Columns) -> Self {
        Self {
            text,
            tables,
            ruling,
            columns,
            in_cell: false,
            backward: None,
            struck: false,
            out: String::with_capacity(text.len() * 5 / 4),
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.end_struck();
        self.out
    }

    /// Writes rows that belong together.
    pub(super) fn block(&mut self, rows: &[Row<'p>]) {
        let mut from = 0;
        for (range, table) in self.tables(rows, false) {
            self.paragraphs(&rows[from..range.start]);
            self.table(&table);
            from = range.end;
        }
        self.paragraphs(&rows[from..]);
    }

    /// Finds tables without lines, with the rows that each one takes.
    ///
    /// `beside` is whether the rows may be those of columns of text side by side.
    pub(super) fn tables(&mut self, rows: &[Row<'p>], beside: bool) -> Vec<(Range<usize>, Table<'p>)> {
        tables::aligned(rows, beside, self.ruling, self.columns, self.text)
    }

    fn paragraphs(&mut self, rows: &[Row<'_>]) {
        let mut leadings: Vec<f64> = rows.windows(2).map(|pair| pair[1].baseline - pair[0].baseline).collect();
        leadings.sort_by(f64::total_cmp);
        let usual = leadings.get(leadings.len() / 2).copied().unwrap_or(0.0);
        let skipped = if self.in_cell { Vec::new() } else { stops::skipped(rows, |before, piece| self.gap(before, piece) == "\t") };
        let mut above: Option<&Row<'_>> = None;
        for (at, row) in rows.iter().enumerate() {
            if let Some(table) = row.pieces.first().and_then(|piece| self.tables.get(piece.table?)) {
                self.table(table);
                above = None;
                continue;
            }
            let apart = above.is_none_or(|above| row.baseline - above.baseline > PARAGRAPH * usual.min(LOOSE * row.size).max(row.size));
            self.line(row, apart, skipped.get(at).map_or(&[], Vec::as_slice));
            above = Some(row);
        }
    }

    pub(super) fn table(&mut self, table: &Table<'_>) {
        self.end_struck();
        let cells = |row: &Vec<Vec<&Piece>>| row.iter().map(|cell| self.cell(cell, table.backward)).collect();
        let mut rows: Vec<Vec<String>> = table.rows.iter().map(cells).collect();
        if table.backward {
            for row in &mut rows {
                row.reverse();
            }
        }
        if !self.out.is_empty() {
            self.out.push_str("\n\n");
        }
        self.out.push_str(&table::written(&rows));
    }

    /// The text of a cell, on one line. Its lines are read in the direction of the table.
    fn cell(&self, pieces: &[&Piece], backward: bool) -> String {
        let (ruling, mut columns) = (Ruling::default(), Columns::default());
        let mut lines = Lines { in_cell: true, backward: Some(backward), ..Lines::new(self.text, &[], &ruling, &mut columns) };
        lines.paragraphs(&rows(pieces.to_vec()));
        lines.finish().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn line(&mut self, row: &Row<'_>, paragraph: bool, skipped: &[(&Piece, usize)]) {
        let pieces = self.once(&row.pieces);
        let backward = self.backward.unwrap_or_else(|| is_backward(&pieces, self.text));
        let pieces = spoken(&pieces, self.text, backward);
        if paragraph || pieces.first().is_some_and(|piece| !piece.struck) {
            self.end_struck();
        }
        let (start, goes_on) = (self.out.len(), self.struck && !self.in_cell);
        // In Arabic, the sign of a percentage is drawn to the left of its number.
        let is_arabic = pieces.iter().any(|piece| self.text[piece.text.clone()].contains(|c| ('\u{600}'..='\u{6FF}').contains(&c)));
        let mut before: Option<&Piece> = None;
        for piece in pieces {
            let gap = before.map_or("", |before| self.gap(before, piece));
            if !piece.struck {
                self.end_struck();
            }
            if gap == "\t" || before.is_none() && !self.out.ends_with(hyphens::is_hyphen) {
                let columns = skipped.iter().find(|(next, _)| std::ptr::eq(*next, piece)).map_or(0, |(_, columns)| *columns);
                self.out.extend(std::iter::repeat_n('\t', columns));
            }
            self.out.push_str(gap);
            if piece.struck && !self.struck {
                self.out.push_str(STRUCK);
                self.struck = true;
            }
            let text = &self.text[piece.text.clone()];
            match (self.shifted(piece, row, before), text.strip_prefix(PERCENT)) {
                (Some(shifted), _) if gap.is_empty() => {
                    self.out.push_str(&shifted);
                    // A note mark at the start is not part of the first word.
                    self.out.push_str(if before.is_none() { " " } else { "" });
                }
                (_, Some(number)) if is_arabic && number.ends_with(char::is_numeric) => {
                    self.out.extend([number, &text[..text.len() - number.len()]]);
                }
                _ if backward => self.out.extend(turned(text)),
                _ => self.out.push_str(text),
            }
            before = Some(piece);
        }
        if start > 0 && self.out.len() > start && !self.joined(start, paragraph) {
            // Each struck line has both marks, because a chunk may end behind it.
            let between = if goes_on { STRUCK_LINES } else { "\n" };
            self.out.insert_str(start, if paragraph { "\n\n" } else { between });
        }
    }

    /// Writes the mark behind struck words.
    fn end_struck(&mut self) {
        if std::mem::take(&mut self.struck) {
            self.out.push_str(STRUCK);
        }
    }

    /// Removes pieces that repeat an overlapping piece.
    fn once<'a>(&self, pieces: &[&'a Piece]) -> Vec<&'a Piece> {
        let mut kept: Vec<&Piece> = Vec::with_capacity(pieces.len());
        for &piece in pieces {
            let covers = |other: &Piece| {
                let shared = other.right.min(piece.right) - other.left.max(piece.left);
                shared > 0.7 * (piece.right - piece.left)
            };
            let again = |other: &&&Piece| covers(other) && self.text[other.text.clone()].contains(&self.text[piece.text.clone()]);
            if !kept.iter().rev().take(4).any(|other| again(&other)) {
                kept.push(piece);
            }
        }
        kept
    }

    fn gap(&self, before: &Piece, piece: &Piece) -> &'static str {
        let gap = distance(before, piece) / before.size.max(piece.size);
        let last = self.text[before.text.clone()].chars().next_back();
        let first = self.text[piece.text.clone()].chars().next();
        let unspaced = last.is_some_and(characters::is_unspaced) && first.is_some_and(characters::is_unspaced);
        let space = if unspaced { UNSPACED } else { SPACE };
        // In right-to-left text, a space drawn before a letter may belong on either side.
        let backward = before.right_to_left || piece.right_to_left;
        match gap {
            // Words of a line in right-to-left text may be farther apart.
            _ if gap > if backward { 2.0 * TAB } else { TAB } => "\t",
            _ if gap > space || piece.spaced && !unspaced && !backward => " ",
            _ => "",
        }
    }

    /// Converts raised or lowered digits, so that 10⁶ does not become 106.
    ///
    /// Text of full size must touch the word before it and be shifted clearly.
    fn shifted(&self, piece: &Piece, row: &Row<'_>, before: Option<&Piece>) -> Option<String> {
        let touches = before.is_some_and(|before| distance(before, piece).abs() < SPACE * row.size);
        let up = (row.baseline - piece.baseline) / row.size;
        let text = &self.text[piece.text.clone()];
        match up {
            _ if piece.size > 0.85 * row.size && (!touches || up.abs() < SHIFTED) => None,
            _ if up > 0.15 => characters::raised(text),
            _ if up < -0.08 => characters::lowered(text),
            _ => None,
        }
    }

    /// Whether the line that starts at `start` continues a broken word. `paragraph` is whether it begins one.
    fn joined(&mut self, start: usize, paragraph: bool) -> bool {
        let mut ends = self.out[..start].chars().rev();
        let hyphen = ends.next().filter(|last| hyphens::is_hyphen(*last));
        let word = ends.next().is_some_and(char::is_alphabetic) && self.out[start..].starts_with(char::is_lowercase);
        let goes_on = self.out[start..].starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit() || c == '/');
        match hyphen {
            Some(SOFT) => {
                self.out.drain(start - SOFT.len_utf8()..start);
                true
            }
            // Addresses and codes keep their hyphen.
            Some(_) if hyphens::is_address(&self.out[..start]) => !paragraph && (goes_on || self.in_cell),
            Some(_) if !word && self.in_cell && hyphens::is_code(&self.out[..start], &self.out[start..]) => true,
            Some(_) if word && !hyphens::is_shared(&self.out[start..]) => {
                self.out.insert(start, JOINT);
                true
            }
            _ => false,
        }
    }
}

/// Whether two pieces are as far apart as columns.
fn are_columns(before: &Piece, piece: &Piece) -> bool {
    distance(before, piece) > COLUMNS * before.size.max(piece.size)
}

/// The gap between two pieces, in either direction.
fn distance(before: &Piece, piece: &Piece) -> f64 {
    if before.left <= piece.left { piece.left - before.right } else { before.left - piece.right }
}

/// Whether most letters of a line are written from right to left.
fn is_backward(pieces: &[&Piece], text: &str) -> bool {
    // In right-to-left scripts each letter is a piece, so the code counts letters.
    let backward = pieces.iter().filter(|piece| piece.right_to_left).count();
    let forward: usize = pieces.iter().filter(|piece| !piece.right_to_left).map(|piece| letters(piece, text)).sum();
    backward > 0 && backward >= forward
}

fn letters(piece: &Piece, text: &str) -> usize {
    text[piece.text.clone()].chars().filter(|c| c.is_alphabetic()).count()
}

/// The parts of a number in a right-to-left line, in logical order. What was drawn to the right of it comes
/// before it.
fn turned(text: &str) -> [&str; 3] {
    const SIGNS: [char; 3] = ['-', '\u{2212}', '+'];
    let marks = |c: char| ",;:!?".contains(c);
    let bare = text.trim_start_matches(marks);
    let start = &text[..text.len() - bare.len()];
    let number = bare.strip_suffix(SIGNS).filter(|number| number.starts_with(char::is_numeric) && number.ends_with(char::is_numeric));
    match number {
        Some(number) => [&bare[number.len()..], number, start],
        None if bare.starts_with(char::is_alphanumeric) => ["", bare, start],
        None => ["", text, ""],
    }
}

/// Converts pieces from left-to-right order to logical order.
fn spoken<'p>(pieces: &[&'p Piece], text: &str, mainly_backward: bool) -> Vec<&'p Piece> {
    let mut pieces = pieces.to_vec();
    if !pieces.iter().any(|piece| piece.right_to_left) {
        return pieces;
    }
    if mainly_backward {
        pieces.reverse();
    }
    // Runs against the direction of the line are reversed, from their first to their last letter or
    // digit. Characters in between move with them, and a full stop at the end stays. No run goes on in
    // another column.
    let against = |piece: &Piece| {
        if mainly_backward { !piece.right_to_left && text[piece.text.clone()].contains(char::is_alphanumeric) } else { piece.right_to_left }
    };
    let with = |piece: &Piece| if mainly_backward { piece.right_to_left } else { letters(piece, text) > 0 && !piece.right_to_left };
    let mut start = 0;
    while start < pieces.len() {
        if !against(pieces[start]) {
            start += 1;
            continue;
        }
        let ends = |at: &usize| with(pieces[*at]) || are_columns(pieces[*at - 1], pieces[*at]);
        let end = (start + 1..pieces.len()).find(ends).unwrap_or(pieces.len());
        let last = pieces[start..end].iter().rposition(|piece| against(piece)).map_or(start, |length| start + length);
        pieces[start..=last].reverse();
        start = end;
    }
    pieces
}
