//! Detects prompt injection: text that gives orders to a model.
//!
//! It looks for wordings that only make sense when addressed to a model, and for text that only a
//! model reads. A match is a reason to check the row, not a proof. No match is no proof either: the
//! marks around documents and the schema of answers are the protection.
//!
//! The time is linear in the length of the text:
//!
//! - `fold`: letters that look alike become equal
//! - `words`: from a text to words
//! - `lexicon` and `rules`: categories of words that are close together
//! - `hidden`: base64 and invisible characters

mod fold;
mod hidden;
mod lexicon;
mod rules;
mod words;

#[cfg(test)]
mod tests;

use crate::model::{Content, ContentBlock};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Maximum number of quotes shown, and of characters of each.
const QUOTES: usize = 5;
const QUOTE_CHARACTERS: usize = 100;

/// Marks of chat formats and of docmill, images that send data, and orders in languages without
/// spaces.
static MARKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let marks = [
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|begin_of_text)\|>",
        r"(?-i:\[/?INST\])|<</?SYS>>|</?start_of_turn>|</?system(?:_prompt|_message)?>",
        r"</?(?:document|end-of-the-part-before)-[0-9a-f]{6,}>",
        r#""role"\s{0,3}:\s{0,3}"system""#,
        r"(?m:^)[ \t]{0,3}#{2,6}[ \t]{0,3}(?:system|instruction)[ \t]{0,3}:",
        r"!\[[^\]\n]{0,40}\]\(https?://[^)\s]{1,200}[?&][^)\s]{0,40}=[^)\s]{0,40}(?:SUMMARY|ANSWER|SECRET|PROMPT|CONTEXT|HISTORY|DATA)",
        r"(?:忽略|无视|忘记).{0,8}(?:之前|以上|上述|所有|先前|前面).{0,8}(?:指令|指示|提示)",
        r"(?:これまで|以前|上記|上の|すべて|全て).{0,8}(?:指示|命令)を?.{0,4}(?:無視|忘れ)",
        r"(?:이전|위의|모든|앞의).{0,8}(?:지시|명령|지침).{0,6}무시(?:하고|해|하세요|하십시오)",
    ];
    Regex::new(&format!("(?i)(?:{})", marks.join("|"))).ok()
});

/// Quotes of passages that give orders to a model.
pub fn prompt_injections(content: &Content) -> Vec<String> {
    let texts = content.0.iter().filter_map(|block| if let ContentBlock::Text(text) = block { Some(&*text.body) } else { None });
    texts.flat_map(find).take(QUOTES).collect()
}

/// Quotes of such passages in one text.
fn find(text: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = visible(text).map(|place| (place.start, shown(&text[place]))).collect();
    found.extend(
        hidden::decoded(text)
            .filter_map(|(run, body)| {
                let quote = visible(&body).next().map(|place| shown(&body[place]))?;
                Some((run.start, format!("{quote} (base64)")))
            })
            .take(QUOTES),
    );
    let invisible = hidden::invisible(text).into_iter().take(QUOTES);
    found.extend(invisible.map(|(run, body)| (run.start, shown(&format!("{body} (invisible characters)")))));
    found.sort_unstable();
    found.dedup_by_key(|(at, _)| *at);
    found.into_iter().take(QUOTES).map(|(_, quote)| quote).collect()
}

/// The first findings in visible text.
fn visible(text: &str) -> impl Iterator<Item = Range<usize>> {
    let marks = MARKS.iter().flat_map(|marks| marks.find_iter(text)).map(|found| found.range());
    marks.take(QUOTES).chain(rules::findings(text).into_iter().take(QUOTES))
}

fn shown(quote: &str) -> String {
    let visible = |c: char| {
        if c.is_control() || fold::is_invisible(c) { '\u{FFFD}' } else { c }
    };
    quote.chars().take(QUOTE_CHARACTERS).map(visible).collect()
}
