//! What attributes of HTML tags mean: hidden and struck text, and tables of other elements.

use html5ever::tokenizer::Tag;

/// Elements within a line.
const INLINE: [&str; 10] = ["a", "b", "em", "font", "i", "p", "small", "span", "strong", "u"];

/// Whether a tag hides its content from readers.
///
/// `html` and `body` do not count, because scripts may show such a page.
pub(super) fn is_hidden(name: &str, tag: &Tag) -> bool {
    let attribute = |name: &str| tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| &*a.value);
    let by_style = |style: &str| {
        let plain: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        plain.split(';').any(|rule| {
            // Blocks without a size often only remove gaps, and scripts fade in those without opacity.
            let size = rule.strip_prefix("font-size:").or_else(|| rule.strip_prefix("opacity:")).filter(|_| INLINE.contains(&name));
            let is_zero = |value: &str| {
                value
                    .trim_end_matches("!important")
                    .trim_end_matches(|c: char| c.is_alphabetic() || c == '%')
                    .parse::<f64>()
                    .is_ok_and(|value| value <= 0.0)
            };
            rule.starts_with("display:none") || rule.starts_with("visibility:hidden") || size.is_some_and(is_zero)
        })
    };
    !matches!(name, "html" | "body")
        && (attribute("hidden").is_some_and(|value| value != "until-found")
            || attribute("style").is_some_and(by_style)
            || name == "dialog" && attribute("open").is_none())
}

/// Whether a style strikes the text.
pub(super) fn strikes(style: &str) -> bool {
    let style = style.to_ascii_lowercase();
    style
        .split(';')
        .filter_map(|rule| rule.split_once(':'))
        .any(|(property, value)| matches!(property.trim(), "text-decoration" | "text-decoration-line") && value.contains("line-through"))
}

/// The element of a table that another element stands for, by its role or style.
pub(super) fn role(name: &str, attribute: &impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    if matches!(name, "table" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "html" | "body") {
        return None;
    }
    let by_role = attribute("role").and_then(|role| match &*role.to_ascii_lowercase() {
        "table" | "grid" | "treegrid" => Some("table"),
        "row" => Some("tr"),
        "cell" | "gridcell" | "columnheader" | "rowheader" => Some("td"),
        _ => None,
    });
    by_role.or_else(|| {
        let style: String = attribute("style")?.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        style.split(';').find_map(|rule| match rule.strip_prefix("display:")? {
            "table" | "inline-table" => Some("table"),
            "table-row" => Some("tr"),
            "table-cell" => Some("td"),
            _ => None,
        })
    })
}
