//! The first run of a new user, over the sample data.

use crate::support::{ModelServer, Workspace, without_seconds};
use serde_json::Value;
use std::path::Path;

const MATERIALS: [&str; 6] = ["metal", "polymer", "ceramic", "composite", "elastomer", "wood"];
const LAST: [&str; 13] = [
    "provider",
    "model",
    "failure_code",
    "failure_message",
    "input_note",
    "repaired",
    "calls",
    "attempts",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "seconds",
];

/// A copy of the repository's sample data and settings.
pub(crate) fn clone_of_the_repository(workspace: &Workspace) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("pipeline.toml"), workspace.path("pipeline.toml")).unwrap();
    copy(&root.join("sample_data"), &workspace.path("sample_data"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(directory: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(directory);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| format!("{directory}/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    names.sort_unstable();
    names
}

/// Every string in a value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_bare_run_does_both_jobs_on_the_sample_data_with_simulated_answers() {
    let workspace = Workspace::new();
    clone_of_the_repository(&workspace);
    let run = workspace.docmill(["run"]).exits(0);
    assert_eq!(run.stdout, "", "progress or results on stdout");

    let images = run.csv("material");
    assert_eq!(images.column("document"), files("images"));
    let mut columns = vec!["index".to_owned(), "document".into(), "status".into()];
    columns.extend(["best_material", "runner_up", "rationale", "confidence"].map(Into::into));
    for material in MATERIALS {
        columns.extend(["suitability", "strengths", "concerns", "recommended"].map(|field| format!("{material}_{field}")));
    }
    columns.extend(LAST.map(Into::into));
    assert_eq!(images.columns, columns);

    let texts = run.csv("text");
    assert_eq!(texts.column("document"), files("texts"));
    let mut columns: Vec<String> = ["index", "document", "status"].map(Into::into).into();
    columns.extend(["summary", "sentiment", "sentiment_score", "keywords", "questions", "translation", "category"].map(Into::into));
    columns.extend(LAST.map(Into::into));
    assert_eq!(texts.columns, columns);

    for (table, calls) in [(&images, "7"), (&texts, "6")] {
        for row in &table.rows {
            assert_eq!((row["status"].as_str(), row["calls"].as_str()), ("ok", calls), "{row:?}");
            assert_eq!(row["provider"], "simulated");
            assert!(row["model"].contains("simulated"), "{row:?}");
            assert_eq!(row["failure_code"], "");
            assert!(row["input_tokens"].parse::<u64>().unwrap() > 0);
            assert!(row["seconds"].parse::<f64>().unwrap() > 0.0);
            assert_eq!(row["cost_usd"].parse::<f64>(), Ok(0.0));
        }
    }
    for row in &images.rows {
        assert!(MATERIALS.contains(&row["best_material"].as_str()));
        for material in MATERIALS {
            assert!((1..=10).contains(&row[&format!("{material}_suitability")].parse::<i64>().unwrap()));
            assert_eq!(row[&format!("{material}_strengths")].split("; ").count(), 3);
        }
    }
    for row in &texts.rows {
        assert!((5..=7).contains(&row["keywords"].split("; ").count()), "{}", row["keywords"]);
        assert!((-1.0..=1.0).contains(&row["sentiment_score"].parse::<f64>().unwrap()));
    }
    // Free text (neither a number nor a choice) must be recognisable as simulated.
    for (job, free) in [("material", "rationale"), ("text", "summary"), ("text", "translation")] {
        for row in run.csv(job).rows {
            assert!(row[free].contains("[simulated]"), "{job} {free}: {}", row[free]);
        }
    }
    for job in ["material", "text"] {
        for row in run.jsonl(job) {
            assert_eq!(row["provider"], "simulated");
            for name in ["strengths", "concerns", "questions", "keywords", "rationale", "summary", "translation"] {
                let answers = row["calls"].as_array().unwrap().iter().map(|call| &call["answer"][name]);
                for text in answers.flat_map(strings) {
                    assert!(text.contains("simulated"), "an unmarked text in {name}: {text}");
                }
            }
        }
        assert_eq!(run.json(job), run.jsonl(job));
        assert_eq!(run.summary(job)["simulated"], true);
        assert!(run.file(job, "results.csv").contains("\r\n"));
    }
    for job in ["material", "text"] {
        let mut left: Vec<_> =
            std::fs::read_dir(workspace.path("output").join(job)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort_unstable();
        assert_eq!(left, ["results.csv", "results.json", "results.jsonl", "summary.json"], "leavings in {job}");
    }
    // Without a model, colours and surfaces tell more than half of the materials.
    let labels = std::fs::read_to_string(workspace.path("sample_data/labels.csv")).unwrap();
    let labelled =
        |row: &&std::collections::BTreeMap<String, String>| labels.contains(&format!("{},{}\n", row["document"], row["best_material"]));
    let right = images.rows.iter().filter(labelled).count();
    assert!(right >= 10, "{right} of 16 materials are right");
    let tone = |name: &str| texts.rows.iter().find(|row| row["document"] == format!("texts/{name}")).map(|row| row["sentiment"].clone());
    assert_eq!(tone("complaint-letter.txt").as_deref(), Some("negative"));
    // Simulated answers differ between documents.
    let rationales: std::collections::BTreeSet<&str> = images.column("rationale").into_iter().collect();
    assert_eq!(rationales.len(), images.rows.len());
    assert!(run.stderr.contains("simulated"), "nothing tells that answers are simulated:\n{}", run.stderr);

    let again = workspace.docmill(["run"]).exits(0);
    for job in ["material", "text"] {
        assert_eq!(again.csv(job).without_seconds(), run_before(&images, &texts, job).clone().without_seconds());
    }
}

fn run_before<'t>(images: &'t crate::support::Table, texts: &'t crate::support::Table, job: &str) -> &'t crate::support::Table {
    if job == "text" { texts } else { images }
}

#[test]
fn simulated_answers_fit_the_schemas_of_the_built_in_jobs() {
    let workspace = Workspace::new();
    for n in 0..60 {
        workspace.doc(format!("{n}.txt"), format!("Text number {n} is a short one."));
    }
    let run = workspace.run(["--set", "simulator.latency_ms=0", "--set", "simulator.jitter_ms=0"]);
    let csv = run.csv("text");
    let bad: Vec<_> = csv.rows.iter().filter(|row| row["status"] != "ok").map(|row| &row["failure_message"]).collect();
    assert!(bad.is_empty(), "{} of 60 rows are not ok, such as: {}", bad.len(), bad[0]);
}

#[test]
fn a_second_run_sends_nothing_again_and_leaves_the_same_results() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    clone_of_the_repository(&workspace);
    std::fs::remove_dir_all(workspace.path("docs")).unwrap();
    std::fs::rename(workspace.path("sample_data"), workspace.path("docs")).unwrap();
    let first = workspace.run([""; 0]).exits(0);
    let requests = server.ledger().requests();
    assert_eq!(requests, 7 * files("images").len() + 6 * files("texts").len());
    let before: Vec<_> = ["material", "text"].map(|job| (first.csv(job), first.jsonl(job), first.json(job))).into();

    let second = workspace.run([""; 0]).exits(0);
    assert_eq!(server.ledger().requests(), requests, "the second run sent something");
    for (job, (csv, jsonl, json)) in ["material", "text"].into_iter().zip(before) {
        assert_eq!(second.csv(job).without_seconds(), csv.without_seconds(), "{job}");
        assert_eq!(
            second.jsonl(job).iter().map(without_seconds).collect::<Vec<_>>(),
            jsonl.iter().map(without_seconds).collect::<Vec<_>>()
        );
        assert_eq!(second.json(job).iter().map(without_seconds).collect::<Vec<_>>(), json.iter().map(without_seconds).collect::<Vec<_>>());
    }
}

#[test]
fn a_new_document_costs_only_its_own_calls() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("b.txt", "docid:b").doc("d.txt", "docid:d");
    workspace.run([""; 0]).exits(0);
    workspace.doc("a.txt", "docid:a");
    std::fs::remove_file(workspace.path("docs/d.txt")).unwrap();
    let run = workspace.run([""; 0]).exits(0);
    assert_eq!(server.ledger().requests(), 18);
    let csv = run.csv("text");
    assert_eq!(csv.column("document"), ["a.txt", "b.txt"]);
    assert_eq!(csv.column("index"), ["0", "1"]);
    assert_eq!(csv.column("summary"), ["summary of docid:a", "summary of docid:b"]);
}

#[test]
fn equal_documents_are_separate_documents() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:same text");
    workspace.run([""; 0]).exits(0);
    workspace.doc("copy.md", "docid:same text");
    let run = workspace.run([""; 0]).exits(0);
    // Only the new copy is sent. A copy is a separate document.
    assert_eq!(server.ledger().requests(), 12);
    assert_eq!(run.csv("text").column("document"), ["a.txt", "copy.md"]);
}

#[test]
fn a_machine_without_root_certificates_runs_with_plain_http() {
    let workspace = Workspace::new().env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nowhere");
    workspace.doc("a.txt", "The pump dries wood.");
    workspace.docmill(["run", "docs", "--job", "text-single", "--set", "simulator.latency_ms=1"]).exits(0);
}
