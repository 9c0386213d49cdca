//! Blocks of style sheets: where they end, what is their own, and on which screens they count.

/// Width of a wide screen, and size of its letters, in pixels.
const SCREEN: f64 = 1280.0;
const LETTER: f64 = 16.0;

/// A block whose start has been read, and what follows it.
pub(super) fn divided(css: &str) -> (&str, &str) {
    let (mut depth, mut quote, mut is_escaped) = (1_usize, None, false);
    let end = css.char_indices().find(|(_, character)| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match (quote, character) {
            (_, '\\') => is_escaped = true,
            // Only damaged strings go on behind a line.
            (Some(_), '\n') => quote = None,
            (Some(open), character) if open == *character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(*character),
            (None, '{') => depth += 1,
            (None, '}') => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or((css, ""), |(at, _)| (&css[..at], &css[at + 1..]))
}

/// The declarations of a block, without the rules inside it.
pub(super) fn declarations(block: &str) -> String {
    let (mut own, mut rest) = (String::new(), block);
    while let Some((before, behind)) = rest.split_once('{') {
        let (before, head) = before.rsplit_once([';', '}']).unwrap_or(("", before));
        own.extend([before, ";"]);
        let is_own = head.trim().strip_prefix('@').is_some_and(is_met);
        rest = if is_own { behind } else { divided(behind).1 };
    }
    own.push_str(rest);
    own.replace('}', ";")
}

/// Whether the rules within `@media ...`, `@layer ...` or `@supports ...` count.
pub(super) fn is_met(condition: &str) -> bool {
    let is_always = condition.starts_with("layer") || condition.starts_with("supports") && !condition.contains("not");
    condition.strip_prefix("media").map_or(is_always, is_for_screens)
}

/// Whether a list of media holds for a wide screen.
pub(super) fn is_for_screens(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    let is_met =
        |condition: &str| matches!(condition.trim(), "screen" | "all" | "") || least_width(condition).is_some_and(|least| least <= SCREEN);
    media.split(',').any(|medium| medium.trim().trim_start_matches("only ").split(" and ").all(is_met))
}

/// The least width in pixels: `(min-width: 48rem)`, `(width >= 768px)`.
fn least_width(condition: &str) -> Option<f64> {
    let condition: String = condition.split_whitespace().collect();
    let width = condition.strip_prefix('(')?.strip_suffix(')')?;
    let width = width.strip_prefix("min-width:").or_else(|| width.strip_prefix("width>="))?;
    let unit = width.find(|c: char| c.is_alphabetic()).unwrap_or(width.len());
    let scale = match &width[unit..] {
        "px" | "" => 1.0,
        "em" | "rem" => LETTER,
        _ => return None,
    };
    width[..unit].parse::<f64>().ok().map(|number| number * scale)
}
