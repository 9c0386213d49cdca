//! Counts the tokens of images, and computes how providers shrink them.
//!
//! No image counts 0 tokens. A size that the provider has shrunk is not shrunk again.

use serde::{Deserialize, Serialize};

/// A rule for the tokens of an image. `images.toml` explains the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the table, which explains them")]
pub enum Count {
    /// Squares of a padded image, as counted by Anthropic.
    Padded { side: u32, edge: u32, most: u32 },
    /// Squares within a budget.
    Patches { side: u32, edge: u32, most: u32, percent: u32, extra: u32 },
    /// Large tiles with a fixed price each.
    Tiles { base: u32, each: u32, side: u32, most: u32, edge: u32, short: u32 },
    /// Squares, plus one token at the end of each row.
    Rows { side: u32, edge: u32 },
    /// The same number for every image.
    Fixed { tokens: u32 },
}

impl Count {
    /// Tokens of an image of this size, after shrinking by the provider.
    pub fn tokens(&self, width: u32, height: u32) -> u64 {
        let (width, height) = self.shrunk(width, height);
        match *self {
            Self::Padded { side, .. } => {
                let (columns, rows) = grid(width, height, side);
                columns * rows
            }
            Self::Patches { side, percent, extra, .. } => {
                let (columns, rows) = grid(width, height, side);
                (columns * rows * u64::from(percent)).div_ceil(100) + u64::from(extra)
            }
            Self::Tiles { base, each, side, most, .. } => {
                let (columns, rows) = grid(width, height, side);
                let most = if most == 0 { u64::MAX } else { u64::from(most) };
                u64::from(base) + u64::from(each) * (columns * rows).min(most)
            }
            Self::Rows { side, .. } => {
                let (columns, rows) = grid(width, height, side);
                (columns + 1) * rows
            }
            Self::Fixed { tokens } => u64::from(tokens),
        }
    }

    /// Returns the size after shrinking by the provider.
    pub(super) fn shrunk(&self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (width.max(1), height.max(1));
        match *self {
            Self::Padded { .. } => largest(width, height, |w, h| self.keeps(w, h)),
            Self::Patches { side, edge, most, .. } => {
                let (width, height) = within_edge(width, height, edge);
                within_budget(width, height, side, most)
            }
            Self::Tiles { edge, short, .. } => {
                let (width, height) = within_edge(width, height, edge);
                within_short_side(width, height, short)
            }
            Self::Rows { edge, .. } => within_edge(width, height, edge),
            Self::Fixed { .. } => (width, height),
        }
    }

    /// Whether the provider leaves an image of this size unchanged.
    pub(super) fn keeps(&self, width: u32, height: u32) -> bool {
        match *self {
            Self::Padded { side, edge, most } => {
                let (columns, rows) = grid(width, height, side);
                columns.max(rows) * u64::from(side) <= u64::from(edge) && columns * rows <= u64::from(most)
            }
            _ => self.shrunk(width, height) == (width, height),
        }
    }

    /// Whether the provider's shrinking limits the pixels to a useful number.
    pub(super) fn limits_area(&self) -> bool {
        match *self {
            Self::Padded { .. } => true,
            Self::Tiles { short, .. } => short > 0,
            Self::Patches { .. } | Self::Rows { .. } | Self::Fixed { .. } => false,
        }
    }
}

/// Number of columns and rows of squares that cover an image.
fn grid(width: u32, height: u32, side: u32) -> (u64, u64) {
    (u64::from(width.div_ceil(side)), u64::from(height.div_ceil(side)))
}

/// Shrinks a size to a long side of at most `edge`.
///
/// The aspect is kept. 0 means no limit.
pub(super) fn within_edge(width: u32, height: u32, edge: u32) -> (u32, u32) {
    if edge == 0 || width.max(height) <= edge { (width, height) } else { scaled(width, height, edge) }
}

/// Shrinks a size to a short side of at most `short`.
///
/// The aspect is kept. 0 means no limit. The long side is rounded down, so that it does not reach
/// into another tile.
fn within_short_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    if short == 0 || width.min(height) <= short {
        return (width, height);
    }
    let long = |long: u32, side: u32| u32::try_from(u64::from(long) * u64::from(short) / u64::from(side)).unwrap_or(u32::MAX);
    if width >= height { (long(width, height), short) } else { (short, long(height, width)) }
}

/// Finds the largest size of the same aspect that `fits`.
///
/// It uses a binary search over the long side.
pub(super) fn largest(width: u32, height: u32, fits: impl Fn(u32, u32) -> bool) -> (u32, u32) {
    if fits(width, height) {
        return (width, height);
    }
    let (mut fitting, mut too_large) = (1, width.max(height));
    while too_large - fitting > 1 {
        let middle = fitting + (too_large - fitting) / 2;
        let (w, h) = scaled(width, height, middle);
        if fits(w, h) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    scaled(width, height, fitting)
}

/// Returns the size of the same aspect with this long side.
///
/// The short side is rounded half to even, as Anthropic does.
fn scaled(width: u32, height: u32, long: u32) -> (u32, u32) {
    if width >= height { (long, ratio_half_even(height, long, width).max(1)) } else { (ratio_half_even(width, long, height).max(1), long) }
}

/// Computes `side * long / of`, rounded half to even, in integers.
fn ratio_half_even(side: u32, long: u32, of: u32) -> u32 {
    let (product, of) = (u64::from(side) * u64::from(long), u64::from(of));
    let (whole, rest) = (product / of, product % of);
    let up = rest * 2 > of || (rest * 2 == of && whole % 2 == 1);
    u32::try_from(whole + u64::from(up)).unwrap_or(u32::MAX)
}

/// Applies OpenAI's rule for shrinking to a budget of patches.
///
/// It shrinks by area first, then until one side is a whole number of patches.
pub(super) fn within_budget(width: u32, height: u32, side: u32, budget: u32) -> (u32, u32) {
    let (columns, rows) = grid(width, height, side);
    if columns * rows <= u64::from(budget) {
        return (width, height);
    }
    let (w, h, patch) = (f64::from(width), f64::from(height), f64::from(side));
    let by_area = (patch * patch * f64::from(budget) / (w * h)).sqrt();
    let whole_share = |side: f64| (side * by_area / patch).floor() / (side * by_area / patch);
    let scale = by_area * whole_share(w).min(whole_share(h));
    (rounded(w * scale), rounded(h * scale))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the valid range first")]
fn rounded(side: f64) -> u32 {
    side.round().clamp(1.0, f64::from(u32::MAX)) as u32
}
