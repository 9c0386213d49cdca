//! Inputs and settings: directories, names, encodings, images and errors.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace, exif_rotated_jpeg, jpeg, png, utf16le};
use image::GenericImageView;
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn echo(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    workspace
}

#[test]
fn the_error_for_an_empty_directory_names_the_expected_kinds() {
    let workspace = Workspace::new();
    workspace.run([""; 0]).exits(2).says(&["docs", "images", "PDF"]);
    workspace.doc(".hidden.txt", "x").doc("note.log", "x");
    let run = workspace.run(["--set", "input.exclude=*.log"]).exits(2).says(&["docs"]);
    assert!(run.stderr.contains("hidden") && run.stderr.contains('1'), "not told what was left out:\n{}", run.stderr);
}

#[test]
fn settings_and_job_of_a_run_are_no_documents() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.write("pipeline.toml", "[llm]\nprime = false\n");
    workspace.write("a.txt", "one");
    workspace.write("other.toml", "x = 1\n");
    workspace.write("sub/echo.toml", ECHO);
    let run = workspace.docmill(["run", ".", "--job", "./echo.toml"]).exits(0).says(&["2 settings or job of this run"]);
    let csv = run.csv("echo");
    assert_eq!(csv.rows.iter().map(|row| row["document"].as_str()).collect::<Vec<_>>(), ["a.txt", "other.toml", "sub/echo.toml"]);
    let verified = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(verified.contains("3 inputs are unchanged, 0 changed, 0 gone"), "{verified}");
    // Named by the user, they are documents.
    let planned = workspace.docmill(["plan", "pipeline.toml", "--job", "echo.toml"]).exits(0).stdout;
    assert!(planned.contains("1 document"), "{planned}");
}

#[test]
fn the_error_for_a_missing_input_names_it() {
    let workspace = Workspace::new();
    workspace.docmill(["run", "no-such-place"]).exits(2).says(&["no-such-place"]);
    // A run without arguments and sample data is refused.
    workspace.docmill(["run"]).exits(2).says(&["no input is given"]);
}

#[test]
fn usage_errors_exit_with_2() {
    let workspace = Workspace::new();
    workspace.docmill(["run", "--no-such-flag"]).exits(2);
    workspace.docmill(["no-such-command"]).exits(2);
    workspace.doc("a.txt", "x");
    workspace.run(["--job", "txt"]).exits(2).says(&["txt", "text"]);
    workspace.run(["--job", "no-such-file.toml"]).exits(2).says(&["no-such-file.toml"]);
    workspace.run(["--config", "no-such-config.toml"]).exits(2).says(&["no-such-config.toml"]);
    workspace.run(["--set", "llm.concurrency"]).exits(2);
}

#[test]
fn an_unknown_key_is_reported_with_file_line_and_nearest_key() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x").write("pipeline.toml", "[read]\nqueue = 8\n\n[llm]\nconcurency = 4\n");
    workspace.run([""; 0]).exits(2).says(&["pipeline.toml:5", "llm.concurency", "llm.concurrency"]);
    workspace.docmill(["config", "show"]).exits(2).says(&["pipeline.toml:5"]);
}

#[test]
fn problems_of_all_sources_are_reported_together() {
    let workspace = Workspace::new().env("DOCMILL_READ__QUEU", "7");
    workspace.doc("a.txt", "x").write("own.toml", "[llm]\nconcurency = 4\ntimeout_s = \"long\"\n[raed]\nqueue = 1\n");
    let run = workspace.run(["--config", "own.toml", "--set", "output.fromats=csv", "--set", "prepare.workers=many"]).exits(2);
    run.says(&["own.toml:2", "own.toml:3", "own.toml:4", "DOCMILL_READ__QUEU", "read.queue", "output.formats", "prepare.workers"]);
}

#[test]
fn unknown_keys_and_invalid_values_are_reported_together() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x").write("pipeline.toml", "[llm]\nconcurency = 4\ntimeout_s = 0\n");
    workspace.run([""; 0]).exits(2).says(&["pipeline.toml:2", "pipeline.toml:3"]);
}

#[test]
fn the_error_for_an_output_directory_names_it() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.doc("a.txt", "docid:a").write("taken", "a file");
    workspace.run(["--job", "echo.toml", "--output", "taken"]).exits(2).says(&["taken"]);
    assert_eq!(server.ledger().requests(), 0);
}

