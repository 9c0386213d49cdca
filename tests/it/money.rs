//! Costs, prompt caching, and the cap on money.

use crate::limits::workspace;
use crate::support::{AccountServer, ModelServer, Reply, Terms, Workspace, jpeg, large_jpeg};
use serde_json::{Value, json};
use std::time::Duration;

const CACHING: Terms = Terms {
    requests: None,
    input_tokens: None,
    change: None,
    headers: true,
    retry_after: Some(Duration::from_secs(1)),
    refused_by_chance: 0.0,
    first_byte: Duration::from_millis(60),
    latency: Duration::from_millis(200),
    cache_from: 512,
    prices: [100_000, 10_000, 125_000, 500_000],
    output: |_, _| 40,
};

/// The billed input of six analyses of one image. The unit is the price of the uncached image.
///
/// Also returns the server and the summary of the run.
fn prefixes(provider: &str, settings: &[(&str, &str)]) -> (f64, AccountServer, Value) {
    let server = AccountServer::start(CACHING);
    let mut workspace = workspace(&server, provider).set("job.combine", "vote");
    for (key, value) in settings {
        workspace = workspace.set(key, value);
    }
    workspace.doc("part.jpg", large_jpeg(1));
    workspace.run(["--job", "material"]).exits(0);
    let books = server.books();
    assert_eq!(books.served, 6);
    let summary = serde_json::from_slice(&std::fs::read(workspace.path("output/material/summary.json")).unwrap()).unwrap();
    let image = books.requests.iter().map(|(_, body)| body.to_string().len() as u64 / 8).min().unwrap();
    let billed = books.fresh as f64 + 0.1 * books.cache_read as f64 + 1.25 * books.cache_write as f64;
    // The prompt of each call is not shared, so it does not count.
    let own = books.fresh.min(6 * 600) as f64;
    ((billed - own) / image as f64, server, summary)
}

#[test]
fn six_analyses_of_an_image_cost_less_than_two_images() {
    for provider in ["anthropic", "openai"] {
        let (billed, server, summary) = prefixes(provider, &[]);
        let books = server.books();
        assert!(billed <= 2.0, "{provider}: {billed} prefixes, {} read, {} written", books.cache_read, books.cache_write);
        let usd = summary["cost"]["usd"].as_f64().unwrap();
        assert!((usd * 1e12 - books.bill as f64).abs() < 1.0, "{provider}: {usd} and {}", books.bill);
    }
    let (billed, server, _) = prefixes("anthropic", &[("llm.prime", "false")]);
    assert!(billed > 5.0 && server.books().cache_write == 0, "{billed}");
}

#[test]
fn implicit_paid_caching_at_openai_is_off_without_priming() {
    let (_, server, _) = prefixes("openai", &[("llm.prime", "false")]);
    for (_, body) in &server.books().requests {
        assert_eq!(body["prompt_cache_options"]["mode"], "explicit");
        assert!(!body.to_string().contains("prompt_cache_breakpoint"));
    }
}

/// Requests that cost up to half a dollar. Answers have 1 to 100 tokens at half a cent each.
pub(crate) const DEAR: Terms = Terms {
    cache_from: 0,
    first_byte: Duration::ZERO,
    latency: Duration::from_millis(3),
    prices: [0, 0, 0, 5_000_000_000],
    output: |text, _| {
        let number = text.split_once("docid:d").unwrap().1.split_whitespace().next().unwrap();
        1 + number.parse::<u64>().unwrap() * 37 % 100
    },
    ..CACHING
};

pub(crate) const OWN_PRICE: &str = "\n[prices.\"gpt-6-luna\"]\ninput = 0.0\ncache_read = 0.0\ncache_write = 0.0\noutput = 5000.0\n";

