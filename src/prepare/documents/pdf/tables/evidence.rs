//! Decides whether aligned text is clearly a table.

use super::super::pieces::Piece;
use super::{ALIGNED, Line, content, is_formula, is_numeric, is_tick};
use std::ops::Range;

/// Minimum share of aligned cells in a column, and of aligned columns.
const CELLS: f64 = 0.7;
const COLUMNS: f64 = 0.7;
/// Minimum rows of tables with numbers, of tables with two columns, and of tables without numbers.
const ROWS: usize = 3;
const ROWS_OF_TWO: usize = 4;
const ROWS_OF_TEXT: usize = 5;
/// Minimum share of cells with text, and that in tables of ticks.
const FILLED: f64 = 0.45;
const FILLED_OF_TICKS: f64 = 0.3;
/// Maximum mean length of cells in tables without numbers and without lines.
const SHORT: usize = 24;
/// Minimum gap between two numbers that are no cell, in ems.
const GAP: f64 = 0.95;
/// Headers of page numbers.
const PAGE: [&str; 8] = ["page", "pages", "p.", "seite", "s.", "página", "pagina", "стр."];
/// Share of its column's width that a line of prose fills.
const FULL: f64 = 0.85;

/// Whether a text can be a small Roman number.
fn is_roman(text: &str) -> bool {
    text.chars().all(|c| matches!(c, 'i' | 'v' | 'x' | 'l'))
}

/// What speaks for a table.
pub(super) struct Evidence<'l, 'p, 't> {
    pub(super) lines: &'l [Line<'p>],
    pub(super) text: &'t str,
    pub(super) size: f64,
    /// Whether lines are drawn across the whole table.
    pub(super) is_ruled: bool,
    /// Whether its columns are those of a table on the page before.
    pub(super) continues: bool,
    pub(super) side: Side,
}

/// Whether the lines may be those of columns of text side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Alone,
    Beside,
    /// They may, and the lines before or behind have other columns.
    Within,
}

