//! Writes all rows into the page, compressed.
//!
//! The page decompresses the heads of rows for its table. It decompresses the content of a row only
//! when the user opens the row. A page with a hundred thousand rows has some megabytes and opens at
//! once. No byte of a row is ever markup.

use super::facets::bars_of;
use super::shown::short;
use super::specialists::side;
use super::thumbnail::Thumbnails;
use super::{PageError, Report};
use crate::model::{CallRecord, CallStatus, Money, Row};
use crate::store::{Archive, ResultRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Maximum number of rows in the table. A browser must hold and search them.
pub const MAX_ROWS: u64 = 250_000;
/// Maximum size of the rows' compressed content in the file, in bytes.
const MAX_BYTES: u64 = 64_000_000;
/// Rows per compressed block: of heads, and of contents.
const PACK: [usize; 2] = [2_000, 100];
/// Maximum characters of a document name.
const NAME: usize = 300;
/// Maximum characters of an answer in the table.
const ANSWER: usize = 120;
/// Maximum number of short fields on a picture's card.
const FACTS: usize = 6;
/// Maximum characters of a short field.
const FACT: usize = 40;
/// Maximum characters of a text in an opened row.
const TEXT: usize = 2_000;
/// Maximum characters of all texts in an opened row.
const ALL_TEXT: usize = 32_000;
/// Maximum number of calls in an opened row.
const CALLS: usize = 100;

/// Counts of shown and omitted items, for the note at the end.
#[derive(Debug, Default, Serialize)]
pub struct LeftOut {
    /// Rows in the table.
    pub rows: u64,
    /// Rows that the user can open.
    pub opened: u64,
    /// Texts that were cut.
    pub shortened: u64,
    /// Images with a thumbnail, and all images.
    pub thumbnails: (u64, u64),
}

/// Writes the rows of a report.
pub fn write(archive: &Archive, report: &Report, thumbnails: &Thumbnails, out: &mut impl Write) -> Result<LeftOut, PageError> {
    let (mut heads, mut holds) = (Pack::new("heads", PACK[0]), Pack::new("holds", PACK[1]));
    let mut left = LeftOut::default();
    archive.results(report.view, |record: ResultRecord<'_>| -> Result<bool, PageError> {
        if left.rows == MAX_ROWS {
            return Ok(false);
        }
        left.rows += 1;
        let row = Row::read(record.position, record.document, record.text).map_err(|e| PageError::Row(record.document.to_owned(), e))?;
        let picture = thumbnails.of(&row, &mut left.thumbnails);
        let has_picture = picture.is_some();
        if let Some(picture) = picture {
            writeln!(out, "<script type=\"text/plain\" class=\"photo\" data-index=\"{}\">{picture}</script>", row.index)?;
        }
        heads.push(&head(&row, report, has_picture), out)?;
        if holds.written < MAX_BYTES {
            left.opened += 1;
            let mut texts = Texts { room: ALL_TEXT, shortened: 0 };
            holds.push(&texts.of_row(&row, report), out)?;
            left.shortened += texts.shortened;
        }
        Ok(true)
    })?;
    heads.finish(out)?;
    holds.finish(out)?;
    Ok(left)
}

/// The fields of a row in the table.
///
/// Returns `[index, name, status, answer, input tokens, output tokens, cost, seconds, failure code,
/// job, bars of the charts, cells of the matrix, card]`.
fn head(row: &Row, report: &Report, has_picture: bool) -> Value {
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
        row.job,
        bars_of(&report.findings.fields, row),
        report.findings.specialists.as_ref().map(|specialists| specialists.cells(row)),
        has_picture.then(|| card(row)),
    ])
}

/// The card of a picture: `[short fields, one text each; the other answers, cut]`.
///
/// Short fields are numbers, booleans and short texts, such as names of a list and dates.
fn card(row: &Row) -> Value {
    let is_short = |value: &Value| match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text.chars().count() <= FACT && !text.contains('\n'),
        _ => false,
    };
    let (facts, texts): (Vec<_>, Vec<_>) = row.answers.iter().partition(|(_, value)| is_short(value));
    let facts: Vec<String> = facts
        .into_iter()
        .take(FACTS)
        .map(|(name, value)| short(&format!("{}: {}", name.replace('_', " "), text_of(value)), ANSWER))
        .collect();
    let texts: Vec<String> = texts.into_iter().take(3).map(|(_, value)| text_of(value)).filter(|text| !text.is_empty()).collect();
    json!([facts, short(&texts.join(" · "), ANSWER)])
}

/// Cuts the texts of a row to limit the page size.
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

    /// Content of an opened row.
    ///
    /// Returns `[failure, columns, answers, facts, calls, number of further calls, answers of
    /// specialists]`.
    fn of_row(&mut self, row: &Row, report: &Report) -> Value {
        let failure = row.failure.as_ref().map(|failure| [failure.code.to_string(), self.cut(&failure.message)]);
        // Answers of specialists stand in their own table.
        let hides = |name: &str| report.findings.specialists.as_ref().is_some_and(|specialists| specialists.hides(name));
        let mut pairs = |map: &serde_json::Map<String, Value>| -> Vec<[String; 2]> {
            map.iter().filter(|(name, _)| !hides(name)).map(|(name, value)| [self.cut(name), self.cut(&text_of(value))]).collect()
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
        let specialists: Vec<Value> =
            row.calls.iter().filter(|call| !call.axes.is_empty()).take(CALLS).map(|call| self.of_side(call)).collect();
        json!([failure, columns, answers, facts, calls, row.calls.len().saturating_sub(CALLS), specialists])
    }

    /// The answer of a specialist: its side, and the fields of the answer.
    fn of_side(&mut self, call: &CallRecord) -> Value {
        let fields = call.answer.iter().filter_map(Value::as_object).flatten();
        let fields: Vec<[String; 2]> = fields.map(|(name, value)| [self.cut(name), self.cut(&text_of(value))]).collect();
        json!([side(&call.axes), fields])
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

/// A value as readable text.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(text_of).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Collects JSON lines into compressed script elements.
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
    fn packs_hold_every_line_once_and_contain_no_markup() {
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
    fn a_card_has_a_line_for_each_short_field_and_cuts_only_texts() {
        let text = r#"{"job": "j", "provider": "p", "model": "m", "status": "ok", "answers": {"about": "LONG", "kind": "chair", "worn": true, "tags": ["a", "b"], "price": 3.5}, "calls": []}"#;
        let row = Row::read(0, "a.jpg", &text.replace("LONG", &"long ".repeat(60))).expect("a row");
        let card = card(&row);
        assert_eq!(card[0], json!(["kind: chair", "worn: yes", "price: 3.5"]));
        assert!(card[1].as_str().is_some_and(|text| text.starts_with("long long") && text.chars().count() <= ANSWER + 1), "{card}");
    }

    #[test]
    fn texts_are_cut_individually_and_in_total() {
        let mut texts = Texts { room: ALL_TEXT, shortened: 0 };
        let long = "ä".repeat(TEXT + 1);
        let kept: usize = (0..100).map(|_| texts.cut(&long).chars().count()).sum();
        assert!(kept <= ALL_TEXT + 200, "{kept}");
        assert_eq!(texts.shortened, 100);
        assert_eq!(Texts { room: ALL_TEXT, shortened: 0 }.cut("short"), "short");
    }
}
