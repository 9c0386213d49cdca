//! Job files: tasks, axes, and combining answers.

use crate::support::{Ask, Finished, ModelServer, Reply, Workspace, filled, png};
use serde_json::{Value, json};

const MATERIALS: [&str; 6] = ["metal", "polymer", "ceramic", "composite", "elastomer", "wood"];

/// The material of an analysis; `None` for the aggregation.
fn material(ask: &Ask) -> Option<&'static str> {
    MATERIALS.into_iter().find(|material| ask.text.contains(&format!("how well {material} as a family")))
}

fn is_aggregation(ask: &Ask) -> bool {
    ask.schema["properties"].get("best_material").is_some() && ask.images.is_empty()
}

fn one_image(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.doc("part.png", png(7));
    workspace
}

#[test]
fn a_job_with_the_name_of_another_says_what_it_replaces() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:a");
    let job = |columns: &str| {
        let answer = format!("[[task]]\nid = \"t\"\nprompt = \"{{{{ document }}}}\"\n[task.answer]\n{columns}");
        workspace.write("mine.toml", format!("name = \"text\"\ninput = \"text\"\n{answer}")).clone()
    };
    workspace.run(["--job", "text", "--tasks", "summary"]).exits(0).says_nothing_of("another job");
    job("summary = { type = \"string\" }\nnote = { type = \"string\" }");
    let checked = workspace.docmill(["jobs", "check", "mine.toml"]).exits(0).stdout;
    assert!(checked.contains("a built-in job is also called text"), "{checked}");
    workspace.run(["--job", "mine.toml", "--limit", "1", "--output", "elsewhere"]).exits(0).says_nothing_of("another job");
    let replaced = "another job called text made the results in output/text (run 1). This run replaces them";
    workspace.run(["--job", "mine.toml"]).exits(0).says(&[replaced]);
    workspace.run(["--job", "mine.toml"]).exits(0).says_nothing_of("another job");
    job("summary = { type = \"string\" }").run(["--job", "mine.toml"]).exits(0).says(&["and drops 1 column (note)"]);
}

#[test]
fn an_axis_makes_one_call_and_one_column_for_each_of_its_values() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:advert with {{ tone }} and {% braces %} in it").write(
        "headline.toml",
        r#"
        name = "headline"
        input = "text"
        system = "You are a newspaper editor."
        [[task]]
        id = "headline"
        prompt = "Write one {{ tone }} headline for readers of {{ reader_age }} years ({{ reader }}).\n\n{{ document }}"
        max_output_tokens = 77
        over = { tone = ["dry", "bold", "sad"], reader = [{ id = "young", age = 20 }, { id = "old", age = 80 }] }
        [task.answer]
        headline = { type = "string" }
        score = { type = "integer", min = 1, max = 10 }
        "#,
    );
    let run = workspace.run(["--job", "headline.toml"]).exits(0);
    let csv = run.csv("headline");
    let mut columns = Vec::new();
    for tone in ["dry", "bold", "sad"] {
        for reader in ["young", "old"] {
            columns.extend([format!("{tone}_{reader}_headline"), format!("{tone}_{reader}_score")]);
        }
    }
    assert_eq!(csv.columns[3..3 + columns.len()], columns);
    assert_eq!(csv.rows[0]["calls"], "6");
    assert_eq!(csv.rows[0]["bold_old_headline"], "headline of docid:advert");
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 6);
    assert!(ledger.asks.iter().any(|ask| ask.text.contains("one sad headline for readers of 20 years (young)")));
    for ask in &ledger.asks {
        assert!(
            ask.text.contains("docid:advert with {{ tone }} and {% braces %} in it"),
            "the document was read as a template: {}",
            ask.text
        );
        assert_eq!(ask.system, "You are a newspaper editor.");
        assert_eq!(ask.body["max_tokens"], 77);
    }
    let axes: Vec<Value> = run.jsonl("headline")[0]["calls"].as_array().unwrap().iter().map(|call| call["axes"].clone()).collect();
    assert_eq!(axes[1], json!({"tone": "dry", "reader": "old"}));
}

