//! The page of `docmill report`, as text and in a real browser.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Text that the page must show as text. It must not become markup, a script, an address or a
/// change of direction.
const HOSTILE: &str = "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)>\"'&\u{202e}\u{0}--><!--";

fn done(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace
}

fn store(workspace: &Workspace) -> rusqlite::Connection {
    rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap()
}

/// Writes the page and reads it.
fn page(workspace: &Workspace) -> String {
    workspace.docmill(["report"]).exits(0);
    std::fs::read_to_string(workspace.path("output/report.html")).unwrap()
}

/// A run with names, answers and messages that contain markup.
fn hostile(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO).doc("<script>alert(3)<.txt", "docid:a").doc("empty.txt", "");
    workspace.doc("<", "docid:b").doc("\"' onload=alert(4) \u{202e}txt.exe", "docid:c");
    workspace.run(["--job", "echo.toml"]).exits(3);
    let answer = "UPDATE rows SET result = json_set(result, '$.answers.said', ?1) WHERE status = 'ok'";
    assert_eq!(store(&workspace).execute(answer, [HOSTILE]).unwrap(), 3);
    let message = "UPDATE rows SET result = json_set(result, '$.failure.message', ?1) WHERE status = 'failed'";
    assert_eq!(store(&workspace).execute(message, [HOSTILE]).unwrap(), 1);
    store(&workspace).execute("UPDATE attempts SET call = ?1", [HOSTILE]).unwrap();
    store(&workspace).execute("UPDATE runs SET command = ?1, jobs = json_set(jobs, '$[0].name', ?1)", [HOSTILE]).unwrap();
    let compare = serde_json::json!({"variants": {"field": HOSTILE, "variants": [{"variant": HOSTILE, "accuracy": {"share": HOSTILE}}], "pairs": [7]}});
    workspace.write("output/compare/compare.json", compare.to_string());
    workspace
}

#[test]
fn text_from_outside_is_never_markup() {
    let server = ModelServer::start();
    let html = page(&hostile(&server));
    // The only script elements are packed rows and docmill's own script.
    let own = html.matches("<script nonce=").count();
    assert_eq!((own, html.matches("<script").count()), (1, 1 + html.matches("<script type=\"application/gzip\"").count()));
    for (what, times) in [("alert(1)", "&lt;script&gt;alert(1)"), ("<img", "&lt;img"), ("onload=", "&quot;&#x27; onload=")] {
        assert!(!html.replace(times, "").contains(what), "{what} appears unformatted");
    }
    assert!(!html.contains(['\u{202e}', '\u{0}']), "a control character is in the page");
    assert!(html.contains("[U+202E]") && html.contains('␀'), "and not shown either");
}

#[test]
fn the_page_shows_what_the_run_did() {
    let server = ModelServer::start();
    let workspace = done(&server);
    let html = page(&workspace);
    let parts = [
        "echo <small>run 1</small>",
        ">complete<",
        "Throughput, requests a second",
        "Slowest documents",
        "<bdi>a.txt</bdi>",
        "Cost per document",
    ];
    for part in parts {
        assert!(html.contains(part), "no {part:?}");
    }
    assert!(html.matches("<figure>").count() >= 6, "charts are missing");
    assert!(html.split("<figure>").skip(1).all(|figure| figure.split("</figure>").next().unwrap().contains("<svg")), "a figure is empty");
    let json: Value = serde_json::from_str(&workspace.docmill(["report", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&json["totals"]["requests"], &json["totals"]["answered"], &json["documents"]), (&2.into(), &2.into(), &2.into()));
    assert_eq!(json["over_time"].as_array().unwrap().iter().map(|stretch| stretch["ended"].as_u64().unwrap()).sum::<u64>(), 2);
    assert_eq!(json["tasks"][0]["task"], "echo");

    workspace.docmill(["report", "--to", "elsewhere.html", "--run", "1"]).exits(0);
    assert!(workspace.path("elsewhere.html").exists());
    workspace.docmill(["report", "--run", "7"]).exits(2).says(&["contains no run 7", "docmill runs"]);
    workspace.docmill(["report", "--to", "no/such/place.html"]).exits(2).says(&["no/such/place.html", "--to"]);
    // A run that sends nothing shows the figures of the run whose answers it has.
    workspace.write("echo.toml", ECHO).doc("c.bin", [0, 1, 2, 3]);
    workspace.run(["--job", "echo.toml"]);
    assert!(page(&workspace).contains("Run 2 sent nothing"));
    assert_eq!(server.requests(), 2, "a page costs nothing");
}

#[test]
fn a_report_can_be_made_during_a_run_and_after_a_kill() {
    let stuck = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&stuck);
    let server = ModelServer::script()
        .faults(move |ask| if ask.docid.as_deref() == Some("late") && hangs.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok })
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("early.txt", "docid:early").doc("late.txt", "docid:late");
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("both were asked for", |ledger| ledger.requests() == 2);
    assert!(page(&workspace).contains("This run was active when the page was made"));
    run.signal("KILL");
    assert!(run.end().is_err());
    stuck.store(false, Ordering::SeqCst);
    let html = page(&workspace);
    assert!(html.contains("This run did not end") && html.contains("without a known end"));
}

