//! Writes the signs of the boxes of forms, ticked or not, at their places on the page.
//!
//! Passwords are covered in the text, and old values are replaced by new ones that are not drawn yet.

use super::annotations::{self, Note, is_unseen};
use super::form;
use super::pieces::Piece;
use super::scan::Scan;
use hayro::hayro_syntax::object::{Array, Dict};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::Rect;

/// Maximum number of boxes on a page, and maximum size of their signs in points.
const MOST: usize = 1000;
/// Maximum number of boxes times pieces.
const MOST_WORK: usize = 50_000_000;
const LARGE: f64 = 12.0;
/// Maximum number of glyphs of a drawn sign. Boxes with more have drawn words.
const GLYPHS: u32 = 2;
/// Maximum width of boxes in which letters and points are ticks, in heights. Wider ones cover their label.
const NARROW: f64 = 2.0;
/// What stands for a password.
const COVER: &str = "••••";
/// Boxes that forms print below their fields.
const PRINTED: [char; 11] = ['☐', '☑', '☒', '□', '▢', '○', '◯', '❏', '❐', '❑', '❒'];

/// A box of a form.
struct Field {
    /// Its area on the upright page.
    area: Rect,
    is_ticked: bool,
}

/// Replaces the drawn signs of boxes by `☒` and `☐`, and passwords by points.
pub(super) fn write(page: &Page<'_>, scan: &mut Scan) {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return };
    let field = |widget: Dict<'_>| {
        if !form::is(&widget, b"Subtype", "Widget") || is_unseen(&widget) || !widget.contains_key(b"AP") {
            return None;
        }
        let is_ticked = form::state(&widget)? != "Off";
        let area = annotations::place(page, &widget)?;
        (area.area() > 0.0).then_some(Field { area, is_ticked })
    };
    for widget in annotations.iter::<Dict<'_>>().filter(form::is_password).take(MOST) {
        if let Some(area) = annotations::place(page, &widget) {
            cover(area, scan);
        }
    }
    for (area, value) in form::undrawn(page).into_iter().take(MOST) {
        renew(area, value, scan);
    }
    let most = MOST.min(MOST_WORK / scan.pieces.len().max(1));
    for field in annotations.iter::<Dict<'_>>().filter_map(field).take(most) {
        field.replace(scan);
    }
}

/// Replaces what is drawn in the field of a password by points.
fn cover(area: Rect, scan: &mut Scan) {
    let start = scan.text.len();
    scan.text.push_str(COVER);
    for piece in scan.pieces.iter_mut().filter(|piece| area.contains(piece.centre())) {
        piece.text = start..scan.text.len();
        piece.right_to_left = false;
    }
}

/// Replaces what is drawn in a field by its value, if they differ.
fn renew(area: Rect, value: String, scan: &mut Scan) {
    let is_own = |piece: &Piece| piece.ink.is_drawn() && area.inflate(1.0, 1.0).contains_rect(piece.ink.clip);
    let own: Vec<usize> = (0..scan.pieces.len()).filter(|at| is_own(&scan.pieces[*at])).collect();
    if own.is_empty() || form::compact(&scan.words(&own)) == form::compact(&value) {
        return;
    }
    scan.remove(&own.into_iter().collect());
    if !value.trim().is_empty() {
        scan.note(&note(area, value));
    }
}

/// A text at the place of a field.
fn note(area: Rect, text: String) -> Note {
    let size = area.height().min(LARGE);
    // Notes begin below the upper side of their place.
    let top = area.center().y - 0.9 * size;
    Note { place: Rect::new(area.x0, top, area.x1, top + size), text, size }
}

impl Field {
    /// Replaces what is drawn in the box by its sign, which follows its label in the drawing order.
    fn replace(&self, scan: &mut Scan) {
        let Scan { text, pieces, glyphs, unknown, .. } = scan;
        let character = |piece: &Piece| text[piece.text.clone()].parse().ok().filter(|_| self.area.contains(piece.centre()));
        // People type a mark over an empty box.
        let is_typed = |piece: &Piece| !self.is_ticked && character(piece).is_some_and(|character| self.is_tick(character));
        let is_printed = |piece: &Piece| character(piece).is_some_and(|character| PRINTED.contains(&character));
        let own: u32 = pieces.iter().filter(|piece| self.draws(piece)).map(|piece| piece.glyphs).sum();
        let is_sign = |piece: &Piece| (own <= GLYPHS && self.draws(piece) || is_printed(piece)) && !is_typed(piece);
        let is_marked = pieces.iter().any(is_typed);
        for piece in pieces.extract_if(.., |piece| is_sign(piece)) {
            *glyphs = glyphs.saturating_sub(piece.glyphs.into());
            *unknown = unknown.saturating_sub(piece.unknown.into());
        }
        if is_marked {
            return;
        }
        let count = pieces.len();
        scan.note(&self.sign());
        if let (before, [sign]) = scan.pieces.split_at_mut(count) {
            let gap = |piece: &Piece| (piece.left - sign.right).max(sign.left - piece.right);
            let is_level = |piece: &&Piece| (piece.baseline - sign.baseline).abs() < 0.5 * sign.size;
            let labels = before.iter().filter(is_level);
            sign.order = labels.min_by(|a, b| gap(a).total_cmp(&gap(b))).map_or(sign.order, |label| label.order);
        }
    }

    /// Whether the appearance of the box draws this piece.
    fn draws(&self, piece: &Piece) -> bool {
        piece.ink.is_drawn() && self.area.inflate(1.0, 1.0).contains_rect(piece.ink.clip)
    }

    fn is_tick(&self, character: char) -> bool {
        match character {
            'X' | 'x' | '×' | '•' | '●' => self.area.width() <= NARROW * self.area.height(),
            _ => matches!(character, '\u{2713}'..='\u{2718}' | '☑' | '☒'),
        }
    }

    fn sign(&self) -> Note {
        note(self.area, if self.is_ticked { "☒" } else { "☐" }.to_owned())
    }
}
