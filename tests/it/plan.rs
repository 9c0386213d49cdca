//! `docmill plan` and `docmill rehearse`, compared with runs.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Workspace, large_jpeg};
use docmill::simulator::{Faults, Prices, Scenario, Simulator};
use serde_json::Value;

/// The output of `docmill plan` for the documents in `docs`.
fn plan(workspace: &Workspace, args: &[&str]) -> Value {
    let told = workspace.start_with([&["plan", "docs", "--json"], args].concat()).finish().exits(0);
    serde_json::from_str(&told.stdout).unwrap()
}

fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    for n in 0..6 {
        workspace.doc(format!("{n}.txt"), format!("docid:d{n} a text"));
    }
    workspace
}

#[test]
fn a_plan_sends_nothing_and_writes_nothing() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.doc("broken.png", b"\x89PNG\r\n\x1a\n and no more");
    let told = plan(&workspace, &[]);
    assert_eq!((&told["documents"], &told["calls"], &told["waves"]), (&7.into(), &36.into(), &2.into()));
    assert_eq!(told["failures"]["undecodable"], 1);
    assert!(told["seconds"].is_null() && told["cost_usd"].is_null(), "{told}");
    assert!(!workspace.path("output").exists());
    assert_eq!(server.ledger().requests(), 0);

    workspace.run([""; 0]).exits(3);
    let requests = server.ledger().requests();
    assert_eq!(requests, 36);
    let store = std::fs::read(workspace.path("output/docmill.db")).unwrap();
    let text = workspace.start_with(["plan", "docs"]).finish().exits(0).stdout;
    assert!(text.contains("none to send: all documents are up to date"), "{text}");
    assert_eq!(server.ledger().requests(), requests);
    assert!(store == std::fs::read(workspace.path("output/docmill.db")).unwrap(), "the store was written");
}

#[test]
fn a_pilot_is_paid_once_and_the_rest_matches_the_plan() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let told = plan(&workspace, &["--pilot", "2"]);
    assert_eq!((&told["documents"], &told["calls"], &told["waves"]), (&6.into(), &24.into(), &1.into()));
    assert_eq!((&told["learned_from_documents"], server.ledger().requests()), (&2.into(), 12));
    assert!(told["seconds"]["low"].as_f64().unwrap() <= told["seconds"]["high"].as_f64().unwrap());
    workspace.start_with(["plan", "--rows", "-", "--pilot", "2"]).finish().exits(2).says(&["standard input"]);
    // The pilot is complete, so nothing is sent again.
    plan(&workspace, &["--pilot", "2"]);
    assert_eq!(server.ledger().requests(), 12);
    workspace.run([""; 0]).exits(0);
    assert_eq!(server.ledger().requests(), 36);
    assert_eq!(plan(&workspace, &[])["calls"], 0);
}

#[test]
fn an_expensive_pilot_needs_confirmation() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.write("pipeline.toml", "[prices]\ntest-model = { input = 500000, output = 500000 }\n");
    let refused = workspace.start_with(["plan", "docs", "--pilot", "2"]).finish().exits(2);
    refused.says(&["the pilot: 2 documents, 12 calls", "nothing was sent", "--yes"]);
    assert_eq!(server.ledger().requests(), 0);
    plan(&workspace, &["--pilot", "2", "--yes"]);
    assert_eq!(server.ledger().requests(), 12);
}

#[test]
fn a_plan_reports_rows_that_an_edit_invalidates() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let job = |prompt: &str, limit: u32| {
        let task = |id: &str, prompt: &str| {
            format!("[[task]]\nid = \"{id}\"\nprompt = \"{prompt}\"\nmax_output_tokens = {limit}\n[task.answer]\n{id} = \"string\"\n")
        };
        format!("name = \"two\"\ninput = \"text\"\nsystem = \"s\"\n{}{}", task("summary", prompt), task("title", "Give it a title."))
    };
    workspace.write("two.toml", job("Sum it up.", 200));
    let run = |args: &[&str]| -> Finished { workspace.run([&["--job", "two.toml"], args].concat()).exits(0) };
    run(&[]);
    assert_eq!(server.ledger().requests(), 12);
    let told = plan(&workspace, &["--job", "two.toml", "--set", "llm.concurrency=3"]);
    assert_eq!((&told["calls"], &told["changed"]), (&0.into(), &Value::Null));
    let told = plan(&workspace, &["--job", "two.toml", "--set", "llm.effort=low"]);
    assert_eq!((&told["changed"]["rows"], &told["changed"]["calls"]), (&6.into(), &12.into()));
    assert_eq!(told["changed"]["settings"]["llm.effort"], serde_json::json!(["", "low"]));

    // One of two prompts changes, so half of the calls are already answered.
    workspace.write("two.toml", job("Sum it up briefly.", 200));
    let told = plan(&workspace, &["--job", "two.toml", "--set", "llm.concurrency=3"]);
    assert_eq!((&told["changed"]["rows"], &told["calls"], &told["calls_answered"]), (&6.into(), &6.into(), &6.into()));
    // Only settings that determine rows are named.
    assert_eq!(told["changed"]["settings"].as_object().unwrap().keys().collect::<Vec<_>>(), ["the job file of two"]);
    assert_eq!(told["answered"]["partly"], 6);
    run(&[]);
    assert_eq!(server.ledger().requests(), 18);
    assert_eq!(plan(&workspace, &["--job", "two.toml"])["calls"], 0);
}

