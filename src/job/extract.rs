//! Finds JSON values in a reply, and separates them from thoughts.

use crate::repair::{self, Parsed};

/// A value in a text, readable or broken.
#[derive(Debug)]
pub(super) enum Item {
    /// A top-level value.
    Value { start: usize, parsed: Parsed },
    /// An unreadable or ambiguous object or list of objects. Nothing inside it is an answer. `cut` is true if
    /// the text ends inside it.
    Broken { cut: bool },
}

/// Values and thoughts in the text of a reply.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Values after the last thought, in the order of the text.
    pub items: Vec<Item>,
    /// Byte offset of the end of the last thought.
    pub from: usize,
    /// Whether the last thought has no closing mark.
    pub open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Thoughts begin.
    Open,
    /// Thoughts end. Everything before was thought, even without an opening mark, because chat
    /// templates may put that mark into the prompt.
    Close,
}

/// Names in the marks around thoughts, without brackets, bars, prefixes and slashes.
const THOUGHTS: [&str; 19] = [
    "think",
    "thinking",
    "thinks",
    "thought",
    "thoughts",
    "thought_process",
    "thinking_process",
    "reason",
    "reasoning",
    "reasoning_content",
    "reflection",
    "reflect",
    "analysis",
    "scratchpad",
    "inner_monologue",
    "chain_of_thought",
    "cot",
    "think_fast",
    "unused94",
];
/// Vendor-specific marks that close thoughts.
const CLOSING: [&str; 2] = ["unused95", "channel|"];
/// Maximum length of a mark in bytes.
const MAX_MARK_BYTES: usize = 48;

/// The mark at the start of `text`, and its length in bytes.
fn mark(text: &str) -> Option<(Mark, usize)> {
    let (open, close) = [('<', '>'), ('[', ']'), ('◁', '▷')].into_iter().find(|(open, _)| text.starts_with(*open))?;
    let inside = &text[open.len_utf8()..];
    let inside = &inside[..inside.floor_char_boundary(MAX_MARK_BYTES)];
    let inside = &inside[..inside.find(close)?];
    if inside.contains(['<', '{', '\n']) {
        return None;
    }
    let length = open.len_utf8() + inside.len() + close.len_utf8();
    let lower = inside.to_ascii_lowercase();
    if CLOSING.contains(&lower.as_str()) {
        return Some((Mark::Close, length));
    }
    let name = lower.trim_matches(|c: char| c == '|' || c.is_whitespace());
    if name == "channel" {
        return Some(channel(&text[length..], length));
    }
    let bare = name.strip_prefix('/').or_else(|| name.strip_prefix("end_of_")).or_else(|| name.strip_prefix("end_"));
    let closes = bare.is_some() || name.ends_with('/');
    let bare = bare.unwrap_or(name).trim_end_matches('/').trim_start();
    let bare =
        bare.strip_prefix("begin_of_").or_else(|| bare.strip_prefix("begin_")).or_else(|| bare.strip_prefix("start_")).unwrap_or(bare);
    // Drop attributes, and a vendor's name in front.
    let bare = bare.split([' ', '=']).next().unwrap_or_default();
    let bare = bare.split_once(':').map_or(bare, |(vendor, bare)| if vendor.chars().all(char::is_alphanumeric) { bare } else { "" });
    // Prose uses square brackets too, so only `think...` names count in them.
    let known = if open == '[' { bare.starts_with("think") && THOUGHTS.contains(&bare) } else { THOUGHTS.contains(&bare) };
    known.then_some((if closes { Mark::Close } else { Mark::Open }, length))
}

/// The mark of a reply in channels. Only the channel `final` is the answer.
fn channel(rest: &str, length: usize) -> (Mark, usize) {
    const MESSAGE: &str = "<|message|>";
    if !rest.trim_start().to_ascii_lowercase().starts_with("final") {
        return (Mark::Open, length);
    }
    let head = &rest[..rest.floor_char_boundary(2 * MAX_MARK_BYTES)];
    (Mark::Close, length + head.find(MESSAGE).map_or("final".len(), |at| at + MESSAGE.len()))
}

/// Drops channel names without marks. Some servers remove only the marks around the names.
pub(super) fn without_channels(text: &str) -> &str {
    let behind = text.starts_with("analysis").then(|| text.rsplit_once("assistantfinal")).flatten();
    behind.map_or(text, |(_, answer)| answer)
}