#[test]
fn a_broken_job_file_is_refused_before_anything_is_sent() {
    for (text, part) in [
        ("name = \"x\"\ninput = \"text\"\n", "[[task]]"),
        (
            "name = \"x\"\ninput = \"text\"\n[[task]]\nid = \"a\"\nprompt = \"{{ documnt }}\"\n[task.answer]\nb = { type = \"string\" }\n",
            "documnt",
        ),
        ("name = \"x\"\ninput = \"text\"\n[[task]]\nid = \"a\"\nprompt = \"p\"\n[task.answer]\nb = { type = \"strin\" }\n", "strin"),
        ("name = \"x\"\ninput = \"video\"\n", "video"),
        ("name = \"../x\"\ninput = \"text\"\n[[task]]\nid = \"a\"\nprompt = \"p\"\n[task.answer]\nb = { type = \"string\" }\n", "../x"),
        ("name = \"x\"\ninput = \"text\"\n[[task]]\nid = \"a\"\nprompt = \"p\"\n[task.answer]\nindex = { type = \"string\" }\n", "index"),
    ] {
        let server = ModelServer::start();
        let workspace = Workspace::new().against(&server);
        workspace.doc("a.txt", "docid:a").write("own.toml", text);
        workspace.run(["--job", "own.toml"]).exits(2).says(&["own.toml", part]);
        assert_eq!(server.ledger().requests(), 0);
    }
}

/// A job that asks for numbers and combines them with `prompt`.
fn combining(prompt: &str) -> String {
    format!(
        r#"
        name = "combining"
        input = "text"
        [[task]]
        id = "rate"
        prompt = "Rate it."
        [task.answer]
        stars = "integer"
        [combine]
        method = "model"
        prompt = "{prompt} {{{{ answers }}}}"
        [combine.answer]
        verdict = "string"
        "#
    )
}

#[test]
fn an_unrenderable_aggregation_is_refused_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:a").write("own.toml", combining("{% for a in answers %}{{ a.material }}{% endfor %}"));
    for command in ["run", "plan"] {
        let ended = workspace.docmill([command, "docs", "--job", "own.toml"]).exits(2);
        ended.says(&["own.toml", "combine: prompt: line", "undefined value"]);
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn an_aggregation_unrenderable_for_one_document_fails_only_that_document() {
    let stars = |ask: &Ask| if ask.docid.as_deref() == Some("b") { 0 } else { 2 };
    let server = ModelServer::script()
        .answer(move |ask| if ask.schema["properties"].get("stars").is_some() { json!({"stars": stars(ask)}) } else { filled(ask) })
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("own.toml", combining("{{ 10 // answers[0].answer.stars }}"));
    for name in ["a", "b", "c"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    let run = workspace.run(["--job", "own.toml"]).exits(3);
    let csv = run.csv("combining");
    assert_eq!(csv.column("status"), ["ok", "partial", "ok"]);
    assert_eq!(csv.column("stars"), ["2", "0", "2"]);
    assert_eq!(csv.row("b.txt")["failure_code"], "unrenderable");
    assert_eq!(server.requests(), 5);
    workspace.docmill(["verify"]).exits(0);
    workspace.run(["--job", "own.toml"]).exits(3).says(&["up to date"]);
}

#[test]
fn parameters_of_a_job_reach_its_prompts_and_its_schema() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:p").write("pipeline.toml", "[job.params]\nlanguage = \"Basque\"\ncategories = [\"tools\", \"toys\"]\n");
    let run = workspace.run([""; 0]).exits(0);
    assert_eq!(run.csv("text").rows[0]["category"], "tools");
    assert!(server.ledger().asks.iter().any(|ask| ask.text.contains("into Basque")));
    workspace.run(["--set", "job.params.langage=French"]).exits(2).says(&["langage"]);
}

#[test]
fn six_analyses_and_one_recommendation_that_sees_them_all() {
    let server = ModelServer::script()
        .answer(|ask| match material(ask) {
            Some(material) => json!({
                "suitability": material.len(), "strengths": [format!("{material} 1"), "b", "c"], "concerns": ["d", "e", "f"],
                "recommended": material == "wood"
            }),
            None => json!({"best_material": "wood", "runner_up": "metal", "rationale": "Because.", "confidence": "high"}),
        })
        .start();
    let workspace = one_image(&server);
    let run = workspace.run([""; 0]).exits(0);
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 7);
    let last = ledger.asks.last().unwrap();
    assert!(is_aggregation(last));
    for material in MATERIALS {
        assert!(last.text.contains(&format!("{material} 1")), "the aggregation has not seen {material}: {}", last.text);
    }
    assert!(!last.text.contains("No analysis is available"));
    let row = &run.csv("material").rows[0];
    assert_eq!((row["best_material"].as_str(), row["runner_up"].as_str(), row["confidence"].as_str()), ("wood", "metal", "high"));
    for material in MATERIALS {
        assert_eq!(row[&format!("{material}_suitability")], material.len().to_string());
        assert_eq!(row[&format!("{material}_strengths")], format!("{material} 1; b; c"));
        assert_eq!(row[&format!("{material}_recommended")], (material == "wood").to_string());
    }
}

