use super::cell::{cell, guarded};
use super::*;
use crate::model::{Column, ColumnType, Failure, FailureCode, JobColumns, ResultFile, Row, RowStatus};
use serde_json::{Map, Value, json};

fn row(index: u64, answers: Map<String, Value>) -> Row {
    Row {
        index,
        document: format!("{index}.txt"),
        status: RowStatus::Ok,
        job: "test".into(),
        provider: "simulated".into(),
        model: "m".into(),
        columns: Map::new(),
        answers,
        failure: None,
        input: None,
        calls: Vec::new(),
    }
}

fn write(rows: &[Row], columns: &[&str]) -> (tempfile::TempDir, OutputSettings) {
    let dir = tempfile::tempdir().unwrap();
    let settings = OutputSettings {
        accept_failed: Vec::new(),
        mode: crate::write::FileMode::Umask,
        dir: dir.path().into(),
        formats: Format::ALL.into(),
        csv_bom: false,
        csv_separator: Separator::Comma,
        csv_decimal: Decimal::Point,
        only_formats: false,
        files: DocumentFiles::default(),
        copy_to: String::new(),
        postgres: String::new(),
        postgres_table: String::new(),
        postgres_wait_s: 0,
        existing: crate::write::Existing::Ask,
    };
    write_into(&settings, rows, columns);
    (dir, settings)
}

fn job(columns: &[&str]) -> JobColumns {
    let columns = columns.iter().map(|name| Column::new(*name, ColumnType::Json)).collect();
    JobColumns { name: "test".into(), digest: None, columns }
}

fn write_into(settings: &OutputSettings, rows: &[Row], columns: &[&str]) -> Vec<ResultFile> {
    let before = ResultFiles::complete(settings, "test");
    let mut files = ResultFiles::create(settings, &job(columns)).unwrap();
    for row in rows {
        let text = serde_json::to_string(row).unwrap();
        files.push(row, &Row::line(row.index, &row.document, &text)).unwrap();
    }
    assert_eq!(ResultFiles::complete(settings, "test"), before, "files must not be there before they are complete");
    files.finish().unwrap()
}

#[test]
fn null_and_an_empty_list_have_different_cells() {
    use serde_json::json;
    let cells = [json!(null), json!([]), json!(["a", "b"]), json!([1, null]), json!([{"a": 1}])];
    assert_eq!(cells.each_ref().map(|value| super::cell::cell(value).into_owned()), ["", "[]", "a; b", "1; null", "[{\"a\":1}]"]);
}

