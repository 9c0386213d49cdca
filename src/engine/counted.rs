//! Learns how many tokens the provider counts for each estimated token.
//!
//! Tokenisers differ between models, so the ratio for text is learned from past calls. Images are
//! counted by published rules. A single ratio for both would be wrong for a document whose share of
//! image tokens differs from that of the past calls.

use super::dry_run::Foreseen;

/// Ratios of counted to estimated input tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    text: f64,
    images: f64,
}

/// Plausible ratios of text. A ratio outside means that the provider does not follow the rule for
/// images.
const PLAUSIBLE: std::ops::Range<f64> = 0.4..2.5;

impl Counted {
    /// Learns from calls and the input tokens that the provider counted for them.
    ///
    /// Without past calls both ratios are 1.
    pub(super) fn learned<'c>(past: impl Iterator<Item = (&'c Foreseen, u64)>) -> Self {
        let (mut text, mut images, mut counted) = (0, 0, 0);
        for (call, tokens) in past {
            text += call.tokens - call.images.min(call.tokens);
            images += call.images;
            counted += tokens;
        }
        if counted == 0 || text + images == 0 {
            return Self { text: 1.0, images: 1.0 };
        }
        let of_text = (counted as f64 - images as f64) / text as f64;
        if images == 0 || PLAUSIBLE.contains(&of_text) {
            return Self { text: of_text, images: 1.0 };
        }
        let of_both = counted as f64 / (text + images) as f64;
        Self { text: of_both, images: of_both }
    }

    /// Expected input tokens of a call, as the provider counts them.
    pub(super) fn tokens(self, call: &Foreseen) -> f64 {
        let images = call.images.min(call.tokens);
        self.text * (call.tokens - images) as f64 + self.images * images as f64
    }

    /// Expected input tokens that a call shares with other calls on the document.
    pub(super) fn shared(self, call: &Foreseen) -> f64 {
        let share = call.shared as f64 / call.tokens.max(1) as f64;
        share * self.tokens(call)
    }

    /// The same ratios, but at least 1.
    pub(super) fn at_least_estimated(self) -> Self {
        Self { text: self.text.max(1.0), images: self.images.max(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dry_run::Foreseen;
    use super::*;
    use crate::insight::{Length, Order};

    fn call(text: u64, images: u64) -> Foreseen {
        let length = Length::new(1.0, 1.0, 1.0);
        Foreseen { task: 0, round: 0, order: Order::Alone, tokens: text + images, images, shared: 0, length, max_output: 1, past: None }
    }

    fn tokens(past: &[(u64, u64, u64)], text: u64, images: u64) -> u64 {
        let calls: Vec<_> = past.iter().map(|(text, images, counted)| (call(*text, *images), *counted)).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens")]
        let expected = Counted::learned(calls.iter().map(|(call, counted)| (call, *counted))).tokens(&call(text, images)).round() as u64;
        expected
    }

    #[test]
    fn the_ratio_of_text_does_not_apply_to_images() {
        // The provider counts 0.6 tokens for each estimated text token, and images by the rule.
        let pilot = [(300, 50, 230), (400, 60, 300), (500, 40, 340)];
        assert_eq!(tokens(&pilot, 300, 1500), 180 + 1500);
        assert_eq!(tokens(&pilot, 300, 0), 180);
    }

    #[test]
    fn images_that_follow_another_rule_share_the_ratio() {
        assert_eq!(tokens(&[(100, 100, 1000)], 100, 300), 2000);
        assert_eq!(tokens(&[(100, 1000, 300)], 100, 1000), 300);
    }

    #[test]
    fn estimates_are_unchanged_without_past_calls() {
        assert_eq!((tokens(&[], 70, 30), tokens(&[(0, 0, 5)], 70, 30), tokens(&[(100, 0, 130)], 100, 0)), (100, 100, 130));
    }
}
