//! How large a picture is still useful to a model, what it costs in tokens, and what a provider takes at all.
//!
//! Promises: [`ImageLimits::fit`] gives a size that the provider does not shrink further, never enlarges, never
//! gives 0, and gives its own results back unchanged. Sending more pixels than that buys nothing: the provider
//! scales the image down by the same rule before the model sees it.
//!
//! Source: the vision guides of Anthropic and OpenAI.

use image::ImageFormat;
use serde::{Deserialize, Serialize};

/// No provider takes more pixels than this per side.
const MAX_EDGE: u32 = 8000;
/// 10 MB after base64, which makes 4 bytes of 3. Anthropic's limit; OpenAI allows more.
const MAX_ENCODED_BYTES: usize = 7_500_000;
/// Side of the square of pixels that is one token.
const ANTHROPIC_PATCH: u32 = 28;
const OPENAI_PATCH: u32 = 32;

/// What one kind of model makes of pictures. Plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLimits {
    /// How a picture is cut into tokens.
    pub patches: Patches,
    /// Longest side in pixels.
    pub max_edge: u32,
    /// Largest encoded file in bytes, before base64.
    pub max_encoded_bytes: usize,
}

/// How a model cuts a picture into patches, each of them a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Patches {
    /// 28-pixel patches; both sides, padded to whole patches, stay within `edge`.
    Anthropic {
        /// Longest padded side in pixels.
        edge: u32,
        /// Most patches of one picture.
        tokens: u32,
    },
    /// 32-pixel patches.
    OpenAi {
        /// Most patches of one picture.
        budget: u32,
    },
}

impl ImageLimits {
    /// Anthropic: the high-resolution tier (Claude 4.7 and later) or the standard tier.
    pub fn anthropic(high_resolution: bool) -> Self {
        let (edge, tokens) = if high_resolution { (2576, 4784) } else { (1568, 1568) };
        Self { patches: Patches::Anthropic { edge, tokens }, max_edge: MAX_EDGE, max_encoded_bytes: MAX_ENCODED_BYTES }
    }

    /// OpenAI: the limits that its patch models share at high detail. Newer models would take more; nothing of a
    /// photograph becomes clearer by it.
    pub fn openai() -> Self {
        Self { patches: Patches::OpenAi { budget: 1536 }, max_edge: 2048, max_encoded_bytes: MAX_ENCODED_BYTES }
    }

    /// The same with a longest side of at most `edge` pixels; 0 leaves it as it is.
    #[must_use]
    pub fn with_max_edge(mut self, edge: u32) -> Self {
        if edge > 0 {
            self.max_edge = self.max_edge.min(edge);
        }
        self
    }

    /// The size at which to send a picture of this size.
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (width.max(1), height.max(1));
        let within_edge = |w: u32, h: u32| w.max(h) <= self.max_edge;
        match self.patches {
            Patches::Anthropic { edge, tokens } => largest(width, height, |w, h| {
                let (columns, rows) = grid(w, h, ANTHROPIC_PATCH);
                let padded = columns.max(rows) * u64::from(ANTHROPIC_PATCH);
                within_edge(w, h) && padded <= u64::from(edge) && columns * rows <= u64::from(tokens)
            }),
            Patches::OpenAi { budget } => {
                let (width, height) = largest(width, height, within_edge);
                within_budget(width, height, budget)
            }
        }
    }

    /// Tokens of a picture of this size, after the provider's own shrinking if it is too large.
    pub fn tokens(&self, width: u32, height: u32) -> u64 {
        let (width, height) = self.fit(width, height);
        let patch = match self.patches {
            Patches::Anthropic { .. } => ANTHROPIC_PATCH,
            Patches::OpenAi { .. } => OPENAI_PATCH,
        };
        let (columns, rows) = grid(width, height, patch);
        columns * rows
    }

    /// Whether files of this format may be sent as they are. Of animated ones only a re-encoded frame may.
    pub fn accepts(&self, format: ImageFormat) -> bool {
        matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Gif)
    }
}

/// Columns and rows of patches that cover a picture.
fn grid(width: u32, height: u32, patch: u32) -> (u64, u64) {
    (u64::from(width.div_ceil(patch)), u64::from(height.div_ceil(patch)))
}

