//! Typed formats: memory that does not grow with the rows, rows per second, and the size of files.

use super::child::{myself, run};
use docmill::model::{Column, ColumnType, JobColumns, Row};
use docmill::write::{FileForm, Format, OutputFile};
use fastrand::Rng;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// The argument of a process that writes rows.
pub const MODE: &str = "write-rows";

const FEW: u64 = 10_000;
const FORMATS: [(&str, Format); 4] = [("csv", Format::Csv), ("parquet", Format::Parquet), ("arrow", Format::Arrow), ("xlsx", Format::Xlsx)];

pub fn sinks(many: u64) {
    let dir = tempfile::tempdir().unwrap();
    for (name, _) in FORMATS {
        let path = dir.path().join(name);
        let [few, all] = [FEW, many].map(|rows| run(&mut myself(&[MODE, name, &rows.to_string(), path.to_str().unwrap()])));
        println!(
            "sinks: {name}: {many} rows: {:.0} rows/s (wanted: 100,000), {:.0} MB on disk; memory {:.0} MB, {:.2} x that of {FEW} rows (wanted: at most 1.15)",
            many as f64 / all.wall.as_secs_f64(),
            std::fs::metadata(&path).unwrap().len() as f64 / 1e6,
            all.peak_mb,
            all.peak_mb / few.peak_mb,
        );
    }
    pyarrow(&dir.path().join("parquet"));
}

/// Compares the size with that of the same table by pyarrow, if the tests' clients are installed.
fn pyarrow(file: &Path) {
    const SCRIPT: &str = "
import os, sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
for codec in ('zstd', 'snappy'):
    pq.write_table(table, sys.argv[1] + codec, compression=codec)
    print('sinks: parquet: %.3f x the size of the same table by pyarrow with %s (wanted: at most 1.1)' % (os.path.getsize(sys.argv[1]) / os.path.getsize(sys.argv[1] + codec), codec))
";
    let Some(clients) = std::env::var_os("DOCMILL_TEST_CLIENTS") else {
        println!("sinks: DOCMILL_TEST_CLIENTS is not set, so there is no pyarrow to compare with");
        return;
    };
    let _status = Command::new(Path::new(&clients).join("python/bin/python")).args(["-c", SCRIPT]).arg(file).status().unwrap();
}

/// Writes rows as they come from the store: JSON is parsed, and then pushed.
pub fn write(format: &str, rows: u64, path: &str) {
    let (_, format) = FORMATS.into_iter().find(|(name, _)| *name == format).unwrap();
    let file = OutputFile::stream(Box::new(File::create(path).unwrap()));
    let mut sink = format.begin(file, &columns(), &FileForm::default()).unwrap();
    // Rows are made once, so that making them is not measured.
    let made: Vec<String> = (0..1000).map(row).collect();
    for index in 0..rows {
        // Each row has a text of its own.
        let text = made[(index % 1000) as usize].replace("SUMMARY", &summary(index));
        let document = format!("letters/2026/{index:07}.txt");
        let row = Row::read(index, &document, &text).unwrap();
        sink.push(&row, &Row::line(index, &document, &text)).unwrap();
    }
    sink.finish().unwrap();
}

fn columns() -> JobColumns {
    let list = |kind| ColumnType::List(Box::new(kind));
    let choice = |values: [&str; 3]| ColumnType::Enum(values.map(str::to_owned).into());
    let columns = [
        ("summary", ColumnType::String),
        ("sentiment", choice(["positive", "neutral", "negative"])),
        ("sentiment_score", ColumnType::Number),
        ("keywords", list(ColumnType::String)),
        ("category", choice(["letter", "invoice", "news"])),
        ("day", ColumnType::Date),
        ("pages", ColumnType::Integer),
        ("sender", ColumnType::Object(vec![Column::new("name", ColumnType::String), Column::new("city", ColumnType::String)])),
    ];
    let columns = columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
    JobColumns { name: "bench".into(), digest: None, columns }
}

/// Thirty words out of two thousand.
fn summary(index: u64) -> String {
    let mut rng = Rng::with_seed(index);
    let mut text = String::new();
    for _ in 0..30 {
        let word = rng.u16(0..2000);
        // Letters in the manner of words.
        text.extend(
            [b"bdfgklmnprst"[usize::from(word) % 12], b"aeiou"[usize::from(word) / 12 % 5], b"lmnrst"[usize::from(word) / 60 % 6]]
                .map(char::from),
        );
        text.push_str(["en ", "ing ", "er ", "s ", " ", "ation "][usize::from(word) / 360]);
    }
    text
}

fn row(n: u64) -> String {
    let mut rng = Rng::with_seed(n);
    let mut word = || ["heat", "pump", "letter", "glass", "order", "crane", "harbour", "paper", "of", "the", "and", "is"][rng.usize(0..12)];
    let keywords: Vec<&str> = (0..5).map(|_| word()).collect();
    let pick = |rng: &mut Rng, of: [&'static str; 3]| of[rng.usize(0..3)];
    let answers = json!({
        "summary": "SUMMARY",
        "sentiment": pick(&mut rng, ["positive", "neutral", "negative"]),
        "sentiment_score": (rng.f64() * 100.0).round() / 100.0,
        "keywords": keywords,
        "category": pick(&mut rng, ["letter", "invoice", "news"]),
        "day": format!("2026-{:02}-{:02}", rng.u8(1..13), rng.u8(1..29)),
        "pages": rng.u32(1..40),
        "sender": {"name": "A. Person", "city": pick(&mut rng, ["Ulm", "Kiel", "Bonn"])},
    });
    let call = |rng: &mut Rng| -> Value {
        json!({"task": "t", "status": "ok", "attempts": 1, "usage": {"uncached_input": rng.u32(300..900), "cache_read": 0, "cache_write": 0, "output": rng.u32(40..200)}, "cost_usd": 0.000_123, "seconds": rng.f64()})
    };
    json!({"status": "ok", "job": "bench", "provider": "openai", "model": "m", "answers": answers, "calls": [call(&mut rng)]}).to_string()
}
