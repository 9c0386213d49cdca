//! The content of a page, before it is in reading order.

use super::annotations::Note;
use super::canvas::Canvas;
use super::characters;
use super::coverage::Coverage;
use super::ink::Ink;
use super::pieces::{Edge, Piece, SPACE};
use super::skew::SLANT;
use super::strikes;
use super::tables::Rules;
use hayro::kurbo::Rect;
use std::collections::BTreeSet;

/// The content of a page.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The text of all pieces, in drawing order.
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
    /// The left sides of all glyphs with text, in drawing order.
    pub(super) edges: Vec<Edge>,
    /// Drawn lines, which may be those of tables.
    pub(super) rules: Rules,
    /// Number of glyphs without spaces.
    pub(super) glyphs: u64,
    /// Number of glyphs whose character is unknown.
    pub(super) unknown: u64,
    /// Number of words that a reader of the page cannot see. They are left out.
    pub(super) hidden: usize,
    /// Number of invisible glyphs, such as the OCR text of a scan.
    pub(super) invisible: u64,
    /// Whether anything besides text is visible.
    pub(super) painted: bool,
    /// Whether the page is a drawing of many shapes.
    pub(super) drawing: bool,
    /// The area covered by images.
    pub(super) images: Coverage,
    /// Area of the page, in square points.
    pub(super) area: f64,
    /// Number of pixels of the largest image.
    pub(super) image_pixels: u64,
    /// Pixels per point of the sharpest large image.
    ///
    /// An image is large if it covers more than a quarter of the page.
    pub(super) sharpness: f64,
}

impl Scan {
    /// The share of the page covered by images.
    pub(super) fn pictured(&self) -> f64 {
        self.images.share()
    }

    /// The share of the page covered by text.
    ///
    /// Slanted text is a stamp or a watermark, and does not count.
    pub(super) fn written(&self) -> f64 {
        let straight = self.pieces.iter().filter(|piece| (piece.angle - (piece.angle / 90.0).round() * 90.0).abs() <= SLANT);
        straight.map(|piece| (piece.right - piece.left) * piece.size).sum::<f64>() / self.area
    }

    /// Whether the text has fewer letters and digits than this.
    pub(super) fn has_fewer_letters(&self, most: usize) -> bool {
        let letters = |piece: &Piece| self.text[piece.text.clone()].chars().filter(|c| c.is_alphanumeric()).count();
        let mut count = 0;
        self.pieces.iter().all(|piece| {
            count += letters(piece);
            count < most
        })
    }

    /// The words of these pieces, which are on one line, from left to right.
    pub(super) fn words(&self, pieces: &[usize]) -> String {
        let mut pieces: Vec<&Piece> = pieces.iter().map(|at| &self.pieces[*at]).collect();
        pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
        let mut words = String::new();
        for (at, piece) in pieces.iter().enumerate() {
            let is_apart = at > 0 && (piece.spaced || piece.left - pieces[at - 1].right > SPACE * piece.size);
            words.push_str(if is_apart { " " } else { "" });
            words.push_str(&self.text[piece.text.clone()]);
        }
        words
    }

    /// Adds a text, and makes a piece of it that stands for these pieces. It has the place of the first.
    pub(super) fn joined(&mut self, parts: &[usize], text: &str) -> Piece {
        let start = self.text.len();
        self.text.push_str(text);
        let pieces = || parts.iter().map(|at| &self.pieces[*at]);
        let first = &self.pieces[parts[0]];
        Piece {
            text: start..self.text.len(),
            order: pieces().map(|piece| piece.order).min().unwrap_or(first.order),
            spaced: true,
            follows: false,
            glyphs: pieces().map(|piece| piece.glyphs).sum(),
            unknown: pieces().map(|piece| piece.unknown).sum(),
            ..first.clone()
        }
    }

    /// Removes the pieces with these numbers.
    pub(super) fn remove(&mut self, numbers: &BTreeSet<usize>) {
        let mut at = 0..;
        self.pieces.retain(|_| at.next().is_none_or(|at| !numbers.contains(&at)));
    }

    /// Drops invisible pieces, and counts the glyphs of the others.
    pub(super) fn settle(&mut self, canvas: &Canvas) {
        let (pictured, before) = (self.pictured(), self.pieces.len());
        self.pieces.retain(|piece| !canvas.hides(piece, pictured, self.drawing));
        self.hidden = before - self.pieces.len();
        let count = |of: fn(&Piece) -> u32| self.pieces.iter().map(|piece| u64::from(of(piece))).sum();
        self.glyphs = count(|piece| piece.glyphs);
        self.unknown = count(|piece| piece.unknown);
        self.invisible = count(|piece| if piece.ink.invisible { piece.glyphs } else { 0 });
    }

    /// Marks the text in these areas as struck.
    pub(super) fn strike(&mut self, areas: &[Rect]) {
        strikes::mark_areas(&mut self.pieces, &self.edges, areas);
    }

    /// Adds the lines of a note at its place.
    pub(super) fn note(&mut self, note: &Note) {
        let Note { place, text, size } = note;
        for (line, words) in (1..).zip(text.lines().map(str::trim)) {
            let start = self.text.len();
            for character in words.chars() {
                characters::append(&mut self.text, character);
            }
            let text = start..self.text.len();
            let right = (place.x0 + 0.5 * size * words.chars().count() as f64).min(place.x1).max(place.x0 + 1.0);
            let glyphs = u32::try_from(words.chars().count()).unwrap_or(u32::MAX);
            if !text.is_empty() {
                self.glyphs += u64::from(glyphs);
                self.pieces.push(Piece {
                    text,
                    left: place.x0,
                    right,
                    baseline: place.y0 + 1.2 * size * f64::from(line),
                    size: *size,
                    angle: 0.0,
                    // Each piece before has text, so its turn is earlier.
                    order: start,
                    spaced: true,
                    follows: false,
                    right_to_left: words.chars().any(characters::is_right_to_left),
                    glyphs,
                    unknown: 0,
                    ink: Ink::plain(*place),
                    struck: false,
                    named: true,
                    cell: None,
                    table: None,
                });
            }
        }
    }
}
