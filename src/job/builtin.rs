//! Built-in jobs: job files embedded in the binary.

/// Name and text of every built-in job.
pub const BUILTIN: [(&str, &str); 4] = [
    ("material", include_str!("builtin/material.toml")),
    ("material-conditions", include_str!("builtin/material-conditions.toml")),
    ("material-single", include_str!("builtin/material-single.toml")),
    ("text", include_str!("builtin/text.toml")),
];

/// Jobs of `job.use = "auto"`. The first job that accepts a document's kind gets the document.
pub const AUTO: [&str; 2] = ["material", "text"];

/// The text of a built-in job.
pub fn builtin(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
