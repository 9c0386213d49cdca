//! Suggests the known name that a mistyped one resembles most.

/// Minimum similarity of a suggested name (Jaro-Winkler).
const NEAR: f64 = 0.8;

/// Finds the known name that is most like another one.
#[derive(Debug)]
pub struct Nearest<'n> {
    given: &'n str,
    likeness: f64,
    name: Option<String>,
}

impl<'n> Nearest<'n> {
    /// A search for names like `given`.
    pub fn new(given: &'n str) -> Self {
        Self { given, likeness: NEAR, name: None }
    }

    /// Compares a known name.
    pub fn see(&mut self, known: &str) {
        let likeness = strsim::jaro_winkler(known, self.given);
        if likeness > self.likeness {
            (self.likeness, self.name) = (likeness, Some(known.to_owned()));
        }
    }

    /// The suggestion as the end of a message; empty without a similar name.
    pub fn hint(&self) -> String {
        self.name.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
    }
}

/// The known name that is most like `given`, as the end of a message. Empty without a similar name.
pub fn did_you_mean<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let mut nearest = Nearest::new(given);
    known.into_iter().for_each(|known| nearest.see(known));
    nearest.hint()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested_if_one_is_similar() {
        assert_eq!(did_you_mean("emtpy", ["refused", "empty", "too_large"]), "; did you mean empty?");
        assert_eq!(did_you_mean("zzz", ["refused", "empty"]), "");
        assert_eq!(did_you_mean("a", []), "");
    }
}
