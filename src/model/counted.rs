//! Counts in words.

/// A count with its noun: `1 row`, `2 rows`, `2 retries`.
pub fn counted(n: u64, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if n == 1 => format!("{n} {one}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{n} {stem}ies"),
        _ => format!("{n} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        let words = ["row", "retry", "day", "reply"].map(|one| [0, 1, 2].map(|n| counted(n, one)).join(", "));
        assert_eq!(
            words,
            ["0 rows, 1 row, 2 rows", "0 retries, 1 retry, 2 retries", "0 days, 1 day, 2 days", "0 replies, 1 reply, 2 replies"]
        );
    }
}
