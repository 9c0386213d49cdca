//! Learns the ratio of counted to estimated tokens, for text and images.
//!
//! docmill counts text with one vocabulary and images by published rules. Models have other
//! vocabularies, and cached parts of a prompt may not count. An estimate only decides how much a
//! request reserves, because its reply settles the difference. Therefore the ratio is a mean that
//! rises and falls at the same speed. One unusual reply changes it little.

use serde::{Deserialize, Serialize};

/// Ratios of counted to estimated tokens in recent replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration {
    text: Ratio,
    images: Ratio,
}

/// Weighted sums over recent replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Ratio {
    counted: f64,
    estimated: f64,
    replies: f64,
}

/// Assumed ratio before the first reply.
const FIRST: f64 = 1.3;
/// Factor on the learned ratio, because documents differ.
const MARGIN: f64 = 1.01;
/// Weight of the previous sums when a reply is added.
const MEMORY: f64 = 0.92;
/// Maximum weight of a reply, in average replies.
const LARGEST: f64 = 3.0;
/// Maximum factor by which one reply may differ from the expectation.
const ODDEST: f64 = 4.0;
/// Minimum ratio. A fully cached prompt does not make the next prompt free.
const LEAST: f64 = 0.01;

impl Calibration {
    /// Expected token count at the provider.
    pub fn expected(&self, text: f64, images: f64) -> f64 {
        let margin = if self.text.replies + self.images.replies > 0.0 { MARGIN } else { 1.0 };
        margin * (text * self.text.value() + images * self.images.value())
    }

    /// Learns from a reply.
    ///
    /// The counted tokens are divided between text and images in the expected proportion.
    pub fn learn(&mut self, text: f64, images: f64, counted: f64) {
        let expected = text * self.text.value() + images * self.images.value();
        if expected <= 0.0 {
            return;
        }
        let known = self.text.knows(text) && self.images.knows(images);
        let ratio = if known { (counted / expected).clamp(1.0 / ODDEST, ODDEST) } else { counted / expected };
        self.text.learn(text, ratio);
        self.images.learn(images, ratio);
    }
}

impl Ratio {
    fn value(&self) -> f64 {
        if self.estimated > 0.0 { (self.counted / self.estimated).max(LEAST) } else { FIRST }
    }

    fn knows(&self, estimated: f64) -> bool {
        estimated <= 0.0 || self.replies > 0.0
    }

    /// Adds a reply with `ratio` times the expected tokens.
    fn learn(&mut self, estimated: f64, ratio: f64) {
        if estimated <= 0.0 {
            return;
        }
        let usual = if self.replies > 0.0 { self.estimated / self.replies } else { estimated };
        let weight = (LARGEST * usual / estimated).min(1.0);
        let counted = weight * estimated * ratio * self.value();
        *self = Self {
            counted: MEMORY * self.counted + counted,
            estimated: MEMORY * self.estimated + weight * estimated,
            replies: MEMORY * self.replies + 1.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) {
        assert!((0.9..1.1).contains(&(value / wanted)), "{value} instead of {wanted}");
    }

    #[test]
    fn text_and_images_have_separate_ratios() {
        let mut calibration = Calibration::default();
        near(calibration.expected(100.0, 0.0), 130.0);
        for _ in 0..40 {
            calibration.learn(1000.0, 0.0, 1200.0);
            calibration.learn(80.0, 320.0, 1596.0);
        }
        near(calibration.expected(1000.0, 0.0), 1200.0);
        near(calibration.expected(80.0, 320.0), 1596.0);
        near(calibration.expected(0.0, 640.0), 3000.0);
    }

    #[test]
    fn the_first_reply_is_believed_and_a_change_is_followed_up_and_down() {
        for first in [0.1, 1.0, 10.0] {
            let mut calibration = Calibration::default();
            calibration.learn(500.0, 0.0, 500.0 * first);
            near(calibration.expected(500.0, 0.0), 500.0 * first);
            for change in [0.1, 10.0, 1.0] {
                (0..100).for_each(|_| calibration.learn(500.0, 0.0, 500.0 * change));
                near(calibration.expected(500.0, 0.0), 500.0 * change);
            }
        }
    }

    #[test]
    fn odd_replies_move_the_ratio_little() {
        let mut calibration = Calibration::default();
        (0..40).for_each(|_| calibration.learn(500.0, 0.0, 500.0));
        calibration.learn(500.0, 0.0, 500_000.0);
        calibration.learn(1e6, 0.0, 4e6);
        calibration.learn(500.0, 0.0, 0.0);
        let expected = calibration.expected(500.0, 0.0);
        assert!((500.0..900.0).contains(&expected), "{expected}");
    }

    #[test]
    fn a_prompt_from_the_cache_makes_the_next_one_cheaper_and_never_free() {
        let mut calibration = Calibration::default();
        (0..100).for_each(|_| calibration.learn(500.0, 0.0, 0.0));
        let expected = calibration.expected(500.0, 0.0);
        assert!((1.0..50.0).contains(&expected), "{expected}");
    }
}
