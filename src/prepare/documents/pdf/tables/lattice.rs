//! Tables with drawn lines.
//!
//! Lines that touch form a lattice. Where lines between two fields are missing, the fields are one
//! cell, unless their texts keep apart.

use super::super::pieces::Piece;
use super::super::row::{self, Row};
use super::rules::{Rule, Ruling};
use super::{Line, Table, content, drawing, is_formula, is_numeric, logical};
use hayro::kurbo::{Point, Rect};

/// Maximum distance in points between lines that touch, and between positions of one line.
const TOUCH: f64 = 3.0;
/// Maximum share of words that lie across lines.
const ACROSS: f64 = 0.05;
/// Minimum share of fields that are separate cells. Forms have fewer.
const SEPARATE: f64 = 0.4;
/// Minimum share of fields with text. Drawings have fewer.
const FILLED: f64 = 0.15;
/// Maximum number of lines in one lattice, and number of its fields.
const MOST_LINES: usize = 2000;
const MOST_FIELDS: usize = 20_000;
/// Maximum gap between words of one phrase, in ems.
const PHRASE: f64 = 0.6;
/// Maximum distance between lines of one cell, in ems.
const LEADING: f64 = 1.5;
/// Lines of text in a field from which the fields of a row are columns without lines between rows.
const LINES: usize = 3;
/// Maximum mean length of cells. Longer ones are columns of text.
const LONG: usize = 400;

/// Finds the tables, and returns them with the other pieces.
pub(in super::super) fn tables<'p>(pieces: Vec<&'p Piece>, ruling: &Ruling, text: &str) -> (Vec<Table<'p>>, Vec<&'p Piece>) {
    let mut rest = pieces;
    let mut tables = Vec::new();
    for (horizontal, vertical) in lattices(ruling) {
        let Some(grid) = Grid::of(&horizontal, &vertical) else { continue };
        let (inside, outside): (Vec<&Piece>, Vec<&Piece>) = rest.iter().partition(|piece| grid.field(piece).is_some());
        if let Some(table) = grid.table(&inside, text) {
            tables.push(table);
            rest = outside;
        }
    }
    (tables, rest)
}

/// Groups lines that touch. Each group has lines in both directions.
fn lattices(ruling: &Ruling) -> Vec<(Vec<Rule>, Vec<Rule>)> {
    let (horizontal, vertical) = (&ruling.horizontal, &ruling.vertical);
    if horizontal.len().max(vertical.len()) > MOST_LINES {
        return Vec::new();
    }
    let mut groups: Vec<usize> = (0..horizontal.len() + vertical.len()).collect();
    for (h, along) in horizontal.iter().enumerate() {
        for (v, across) in vertical.iter().enumerate() {
            let meets = |a: &Rule, b: &Rule| (a.from - TOUCH..=a.to + TOUCH).contains(&b.at);
            if meets(along, across) && meets(across, along) {
                let (a, b) = (root(&mut groups, h), root(&mut groups, horizontal.len() + v));
                groups[a] = b;
            }
        }
    }
    let mut found = Vec::new();
    for group in 0..groups.len() {
        if root(&mut groups, group) != group {
            continue;
        }
        let mut of = |rules: &[Rule], first: usize| -> Vec<Rule> {
            (first..).zip(rules).filter(|(at, _)| root(&mut groups, *at) == group).map(|(_, rule)| *rule).collect()
        };
        let lattice = (of(horizontal, 0), of(vertical, horizontal.len()));
        if lattice.0.len().min(lattice.1.len()) >= 2 {
            found.push(lattice);
        }
    }
    found
}

fn root(groups: &mut [usize], mut at: usize) -> usize {
    while groups[at] != at {
        groups[at] = groups[groups[at]];
        at = groups[at];
    }
    at
}

/// The fields between lines.
#[derive(Debug)]
struct Grid<'r> {
    xs: Vec<f64>,
    ys: Vec<f64>,
    horizontal: &'r [Rule],
    vertical: &'r [Rule],
}

/// The cells of a grid: for each field, the field that has its text.
struct Cells {
    owners: Vec<usize>,
    columns: usize,
}

impl<'r> Grid<'r> {
    fn of(horizontal: &'r [Rule], vertical: &'r [Rule]) -> Option<Self> {
        let xs = positions(vertical, horizontal);
        let ys = positions(horizontal, vertical);
        let fields = xs.len().saturating_sub(1) * ys.len().saturating_sub(1);
        (xs.len() >= 3 && ys.len() >= 2 && fields <= MOST_FIELDS).then_some(Self { xs, ys, horizontal, vertical })
    }

