//! What attributes of HTML tags mean: hidden text, and tables of other elements.

use super::style_sheet::Style;

/// Elements within a line.
const INLINE: [&str; 10] = ["a", "b", "em", "font", "i", "p", "small", "span", "strong", "u"];

/// Whether a tag hides its content from readers.
///
/// `html` and `body` do not count, because scripts may show such a page.
pub(super) fn is_hidden(name: &str, style: Style, attribute: &impl Fn(&str) -> Option<String>) -> bool {
    !matches!(name, "html" | "body")
        && (attribute("hidden").is_some_and(|value| value != "until-found")
            || style.hides(INLINE.contains(&name))
            || name == "dialog" && attribute("open").is_none())
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
