//! Reads LaTeX source: comments, groups and the names of commands.

/// Environments whose content is not LaTeX.
pub(super) const VERBATIM: [&str; 7] = ["verbatim", "verbatim*", "lstlisting", "minted", "Verbatim", "alltt", "filecontents"];

/// The source without comments. An escaped `\%` and listings keep their per cent signs.
pub(super) fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut listing: Option<&str> = None;
    for line in source.split_inclusive('\n') {
        if let Some(name) = listing {
            text.push_str(line);
            if line.contains(&format!("\\end{{{name}}}")) {
                listing = None;
            }
            continue;
        }
        let code = &line[..comment(line).unwrap_or(line.len())];
        let begins = |name: &&str| code.contains(&format!("\\begin{{{name}}}")) && !line.contains(&format!("\\end{{{name}}}"));
        listing = VERBATIM.into_iter().find(begins);
        match comment(line).filter(|_| listing.is_none()) {
            Some(at) if line[..at].trim().is_empty() => {}
            // The line break belongs to the comment.
            Some(at) => text.push_str(&line[..at]),
            None => text.push_str(line),
        }
    }
    text
}

/// Where a comment begins in a line.
fn comment(line: &str) -> Option<usize> {
    let mut escaped = false;
    line.bytes().position(|byte| {
        let is_comment = byte == b'%' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_comment
    })
}

/// The name of the command at the beginning of `text`, which follows a backslash, and the rest.
pub(super) fn name(text: &str) -> (&str, &str) {
    let letters = text.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'@').count();
    if letters == 0 {
        let length = text.chars().next().map_or(0, char::len_utf8);
        return text.split_at(length);
    }
    let end = letters + usize::from(text[letters..].starts_with('*'));
    text.split_at(end)
}

/// The content of the group `{…}` at the beginning of `text`, behind spaces, and the rest.
pub(super) fn group(text: &str) -> Option<(&str, &str)> {
    delimited(text, b'{', b'}')
}

/// The content of `[…]` at the beginning of `text`, and the rest.
pub(super) fn option(text: &str) -> Option<(&str, &str)> {
    delimited(text, b'[', b']')
}

fn delimited(text: &str, open: u8, close: u8) -> Option<(&str, &str)> {
    let trimmed = text.trim_start_matches([' ', '\t']);
    let trimmed =
        trimmed.strip_prefix('\n').map_or(trimmed, |rest| if rest.starts_with('\n') { trimmed } else { rest.trim_start_matches(' ') });
    if trimmed.as_bytes().first() != Some(&open) {
        return None;
    }
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in trimmed.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            // Braces protect a bracket.
            b'{' => depth += 1,
            b'}' if open == b'[' => depth = depth.checked_sub(1)?,
            _ if byte == close && depth <= usize::from(open == b'{') => return Some((&trimmed[1..at], &trimmed[at + 1..])),
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The argument at the beginning of `text`: a group, a command or a character.
pub(super) fn argument(text: &str) -> Option<(&str, &str)> {
    if let Some(group) = group(text) {
        return Some(group);
    }
    let trimmed = text.trim_start();
    let length = match trimmed.strip_prefix('\\') {
        Some(command) => 1 + name(command).0.len(),
        None => trimmed.chars().next().filter(|c| !matches!(c, '}' | ']'))?.len_utf8(),
    };
    Some(trimmed.split_at(length))
}

/// The content of an environment whose `\begin{name}` was read, and the rest behind `\end{name}`.
pub(super) fn environment<'t>(name: &str, text: &'t str) -> (&'t str, &'t str) {
    let (begin, end) = (format!("\\begin{{{name}}}"), format!("\\end{{{name}}}"));
    let (mut depth, mut at) = (1_usize, 0);
    loop {
        let Some(close) = text[at..].find(&end) else { return (text, "") };
        let inside = text[at..at + close].matches(&begin).count();
        depth = depth + inside - 1;
        at += close + end.len();
        if depth == 0 {
            return (&text[..at - end.len()], &text[at..]);
        }
    }
}
