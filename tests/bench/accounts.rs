//! What `docmill plan` says about accounts with limits, copies of documents and prompt caching, and what the rest of the job then
//! really costs and takes. Limits are scaled so that a run takes seconds; nothing else is.

use crate::predictions::{JOB, PRICES, SINGLE, texts};
use docmill::simulator::{CacheTerms, Prices, Scenario, Simulator};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Three questions of the same form: their calls share the document in the prompt cache.
const ASPECTS: &str = r#"
name = "aspects"
input = "any"
system = "You are an editor."
[[task]]
id = "judge"
prompt = "Judge the {{ aspect }} of this document."
max_output_tokens = 300
[[task.over.aspect]]
id = "style"
[[task.over.aspect]]
id = "structure"
[[task.over.aspect]]
id = "argument"
[task.answer]
remark = "string"
score = { type = "integer", min = 1, max = 10 }
"#;

/// Accounts that are tried at the same time: they mostly wait.
const AT_ONCE: usize = 4;
/// Documents, and those of the pilot.
const DOCUMENTS: usize = 150;
const PILOT: &str = "30";

/// An account, what is asked, and about what.
struct Account {
    kind: String,
    provider: &'static str,
    job: (&'static str, &'static str),
    scenario: Scenario,
    settings: Vec<String>,
    /// Share of documents that are copies of others.
    copies: f64,
}

impl Account {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0xacc0);
        let (provider, model) = if random.bool() { ("anthropic", "claude-haiku-5-5") } else { ("openai", "gpt-6-luna") };
        let (job, calls) = [(("one", SINGLE), 1.0), (("two", JOB), 3.0), (("aspects", ASPECTS), 3.0)][random.usize(..3)];
        let (shares, copies) = (random.bool(), if random.bool() { 0.6 * random.f64() } else { 0.0 });
        let cached = random.bool();
        let latency_ms = random.u64(200..700);
        let distinct = if shares { 1.0 - copies } else { 1.0 };
        // So that the rest takes some seconds if this limit binds.
        let per_s = 120.0 * distinct * calls / (10.0 + 8.0 * random.f64());
        let reserved = if provider == "openai" { 3000.0 } else { 1200.0 };
        let mut scenario = Scenario {
            seed,
            prices: PRICES,
            length_spread: 0.5,
            latency_ms,
            jitter_ms: random.u64(..latency_ms),
            cache: CacheTerms { enabled: cached, min_tokens: 512, ..CacheTerms::default() },
            retry_after_s: 0.0,
            burst_s: 1.0,
            models: vec![model.to_owned()],
            ..Scenario::default()
        };
        let mut settings =
            vec![format!("llm.model={model}"), format!("llm.share_identical_calls={shares}"), "llm.limits.burst_s=1".to_owned()];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limits")]
        let whole = |limit: f64| limit as u64;
        let wide = random.u64(16..48);
        let tokens = whole(60.0 * per_s * reserved);
        let kind = random.usize(..8);
        // Without a limit it is the concurrency that makes it take as long.
        let answer_s = (latency_ms + scenario.jitter_ms / 2) as f64 / 1000.0;
        let concurrency = if kind == 0 { whole(per_s * answer_s).max(2) } else { wide };
        settings.push(format!("llm.concurrency={concurrency}"));
        let kind = match kind {
            0 => "no limit",
            1 | 2 => {
                (scenario.requests_per_second, scenario.headers) = (per_s, kind == 1);
                if kind == 1 { "requests in headers" } else { "requests by refusals" }
            }
            3 if provider == "openai" => {
                scenario.tokens_per_minute = tokens;
                "tokens in headers"
            }
            3 => {
                scenario.input_tokens_per_minute = tokens;
                "input tokens in headers"
            }
            4 if provider == "anthropic" => {
                scenario.output_tokens_per_minute = whole(60.0 * per_s * 60.0);
                "output tokens in headers"
            }
            4 | 5 => {
                settings.push(format!("llm.limits.requests_per_minute={}", whole(60.0 * per_s)));
                "requests in settings"
            }
            6 => {
                let key = if provider == "openai" { "tokens_per_minute" } else { "input_tokens_per_minute" };
                settings.push(format!("llm.limits.{key}={tokens}"));
                "tokens in settings"
            }
            _ => {
                (scenario.requests_per_second, scenario.input_tokens_per_minute) = (1.2 * per_s, tokens);
                scenario.tokens_per_minute = tokens;
                "requests and tokens in headers"
            }
        };
        let kind = format!("{provider}, {}, {kind}, {:.0} % copies{}", job.0, 100.0 * copies, if shares { ", shared" } else { "" });
        Self { kind, provider, job, scenario, settings, copies }
    }

    /// Documents, of which some are copies of others.
    fn documents(&self, directory: &Path, seed: u64) {
        texts(directory, DOCUMENTS, seed);
        let mut random = fastrand::Rng::with_seed(seed ^ 0xc0b1);
        for n in 1..DOCUMENTS {
            if random.f64() < self.copies {
                let name = |n: usize| directory.join(format!("{n:05}.txt"));
                std::fs::copy(name(random.usize(..n)), name(n)).unwrap();
            }
        }
    }
}

