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

/// Reads a cap in dollars, above 0. In settings, 0 stands for no cap.
pub(super) fn cap(text: &str) -> Result<f64, String> {
    let amount = dollars(text).map_err(|_| "expected dollars as a number above 0, such as 5 or 0.50".to_owned())?;
    let message = "0 would mean no cap. Leave the option out, or write --set budget.max_usd=0";
    Some(amount).filter(|amount| *amount > 0.0).ok_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        assert_eq!(count("3"), Ok(3));
        assert_eq!((dollars("0.50"), cap("0.50")), (Ok(0.5), Ok(0.5)));
        assert!(cap("0").unwrap_err().contains("no cap") && cap("-1").unwrap_err().contains("above 0"));
        for wrong in ["0", "-3", "1.5", "x", ""] {
            assert!(count(wrong).unwrap_err().contains("at least 1"), "{wrong}");
        }
        for wrong in ["$5", "-1", "inf", "NaN", ""] {
            assert!(dollars(wrong).unwrap_err().contains("at least 0"), "{wrong}");
        }
    }
}