#[test]
fn a_plan_counts_rows_and_chunks_like_a_run() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let job = "name = \"long\"\ninput = \"text\"\nsystem = \"s\"\n[[task]]\nid = \"title\"\nprompt = \"Give it a title.\"\nmax_output_tokens = 100\n[task.answer]\ntitle = \"string\"\n[long]\nmethod = \"split\"\nmax_input_tokens = 200\n";
    workspace
        .write("long.toml", job)
        .write("rows.csv", format!("body\n\"{}\"\n\"short text\"\n", "A sentence of some words. ".repeat(100)));
    let args = ["--rows", "rows.csv", "--text-column", "body", "--job", "long.toml"];
    let told = workspace.start_with([&["plan", "--json"][..], &args].concat()).finish().exits(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    workspace.run_on(args, "").exits(0);
    assert!(server.ledger().requests() > 4);
    assert_eq!(told["calls"], server.ledger().requests());
}

#[test]
fn a_rehearsal_leaves_no_files_and_sends_nothing_to_the_provider() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let rehearse = |args: &[&str]| workspace.start_with([&["rehearse", "docs", "--json"], args].concat()).finish();
    rehearse(&[]).exits(2).says(&["--latency-ms", "--pilot"]);
    let told = rehearse(&["--latency-ms", "40", "--jitter-ms", "20", "--speed", "2", "--documents", "4"]).exits(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["documents"], &told["ok"], &told["requests"], &told["refusals"]), (&4.into(), &4.into(), &24.into(), &0.into()));
    assert!(told["wall_seconds"].as_f64().unwrap() >= 0.04, "{told}");
    assert_eq!(server.ledger().requests(), 0);
    assert!(!workspace.path("output").exists());

    // A provider with an account is rehearsed without its key, at its prices.
    let bare = Workspace::new();
    bare.doc("a.txt", "docid:a");
    let args = ["rehearse", "docs", "--json", "--latency-ms", "1", "--set", "llm.provider=gemini"];
    let told: Value = serde_json::from_str(&bare.docmill(args).exits(0).stdout).unwrap();
    assert!(told["ok"] == 1 && told["cost_usd"].as_f64().unwrap() > 0.0, "{told}");
}

#[test]
fn a_rehearsal_at_another_speed_reports_the_same() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("llm.limits.requests_per_minute", 240);
    workspace.write("echo.toml", ECHO);
    for n in 0..10 {
        workspace.doc(format!("{n}.txt"), format!("docid:{n}"));
    }
    let rehearse = |speed: &str| -> Value {
        let args = ["rehearse", "docs", "--json", "--job", "echo.toml", "--latency-ms", "300", "--speed", speed];
        serde_json::from_str(&workspace.start_with(args).finish().exits(0).stdout).unwrap()
    };
    let (usual, fast) = (rehearse("1"), rehearse("20"));
    for figure in ["documents", "ok", "requests", "refusals", "retries", "cost_usd", "bound_by"] {
        assert_eq!(usual[figure], fast[figure], "{figure}: {usual} {fast}");
    }
    // After a burst of four, the limit delays requests by the same time at any speed.
    for told in [&usual, &fast] {
        assert!(told["wall_seconds"].as_f64().unwrap() > 1.5, "{told}");
    }
}

