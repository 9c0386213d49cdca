//! The ledger: spans, windows, money.

use super::{anthropic, plain_schema, start, to_anthropic};
use crate::model::Money;
use crate::simulator::bill::{Rates, Tokens};
use crate::simulator::ledger::{Ledger, Outcome};
use crate::simulator::scenario::Prices;
use crate::simulator::{CallTotals, DocumentTotals};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn serve(ledger: &Arc<Ledger>, call: u8, docid: Option<&str>, at: Instant, tokens: Tokens) {
    let mut visit = ledger.arrive(at);
    visit.identify([call; 32], docid, at);
    visit.end(Outcome::Served, tokens);
}

#[test]
fn the_span_and_the_busiest_second_use_arrival_times_of_served_requests() {
    let start = Instant::now();
    let ledger = Arc::new(Ledger::new(Rates::of(&Prices::default()), start));
    // Out of order, like responses. Three are in the second from 1.2 on, whose end is excluded.
    for (call, millis) in [(0, 2199), (1, 500), (2, 1200), (3, 2200), (4, 1700), (5, 3500)] {
        serve(&ledger, call, None, start + Duration::from_millis(millis), Tokens::default());
    }
    let mut refused = ledger.arrive(start + Duration::from_secs(9));
    refused.end(Outcome::RateLimited, Tokens::default());
    let totals = ledger.totals();
    assert_eq!(totals.served_in_a_second_max, 3);
    assert_eq!((totals.first_served_s.to_bits(), totals.last_served_s.to_bits()), (0.5_f64.to_bits(), 3.5_f64.to_bits()));
    assert_eq!(totals.span_s().to_bits(), 3.0_f64.to_bits());
}

#[test]
fn every_token_has_its_price_and_every_document_its_bill() {
    let start = Instant::now();
    let prices = Prices { input: 2.0, cache_read: 0.1, cache_write: 2.5, output: 10.0 };
    let ledger = Arc::new(Ledger::new(Rates::of(&prices), start));
    let tokens = Tokens { fresh: 100, cache_read: 1000, cache_write: 10, output: 7 };
    let cost = Money::from_pico(100 * 2_000_000 + 1000 * 100_000 + 10 * 2_500_000 + 7 * 10_000_000);
    serve(&ledger, 1, Some("docid:a"), start, tokens);
    serve(&ledger, 1, Some("docid:a"), start, tokens);
    serve(&ledger, 2, Some("docid:a"), start, tokens);
    serve(&ledger, 3, Some("docid:b"), start, tokens);
    let mut refused = ledger.arrive(start);
    refused.identify([4; 32], Some("docid:b"), start);
    refused.end(Outcome::Error, Tokens::default());
    let totals = ledger.totals();
    assert_eq!(totals.cost_usd, Money::from_pico(cost.pico() * 4));
    assert_eq!((totals.input_tokens, totals.fresh_tokens, totals.cache_read_tokens, totals.cache_write_tokens), (4440, 400, 4000, 40));
    let documents: Vec<_> =
        ledger.documents().into_iter().map(|d| (d.docid.unwrap(), d.calls, d.requests, d.bill.billed, d.bill.cost_usd)).collect();
    assert_eq!(documents, [("docid:a".to_owned(), 2, 3, 3, Money::from_pico(cost.pico() * 3)), ("docid:b".to_owned(), 2, 2, 1, cost)]);
    assert_eq!(ledger.calls()[0].bill.output_tokens, 14);
}

#[tokio::test]
async fn the_ledger_reports_bills_by_document() {
    let simulator = start("[prices]\ninput = 1\noutput = 5").await;
    for text in ["docid:a one", "docid:a two", "docid:b one", "none"] {
        anthropic(&simulator, &to_anthropic(text, &plain_schema())).await.unwrap();
    }
    let url = format!("{}/ledger?documents=1&calls=1", simulator.base_url());
    let book: Value = serde_json::from_str(&super::client().get(url).send().await.unwrap().text().await.unwrap()).unwrap();
    let documents: Vec<DocumentTotals> = serde_json::from_value(book["documents"].clone()).unwrap();
    let calls: Vec<CallTotals> = serde_json::from_value(book["calls"].clone()).unwrap();
    assert_eq!(documents, simulator.ledger_documents());
    assert_eq!(
        documents.iter().map(|document| (document.docid.as_deref(), document.served)).collect::<Vec<_>>(),
        [(None, 1), (Some("docid:a"), 2), (Some("docid:b"), 1)]
    );
    let totals = simulator.ledger();
    assert_eq!(totals.cost_usd.pico(), totals.fresh_tokens * 1_000_000 + totals.output_tokens * 5_000_000);
    assert_eq!(documents.iter().map(|document| document.bill.cost_usd).sum::<Money>(), totals.cost_usd);
    assert_eq!(calls.iter().map(|call| call.bill.cost_usd).sum::<Money>(), totals.cost_usd);
}

/// Serves call number `n`.
fn serve_nth(ledger: &Arc<Ledger>, n: u64, at: Instant) {
    let mut call = [0; 32];
    call[..8].copy_from_slice(&n.to_le_bytes());
    let mut visit = ledger.arrive(at);
    visit.identify(call, None, at);
    visit.end(Outcome::Served, Tokens { fresh: 3, ..Tokens::default() });
}

#[test]
fn all_calls_count_and_the_latest_keep_details() {
    let start = Instant::now();
    let ledger = Arc::new(Ledger::new(Rates::of(&Prices::default()), start));
    // A thousand calls per second.
    for n in 0..200_000 {
        serve_nth(&ledger, n, start + Duration::from_millis(n));
    }
    let totals = ledger.totals();
    assert_eq!((totals.served, totals.billed, totals.fresh_tokens, totals.duplicates), (200_000, 200_000, 600_000, 0));
    assert_eq!((totals.served_in_a_second_max, totals.last_served_s.to_bits()), (1000, 199.999_f64.to_bits()));
    assert_eq!((ledger.calls().len(), totals.forgotten_calls), (1 << 16, 200_000 - (1 << 16)));
    serve_nth(&ledger, 199_999, start + Duration::from_mins(10));
    assert_eq!(ledger.totals().duplicates, 1);
}