#[test]
fn images_are_shown_while_their_files_are_unchanged() {
    let workspace = Workspace::new();
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/images/heat-sink.png");
    workspace.doc("part.png", std::fs::read(image).unwrap());
    workspace.run(["--job", "material-single"]).exits(0);
    assert!(page(&workspace).contains("1 of 1 images are shown."));
    let mut edited = std::fs::read(workspace.path("docs/part.png")).unwrap();
    edited.push(0);
    workspace.doc("part.png", edited);
    assert!(page(&workspace).contains("0 of 1 images are shown"));
}

#[test]
fn a_picture_that_exhausts_its_decoder_is_left_out_of_the_report() {
    let workspace = Workspace::new();
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/images/heat-sink.png");
    workspace.doc("part.png", std::fs::read(image).unwrap()).write("pipeline.toml", "[prepare]\ndocument_s = 1\n");
    workspace.run(["--job", "material-single"]).exits(0);
    assert!(page(&workspace).contains("1 of 1 images are shown."));
    assert!(page(&workspace.env("FAILPOINTS", "read_document=busy")).contains("0 of 1 images are shown"));
}

#[test]
fn a_report_copes_with_an_empty_store_and_a_damaged_comparison() {
    let server = ModelServer::start();
    let workspace = done(&server);
    for odd in ["", "[1, 2]", "{\"sequential\": {\"all\": 1, \"tasks\": {}}, \"variants\": {\"variants\": \"x\"}}"] {
        workspace.write("output/compare/compare.json", odd);
        workspace.docmill(["report"]).exits(0);
    }
    store(&workspace).execute_batch("DELETE FROM rows; DELETE FROM listing; DELETE FROM samples; DELETE FROM attempts; UPDATE runs SET figures = NULL, summary = '{', settings = ''").unwrap();
    assert!(page(&workspace).contains("Results"));
    store(&workspace).execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM runs").unwrap();
    workspace.docmill(["report"]).exits(2).says(&["contains no run yet"]);
}

/// A page as a browser has rendered it.
struct Seen {
    dom: String,
    /// Messages of the browser, such as script errors and refused loads.
    console: Vec<String>,
    /// Addresses that the page requested from the network.
    asked: Vec<String>,
}

/// Chromium, if it is installed. If `DOCMILL_TEST_BROWSER` is `required`, it must be installed.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path).flat_map(|directory| names.map(|name| directory.join(name))).find(|file| file.is_file());
    let required = std::env::var_os("DOCMILL_TEST_BROWSER").is_some_and(|value| value == "required");
    assert!(found.is_some() || !required, "no Chromium in PATH, and DOCMILL_TEST_BROWSER=required");
    if found.is_none() {
        eprintln!("skipped: no Chromium in PATH");
    }
    found
}

fn browse(browser: &Path, page: &Path, fragment: &str) -> Seen {
    let scratch = tempfile::TempDir::new().unwrap();
    let log = scratch.path().join("net.json");
    let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --virtual-time-budget=60000 --dump-dom";
    let done = Command::new(browser)
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}{fragment}", page.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{stderr}");
    let net = std::fs::read_to_string(&log).unwrap();
    // Each event is a line. Requests that the browser itself initiates have no origin.
    let of_page = net.lines().filter(|line| line.contains("\"initiator\":\"") && !line.contains("\"initiator\":\"not an origin\""));
    let addresses = of_page.filter_map(|line| line.split("\"url\":\"").nth(1)?.split('"').next());
    Seen {
        dom: String::from_utf8(done.stdout).unwrap(),
        console: stderr.lines().filter(|line| line.contains("CONSOLE")).map(ToOwned::to_owned).collect(),
        asked: addresses.filter(|address| !address.starts_with("file:") && !address.starts_with("data:")).map(ToOwned::to_owned).collect(),
    }
}

impl Seen {
    /// Fails unless the page has loaded completely, without messages and network requests.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.console, Vec::<String>::new());
        assert_eq!(self.asked, Vec::<String>::new());
        assert!(self.dom.contains("data-ready=\"yes\""), "the script did not come to its end");
        self.dom
    }

    /// The HTML of the open row.
    fn dialog(dom: &str) -> &str {
        dom.split("<dialog id=\"open\"").nth(1).unwrap().split("</dialog>").next().unwrap()
    }

    /// The HTML of the table of results.
    fn table(dom: &str) -> &str {
        dom.split("<table id=\"rows\"").nth(1).unwrap().split("<nav").next().unwrap()
    }
}

