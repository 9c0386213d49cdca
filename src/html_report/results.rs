//! All rows, packed: the page unpacks what its table shows, and what a row holds only when somebody opens it. So a hundred
//! thousand rows make a file of some megabytes that opens at once, and no byte of theirs is ever read as markup.

use super::PageError;
use super::shown::short;
use super::thumbnail::Thumbnails;
use crate::model::{CallRecord, CallStatus, Money, Row};
use crate::store::{Archive, ResultRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Rows in the table at the most: a browser has to hold and to search them.
pub const MOST_ROWS: u64 = 250_000;
/// Bytes that what the rows hold may take in the file, packed.
const MOST_BYTES: u64 = 64_000_000;
/// Rows that are unpacked together: for the table, and to be opened.
const PACK: [usize; 2] = [2_000, 100];
/// Characters of a name, of the answer in the table, of a text in an opened row, and of all texts in it.
const NAME: usize = 300;
const ANSWER: usize = 120;
const TEXT: usize = 2_000;
const ALL_TEXT: usize = 32_000;
/// Calls that an opened row lists.
const CALLS: usize = 100;

/// What had to be left out, for people.
#[derive(Debug, Default, Serialize)]
pub struct LeftOut {
    /// Rows in the table.
    pub rows: u64,
    /// Rows of them that can be opened.
    pub opened: u64,
    /// Texts that were shortened.
    pub shortened: u64,
    /// Images that are shown, of how many.
    pub thumbnails: (u64, u64),
}

/// Writes the rows of a listing under a recipe.
pub fn write(archive: &Archive, view: (i64, i64), thumbnails: &Thumbnails, out: &mut impl Write) -> Result<LeftOut, PageError> {
    let (mut heads, mut holds) = (Pack::new("heads", PACK[0]), Pack::new("holds", PACK[1]));
    let mut left = LeftOut::default();
    archive.results(view, |record: ResultRecord<'_>| -> Result<bool, PageError> {
        if left.rows == MOST_ROWS {
            return Ok(false);
        }
        left.rows += 1;
        let row = Row::read(record.position, record.document, record.text).map_err(|e| PageError::Row(record.document.to_owned(), e))?;
        let picture = thumbnails.of(&row, &mut left.thumbnails);
        heads.push(&head(&row, picture), out)?;
        if holds.written < MOST_BYTES {
            left.opened += 1;
            let mut texts = Texts { room: ALL_TEXT, shortened: 0 };
            holds.push(&texts.of_row(&row), out)?;
            left.shortened += texts.shortened;
        }
        Ok(true)
    })?;
    heads.finish(out)?;
    holds.finish(out)?;
    Ok(left)
}

/// What the table shows: place, name, status, answer, input and output tokens, money, seconds, failure code, picture, job.
fn head(row: &Row, picture: Option<&str>) -> Value {
    let mut cost = row.calls.iter().map(|call| call.cost_usd);
    let cost: Option<Money> = cost.by_ref().sum();
    let tokens = |of: fn(&CallRecord) -> u64| row.calls.iter().map(of).sum::<u64>();
    let seconds: f64 = row.calls.iter().map(|call| call.seconds).sum();
    let code =
        row.failure.iter().chain(row.calls.iter().filter_map(|call| call.failure.as_ref())).map(|failure| failure.code.as_str()).next();
    let answers: Vec<String> = row.answers.values().take(3).map(text_of).filter(|text| !text.is_empty()).collect();
    json!([
        row.index,
        short(&row.document, NAME),
        row.status,
        short(&answers.join(" · "), ANSWER),
        tokens(|call| call.usage.input()),
        tokens(|call| call.usage.output),
        cost.map(Money::usd),
        (seconds * 1000.0).round() / 1000.0,
        code,
        picture,
        row.job,
    ])
}

/// Shortens what a row holds, so that one of a million words does not make the page one of a million words.
struct Texts {
    room: usize,
    shortened: u64,
}

impl Texts {
    fn cut(&mut self, text: &str) -> String {
        let most = self.room.min(TEXT);
        let kept = short(text, most);
        self.room -= kept.chars().count().min(self.room);
        self.shortened += u64::from(text.chars().nth(most).is_some());
        kept
    }

