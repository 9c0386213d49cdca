//! Joins lines of text that are one row of a table.

use super::super::pieces::Piece;
use super::{LEADING, Line, content, is_numeric};

/// Minimum ratio between the distance of rows and the distance of lines in a row.
const JUMP: f64 = 1.08;
/// Tolerance of the middle of cells, in ems.
const CENTRED: f64 = 0.2;
/// Maximum distance between a line and one halfway to the next line of another cell, in ems.
const HALF: f64 = 0.85;
/// Maximum number of lines of a header.
const HEADER: usize = 3;

/// The cells of a row, each with its pieces.
pub(super) type Cells<'p> = Vec<Vec<&'p Piece>>;

/// Returns the rows that these lines are.
///
/// `order` is what the drawing order tells about each line, and `rules` are the positions of lines
/// across the table.
pub(super) fn rows<'p>(lines: Vec<Line<'p>>, order: Option<Vec<Option<bool>>>, rules: &[f64], text: &str) -> Vec<Cells<'p>> {
    let mut begins = by_rules(&lines, rules, text).or_else(|| by_distance(&lines, text)).unwrap_or_else(|| by_content(&lines, text));
    for (begins, drawn) in begins.iter_mut().zip(order.unwrap_or_default()) {
        *begins = drawn.unwrap_or(*begins);
    }
    joined(lines, &begins)
}

/// Joins each line that begins no row to the line above.
fn joined<'p>(lines: Vec<Line<'p>>, begins: &[bool]) -> Vec<Cells<'p>> {
    let mut rows: Vec<Cells<'p>> = Vec::new();
    for (line, begins) in lines.into_iter().zip(begins) {
        match rows.last_mut() {
            Some(row) if !*begins => row.iter_mut().zip(line.cells).for_each(|(cell, more)| cell.extend(more)),
            _ => rows.push(line.cells),
        }
    }
    rows
}

/// The rows as single lines, by what the drawing order tells about each line.
pub(super) fn drawn<'p>(lines: &[Line<'p>], order: &[Option<bool>]) -> Vec<Line<'p>> {
    let begins: Vec<bool> = order.iter().map(|begins| begins.unwrap_or(true)).collect();
    let first = lines.iter().zip(&begins).filter(|(_, begins)| **begins).map(|(line, _)| (line.baseline, line.size));
    let copies = lines.iter().map(|line| Line { baseline: line.baseline, size: line.size, cells: line.cells.clone() });
    let rows = joined(copies.collect(), &begins);
    first.zip(rows).map(|((baseline, size), cells)| Line { baseline, size, cells }).collect()
}

