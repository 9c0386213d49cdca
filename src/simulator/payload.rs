//! Sends the body of a response, and bills it.
//!
//! A response is billed and its seat is freed before its last byte is sent, so that a client that
//! has read it all finds it in the ledger. If the client disconnects, the bill covers what was
//! sent. No lock is held while waiting.

use super::bill::Tokens;
use super::ledger::{Outcome, Visit};
use super::limits::Seat;
use super::script::{Script, Step, Tail};
use super::shared::Shared;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};

/// A fault or a disconnected client broke off the response.
#[derive(Debug, thiserror::Error)]
#[error("the simulator broke off the reply")]
pub(super) struct Broken;

/// The open bill of a response.
#[derive(Debug)]
pub(super) struct Tab {
    pub(super) shared: Arc<Shared>,
    pub(super) visit: Visit,
    /// Freed with the tab.
    pub(super) _seat: Option<Seat>,
    pub(super) outcome: Outcome,
    /// Billed tokens; output increases as it is sent.
    pub(super) tokens: Tokens,
    /// Whether output counts towards a limit.
    pub(super) metered: bool,
}

impl Tab {
    fn sent(&mut self, tokens: u64) {
        self.tokens.output += tokens;
        if self.metered && tokens > 0 {
            self.shared.limits.produced(tokens, self.shared.pace.now());
        }
    }

    fn close(&mut self) {
        self.visit.end(self.outcome, self.tokens);
    }
}

/// The body of a response. If dropped early it is billed as garbled; if dropped before its start,
/// not at all.
#[derive(Debug)]
pub(super) struct Payload {
    steps: VecDeque<Step>,
    tail: Tail,
    length: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the last step was due. Pauses count from here, because the rounding of many timers
    /// would add up.
    due: Option<Instant>,
    /// The open bill; `None` once it is closed.
    tab: Option<Tab>,
    begun: bool,
    /// Whether the writer had a chance to flush the last step.
    flushed: bool,
}

impl Payload {
    /// Creates a body. Without a tab it is not a model's response.
    pub(super) fn new(script: Script, tab: Option<Tab>) -> Self {
        let Script { steps, tail, length } = script;
        Self { steps: steps.into(), tail, length, sleep: None, due: None, tab, begun: false, flushed: false }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let Some(next) = self.steps.front() else { return Poll::Ready(None) };
        let after = self.tab.as_ref().map_or(next.after, |tab| tab.shared.pace.on_the_wall(next.after));
        let due = self.due.unwrap_or_else(Instant::now) + after;
        if !next.after.is_zero() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        self.due = Some(due);
        let step = self.steps.pop_front();
        self.begun = true;
        if let (Some(step), Some(tab)) = (&step, &mut self.tab) {
            tab.sent(step.tokens);
        }
        if self.steps.is_empty()
            && let Some(tab) = &mut self.tab
        {
            tab.close();
            if self.tail != Tail::Silence {
                self.tab = None;
            }
        }
        Poll::Ready(step)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(step) = ready!(self.poll_step(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(step.bytes))));
        }
        match self.tail {
            Tail::End => Poll::Ready(None),
            Tail::Silence => Poll::Pending, // the connection ends it when the client leaves
            Tail::Break if self.flushed => Poll::Ready(Some(Err(Broken))),
            Tail::Break => {
                self.flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.tail == Tail::End
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(tab) = &mut self.tab
            && self.begun
            && !self.steps.is_empty()
        {
            tab.outcome = Outcome::Garbled;
            tab.close();
        }
    }
}
