//! Built-in jobs: job files embedded in the binary.

/// Name and text of every built-in job.
pub const BUILTIN: [(&str, &str); 6] = [
    ("embed", include_str!("builtin/embed.toml")),
    ("material", include_str!("builtin/material.toml")),
    ("material-conditions", include_str!("builtin/material-conditions.toml")),
    ("material-single", include_str!("builtin/material-single.toml")),
    ("text", include_str!("builtin/text.toml")),
    ("text-single", include_str!("builtin/text-single.toml")),
];

/// Names for several built-in jobs. The first job that accepts a document's kind gets the document.
pub const AUTO: [(&str, [&str; 2]); 2] = [("auto", ["material", "text"]), ("auto-single", ["material-single", "text-single"])];

/// Built-in jobs that ask for the same, with one call for each task and with one call for all.
const COUNTERPARTS: [(&str, &str); 3] = [("auto", "auto-single"), ("material", "material-single"), ("text", "text-single")];

/// The built-in job that asks for the same as `name` with another number of calls.
pub fn counterpart(name: &str) -> Option<&'static str> {
    let other = |(many, single): (&'static str, &'static str)| match name {
        _ if name == many => Some(single),
        _ if name == single => Some(many),
        _ => None,
    };
    COUNTERPARTS.into_iter().find_map(other)
}

/// The text of a built-in job.
pub fn builtin(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
