//! Finds the rule by which a model counts images. The rules are in `images.toml`.

use super::image_tokens::Count;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A rule of the table, which explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    name: String,
    models: Vec<String>,
    #[serde(default)]
    formats: Vec<String>,
    pub count: Count,
    pub bound: Option<Count>,
    #[serde(default)]
    pub resolutions: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
    unknown: Rule,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let unread = |_| {
        // Never used, because a test checks that the table can be read.
        let (count, none) = (Count::Fixed { tokens: u32::MAX }, BTreeMap::new());
        let unknown = Rule { name: String::new(), models: Vec::new(), formats: Vec::new(), count, bound: None, resolutions: none };
        Table { rules: Vec::new(), unknown }
    };
    toml::from_str(include_str!("images.toml")).unwrap_or_else(unread)
});

/// The model that sees the prepared pictures.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// Wire format: `anthropic`, `gemini`, or another one.
    pub format: &'a str,
    /// Model id.
    pub model: &'a str,
    /// Gemini's `mediaResolution`, if requests set it.
    pub resolution: Option<&'a str>,
}

impl Viewer<'_> {
    pub(super) fn rule(&self) -> &'static Rule {
        let model = self.model.rsplit('/').next().unwrap_or_default().to_lowercase();
        let by_model = TABLE.rules.iter().find(|rule| rule.models.iter().any(|pattern| is_like(pattern, &model)));
        let by_format = || TABLE.rules.iter().find(|rule| rule.formats.iter().any(|format| format == self.format));
        by_model.or_else(by_format).unwrap_or(&TABLE.unknown)
    }

    /// Name of the rule for people.
    pub fn rule_name(&self) -> &'static str {
        &self.rule().name
    }
}

/// Whether a model id matches a pattern. `*` matches any text.
fn is_like(pattern: &str, model: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| model.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// All rules.
#[cfg(test)]
pub(super) fn rules() -> Vec<&'static Rule> {
    TABLE.rules.iter().chain([&TABLE.unknown]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        assert!(rules().len() > 15 && rules().iter().all(|rule| !rule.name.is_empty()));
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, model, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5.1", false),
            ("o1*", "o1-2024-12-17", true),
            ("*claude-3*", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", true),
            ("*claude-*-4", "claude-opus-4", true),
            ("*claude-*-4", "claude-opus-4-7", false),
            ("*a*b", "ab", true),
            ("*a*b", "ba", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(is_like(pattern, model), expected, "{pattern} and {model}");
        }
    }
}