/// Like the measurement `cost`, with fewer seeds and documents.
#[test]
fn the_bill_lies_in_the_interval() {
    const PRICES: Prices = Prices { input: 1.0, cache_read: 0.1, cache_write: 1.25, output: 5.0 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut missed = Vec::new();
    for seed in 0..10 {
        let faults = Faults { server_error: 0.02, invalid: 0.02, ..Faults::default() };
        let scenario = Scenario { seed, prices: PRICES, length_spread: 0.6, faults, ..Scenario::default() };
        let simulator = runtime.block_on(Simulator::start(scenario, 0)).unwrap();
        let workspace = Workspace::new()
            .set("llm.provider", "openai-compatible")
            .set("llm.model", "simulated-small")
            .set("llm.base_url", format!("{}/v1", simulator.base_url()))
            .set("llm.retry.base_ms", 1);
        workspace
            .write("pipeline.toml", "[prices]\nsimulated-small = { input = 1.0, output = 5.0, cache_read = 0.1, cache_write = 1.25 }\n");
        let mut random = fastrand::Rng::with_seed(seed);
        for n in 0..40 {
            let words: Vec<String> = (0..random.usize(20..400)).map(|_| format!("word{}", random.u32(..5000))).collect();
            workspace.doc(format!("{n:02}.txt"), words.join(" "));
        }
        let told = plan(&workspace, &["--pilot", "20", "--yes"]);
        let before = simulator.ledger().cost_usd.usd();
        workspace.run(["--quiet"]);
        let cost = simulator.ledger().cost_usd.usd() - before;
        let (low, high) = (told["cost_usd"]["low"].as_f64().unwrap(), told["cost_usd"]["high"].as_f64().unwrap());
        assert!((high - low) / (high + low) < 0.25, "seed {seed}: {low} to {high}");
        if !(low..=high).contains(&cost) {
            missed.push(format!("seed {seed}: {cost} is not in {low} to {high}"));
        }
    }
    assert!(missed.len() <= 1, "{missed:?}");
}

#[test]
fn duplicate_contents_are_counted_over_the_whole_input() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write(
        "one.toml",
        "name = \"one\"\ninput = \"text\"\n[[task]]\nid = \"title\"\nprompt = \"A title.\"\n[task.answer]\ntitle = \"string\"\n",
    );
    // A plan does not prepare all these documents. Every text occurs four times, far apart.
    let rows: String = (0..2800).map(|n| format!("text number {}\n", n % 700)).collect();
    workspace.write("rows.csv", format!("body\n{rows}"));
    let counted = |shares: bool, args: &[&str]| -> Value {
        let shares = format!("llm.share_identical_calls={shares}");
        let told = workspace.start_with([&["plan", "--json", "--job", "one.toml", "--set", &shares], args].concat()).finish().exits(0);
        serde_json::from_str(&told.stdout).unwrap()
    };
    let told = counted(true, &["--rows", "rows.csv", "--text-column", "body"]);
    assert_eq!((&told["calls"], &told["repeated"], &told["pending"]), (&700.into(), &2100.into(), &2800.into()));
    // For files of equal size, only the content shows whether they are equal.
    for n in 0..2100 {
        workspace.doc(format!("{n:04}.txt"), format!("text {:04} {}", n % 300, "x".repeat(n % 3)));
    }
    let told = counted(true, &["docs"]);
    assert_eq!((&told["calls"], &told["repeated"]), (&300.into(), &1800.into()));
    assert_eq!(server.ledger().requests(), 0);
    let alone = counted(false, &["docs"]);
    assert_eq!((&alone["calls"], &alone["repeated"]), (&2100.into(), &0.into()));
}

#[test]
fn a_plan_includes_account_limits_from_all_sources() {
    let server = ModelServer::start();
    let given = workspace(&server);
    let workspace = Workspace::new();
    for n in 0..6 {
        workspace.doc(format!("{n}.txt"), format!("docid:d{n} a text"));
    }
    workspace.write("scenario.toml", "requests_per_second = 0.5\n");
    workspace.write("tokens.toml", "input_tokens_per_minute = 600\nburst_s = 1\n");
    let seconds = |workspace: &Workspace, args: &[&str]| plan(workspace, args)["seconds_per_second_of_latency"].as_f64().unwrap();
    let open = seconds(&workspace, &[]);
    assert!(open < 30.0, "{open}");
    let simulated = |scenario: &str| {
        let scenario = format!("simulator.scenario={scenario}");
        seconds(&workspace, &["--set", &scenario])
    };
    // The limits are one call in two seconds for 36 calls, and ten tokens per second.
    assert!((60.0..90.0).contains(&simulated("scenario.toml")), "{}", simulated("scenario.toml"));
    assert!(simulated("tokens.toml") > 200.0);
    let given = seconds(&given, &["--set", "llm.limits.requests_per_minute=30"]);
    assert!((60.0..90.0).contains(&given), "{given}");
}