#[test]
fn a_browser_shows_the_report_without_network() {
    let Some(browser) = browser() else { return };
    let server = ModelServer::start();
    // The test detects requests and messages of a control page.
    let control = Workspace::new();
    control.write("page.html", "<img src=http://127.0.0.1:9/x><script>nonsense()</script>");
    let seen = browse(&browser, &control.path("page.html"), "");
    assert!(seen.asked.iter().any(|address| address.contains("127.0.0.1:9")), "{:?}", seen.asked);
    assert!(seen.console.iter().any(|line| line.contains("nonsense")), "{:?}", seen.console);

    let workspace = done(&server);
    page(&workspace);
    let dom = browse(&browser, &workspace.path("output/report.html"), "#sort=-1&open=0").well();
    let table = Seen::table(&dom);
    assert!(dom.contains("2 rows") && table.find("b.txt").unwrap() < table.find("a.txt").unwrap(), "{table}");
    let opened = Seen::dialog(&dom);
    assert!(opened.contains("<dt><bdi>said</bdi></dt><dd><bdi>said of docid:a</bdi></dd>"), "{opened}");

    let workspace = hostile(&server);
    page(&workspace);
    let dom = browse(&browser, &workspace.path("output/report.html"), "#open=0").well();
    for part in [Seen::table(&dom), Seen::dialog(&dom)] {
        assert!(part.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !part.contains("<img"), "{part}");
    }
}

#[test]
fn charts_filter_the_gallery_and_the_matrix_shows_the_specialists() {
    let Some(browser) = browser() else { return };
    let workspace = Workspace::new();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/images");
    for name in ["heat-sink.png", "drone-arm.png", "spur-gear.png"] {
        workspace.doc(name, std::fs::read(images.join(name)).unwrap());
    }
    workspace.doc("note.txt", "not a picture");
    workspace.run(["--job", "material"]).exits(0);
    let html = page(&workspace);
    let json: Value = serde_json::from_str(&workspace.docmill(["report", "--json"]).exits(0).stdout).unwrap();
    let field = |name: &str| json["fields"].as_array().unwrap().iter().find(|facet| facet["field"] == name).unwrap()["bars"].clone();
    let chosen = field("best_material").as_array().unwrap().iter().find(|bar| bar["documents"] != 0).unwrap().clone();
    assert_eq!(
        field("status"),
        serde_json::json!([
            {"label": "ok", "documents": 3, "width": 1.0}, {"label": "skipped", "documents": 1, "width": 1.0 / 3.0}
        ])
    );
    assert_eq!(json["specialists"]["sides"].as_array().unwrap().len(), 6);
    assert_eq!((&json["bill"]["documents"], &json["bill"]["all"]["calls"]), (&3.into(), &21.into()));
    assert!(!html.contains("data-field=\"metal_suitability\""), "the matrix shows what specialists say");
    assert_eq!(html.matches("class=\"photo\"").count(), 3);

    let path = workspace.path("output/report.html");
    let label = chosen["label"].as_str().unwrap();
    let dom = browse(&browser, &path, &format!("#best_material={label}")).well();
    assert!(dom.contains(&format!("{} of 4 rows", chosen["documents"])), "{label}");
    assert_eq!(dom.matches("class=\"open tile\"").count() as u64, chosen["documents"].as_u64().unwrap());
    assert_eq!(dom.matches("<button type=\"button\" aria-pressed=\"true\"").count(), 1, "the chosen bar is pressed");
    assert!(dom.contains("alt=\"") && dom.contains(&format!(": {label}")), "pictures have a text");
    let dom = browse(&browser, &path, "#status=ok&q=gear&view=matrix").well();
    let matrix = dom.split("<div id=\"matrix\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(dom.contains("1 of 4 rows") && matrix.contains("spur-gear.png") && matrix.contains("class=\"chosen\""), "{matrix}");
    let dom = browse(&browser, &path, "#open=0").well();
    let opened = Seen::dialog(&dom);
    assert!(opened.contains("<img src=\"data:image/") && opened.contains("<td><bdi>elastomer</bdi></td>"), "{opened}");
}

#[test]
fn a_hundred_thousand_rows_can_be_searched_sorted_and_opened() {
    let Some(browser) = browser() else { return };
    let server = ModelServer::start();
    let workspace = done(&server);
    store(&workspace)
        .execute_batch(
            "BEGIN; CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n;
             INSERT INTO documents SELECT 1000 + i, printf('doc-%06d.txt', i), d.digest, d.stamp FROM n, documents d WHERE d.name = 'a.txt';
             INSERT INTO listing SELECT 1, i - 1, 1000 + i FROM n;
             INSERT INTO rows (recipe, document, run, job, status, result) SELECT recipe, 1000 + i, run, job, status,
                 json_set(result, '$.answers.said', printf('answer %06d', 100000 - i)) FROM n, (SELECT * FROM rows LIMIT 1);
             UPDATE runs SET documents = 100000; COMMIT",
        )
        .unwrap();
    page(&workspace);
    let path = workspace.path("output/report.html");
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 20_000_000, "the page takes {size} bytes");
    let dom = browse(&browser, &path, "#q=doc-0999+99.txt&open=99998").well();
    assert!(dom.contains("1 of 100,000 rows"), "{}", Seen::table(&dom));
    assert!(Seen::dialog(&dom).contains("<dd><bdi>answer 000001</bdi></dd>"), "{}", Seen::dialog(&dom));
    let dom = browse(&browser, &path, "#sort=3&page=2").well();
    assert!(dom.contains("page 2 of 2,000") && Seen::table(&dom).contains("answer 000050"), "{}", Seen::table(&dom));
}