/// Scans a text for values and marks. A mark inside a readable value is part of that value.
pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    // Each failed parse may have read all the rest; the budget prevents quadratic time.
    let mut work = 16 * text.len() + 65_536;
    let (mut at, mut ruin) = (0, 0..0);
    while let Some(next) = text[at..].find(['{', '[', '"', '<', '◁', '`', '~']) {
        at += next;
        let rest = &text[at..];
        if let Some((mark, length)) = mark(rest) {
            at += length;
            match mark {
                Mark::Open => scan.open = true,
                Mark::Close => {
                    scan = Scan { from: at, ..Scan::default() };
                    ruin = 0..0;
                }
            }
            continue;
        }
        if ["```", "~~~"].iter().any(|fence| rest.starts_with(fence)) {
            // A new fenced block is not part of an unterminated value before it.
            if ruin.contains(&at) && ruin.end == text.len() && text[..at].trim_end_matches([' ', '\t']).ends_with('\n') {
                ruin = 0..0;
            }
            at += 3;
            continue;
        }
        // An object, a list, or one of them inside a string.
        let begins = rest.starts_with(['{', '[']) || ["\"{\\\"", "\"[{\\\""].iter().any(|begin| rest.starts_with(begin));
        let structure = begins && !ruin.contains(&at) && !scan.open;
        match structure.then(|| repair::parse(rest)) {
            // Nobody can know which of two values of a key is meant.
            Some(Ok(parsed)) if parsed.conflict => {
                at += parsed.end;
                scan.items.push(Item::Broken { cut: false });
                continue;
            }
            Some(Ok(parsed)) => {
                let start = at;
                at += parsed.end;
                scan.items.push(Item::Value { start, parsed });
                continue;
            }
            Some(Err(broken)) => {
                let cost = if broken.structure { rest.len() } else { broken.at };
                let spent = work.checked_sub(cost);
                work = spent.unwrap_or(0);
                if broken.structure || spent.is_none() {
                    scan.items.push(Item::Broken { cut: broken.at >= rest.trim_end().len() });
                    ruin = at..spent.and_then(|_| closed(rest)).map_or(text.len(), |end| at + end);
                }
            }
            None => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    scan
}

/// Guesses where the value at the start of `text` ends. The value is broken, so its closing brace
/// or bracket is not certain.
fn closed(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The content of a Markdown code fence that spans the whole text.
pub(super) fn unfenced(text: &str) -> Option<&str> {
    let fence = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence))?;
    let (_language, body) = text.strip_prefix(fence)?.strip_suffix(fence)?.split_once('\n')?;
    Some(body.trim())
}

/// Whether a text contains anything but fences.
pub(super) fn is_prose(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with("```") && !line.starts_with("~~~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scanner_knows_thought_marks_in_all_notations() {
        for open in [
            "<think>",
            "<THINK>",
            "<thinking>",
            "<thought>",
            "<reasoning>",
            "<|begin_of_thought|>",
            "[THINK]",
            "<seed:think>",
            "◁think▷",
            "<|channel|>analysis<|message|>",
            "<|channel|>commentary to=x",
            "<|START_THINKING|>",
            "<think duration=\"3\">",
            "<|channel>thought",
            "<unused94>thought",
            "<|think|>",
            "<thinking>",
            "<scratchpad>",
        ] {
            assert_eq!(mark(open).map(|(mark, _)| mark), Some(Mark::Open), "{open}");
        }
        for close in [
            "</think>",
            "</ think >",
            "</thinking>",
            "</reasoning>",
            "<|end_of_thought|>",
            "[/THINK]",
            "</seed:think>",
            "◁/think▷",
            "<|channel|>final<|message|>",
            "<|channel|>final <|constrain|>json<|message|>",
            "<|END_THINKING|>",
            "<channel|>",
            "<unused95>",
            "<|/think|>",
            "<think/>",
        ] {
            assert_eq!(mark(close), Some((Mark::Close, close.len())), "{close}");
        }
        for none in ["<b>", "[1]", "[analysis]", "[]", "<", "<thin", "< 3 and > 2", "<answer>", "<|message|>", "[thought]"] {
            assert_eq!(mark(none), None, "{none}");
        }
    }

    #[test]
    fn hostile_texts_scan_in_linear_time() {
        for piece in ["{\"a\":", "[{", "{", "{\"a\":[1,", "{/*", "{\"a\":\"", "<", "[[[[", "{'a':'", "{\"a\":{x}"] {
            let text = piece.repeat(50_000);
            assert!(scan(&text).items.iter().all(|item| matches!(item, Item::Broken { .. })), "{piece}");
        }
    }
}
