//! Packs of embeddings against servers with limits, over real HTTP.
//!
//! The simulator's ledger counts requests and inputs.

use docmill::ask::dialect::{may_blame_one_item, pack_refusal};
use docmill::ask::packing::{PackError, PackFault, PackLimits, PackSender, PackSettings, Packer, checked_vectors};
use docmill::simulator::{LedgerTotals, Scenario, Simulator};
use futures::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A sender like that of any client of an OpenAI-compatible server.
struct Embeddings {
    client: reqwest::Client,
    url: String,
    limits: PackLimits,
}

impl PackSender for Embeddings {
    type Group = ();
    type Payload = String;
    /// The JSON of a vector.
    type Output = String;
    type Fault = String;

    fn endpoint(&self, (): &()) -> String {
        self.url.clone()
    }

    fn limits(&self, (): &()) -> PackLimits {
        self.limits
    }

    async fn send(&self, (): &(), texts: Vec<Arc<String>>, _: bool) -> Result<Vec<String>, PackFault<String>> {
        let input: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        let request = self.client.post(&self.url).body(json!({ "model": "simulated-embedding", "input": input }).to_string());
        let response = request.send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.bytes().await.unwrap());
        let text = || String::from_utf8_lossy(&body).into_owned();
        if let Some(refusal) = pack_refusal(status, &body) {
            return Err(PackFault::TooLarge(refusal, text()));
        }
        match status {
            200 => {
                let read = checked_vectors(&body, texts.len()).map_err(PackFault::Failed)?;
                Ok(read.vectors.into_iter().map(|vector| vector.get().to_owned()).collect())
            }
            _ if may_blame_one_item(status, &body) => Err(PackFault::Rejected(text())),
            429 | 500 | 503 => Err(PackFault::Again(Duration::from_millis(5), text())),
            _ => Err(PackFault::Failed(text())),
        }
    }
}

type Answer = Result<String, PackError<String>>;

/// Embeds texts as so many concurrent single requests.
fn embed(scenario: &str, limits: PackLimits, texts: &[String]) -> (Vec<Answer>, LedgerTotals) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let simulator = Simulator::start(Scenario::parse(scenario).unwrap(), 0).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let sender = Embeddings { client, url: format!("{}/v1/embeddings", simulator.base_url()), limits };
        // The wait is longer than a slow machine takes to submit all texts.
        let settings = PackSettings { max_wait: Duration::from_millis(500), max_tries: 20, ..PackSettings::default() };
        let packer = Packer::new(sender, settings);
        let submit = |text: &String| packer.submit((), text.len().div_ceil(4) as u64, text.len() as u64, text.clone());
        let answers = join_all(texts.iter().map(submit)).await;
        (answers, simulator.ledger())
    })
}

fn items(max_items: usize) -> PackLimits {
    PackLimits { max_items, ..PackLimits::NONE }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("The text number{number} speaks of subject{}.", number % 7)).collect()
}

/// Checks that each text got the vector that it gets alone.
fn assert_own(texts: &[String], answers: &[Answer], scenario: &str) {
    let (alone, _) = embed(scenario, items(1), texts);
    assert!(alone.iter().all(Result::is_ok) && alone == answers);
}

#[test]
fn a_thousand_concurrent_singles_become_nearly_the_fewest_requests() {
    let texts = texts(1000);
    for (max_items, fewest) in [(10, 100), (64, 16), (2048, 1)] {
        let scenario = format!("latency_ms = 5\n[embeddings]\nms_per_input = 0.1\nmax_inputs = {max_items}");
        let (answers, ledger) = embed(&scenario, items(max_items), &texts);
        assert_own(&texts, &answers, "");
        assert!(ledger.requests * 10 <= fewest * 12, "{} requests instead of {fewest}", ledger.requests);
        assert_eq!((ledger.served, ledger.embedded_inputs, ledger.embedded_again), (ledger.requests, 1000, 0));
    }
}

#[test]
fn limits_are_learned_from_the_words_of_servers() {
    let texts = texts(320);
    for (wording, most) in
        [("openai", 11), ("dashscope", 11), ("gemini", 11), ("tei", 11), ("siliconflow", 11), ("llama_server", 11), ("proxy", 40)]
    {
        let scenario = format!("[embeddings]\nmax_inputs = 32\nwording = '{wording}'");
        let (answers, ledger) = embed(&scenario, items(320), &texts);
        assert_own(&texts, &answers, "");
        assert!(ledger.requests <= most, "{wording}: {} requests", ledger.requests);
    }
    let (answers, ledger) = embed("[embeddings]\nmax_tokens = 300", items(320), &texts);
    assert_own(&texts, &answers, "");
    let tokens: u64 = texts.iter().map(|text| text.len().div_ceil(4) as u64).sum();
    assert!(ledger.requests <= 1 + tokens.div_ceil(300) * 12 / 10, "{} requests for {tokens} tokens", ledger.requests);
}

#[test]
fn a_bad_input_does_not_spoil_its_pack() {
    let mut texts = texts(512);
    texts[100] = "a spoilt text".to_owned();
    texts[401] = "another spoilt text".to_owned();
    let (answers, ledger) = embed("[[poison]]\nmarker = 'spoilt'\nfault = 'rejected'", items(256), &texts);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), texts[number].contains("spoilt"), "{number}: {answer:?}");
    }
    assert!(ledger.requests <= 2 + 2 * 2 * 8, "{} requests", ledger.requests);
    assert_eq!((ledger.embedded_inputs, ledger.embedded_again), (510, 0));
}

#[test]
fn failed_packs_are_sent_again_until_each_text_has_its_vector() {
    let texts = texts(500);
    let (answers, ledger) = embed("[faults]\nserver_error = 0.3\noverloaded = 0.1\nrate_limited = 0.1", items(16), &texts);
    assert_own(&texts, &answers, "");
    assert!(ledger.errors + ledger.rate_limited > 0);
    assert_eq!((ledger.embedded_inputs, ledger.embedded_again), (500, 0));
}

#[test]
fn deviating_servers_give_right_vectors_or_failures() {
    let texts = texts(40);
    for (quirk, is_fine) in [("shuffled", true), ("base64_ignored", true), ("count_short", false), ("null", false), ("nan", false)] {
        let (answers, _) = embed(&format!("[embeddings]\nquirks = ['{quirk}']"), items(16), &texts);
        if is_fine {
            assert_own(&texts, &answers, "");
        } else {
            assert!(answers.iter().all(Result::is_err), "{quirk}");
        }
    }
}
