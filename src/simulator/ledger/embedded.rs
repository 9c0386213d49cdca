//! The latest inputs that were embedded.

use std::collections::HashSet;

/// Number of inputs in a generation. The one before is kept too: at most 32 MiB in all.
const GENERATION: usize = 1 << 20;

/// Inputs by id. The oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Embedded {
    /// Remembers an input. Returns whether it is new.
    pub(super) fn insert(&mut self, input: u64) -> bool {
        if self.young.len() == GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let is_new = !self.old.contains(&input);
        self.young.insert(input) && is_new
    }
}
