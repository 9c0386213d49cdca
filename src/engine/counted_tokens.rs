//! Learns from past calls how many input tokens the provider counts, and how many it caches.
//!
//! Tokenisers differ between models, so the ratio for text is learned from past calls. Images are
//! counted by published rules. A single ratio for both would be wrong for a document whose share of
//! image tokens differs from that of the past calls.

use super::dry_run::Foreseen;
use super::earlier_runs::mean;
use crate::insight::Order;
use crate::model::Usage;

/// What past calls of a task show about its input tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    /// Counted tokens for each estimated token of text.
    text: f64,
    /// Counted tokens for each estimated token of images.
    images: f64,
    /// Share of shared beginnings that the provider read from its cache.
    cached: f64,
    /// Mean input of calls that combine answers. Their estimates depend on made-up answers.
    combining: Option<f64>,
}

/// Plausible ratios of text. A ratio outside means that the provider does not follow the rule for
/// images.
const PLAUSIBLE: std::ops::Range<f64> = 0.4..2.5;

/// The round of calls that combine the answers on a document.
const COMBINING: u8 = 2;

impl Counted {
    /// Learns from calls and the usage that the provider counted for them.
    ///
    /// Without past calls all ratios are 1.
    pub(super) fn learned<'c>(past: impl Iterator<Item = (&'c Foreseen, Usage)>) -> Self {
        let (mut text, mut images, mut counted) = (0, 0, 0);
        let (mut shared, mut read) = (0.0, 0.0);
        let mut combining = Vec::new();
        for (call, usage) in past {
            text += call.tokens - call.images.min(call.tokens);
            images += call.images;
            counted += usage.input();
            if call.order == Order::Follows && call.tokens > 0 {
                shared += usage.input() as f64 * call.shared as f64 / call.tokens as f64;
                read += usage.cache_read as f64;
            }
            if call.round == COMBINING {
                combining.push(usage.input() as f64);
            }
        }
        let cached = if shared > 0.0 { (read / shared).min(1.0) } else { 1.0 };
        let combining = (!combining.is_empty()).then(|| mean(combining));
        let (text, images) = Self::ratios(text, images, counted);
        Self { text, images, cached, combining }
    }

    /// Counted tokens for each estimated token of text, and of images.
    fn ratios(text: u64, images: u64, counted: u64) -> (f64, f64) {
        if counted == 0 || text + images == 0 {
            return (1.0, 1.0);
        }
        let of_text = (counted as f64 - images as f64) / text as f64;
        if images == 0 || PLAUSIBLE.contains(&of_text) {
            return (of_text, 1.0);
        }
        let of_both = counted as f64 / (text + images) as f64;
        (of_both, of_both)
    }

    /// Expected input tokens of a call, as the provider counts them.
    pub(super) fn tokens(self, call: &Foreseen) -> f64 {
        if let Some(mean) = self.combining.filter(|_| call.round == COMBINING) {
            return mean;
        }
        let images = call.images.min(call.tokens);
        self.text * (call.tokens - images) as f64 + self.images * images as f64
    }

    /// Expected input tokens that a call reads from the prompt cache or writes to it.
    pub(super) fn shared(self, call: &Foreseen) -> f64 {
        let share = call.shared as f64 / call.tokens.max(1) as f64;
        self.cached * share * self.tokens(call)
    }

    /// The same ratios, but at least 1.
    pub(super) fn at_least_estimated(self) -> Self {
        Self { text: self.text.max(1.0), images: self.images.max(1.0), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dry_run::Foreseen;
    use super::*;
    use crate::insight::{Length, Order};

    fn call(text: u64, images: u64) -> Foreseen {
        let length = Length::new(1.0, 1.0, 1.0);
        let tokens = text + images;
        Foreseen {
            task: 0,
            round: 0,
            order: Order::Alone,
            tokens,
            images,
            shared: 0,
            length,
            most_tokens: tokens,
            max_output: 1,
            past: None,
        }
    }

    fn input(tokens: u64) -> Usage {
        Usage { uncached_input: tokens, ..Usage::default() }
    }

    fn tokens(past: &[(u64, u64, u64)], text: u64, images: u64) -> u64 {
        let calls: Vec<_> = past.iter().map(|(text, images, counted)| (call(*text, *images), *counted)).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens")]
        let expected =
            Counted::learned(calls.iter().map(|(call, counted)| (call, input(*counted)))).tokens(&call(text, images)).round() as u64;
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

    #[test]
    fn shared_beginnings_count_as_cached_as_far_as_past_calls_read_them_from_the_cache() {
        let follows = Foreseen { order: Order::Follows, shared: 80, ..call(100, 0) };
        let shared = |cache_read| {
            let usage = Usage { uncached_input: 100 - cache_read, cache_read, ..Usage::default() };
            Counted::learned([(&follows, usage)].into_iter()).shared(&follows)
        };
        assert_eq!([0, 40, 80].map(|read| format!("{:.0}", shared(read))), ["0", "40", "80"]);
        assert!((Counted::learned(std::iter::empty()).shared(&follows) - 80.0).abs() < 1e-9, "nothing is known");
    }

    #[test]
    fn combining_calls_are_as_long_as_those_of_the_past() {
        let combining = |tokens| Foreseen { round: COMBINING, ..call(tokens, 0) };
        let counted = Counted::learned([(&combining(700), input(660)), (&combining(720), input(680))].into_iter());
        // The estimate is short, because made-up answers are.
        assert!((counted.tokens(&combining(500)) - 670.0).abs() < 1e-9);
    }
}