#[test]
fn a_plan_without_limits_shows_the_effect_of_one() {
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-test").set("llm.provider", "openai").set("llm.model", "gpt-6-luna");
    for n in 0..40 {
        workspace.doc(format!("{n}.txt"), format!("a text of number {n}"));
    }
    let told = plan(&workspace, &["--set", "llm.effort=minimal"]);
    assert_eq!(told["limits_unknown"], true);
    let (limit, seconds) = (told["if_limited"]["requests_per_minute"].as_f64().unwrap(), told["if_limited"]["seconds"].as_f64().unwrap());
    assert!((limit * seconds / 60.0 - 240.0).abs() < 1e-6 && seconds > 2.0 * told["seconds_per_second_of_latency"].as_f64().unwrap());
    let text = workspace.start_with(["plan", "docs"]).finish().exits(0).stdout;
    assert!(
        text.contains("no limit of the account is known yet") && text.contains("requests a minute, for example, the run would take"),
        "{text}"
    );
    let told = plan(&workspace, &["--set", "llm.limits.requests_per_minute=100", "--set", "llm.effort=minimal"]);
    assert_eq!((&told["limits_unknown"], &told["if_limited"]), (&false.into(), &Value::Null));
    // Even without any answer, the interval is useful. The maximum cost is shown separately.
    let (low, high) = (told["cost_usd"]["low"].as_f64().unwrap(), told["cost_usd"]["high"].as_f64().unwrap());
    let most = told["cost_at_most_usd"].as_f64().unwrap();
    assert!(low > 0.0 && high < 6.0 * low && most > high, "{low} to {high}, at most {most}");
}

#[test]
fn a_plan_uses_the_limits_found_by_an_earlier_run() {
    let scenario =
        Scenario { requests_per_second: 40.0, latency_ms: 5, retry_after_s: 0.0, models: vec!["m".to_owned()], ..Scenario::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let simulator = runtime.block_on(Simulator::start(scenario, 0)).unwrap();
    for key in [None, Some("sk-of-an-account")] {
        let mut workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.model", "m");
        workspace = workspace.set("llm.base_url", format!("{}/v1", simulator.base_url()));
        if let Some(key) = key {
            workspace = workspace.env("MY_KEY", key).set("llm.api_key_env", "MY_KEY");
        }
        for n in 0..20 {
            workspace.doc(format!("{n:02}.txt"), format!("docid:d{n} a text"));
        }
        let told = plan(&workspace, &["--pilot", "2", "--yes"]);
        assert_eq!(told["bound_by"], "the account's 2400 requests_per_minute", "{told}");
        assert_eq!(told["limits_unknown"], false);
        // 108 calls at 40 calls per second.
        assert!((1.6..3.5).contains(&told["seconds"]["low"].as_f64().unwrap()), "{told}");
    }
}

#[test]
fn combining_made_up_answers_does_not_make_calls_identical() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("llm.share_identical_calls", "true");
    let job = "name = \"both\"\ninput = \"text\"\n[[task]]\nid = \"title\"\nprompt = \"A title.\"\n[task.answer]\ntitle = \"string\"\n\
        [combine]\nmethod = \"model\"\nprompt = \"From {{ answers }} a verdict.\"\n[combine.answer]\nverdict = \"string\"\n";
    workspace.write("both.toml", job);
    for (name, text) in [("a", "one"), ("b", "two"), ("c", "three"), ("copy", "two")] {
        workspace.doc(format!("{name}.txt"), format!("docid:{text} text"));
    }
    let told = plan(&workspace, &["--job", "both.toml"]);
    assert_eq!((&told["calls"], &told["calls_answered"]), (&6.into(), &2.into()));
    workspace.run(["--job", "both.toml"]).exits(0);
    assert_eq!(server.ledger().requests(), 6);
}

