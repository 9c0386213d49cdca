//! Clients of `docmill serve` while it is killed again and again.

use super::child::{Background, high_water_mark};
use super::server;
use axum::Router;
use axum::extract::{Json, State};
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Clients that submit and follow runs.
const CLIENTS: usize = 20;
/// Runs at a time, and requests in flight of each.
const SLOTS: usize = 4;
const IN_FLIGHT: usize = 8;
/// Time of an answer of the model in milliseconds.
const LATENCY_MS: u64 = 50;

const JOB: &str = r#"
name = "title"
input = "text"
[[task]]
id = "title"
prompt = "Give the text a title."
[task.answer]
title = "string"
"#;

/// A server of runs, and what is measured of it.
struct Bench {
    directory: tempfile::TempDir,
    port: u16,
    model: String,
    peak_mb: Mutex<f64>,
    client: reqwest::Client,
}

impl Bench {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts the server, and waits until it answers. Returns the time that this took.
    async fn start(&self) -> (Background, Duration) {
        let started = Instant::now();
        let sets = [
            "llm.provider=openai-compatible".to_owned(),
            "llm.model=bench".to_owned(),
            format!("llm.base_url={}/v1", self.model),
            format!("llm.concurrency={IN_FLIGHT}"),
            format!("serve.runs={SLOTS}"),
            "serve.jobs=jobs".to_owned(),
            "serve.webhook_private=true".to_owned(),
            "serve.webhook_secrets=[\"env:SECRET\"]".to_owned(),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        command.args(["serve", "server", "--bind", &self.port.to_string()]).current_dir(self.directory.path());
        command.env("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").env("DOCMILL_TRUST", self.directory.path());
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        let process = Background(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        while self.client.get(self.url("/readyz")).send().await.is_err() {
            sleep(Duration::from_millis(2)).await;
        }
        (process, started.elapsed())
    }

    fn watch(&self, process: &Background) {
        let now = high_water_mark(Path::new(&format!("/proc/{}/status", process.0.id())));
        let mut peak = self.peak_mb.lock().unwrap();
        *peak = peak.max(now);
    }

    /// Sends a request until there is a response: the server may be away.
    async fn ask(&self, request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder) -> Value {
        loop {
            if let Ok(response) = request(&self.client).send().await
                && response.status().is_success()
                && let Ok(body) = response.bytes().await
            {
                return serde_json::from_slice(&body).unwrap();
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Submits a run and follows it to its end. Returns its id, and whether it has all its rows in order.
    async fn one_run(&self, number: usize, documents: usize, hook: &str, known: &Mutex<Vec<String>>) -> (String, bool) {
        let names: Vec<String> = (0..documents).map(|n| format!("{n:04}.txt")).collect();
        let texts: Vec<Value> = names.iter().map(|name| json!({"name": name, "text": format!("docid:{number}-{name}")})).collect();
        let submission = json!({"job": "title", "texts": texts, "webhook": hook});
        let (key, submission) = (format!("run-{number}"), submission.to_string());
        let submit = |client: &reqwest::Client| {
            let request = client.post(self.url("/api/runs")).header("idempotency-key", &key).header(CONTENT_TYPE, "application/json");
            request.body(submission.clone())
        };
        let run = self.ask(submit).await;
        let id = run["id"].as_str().unwrap().to_owned();
        known.lock().unwrap().push(id.clone());
        loop {
            let run = self.ask(|client| client.get(self.url(&format!("/api/runs/{id}")))).await;
            match run["state"].as_str().unwrap() {
                "queued" | "running" => sleep(Duration::from_millis(300)).await,
                "complete" => break,
                other => panic!("run {id} is {other}: {run}"),
            }
        }
        let rows = self.ask(|client| client.get(self.url(&format!("/api/runs/{id}/rows?limit=1000")))).await;
        let rows = rows["rows"].as_array().unwrap();
        let is_right = rows
            .iter()
            .map(|row| (row["document"].as_str().unwrap(), row["status"].as_str().unwrap()))
            .eq(names.iter().map(|name| (name.as_str(), "ok")));
        (id, is_right)
    }
}

/// Runs, their documents, and kills of the server in the middle.
pub fn serving(runs: usize, documents: usize, kills: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(load(runs, documents, kills));
}

async fn load(runs: usize, documents: usize, kills: usize) {
    let (_model, model) = server::start(LATENCY_MS);
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("jobs")).unwrap();
    std::fs::write(directory.path().join("jobs/title.toml"), JOB).unwrap();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let bench = Arc::new(Bench { directory, port, model, peak_mb: Mutex::new(0.0), client });
    let (told, hook) = receiver().await;

    let (mut process, _) = bench.start().await;
    let (known, started) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
    let mut clients = JoinSet::new();
    for first in 0..CLIENTS {
        let (bench, known, hook) = (Arc::clone(&bench), Arc::clone(&known), hook.clone());
        clients.spawn(async move {
            let mut ended = Vec::new();
            for number in (first..runs).step_by(CLIENTS) {
                ended.push(bench.one_run(number, documents, &hook, &known).await);
            }
            ended
        });
    }
    let mut probing = JoinSet::new();
    let times = Arc::new(Mutex::new(Vec::new()));
    probing.spawn(probe(Arc::clone(&bench), Arc::clone(&known), Arc::clone(&times)));
    let (mut killed, mut slowest_start, mut ended) = (0, Duration::ZERO, Vec::new());
    while ended.len() < runs {
        let pause = Duration::from_millis(fastrand::u64(300..1500));
        let next = tokio::time::timeout(pause, clients.join_next()).await;
        bench.watch(&process);
        if let Ok(Some(client)) = next {
            ended.extend(client.unwrap());
        } else if killed < kills {
            drop(process);
            killed += 1;
            let took;
            (process, took) = bench.start().await;
            slowest_start = slowest_start.max(took);
        }
    }
    let wall = started.elapsed();
    while told.lock().unwrap().len() < runs {
        sleep(Duration::from_millis(50)).await;
    }
    bench.watch(&process);
    probing.shutdown().await;
    let asked = bench.client.get(format!("{}/count", bench.model)).send().await.unwrap().text().await.unwrap().parse::<usize>().unwrap();
    let mut times = times.lock().unwrap().clone();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(f64::NAN);
    let wrong = ended.iter().filter(|(_, is_right)| !is_right).count();
    let messages: usize = told.lock().unwrap().values().sum();
    println!(
        "serving: {runs} runs x {documents} documents, {killed} kills, {:.0} s: {wrong} with wrong rows; {asked} requests for {} calls ({} allowed); \
        webhooks of {runs} runs in {messages} messages; peak {:.0} MB; GET p50 {:.1}, p90 {:.1}, p99 {:.1} ms of {}; slowest start {:.2} s",
        wall.as_secs_f64(),
        runs * documents,
        runs * documents + killed * SLOTS * IN_FLIGHT,
        bench.peak_mb.lock().unwrap(),
        at(50),
        at(90),
        at(99),
        times.len(),
        slowest_start.as_secs_f64()
    );
}

/// Looks at runs on a connection that stays open, and takes the times in milliseconds.
async fn probe(bench: Arc<Bench>, known: Arc<Mutex<Vec<String>>>, times: Arc<Mutex<Vec<f64>>>) {
    loop {
        sleep(Duration::from_millis(20)).await;
        let id = fastrand::choice(known.lock().unwrap().iter()).cloned();
        let Some(id) = id else { continue };
        let started = Instant::now();
        // While the server is away there is no time to take.
        if let Ok(response) = bench.client.get(bench.url(&format!("/api/runs/{id}"))).send().await
            && response.bytes().await.is_ok()
        {
            times.lock().unwrap().push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
}

type Told = Arc<Mutex<HashMap<String, usize>>>;

/// A receiver of webhooks: how often each run was told, and its address.
async fn receiver() -> (Told, String) {
    let told = Told::default();
    let take = |State(told): State<Told>, Json(message): Json<Value>| async move {
        *told.lock().unwrap().entry(message["data"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
    };
    let app = Router::new().route("/", post(take)).with_state(Arc::clone(&told));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (told, address)
}
