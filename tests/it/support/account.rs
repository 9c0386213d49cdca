//! A model provider with exact limits, a prompt cache, prices and a ledger.
//!
//! Like real providers, it decides on a request at arrival, not after the latency. It shares no
//! code with the program.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Limits and prices of the account.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Requests per second, and burst size.
    pub requests: Option<(f64, f64)>,
    /// Uncached input tokens per second, and burst size.
    pub input_tokens: Option<(f64, f64)>,
    /// After this many served requests, limits are multiplied by this factor.
    pub change: Option<(usize, f64)>,
    /// Whether responses have rate limit headers.
    pub headers: bool,
    /// The delay that a refusal names; `None` if it names none.
    pub retry_after: Option<Duration>,
    /// Share of requests to refuse at random, regardless of the limits.
    pub refused_by_chance: f64,
    /// Time to the first byte of an answer, and to its end.
    pub first_byte: Duration,
    pub latency: Duration,
    /// Minimum number of tokens of a cacheable prefix; 0 = no cache.
    pub cache_from: u64,
    /// Trillionths of a dollar per token. The order is uncached input, cache read, cache write,
    /// output.
    pub prices: [u64; 4],
    /// Output tokens of an answer. Depends on the text of the prompt and the number of the request.
    pub output: fn(&str, usize) -> u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            requests: None,
            input_tokens: None,
            change: None,
            headers: true,
            retry_after: Some(Duration::from_secs(1)),
            refused_by_chance: 0.0,
            first_byte: Duration::ZERO,
            latency: Duration::ZERO,
            cache_from: 0,
            // Claude Haiku 5.5.
            prices: [100_000, 10_000, 125_000, 500_000],
            output: |_, _| 20,
        }
    }
}

/// Counts of the account.
#[derive(Debug, Default, Clone)]
pub struct Books {
    pub served: usize,
    pub refused: usize,
    /// Requests that arrived before the time that a refusal named.
    pub early: usize,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    pub fresh: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub output: u64,
    /// Total cost in trillionths of a dollar, and cost by `docid:`.
    pub bill: u64,
    pub bills: HashMap<String, u64>,
    /// Headers and body of every request.
    pub requests: Vec<(HeaderMap, Value)>,
}

impl Books {
    /// Time from the first to the last served request.
    #[allow(dead_code, reason = "for the measurements")]
    pub fn span(&self) -> Duration {
        self.first.zip(self.last).map(|(first, last)| last - first).unwrap_or_default()
    }
}

struct Bucket {
    per_second: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new((per_second, burst): (f64, f64)) -> Self {
        Self { per_second, burst, level: burst, at: Instant::now() }
    }

    fn fill(&mut self, now: Instant) {
        let flowed = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + flowed).min(self.burst);
        self.at = now;
    }

    fn has(&self, need: f64) -> bool {
        self.level >= need.min(self.burst)
    }

    fn scale(&mut self, times: f64) {
        self.per_second *= times;
        self.burst *= times;
        self.level = self.level.min(self.burst);
    }
}

struct Account {
    terms: Terms,
    requests: Option<Bucket>,
    input_tokens: Option<Bucket>,
    /// Cached prefixes, and when each becomes readable.
    cache: HashMap<String, Instant>,
    /// Requests before this time count as early.
    closed_until: Option<Instant>,
    changed: bool,
    random: fastrand::Rng,
    books: Books,
}

/// A running provider. Dropping it stops the server.
pub struct AccountServer {
    address: SocketAddr,
    account: Arc<Mutex<Account>>,
    runtime: Option<Runtime>,
}

