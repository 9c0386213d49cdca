//! Patterns of texts, in a notation that providers and docmill read alike.

use regex::{Regex, RegexBuilder};

/// Maximum size of a compiled pattern in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The pattern for a whole text, with the classes of ASCII written out.
///
/// Providers disagree about the reach of `\d`, `\w` and `\s`, and about patterns without `^` and `$`.
pub(super) fn whole(source: &str) -> Result<String, String> {
    let plain = written_out(source);
    let is_anchored = plain.starts_with('^') && plain.ends_with('$') && !plain.ends_with("\\$") && !plain.contains('|');
    let whole = if is_anchored { plain } else { format!("^({plain})$") };
    compile(&whole).map_err(|why| format!("pattern: {why}"))?;
    Ok(whole)
}

/// Whether a text matches a pattern of [`whole`].
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    compile(pattern).is_ok_and(|regex| regex.is_match(text))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern).size_limit(MAX_BYTES).build();
    // The last line says why. The lines before show the place.
    regex.map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned())
}

/// Writes out the classes for digits, letters and blanks.
fn written_out(source: &str) -> String {
    let (mut out, mut in_class, mut rest) = (String::new(), false, source.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let escaped = rest.next();
                let inside = match escaped {
                    Some('d') => Some("0-9"),
                    Some('w') => Some("A-Za-z0-9_"),
                    Some('s') => Some(r" \t\n\r"),
                    _ => None,
                };
                match inside {
                    Some(inside) if in_class => out.push_str(inside),
                    Some(inside) => out.extend(["[", inside, "]"]),
                    None => out.extend(['\\'].into_iter().chain(escaped)),
                }
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_holds_for_the_whole_text() {
        for (source, sent, good, bad) in [
            (r"[A-Z]{2}-\d+", "^([A-Z]{2}-[0-9]+)$", "DE-17", "see DE-17"),
            (r"^INV-[\d]{4}$", "^INV-[0-9]{4}$", "INV-0001", "INV-00011"),
            ("^a|b$", "^(^a|b$)$", "a", "ab"),
            (r"\w+\$", r"^([A-Za-z0-9_]+\$)$", "a$", "a"),
            (r"\d", "^([0-9])$", "7", "٧"),
        ] {
            let whole = whole(source).unwrap();
            assert_eq!(whole, sent);
            assert!(matches(&whole, good) && !matches(&whole, bad), "{source}");
        }
    }

    #[test]
    fn patterns_that_no_provider_takes_are_refused() {
        for (source, part) in
            [("a(?=b)", "look-around"), (r"(a)\1", "backreferences"), ("(", "unclosed group"), ("a{1000000}", "size limit")]
        {
            let error = whole(source).unwrap_err();
            assert!(error.contains(part), "{source}: {error}");
        }
    }
}