#[test]
fn images_count_against_limits_of_tokens_by_the_rule_of_their_model() {
    let workspace = Workspace::new().set("llm.provider", "openai").env("OPENAI_API_KEY", "none");
    workspace.doc("part.jpg", large_jpeg(1));
    // Each plan has one call on an image of 1000 x 1000 pixels.
    for (model, image) in [("gpt-4o", 765.0), ("gpt-4o-mini", 25_501.0), ("gpt-5-mini", 1659.0), ("gpt-6-luna", 1024.0)] {
        let set = |setting: &str| ["--set".to_owned(), setting.to_owned()];
        let settings = [set(&format!("llm.model={model}")), set("llm.limits.tokens_per_minute=6000")].concat();
        let settings: Vec<&str> = settings.iter().map(String::as_str).chain(["--job", "material-single"]).collect();
        let told = plan(&workspace, &settings);
        let (input, bound) = (told["input_tokens"].as_f64().unwrap(), &told["bounds_seconds"]["llm.limits.tokens_per_minute = 6000"]);
        assert_eq!(told["calls"], 1, "{told}");
        // Besides the image, the input contains only a prompt and the answer schema.
        assert!((image + 50.0..image + 2000.0).contains(&input), "{model}: {input}");
        // The limit is 100 tokens per second. OpenAI counts the prompt, or the maximum answer if it
        // is larger.
        assert!(bound.as_f64().unwrap() >= 0.99 * input / 100.0, "{model}: {bound} for {input} tokens");
    }
}

#[test]
fn a_plan_for_the_built_in_server_foretells_its_answers() {
    let workspace = Workspace::new();
    for n in 0..3 {
        workspace.doc(format!("{n}.txt"), format!("The valve {n} leaks. A good valve closes at 20 bar. The repair was quick and cheap."));
    }
    let args = ["--set", "llm.provider=simulated", "--set", "simulator.latency_ms=1", "--set", "simulator.jitter_ms=1"];
    let told = plan(&workspace, &[&["--job", "text"][..], &args].concat());
    let run = workspace.docmill([&["run", "docs", "--job", "text"][..], &args].concat()).exits(0);
    let tokens = run.summary("text")["whole_run"]["this_run"]["tokens"]["output"].as_f64().unwrap();
    let (low, high) = (told["output_tokens"]["low"].as_f64().unwrap(), told["output_tokens"]["high"].as_f64().unwrap());
    assert!((low..=high).contains(&tokens) && high < 1.3 * low, "{tokens} tokens, foreseen {low} to {high}");
}

#[test]
fn a_large_plan_scales_all_its_numbers() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let rows: String = (0..4000).map(|n| if n % 10 == 0 { " \n".to_owned() } else { format!("docid:d{n} text\n") }).collect();
    workspace.write("rows.csv", format!("body\n{rows}"));
    let args = ["plan", "--json", "--job", "echo.toml", "--rows", "rows.csv", "--text-column", "body"];
    let told: Value = serde_json::from_str(&workspace.start_with(args).finish().exits(0).stdout).unwrap();
    let (failing, calls) = (told["failures"]["empty"].as_u64().unwrap(), told["calls"].as_u64().unwrap());
    assert_eq!((&told["pending"], &told["prepared"], failing + calls), (&4000.into(), &2000.into(), 4000));
    assert!((300..500).contains(&failing), "{told}");
    assert_eq!((&told["answered"]["not_at_all"], &told["kinds"][0]["documents"]), (&calls.into(), &calls.into()));
}

#[test]
fn the_first_interval_for_a_simulated_model_contains_its_bill() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let prices = Prices { input: 1.0, cache_read: 0.1, cache_write: 1.25, output: 5.0 };
    let simulator = runtime.block_on(Simulator::start(Scenario { prices, ..Scenario::default() }, 0)).unwrap();
    let workspace = Workspace::new()
        .set("llm.provider", "openai-compatible")
        .set("llm.model", "simulated-small")
        .set("llm.base_url", format!("{}/v1", simulator.base_url()));
    workspace.write("pipeline.toml", "[prices]\nsimulated-small = { input = 1.0, output = 5.0 }\n");
    for n in 0..30 {
        workspace.doc(format!("{n:02}.txt"), format!("Comment {n}. The parcel came late. {}", "It works well enough. ".repeat(n)));
    }
    for job in ["text", "text-single"] {
        let told = plan(&workspace, &["--job", job]);
        let before = simulator.ledger().cost_usd.usd();
        workspace.run(["--quiet", "--job", job]).exits(0);
        let cost = simulator.ledger().cost_usd.usd() - before;
        let (low, high) = (told["cost_usd"]["low"].as_f64().unwrap(), told["cost_usd"]["high"].as_f64().unwrap());
        assert!((low..=high).contains(&cost) && high < 1.3 * low, "{job}: {cost} in {low} to {high}");
    }
}
