//! Words serde's errors about a TOML file for users.

use super::did_you_mean;

/// Rewrites the message of a deserializer: wrong names get a suggestion, and types of Rust become
/// kinds of values. `earlier` are earlier names, which no message lists.
pub fn plain_words(message: &str, earlier: &[&str]) -> String {
    let message = message.trim_end();
    for (start, what) in [("unknown field `", "unknown field"), ("unknown variant `", "unknown value")] {
        if let Some((given, rest)) = message.strip_prefix(start).and_then(|rest| rest.split_once("`, ")) {
            let known: Vec<&str> = rest.split('`').skip(1).step_by(2).filter(|name| !earlier.contains(name)).collect();
            return unknown_name(what, given, &known);
        }
    }
    if let Some(name) = message.strip_prefix("missing field `") {
        return format!("the field \"{}\" is missing", name.trim_end_matches('`'));
    }
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((given, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        return format!("expected {}, not {}", kind(expected), value(given));
    }
    if message == "wanted string or table" {
        return "expected a string".to_owned();
    }
    message.to_owned()
}

/// The message for an unknown name: the most similar name, or all known names.
pub fn unknown_name(what: &str, given: &str, known: &[&str]) -> String {
    let near = did_you_mean(given, known.iter().copied());
    let all = if near.is_empty() && !known.is_empty() { format!("; expected {}", known.join(", ")) } else { near };
    format!("{what} \"{given}\"{all}")
}

/// The kind of value that a type of Rust stands for.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        expected if expected.starts_with("struct ") => "a table",
        other => other,
    }
}

/// A given value, as a file has it.
fn value(given: &str) -> String {
    match given {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        given => match given.split_once(' ') {
            Some(("string", text)) => text.to_owned(),
            _ => given.split('`').nth(1).unwrap_or(given).to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_deserializer_are_worded_for_users() {
        for (message, words) in [
            ("unknown field `nulable`, expected one of `type`, `nullable`, `min`", "unknown field \"nulable\"; did you mean nullable?"),
            ("unknown field `zzz`, expected `a` or `b`", "unknown field \"zzz\"; expected a, b"),
            ("unknown field `zzz`, there are no fields", "unknown field \"zzz\""),
            ("unknown variant `images`, expected one of `text`, `image`, `any`", "unknown value \"images\"; did you mean image?"),
            ("missing field `prompt`", "the field \"prompt\" is missing"),
            ("invalid value: integer `-4`, expected u32", "expected a whole number of at least 0, not -4"),
            ("invalid type: map, expected a sequence", "expected a list, not a table"),
            ("invalid type: string \"x, expected y\", expected f64", "expected a number, not \"x, expected y\""),
            ("duplicate key", "duplicate key"),
        ] {
            assert_eq!(plain_words(message, &["earlier"]), words);
        }
        assert_eq!(plain_words("unknown field `q`, expected `a` or `earlier`", &["earlier"]), "unknown field \"q\"; expected a");
    }
}
