//! Writes Markdown for document readers: paragraphs, headings, lists and tables.
//!
//! Words stay unchanged, except that `|` is escaped in tables. White space follows the rules of
//! Markdown. At the end, all open elements are closed. The code has no recursion, and its work is
//! linear in the length of the text.
//!
//! Tables that only arrange a page become paragraphs. Nested tables become one line of their cell.

use super::numbering::shown;
use super::piece::{Gap, Piece, STRUCK};
pub(super) use super::script::Script;
use super::table::{self, Table};

/// Maximum nesting of tables and of lists. Deeper levels are merged.
const DEPTH: usize = 16;
/// The mark of a line of a quotation.
const QUOTE: &str = "> ";

/// The numbers of a list.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub next: i64,
    pub step: i64,
    /// `decimal`, `lowerLetter` and so on.
    pub kind: &'static str,
}

/// A text that is being written.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    /// The text of the document, then the open cells.
    pieces: Vec<Piece>,
    tables: Vec<Table>,
    /// Number of open tables beyond [`DEPTH`].
    too_deep: usize,
    /// The numbers of each open list; `None` without numbers.
    lists: Vec<Option<Numbers>>,
    /// Number of open quotations.
    quotes: usize,
    /// Whether the last paragraph was a list line.
    in_lines: bool,
    script: Script,
    /// Sign before the next word, if that word is a number.
    sign: &'static str,
    struck: bool,
}

impl Markdown {
    pub fn new() -> Self {
        Self { pieces: vec![Piece::default()], ..Self::default() }
    }

    /// Adds text. White space becomes a single space.
    pub fn text(&mut self, text: &str) {
        let space = |c: char| c.is_ascii_whitespace() || c == '\u{A0}';
        for (at, word) in text.split(space).enumerate() {
            if at > 0 {
                self.gap(Gap::Space);
            }
            // A soft hyphen only marks a place to break a word.
            word.split('\u{AD}').for_each(|part| self.verbatim(part));
        }
    }

