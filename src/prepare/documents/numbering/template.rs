//! Levels of a list with their patterns, as Word and RTF have them.

use super::shown;

/// Maximum number of list levels in Word.
const LEVELS: usize = 9;

/// A level of a list.
#[derive(Debug, Default, Clone)]
pub(in crate::prepare::documents) struct Level {
    pub start: u32,
    /// Kind of number: `decimal`, `bullet`.
    pub kind: String,
    /// The pattern of the number, such as `%1.%2)`.
    pub text: String,
    /// The level above which a new item lets this one start again; `Some(0)` for never.
    pub restart: Option<usize>,
    /// Whether the numbers of all levels are decimal.
    pub is_legal: bool,
}

/// The levels of a list, and their counts.
#[derive(Debug, Default, Clone)]
pub(in crate::prepare::documents) struct Levels {
    counts: [Option<u32>; LEVELS],
}

impl Levels {
    /// Counts an item of level `at`, from `start` if the level starts again.
    pub fn count(&mut self, at: usize, start: Option<u32>, level: impl Fn(usize) -> Option<Level>) {
        let at = at.min(LEVELS - 1);
        let first = || level(at).map_or(1, |level| level.start);
        self.counts[at] = Some(match (start, self.counts[at]) {
            (Some(start), _) => start,
            (None, Some(count)) => count.saturating_add(1),
            (None, None) => first(),
        });
        for deeper in at + 1..LEVELS {
            let restarts = match level(deeper).and_then(|level| level.restart) {
                None => true,
                Some(above) => at < above,
            };
            if restarts {
                self.counts[deeper] = None;
            }
        }
    }

    /// Sets the count of level `at`, which others have counted.
    pub fn set(&mut self, at: usize, count: u32) {
        let at = at.min(LEVELS - 1);
        self.counts[at] = Some(count);
        self.counts[at + 1..].fill(None);
    }

    /// The number of the last item of level `at`: `2.1`, `(a)`, or `-` for bullets.
    pub fn number(&self, at: usize, level: impl Fn(usize) -> Option<Level>) -> String {
        let at = at.min(LEVELS - 1);
        let Some(own) = level(at) else { return "-".to_owned() };
        if own.kind == "bullet" || own.text.is_empty() && own.kind != "none" {
            return "-".to_owned();
        }
        let mut text = own.text.clone();
        for (above, count) in self.counts.iter().enumerate().take(at + 1) {
            let place = format!("%{}", above + 1);
            if text.contains(&place) {
                let level = level(above).unwrap_or_default();
                let kind = if own.is_legal && !matches!(&*level.kind, "none" | "bullet") { "decimal" } else { &level.kind };
                text = text.replace(&place, &shown(count.unwrap_or(level.start), kind));
            }
        }
        text.trim().to_owned()
    }
}