#[test]
fn a_byte_order_mark_is_written_on_request() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.doc("a.txt", "docid:a");
    assert!(workspace.run(["--job", "echo.toml"]).exits(0).file("echo", "results.csv").starts_with("index,document,status,"));
    let run = workspace.run(["--job", "echo.toml", "--set", "output.csv_bom=true"]).exits(0);
    assert!(run.file("echo", "results.csv").starts_with("\u{FEFF}index,document,status,"));
}

#[test]
fn invalid_values_are_reported_before_anything_is_sent() {
    for setting in [
        "llm.concurrency=0",
        "read.queue=0",
        "read.concurrency=0",
        "output.formats=xls",
        "prepare.image.jpeg_quality=0",
        "llm.retry.max_attempts=0",
        "llm.timeout_s=0",
        "store.group=0",
    ] {
        let server = ModelServer::start();
        let workspace = echo(&server);
        workspace.doc("a.txt", "docid:a");
        let (key, _) = setting.split_once('=').unwrap();
        workspace.run(["--job", "echo.toml", "--set", setting]).exits(2).says(&[key]);
        assert_eq!(server.ledger().requests(), 0, "{setting}");
    }
}

#[test]
fn the_environment_beats_the_file_and_flags_beat_both() {
    let server = ModelServer::start();
    let workspace = echo(&server).env("DOCMILL_OUTPUT__DIR", "from-env");
    workspace.doc("a.txt", "docid:a").write("pipeline.toml", "[output]\ndir = \"from-file\"\nformats = [\"csv\"]\n");
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert!(workspace.path("from-env/echo/results.csv").is_file());
    assert!(!workspace.path("from-env/echo/results.jsonl").exists(), "a format that was not asked for");
    workspace.run(["--job", "echo.toml", "--output", "from-flag"]).exits(0);
    assert!(workspace.path("from-flag/echo/results.csv").is_file());
    assert!(workspace.path("from-flag/docmill.db").is_file());
    assert!(!workspace.path("from-file").exists() && !workspace.path("output").exists());
}

#[test]
fn hidden_files_excluded_files_and_the_output_itself_are_left_out() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    for name in ["a.txt", ".hidden", ".git/config", "~$a.docx", "skip/me.txt", "sub/b.txt", "sub/.c.txt", "d.log", "ignored.txt"] {
        workspace.doc(name, format!("docid:{}", name.replace(['/', '.', '~', '$'], "_")));
    }
    workspace.doc(".docmillignore", "# not these\nignored.txt\n");
    std::os::unix::fs::symlink("a.txt", workspace.path("docs/link.txt")).unwrap();
    std::os::unix::fs::symlink(".", workspace.path("docs/loop")).unwrap();
    let args = ["--job", "echo.toml", "--output", "docs/results", "--set", "input.exclude=skip/**,*.log"];
    workspace.run(args).exits(0);
    workspace.run(args).exits(0);
    let csv = std::fs::read_to_string(workspace.path("docs/results/echo/results.csv")).unwrap();
    let names: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(names, ["a.txt", "link.txt", "sub/b.txt"]);
}

#[test]
fn single_files_and_several_inputs_are_taken_in_the_order_given() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.write("z/1.txt", "docid:z1").write("a/2.txt", "docid:a2").write("single.md", "docid:s");
    let run = workspace.docmill([
        "run",
        "z",
        "single.md",
        "a",
        "--job",
        "echo.toml",
        "--set",
        "llm.provider=openai-compatible",
        "--set",
        "llm.model=m",
        "--set",
        &format!("llm.base_url={}/v1", server.url()),
    ]);
    let run = run.exits(0);
    assert_eq!(run.csv("echo").column("document"), ["z/1.txt", "single.md", "a/2.txt"]);
}