impl AccountServer {
    pub fn start(terms: Terms) -> Self {
        let account = Arc::new(Mutex::new(Account {
            requests: terms.requests.map(Bucket::new),
            input_tokens: terms.input_tokens.map(Bucket::new),
            terms,
            cache: HashMap::new(),
            closed_until: None,
            changed: false,
            random: fastrand::Rng::with_seed(7),
            books: Books::default(),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(serve).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&account));
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, account, runtime: Some(runtime) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn books(&self) -> Books {
        lock(&self.account).books.clone()
    }
}

impl Drop for AccountServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap()
}

/// Fields of a request that limits and bills use.
struct Asked {
    messages: bool,
    tokens: u64,
    /// The content before the cache mark, and its number of tokens.
    prefix: Option<(String, u64)>,
    docid: String,
    text: String,
    stream: bool,
}

fn tokens_of(block: &Value) -> u64 {
    match block["text"].as_str() {
        Some(text) => text.len() as u64 / 4,
        // The size of an image decides its tokens.
        None => block.to_string().len() as u64 / 8,
    }
}

fn read(path: &str, body: &Value) -> Asked {
    let messages = path == "/v1/messages";
    let user = body["messages"].as_array().unwrap().last().unwrap();
    let as_blocks = |content: &Value| match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        other => other.as_array().cloned().unwrap_or_default(),
    };
    let mut blocks = as_blocks(&body["system"]);
    blocks.extend(body["messages"].as_array().unwrap().iter().filter(|message| *message != user).flat_map(|m| as_blocks(&m["content"])));
    blocks.extend(as_blocks(&user["content"]));
    let marked = blocks.iter().rposition(|block| block.get("cache_control").is_some() || block.get("prompt_cache_breakpoint").is_some());
    let form = format!("{} {} {}", body["model"], body["output_config"], body["response_format"]);
    let form_tokens = form.len() as u64 / 4;
    let prefix = marked.map(|at| {
        let before = &blocks[..=at];
        (format!("{form} {before:?}"), form_tokens + before.iter().map(tokens_of).sum::<u64>())
    });
    let text: String = blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n");
    let docid =
        text.split_once("docid:").map_or_else(String::new, |(_, rest)| rest.chars().take_while(char::is_ascii_alphanumeric).collect());
    let tokens = form_tokens + blocks.iter().map(tokens_of).sum::<u64>();
    Asked { messages, tokens, prefix, docid, text, stream: body["stream"] == true }
}

/// The decision on a request.
enum Verdict {
    /// Refused because of this limit.
    Refused(&'static str),
    Served {
        usage: [u64; 4],
    },
}

impl Account {
    fn decide(&mut self, asked: &Asked, now: Instant) -> Verdict {
        self.books.early += usize::from(self.closed_until.is_some_and(|until| now < until));
        let cached = asked.prefix.as_ref().filter(|(_, tokens)| self.terms.cache_from > 0 && *tokens >= self.terms.cache_from);
        let (read, write) = match cached {
            Some((prefix, tokens)) if self.cache.get(prefix).is_some_and(|from| *from <= now) => (*tokens, 0),
            Some((_, tokens)) => (0, *tokens),
            None => (0, 0),
        };
        let uncached = (asked.tokens - read) as f64;
        for bucket in self.requests.iter_mut().chain(&mut self.input_tokens) {
            bucket.fill(now);
        }
        let limit = match (&self.requests, &self.input_tokens) {
            (Some(bucket), _) if !bucket.has(1.0) => Some("requests"),
            (_, Some(bucket)) if !bucket.has(uncached) => Some("input tokens"),
            _ if self.random.f64() < self.terms.refused_by_chance => Some("patience"),
            _ => None,
        };
        if let Some(limit) = limit {
            self.books.refused += 1;
            self.closed_until = self.terms.retry_after.map(|wait| now + wait);
            return Verdict::Refused(limit);
        }
        if let Some(bucket) = &mut self.requests {
            bucket.level -= 1.0;
        }
        if let Some(bucket) = &mut self.input_tokens {
            bucket.level -= uncached;
        }
        if let (Some((prefix, _)), 0) = (cached, read) {
            let readable = now + self.terms.first_byte;
            self.cache.entry(prefix.clone()).or_insert(readable);
        }
        let output = (self.terms.output)(&asked.text, self.books.served);
        let usage = [asked.tokens - read - write, read, write, output];
        let cost: u64 = usage.iter().zip(self.terms.prices).map(|(tokens, price)| tokens * price).sum();
        let books = &mut self.books;
        books.served += 1;
        books.first.get_or_insert(now);
        books.last = Some(now);
        books.fresh += usage[0];
        books.cache_read += read;
        books.cache_write += write;
        books.output += output;
        books.bill += cost;
        *books.bills.entry(asked.docid.clone()).or_default() += cost;
        if let Some((after, times)) = self.terms.change
            && books.served >= after
            && !std::mem::replace(&mut self.changed, true)
        {
            for bucket in self.requests.iter_mut().chain(&mut self.input_tokens) {
                bucket.scale(times);
            }
        }
        Verdict::Served { usage }
    }

    fn headers(&self, messages: bool) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if !self.terms.headers {
            return headers;
        }
        let all = [("requests", "requests", &self.requests), ("input-tokens", "tokens", &self.input_tokens)];
        for (anthropic, openai, bucket) in all {
            let Some(bucket) = bucket else { continue };
            let (limit, left) = ((bucket.per_second * 60.0).round(), bucket.level.max(0.0).floor());
            let name = |part: &str| {
                if messages { format!("anthropic-ratelimit-{anthropic}-{part}") } else { format!("x-ratelimit-{part}-{openai}") }
            };
            headers.extend([(name("limit"), limit.to_string()), (name("remaining"), left.to_string())]);
        }
        headers
    }
}