    /// What an opened row shows: failure, columns, answers, facts, calls, and how many more calls there are.
    fn of_row(&mut self, row: &Row) -> Value {
        let failure = row.failure.as_ref().map(|failure| [failure.code.to_string(), self.cut(&failure.message)]);
        let mut pairs = |map: &serde_json::Map<String, Value>| -> Vec<[String; 2]> {
            map.iter().map(|(name, value)| [self.cut(name), self.cut(&text_of(value))]).collect()
        };
        let (columns, answers) = (pairs(&row.columns), pairs(&row.answers));
        let calls: Vec<Value> = row.calls.iter().take(CALLS).map(|call| self.of_call(call)).collect();
        let facts = row.input.as_ref().map(|facts| {
            let size = facts.pixels.map(|[width, height]| format!("{width} × {height} pixels"));
            let words = facts.words.map(|words| format!("{words} words"));
            let note = facts.note.as_deref().map(|note| self.cut(note));
            let parts = [Some(self.cut(&facts.format)), Some(format!("{} bytes", facts.bytes)), size, words, note];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        });
        json!([failure, columns, answers, facts, calls, row.calls.len().saturating_sub(CALLS)])
    }

    fn of_call(&mut self, call: &CallRecord) -> Value {
        let about = call.axes.values().map(text_of).chain(call.part.map(|part| format!("part {part}"))).collect::<Vec<_>>().join(", ");
        let task = if about.is_empty() { call.task.clone() } else { format!("{} ({about})", call.task) };
        let failure = call.failure.as_ref().map(|failure| self.cut(&failure.to_string()));
        let status = if call.status == CallStatus::Ok { "ok" } else { "failed" };
        json!([
            self.cut(&task),
            failure.unwrap_or_else(|| status.to_owned()),
            call.model.as_deref().map(|model| self.cut(model)),
            call.attempts,
            call.usage.input(),
            call.usage.output,
            call.cost_usd.map(Money::usd),
            call.seconds,
        ])
    }
}

/// A value as people read it.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(text_of).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Lines of JSON on their way into a script element, so many together.
struct Pack {
    class: &'static str,
    most: usize,
    lines: Vec<u8>,
    held: usize,
    written: u64,
}

impl Pack {
    fn new(class: &'static str, most: usize) -> Self {
        Self { class, most, lines: Vec::new(), held: 0, written: 0 }
    }

    fn push(&mut self, line: &Value, out: &mut impl Write) -> io::Result<()> {
        self.lines.push(if self.held == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut self.lines, line)?;
        self.held += 1;
        if self.held == self.most { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.lines.push(b']');
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&self.lines)?;
        let text = STANDARD.encode(packed.finish()?);
        self.written += text.len() as u64;
        self.lines.clear();
        self.held = 0;
        writeln!(out, "<script type=\"application/gzip\" class=\"{}\">{text}</script>", self.class)
    }

    fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        if self.held > 0 { self.flush(out) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn unpacked(html: &str) -> Vec<Value> {
        let packs = html.lines().map(|line| {
            let text = line.strip_prefix("<script type=\"application/gzip\" class=\"heads\">").expect("a pack");
            let bytes = STANDARD.decode(text.strip_suffix("</script>").expect("its end")).expect("base64");
            let mut json = String::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut json).expect("gzip");
            serde_json::from_str(&json).expect("JSON")
        });
        packs.collect()
    }

    #[test]
    fn packs_hold_every_line_once_and_nothing_of_them_is_markup() {
        let mut out = Vec::new();
        let mut pack = Pack::new("heads", 2);
        for line in [json!("</script><b>"), json!(1), json!([2])] {
            pack.push(&line, &mut out).expect("written");
        }
        pack.finish(&mut out).expect("written");
        let html = String::from_utf8(out).expect("text");
        assert_eq!(unpacked(&html), [json!(["</script><b>", 1]), json!([[2]])]);
        assert!(!html.contains("<b>"));
    }

    #[test]
    fn texts_are_cut_each_and_all_together() {
        let mut texts = Texts { room: ALL_TEXT, shortened: 0 };
        let long = "ä".repeat(TEXT + 1);
        let kept: usize = (0..100).map(|_| texts.cut(&long).chars().count()).sum();
        assert!(kept <= ALL_TEXT + 200, "{kept}");
        assert_eq!(texts.shortened, 100);
        assert_eq!(Texts { room: ALL_TEXT, shortened: 0 }.cut("short"), "short");
    }
}
