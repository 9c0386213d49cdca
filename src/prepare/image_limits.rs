//! Image limits of models: useful size, cost in tokens, and largest file.
//!
//! [`ImageLimits::fit`] returns a size that the provider does not shrink further. It never
//! enlarges, never returns 0, and returns its own results unchanged. More pixels are useless,
//! because the provider shrinks the image by the same rule before the model sees it.
//!
//! Source: the vision guides of the providers, as a table (`images.toml`).

use super::image_kind::ImageKind;
use super::image_rules::{Rule, Viewer};
use super::image_tokens::{Count, largest, within_budget, within_edge};
use serde::{Deserialize, Serialize};

/// Maximum side in pixels that every provider accepts.
const MAX_EDGE: u32 = 8000;
/// Maximum long side sent, if a rule allows more.
///
/// More pixels do not make a photograph clearer. `USEFUL_PATCHES` is the maximum number of squares
/// of 32 pixels.
const USEFUL_EDGE: u32 = 2048;
const USEFUL_PATCHES: u32 = 1536;
const PATCH: u32 = 32;
/// Anthropic's limit: 10 MB after base64.
///
/// Base64 encodes 3 bytes as 4. OpenAI allows more.
const MAX_ENCODED_BYTES: usize = 7_500_000;
/// Factor of the upper bound over the estimated tokens of a picture.
///
/// Providers may bill more than documented.
const CAUTION: u64 = 3;

/// The image limits of one model family, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLimits {
    /// The rule for counting the tokens of a picture.
    pub count: Count,
    /// A rule that no bill exceeds.
    ///
    /// It is set if three times the estimate may be too little.
    pub bound: Option<Count>,
    /// Longest side in pixels.
    pub max_edge: u32,
    /// Largest encoded file in bytes, before base64.
    pub max_encoded_bytes: usize,
}

impl ImageLimits {
    /// Returns the limits of a viewer's model.
    pub fn of(viewer: Viewer<'_>) -> Self {
        Self::by(viewer.rule(), viewer.resolution)
    }

    fn by(rule: &Rule, resolution: Option<&str>) -> Self {
        let named = resolution.and_then(|resolution| rule.resolutions.get(resolution));
        let count = named.map_or(rule.count, |tokens| Count::Fixed { tokens: *tokens });
        let max_edge = if matches!(count, Count::Padded { .. }) { MAX_EDGE } else { USEFUL_EDGE };
        Self { count, bound: rule.bound, max_edge, max_encoded_bytes: MAX_ENCODED_BYTES }
    }

    /// Returns Anthropic's limits, in the high-resolution or the standard tier.
    ///
    /// The high-resolution tier applies to Claude 4.7 and later.
    pub fn anthropic(high_resolution: bool) -> Self {
        let model = if high_resolution { "claude-opus-4-7" } else { "claude-haiku-4-5" };
        Self::of(Viewer { format: "anthropic", model, resolution: None })
    }

    /// Returns the limits of OpenAI's patch models at high detail.
    pub fn openai() -> Self {
        Self::of(Viewer { format: "openai", model: "gpt-5.2", resolution: None })
    }

    /// Limits the longest side to `edge` pixels. 0 changes nothing.
    #[must_use]
    pub fn with_max_edge(mut self, edge: u32) -> Self {
        if edge > 0 {
            self.max_edge = self.max_edge.min(edge);
        }
        self
    }

    /// Returns the size in which to send a picture of this size.
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (width.max(1), height.max(1));
        if matches!(self.count, Count::Padded { .. }) {
            // One search covers both limits, so that the short side is rounded only once.
            return largest(width, height, |w, h| w.max(h) <= self.max_edge && self.count.keeps(w, h));
        }
        let (width, height) = within_edge(width, height, self.max_edge);
        let (width, height) = if self.count.limits_area() { (width, height) } else { within_budget(width, height, PATCH, USEFUL_PATCHES) };
        self.count.shrunk(width, height)
    }

    /// Tokens of a picture sent in this size.
    ///
    /// The provider may shrink it first.
    pub fn tokens(&self, width: u32, height: u32) -> u64 {
        self.count.tokens(width, height)
    }

    /// Upper bound of the tokens billed for a picture.
    pub fn most_tokens(&self, width: u32, height: u32) -> u64 {
        let bound = self.bound.map_or(0, |bound| bound.tokens(width, height));
        bound.max(CAUTION * self.tokens(width, height))
    }

    /// Whether files of this format may be sent unchanged.
    ///
    /// Animated files may not.
    pub fn accepts(&self, kind: ImageKind) -> bool {
        matches!(kind, ImageKind::Jpeg | ImageKind::Png | ImageKind::WebP | ImageKind::Gif)
    }
}

#[cfg(test)]
mod tests {
    use super::super::image_rules::rules;
    use super::*;

