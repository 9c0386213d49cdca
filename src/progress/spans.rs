//! The spans of a document's trace. Each span lies within its parent.
//!
//! Names follow OpenTelemetry's conventions for generative AI. A call is one operation with all its
//! requests, so it carries the token usage. Its requests are HTTP spans. Attributes without a name
//! in the conventions begin with `docmill.`. Attributes contain failure codes but no error
//! messages, because messages may quote documents.

use crate::event::RunEvent;
use crate::model::{Attempt, CallTrace, FailureCode, RowStatus, Trace};
use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;

/// The attributes that all documents of a run share.
#[derive(Debug, Default)]
pub(super) struct Run {
    number: i64,
    output: String,
    /// The provider and the operation, named as in the conventions.
    provider: String,
    operation: &'static str,
}

/// The id and the times of a parent span.
#[derive(Clone, Copy)]
struct Place {
    span: SpanId,
    from: Timestamp,
    to: Timestamp,
}

/// The spans of one document.
struct Spans {
    trace: TraceId,
    all: Vec<SpanData>,
}

impl Run {
    /// The shared attributes from a `started` event; `None` for other events.
    pub fn of(event: &RunEvent) -> Option<Self> {
        let RunEvent::Started { run, provider, output, .. } = event else { return None };
        let (provider, operation) = match provider.as_str() {
            "openai-responses" => ("openai", "chat"),
            "gemini" => ("gcp.gemini", "generate_content"),
            other => (other, "chat"),
        };
        Some(Self { number: *run, output: output.clone(), provider: provider.to_owned(), operation })
    }

    /// The spans of a completed document, root first. Empty for other events.
    pub fn spans(&self, event: &RunEvent) -> Vec<SpanData> {
        let RunEvent::DocumentDone { document, job, status, calls, cost_usd, trace: Some(trace), .. } = event else { return Vec::new() };
        let Trace { times, done, failure, calls: asked } = &**trace;
        let mut spans = Spans { trace: RandomIdGenerator::default().new_trace_id(), all: Vec::new() };
        // A skipped document is not an error.
        let failure = failure.filter(|_| *status != RowStatus::Skipped);
        let attributes = [
            ("docmill.run", Some(Value::from(self.number))),
            ("docmill.output", Some(self.output.clone().into())),
            ("docmill.document", Some(document.clone().into())),
            ("docmill.job", Some(job.clone().into())),
            ("docmill.status", Some(status.as_str().into())),
            ("docmill.calls", Some(count(*calls as u64))),
            ("docmill.cost_usd", cost_usd.map(Value::from)),
        ];
        let root = spans.add(None, "document", SpanKind::Internal, (times.found, *done), failure, attributes);
        spans.add(Some(root), "read", SpanKind::Internal, (times.found, times.read), None, []);
        spans.add(Some(root), "prepare", SpanKind::Internal, (times.read, times.ready), None, []);
        for call in asked {
            self.call(&mut spans, root, call);
        }
        spans.all
    }

    fn call(&self, spans: &mut Spans, document: Place, call: &CallTrace) {
        let usage = call.spent.usage;
        let attributes = [
            ("gen_ai.operation.name", Some(Value::from(self.operation))),
            ("gen_ai.provider.name", Some(self.provider.clone().into())),
            ("gen_ai.request.model", Some(call.model.clone().into())),
            ("gen_ai.response.model", call.answered_by.clone().map(Value::from)),
            ("gen_ai.usage.input_tokens", Some(count(usage.input()))),
            ("gen_ai.usage.output_tokens", Some(count(usage.output))),
            ("gen_ai.usage.cache_read.input_tokens", Some(count(usage.cache_read))),
            ("docmill.task", Some(call.task.clone().into())),
            ("docmill.call", Some(call.label.clone().into())),
            ("docmill.attempts", Some(count(call.spent.attempts.into()))),
            ("docmill.cost_usd", call.spent.cost.map(|cost| cost.usd().into())),
        ];
        let name = format!("{} {}", self.operation, call.model);
        let place = spans.add(Some(document), name, SpanKind::Client, (call.begun, call.ended), call.failure, attributes);
        for attempt in &call.attempts {
            Self::attempt(spans, place, attempt);
        }
    }

    fn attempt(spans: &mut Spans, call: Place, attempt: &Attempt) {
        let Attempt { number, queued, failure, status, usage, cost, moments, .. } = attempt;
        let attributes = [("docmill.attempt", Some(count((*number).into())))];
        spans.add(Some(call), "queue", SpanKind::Internal, (*queued, moments.sent), None, attributes);
        let attributes = [
            ("http.request.method", Some(Value::from("POST"))),
            ("http.request.resend_count", number.checked_sub(1).filter(|n| *n > 0).map(|n| count(n.into()))),
            ("http.response.status_code", status.map(|status| count(status.into()))),
            ("docmill.attempt", Some(count((*number).into()))),
            ("docmill.first_byte_s", moments.first_byte.map(|at| at.duration_since(moments.sent).as_secs_f64().into())),
            ("docmill.input_tokens", Some(count(usage.input()))),
            ("docmill.output_tokens", Some(count(usage.output))),
            ("docmill.cost_usd", cost.map(|cost| cost.usd().into())),
        ];
        spans.add(Some(call), "request", SpanKind::Client, (moments.sent, moments.ended), *failure, attributes);
    }
}

impl Spans {
    fn add<const N: usize>(
        &mut self,
        parent: Option<Place>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        (from, to): (Timestamp, Timestamp),
        failure: Option<FailureCode>,
        attributes: [(&'static str, Option<Value>); N],
    ) -> Place {
        // The system clock may be set during a run, so times are clamped to the parent.
        let within = |moment: Timestamp| parent.map_or(moment, |parent| moment.clamp(parent.from, parent.to));
        let (from, to) = (within(from), within(to.max(from)));
        let span = RandomIdGenerator::default().new_span_id();
        let attributes = attributes.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let error = failure.map(|code| ("error.type", code.as_str().into()));
        self.all.push(SpanData {
            span_context: SpanContext::new(self.trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| parent.span),
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: from.into(),
            end_time: to.into(),
            attributes: attributes.chain(error).map(|(key, value)| KeyValue::new(Key::from_static_str(key), value)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: failure.map_or(Status::Unset, |code| Status::error(code.as_str())),
            instrumentation_scope: InstrumentationScope::builder("docmill").with_version(env!("CARGO_PKG_VERSION")).build(),
        });
        Place { span, from, to }
    }
}

fn count(n: u64) -> Value {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}
