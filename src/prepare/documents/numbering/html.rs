//! Lists of web pages.

use crate::prepare::documents::tokens::{raw, tokenized};
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult};
use std::cell::RefCell;

/// The kind of the numbers of a list, by its type.
pub(in crate::prepare::documents) fn list_kind(kind: Option<&str>) -> &'static str {
    match kind {
        Some("a") => "lowerLetter",
        Some("A") => "upperLetter",
        Some("i") => "lowerRoman",
        Some("I") => "upperRoman",
        _ => "decimal",
    }
}

/// The kind of the numbers of a list that a word of `list-style` names: `none`, `bullet`.
pub(in crate::prepare::documents) fn list_style(word: &str) -> Option<&'static str> {
    Some(match word {
        "none" => "none",
        "disc" | "circle" | "square" | "disclosure-open" | "disclosure-closed" => "bullet",
        "decimal" => "decimal",
        "decimal-leading-zero" => "decimalZero",
        "lower-alpha" | "lower-latin" => "lowerLetter",
        "upper-alpha" | "upper-latin" => "upperLetter",
        "lower-roman" => "lowerRoman",
        "upper-roman" => "upperRoman",
        "lower-greek" => "lowerGreek",
        "hebrew" => "hebrew1",
        "katakana" => "aiueo",
        "katakana-iroha" => "iroha",
        "cjk-decimal" => "ideographDigital",
        "cjk-ideographic" | "simp-chinese-informal" | "trad-chinese-informal" | "japanese-informal" => "chineseCounting",
        _ => return None,
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
