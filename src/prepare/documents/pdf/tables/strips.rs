//! Finds strips without text between the columns of rows.

use super::super::pieces::Piece;
use super::super::row::Row;
use super::{content, is_amount, is_numeric};
use std::ops::Range;

/// Minimum width of a strip, in ems.
const NARROW: f64 = 0.2;
/// Minimum width of a strip between numbers and the next header, in ems, and tolerance of both sides.
const TIGHT: f64 = 0.08;
const SIDE: f64 = 0.12;
/// Minimum width of a strip that needs no other evidence, in ems.
const CLEAR: f64 = 0.45;
/// Minimum gap in a row that no space between words has, in ems.
const WIDE: f64 = 0.95;
/// Maximum width of a space between words, in ems. Letters of equal width have wider spaces.
const SPACE: f64 = 0.29;
const SPACE_OF_EQUAL: f64 = 0.62;
/// Rows from which the first one may be a header that reaches into strips, and from which a constant
/// gap is evidence.
const ROWS: usize = 4;
/// Maximum mean number of words in the cells of a line without a wide gap.
const WORDS: usize = 3;
/// Share of rows in which words on both sides of a strip are as close as words.
const CLOSE: f64 = 0.75;

/// Strips between columns, from left to right.
pub(super) fn strips(rows: &[&Row<'_>], text: &str, size: f64) -> Vec<Range<f64>> {
    let is_equal = is_equal(rows, text);
    let all = valid(rows, rows, text, is_equal, size);
    if rows.len() < ROWS {
        return all;
    }
    let body = valid(&rows[1..], rows, text, is_equal, size);
    let header = 1 + rows[0].pieces.windows(2).filter(|pair| pair[1].left - pair[0].right > space(is_equal) * size).count();
    if body.len() > all.len() && header == body.len() + 1 && !crosses(rows[0], &body) { body } else { all }
}

/// Maximum width of a space between words, in ems.
///
/// `is_equal` is whether all letters have the same width.
fn space(is_equal: bool) -> f64 {
    if is_equal { SPACE_OF_EQUAL } else { SPACE }
}

/// Whether all letters have the same width.
fn is_equal(rows: &[&Row<'_>], text: &str) -> bool {
    let pieces = || rows.iter().flat_map(|row| &row.pieces);
    let equal = pieces().filter(|piece| {
        let letters = text[piece.text.clone()].chars().count() as f64;
        (0.58..0.62).contains(&((piece.right - piece.left) / letters / piece.size))
    });
    equal.count() * 10 >= pieces().count() * 9
}

/// Whether a word of the row lies over the middle of a strip.
fn crosses(row: &Row<'_>, strips: &[Range<f64>]) -> bool {
    row.pieces.iter().any(|piece| {
        strips.iter().any(|strip| {
            let middle = f64::midpoint(strip.start, strip.end);
            piece.left < middle && middle < piece.right
        })
    })
}

/// The strips without the words of a row; `None` if the row lies across a strip.
///
/// The words of a line with many of them are one phrase.
pub(super) fn without(strips: &[Range<f64>], row: &Row<'_>, size: f64) -> Option<Vec<Range<f64>>> {
    let many = row.pieces.len() > WORDS * (strips.len() + 1);
    // A program that draws the spaces of a text ends it where a space is missing.
    let drawn = row.pieces.windows(2).filter(|pair| is_phrase(pair[0], pair[1])).count();
    let has_spaces = drawn * 3 >= row.pieces.len() * 2;
    let mut before: Option<&Piece> = None;
    let mut phrases: Vec<Range<f64>> = Vec::new();
    for piece in row.pieces.iter().copied() {
        let is_apart = has_spaces && before.replace(piece).is_some_and(|before| !is_phrase(before, piece));
        match phrases.last_mut() {
            Some(phrase) if many && !is_apart && piece.left - phrase.end <= SPACE_OF_EQUAL * size => {
                phrase.end = phrase.end.max(piece.right);
            }
            _ => phrases.push(piece.left..piece.right),
        }
    }
    let rest = |strip: &Range<f64>| {
        let mut rest = strip.clone();
        for phrase in phrases.iter().filter(|phrase| phrase.end > strip.start && phrase.start < strip.end) {
            if phrase.start - rest.start > rest.end - phrase.end {
                rest.end = rest.end.min(phrase.start);
            } else {
                rest.start = rest.start.max(phrase.end);
            }
        }
        (rest == *strip || rest.end - rest.start >= NARROW * size).then_some(rest)
    };
    strips.iter().map(rest).collect()
}

/// Gaps that all `rows` have, and that are gaps between columns by the `witnesses`.
fn valid(rows: &[&Row<'_>], witnesses: &[&Row<'_>], text: &str, is_equal: bool, size: f64) -> Vec<Range<f64>> {
    let edged: Vec<Range<f64>> = free(rows).into_iter().filter(|gap| is_edged(gap, witnesses, text, is_equal, size)).collect();
    let is_wide = |gap: &Range<f64>| gap.end - gap.start >= NARROW * size || edged.contains(gap);
    let mut strips: Vec<Range<f64>> = free(rows).into_iter().filter(is_wide).collect();
    // A strip that is no boundary makes its neighbours seem to be one, so they are judged again.
    while let Some(worst) = (0..strips.len())
        .filter(|at| !edged.contains(&strips[*at]) && !is_boundary(&strips, *at, witnesses, text, is_equal, size))
        .min_by(|a, b| (strips[*a].end - strips[*a].start).total_cmp(&(strips[*b].end - strips[*b].start)))
    {
        strips.remove(worst);
    }
    strips
}

/// Whether numbers end at the left side of a strip, and a header begins at its right side.
///
/// Sheets have such columns: headers at the left sides of their cells, numbers at the right sides.
fn is_edged(strip: &Range<f64>, rows: &[&Row<'_>], text: &str, is_equal: bool, size: f64) -> bool {
    let before = |row: &Row<'_>| row.pieces.partition_point(|piece| f64::midpoint(piece.left, piece.right) < strip.start);
    let word = |piece: &Piece| &text[piece.text.clone()];
    let (Some(header), true) = (rows.first(), strip.end - strip.start >= TIGHT * size) else { return false };
    let at = before(header);
    let begins = header.pieces.get(at).filter(|piece| piece.left - strip.end <= SIDE * size && !is_numeric(word(piece)));
    let Some((begins, ends)) = begins.zip(at.checked_sub(1).map(|at| header.pieces[at])) else { return false };
    let is_number = |row: &&&Row<'_>| {
        let cell = &row.pieces[..before(row)];
        let ends = cell.last().is_some_and(|piece| strip.start - piece.right <= SIDE * size);
        // A unit may follow.
        let is_short = cell.last().is_some_and(|piece| text[piece.text.clone()].chars().count() <= 3);
        let from = cell.len().saturating_sub(if is_short { 2 } else { 1 });
        ends && is_numeric(&content(&cell[from..], text))
    };
    let numbers = rows[1..].iter().filter(is_number).count();
    numbers > 1 || numbers > 0 && begins.left - ends.right > space(is_equal) * size
}

fn is_boundary(strips: &[Range<f64>], at: usize, rows: &[&Row<'_>], text: &str, is_equal: bool, size: f64) -> bool {
    let middle = |strip: &Range<f64>| f64::midpoint(strip.start, strip.end);
    let here = middle(&strips[at]);
    let before = at.checked_sub(1).map_or(f64::NEG_INFINITY, |at| middle(&strips[at]));
    let after = strips.get(at + 1).map_or(f64::INFINITY, middle);
    let (mut left, mut right, mut both, mut close, mut wide, mut numbered) = (0, 0, 0, 0, 0, 0);
    let (mut two, mut only_left, mut only_right, mut signs, mut phrased) = (0, 0, 0, 0, 0);
    let space = space(is_equal) * size;
    let word = |piece: &Piece| text[piece.text.clone()].to_owned();
    for row in rows {
        let first_right = row.pieces.partition_point(|piece| f64::midpoint(piece.left, piece.right) < here);
        let left_word = row.pieces[..first_right].last().filter(|piece| f64::midpoint(piece.left, piece.right) > before);
        let right_word = row.pieces.get(first_right).filter(|piece| f64::midpoint(piece.left, piece.right) < after);
        left += usize::from(left_word.is_some());
        right += usize::from(right_word.is_some());
        let is_number = |piece: Option<&&Piece>| piece.is_some_and(|piece| is_numeric(&word(piece)));
        only_left += usize::from(right_word.is_none() && is_number(left_word));
        only_right += usize::from(left_word.is_none() && is_number(right_word));
        if let (Some(left), Some(right)) = (left_word, right_word) {
            let gap = right.left - left.right;
            both += 1;
            // Programs that print with letters of equal width write whole lines.
            phrased += usize::from(is_phrase(left, right) && !is_equal);
            close += usize::from(gap <= space && !are_two_numbers(&word(left), &word(right)));
            numbered += usize::from(is_numeric(&word(left)) && !is_numeric(&word(right)));
            wide += usize::from(gap >= WIDE * size);
            let is_sign = |piece: &Piece| !text[piece.text.clone()].contains(char::is_alphanumeric);
            signs += usize::from(gap <= SPACE_OF_EQUAL * size && (is_sign(left) || is_sign(right)));
            two += usize::from(are_two_numbers(&word(left), &word(right)));
        }
    }
    let phrases = close as f64 >= CLOSE * left.min(right) as f64 && close > 0;
    let constant = both >= ROWS && both * 5 >= rows.len() * 3 && close == 0;
    let clear = strips[at].end - strips[at].start >= (CLEAR * size).max(1.2 * space);
    // Dates and numbers of rows come first, perhaps close to the text behind them.
    let leading = at == 0 && left >= ROWS && both + 1 >= left && numbered + 1 >= both && left + 1 >= rows.len();
    let phrases = phrases && !leading;
    let constant = constant || leading;
    // Debits and credits: a row has one of them.
    let alternates = both <= 1 && only_left > 0 && only_right > 0;
    // Signs of currencies and per cent stand beside their numbers.
    if signs > 0 && signs + 1 >= both {
        return false;
    }
    if phrased > 0 && phrased * 2 >= both {
        return false;
    }
    two > 1 || alternates || !phrases && (wide > 0 || constant || clear && close == 0)
}

/// Maximum width of a space inside of a number, in ems.
const ONE_SPACE: f64 = 0.45;

/// Whether one drawn space is all that separates two words.
pub(super) fn is_phrase(left: &Piece, right: &Piece) -> bool {
    right.follows && right.order == left.order + 1
}

/// Whether two cells are the parts of one number with a space between its thousands.
pub(super) fn are_one_number(left: &[&Piece], right: &[&Piece], text: &str) -> bool {
    let (Some(last), Some(first)) = (left.last(), right.first()) else { return false };
    let written = |piece: &&Piece| &text[piece.text.clone()];
    let [left, right] = [left, right].map(|cell| cell.iter().map(written).collect::<Vec<_>>());
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_group = |part: &&str| part.len() == 3 && is_digits(part);
    let lead = left[0].trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_lead = (1..=3).contains(&lead.len()) && is_digits(lead) && left[1..].iter().all(is_group);
    let end = right[0].find(|c: char| !c.is_ascii_digit()).unwrap_or(right[0].len());
    let is_rest = end == 3 && (!right[0][end..].contains(char::is_alphanumeric) || is_amount(right[0]));
    let is_wide = last.right - last.left >= SPACE_OF_EQUAL * 0.95 * last.size * lead.len() as f64;
    let space = if is_wide { SPACE_OF_EQUAL + 0.03 } else { ONE_SPACE };
    is_lead && is_rest && first.left - last.right <= space * first.size && (first.baseline - last.baseline).abs() < 0.1 * first.size
}

/// Whether two words are an amount and the number before it, and no amount with a space in it.
fn are_two_numbers(left: &str, right: &str) -> bool {
    let whole = right.bytes().position(|byte| matches!(byte, b'.' | b','));
    is_amount(right) && is_numeric(left) && (is_amount(left) || left.len() > 3 || whole != Some(3))
}

/// The parts of the width that no piece covers, without the margins.
pub(super) fn free(rows: &[&Row<'_>]) -> Vec<Range<f64>> {
    let mut covered: Vec<(f64, f64)> = rows.iter().flat_map(|row| &row.pieces).map(|piece| (piece.left, piece.right)).collect();
    covered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = Vec::new();
    let mut end = f64::INFINITY;
    for (left, right) in covered {
        if left > end {
            free.push(end..left);
        }
        end = if end.is_finite() { end.max(right) } else { right };
    }
    free
}