    fn columns(&self) -> usize {
        self.xs.len() - 1
    }

    fn bounds(&self) -> Rect {
        Rect::new(self.xs[0], self.ys[0], self.xs[self.xs.len() - 1], self.ys[self.ys.len() - 1])
    }

    /// Row and column of the field with this piece.
    fn field(&self, piece: &Piece) -> Option<(usize, usize)> {
        let point = Point::new(f64::midpoint(piece.left, piece.right), piece.baseline - 0.3 * piece.size);
        if !self.bounds().inflate(1.0, 1.0).contains(point) {
            return None;
        }
        let between = |lines: &[f64], at: f64| lines[1..lines.len() - 1].partition_point(|line| *line < at);
        Some((between(&self.ys, point.y), between(&self.xs, point.x)))
    }

    fn table<'p>(&self, pieces: &[&'p Piece], text: &str) -> Option<Table<'p>> {
        let mut fields: Vec<Vec<Vec<&Piece>>> = vec![vec![Vec::new(); self.columns()]; self.ys.len() - 1];
        let mut across = 0;
        for piece in pieces {
            let (row, column) = self.field(piece)?;
            fields[row][column].push(piece);
            across += usize::from(self.lies_across(piece, row));
        }
        if across as f64 > (pieces.len() as f64 * ACROSS).max(1.0) {
            return None;
        }
        let cells = self.cells(&fields);
        let separate = cells.owners.iter().enumerate().filter(|(field, owner)| field == *owner).count();
        if (separate as f64) < SEPARATE * cells.owners.len() as f64 {
            return None;
        }
        let mut rows: Vec<Vec<Vec<&Piece>>> = vec![vec![Vec::new(); self.columns()]; fields.len()];
        for (field, owner) in cells.owners.iter().enumerate() {
            let taken = std::mem::take(&mut fields[field / cells.columns][field % cells.columns]);
            rows[owner / cells.columns][owner % cells.columns].extend(taken);
        }
        let rows: Vec<_> = rows.into_iter().flat_map(|row| self.lines(row, text)).collect();
        let rows = without_gaps(rows, &self.xs);
        let table = Table::new(rows, self.bounds());
        is_table(&table, text).then_some(table)
    }

    fn lies_across(&self, piece: &Piece, row: usize) -> bool {
        let middle = f64::midpoint(self.ys[row], self.ys[row + 1]);
        let reach = 0.25 * (piece.right - piece.left);
        let cuts = |rule: &&Rule| rule.at - piece.left > reach.max(2.0) && piece.right - rule.at > reach.max(2.0);
        self.vertical.iter().filter(cuts).any(|rule| (rule.from..rule.to).contains(&middle))
    }

    /// Joins fields without a line between them, unless their texts keep apart.
    fn cells(&self, fields: &[Vec<Vec<&Piece>>]) -> Cells {
        let columns = self.columns();
        let mut owners: Vec<usize> = (0..fields.len() * columns).collect();
        let middle = |lines: &[f64], at: usize| f64::midpoint(lines[at], lines[at + 1]);
        let drawn = |rules: &[Rule], at: f64, middle: f64| {
            rules.iter().any(|rule| (rule.at - at).abs() <= TOUCH && (rule.from..rule.to).contains(&middle))
        };
        for (row, cells) in fields.iter().enumerate() {
            let mut first = 0;
            for column in 1..=columns {
                if column < columns && !drawn(self.vertical, self.xs[column], middle(&self.ys, row)) {
                    continue;
                }
                if column - first > 1 && self.is_one(&cells[first..column], first) {
                    for other in first + 1..column {
                        let (a, b) = (root(&mut owners, row * columns + first), root(&mut owners, row * columns + other));
                        owners[b.max(a)] = a.min(b);
                    }
                }
                first = column;
            }
        }
        for row in 1..fields.len() {
            for (column, (above, below)) in fields[row - 1].iter().zip(&fields[row]).enumerate() {
                let apart = keep_apart(above, below);
                if !apart && !drawn(self.horizontal, self.ys[row], middle(&self.xs, column)) {
                    let (a, b) = (root(&mut owners, (row - 1) * columns + column), root(&mut owners, row * columns + column));
                    owners[b.max(a)] = a.min(b);
                }
            }
        }
        let owners = (0..owners.len()).map(|field| root(&mut owners, field)).collect();
        Cells { owners, columns }
    }

    /// Whether fields without lines between them have one text.
    fn is_one(&self, fields: &[Vec<&Piece>], first: usize) -> bool {
        let filled = fields.iter().filter(|field| !field.is_empty()).count();
        if filled < 2 {
            return true;
        }
        let rows = row::rows(fields.iter().flatten().copied().collect());
        rows.iter().any(|row| {
            row.pieces.windows(2).any(|pair| {
                let near = pair[1].left - pair[0].right < PHRASE * row.size;
                let field = |piece: &Piece| {
                    self.xs[first + 1..first + fields.len()].partition_point(|x| *x < f64::midpoint(piece.left, piece.right))
                };
                near && field(pair[0]) != field(pair[1])
            })
        })
    }

    /// Divides a row of the lattice that has no lines between its rows of text.
    fn lines<'p>(&self, row: Vec<Vec<&'p Piece>>, text: &str) -> Vec<Vec<Vec<&'p Piece>>> {
        let all = row::rows(row.iter().flatten().copied().collect());
        let separators = &self.xs[1..self.xs.len() - 1];
        let lines: Vec<Line<'_>> = all.iter().map(|row: &Row<'_>| Line::of(row, separators)).collect();
        let several = lines.iter().filter(|line| line.filled() >= 2).count();
        let numbers =
            (0..row.len()).filter(|column| lines.iter().filter(|line| is_numeric(&content(&line.cells[*column], text))).count() >= 2);
        let is_open = self.ys.len() <= 4 && several * 5 >= lines.len() * 3;
        if lines.len() < LINES || !is_open && numbers.count() < if self.ys.len() <= 4 { 1 } else { 2 } {
            return vec![row];
        }
        let order = drawing::begins(&lines, text);
        logical::rows(lines, order, &[], text)
    }
}