    fn of(format: &str, model: &str) -> ImageLimits {
        ImageLimits::of(Viewer { format, model, resolution: None })
    }

    /// The limits of every rule, with and without a configured edge.
    fn all() -> Vec<ImageLimits> {
        let limits = || rules().into_iter().map(|rule| ImageLimits::by(rule, None));
        let cut = |edge| limits().map(move |limits| limits.with_max_edge(edge));
        limits().chain(cut(1568)).chain(cut(777)).collect()
    }

    const SIDES: [u32; 18] = [0, 1, 2, 27, 28, 29, 300, 449, 768, 1000, 1567, 1568, 1569, 2048, 2577, 8001, 12_000, 65_535];

    #[test]
    fn images_cost_what_the_guides_of_the_providers_say() {
        let cases: [(&str, &str, (u32, u32), u64); 36] = [
            ("openai", "gpt-4o", (1024, 1024), 765),
            ("openai", "gpt-4o-2024-11-20", (2048, 4096), 1105),
            ("openai", "gpt-4o", (512, 512), 255),
            ("openai", "gpt-4.1", (1024, 1024), 765),
            ("openai", "gpt-4o-mini", (1024, 1024), 2833 + 4 * 5667),
            ("openai", "gpt-4o-mini-2024-07-18", (2048, 4096), 2833 + 6 * 5667),
            ("compatible", "openai/gpt-4o-mini", (512, 512), 8500),
            ("openai", "gpt-5", (1024, 1024), 630),
            ("openai", "gpt-5-2025-08-07", (1024, 1024), 630),
            ("openai", "o1", (1024, 1024), 675),
            ("openai", "o3-2025-04-16", (1024, 1024), 675),
            ("openai", "gpt-5.2", (1024, 1024), 1024),
            ("responses", "gpt-5.2", (1800, 2400), 1452),
            ("openai", "gpt-5-mini", (1024, 1024), 1659),
            ("openai", "gpt-4.1-mini-2025-04-14", (1800, 2400), 2353),
            ("openai", "gpt-5.4-nano", (1024, 1024), 2520),
            ("openai", "o4-mini", (1024, 1024), 1762),
            ("openai", "gpt-5.4", (1600, 1600), 2500),
            ("openai", "gpt-6-luna", (1920, 1080), 2040),
            ("anthropic", "claude-haiku-4-5", (1000, 1000), 1296),
            ("anthropic", "claude-haiku-5-5", (1000, 1000), 1296),
            ("compatible", "anthropic/claude-haiku-4.5", (3840, 2160), 1560),
            ("compatible", "anthropic/claude-opus-5", (3840, 2160), 4784),
            ("anthropic", "a-name-of-next-year", (3840, 2160), 4784),
            ("gemini", "gemini-2.5-flash", (384, 384), 258),
            ("gemini", "gemini-2.5-flash", (1536, 768), 516),
            ("compatible", "google/gemini-2.0-flash", (1000, 1000), 1032),
            ("gemini", "gemini-3.5-flash-lite", (4000, 3000), 1120),
            ("gemini", "gemini-4-argon", (10, 10), 1120),
            ("compatible", "x-ai/grok-4", (448, 448), 512),
            ("compatible", "grok-4", (2000, 2000), 1792),
            ("compatible", "mistralai/pixtral-12b", (1024, 1024), 65 * 64),
            ("compatible", "mistral-small-2506", (1540, 1540), 56 * 55),
            ("compatible", "Qwen/Qwen2.5-VL-7B-Instruct", (1120, 560), 40 * 20 + 2),
            ("compatible", "qwen3-vl-8b", (1024, 1024), 1024 + 2),
            ("compatible", "gemma3:4b", (4000, 3000), 256),
        ];
        for (format, model, (width, height), tokens) in cases {
            assert_eq!(of(format, model).tokens(width, height), tokens, "{width}x{height} for {model}");
        }
    }

    #[test]
    fn a_named_resolution_counts_where_the_model_has_resolutions() {
        let tokens =
            |model, resolution| ImageLimits::of(Viewer { format: "gemini", model, resolution: Some(resolution) }).tokens(1000, 1000);
        assert_eq!(tokens("gemini-3.8-flash", "MEDIA_RESOLUTION_LOW"), 280);
        assert_eq!(tokens("gemini-3.8-flash", "MEDIA_RESOLUTION_ULTRA_HIGH"), 2240);
        assert_eq!(tokens("gemini-3.8-flash", "something new"), 1120);
        assert_eq!(tokens("gemini-2.5-pro", "MEDIA_RESOLUTION_LOW"), 1032);
    }