    /// Adds text unchanged.
    pub fn verbatim(&mut self, text: &str) {
        let around = self.tables.last().map_or(0, |table| table.quotes);
        let quote = QUOTE.repeat(self.quotes.saturating_sub(around).min(DEPTH));
        let Some(piece) = self.pieces.last_mut() else { return };
        if text.is_empty() {
            return;
        }
        let touches = piece.gap == Gap::None && !piece.text.ends_with(char::is_whitespace) && !piece.text.is_empty();
        let begins_line = piece.text.is_empty() || piece.gap >= Gap::Line;
        if piece.struck && !self.struck || piece.gap >= Gap::Line {
            piece.unstrike();
        }
        if !piece.text.is_empty() {
            piece.text.push_str(match piece.gap {
                Gap::None => "",
                Gap::Space => " ",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        piece.gap = Gap::None;
        piece.text.push_str(if begins_line { &quote } else { "" });
        piece.text.push_str(&std::mem::take(&mut piece.mark));
        if self.struck && !std::mem::replace(&mut piece.struck, true) {
            piece.text.push_str(STRUCK);
        }
        // 10⁶ must not become 106, but 1ˢᵗ may become 1st.
        let sign = std::mem::take(&mut self.sign);
        let is_shifted = matches!(self.script, Script::ShiftedUp | Script::ShiftedDown);
        if (touches || !is_shifted) && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '\u{2212}')) {
            piece.text.push_str(sign);
        }
        let quoted = (!quote.is_empty()).then(|| text.replace('\n', &format!("\n{quote}")));
        piece.text.push_str(quoted.as_deref().unwrap_or(text));
    }

    /// Adds a formula. A number before it stays apart: `2 1/3`.
    pub fn formula(&mut self, formula: &str) {
        let touches = |piece: &&mut Piece| piece.gap == Gap::None && piece.text.ends_with(|c: char| c.is_ascii_alphanumeric());
        if formula.starts_with(|c: char| c.is_ascii_alphanumeric()) && self.pieces.last_mut().as_ref().is_some_and(touches) {
            self.gap(Gap::Space);
        }
        self.text(formula);
    }

    /// Sets the vertical position of the following text.
    pub fn script(&mut self, script: Script) {
        if std::mem::replace(&mut self.script, script) != script {
            self.sign = match script {
                Script::Normal => "",
                Script::Raised | Script::ShiftedUp => "^",
                Script::Lowered | Script::ShiftedDown => "_",
            };
        }
    }

    /// Sets whether the following text is struck.
    pub fn strike(&mut self, struck: bool) {
        self.struck = struck;
    }

    /// Joins the following text to the previous one without a gap.
    pub fn glue(&mut self) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.gap = Gap::None;
        }
    }

    /// Starts a new line.
    pub fn line(&mut self) {
        self.gap(Gap::Line);
    }

    /// Starts a new paragraph, or a new line within a list.
    pub fn paragraph(&mut self) {
        self.in_lines = false;
        self.gap(if self.lists.is_empty() { Gap::Paragraph } else { Gap::Line });
    }

    /// Starts a heading, which ends with the next paragraph.
    pub fn heading(&mut self, level: usize) {
        self.in_lines = false;
        self.gap(Gap::Paragraph);
        self.mark(format!("{} ", "#".repeat(level.clamp(1, 6))));
    }

    /// Sets the mark before the next word. A paragraph gap removes it.
    pub fn mark(&mut self, mark: String) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.set_mark(mark);
        }
    }

    /// Removes the numbers of items without text from the open cell, which is not shown.
    pub fn forget_numbers(&mut self) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.mark.clear();
            piece.unused.clear();
        }
    }

    /// Starts a list line, for sources with numbered lines instead of lists.
    pub fn list_line(&mut self, level: usize, number: &str) {
        let first = !std::mem::replace(&mut self.in_lines, true);
        self.gap(if first { Gap::Paragraph } else { Gap::Line });
        self.mark(format!("{}{number} ", "  ".repeat(level.min(DEPTH))));
    }

    pub fn open_quote(&mut self) {
        self.paragraph();
        self.quotes += 1;
    }

    pub fn close_quote(&mut self) {
        self.paragraph();
        self.quotes = self.quotes.saturating_sub(1);
    }

    pub fn open_list(&mut self, numbers: Option<Numbers>) {
        self.gap(if self.lists.is_empty() { Gap::Paragraph } else { Gap::Line });
        self.lists.push(numbers);
    }

    pub fn close_list(&mut self) {
        let within = self.tables.last().map_or(0, |table| table.lists);
        if self.lists.len() > within {
            self.lists.pop();
        }
        self.paragraph();
    }

    /// Starts an item of the open list.
    pub fn item(&mut self) {
        self.item_of(None);
    }

    /// Starts an item of the open list, which may have its own kind of number: `none`, `bullet`.
    pub fn item_of(&mut self, kind: Option<&'static str>) {
        let number = match self.lists.last_mut() {
            Some(Some(numbers)) => {
                let number = numbers.next;
                numbers.next = number.saturating_add(numbers.step);
                match kind.unwrap_or(numbers.kind) {
                    "none" => String::new(),
                    "bullet" => "-".to_owned(),
                    kind => format!("{}.", u32::try_from(number).map_or_else(|_| number.to_string(), |number| shown(number, kind))),
                }
            }
            _ => "-".to_owned(),
        };
        self.gap(Gap::Line);
        self.number(&number);
    }

    /// Sets the number of the open item, which may be empty.
    pub fn number(&mut self, number: &str) {
        let indent = "  ".repeat(self.lists.len().clamp(1, DEPTH) - 1);
        self.mark(if number.is_empty() { indent } else { format!("{indent}{number} ") });
    }

    /// The number of the next item of the open list, and of those after it.
    pub fn count_from(&mut self, number: i64) {
        if let Some(Some(numbers)) = self.lists.last_mut() {
            numbers.next = number;
        }
    }

    pub fn open_table(&mut self) {
        if self.tables.len() >= DEPTH {
            self.too_deep += 1;
            return self.paragraph();
        }
        if let Some(outer) = self.tables.last_mut() {
            outer.nested = true;
        }
        self.tables.push(Table::default());
    }

    pub fn row(&mut self) {
        if self.too_deep > 0 {
            return self.line();
        }
        self.close_cell();
        if let Some(table) = self.tables.last_mut() {
            table.row();
        }
    }

    /// Starts a part of the table: its foot, or another one.
    pub fn table_part(&mut self, is_foot: bool) {
        if self.too_deep > 0 {
            return;
        }
        self.close_cell();
        match self.tables.last_mut() {
            Some(table) if is_foot => table.begin_foot(),
            Some(table) => table.end_foot(),
            None => {}
        }
    }

    /// Starts a cell that spans this many columns and rows.
    pub fn cell(&mut self, columns: usize, rows: usize) {
        if self.too_deep > 0 || self.tables.is_empty() {
            return self.gap(Gap::Space);
        }
        self.close_cell();
        if let Some(table) = self.tables.last_mut() {
            table.open_cell(columns, rows, self.lists.len());
            table.quotes = self.quotes;
            self.pieces.push(Piece::default());
        }
    }

    /// Widens the open cell to this many columns.
    pub fn widen(&mut self, columns: usize) {
        if let Some(table) = self.tables.last_mut() {
            table.widen(columns);
        }
    }

    pub fn close_cell(&mut self) {
        if let Some(table) = self.tables.last_mut().filter(|table| table.in_cell) {
            self.lists.truncate(table.lists);
            self.quotes = self.quotes.min(table.quotes);
            table.quotes = 0;
            table.close_cell(self.pieces.pop().map(Piece::finish_cell).unwrap_or_default());
        }
    }

    /// Closes a cell that the row has this many times.
    pub fn close_repeated_cell(&mut self, times: usize) {
        let was_open = self.tables.last().is_some_and(|table| table.in_cell);
        self.close_cell();
        if let Some(table) = self.tables.last_mut().filter(|_| was_open && self.too_deep == 0) {
            table.repeat_cell(times);
        }
    }

    /// Closes a row that the table has this many times.
    pub fn repeat_row(&mut self, times: usize) {
        if self.too_deep == 0 {
            self.close_cell();
            self.tables.last_mut().into_iter().for_each(|table| table.repeat_row(times));
        }
    }

    /// Whether a table is open and none of its cells is.
    pub fn between_cells(&self) -> bool {
        self.tables.last().is_some_and(|table| !table.in_cell)
    }

    pub fn close_table(&mut self) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return self.paragraph();
        }
        self.close_cell();
        let Some(mut table) = self.tables.pop() else { return };
        table.finish();
        self.gap(Gap::Paragraph);
        // The text of the cells already contains strike marks.
        let struck = std::mem::take(&mut self.struck);
        if table.arranges() {
            for cell in table.rows.iter().flatten() {
                self.verbatim(cell);
                self.gap(Gap::Paragraph);
            }
        } else {
            self.verbatim(&table::written(&table.rows));
        }
        self.struck = struck;
        self.gap(Gap::Paragraph);
    }

    /// Whether no text has been written.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(|piece| piece.text.is_empty())
    }

    /// Position of the next word in the open text or cell.
    pub fn position(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.text.len())
    }

    /// Returns the text written since this position.
    pub fn since(&self, position: usize) -> &str {
        self.pieces.last().and_then(|piece| piece.text.get(position..)).unwrap_or_default()
    }

    /// Closes everything and returns the text.
    pub fn finish(mut self) -> String {
        while !self.tables.is_empty() {
            self.too_deep = 0;
            self.close_table();
        }
        let text = self.pieces.pop().map(Piece::finish).unwrap_or_default();
        text.trim_matches('\n').to_owned()
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.gap = piece.gap.max(gap);
            if gap >= Gap::Paragraph {
                piece.set_mark(String::new());
            }
        }
    }
}
