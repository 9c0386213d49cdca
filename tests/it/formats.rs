//! Typed formats, workbooks and dialects of CSV, as readers of other people see them.

use crate::clients::clients;
use crate::support::{ModelServer, Reply, Workspace, large_jpeg, png};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

/// Every kind of field.
const EVERY_TYPE: &str = r#"
name = "every"
input = "text"
[[task]]
id = "every"
prompt = "Fill it in.\n\n{{ document }}"
max_output_tokens = 100000
[task.answer]
text = { type = "string", nullable = true }
whole = { type = "integer", nullable = true }
ratio = { type = "number", nullable = true, unit = "kg", description = "how heavy" }
flag = { type = "boolean", nullable = true }
day = { type = "date", nullable = true }
at = { type = "time", nullable = true }
sent = { type = "date-time", nullable = true }
kind = { type = "string", enum = ["ä", "b c", "=d"], nullable = true }
tags = { type = "array", items = { type = "string", nullable = true } }
numbers = { type = "array", items = "number" }
grid = { type = "array", items = { type = "array", items = "integer" } }
maker = { type = "object", nullable = true, fields = { name = "string", since = { type = "date", nullable = true }, parts = { type = "array", fields = { n = "integer", grade = { type = "string", enum = ["A", "B"] } } } } }
lines = { type = "array", fields = { label = "string", amount = { type = "number", nullable = true } } }
"#;

/// The `n`th of these values; null for every other one beyond them.
fn pick(values: &[Value], n: usize) -> Value {
    let at = n % (values.len() + 1);
    values.get(at).cloned().unwrap_or(Value::Null)
}

/// The answer about document `n`.
fn answer(n: usize) -> Value {
    let long = format!("{}end", "long ä ".repeat(5_000));
    let texts = [
        "plain",
        "",
        " blanks around ",
        "=1+1",
        "+49 89",
        "@SUM(A1)",
        "-1",
        "'quoted",
        "emoji 😀👩‍👩‍👧 \u{202e}rtl",
        "line\nbreak\r\nand\ttab",
        "nul\0bell\u{7}esc\u{1b}",
        "_x000D_ as it is",
        "comma, semicolon; \"quotes\"",
        "<b>&amp;</b>",
        "007",
        "1e5",
        "\u{feff}mark",
        "\u{ffff}",
        "inf",
        &long,
    ];
    let texts: Vec<Value> = texts.into_iter().map(Value::from).collect();
    let part = |n: i64| json!({"n": n, "grade": if n % 2 == 0 { "A" } else { "B" }});
    json!({
        "text": pick(&texts, n),
        "whole": pick(&[json!(0), json!(-1), json!(42), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(9_007_199_254_740_993_i64), json!(1e18)], n),
        "ratio": pick(&[json!(0.1), json!(-1.5e-7), json!(1e300), json!(5), json!(9_007_199_254_740_993_i64), json!(-0.0)], n),
        "flag": pick(&[json!(true), json!(false)], n),
        "day": pick(&[json!("2026-11-29"), json!("1969-07-20"), json!("0001-01-01"), json!("0000-01-01"), json!("1900-02-28"), json!("9999-12-31")], n),
        "at": pick(&[json!("14:30"), json!("00:00:00"), json!("23:59:59.999999"), json!("23:59:60"), json!("14:30:00+01:00"), json!("01:02:03.1234567")], n),
        "sent": pick(&[json!("2026-11-29T14:30"), json!("2026-11-29T14:30:00Z"), json!("1969-12-31T23:59:59.5"), json!("2026-11-29T14:30:00-05:30"), json!("2026-11-29T14:30:00.5+00:00"), json!("0000-02-29T00:00Z"), json!("9999-12-31T23:59:59-00:01")], n),
        "kind": pick(&[json!("ä"), json!("b c"), json!("=d")], n),
        "tags": pick(&[json!([]), json!(["a", "b; c"]), json!(["=x", null, ""]), json!([null])], n % 4),
        "numbers": pick(&[json!([]), json!([0.5, 2, -1e-9]), json!([9_007_199_254_740_993_i64])], n % 3),
        "grid": pick(&[json!([]), json!([[]]), json!([[1, 2], [], [3]]), json!([[u64::MAX]])], n % 4),
        "maker": pick(&[
            json!({"name": "Å", "since": "1999-01-01", "parts": [part(1), part(2)]}),
            json!({"name": "", "since": null, "parts": []}),
        ], n),
        "lines": pick(&[json!([]), json!([{"label": "x", "amount": 1.25}, {"label": "\n", "amount": null}])], n % 2),
    })
}

/// A finished run with every format: rows with every kind of value, two failures and a document
/// without content.
fn every_format() -> (ModelServer, Workspace) {
    every_format_of(60)
}