#[test]
fn six_materials_under_three_conditions_are_nineteen_calls() {
    let server = ModelServer::start();
    let workspace = one_image(&server);
    let run = workspace.run(["--job", "material-conditions"]).exits(0);
    assert_eq!(server.ledger().requests(), 19);
    let csv = run.csv("material-conditions");
    assert_eq!(csv.rows[0]["calls"], "19");
    for material in MATERIALS {
        for condition in ["indoor", "outdoor", "harsh"] {
            assert_eq!(csv.column(&format!("{material}_{condition}_suitability")), ["1"]);
        }
    }
    assert_eq!(csv.column("best_material"), ["metal"]);
}

#[test]
fn one_prompt_for_everything_is_one_call() {
    let server = ModelServer::start();
    let workspace = one_image(&server);
    let run = workspace.run(["--job", "material-single"]).exits(0);
    assert_eq!(server.ledger().requests(), 1);
    assert_eq!(run.csv("material-single").column("wood_suitability"), ["1"]);
}

fn scored(scores: [(u64, bool); 6]) -> ModelServer {
    ModelServer::script()
        .answer(move |ask| {
            let place = MATERIALS.iter().position(|material| Some(*material) == self::material(ask)).unwrap();
            let (score, recommended) = scores[place];
            json!({"suitability": score, "strengths": ["a", "b", "c"], "concerns": ["d", "e", "f"], "recommended": recommended})
        })
        .start()
}

#[test]
fn a_vote_needs_no_further_call() {
    let server = scored([(5, false), (6, true), (9, false), (4, false), (3, false), (2, false)]);
    let workspace = one_image(&server);
    let run = workspace.run(["--set", "job.combine=vote"]).exits(0);
    assert_eq!(server.ledger().requests(), 6);
    let row = &run.csv("material").rows[0];
    assert_eq!((row["best_material"].as_str(), row["runner_up"].as_str(), row["confidence"].as_str()), ("polymer", "ceramic", "high"));
    assert!(row["rationale"].contains("polymer") && row["rationale"].contains("ceramic"), "{}", row["rationale"]);
}

#[test]
fn weighing_takes_the_highest_score_and_needs_no_further_call() {
    let server = scored([(5, false), (6, true), (9, false), (4, false), (3, false), (2, false)]);
    let workspace = one_image(&server);
    let run = workspace.run(["--set", "job.combine=weighted"]).exits(0);
    assert_eq!(server.ledger().requests(), 6);
    let row = &run.csv("material").rows[0];
    assert_eq!((row["best_material"].as_str(), row["runner_up"].as_str()), ("ceramic", "polymer"));
    // The analyses are stored, so another method to combine them costs nothing.
    let run = workspace.run(["--set", "job.combine=vote"]).exits(0);
    assert_eq!(server.ledger().requests(), 6);
    assert_eq!(run.csv("material").rows[0]["best_material"], "polymer");
}

#[test]
fn an_unknown_way_to_combine_is_refused() {
    let server = ModelServer::start();
    one_image(&server).run(["--set", "job.combine=lottery"]).exits(2).says(&["job.combine", "lottery", "vote"]);
}

fn failing(which: fn(&Ask) -> bool) -> ModelServer {
    ModelServer::script()
        .faults(move |ask| if which(ask) { Reply::error(ask, 400, "invalid_request_error", "not this one") } else { Reply::Ok })
        .answer(|ask| {
            let mut answer = filled(ask);
            if let Some(material) = material(ask) {
                answer["strengths"][0] = json!(format!("{material} is strong"));
            }
            answer
        })
        .start()
}

fn partial_row(run: &Finished) -> std::collections::BTreeMap<String, String> {
    let row = run.csv("material").rows[0].clone();
    assert_eq!((row["status"].as_str(), row["failure_code"].as_str()), ("partial", "rejected"));
    row
}

