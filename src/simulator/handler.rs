//! Handles one model call: parse, check, limit, cache, fault, answer.
//!
//! Everything is decided when the request arrives, and the answer is ready before any delay starts.
//! A delayed request therefore holds its response but not its images. The handler never waits.

use super::answer;
use super::ask::{Ask, Form, PrefixHash, tokens};
use super::bill::Tokens;
use super::dialect::Dialect;
use super::embed;
use super::ending::{End, Problem};
use super::faults;
use super::ledger::{Outcome, Visit};
use super::limits::{LimitKind, LimitState, Refusal, Seat};
use super::scenario::{FaultKind, Quirk, RetryAfter};
use super::script::{Script, Tail};
use super::shared::Shared;
use super::wait::{self, RetryHint};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::Value;
use std::time::{Duration, SystemTime};

pub(super) const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const EVENTS: &str = "text/event-stream";
const GARBAGE: &str = "<html><head><title>Gateway</title></head><body>[simulated] not an answer</body></html>";
const REFUSAL: &str = "[simulated] I cannot help with that.";

/// The decision about a model call.
pub(super) struct Plan {
    pub(super) outcome: Outcome,
    /// Billed tokens. Output is added as it is sent.
    pub(super) tokens: Tokens,
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    /// Headers for limits and waits.
    pub(super) headers: Vec<(String, String)>,
    /// Delay until the first byte.
    pub(super) delay: Duration,
    pub(super) script: Script,
    pub(super) seat: Option<Seat>,
    /// Prefixes that become readable when the response begins.
    pub(super) written: Vec<PrefixHash>,
}

impl Plan {
    /// A plan without delay, tokens and limits.
    fn new(outcome: Outcome, status: StatusCode, body: String) -> Self {
        Self {
            outcome,
            tokens: Tokens::default(),
            status,
            content_type: JSON,
            headers: Vec::new(),
            delay: Duration::ZERO,
            script: Script::whole(body, 0),
            seat: None,
            written: Vec::new(),
        }
    }
}

/// Handles one model call.
pub(super) struct RequestHandler<'a> {
    pub(super) shared: &'a Shared,
    pub(super) dialect: &'static Dialect,
    pub(super) id: &'a str,
}

/// A request that the limits admitted.
struct Work<'a> {
    ask: &'a Ask<'a>,
    /// Input tokens by source.
    input: Tokens,
    /// Total duration.
    latency: Duration,
    first_byte: Duration,
}

