//! Pages of the manual: Markdown, embedded. `docmill help TOPIC` prints them.

/// The pages: topic and text.
pub const PAGES: [(&str, &str); 1] = [("failures", include_str!("failures.md"))];

/// The page about a topic.
pub fn page(topic: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == topic).map(|(_, page)| *page)
}