    #[test]
    fn an_unknown_model_has_the_rule_for_unknown_models_and_the_dearest_bound() {
        for model in ["my-deployment", "gpt-9", "", "llava"] {
            let viewer = Viewer { format: "openai", model, resolution: None };
            assert_eq!(viewer.rule_name(), "unknown model", "{model}");
            let unknown = ImageLimits::of(viewer);
            for known in all() {
                for (width, height) in SIDES.into_iter().flat_map(|width| SIDES.map(|height| (width, height))) {
                    let (w, h) = unknown.fit(width, height);
                    let most = unknown.most_tokens(w, h);
                    assert!(most >= known.tokens(w, h), "{w}x{h}: {most} for an unknown model, {} under {known:?}", known.tokens(w, h));
                }
            }
        }
    }

    #[test]
    fn a_bound_is_never_below_the_count_nor_below_the_crops_that_google_describes() {
        let gemini = of("gemini", "gemini-2.5-flash");
        for (width, height) in SIDES.into_iter().flat_map(|width| SIDES.map(|height| (width, height))) {
            for limits in all() {
                assert!(limits.most_tokens(width, height) >= 3 * limits.tokens(width, height));
            }
            let (w, h) = gemini.fit(width, height);
            let crop = (f64::from(w.min(h)) / 1.5).floor().clamp(256.0, 768.0);
            let crops = (f64::from(w) / crop).ceil() * (f64::from(h) / crop).ceil();
            assert!(gemini.most_tokens(w, h) as f64 >= 258.0 * crops, "{w}x{h}: {crops} crops");
        }
    }

    #[test]
    fn no_image_is_free_and_none_costs_more_than_the_limit_of_its_rule() {
        for limits in all() {
            let most = match limits.count {
                Count::Padded { most, .. } => u64::from(most),
                Count::Patches { most, percent, extra, .. } => (u64::from(most) * u64::from(percent)).div_ceil(100) + u64::from(extra),
                Count::Tiles { base, each, most, .. } if most > 0 => u64::from(base + each * most),
                Count::Tiles { base, each, side, edge, short, .. } => {
                    let long = if edge > 0 { edge } else { USEFUL_EDGE };
                    let short = if short > 0 { short } else { long };
                    u64::from(base) + u64::from(each) * u64::from(long.div_ceil(side)) * u64::from(short.div_ceil(side))
                }
                Count::Rows { side, edge } => u64::from(edge.div_ceil(side) + 1) * u64::from(edge.div_ceil(side)),
                Count::Fixed { tokens } => u64::from(tokens),
            };
            for (width, height) in SIDES.into_iter().flat_map(|width| SIDES.map(|height| (width, height))) {
                let (w, h) = limits.fit(width, height);
                let tokens = limits.tokens(w, h);
                assert!((1..=most).contains(&tokens), "{width}x{height}: {tokens} under {limits:?}");
            }
        }
    }

    #[test]
    fn a_larger_image_costs_no_less_unless_its_provider_shrinks_it() {
        for limits in all() {
            let kept = |w: u32, h: u32| limits.count.keeps(w, h);
            for width in (1..2100).step_by(37) {
                for height in (1..2100).step_by(41).filter(|height| kept(width, *height)) {
                    for (w, h) in [(width + 29, height), (width, height + 29)] {
                        let larger = limits.tokens(w, h);
                        assert!(!kept(w, h) || larger >= limits.tokens(width, height), "{width}x{height} to {w}x{h} under {limits:?}");
                    }
                }
            }
        }
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
        assert_eq!(within_budget(1800, 2400, PATCH, 1536), (1056, 1408));
        assert_eq!(limits.fit(1800, 2400), (1056, 1408));
        assert_eq!(limits.tokens(1800, 2400), 1452);
    }

    #[test]
    fn fitting_never_enlarges_never_gives_nothing_and_keeps_to_every_limit() {
        for limits in all() {
            for width in SIDES.into_iter().chain([u32::MAX]) {
                for height in SIDES.into_iter().chain([u32::MAX]) {
                    let (w, h) = limits.fit(width, height);
                    assert!((1..=width.max(1)).contains(&w) && (1..=height.max(1)).contains(&h));
                    assert!(w.max(h) <= limits.max_edge, "{width}x{height} -> {w}x{h} under {limits:?}");
                    assert_eq!(limits.fit(w, h), (w, h), "{width}x{height} -> {w}x{h} under {limits:?}");
                    assert!(limits.count.keeps(w, h), "{width}x{height} -> {w}x{h} is shrunk further under {limits:?}");
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
        for format in [ImageKind::Jpeg, ImageKind::Png, ImageKind::WebP, ImageKind::Gif] {
            assert!(limits.accepts(format), "{format:?}");
        }
        for format in [ImageKind::Tiff, ImageKind::Bmp] {
            assert!(!limits.accepts(format), "{format:?}");
        }
    }
}