impl RequestHandler<'_> {
    pub(super) fn plan(&self, head: &Parts, body: &[u8], visit: &mut Visit) -> Plan {
        if !self.shared.admits(&head.headers) {
            return self.refuse(&Problem::Unauthorized);
        }
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return self.refuse(&Problem::invalid(format!("The body is not valid JSON: {error}"))),
        };
        match (self.dialect.read)(&body, head, self.shared.scenario.seed) {
            Ok(mut ask) if self.shared.models.iter().any(|model| model == ask.model) => {
                match embed::refusal(&self.shared.scenario.embeddings, &mut ask) {
                    Some((status, body)) => Plan::new(Outcome::Error, status, body),
                    None => self.decide(&ask, visit),
                }
            }
            Ok(ask) => self.refuse(&Problem::UnknownModel(ask.model.to_owned())),
            Err(problem) => self.refuse(&problem),
        }
    }

    /// Applies the limits first. A refused request is not an attempt, because the outcome would
    /// otherwise depend on time.
    fn decide(&self, ask: &Ask<'_>, visit: &mut Visit) -> Plan {
        let scenario = &self.shared.scenario;
        let now = self.shared.pace.now();
        visit.identify(ask.hash, ask.docid(), now);
        visit.inputs = embed::input_ids(ask);
        let (input, written) = self.shared.cache.look(ask, now);
        let (passage, states) = self.shared.limits.admit(&(self.dialect.charge)(ask, input), now);
        let limits = self.limit_headers(&states);
        let seat = match passage {
            Ok(seat) => seat,
            Err(Refusal::Limit { meter, wait }) => return with(limits, self.rate_limit(meter, wait, visit)),
            Err(Refusal::Seats) => return with(limits, self.refuse(&Problem::Overloaded)),
        };
        let (attempt, before) = visit.admit();
        let mut fault = faults::poison(scenario, &ask.user_text);
        if fault.is_none() {
            fault = faults::decide(scenario, &ask.hash, attempt, before);
            if fault.is_some() {
                visit.fault();
            }
        }
        let latency = faults::delay(scenario, &ask.hash, attempt, &ask.user_text) + embed::time(&scenario.embeddings, ask);
        let first_byte = match scenario.first_byte_ms {
            Some(first_byte) if ask.delivery.stream => latency.min(Duration::from_millis(first_byte)),
            _ => latency,
        };
        let plan = match fault {
            // The server refuses these before the model runs.
            Some(FaultKind::RateLimited) => self.rate_limit(LimitKind::Requests, Duration::ZERO, visit),
            Some(FaultKind::Overloaded) => self.refuse(&Problem::Overloaded),
            Some(FaultKind::StreamError) if !ask.delivery.stream => self.refuse(&Problem::Overloaded),
            Some(FaultKind::Rejected) => self.refuse(&Problem::invalid("[simulated] rejected by the scenario")),
            fault => {
                let work = Work { ask, input, latency, first_byte };
                let plan = self.act(&work, fault);
                Plan { delay: first_byte, written, ..plan }
            }
        };
        Plan { seat: Some(seat), ..with(limits, plan) }
    }

    fn act(&self, work: &Work<'_>, fault: Option<FaultKind>) -> Plan {
        match fault {
            Some(FaultKind::Refusal | FaultKind::Cut | FaultKind::Invalid) if matches!(work.ask.form, Form::Vectors(_)) => {
                self.embed(work, fault)
            }
            Some(FaultKind::ServerError) => self.refuse(&Problem::ServerError),
            Some(FaultKind::Reset) => Plan::new(Outcome::Reset, StatusCode::OK, String::new()),
            Some(FaultKind::Hang) => Plan::new(Outcome::Hang, StatusCode::OK, String::new()),
            Some(FaultKind::Refusal) => self.answer(work, REFUSAL, End::Refused, Outcome::Refused),
            Some(FaultKind::Cut) => {
                let text = self.write(work.ask);
                let half = text.chars().count() / 2;
                self.answer(work, first(&text, half), End::Cut, Outcome::Cut)
            }
            Some(FaultKind::Invalid) => {
                let text = answer::spoil(work.ask, &self.write(work.ask));
                self.answer(work, &text, End::Complete, Outcome::Invalid)
            }
            Some(FaultKind::Garbage) => {
                let plan = garbled(self.serve(work), |script| Script::whole(GARBAGE.to_owned(), script.tokens()));
                Plan { content_type: HTML, ..plan }
            }
            Some(FaultKind::TruncatedBody) => garbled(self.serve(work), |script| script.half(Tail::Break)),
            Some(FaultKind::Stall) => garbled(self.serve(work), |script| script.half(Tail::Silence)),
            Some(FaultKind::StreamError) => garbled(self.serve(work), |script| script.half_and((self.dialect.stream_error)())),
            Some(FaultKind::Drip) => {
                let every = Duration::from_millis(self.shared.scenario.drip_ms);
                let plan = self.serve(work);
                Plan { script: plan.script.drip(every), ..plan }
            }
            // The first three are handled before the model runs.
            Some(FaultKind::RateLimited | FaultKind::Overloaded | FaultKind::Rejected) | None => self.serve(work),
        }
    }

    /// A complete answer, cut at the token limit if necessary.
    fn serve(&self, work: &Work<'_>) -> Plan {
        if matches!(work.ask.form, Form::Vectors(_)) {
            return self.embed(work, None);
        }
        let text = self.write(work.ask);
        if tokens(&text) <= work.ask.max_tokens {
            return self.answer(work, &text, End::Complete, Outcome::Served);
        }
        let room = usize::try_from(work.ask.max_tokens.saturating_mul(4)).unwrap_or(usize::MAX);
        self.answer(work, first(&text, room), End::Cut, Outcome::Cut)
    }

    /// A vector for each input.
    fn embed(&self, work: &Work<'_>, fault: Option<FaultKind>) -> Plan {
        let terms = &self.shared.scenario.embeddings;
        let (quirk, outcome) = match fault {
            Some(FaultKind::Refusal) => return self.refuse(&Problem::invalid("[simulated] The input was filtered.")),
            Some(FaultKind::Cut) => (Some(Quirk::CountShort), Outcome::Cut),
            Some(FaultKind::Invalid) => (Some(Quirk::Null), Outcome::Invalid),
            _ if terms.quirks.iter().any(|quirk| embed::spoils(*quirk)) => (None, Outcome::Invalid),
            _ => (None, Outcome::Served),
        };
        let vectors = embed::write(terms, self.shared.scenario.seed, work.ask, quirk);
        let body = (self.dialect.reply)(work.ask, &vectors, End::Complete, work.input);
        Plan { tokens: work.input, ..Plan::new(outcome, StatusCode::OK, body) }
    }

    fn write(&self, ask: &Ask<'_>) -> String {
        let looks = ask.picture.and_then(|base64| self.shared.gallery.look(base64));
        answer::write(ask, looks, self.shared.scenario.length_spread)
    }

    fn answer(&self, work: &Work<'_>, text: &str, end: End, outcome: Outcome) -> Plan {
        let ask = work.ask;
        let usage = Tokens { output: tokens(text), ..work.input };
        let (content_type, script) = if ask.delivery.stream {
            (EVENTS, Script::stream((self.dialect.stream)(ask, text, end, usage), work.latency.saturating_sub(work.first_byte)))
        } else {
            (JSON, Script::whole((self.dialect.reply)(ask, text, end, usage), usage.output))
        };
        Plan { tokens: work.input, script, content_type, ..Plan::new(outcome, StatusCode::OK, String::new()) }
    }

    fn rate_limit(&self, meter: LimitKind, computed: Duration, visit: &mut Visit) -> Plan {
        let scenario = &self.shared.scenario;
        let in_header = !self.dialect.wait_in_body || scenario.retry_after == RetryAfter::None;
        let form = if in_header { scenario.retry_after } else { RetryAfter::Ms };
        let RetryHint { wait, header } = wait::retry_hint(form, scenario.retry_after_s, computed, SystemTime::now());
        visit.record_refusal(wait);
        let (status, body) = (self.dialect.problem)(&Problem::RateLimited { meter, wait }, self.id);
        let header = header.filter(|_| in_header);
        let headers = header.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        Plan { headers, ..Plan::new(Outcome::RateLimited, status, body) }
    }

    pub(super) fn refuse(&self, problem: &Problem) -> Plan {
        let (status, body) = (self.dialect.problem)(problem, self.id);
        Plan::new(Outcome::Error, status, body)
    }

    fn limit_headers(&self, states: &[LimitState]) -> Vec<(String, String)> {
        if !self.shared.scenario.headers {
            return Vec::new();
        }
        states.iter().flat_map(|state| (self.dialect.limit_headers)(state)).collect()
    }
}

/// Puts the rate-limit headers before those of a plan.
fn with(mut limits: Vec<(String, String)>, mut plan: Plan) -> Plan {
    limits.append(&mut plan.headers);
    Plan { headers: limits, ..plan }
}

/// Damages the response during transfer. A response in one piece is billed in full.
fn garbled(plan: Plan, spoil: impl FnOnce(Script) -> Script) -> Plan {
    Plan { outcome: Outcome::Garbled, script: spoil(plan.script), ..plan }
}

/// The first `count` characters.
fn first(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}
