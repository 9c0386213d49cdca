//! Lists of web pages.

use crate::prepare::documents::tokens::{raw, tokenized};
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult};
use std::cell::RefCell;

/// The kind of the numbers of a list, by its type and its style.
pub(in crate::prepare::documents) fn list_kind(kind: Option<&str>, style: Option<&str>) -> &'static str {
    let style = style.unwrap_or_default().to_ascii_lowercase();
    let by_style = style.split(';').find_map(|rule| {
        let (property, value) = rule.split_once(':')?;
        let value = matches!(property.trim(), "list-style" | "list-style-type").then_some(value)?;
        value.split_whitespace().find_map(|word| match word {
            "lower-alpha" | "lower-latin" => Some("lowerLetter"),
            "upper-alpha" | "upper-latin" => Some("upperLetter"),
            "lower-roman" => Some("lowerRoman"),
            "upper-roman" => Some("upperRoman"),
            "decimal-leading-zero" => Some("decimalZero"),
            "decimal" => Some("decimal"),
            _ => None,
        })
    });
    by_style.unwrap_or(match kind {
        Some("a") => "lowerLetter",
        Some("A") => "upperLetter",
        Some("i") => "lowerRoman",
        Some("I") => "upperRoman",
        _ => "decimal",
    })
}

/// The number of items of each `ol` element of a page, if some of them count down.
pub(in crate::prepare::documents) fn lengths(html: &str) -> Vec<i64> {
    if !html.contains("reversed") {
        return Vec::new();
    }
    tokenized(html, Counts::default()).0.into_inner().0
}

/// The counts of all `ol` elements, and the open lists: positions of counts, or `None` for `ul`.
#[derive(Default)]
struct Counts(RefCell<(Vec<i64>, Vec<Option<usize>>)>);

impl TokenSink for Counts {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        let (counts, open) = &mut *self.0.borrow_mut();
        // Elements such as scripts contain no tags.
        let raw = raw(&tag.name).filter(|_| tag.kind == TagKind::StartTag && !tag.self_closing);
        match (&*tag.name, tag.kind) {
            ("ol", TagKind::StartTag) => {
                open.push(Some(counts.len()));
                counts.push(0);
            }
            ("ul", TagKind::StartTag) => open.push(None),
            ("ol" | "ul", TagKind::EndTag) => drop(open.pop()),
            ("li", TagKind::StartTag) => {
                if let Some(count) = open.last().copied().flatten().and_then(|at| counts.get_mut(at)) {
                    *count += 1;
                }
            }
            _ => {}
        }
        raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData)
    }
}
