//! Removes secrets from texts that leave docmill, in all forms in which servers repeat them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The text in place of a secret.
const REMOVED: &str = "[key]";
/// Shorter strings are not treated as secrets, because they occur in ordinary text.
const SHORTEST: usize = 12;
/// Characters that no URL encoder changes.
const PLAIN_IN_URLS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The secrets of an account: key, further headers, query parameters.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Forms>>);

/// All forms of the secrets.
struct Forms {
    /// Matches any form, long ones first.
    any: Regex,
    each: Vec<String>,
    longest: usize,
}

/// Hides the secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    /// Secrets with their encoded forms.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let long = |secret: &&str| secret.len() >= SHORTEST;
        // The value of a header may consist of a scheme and the secret.
        let parts = secrets.into_iter().flat_map(|secret| std::iter::once(secret).chain(secret.split_whitespace()));
        let mut forms: Vec<String> = parts.filter(long).flat_map(forms).collect();
        forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        let pattern = forms.iter().map(|form| regex::escape(form)).collect::<Vec<_>>().join("|");
        let any = Regex::new(&pattern).ok().filter(|_| !forms.is_empty());
        Self(any.map(|any| Arc::new(Forms { any, longest: forms.first().map_or(0, String::len), each: forms })))
    }

    /// Removes the secrets from `text`.
    pub fn scrub<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let Some(forms) = &self.0 else { return text };
        if forms.any.is_match(&text) { Cow::Owned(forms.any.replace_all(&text, REMOVED).into_owned()) } else { text }
    }

    /// Removes the secrets from all texts of a value, where JSON may have escaped them.
    pub fn scrub_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(scrubbed) = self.scrub(Cow::Borrowed(text)) {
                    *text = scrubbed;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.scrub_value(field)),
            _ => {}
        }
    }

    /// Removes the secrets from a text that arrives in pieces.
    pub fn stream(&self) -> ScrubbedStream {
        ScrubbedStream { secrets: self.clone(), held: String::new() }
    }
}

/// A text in pieces. The end of a piece is held back while it may be the beginning of a secret.
#[derive(Debug)]
pub struct ScrubbedStream {
    secrets: Secrets,
    held: String,
}

impl ScrubbedStream {
    /// Takes the next piece. Returns the text that holds no part of a secret.
    pub fn push(&mut self, piece: &str) -> String {
        let Some(forms) = &self.secrets.0 else { return piece.to_owned() };
        self.held.push_str(piece);
        let mut text = self.secrets.scrub(std::mem::take(&mut self.held).into()).into_owned();
        let earliest = text.len().saturating_sub(forms.longest);
        let begins = |at: &usize| text.is_char_boundary(*at) && forms.each.iter().any(|form| form.starts_with(&text[*at..]));
        let end = (earliest..text.len()).find(begins).unwrap_or(text.len());
        self.held = text.split_off(end);
        text
    }

    /// Returns the rest. A long beginning of a secret counts as the secret.
    pub fn finish(self) -> String {
        if self.held.len() >= SHORTEST { REMOVED.to_owned() } else { self.held }
    }
}

/// A secret as it is, and in base64, in URLs and in JSON.
fn forms(secret: &str) -> Vec<String> {
    let in_url = utf8_percent_encode(secret, PLAIN_IN_URLS).to_string();
    let in_form = in_url.replace("%20", "+");
    let escaped = Value::from(secret).to_string();
    let in_json = escaped.trim_matches('"');
    let mut forms = vec![secret.to_owned(), with_lower_escapes(&in_url), in_url, in_form, in_json.replace('/', "\\/"), in_json.to_owned()];
    for before in 0..3 {
        // The first and last characters depend on the neighbours of the secret.
        let bytes = [&b"\0\0"[..before], secret.as_bytes()].concat();
        let whole = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        let encoded = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
        forms.extend(encoded.iter().map(|text| text[whole.clone()].to_owned()));
    }
    forms
}

/// Percent escapes in lower case, as some encoders write them.
fn with_lower_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| format!("{text}%{}{}", piece[..2].to_ascii_lowercase(), &piece[2..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    const KEY: &str = "sk-test/Zm9v+bar?0123456789";

    #[test]
    fn a_secret_is_removed_in_all_its_forms() {
        let secrets = Secrets::new([KEY]);
        let in_url = utf8_percent_encode(KEY, PLAIN_IN_URLS).to_string();
        let in_json = KEY.replace('/', "\\/");
        for form in [KEY.to_owned(), in_url.clone(), in_url.replace("%2F", "%2f").replace("%2B", "%2b").replace("%3F", "%3f"), in_json] {
            let text = secrets.scrub(format!("before {form} after").into()).into_owned();
            assert_eq!(text, "before [key] after", "{form}");
        }
        assert_eq!(secrets.scrub("before sk-test after".into()), "before sk-test after");
        assert_eq!(Secrets::new(["short"]).scrub("short".into()), "short");
        assert_eq!(Secrets::new(["Bearer abcdefghijkl"]).scrub("abcdefghijkl".into()), "[key]");
        assert!(!format!("{secrets:?}").contains("sk-test"));
    }

    #[test]
    fn a_secret_is_removed_from_base64_of_any_alignment() {
        let secrets = Secrets::new([KEY]);
        for (before, after) in [("", ""), ("a", "b"), ("ab", "cd"), ("abc", "def"), ("user:", "\n")] {
            let text = format!("{before}{KEY}{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                let shown = secrets.scrub(encoded.as_str().into()).into_owned();
                assert!(shown.contains(REMOVED) && shown.len() < 20, "{encoded} -> {shown}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_of_a_text_are_scrubbed_like_the_whole(
            words in prop::collection::vec(prop_oneof![Just(KEY.to_owned()), "[a-zé ]{0,6}", Just(STANDARD.encode(KEY)), Just(KEY[..9].to_owned())], 0..6),
            cuts in prop::collection::vec(0_usize..200, 0..12),
        ) {
            let (secrets, text) = (Secrets::new([KEY]), format!("{}.", words.concat()));
            let mut stream = secrets.stream();
            let mut places: Vec<usize> = cuts.into_iter().filter(|at| text.is_char_boundary(*at) && *at < text.len()).chain([0, text.len()]).collect();
            places.sort_unstable();
            let shown: String = places.windows(2).map(|ends| stream.push(&text[ends[0]..ends[1]])).collect();
            prop_assert_eq!(shown + &stream.finish(), secrets.scrub(text.as_str().into()).into_owned());
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_secret_does_not_show_its_beginning() {
        let mut stream = Secrets::new([KEY]).stream();
        assert_eq!(stream.push("the key is "), "the key is ");
        assert_eq!(stream.push(&KEY[..20]), "");
        assert_eq!(stream.finish(), REMOVED);
    }
}