#[test]
fn a_failed_analysis_keeps_the_others_and_reaches_the_aggregation() {
    let server = failing(|ask| material(ask) == Some("elastomer"));
    let workspace = one_image(&server);
    let run = workspace.run([""; 0]).exits(3);
    let row = partial_row(&run);
    assert!(row["failure_message"].contains("elastomer") && row["failure_message"].contains("not this one"), "{}", row["failure_message"]);
    for material in MATERIALS {
        let wanted = if material == "elastomer" {
            String::new()
        } else {
            format!("{material} is strong; strengths 2 of no document; strengths 3 of no document")
        };
        assert_eq!(row[&format!("{material}_strengths")], wanted);
    }
    assert_eq!(row["best_material"], "metal");
    let ledger = server.ledger();
    let aggregation = ledger.asks.iter().find(|ask| is_aggregation(ask)).unwrap();
    let (_, told) = aggregation.text.split_once("No analysis is available for:").expect("the aggregation is not told what is missing");
    assert!(told.lines().next().unwrap().contains("elastomer"), "{told}");
    assert!(!told.lines().next().unwrap().contains("metal"), "{told}");
    let calls = run.jsonl("material")[0]["calls"].as_array().unwrap().clone();
    assert_eq!(calls.iter().map(|call| call["status"].as_str().unwrap()).filter(|status| *status == "ok").count(), 6);
    let failed = calls.iter().find(|call| call["status"] == "failed").unwrap();
    assert_eq!((&failed["axes"]["material"], &failed["failure"]["code"]), (&json!("elastomer"), &json!("rejected")));
}

#[test]
fn a_vote_is_counted_without_a_missing_analysis() {
    let server = failing(|ask| material(ask) == Some("elastomer"));
    let run = one_image(&server).run(["--set", "job.combine=vote"]).exits(3);
    let row = partial_row(&run);
    assert_eq!(row["best_material"], "metal");
    assert!(row["rationale"].contains("elastomer"), "{}", row["rationale"]);
    assert_ne!(row["confidence"], "high");
}

#[test]
fn when_the_aggregation_fails_the_analyses_are_kept() {
    let server = failing(is_aggregation);
    let run = one_image(&server).run([""; 0]).exits(3);
    let row = partial_row(&run);
    assert_eq!(row["best_material"], "");
    assert_eq!(row["wood_suitability"], "1");
}

#[test]
fn when_all_analyses_fail_there_is_nothing_to_combine() {
    let server = failing(|ask| material(ask).is_some());
    let run = one_image(&server).run([""; 0]).exits(3);
    let row = &run.csv("material").rows[0];
    assert_eq!((row["status"].as_str(), row["failure_code"].as_str()), ("failed", "rejected"));
    assert_eq!(server.ledger().requests(), 6);
}

#[test]
fn a_second_run_sends_only_failed_calls() {
    let healthy = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&healthy);
    let server = ModelServer::script()
        .faults(move |ask| match material(ask) {
            Some("wood") if !switch.load(std::sync::atomic::Ordering::SeqCst) => Reply::error(ask, 500, "api_error", "no"),
            _ => Reply::Ok,
        })
        .start();
    let workspace = one_image(&server).set("llm.retry.max_attempts", 1);
    workspace.run([""; 0]).exits(3);
    assert_eq!(server.ledger().requests(), 7);
    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    let run = workspace.run([""; 0]).exits(0);
    // The second run sends the missing analysis, and the aggregation with all six.
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 9);
    assert_eq!(material(&ledger.asks[7]), Some("wood"));
    assert!(is_aggregation(&ledger.asks[8]));
    assert_eq!(run.csv("material").rows[0]["status"], "ok");
}

#[test]
fn built_in_jobs_are_printed_as_files_that_run() {
    for (job, document) in [
        ("text", "docid:t".as_bytes().to_vec()),
        ("material", png(1)),
        ("material-conditions", png(1)),
        ("material-single", png(1)),
        ("text-single", "docid:t".as_bytes().to_vec()),
    ] {
        let server = ModelServer::start();
        let workspace = Workspace::new().against(&server);
        let printed = workspace.docmill(["jobs", "show", job]).exits(0);
        workspace.doc("document", document).write("mine.toml", &printed.stdout);
        let run = workspace.run(["--job", "mine.toml"]).exits(0);
        assert_eq!(run.csv(job).rows.len(), 1);
        assert!(workspace.docmill(["jobs", "list"]).exits(0).stdout.lines().any(|line| line.starts_with(job)));
    }
    Workspace::new().docmill(["jobs", "show", "txt"]).exits(2).says(&["txt", "text"]);
}