/// The largest size of the same aspect that `fits`, found by binary search over the long side.
fn largest(width: u32, height: u32, fits: impl Fn(u32, u32) -> bool) -> (u32, u32) {
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

/// The size with this long side and the same aspect; the short side is rounded half to even, as Anthropic does.
fn scaled(width: u32, height: u32, long: u32) -> (u32, u32) {
    if width >= height { (long, ratio_half_even(height, long, width).max(1)) } else { (ratio_half_even(width, long, height).max(1), long) }
}

/// `side * long / of`, rounded half to even, without the detour through floats.
fn ratio_half_even(side: u32, long: u32, of: u32) -> u32 {
    let (product, of) = (u64::from(side) * u64::from(long), u64::from(of));
    let (whole, rest) = (product / of, product % of);
    let up = rest * 2 > of || (rest * 2 == of && whole % 2 == 1);
    u32::try_from(whole + u64::from(up)).unwrap_or(u32::MAX)
}

/// OpenAI's rule: shrink to the budget by area, then until one side is a whole number of patches.
fn within_budget(width: u32, height: u32, budget: u32) -> (u32, u32) {
    let (columns, rows) = grid(width, height, OPENAI_PATCH);
    if columns * rows <= u64::from(budget) {
        return (width, height);
    }
    let (w, h, patch) = (f64::from(width), f64::from(height), f64::from(OPENAI_PATCH));
    let by_area = (patch * patch * f64::from(budget) / (w * h)).sqrt();
    let whole_share = |side: f64| (side * by_area / patch).floor() / (side * by_area / patch);
    let scale = by_area * whole_share(w).min(whole_share(h));
    (rounded(w * scale), rounded(h * scale))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the valid range first")]
fn rounded(side: f64) -> u32 {
    side.round().clamp(1.0, f64::from(MAX_EDGE)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [ImageLimits; 6] {
        let base = [ImageLimits::anthropic(false), ImageLimits::anthropic(true), ImageLimits::openai()];
        let [a, b, c] = base;
        [a, b, c, a.with_max_edge(1000), b.with_max_edge(1568), c.with_max_edge(777)]
    }

    #[test]
    fn the_anthropic_rule_gives_the_published_sizes_and_tokens() {
        let standard = ImageLimits::anthropic(false);
        let high = ImageLimits::anthropic(true);
        let checks = [
            (standard, (1000, 1000), (1000, 1000), 1296),
            (high, (1000, 1000), (1000, 1000), 1296),
            (standard, (1920, 1080), (1456, 819), 1560),
            (high, (1920, 1080), (1920, 1080), 2691),
            (standard, (2000, 1500), (1270, 952), 1564),
            (high, (2000, 1500), (2000, 1500), 3888),
            (standard, (3840, 2160), (1456, 819), 1560),
            (high, (3840, 2160), (2576, 1449), 4784),
            (standard, (1075, 1520), (924, 1307), 1551),
            (high, (1075, 1520), (1075, 1520), 2145),
            (standard, (4000, 3000), (1270, 952), 1564),
            (high, (4000, 3000), (2212, 1659), 4740),
            (standard, (6000, 1000), (1568, 261), 560),
            (high, (6000, 1000), (2576, 429), 1472),
        ];
        for (limits, (width, height), sent, tokens) in checks {
            assert_eq!(limits.fit(width, height), sent, "{width}x{height} under {limits:?}");
            assert_eq!(limits.tokens(width, height), tokens, "{width}x{height} under {limits:?}");
        }
    }

    #[test]
    fn the_openai_rule_gives_the_published_sizes_and_tokens() {
        let limits = ImageLimits::openai();
        assert_eq!(limits.fit(1024, 1024), (1024, 1024));
        assert_eq!(limits.tokens(1024, 1024), 1024);
        assert_eq!(within_budget(1800, 2400, 1536), (1056, 1408));
        assert_eq!(limits.fit(1800, 2400), (1056, 1408));
        assert_eq!(limits.tokens(1800, 2400), 1452);
    }

    #[test]
    fn fitting_never_enlarges_never_gives_nothing_and_keeps_to_every_limit() {
        let sides = [0, 1, 2, 27, 28, 29, 300, 1000, 1567, 1568, 1569, 2048, 2577, 8001, 12_000, 65_535, u32::MAX];
        for limits in all() {
            for width in sides {
                for height in sides {
                    let (w, h) = limits.fit(width, height);
                    assert!((1..=width.max(1)).contains(&w) && (1..=height.max(1)).contains(&h));
                    assert!(w.max(h) <= limits.max_edge, "{width}x{height} -> {w}x{h} under {limits:?}");
                    assert_eq!(limits.fit(w, h), (w, h), "{width}x{height} -> {w}x{h} under {limits:?}");
                    let most = match limits.patches {
                        Patches::Anthropic { tokens, .. } => tokens,
                        Patches::OpenAi { budget } => budget,
                    };
                    assert!(limits.tokens(width, height) <= u64::from(most));
                }
            }
        }
    }

    #[test]
    fn fitting_keeps_the_aspect_to_a_pixel() {
        for limits in all() {
            for (width, height) in [(4000_u32, 3000_u32), (3000, 4000), (12_000, 300), (1441, 8570), (5001, 4999)] {
                let (w, h) = limits.fit(width, height);
                let off = f64::from(w) * f64::from(height) / f64::from(width) - f64::from(h);
                let other = f64::from(h) * f64::from(width) / f64::from(height) - f64::from(w);
                assert!(off.abs().min(other.abs()) <= 1.0, "{width}x{height} -> {w}x{h} under {limits:?}");
            }
        }
    }

    #[test]
    fn turning_a_picture_turns_its_fit() {
        for limits in all() {
            for (width, height) in [(4000, 3000), (1920, 1080), (12_000, 300), (999, 1001)] {
                let (w, h) = limits.fit(width, height);
                assert_eq!(limits.fit(height, width), (h, w));
            }
        }
    }

    #[test]
    fn a_users_edge_limits_further_and_zero_does_not() {
        let high = ImageLimits::anthropic(true);
        assert_eq!(high.with_max_edge(1568).fit(4000, 3000), (1568, 1176));
        assert_eq!(high.with_max_edge(0), high);
        assert_eq!(high.with_max_edge(100_000), high);
    }

    #[test]
    fn only_the_four_web_formats_are_accepted() {
        let limits = ImageLimits::openai();
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
            assert!(limits.accepts(format), "{format:?}");
        }
        for format in [ImageFormat::Tiff, ImageFormat::Bmp] {
            assert!(!limits.accepts(format), "{format:?}");
        }
    }
}
