//! The test server's record of requests, answers and bills.

use super::Ask;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// All requests and calls of a server.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    /// Every request in order of arrival.
    pub asks: Vec<Arc<Ask>>,
    /// Every call, in order of its first request.
    pub calls: Vec<CallEntry>,
    /// Maximum number of requests in flight at the same time.
    pub max_in_flight: usize,
    /// The calls of each document, as indices.
    by_docid: HashMap<Option<String>, Vec<usize>>,
}

/// All requests for one call: equal system text, schema, images and prompt. A retry may add a
/// corrective note.
#[derive(Debug, Clone)]
pub struct CallEntry {
    /// The document: `XYZ` from `docid:XYZ` in the prompt, or `image-N`. See [`Ask::docid`].
    pub docid: Option<String>,
    /// The prompt of the first request.
    pub text: String,
    /// Schema, system text and images. They distinguish calls with the same prompt.
    pub identity: String,
    /// Number of requests that arrived.
    pub requests: u32,
    /// Number of valid answers that were sent completely.
    pub served: u32,
    /// Number of requests that a provider would bill.
    pub billed: u32,
    /// Number of requests whose billing the client cannot know.
    pub in_doubt: u32,
    /// Arrival time of each request.
    pub arrivals: Vec<Instant>,
}

/// Effect of a reply on the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billed {
    /// Billed, with a valid answer.
    Served,
    /// Billed, without a valid answer.
    Yes,
    /// Not billed.
    No,
    /// In doubt, because the reply was lost.
    InDoubt,
}

impl Ledger {
    /// Number of requests that arrived, over all calls.
    pub fn requests(&self) -> usize {
        self.asks.len()
    }

    /// The calls about one document.
    pub fn of(&self, docid: &str) -> Vec<&CallEntry> {
        self.calls.iter().filter(|call| call.docid.as_deref() == Some(docid)).collect()
    }

    /// Finds the call of a request, or adds one. Returns its index and the attempt number.
    ///
    /// The prompt of a request begins with the prompt of its call.
    pub(super) fn arrived(&mut self, ask: &Ask, identity: &str) -> (usize, u32) {
        let of_document = self.by_docid.entry(ask.docid.clone()).or_default();
        let is_same = |call: &CallEntry| call.identity == identity && ask.text.starts_with(&call.text);
        let known = of_document.iter().rev().copied().find(|index| is_same(&self.calls[*index]));
        let index = known.unwrap_or_else(|| {
            of_document.push(self.calls.len());
            self.calls.push(CallEntry {
                docid: ask.docid.clone(),
                text: ask.text.clone(),
                identity: identity.to_owned(),
                requests: 0,
                served: 0,
                billed: 0,
                in_doubt: 0,
                arrivals: Vec::new(),
            });
            self.calls.len() - 1
        });
        let call = &mut self.calls[index];
        call.requests += 1;
        call.arrivals.push(ask.arrived);
        (index, call.requests)
    }

    pub(super) fn settled(&mut self, call: usize, billed: Billed) {
        let call = &mut self.calls[call];
        call.served += u32::from(billed == Billed::Served);
        call.billed += u32::from(matches!(billed, Billed::Served | Billed::Yes));
        call.in_doubt += u32::from(billed == Billed::InDoubt);
    }
}