/// The lines that begin a row, if most rows have drawn lines between them.
fn by_rules(lines: &[Line<'_>], rules: &[f64], text: &str) -> Option<Vec<bool>> {
    let mut begins = vec![true; lines.len()];
    let mut bands = 1;
    for at in 1..lines.len() {
        let (above, below) = (lines[at - 1].baseline - 0.3 * lines[at - 1].size, lines[at].baseline - 0.3 * lines[at].size);
        begins[at] = rules.iter().any(|rule| (above..below).contains(rule));
        bands += usize::from(begins[at]);
    }
    let is_ruled = bands >= 3 && bands * 2 >= lines.len() && bands < lines.len();
    // A header below its own line, and no other lines, says nothing about rows.
    (is_ruled && fits(lines, &begins, text)).then_some(begins)
}

/// The lines that begin a row, if rows are farther apart than lines of a row.
fn by_distance(lines: &[Line<'_>], text: &str) -> Option<Vec<bool>> {
    let distances: Vec<f64> = lines.windows(2).map(|pair| pair[1].baseline - pair[0].baseline).collect();
    let mut sorted = distances.clone();
    sorted.sort_by(f64::total_cmp);
    let size = lines.first()?.size;
    let jumps = sorted.windows(2).rev().filter(|pair| pair[1] > JUMP * pair[0] && pair[0] <= LEADING * size);
    let begins = |limit: f64| std::iter::once(true).chain(distances.iter().map(|distance| *distance > limit)).collect::<Vec<bool>>();
    jumps.map(|pair| begins(pair[0] + 0.01)).find(|begins| fits(lines, begins, text))
}

/// The lines that begin a row, if a line without its first cell and without numbers does not.
fn by_content(lines: &[Line<'_>], text: &str) -> Vec<bool> {
    let mut begins = vec![true; lines.len()];
    for at in 1..lines.len() {
        let (above, line) = (&lines[at - 1], &lines[at]);
        let words = line.cells.iter().all(|cell| cell.is_empty() || !is_numeric(&content(cell, text)));
        let below = line.cells.iter().zip(&above.cells).all(|(cell, above)| cell.is_empty() || !above.is_empty());
        let near = line.baseline - above.baseline <= LEADING * line.size;
        // A header of two lines has no first cell in its second line either.
        begins[at] = !(line.cells[0].is_empty() && words && below && near && line.filled() * 2 <= line.cells.len());
    }
    begins
}

/// Whether joined lines can be one row: they share few cells, and no cell with a number.
fn fits(lines: &[Line<'_>], begins: &[bool], text: &str) -> bool {
    let mut at = 0;
    while at < lines.len() {
        let end = begins[at + 1..].iter().position(|begins| *begins).map_or(lines.len(), |length| at + 1 + length);
        let row = &lines[at..end];
        let columns = row[0].cells.len();
        let lines_of = |column: usize| row.iter().filter(move |line| !line.cells[column].is_empty());
        let is_centred = is_centred(row);
        let (mut used, mut shared) = (0, 0);
        for column in 0..columns {
            let filled = lines_of(column).count();
            used += usize::from(filled > 0);
            shared += usize::from(filled > 1);
            let numbers = lines_of(column).filter(|line| is_numeric(&content(&line.cells[column], text))).count();
            if numbers > 1 && row.len() > 1 && !is_centred {
                return false;
            }
        }
        let is_header = at == 0 && row.len() <= HEADER && is_header(row, &lines[end..], text);
        if row.len() > 1 && !is_centred && !is_header && (shared * 2 > used || shared == 0 && used < 2) {
            return false;
        }
        at = end;
    }
    true
}

/// Whether the first lines have words above columns of numbers.
fn is_header(row: &[Line<'_>], rest: &[Line<'_>], text: &str) -> bool {
    let is_numbers = |cell: &[&Piece]| is_numeric(&content(cell, text));
    let numbers = |column: &usize| {
        let filled = || rest.iter().map(|line| &line.cells[*column]).filter(|cell| !cell.is_empty());
        filled().count() > 0 && filled().filter(|cell| is_numbers(cell)).count() * 2 > filled().count()
    };
    let columns = row[0].cells.len();
    row.iter().all(|line| line.filled() * 2 > columns && !line.cells.iter().any(|cell| is_numbers(cell)))
        && (0..columns).filter(numbers).count() * 2 >= columns
}

/// Whether lines are cells of one row with a common middle, some with one line and some with two or more.
fn is_centred(row: &[Line<'_>]) -> bool {
    let middle = |column: usize| {
        let mut baselines = row.iter().filter(|line| !line.cells[column].is_empty()).map(|line| line.baseline);
        let first = baselines.next()?;
        Some(f64::midpoint(first, baselines.next_back().unwrap_or(first)))
    };
    let Some(first) = row.first() else { return false };
    let middles: Vec<f64> = (0..first.cells.len()).filter_map(middle).collect();
    let own = middles.iter().filter(|middle| (*middle - middles[0]).abs() <= CENTRED * first.size).count();
    // The middle of an even number of lines is between two of them.
    let between = row.windows(2).all(|pair| pair[1].baseline - pair[0].baseline < HALF * first.size);
    row.len() > 2 && own == middles.len() && middles.len() > 1 && between
}