fn spend(server: &AccountServer, cap: f64, kills: u32, seed: u64) -> crate::support::Finished {
    let workspace = workspace(server, "openai").set("llm.concurrency", 256).set("llm.thinking_tokens", 1).set("llm.preflight", false);
    workspace.write("pipeline.toml", OWN_PRICE);
    for n in 0..60 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:d{n} text"));
    }
    let cap = cap.to_string();
    let args = ["--job", "echo.toml", "--max-usd", &cap];
    for kill in 0..kills {
        let running = workspace.start_run(args);
        let served = server.books().served;
        let goal = served + usize::try_from(crate::support::dice(seed, "kill", kill) % 8).unwrap();
        for _ in 0..200 {
            if server.books().served > goal {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        running.signal("KILL");
        drop(running);
    }
    workspace.run(args)
}

#[test]
fn the_cap_holds_even_for_killed_runs() {
    for (seed, kills) in [(1, 0), (2, 3)] {
        let server = AccountServer::start(DEAR);
        let run = spend(&server, 5.0, kills, seed).exits(4);
        let run = run.says(&["budget.max_usd", "To continue, run the same command with a larger cap, such as --max-usd "]);
        // All documents together cost about $15. The few that are done say so roughly: 1 to 100 tokens each.
        let suggested = run.stderr.split_once("--max-usd ").unwrap().1.split_whitespace().next().unwrap();
        let suggested: f64 = suggested.trim_end_matches('.').parse().unwrap();
        assert!((5.0..=60.0).contains(&suggested), "seed {seed}: {suggested}");
        let bill = server.books().bill as f64 / 1e12;
        // A request costs up to 101 tokens. Requests in flight at a kill count even if they never
        // arrived.
        assert!(bill <= 5.0, "seed {seed}: ${bill}");
        assert!(kills > 0 || bill > 5.0 - 0.505, "seed {seed}: ${bill}");
    }
}

#[test]
fn the_command_to_continue_after_the_cap_names_a_larger_cap() {
    let server = AccountServer::start(DEAR);
    let workspace = workspace(&server, "openai").set("llm.thinking_tokens", 1).set("llm.preflight", false);
    workspace.write("pipeline.toml", OWN_PRICE);
    for n in 0..6 {
        workspace.doc(format!("{n}.txt"), format!("docid:d{n} text"));
    }
    workspace
        .run(["--job", "echo.toml", "--max-usd", "0.7"])
        .exits(4)
        .says(&["`docmill status --output output` shows the command that continues"]);
    let status = workspace.docmill(["status", "--json"]).exits(0).stdout;
    let next = serde_json::from_str::<Value>(&status).unwrap()["next"].as_str().unwrap().to_owned();
    let cap: f64 = next.split_once(" --max-usd ").unwrap().1.parse().unwrap();
    assert!(cap > 2.0 && !next.contains("--max-usd 0.7"), "{next}");
    workspace.run(["--job", "echo.toml", "--max-usd", &cap.to_string()]).exits(0);
}

#[test]
fn a_cap_without_a_price_is_refused() {
    let server = AccountServer::start(DEAR);
    let workspace = workspace(&server, "openai").set("llm.model", "my-model");
    workspace.doc("a.txt", "docid:d1");
    workspace.run(["--job", "echo.toml", "--max-usd", "1"]).exits(2).says(&["the price of my-model is unknown"]);
    assert_eq!(server.books().served, 0);
}

#[test]
fn the_cost_of_each_row_equals_the_bill() {
    let server = AccountServer::start(Terms { prices: [100_000, 10_000, 125_000, 500_000], ..DEAR });
    let workspace = workspace(&server, "openai");
    for n in 0..40 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:d{n} {}", "word ".repeat(n)));
    }
    let rows = workspace.run(["--job", "echo.toml"]).exits(0).csv("echo").rows;
    let books = server.books();
    for (n, row) in rows.iter().enumerate() {
        let billed = books.bills[&format!("d{n}")] as f64 / 1e12;
        let cost: f64 = row["cost_usd"].parse().unwrap();
        assert!((cost - billed).abs() < 1e-9, "row {n}: ${cost} and ${billed}");
    }
}

#[test]
fn prices_are_listed_and_own_prices_take_precedence() {
    let workspace = Workspace::new();
    workspace
        .write("pipeline.toml", "[prices]\n\"gpt-6.1-sol\" = { input = 1.5, output = 2 }\n\"my/model\" = { input = 1, output = 2.5 }\n");
    let told = workspace.docmill(["prices", "gpt-6.1-sol", "my/model"]).exits(0).stdout;
    assert!(told.contains("gpt-6.1-sol    1.5           ?            ?       2"), "{told}");
    assert!(told.contains("my/model"), "{told}");
    let all = workspace.docmill(["prices", "--json"]).exits(0).stdout;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert!(all["usd_per_million_tokens"].as_array().unwrap().len() > 15 && all["date"].as_str().unwrap().len() == 10);
    workspace.docmill(["prices", "gpt-6-lunar"]).exits(2).says(&["the price of gpt-6-lunar is unknown", "gpt-6-luna"]);
    workspace.write("pipeline.toml", "[prices]\nm = { input = \"much\" }\n");
    workspace.docmill(["prices"]).exits(2).says(&["pipeline.toml:2", "m: "]);
}