/// Whether two texts are too far from each other to be lines of one cell.
fn keep_apart(above: &[&Piece], below: &[&Piece]) -> bool {
    let last = above.iter().map(|piece| piece.baseline).fold(f64::NEG_INFINITY, f64::max);
    let first = below.iter().map(|piece| piece.baseline - LEADING * piece.size).fold(f64::INFINITY, f64::min);
    !above.is_empty() && !below.is_empty() && first > last
}

/// The distinct positions of lines, and the ends of the others if these go on.
fn positions(rules: &[Rule], others: &[Rule]) -> Vec<f64> {
    let mut at: Vec<f64> = rules.iter().map(|rule| rule.at).collect();
    at.sort_by(f64::total_cmp);
    at.dedup_by(|b, a| *b - *a <= TOUCH);
    let ends = |end: fn(&Rule) -> f64| {
        let mut ends: Vec<f64> = others.iter().map(end).collect();
        ends.sort_by(f64::total_cmp);
        ends.get(ends.len() / 2).copied()
    };
    if let Some(start) = ends(|rule| rule.from).filter(|start| at.first().is_some_and(|first| *start < first - 2.0 * TOUCH)) {
        at.insert(0, start);
    }
    if let Some(end) = ends(|rule| rule.to).filter(|end| at.last().is_some_and(|last| *end > last + 2.0 * TOUCH)) {
        at.push(end);
    }
    at
}

/// Drops narrow columns without text, which are double lines.
fn without_gaps<'p>(mut rows: Vec<Vec<Vec<&'p Piece>>>, xs: &[f64]) -> Vec<Vec<Vec<&'p Piece>>> {
    for column in (0..xs.len() - 1).rev() {
        if xs[column + 1] - xs[column] < 2.0 * TOUCH && rows.iter().all(|row| row[column].is_empty()) {
            for row in &mut rows {
                row.remove(column);
            }
        }
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

fn is_table(table: &Table<'_>, text: &str) -> bool {
    let columns = table.rows.first().map_or(0, Vec::len);
    let filled = table.rows.iter().flatten().filter(|cell| !cell.is_empty()).count();
    let used = (0..columns).filter(|column| table.rows.iter().any(|row| !row[*column].is_empty())).count();
    let bytes: usize = table.rows.iter().flatten().flatten().map(|piece| piece.text.len() + 1).sum();
    // Drawings have letters and signs between their lines.
    let is_word = |cell: &Vec<&Piece>| content(cell, text).chars().filter(|c| c.is_alphanumeric()).count() > 1;
    let words = table.rows.iter().flatten().filter(|cell| is_word(cell)).count();
    let is_full = filled >= 10 || filled >= 3 && filled * 5 >= table.rows.len() * columns * 2;
    is_full
        && words * 4 >= filled
        && !is_formula(table.rows.iter().flatten(), text)
        && table.rows.len() >= 2
        && used >= 2
        && filled as f64 >= FILLED * (table.rows.len() * columns) as f64
        && bytes < LONG * filled.max(1)
}