#[test]
fn the_csv_preserves_names_of_all_sorts() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    let names: [(&[u8], &str); 10] = [
        (b"a\nb.txt", "a\nb.txt"),
        (b"a,b.txt", "a,b.txt"),
        (b"a\"b.txt", "a\"b.txt"),
        (b" padded .txt", " padded .txt"),
        (b"caf\xE9.txt", "caf\\xE9.txt"),
        ("größe-日本.txt".as_bytes(), "größe-日本.txt"),
        (b"back\\slash.txt", "back\\slash.txt"),
        // Names that a spreadsheet would run as formulas are escaped.
        (b"=1+1.txt", "'=1+1.txt"),
        (b"@sum.txt", "'@sum.txt"),
        (b"'quoted.txt", "''quoted.txt"),
    ];
    for (n, (name, _)) in names.iter().enumerate() {
        workspace.doc(OsStr::from_bytes(name), format!("docid:n{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let csv = run.csv("echo");
    assert_eq!(csv.rows.len(), names.len());
    for (n, (_, name)) in names.iter().enumerate() {
        assert_eq!(csv.row(name)["said"], format!("said of docid:n{n}"));
    }
    let raw = run.file("echo", "results.csv");
    assert_eq!(raw.matches("\r\n").count(), names.len() + 1, "each record ends with CR LF and nothing else has one");
    let json: Vec<String> = run.jsonl("echo").iter().map(|row| row["document"].as_str().unwrap().to_owned()).collect();
    assert!(json.contains(&"=1+1.txt".to_owned()), "names in JSON are as they are: {json:?}");
}

#[test]
fn neither_names_nor_servers_can_steer_the_terminal() {
    let server = ModelServer::script().faults(|ask| Reply::error(ask, 400, "bad", "red \u{1b}[31m and\na second line")).start();
    let workspace = echo(&server);
    workspace.doc("new\nline\u{1b}[2J.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains("failed: ") && line.contains("rejected")).collect();
    assert!(
        told.iter().any(|line| line.contains("line") && line.contains("a second line")),
        "a failure is not told on one line: {:?}",
        run.stderr
    );
}

#[test]
fn formulas_in_answers_are_escaped_and_numbers_are_unchanged() {
    let said = ["=HYPERLINK(\"http://x\")", "+49 30 1234", "-3.5", "+1e5", "-", "@x", "\tx", "'x", "\u{FF1D}1", "ok", "=1;\r\n=2"];
    let in_csv =
        ["'=HYPERLINK(\"http://x\")", "'+49 30 1234", "-3.5", "+1e5", "'-", "'@x", "'\tx", "''x", "'\u{FF1D}1", "ok", "'=1;\r\n=2"];
    let server = ModelServer::script()
        .answer(move |ask| json!({"said": said[ask.docid.as_deref().unwrap().trim_start_matches('n').parse::<usize>().unwrap()]}))
        .start();
    let workspace = echo(&server);
    for n in 0..said.len() {
        workspace.doc(format!("{n:02}.txt"), format!("docid:n{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("said"), in_csv);
    let json: Vec<String> = run.jsonl("echo").iter().map(|row| row["answers"]["said"].as_str().unwrap().to_owned()).collect();
    assert_eq!(json, said);
}

#[test]
fn texts_in_all_encodings_are_decoded_correctly() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    let german = "Größere Brücken müssen täglich geprüft werden, sagte der Prüfer über die Straße.";
    let latin: Vec<u8> = german.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let big_endian: Vec<u8> = [0xFE, 0xFF].into_iter().chain(german.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let japanese = b"\x83\x65\x83\x58\x83\x67\x95\xb6\x8f\x91\x82\xcd\x93\xfa\x96\x7b\x8c\xea\x82\xc5\x8f\x91\x82\xa9\x82\xea\x82\xc4\x82\xa2\x82\xdc\x82\xb7\x81\x42";
    workspace
        .doc("utf8.txt", format!("docid:utf8 {german}"))
        .doc("bom.txt", format!("\u{FEFF}docid:bom {german}"))
        .doc("utf16le.txt", utf16le(&format!("docid:utf16le {german}")))
        .doc("utf16be.txt", [big_endian, " docid:utf16be".encode_utf16().flat_map(u16::to_be_bytes).collect()].concat())
        .doc("latin1.txt", [b"docid:latin1 ".as_slice(), &latin].concat())
        .doc("sjis.txt", [b"docid:sjis ".as_slice(), japanese].concat())
        .doc("mac.txt", "docid:lines one\rtwo\r\nthree\x07\x00four".replace('\0', ""));
    workspace.run(["--job", "echo.toml"]).exits(0);
    let ledger = server.ledger();
    let text = |id: &str| ledger.of(id).first().unwrap_or_else(|| panic!("{id} was not asked")).text.clone();
    for id in ["utf8", "bom", "utf16le", "utf16be", "latin1"] {
        assert!(text(id).contains(german), "{id}: {}", text(id));
        assert!(!text(id).contains('\u{FEFF}'), "{id} has a byte order mark in the middle of a prompt");
    }
    assert!(text("sjis").contains("テスト文書は日本語で書かれています。"), "{}", text("sjis"));
    assert!(text("lines").contains("one\ntwo\nthreefour"), "{}", text("lines"));
}

#[test]
fn a_rotated_image_is_sent_upright() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("photo.jpg", exif_rotated_jpeg());
    let run = workspace.run(["--job", "material-single"]).exits(0);
    let sent = server.ledger().asks[0].images[0].clone();
    assert_eq!(sent.media_type, "image/jpeg");
    let picture = image::load_from_memory(&sent.bytes).unwrap();
    assert_eq!(picture.dimensions(), (32, 64));
    let (top, bottom) = (picture.get_pixel(16, 12).0, picture.get_pixel(16, 52).0);
    assert!(top[0] > 200 && top[2] < 60, "not red above: {top:?}");
    assert!(bottom[2] > 200 && bottom[0] < 60, "not blue below: {bottom:?}");
    assert_eq!(run.jsonl("material-single")[0]["input"]["pixels"], json!([32, 64]));
    // The sent image has no orientation tag, so it is not rotated twice.
    let mut decoder = image::ImageReader::new(std::io::Cursor::new(&sent.bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    assert_eq!(image::ImageDecoder::orientation(&mut decoder).unwrap(), image::metadata::Orientation::NoTransforms);
}

#[test]
fn sample_images_are_sent_with_their_type_and_within_the_size_limit() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/sample_data/images");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        workspace.doc(entry.file_name(), std::fs::read(entry.path()).unwrap());
        names.push(entry.file_name());
    }
    let run = workspace.run(["--job", "material-single"]).exits(0);
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), names.len());
    for ask in &ledger.asks {
        let image = &ask.images[0];
        let format = image::guess_format(&image.bytes).unwrap();
        assert_eq!(image.media_type, format.to_mime_type());
        assert!(["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&image.media_type.as_str()));
        let (width, height) = image::load_from_memory(&image.bytes).unwrap().dimensions();
        assert!(width.max(height) <= 1568 && width.min(height) >= 100, "{width} x {height}");
    }
    for row in run.jsonl("material-single") {
        let (stored, sent) = (&row["input"]["pixels"], &row["input"]["sent_pixels"]);
        assert!(sent[0].as_u64() <= stored[0].as_u64() && sent[1].as_u64() <= stored[1].as_u64(), "enlarged: {row}");
    }
}

#[test]
fn a_job_for_images_skips_texts_without_a_failure() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.png", png(1)).doc("b.txt", "docid:text").doc("c.txt", jpeg(3)).doc("d.jpg", "docid:words");
    let run = workspace.run(["--job", "material"]).exits(0);
    let csv = run.csv("material");
    assert_eq!(csv.column("status"), ["ok", "skipped", "ok", "skipped"]);
    assert_eq!(csv.column("failure_code"), ["", "unsupported_kind", "", "unsupported_kind"]);
    assert_eq!(server.ledger().requests(), 14);
    assert!(!run.has("text", "results.csv"), "a job that was not requested");
}

#[test]
fn stdout_is_left_alone_by_every_form_of_progress() {
    for progress in ["auto", "bars", "lines", "json"] {
        let server = ModelServer::start();
        let workspace = echo(&server);
        workspace.doc("a.txt", "docid:a").doc("b.txt", b"");
        let run = workspace.run(["--job", "echo.toml", "--progress", progress]).exits(3);
        assert_eq!(run.stdout, "", "--progress {progress}");
        if progress == "json" {
            let events: Vec<serde_json::Value> =
                run.stderr.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(!events.is_empty(), "no events:\n{}", run.stderr);
        }
    }
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml", "--quiet"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn output_of_docmill_is_never_a_document() {
    let server = ModelServer::start();
    let workspace = echo(&server);
    workspace.doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml", "--output", "docs/old"]).exits(0);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("document"), ["a.txt"]);
    workspace.run(["--job", "echo.toml", "--output", "docs"]).exits(2).says(&["is also the output directory"]);
}

#[test]
fn an_input_other_than_a_file_is_refused_at_once() {
    let workspace = Workspace::new();
    workspace.docmill(["run", "/dev/null"]).exits(2).says(&["/dev/null is neither a file nor a directory"]);
}