#[test]
fn cells_are_never_formulas_and_numbers_stay_numbers() {
    for (text, expected) in [
        ("=1+1", "'=1+1"),
        ("+1", "+1"),
        ("-5", "-5"),
        ("-1e-7", "-1e-7"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("'x", "''x"),
        ("＝1", "'＝1"),
        ("\n=1", "'\n=1"),
        ("\nword", "'\nword"),
        (";=1", "';=1"),
        (" \u{200b};@SUM(A1)", "' \u{200b};@SUM(A1)"),
        ("\u{2028}x", "'\u{2028}x"),
        (" = 1", "' = 1"),
        (" -5 ", " -5 "),
        ("; word", "; word"),
        ("-word", "'-word"),
        ("+49 89", "'+49 89"),
        ("plain", "plain"),
        ("", ""),
        ("a\0b", "ab"),
        ("-inf", "-inf"),
        ("-Infinity", "-Infinity"),
        ("+INFINITY", "+INFINITY"),
        ("-NaN", "-NaN"),
        ("-Infinity+A1", "'-Infinity+A1"),
        ("-infinity()", "'-infinity()"),
        ("=Infinity", "'=Infinity"),
        ("--1", "'--1"),
        ("-1+1", "'-1+1"),
    ] {
        assert_eq!(guarded(text), expected, "{text}");
    }
    assert_eq!(cell(&json!(-5)), "-5");
    assert_eq!(cell(&json!(["=a", "b"])), "'=a; b");
    assert_eq!(cell(&json!([-1, 2.5])), "-1; 2.5");
    assert_eq!(cell(&json!([-1, "a"])), "'-1; a");
    assert_eq!(cell(&json!({"a": [1]})), r#"{"a":[1]}"#);
}

#[test]
fn all_three_files_hold_the_same_rows() {
    let mut failed = row(1, Map::new());
    failed.status = RowStatus::Failed;
    failed.failure = Some(Failure::new(FailureCode::Empty, "nothing, \"really\"\nnothing"));
    let rows = [row(0, Map::from_iter([("n".to_owned(), json!(7))])), failed];
    let (dir, _) = write(&rows, &["n"]);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("test").join(name)).unwrap();
    let lines: Vec<Row> = read("results.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let array: Vec<Row> = serde_json::from_str(&read("results.json")).unwrap();
    assert_eq!(lines, rows);
    assert_eq!(array, rows);
    let text = read("results.csv");
    assert!(text.starts_with("index,document,status,n,provider,model,failure_code,"), "{text}");
    assert!(
        text.contains(
            "\r\n0,0.txt,ok,7,simulated,m,,,,,0,0,0,0,0,0,0.000\r\n1,1.txt,failed,,simulated,m,empty,\"nothing, \"\"really\"\"\nnothing\","
        ),
        "{text}"
    );
}

#[test]
fn an_empty_text_is_no_null() {
    let answer = |text: Value| [("a".to_owned(), text)].into_iter().collect();
    for (value, cell) in [(json!(""), "\"\""), (json!("\0"), "\"\""), (json!(["\0\0"]), "\"\""), (Value::Null, "")] {
        let (dir, _) = write(&[row(0, answer(value.clone()))], &["a"]);
        let text = std::fs::read_to_string(dir.path().join("test/results.csv")).unwrap();
        assert!(text.contains(&format!("\r\n0,0.txt,ok,{cell},")), "{value}: {text}");
    }
}

#[test]
fn an_empty_result_is_a_valid_array() {
    let (dir, _) = write(&[], &[]);
    assert_eq!(std::fs::read_to_string(dir.path().join("test/results.json")).unwrap(), "[]\n");
}

#[test]
fn every_sink_holds_repeated_rows_once_and_drops_rows_that_do_not_come_again() {
    let rows: Vec<Row> = (0..3).map(|index| row(index, Map::from_iter([("n".to_owned(), json!(index))]))).collect();
    let (_dir, settings) = write(&rows, &["n"]);
    let digests = || sinks(&settings, "test").iter().map(|sink| sink.digest().unwrap()).collect::<Vec<_>>();
    let first = digests();
    let again = write_into(&settings, &rows, &["n"]);
    assert_eq!(digests(), first);
    assert_eq!(again.iter().map(|file| file.digest).collect::<Vec<_>>(), first);
    write_into(&settings, &rows[..2], &["n"]);
    assert_eq!(digests(), write_into(&settings, &rows[..2], &["n"]).iter().map(|file| file.digest).collect::<Vec<_>>());
    assert!(digests().iter().zip(&first).all(|(fewer, all)| fewer != all));
    let lines = std::fs::read_to_string(settings.dir.join("test/results.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_sink_is_current_if_it_holds_what_was_published_in_the_configured_form() {
    let (_dir, settings) = write(&[row(0, Map::new())], &[]);
    let published = write_into(&settings, &[row(0, Map::new())], &[]);
    let are_current = |settings: &OutputSettings| ResultFiles::are_current(settings, "test", &published);
    assert!(!are_current(&settings), "the summary is missing");
    ResultFiles::write_summary(&settings, "test", &json!({})).unwrap();
    assert!(are_current(&settings));
    assert!(!are_current(&OutputSettings { csv_bom: true, ..settings.clone() }));
    let of_csv = |file: &&ResultFile| file.path == "test/results.csv";
    let csv: Vec<ResultFile> = published.iter().filter(of_csv).cloned().collect();
    assert!(!ResultFiles::are_current(&settings, "test", &csv), "formats were added");
    assert!(ResultFiles::are_current(&OutputSettings { formats: vec![Format::Csv], ..settings.clone() }, "test", &csv));
    std::fs::write(settings.dir.join("test/results.json"), "[\n").unwrap();
    assert!(!are_current(&settings));
}

#[test]
fn remade_results_have_the_digest_of_the_existing_ones_and_change_nothing() {
    let (_dir, settings) = write(&[], &["n"]);
    let settings = OutputSettings { csv_bom: true, ..settings };
    let one = row(0, Map::from_iter([("n".to_owned(), json!(1))]));
    write_into(&settings, std::slice::from_ref(&one), &["n"]);
    // The existing file decides about the byte order mark.
    for sink in sinks(&OutputSettings { csv_bom: false, ..settings }, "test") {
        let before = sink.digest().unwrap();
        let mut rows = sink.remake(&job(&["n"])).unwrap();
        rows.push(&one, &Row::line(0, &one.document, &serde_json::to_string(&one).unwrap())).unwrap();
        assert_eq!(rows.finish().unwrap().digest, before, "{}", sink.path());
        assert_eq!(sink.digest().unwrap(), before);
    }
}

proptest::proptest! {
    /// A CSV reader gets any text back by the documented rule: remove one leading `'`. NUL is the
    /// exception; `results.jsonl` keeps it.
    #[test]
    fn any_text_survives_the_csv(texts in proptest::collection::vec("[^\0]{0,12}|['=+@\t\r\n\",-]{1,3}[a-z0-9]{0,3}", 1..5)) {
        let columns: Vec<String> = (0..texts.len()).map(|i| format!("c{i}")).collect();
        let answers = columns.iter().cloned().zip(texts.iter().map(|t| json!(t))).collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let (dir, _) = write(&[row(0, answers)], &names);
        let mut reader = csv::Reader::from_path(dir.path().join("test/results.csv")).unwrap();
        let record = reader.records().next().unwrap().unwrap();
        for (text, field) in texts.iter().zip(record.iter().skip(3)) {
            let unguarded = field.strip_prefix('\'').unwrap_or(field);
            proptest::prop_assert_eq!(unguarded, text);
        }
    }
}

/// A writer on a full disk.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_recognised_in_every_format() {
    for format in Format::ALL {
        // Buffered rows are written at the end.
        let rows = |text: &str| {
            let mut file = format.begin(OutputFile::stream(Box::new(Full)), &job(&["a"]), &FileForm::default())?;
            file.push(&row(0, [("a".to_owned(), json!(text))].into_iter().collect()), text)?;
            file.finish().map(drop)
        };
        for text in ["short".to_owned(), "long ".repeat(10_000)] {
            assert_eq!(rows(&text).unwrap_err().kind(), std::io::ErrorKind::StorageFull, "{format:?}");
        }
    }
}