async fn serve(State(account): State<Arc<Mutex<Account>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let now = Instant::now();
    let json: Value = serde_json::from_slice(&body).unwrap();
    let asked = read(uri.path(), &json);
    let (verdict, told, terms) = {
        let mut account = lock(&account);
        let verdict = account.decide(&asked, now);
        account.books.requests.push((headers, json.clone()));
        (verdict, account.headers(asked.messages), account.terms.clone())
    };
    let mut response =
        Response::builder().header(header::CONTENT_TYPE, if asked.stream { "text/event-stream" } else { "application/json" });
    for (name, value) in told {
        response = response.header(name, value);
    }
    let usage = match verdict {
        Verdict::Refused(limit) => {
            let message = format!("this would exceed the limit of {limit} per minute");
            let body = if asked.messages {
                json!({"type": "error", "error": {"type": "rate_limit_error", "message": message}})
            } else {
                json!({"error": {"message": message, "type": limit, "code": "rate_limit_exceeded"}})
            };
            let mut response = response.status(StatusCode::TOO_MANY_REQUESTS).header(header::CONTENT_TYPE, "application/json");
            if let Some(wait) = terms.retry_after {
                response = response.header(header::RETRY_AFTER, wait.as_secs_f64().to_string());
            }
            return response.body(Body::from(body.to_string())).unwrap();
        }
        Verdict::Served { usage } => usage,
    };
    let schema =
        if asked.messages { &json["output_config"]["format"]["schema"] } else { &json["response_format"]["json_schema"]["schema"] };
    let answer = fill(schema).to_string();
    if asked.stream {
        let pieces = futures::stream::unfold((0, stream(&asked, &json, &answer, usage)), move |(step, pieces)| async move {
            let wait = match step {
                0 => terms.first_byte,
                1 => terms.latency.saturating_sub(terms.first_byte),
                _ => Duration::ZERO,
            };
            tokio::time::sleep(wait).await;
            let piece = pieces.get(step).cloned()?;
            Some((Ok::<_, std::io::Error>(Bytes::from(piece)), (step + 1, pieces)))
        });
        return response.body(Body::from_stream(pieces)).unwrap();
    }
    tokio::time::sleep(terms.latency).await;
    response.body(Body::from(whole(&asked, &json, &answer, usage).to_string())).unwrap()
}

fn anthropic_usage([fresh, read, write, output]: [u64; 4]) -> Value {
    json!({"input_tokens": fresh, "cache_read_input_tokens": read, "cache_creation_input_tokens": write, "output_tokens": output, "service_tier": "standard"})
}

fn openai_usage([fresh, read, write, output]: [u64; 4]) -> Value {
    let details = json!({"cached_tokens": read, "cache_write_tokens": write});
    json!({"prompt_tokens": fresh + read + write, "completion_tokens": output, "prompt_tokens_details": details})
}

fn whole(asked: &Asked, body: &Value, answer: &str, usage: [u64; 4]) -> Value {
    if asked.messages {
        let content = json!([{"type": "text", "text": answer}]);
        return json!({"type": "message", "model": body["model"], "content": content, "stop_reason": "end_turn", "usage": anthropic_usage(usage)});
    }
    let choices = json!([{"message": {"content": answer}, "finish_reason": "stop"}]);
    json!({"model": body["model"], "choices": choices, "usage": openai_usage(usage)})
}

fn stream(asked: &Asked, body: &Value, answer: &str, usage: [u64; 4]) -> Vec<String> {
    if asked.messages {
        let begin = json!({"model": body["model"], "content": [], "usage": anthropic_usage(usage)});
        let events = [
            json!({"type": "message_start", "message": begin}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": answer}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": usage[3]}}),
            json!({"type": "message_stop"}),
        ];
        return events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect();
    }
    let chunk = |choices: Value| json!({"model": body["model"], "choices": choices, "usage": null}).to_string();
    let data = [
        chunk(json!([{"delta": {"role": "assistant", "content": ""}}])),
        chunk(json!([{"delta": {"content": answer}, "finish_reason": "stop"}])),
        json!({"choices": [], "usage": openai_usage(usage)}).to_string(),
        "[DONE]".to_owned(),
    ];
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

/// A value that satisfies a schema.
fn fill(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
        return first.clone();
    }
    match schema["type"].as_str().unwrap_or("string") {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(name, schema)| (name.clone(), fill(schema))).collect::<Map<_, _>>())
        }
        "array" => {
            let described = schema["description"].as_str().and_then(|text| text.split_whitespace().find_map(|word| word.parse().ok()));
            let items = schema["minItems"].as_u64().or(described).unwrap_or(1);
            (0..items).map(|n| json!(format!("item {n}"))).collect()
        }
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(0.5)),
        "boolean" => json!(true),
        _ => json!("something"),
    }
}
