//! Keys as dotted paths in TOML notation. Parts that are not bare keys have quotes. User-chosen
//! names, such as model ids, may contain dots and slashes.

/// The path through these keys.
pub fn key<P: AsRef<str>>(parts: impl IntoIterator<Item = P>) -> String {
    parts.into_iter().map(|part| quoted(part.as_ref())).collect::<Vec<_>>().join(".")
}

/// The path of `part` in the table `prefix`. An empty `prefix` means the whole file.
pub(super) fn below(prefix: &str, part: &str) -> String {
    if prefix.is_empty() { quoted(part) } else { format!("{prefix}.{}", quoted(part)) }
}

/// Splits a path into keys. Leniently, a part without quotes may contain anything except a dot.
pub(super) fn parts(path: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for c in path.chars() {
        match c {
            _ if escaped => {
                part.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

fn quoted(part: &str) -> String {
    let bare = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { part.to_owned() } else { format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\"")) }
}