fn every_format_of(documents: usize) -> (ModelServer, Workspace) {
    let number = |docid: &Option<String>| docid.as_ref().unwrap().parse::<usize>().unwrap();
    let server = ModelServer::script()
        .answer(move |ask| answer(number(&ask.docid)))
        .faults(move |ask| if number(&ask.docid) % 40 == 17 { Reply::Refusal } else { Reply::Ok })
        .start();
    let workspace = Workspace::new().against(&server).set("output.formats", "csv,jsonl,json,parquet,arrow,xlsx");
    workspace.write("every.toml", EVERY_TYPE);
    for n in 0..documents {
        workspace.doc(format!("{n:02} ä#.txt"), format!("This is docid:{n} and nothing else."));
    }
    workspace.doc("zz.txt", "");
    (server, workspace)
}

fn read(workspace: &Workspace, path: &str) -> Vec<u8> {
    std::fs::read(workspace.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const FILES: [&str; 6] = ["results.csv", "results.jsonl", "results.json", "results.parquet", "results.arrows", "results.xlsx"];

#[test]
fn readers_of_other_people_see_every_value_in_every_format() {
    others_see_every_value(60);
}

#[test]
#[ignore = "takes minutes; run it when a format or the writing of rows changes"]
fn readers_of_other_people_see_every_value_of_a_hundred_thousand_rows() {
    others_see_every_value(100_000);
}

fn others_see_every_value(documents: usize) {
    let Some(clients) = clients() else { return };
    let (_server, workspace) = every_format_of(documents);
    let workspace = workspace.set("output.csv_separator", ";").set("output.csv_decimal", ",").set("output.csv_bom", true);
    let run = workspace.run(["--job", "every.toml"]).exits(3);
    run.says(&["results.parquet: ", "values beyond the types of the columns", "results.xlsx: ", " texts cut"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/readers/results.py");
    let compared = Command::new(clients.join("python/bin/python"))
        .arg(script)
        .args([workspace.path("every.toml"), workspace.path("output/every")])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(compared.status.success(), "{}{}", said(&compared.stdout), said(&compared.stderr));
}

/// The program that opens workbooks. If `DOCMILL_TEST_OFFICE` is `required`, it must be there.
fn office() -> bool {
    let is_there = Command::new("soffice").arg("--version").output().is_ok();
    assert!(is_there || std::env::var("DOCMILL_TEST_OFFICE").as_deref() != Ok("required"), "soffice is missing");
    is_there
}

#[test]
fn an_office_program_shows_the_same_texts_numbers_and_dates() {
    if !office() {
        eprintln!("skipped: there is no soffice (Debian: libreoffice-calc-nogui)");
        return;
    }
    let (_server, workspace) = every_format();
    let rows = workspace.run(["--job", "every.toml"]).exits(3).jsonl("every");
    // All sheets as CSV, in UTF-8, with cells as they are shown.
    let filter = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1";
    let profile = format!("-env:UserInstallation=file://{}", workspace.path("profile").display());
    let mut command = Command::new("soffice");
    command.args([&profile, "--headless", "--convert-to", filter, "--outdir"]).arg(workspace.path("csv"));
    let made = workspace
        .in_here(&mut command)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .arg(workspace.path("output/every/results.xlsx"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut sheet = csv::Reader::from_path(workspace.path("csv/results-Results.csv")).unwrap();
    let names = sheet.headers().unwrap().clone();
    let shown: Vec<_> = sheet.records().map(Result::unwrap).collect();
    assert_eq!(shown.len(), rows.len());
    for (row, shown) in rows.iter().zip(&shown) {
        let shown = |name: &str| &shown[names.iter().position(|own| own == name).unwrap()];
        let answer = |name: &str| row["answers"].get(name).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(shown("document"), row["document"].as_str().unwrap());
        assert_eq!(shown("day"), answer("day"), "{}", row["document"]);
        assert_eq!(shown("kind"), answer("kind"));
        // CSV has no place for a control character, and one line end.
        let text: String = answer("text").chars().filter(|c| !c.is_control() && *c != '\u{ffff}').collect();
        let seen: String = shown("text").chars().filter(|c| !c.is_control() && *c != '\u{ffff}').collect();
        assert!(seen == text || text.len() > 32_767, "{}: {seen:?} instead of {text:?}", row["document"]);
        let whole = row["answers"].get("whole").filter(|whole| whole.is_i64()).map_or_else(String::new, Value::to_string);
        assert!(shown("whole") == whole || !row["answers"]["whole"].is_i64(), "{}: {} instead of {whole}", row["document"], shown("whole"));
    }
    let failures = std::fs::read_to_string(workspace.path("csv/results-Failures.csv")).unwrap();
    assert_eq!(
        failures.lines().count(),
        1 + rows.iter().filter(|row| matches!(row["status"].as_str(), Some("failed" | "refused"))).count()
    );
}

#[test]
fn every_format_comes_from_the_store_again_with_the_same_bytes() {
    let (_server, workspace) = every_format();
    workspace.run(["--job", "every.toml"]).exits(3);
    let receipt = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(FILES.iter().all(|file| receipt.contains(&format!("{file}: 61 rows, BLAKE3"))), "{receipt}");
    let before = FILES.map(|file| read(&workspace, &format!("output/every/{file}")));
    for file in FILES {
        std::fs::remove_file(workspace.path(format!("output/every/{file}"))).unwrap();
    }
    workspace.docmill(["export", "--format", "csv,jsonl,json,parquet,arrow,xlsx"]).exits(0);
    for (file, before) in FILES.iter().zip(&before) {
        assert!(read(&workspace, &format!("output/every/{file}")) == *before, "{file}");
    }
    workspace.docmill(["export", "--format", "parquet,xlsx", "--to", "elsewhere"]).exits(0);
    assert!(read(&workspace, "elsewhere/every/results.parquet") == before[3]);
    assert!(!workspace.path("elsewhere/every/results.csv").exists());
}

#[test]
fn every_format_goes_to_standard_output() {
    let (_server, workspace) = every_format();
    workspace.run(["--job", "every.toml"]).exits(3);
    for (format, file) in ["csv", "jsonl", "json", "parquet", "arrow"].iter().zip(FILES) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        let piped = workspace.in_here(&mut command).args(["export", "--to", "-", "--format", format]).output().unwrap();
        assert!(piped.stdout == read(&workspace, &format!("output/every/{file}")), "{format}");
    }
}

#[test]
fn a_changed_dialect_of_csv_is_written_again_and_verified() {
    let (server, workspace) = every_format();
    workspace.run(["--job", "every.toml"]).exits(3);
    let requests = server.requests();
    let header = || String::from_utf8(read(&workspace, "output/every/results.csv")).unwrap().lines().next().unwrap().to_owned();
    assert!(header().starts_with("index,document,"), "{}", header());
    for (separator, decimal, begin) in [(";", ",", "index;document;"), ("tab", ".", "index\tdocument\t"), (",", ",", "index,document,")] {
        let settings = [format!("output.csv_separator={separator}"), format!("output.csv_decimal={decimal}")];
        let settings = ["--set", &settings[0], "--set", &settings[1]];
        workspace.run([&["--job", "every.toml"], &settings[..]].concat()).exits(3);
        assert!(header().starts_with(begin), "{}", header());
        // The existing file decides, so that verify needs no settings.
        workspace.docmill(["verify"]).exits(0);
        let again = read(&workspace, "output/every/results.csv");
        workspace.run([&["--job", "every.toml"], &settings[..]].concat()).exits(3);
        assert!(read(&workspace, "output/every/results.csv") == again);
    }
    assert_eq!(server.requests(), requests);
    workspace.run(["--job", "every.toml", "--set", "output.csv_separator=:"]).exits(2).says(&["output.csv_separator"]);
}

/// The metadata of a Parquet file that names the version.
const KEY: &[u8] = b"docmill.version";

#[test]
fn a_file_that_another_version_has_written_is_older_and_the_next_run_writes_it_again() {
    let (_server, workspace) = every_format();
    workspace.run(["--job", "every.toml"]).exits(3);
    let path = "output/every/results.parquet";
    let written = read(&workspace, path);
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let mut other = written.clone();
    // The footer names the version in the metadata, after its key.
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what).unwrap();
    let key = other.windows(KEY.len()).rposition(|window| window == KEY).unwrap();
    let at = key + find(&other[key..], version);
    other[at..at + version.len()].fill(b'9');
    workspace.write(path, &other);
    workspace.run(["--job", "every.toml"]).exits(3);
    assert!(read(&workspace, path) == written);
}

#[test]
fn a_workbook_has_small_pictures_of_images_and_the_same_cells_without_them() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("output.formats", "xlsx,jsonl");
    workspace.write("any.toml", EVERY_TYPE.replace("input = \"text\"", "input = \"any\""));
    workspace.doc("a.jpg", large_jpeg(1)).doc("b.txt", "docid:text").doc("c.png", png(2)).doc("d.jpg", b"\xff\xd8\xff broken");
    workspace.run(["--job", "any.toml"]).exits(3);
    let pictures = || {
        let file = std::fs::File::open(workspace.path("output/every/results.xlsx")).unwrap();
        let mut workbook = zip::ZipArchive::new(file).unwrap();
        let names = workbook.file_names().map(|name| name.unwrap().into_owned()).filter(|name| name.starts_with("xl/media/"));
        let names: Vec<String> = names.collect();
        let picture = |name: String| {
            let mut bytes = Vec::new();
            workbook.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
            image::load_from_memory(&bytes).unwrap()
        };
        names.into_iter().map(picture).collect::<Vec<_>>()
    };
    let drawn = pictures();
    assert_eq!(drawn.len(), 2);
    assert!(drawn.iter().all(|picture| picture.width() <= 160 && picture.height() <= 160));
    // Pictures and links depend on files; what verify compares does not.
    std::fs::remove_file(workspace.path("docs/a.jpg")).unwrap();
    let receipt = workspace.docmill(["verify"]).exits(4).stdout;
    assert!(receipt.contains("results.xlsx: 4 rows, BLAKE3"), "{receipt}");
    workspace.docmill(["export", "--format", "xlsx"]).exits(0);
    assert_eq!(pictures().len(), 1);
    assert!(workspace.docmill(["verify"]).exits(4).stdout.contains("results.xlsx: 4 rows, BLAKE3"));
}