struct Played {
    low: f64,
    high: f64,
    cost: f64,
    planned_s: f64,
    took_s: f64,
    bound: String,
    /// Whether the plan says that it knows of no limit.
    unknown: bool,
}

async fn play(account: &Account, seed: u64) -> Played {
    let dir = tempfile::tempdir().unwrap();
    account.documents(&dir.path().join("docs"), seed);
    std::fs::write(dir.path().join("job.toml"), account.job.1).unwrap();
    let Prices { input, cache_read, cache_write, output } = PRICES;
    let price = format!("{{ input = {input:?}, cache_read = {cache_read:?}, cache_write = {cache_write:?}, output = {output:?} }}");
    std::fs::write(dir.path().join("pipeline.toml"), format!("[prices]\nclaude-haiku-5-5 = {price}\ngpt-6-luna = {price}\n")).unwrap();
    let simulator = Simulator::start(account.scenario.clone(), 0).await.unwrap();
    let below = if account.provider == "openai" { "/v1" } else { "" };
    let mut settings = account.settings.clone();
    settings.extend([format!("llm.provider={}", account.provider), format!("llm.base_url={}{below}", simulator.base_url())]);
    let directory = dir.path().to_owned();
    let docmill = move |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        command.args(args).args(["docs", "--job", "job.toml"]).current_dir(&directory).env("XDG_RUNTIME_DIR", directory.join("runtime"));
        command.env("ANTHROPIC_API_KEY", "key-for-a-bench").env("OPENAI_API_KEY", "key-for-a-bench").stderr(Stdio::null());
        command.args(settings.iter().flat_map(|set| ["--set", set]));
        command.output().unwrap().stdout
    };
    let (docmill, planned) = tokio::task::spawn_blocking(move || {
        let planned = docmill(&["plan", "--pilot", PILOT, "--yes", "--json"]);
        (docmill, serde_json::from_slice::<Value>(&planned).unwrap())
    })
    .await
    .unwrap();
    let before = simulator.ledger().cost_usd.usd();
    tokio::task::spawn_blocking(move || docmill(&["run", "--quiet"])).await.unwrap();
    let cost = simulator.ledger().cost_usd.usd() - before;
    simulator.stop().await;
    let summary = std::fs::read(dir.path().join("output").join(account.job.0).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    Played {
        low: number(&planned["cost_usd"]["low"]),
        high: number(&planned["cost_usd"]["high"]),
        cost,
        planned_s: f64::midpoint(number(&planned["seconds"]["low"]), number(&planned["seconds"]["high"])),
        took_s: number(&summary["whole_run"]["wall_seconds"]),
        unknown: planned["limits_unknown"] == true,
        bound: planned["bound_by"].as_str().unwrap_or_default().to_owned(),
    }
}

/// How often the bill lies in the interval, and the time is within 15 % of what was said. Whatever is chosen is chosen on seeds
/// below 100.
pub fn accounts(seeds: Range<u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (next, played) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let account = Account::new(seed);
                    let one = runtime.block_on(play(&account, seed));
                    let (held, off) = ((one.low..=one.high).contains(&one.cost), one.planned_s / one.took_s - 1.0);
                    let kind = format!("{}{}", account.kind, if one.unknown { ", no limit known" } else { "" });
                    println!(
                        "accounts: seed {seed} ({}): {}${:.4} in {:.4} to {:.4}; {}{:.1} s and it was {:.1} s: {:+.0} %; {} binds",
                        kind,
                        if held { "" } else { "BILL MISSED " },
                        one.cost,
                        one.low,
                        one.high,
                        if off.abs() <= 0.15 { "" } else { "TIME MISSED " },
                        one.planned_s,
                        one.took_s,
                        100.0 * off,
                        one.bound
                    );
                    played.lock().unwrap().push((held, off, (one.high - one.low) / (one.high + one.low).max(1e-12)));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap();
    let count = played.len();
    let (held, on_time) = (played.iter().filter(|one| one.0).count(), played.iter().filter(|one| one.1.abs() <= 0.15).count());
    played.sort_by(|one, other| one.2.total_cmp(&other.2));
    println!(
        "accounts: {held} of {count} bills were in the interval (wanted: 95 %), which is +-{:.1} % in the middle",
        100.0 * played[count / 2].2
    );
    println!("accounts: {on_time} of {count} times were within 15 % (wanted: 90 %)");
}