impl Evidence<'_, '_, '_> {
    pub(super) fn is_table(&self) -> bool {
        let columns = self.lines[0].cells.len();
        let rows = self.lines.iter().filter(|line| line.filled() >= 2).count();
        let is_ticked = self.has_labels(is_tick);
        let has_headers = || self.has_headers() || self.has_labels(|text| is_tick(text) || is_numeric(text));
        if self.fill() < if is_ticked { FILLED_OF_TICKS } else { FILLED }
            || is_formula(self.lines.iter().flat_map(|line| &line.cells), self.text)
            || !has_headers() && self.is_matrix()
            || self.is_crowded()
        {
            return false;
        }
        if self.continues && columns > 2 {
            return self.lines.iter().any(|line| line.filled() >= 3 && line.filled() * 5 >= columns * 3);
        }
        let numbers = (0..columns).filter(|column| self.is_number(*column)).count();
        let aligned = (0..columns).filter(|column| self.is_aligned(*column)).count();
        let most = if self.side == Side::Within { 0 } else { columns.div_ceil(2) - 1 };
        // Columns of text are rarely drawn row by row.
        let least = if columns > 3 && self.is_drawn_by_rows() { columns.div_ceil(3) } else { columns.div_ceil(2) };
        if self.side != Side::Alone && (columns < 3 || numbers < least || self.prose() > most) {
            return false;
        }
        let needed = match (columns, numbers) {
            _ if self.is_ruled && numbers + usize::from(columns > 2) > 0 => ROWS,
            (2, 0) => return false,
            (2, 1) => ROWS_OF_TWO,
            (_, 0) => ROWS_OF_TEXT,
            _ => ROWS,
        };
        rows >= needed
            && aligned as f64 >= COLUMNS * columns as f64
            && (self.mean_length() > 1.9 || has_headers())
            && !self.is_list(columns, numbers)
            && !(columns > 2 && self.has_marks())
            && !self.is_contents(columns)
            && (numbers > 0 || self.mean_length() < SHORT as f64 && !self.is_prose() && self.is_drawn_by_rows())
            && (numbers * 2 >= columns || self.is_drawn_by_rows() || self.is_ruled)
            && !self.is_labelled()
    }

    /// The share of cells with text, without those of lines that continue a cell.
    fn fill(&self) -> f64 {
        let lines = self.lines.iter().filter(|line| !line.cells[0].is_empty() || line.filled() > 1);
        let (cells, filled) = lines.fold((0, 0), |(cells, filled), line| (cells + line.cells.len(), filled + line.filled()));
        filled as f64 / cells.max(1) as f64
    }

    /// Whether most columns have a header above numbers.
    fn has_headers(&self) -> bool {
        let columns = self.lines[0].cells.len();
        let is_header = |column: &usize| {
            let header = content(&self.lines[0].cells[*column], self.text);
            header.chars().count() > 1 && header.contains(char::is_alphabetic) && self.is_number(*column)
        };
        columns > 2 && (0..columns).filter(is_header).count() * 5 >= columns * 4
    }

    /// Whether words have a heading for each of the other columns, above ticks or numbers.
    fn has_labels(&self, is_value: fn(&str) -> bool) -> bool {
        let columns = self.lines[0].cells.len();
        let is_headed = |column: usize| {
            let heading = content(&self.lines[0].cells[column], self.text);
            let is_ticks = self.column(column).all(|text| is_tick(&text));
            let has_words = heading.contains(char::is_alphabetic) && !is_tick(&heading) && (is_ticks || heading.chars().count() > 1);
            has_words && self.column(column).count() > 0 && self.column(column).all(|text| is_value(&text))
        };
        columns > 2 && self.column(0).all(|text| text.chars().count() > 1 || is_numeric(&text)) && (1..columns).all(is_headed)
    }

    /// Whether most cells are single characters.
    fn is_matrix(&self) -> bool {
        let cells = || self.lines.iter().flat_map(|line| &line.cells).filter(|cell| !cell.is_empty());
        cells().filter(|cell| content(cell, self.text).trim_matches('−').chars().count() < 2).count() * 2 > cells().count()
    }

    /// Whether a column seems to be several columns of numbers.
    fn is_crowded(&self) -> bool {
        let numeric = |cell: &[&Piece]| is_numeric(&content(cell, self.text));
        let apart = |cell: &[&Piece]| cell.windows(2).any(|pair| pair[1].left - pair[0].right >= GAP * self.size);
        let numbers = |cell: &[&Piece]| {
            cell.windows(2).any(|pair| pair[1].left - pair[0].right >= GAP * self.size && numeric(&pair[..1]) && numeric(&pair[1..]))
        };
        (0..self.lines[0].cells.len()).any(|column| {
            let header = &self.lines[0].cells[column];
            let crowded = self.lines[1..].iter().filter(|line| numbers(&line.cells[column])).count();
            crowded > 1 || self.is_number(column) && apart(header) && !numeric(header)
        })
    }

    /// The text of the cells in a column, without the first line.
    fn column(&self, column: usize) -> impl Iterator<Item = String> {
        self.lines[1..].iter().map(move |line| content(&line.cells[column], self.text)).filter(|text| !text.is_empty())
    }

    fn is_number(&self, column: usize) -> bool {
        // Ticks without a heading may be the bullets of a list.
        let heading = &self.lines[0].cells[column];
        let is_headed = column > 0 && self.lines[0].cells.len() > 2 && !is_tick(&content(heading, self.text));
        let (all, numbers) = self
            .column(column)
            .fold((0, 0), |(all, numbers), text| (all + 1, numbers + usize::from(is_numeric(&text) || is_headed && is_tick(&text))));
        all > 0 && numbers * 10 >= all * 6
    }

    /// Whether the cells of a column have the same left side, right side or middle.
    fn is_aligned(&self, column: usize) -> bool {
        let body: Vec<Range<f64>> = self.lines[1..].iter().filter_map(|line| line.extent(column)).collect();
        let agree = |place: fn(&Range<f64>) -> f64| {
            let mut places: Vec<f64> = body.iter().map(place).collect();
            places.sort_by(f64::total_cmp);
            let most = (0..places.len()).map(|at| places[at..].partition_point(|place| *place <= places[at] + ALIGNED * self.size)).max();
            most.unwrap_or(0) as f64 >= CELLS * places.len() as f64
        };
        body.is_empty() || agree(|cell| cell.start) || agree(|cell| cell.end) || agree(|cell| f64::midpoint(cell.start, cell.end))
    }

    fn mean_length(&self) -> f64 {
        let cells = self.lines.iter().flat_map(|line| &line.cells).filter(|cell| !cell.is_empty());
        let (count, letters) = cells.fold((0, 0), |(count, letters), cell| (count + 1, letters + content(cell, self.text).chars().count()));
        letters as f64 / f64::from(count.max(1))
    }

    /// Whether most lines are items of a list, with marks before their text.
    fn has_marks(&self) -> bool {
        let is_mark = |cell: &&Vec<&Piece>| -> bool {
            let text = content(cell, self.text);
            let inner = text.trim_matches(['.', ')', '(']);
            text.chars().count() <= 5 && (text == "•" || inner.len() < text.len() && !inner.contains(|c: char| !c.is_alphanumeric()))
        };
        let is_item = |line: &&Line<'_>| {
            let cells: Vec<&Vec<&Piece>> = line.cells.iter().filter(|cell| !cell.is_empty()).collect();
            cells.len() > 1 && cells[..cells.len() - 1].iter().all(is_mark)
        };
        self.lines.iter().filter(is_item).count() * 2 > self.lines.len()
    }

    /// Whether the first column numbers the lines of a list.
    fn is_list(&self, columns: usize, numbers: usize) -> bool {
        let mark = |text: &str| {
            let end = text.trim_end_matches(['.', ')', ':']);
            text.chars().count() <= 2 || end.len() < text.len() && end.chars().count() <= 4
        };
        columns == 2 && (numbers == 0 || !self.is_number(1)) && self.column(0).filter(|text| mark(text)).count() * 2 > self.lines.len()
    }

    /// Whether the last column has page numbers.
    fn is_contents(&self, columns: usize) -> bool {
        let header = content(&self.lines[0].cells[columns - 1], self.text).to_lowercase();
        let is_header = self.lines[0].filled() == columns && !is_numeric(&header) && !PAGE.contains(&header.as_str()) && !is_roman(&header);
        if is_header {
            return false;
        }
        let pages: Vec<Option<u32>> = self.column(columns - 1).map(|text| text.parse().ok()).collect();
        let rises = pages.windows(2).filter(|pair| pair[0].is_some() && pair[0] <= pair[1]).count();
        columns <= 3 && !self.is_ruled && pages.len() >= 2 && (rises + 1) * 10 >= pages.len() * 9
    }

    /// Whether the columns are lines of prose.
    fn is_prose(&self) -> bool {
        self.prose() * 2 >= self.lines[0].cells.len()
    }

    /// Number of columns that are lines of prose.
    fn prose(&self) -> usize {
        let columns = self.lines[0].cells.len();
        let full = (0..columns).filter(|column| {
            let widths: Vec<f64> = self.lines.iter().filter_map(|line| line.extent(*column)).map(|cell| cell.end - cell.start).collect();
            let widest = widths.iter().fold(0.0_f64, |widest, width| widest.max(*width));
            widths.iter().filter(|width| **width >= FULL * widest).count() * 10 >= widths.len() * 6 && widest > 12.0 * self.size
        });
        full.count()
    }

    /// Whether the lines were drawn one after the other.
    fn is_drawn_by_rows(&self) -> bool {
        let orders: Vec<(usize, usize)> = self
            .lines
            .iter()
            .filter_map(|line| {
                let orders = || line.cells.iter().flatten().map(|piece| piece.order);
                orders().min().zip(orders().max())
            })
            .collect();
        let after = orders.windows(2).filter(|pair| pair[1].0 > pair[0].1).count();
        after * 10 >= orders.len().saturating_sub(1) * 7
    }

    /// Whether most cells are labels with their values, as in the foot of a letter.
    fn is_labelled(&self) -> bool {
        let cells: Vec<String> =
            self.lines.iter().flat_map(|line| &line.cells).map(|cell| content(cell, self.text)).filter(|text| !text.is_empty()).collect();
        let labels = cells.iter().filter(|text| text.contains(": ") || text.ends_with(':')).count();
        labels * 3 > cells.len()
    }
}
