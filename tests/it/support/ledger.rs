//! What the server saw, served and billed.

use super::Ask;
use std::sync::Arc;
use std::time::Instant;

/// Everything that happened at a server.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    /// Every request in order of arrival.
    pub asks: Vec<Arc<Ask>>,
    /// Every call, in order of its first request.
    pub calls: Vec<CallEntry>,
    /// Requests in work at the same time, at the most.
    pub max_in_flight: usize,
}

/// All requests for one call: the same system text, schema, images and prompt, with or without a corrective note.
#[derive(Debug, Clone)]
pub struct CallEntry {
    /// The document named in the prompt as `docid:XYZ`, or `image-N`: see [`Ask::docid`].
    pub docid: Option<String>,
    /// The prompt of the first request.
    pub text: String,
    /// Schema, system text and images, so that calls with the same prompt are told apart.
    pub identity: String,
    /// Requests that arrived.
    pub requests: u32,
    /// Good answers sent completely.
    pub served: u32,
    /// Requests that a provider would put on its bill.
    pub billed: u32,
    /// Requests for which the client cannot know whether they were billed.
    pub in_doubt: u32,
    /// When each request arrived.
    pub arrivals: Vec<Instant>,
}

/// What a reply does to the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billed {
    /// A good answer.
    Served,
    /// Work was done, though the answer is no good.
    Yes,
    /// The provider took no work.
    No,
    /// The reply was lost on its way.
    InDoubt,
}

impl Ledger {
    /// Requests that arrived, of all calls.
    pub fn requests(&self) -> usize {
        self.asks.len()
    }

    /// The calls about one document.
    pub fn of(&self, docid: &str) -> Vec<&CallEntry> {
        self.calls.iter().filter(|call| call.docid.as_deref() == Some(docid)).collect()
    }

    /// The call of a request: an earlier one whose prompt begins this one's, or a new one.
    pub(super) fn arrived(&mut self, ask: &Ask, identity: &str) -> (usize, u32) {
        let known =
            self.calls.iter().rposition(|call| call.identity == identity && call.docid == ask.docid && ask.text.starts_with(&call.text));
        let index = known.unwrap_or_else(|| {
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
