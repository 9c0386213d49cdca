//! Finds the tables of a page.
//!
//! Every row of a table has as many cells as the table has columns, so that an empty cell keeps its
//! column. Tables are found by the structure of the document (`tagged`), by their lines (`lattice`),
//! or by strips without text between aligned columns (`aligned`). Text that is not clearly a table
//! stays text.

mod aligned;
mod drawing;
mod evidence;
mod heads;
mod lattice;
mod logical;
mod loose;
mod rules;
mod strips;
mod tagged;
mod zones;

pub(super) use aligned::tables as aligned;
pub(super) use lattice::tables as ruled;
pub(super) use loose::complete;
pub(super) use rules::{Rule, Rules, Ruling};
pub(super) use tagged::tables as tagged;

use super::characters::UNKNOWN;
use super::pieces::Piece;
use super::row::Row;
use hayro::kurbo::Rect;
use std::ops::Range;

/// Maximum gap between words of a phrase, in ems.
const PHRASE: f64 = 0.62;
/// Tolerance of alignment, in ems.
const ALIGNED: f64 = 0.45;
/// Maximum distance between lines of a cell without lines around it, in ems.
const LEADING: f64 = 1.7;

/// A table with the pieces of each cell.
///
/// Cells are from left to right. In a right-to-left table, the last one is read first.
#[derive(Debug)]
pub(super) struct Table<'p> {
    pub(super) rows: Vec<Vec<Vec<&'p Piece>>>,
    pub(super) bounds: Rect,
    /// Whether the table is read from right to left.
    pub(super) backward: bool,
}

impl<'p> Table<'p> {
    /// A table whose drawing order tells in which direction it is read.
    fn new(rows: Vec<Vec<Vec<&'p Piece>>>, bounds: Rect) -> Self {
        let has_backward = rows.iter().flatten().flatten().any(|piece| piece.right_to_left);
        let backward = has_backward && {
            let order = |cell: &Vec<&Piece>| cell.iter().map(|piece| piece.order).min();
            let orders = rows.iter().map(|row| row.iter().filter_map(order).collect::<Vec<_>>()).collect::<Vec<_>>();
            let pairs = || orders.iter().flat_map(|orders| orders.windows(2));
            pairs().filter(|pair| pair[0] > pair[1]).count() * 2 > pairs().count()
        };
        Self { rows, bounds, backward }
    }
}

/// Columns that continue over pages.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Strips between the columns of the last table on the page before.
    before: Option<Vec<Range<f64>>>,
    /// The same, for the last table so far.
    last: Option<Vec<Range<f64>>>,
}

impl Columns {
    /// Begins the next page.
    pub(super) fn turn(&mut self) {
        self.before = self.last.take();
    }

    /// Remembers the columns of a table, unless texts lie across them.
    pub(super) fn learn(&mut self, table: &Table<'_>) {
        let count = table.rows.first().map_or(0, Vec::len);
        let pieces = |column: usize| table.rows.iter().flat_map(move |row| &row[column]);
        let left = |column: usize| pieces(column).map(|piece| piece.left).fold(f64::INFINITY, f64::min);
        let right = |column: usize| pieces(column).map(|piece| piece.right).fold(f64::NEG_INFINITY, f64::max);
        let strips: Vec<Range<f64>> = (1..count).map(|column| right(column - 1)..left(column)).collect();
        if strips.iter().all(|strip| strip.start < strip.end) {
            self.last = Some(strips);
        }
    }
}

/// A line of text in a table, cell by cell.
#[derive(Debug)]
struct Line<'p> {
    baseline: f64,
    size: f64,
    cells: Vec<Vec<&'p Piece>>,
}

impl<'p> Line<'p> {
    /// Divides a row at these positions.
    fn of(row: &Row<'p>, separators: &[f64]) -> Self {
        let mut cells = vec![Vec::new(); separators.len() + 1];
        for piece in &row.pieces {
            let middle = f64::midpoint(piece.left, piece.right);
            cells[separators.partition_point(|at| *at < middle)].push(*piece);
        }
        Self { baseline: row.baseline, size: row.size, cells }
    }

    /// Divides a row with text across some of these positions. Such text belongs to its first cell.
    fn across(row: &Row<'p>, separators: &[f64]) -> Self {
        let cell = |at: f64| separators.partition_point(|separator| *separator < at);
        let mut cells = vec![Vec::new(); separators.len() + 1];
        let mut phrase = 0..0;
        for at in 0..row.pieces.len() {
            let piece = row.pieces[at];
            if at == phrase.end {
                let is_apart = |pair: &[&Piece]| pair[1].left - pair[0].right > PHRASE * row.size;
                let length = row.pieces[at..].windows(2).position(is_apart).map_or(row.pieces.len() - at, |last| last + 1);
                phrase = at..at + length;
            }
            let (first, last) = (row.pieces[phrase.start], row.pieces[phrase.end - 1]);
            let middle = f64::midpoint(piece.left, piece.right);
            let is_across = row.pieces[phrase.clone()].iter().any(|piece| cell(piece.left) < cell(piece.right));
            let of_phrase = is_across && cell(first.left) < cell(last.right);
            cells[cell(if of_phrase { first.left } else { middle })].push(piece);
        }
        Self { baseline: row.baseline, size: row.size, cells }
    }

    fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.is_empty()).count()
    }

    /// The part of the width that the text of a cell takes.
    fn extent(&self, column: usize) -> Option<Range<f64>> {
        let cell = &self.cells[column];
        Some(cell.first()?.left..cell.iter().map(|piece| piece.right).fold(f64::MIN, f64::max))
    }
}

/// The text of a cell, for decisions only.
fn content(cell: &[&Piece], text: &str) -> String {
    let mut content = String::new();
    for piece in cell {
        if !content.is_empty() {
            content.push(' ');
        }
        content.push_str(&text[piece.text.clone()]);
    }
    content
}

/// Whether a text is a number, an amount, a date or a time.
fn is_numeric(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let others = text.chars().filter(|c| c.is_alphabetic()).count();
    digits > 0 && others <= 3 && digits * 2 >= text.chars().filter(|c| c.is_alphanumeric()).count()
}

/// Whether a text is the mark of a chosen or refused field.
fn is_tick(text: &str) -> bool {
    matches!(text, "X" | "x" | "×" | "•" | "●" | "○" | "☐" | "☑" | "☒")
        || text.chars().all(|c| matches!(c, '\u{2713}'..='\u{2718}')) && !text.is_empty()
}

/// Whether many cells have signs of formulas, or unknown characters.
fn is_formula<'c, 'p: 'c>(cells: impl Iterator<Item = &'c Vec<&'p Piece>>, text: &str) -> bool {
    let is_sign = |c: char| matches!(c, '=' | '\u{2200}'..='\u{22FF}' | '×' | '·' | '⇒' | '→' | '‖' | '\u{370}'..='\u{3FF}' | UNKNOWN);
    let (mut all, mut formulas) = (0, 0);
    for cell in cells.filter(|cell| !cell.is_empty()) {
        let cell = content(cell, text);
        all += 1;
        formulas += usize::from(!is_numeric(&cell) && cell.contains(is_sign));
    }
    formulas * 5 > all
}

/// Whether a word is a number with two decimals.
pub(super) fn is_amount(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_digit());
    let decimals = word.rsplit(['.', ',']).next().unwrap_or_default();
    decimals.len() == 2 && word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'\''))
}