#[test]
fn inference_in_the_united_states_has_anthropics_price() {
    let price = |settings: &[&str]| {
        let workspace = Workspace::new();
        let shown = workspace.docmill([&["prices", "claude-haiku-4-5", "--json"], settings].concat()).exits(0).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["usd_per_million_tokens"][0]["input"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let geo = ["--set", "llm.provider=anthropic", "--set", "llm.body.inference_geo=us"];
    let own = ["--set", "prices.claude-haiku-4-5={ input = 7.0, output = 7.0 }"];
    assert!((price(&[]) - 1.0).abs() < 1e-9 && (price(&geo) - 1.1).abs() < 1e-9);
    assert!((price(&[&geo[..], &own].concat()) - 7.0).abs() < 1e-9, "prices of one's own are taken as they are");
    assert!((price(&["--set", "llm.body.inference_geo=us"]) - 1.0).abs() < 1e-9, "only Anthropic knows the field");
}

#[test]
fn the_cap_on_money_holds_for_images_that_are_billed_in_tens_of_thousands_of_tokens() {
    const LOOK: &str = "name = \"look\"\ninput = \"image\"\nsystem = \"s\"\n[[task]]\nid = \"look\"\nprompt = \"What is it?\"\n\
        max_output_tokens = 100\n[task.answer]\nseen = \"string\"\n";
    for model in ["gpt-4o-mini", "my-deployment"] {
        // The tokens that gpt-4o-mini bills for an image of one tile and a prompt.
        let reply = json!({"model": model, "choices": [{"message": {"content": "{\"seen\":\"a thing\"}"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2833 + 5667 + 100, "completion_tokens": 10}});
        let faults = move |_: &crate::support::Ask| Reply::Status(200, reply.clone(), Vec::new());
        let server = ModelServer::script().faults(faults).latency(|_| Duration::from_millis(300)).start();
        let workspace = Workspace::new().against(&server).set("llm.model", model).set("llm.concurrency", 12).set("llm.thinking_tokens", 1);
        workspace.write("pipeline.toml", format!("[prices]\n{model} = {{ input = 30.0, output = 30.0 }}\n"));
        workspace.write("look.toml", LOOK);
        for n in 0..12 {
            workspace.doc(format!("{n:02}.jpg"), jpeg(n));
        }
        workspace.run(["--job", "look.toml", "--max-usd", "2"]).exits(4).says(&["budget.max_usd"]);
        let bill = server.requests() as f64 * 8610.0 * 30.0 / 1e6;
        assert!((0.5..=2.0).contains(&bill), "{model}: ${bill}");
    }
}

#[test]
fn requests_without_a_response_count_the_same_everywhere() {
    let server = ModelServer::script().faults(|ask| if ask.attempt == 1 { Reply::Reset } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("pipeline.toml", "[prices.test-model]\ninput = 1.0\noutput = 1000.0\n").write("echo.toml", crate::order::ECHO);
    for n in 0..4 {
        workspace.doc(format!("{n}.txt"), format!("docid:d{n} a text"));
    }
    let run = workspace.run(["--job", "echo.toml", "--max-usd", "10"]).exits(0);
    let sums = &run.summary("echo")["whole_run"]["all_runs"];
    let (lost, most) = (sums["maybe_billed"].as_u64().unwrap(), sums["maybe_billed_at_most_usd"].as_f64().unwrap());
    assert_eq!((lost, &sums["requests"]), (4, &json!(8)));
    let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&status["maybe_billed"], &status["maybe_billed_at_most_usd"]), (&json!(lost), &json!(most)));
    assert_eq!((&status["requests"], &status["unpriced_requests"]), (&sums["requests"], &sums["cost"]["unpriced_calls"]));
    let doubtful = format!("no response to 4 requests; the provider may bill them: at most ${most:.6}");
    for command in ["status", "verify"] {
        let shown = workspace.docmill([command]).exits(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(&doubtful), "{command}: {shown}");
    }
    assert!(workspace.docmill(["runs"]).exits(0).stdout.contains("no response to 4 requests, in all runs"));
    // The plan and the run agree about the rest of the budget.
    workspace.doc("5.txt", "docid:d5 a text");
    // Answers of unknown cost count with their maximum too.
    let cap = (2.0 * most + 0.001).to_string();
    let echo = ["--job", "echo.toml", "--max-usd", &cap];
    let plan = workspace.start_with([&["plan", "docs"][..], &echo[..]].concat()).finish().exits(0).stdout;
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("$0.001000 left of budget.max_usd") && plan.contains("for requests of uncertain cost): the run"), "{plan}");
    workspace.run(echo).exits(4).says(&["counts as spent (", "for requests of uncertain cost), and the next may cost up to"]);
    assert_eq!(server.requests(), 8);
}

#[test]
fn the_next_cap_covers_the_remaining_documents() {
    let server = AccountServer::start(DEAR);
    let workspace = workspace(&server, "openai").set("llm.thinking_tokens", 1).set("llm.preflight", false);
    workspace.write("pipeline.toml", OWN_PRICE);
    for n in 0..60 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:d{n} text"));
    }
    let stopped = workspace.run(["--job", "echo.toml", "--max-usd", "7"]).exits(4).says(&["(the rest costs about $"]);
    let cap = stopped.stderr.split_once("such as --max-usd ").unwrap().1.split_whitespace().next().unwrap();
    // The rest is what `docmill plan` says.
    let plan = workspace.start_with(["plan", "docs", "--job", "echo.toml", "--json"]).finish().exits(0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let flat = stopped.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = flat.split_once("(the rest costs about ").unwrap().1.split_once(')').unwrap().0.replace('$', "");
    let [low, high] = ["low", "high"].map(|end| plan["cost_usd"][end].as_f64().unwrap());
    let said: Vec<f64> = rest.split(" to ").map(|usd| usd.parse().unwrap()).collect();
    assert!((said[0] - low).abs() < 0.02 * low && (said[1] - high).abs() < 0.02 * high, "{rest}, and {low} to {high}");
    let whole = workspace.run(["--job", "echo.toml", "--max-usd", cap]).exits(0);
    let cost = whole.summary("echo")["cost"]["usd"].as_f64().unwrap();
    let cap: f64 = cap.parse().unwrap();
    assert!(cost < cap && cap < 2.0 * cost, "{cost}, and a cap of {cap}");
}
