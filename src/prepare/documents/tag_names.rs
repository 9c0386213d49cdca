//! Names of HTML elements by what they are.

/// Elements without text for readers.
///
/// The content of scripts and styles is not markup.
pub(super) const SKIPPED: [&str; 13] =
    ["applet", "audio", "canvas", "datalist", "head", "iframe", "nav", "noscript", "object", "script", "style", "template", "video"];

/// Block elements.
pub(super) const BLOCKS: [&str; 28] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "details",
    "dialog",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hgroup",
    "hr",
    "legend",
    "main",
    "noframes",
    "optgroup",
    "p",
    "plaintext",
    "search",
    "section",
    "summary",
];

/// Elements without content and end tag.
pub(super) const VOID: [&str; 13] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements whose end tag is optional.
pub(super) const OPEN_ENDED: [&str; 8] = ["p", "li", "dt", "dd", "tr", "td", "th", "option"];

/// Whether the start of `next` ends the element `open`.
pub(super) fn is_ended(open: &str, next: &str) -> bool {
    let row = matches!(next, "tr" | "tbody" | "tfoot");
    match open {
        "p" => {
            BLOCKS.contains(&next)
                || OPEN_ENDED.contains(&next)
                || matches!(next, "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table" | "pre")
        }
        "li" => next == "li",
        "dt" | "dd" => matches!(next, "dt" | "dd"),
        "td" | "th" => row || matches!(next, "td" | "th"),
        "tr" => row,
        "option" => matches!(next, "option" | "optgroup"),
        _ => false,
    }
}

/// Whether a tag cannot be inside a field with options, so that the field must have ended.
pub(super) fn ends_select(name: &str) -> bool {
    BLOCKS.contains(&name) || matches!(name, "table" | "tr" | "td" | "th" | "ul" | "ol" | "li" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}
