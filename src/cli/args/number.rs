//! Numbers on the command line.

/// Reads a number of things, at least 1.
pub(super) fn count(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|count| *count >= 1).ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

/// Reads an amount of dollars, at least 0.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| "expected dollars as a number of at least 0, such as 5 or 0.50".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        assert_eq!(count("3"), Ok(3));
        assert_eq!(dollars("0.50"), Ok(0.5));
        for wrong in ["0", "-3", "1.5", "x", ""] {
            assert!(count(wrong).unwrap_err().contains("at least 1"), "{wrong}");
        }
        for wrong in ["$5", "-1", "inf", "NaN", ""] {
            assert!(dollars(wrong).unwrap_err().contains("at least 0"), "{wrong}");
        }
    }
}
