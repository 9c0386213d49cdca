//! Jobs that embed texts, against servers that pack, refuse and deviate.

use crate::support::{Finished, Workspace};
use docmill::simulator::{LedgerTotals, Scenario, Simulator};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// The simulator as an OpenAI-compatible server.
pub struct Server {
    runtime: Runtime,
    simulator: Option<Simulator>,
}

impl Server {
    pub fn start(scenario: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let simulator = runtime.block_on(Simulator::start(Scenario::parse(scenario).unwrap(), 0)).unwrap();
        Self { runtime, simulator: Some(simulator) }
    }

    pub fn workspace(&self) -> Workspace {
        let url = format!("{}/v1", self.simulator.as_ref().unwrap().base_url());
        let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.base_url", url);
        workspace.set("llm.model", "simulated-embedding").set("llm.retry.base_ms", 1).set("llm.pack.wait_ms", 300)
    }

    pub fn address(&self) -> String {
        self.simulator.as_ref().unwrap().base_url().clone()
    }

    pub fn ledger(&self) -> LedgerTotals {
        self.simulator.as_ref().unwrap().ledger()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.simulator.take();
    }
}

pub fn store(workspace: &Workspace) -> Connection {
    Connection::open_with_flags(workspace.path("output/docmill.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

pub fn number(store: &Connection, sql: &str) -> i64 {
    store.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// The vector of each document with one chunk.
pub fn vectors(workspace: &Workspace) -> BTreeMap<String, Vec<f32>> {
    let store = store(workspace);
    let sql = "SELECT d.name, v.vector FROM chunks c JOIN documents d ON d.id = c.document JOIN vectors v ON v.id = c.vector";
    let vector = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, Vec<f32>)> {
        let bytes: Vec<u8> = row.get(1)?;
        let (numbers, []) = bytes.as_chunks::<4>() else { panic!("{} bytes", bytes.len()) };
        Ok((row.get(0)?, numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
    };
    store.prepare(sql).unwrap().query_map((), vector).unwrap().map(Result::unwrap).collect()
}

pub fn text(number: usize) -> String {
    format!("The text number{number} speaks of subject{}.", number % 7)
}

pub fn write(workspace: &Workspace, numbers: std::ops::Range<usize>) {
    for number in numbers {
        workspace.doc(format!("{number:04}.txt"), text(number));
    }
}

pub fn embed(workspace: &Workspace) -> Finished {
    workspace.run(["--job", "embed"])
}

/// The right vectors of the first `count` texts, each from a request of its own.
fn right(count: usize) -> BTreeMap<String, Vec<f32>> {
    let server = Server::start("");
    let workspace = server.workspace().set("llm.pack.max_items", 1);
    write(&workspace, 0..count);
    embed(&workspace).exits(0);
    vectors(&workspace)
}

/// Whether two sets of vectors are equal, up to rounding.
fn are_alike(one: &BTreeMap<String, Vec<f32>>, other: &BTreeMap<String, Vec<f32>>) -> bool {
    let near = |(a, b): (&Vec<f32>, &Vec<f32>)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    one.len() == other.len() && one.iter().all(|(name, vector)| other.get(name).is_some_and(|own| near((vector, own))))
}

#[test]
fn texts_of_many_documents_travel_in_packs_and_are_embedded_once() {
    let server = Server::start("[embeddings]\nmax_inputs = 64");
    let workspace = server.workspace();
    write(&workspace, 0..300);
    let run = embed(&workspace).exits(0);
    let csv = run.csv("embed");
    assert!(csv.rows.iter().all(|row| row["chunks"] == "1" && row["dimensions"] == "256" && row["status"] == "ok"), "{csv:?}");
    assert!(are_alike(&vectors(&workspace), &right(300)));
    let ledger = server.ledger();
    // One alone, one too large that teaches the limit, and five packs for 299 texts.
    assert!(ledger.requests <= 8, "{} requests", ledger.requests);
    assert_eq!((ledger.embedded_inputs, ledger.embedded_again), (300, 0));
    let attempts = store(&workspace);
    assert_eq!(number(&attempts, "SELECT sum(request = id) FROM attempts"), i64::try_from(ledger.requests).unwrap());
    assert_eq!(number(&attempts, "SELECT count(*) FROM attempts WHERE outcome = 'answered'"), 300);
    assert_eq!(number(&attempts, "SELECT sum(uncached_input_tokens) FROM attempts"), i64::try_from(ledger.input_tokens).unwrap());

    // Another document with a known text, a new text, and limits that are known from the start.
    workspace.doc("copy.txt", text(5)).doc("new.txt", text(900));
    write(&workspace, 400..480);
    embed(&workspace).exits(0);
    let second = server.ledger();
    assert_eq!((second.embedded_inputs, second.embedded_again), (381, 0));
    assert!(second.requests - ledger.requests <= 4 && second.errors == ledger.errors, "{second:?}");
    let all = vectors(&workspace);
    assert_eq!((all.len(), &all["copy.txt"]), (382, &all["0005.txt"]));
    workspace.docmill(["verify", "--output", "output"]).exits(0);
}

#[test]
fn a_long_document_has_chunks_with_pages_and_an_edit_embeds_only_what_changed() {
    let server = Server::start("");
    let workspace = server.workspace();
    let section = |n: usize| format!("# Section {n}\n\n{}\n\n", format!("Section {n} has a sentence about thing{n}. ").repeat(30));
    let sections: Vec<String> = (0..12).map(section).collect();
    workspace.doc("long.md", sections.concat());
    let run = embed(&workspace).exits(0);
    let chunks: usize = run.csv("embed").row("long.md")["chunks"].parse().unwrap();
    assert!(chunks > 8, "{chunks}");
    let first = server.ledger();
    let mut edited = sections;
    edited[11] = section(99);
    workspace.doc("long.md", edited.concat());
    embed(&workspace).exits(0);
    let second = server.ledger();
    assert!(second.embedded_inputs - first.embedded_inputs <= 3, "{} of {chunks}", second.embedded_inputs - first.embedded_inputs);
    assert_eq!(second.embedded_again, 0);
}

#[test]
fn a_search_finds_the_text_that_answers_a_question() {
    let workspace = Workspace::new().set("llm.provider", "simulated");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sample_data/texts")).unwrap() {
        let path = entry.unwrap().path();
        workspace.doc(path.file_name().unwrap(), std::fs::read(&path).unwrap());
    }
    embed(&workspace).exits(0);
    for (question, expected) in QUESTIONS {
        let found = workspace.docmill(["search", "output", question, "--json", "--set", "llm.provider=simulated"]).exits(0);
        let first: serde_json::Value = serde_json::from_str(found.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(first["document"], expected, "{question}: {}", found.stdout);
    }
    let shown = workspace.docmill(["search", "output", "cable car", "--top", "2", "--set", "llm.provider=simulated"]).exits(0);
    assert!(shown.stdout.contains("cable-car-maintenance.md, chunk"), "{}", shown.stdout);
    let other = ["search", "output", "x", "--set", "llm.provider=openai-compatible", "--set", "llm.base_url=http://localhost:9"];
    workspace.docmill(other).exits(2).says(&["--set llm.provider=simulated"]);
    let written = workspace.docmill(["vectors", "all.parquet", "--output", "output"]).exits(0).stdout;
    assert!(written.contains("vectors of simulated-small"), "{written}");
    let file = std::fs::File::open(workspace.path("all.parquet")).unwrap();
    let rows = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1000).unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    let chunks = number(&store(&workspace), "SELECT count(*) FROM chunks");
    assert_eq!((rows.len(), rows[0].num_rows()), (1, usize::try_from(chunks).unwrap()));
    assert!(matches!(rows[0].column_by_name("vector").unwrap().data_type(), arrow_schema::DataType::FixedSizeList(_, 256)));
    workspace.docmill(["search", "docs", "x"]).exits(2).says(&["docmill run DIR --job embed"]);
}

/// A server with a real model, by the Python of `.ci/models`. It ends with this value.
struct RealModel(std::process::Child);

impl RealModel {
    /// Starts the server. Returns its address too; `None` without the setting.
    fn start() -> Option<(Self, String)> {
        let Some(python) = std::env::var_os("DOCMILL_TEST_MODELS").filter(|python| !python.is_empty()) else {
            eprintln!("skipped: DOCMILL_TEST_MODELS is not set. `.ci/models` installs a model and prints its Python");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/models/minilm_server.py");
        let mut child = std::process::Command::new(python).arg(script).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut address).unwrap();
        assert!(address.starts_with("http://"), "{address}");
        Some((Self(child), address.trim().to_owned()))
    }
}

impl Drop for RealModel {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_real_model_finds_texts_that_share_no_words_with_the_question() {
    let Some((_model, address)) = RealModel::start() else { return };
    let address = format!("llm.base_url={address}");
    let server = ["--set", "llm.provider=openai-compatible", "--set", &address, "--set", "llm.model=all-MiniLM-L6-v2"];
    let texts = concat!(env!("CARGO_MANIFEST_DIR"), "/sample_data/texts");
    let workspace = Workspace::new();
    workspace.docmill(["run", texts, "--job", "embed", "--output", "output"].iter().chain(&server)).exits(0);
    for (question, expected) in PARAPHRASES {
        let found = workspace.docmill(["search", "output", question, "--json", "--top", "1"].iter().chain(&server)).exits(0);
        let first: serde_json::Value = serde_json::from_str(found.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(first["document"], expected, "{question}: {}", found.stdout);
    }
}

/// Questions in other words than the sample text that answers each.
const PARAPHRASES: [(&str, &str); 10] = [
    ("Which inspections keep a mountain lift safe?", "cable-car-maintenance.md"),
    ("A customer is unhappy with furniture that arrived damaged.", "complaint-letter.txt"),
    ("How can clothes be dehydrated with less energy?", "heat-pump-drying.md"),
    ("objects found in an old beacon tower by the sea", "lighthouse-inventory.txt"),
    ("Should a town own its pipes and taps?", "municipal-water-essay.txt"),
    ("accident with lifting equipment at the port", "news-harbour-crane.txt"),
    ("How did the foundry's sales develop in these three months?", "quarterly-report-castings.txt"),
    ("Is exercise good for hypertension?", "stair-climbing-study.txt"),
    ("le facteur et sa bicyclette", "velo-du-facteur.txt"),
    ("Wie wird eine Kirchenglocke hergestellt?", "glockengiesserei.txt"),
];

/// Questions, and the sample text that answers each.
const QUESTIONS: [(&str, &str); 10] = [
    ("maintenance of the cable car", "cable-car-maintenance.md"),
    ("The workbench came with a bent leg.", "complaint-letter.txt"),
    ("drying with a heat pump", "heat-pump-drying.md"),
    ("What did the lighthouse keeper leave behind?", "lighthouse-inventory.txt"),
    ("drinking water of the municipality", "municipal-water-essay.txt"),
    ("a crane in the harbour", "news-harbour-crane.txt"),
    ("castings in the quarter", "quarterly-report-castings.txt"),
    ("Does climbing stairs lower blood pressure?", "stair-climbing-study.txt"),
    ("le vélo du facteur", "velo-du-facteur.txt"),
    ("Glocken gießen", "glockengiesserei.txt"),
];

#[test]
fn servers_that_deviate_give_right_vectors_or_coded_failures() {
    let right = right(40);
    for quirk in ["shuffled", "base64_ignored"] {
        let server = Server::start(&format!("[embeddings]\nquirks = ['{quirk}']"));
        let workspace = server.workspace();
        write(&workspace, 0..40);
        embed(&workspace).exits(0);
        assert!(are_alike(&vectors(&workspace), &right), "{quirk}");
    }
    for (quirk, code, tokens) in [
        ("count_short", "invalid_answer", 128),
        ("nan", "invalid_answer", 128),
        ("wrong_dimensions", "invalid_answer", 128),
        ("truncates", "prompt_cut", 128),
        ("truncates", "prompt_cut", 64),
        ("truncates", "prompt_cut", 100),
    ] {
        let server = Server::start(&format!("[embeddings]\nmax_input_tokens = {tokens}\nquirks = ['{quirk}']"));
        let workspace = server.workspace().set("llm.retry.max_consecutive_failures", 0);
        workspace.write("own.toml", "name = 'own'\ninput = 'text'\n[[task]]\nid = 'v'\n[task.embed]\ndimensions = 64\n");
        let long = if quirk == "truncates" { "and some more words of it ".repeat(40) } else { String::new() };
        for n in 0..6 {
            workspace.doc(format!("{n}.txt"), text(n) + &long);
        }
        let run = workspace.run(["--job", "own.toml"]).exits(3);
        let csv = run.csv("own");
        assert!(csv.rows.iter().all(|row| row["failure_code"] == code && row["status"] == "failed"), "{quirk}: {csv:?}");
        assert!(vectors(&workspace).is_empty(), "{quirk}");
    }
    // Texts below the limit have their vectors, whatever is in the packs with them.
    let server = Server::start("[embeddings]\nmax_input_tokens = 90\nquirks = ['truncates']");
    let workspace = server.workspace();
    for n in 0..20 {
        workspace.doc(format!("{n:02}.txt"), text(n) + &"and some more words of it ".repeat(if n % 4 == 1 { 40 } else { 0 }));
    }
    let run = embed(&workspace).exits(3);
    let failed: Vec<String> = run.csv("embed").rows.iter().filter(|row| row["status"] != "ok").map(|row| row["document"].clone()).collect();
    assert_eq!((failed.join(" "), vectors(&workspace).len()), ("01.txt 05.txt 09.txt 13.txt 17.txt".to_owned(), 15));
    // A server that refuses a longer text does not cut it. One refusal shows that.
    let server = Server::start("[embeddings]\nmax_input_tokens = 120\nwording = 'llama_server'");
    let workspace = server.workspace().set("llm.pack.max_items", 20);
    for n in 0..100 {
        workspace.doc(format!("{n:03}.txt"), text(n) + &"and some more words of it ".repeat(12));
    }
    embed(&workspace).exits(0);
    let ledger = server.ledger();
    assert!(vectors(&workspace).len() == 100 && ledger.requests <= 5 + 3, "{ledger:?}");
    // The vector in the middle of each response is wrong, so the first ones are too.
    let server = Server::start("[embeddings]\nquirks = ['null']");
    let workspace = server.workspace();
    write(&workspace, 0..40);
    embed(&workspace).exits(5).says(&["invalid_answer", "numbers that are not finite"]);
    assert!(vectors(&workspace).is_empty());
}

#[test]
fn a_bad_text_does_not_spoil_its_pack() {
    let server = Server::start("[[poison]]\nmarker = 'spoilt'\nfault = 'rejected'\n[embeddings]\nmax_inputs = 128");
    let workspace = server.workspace().set("llm.pack.max_items", 128);
    write(&workspace, 0..400);
    workspace.doc("0100.txt", "a spoilt text");
    let run = embed(&workspace).exits(3);
    let failed: Vec<String> = run.csv("embed").rows.iter().filter(|row| row["status"] != "ok").map(|row| row["document"].clone()).collect();
    assert_eq!((failed, vectors(&workspace).len()), (vec!["0100.txt".to_owned()], 399));
    let ledger = server.ledger();
    assert!(ledger.requests <= 2 + 4 + 2 * 7, "{} requests", ledger.requests);
    assert_eq!((ledger.embedded_inputs, ledger.embedded_again), (399, 0));
}

#[test]
fn faults_of_a_server_are_retried_and_a_budget_holds() {
    let server = Server::start("[faults]\nserver_error = 0.2\noverloaded = 0.1");
    let workspace = server.workspace().set("llm.pack.max_items", 8).set("llm.retry.max_attempts", 20);
    write(&workspace, 0..200);
    embed(&workspace).exits(0);
    let ledger = server.ledger();
    assert!(are_alike(&vectors(&workspace), &right(200)));
    assert_eq!((ledger.embedded_inputs, ledger.embedded_again), (200, 0));

    let server = Server::start("");
    let workspace = server.workspace().set("llm.pack.max_items", 8).set("budget.max_usd", 0.003);
    workspace.write("pipeline.toml", "[prices]\nsimulated-embedding = { input = 1.0, output = 0.0 }\n");
    write(&workspace, 0..500);
    embed(&workspace).exits(4).says(&["budget"]);
    let spent = number(&store(&workspace), "SELECT sum(pico_usd) FROM attempts");
    assert!((1..=3_000_000_000).contains(&spent), "{spent}");
}

#[test]
fn killed_runs_embed_nothing_again_beyond_requests_in_flight() {
    let server = Server::start("latency_ms = 3\n[embeddings]\nms_per_input = 0.1");
    let workspace = server.workspace().set("llm.pack.max_items", 16).set("llm.pack.wait_ms", 2).set("llm.concurrency", 4);
    let kills = (0..10).filter(|round| {
        // The more results are committed together, the less often the program comes near its death.
        write(&workspace, 40 * round..40 * (round + 1));
        let share = ["0.1", "0.3", "0.8"][round % 3];
        let killed = workspace.clone().env("FAILPOINTS", &format!("commit={share},committed={share}"));
        killed.start_run(["--job", "embed"]).end().is_err()
    });
    let kills = kills.count();
    let doubtful = number(&store(&workspace), "SELECT count(*) FROM attempts WHERE outcome IS NULL OR outcome = 'lost'");
    embed(&workspace).exits(0);
    let ledger = server.ledger();
    assert!(kills > 2, "{kills} kills");
    assert!(i64::try_from(ledger.embedded_again).unwrap() <= doubtful, "{} again, {doubtful} in doubt", ledger.embedded_again);
    assert!(are_alike(&vectors(&workspace), &right(400)));
    workspace.docmill(["verify", "--output", "output"]).exits(0);
}
