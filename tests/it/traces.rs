//! OpenTelemetry traces: correct, well-formed, without document text, and without delaying the run.

use crate::support::{Collector, ModelServer, Reply, Workspace, attributes, png};
use axum::http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};

const JOB: &str = r#"
name = "two"
input = "text"
[[task]]
id = "echo"
prompt = "Say which document this is.\n\n{{ document }}"
max_output_tokens = 100
[task.answer]
said = { type = "string" }
[[task]]
id = "again"
prompt = "Say it again.\n\n{{ document }}"
max_output_tokens = 100
[task.answer]
said_again = { type = "string" }
"#;

/// A workspace with one document for each result.
fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("llm.api_key_env", "KEY").env("KEY", "sk-classified");
    workspace.write("two.toml", JOB);
    for (name, id) in [("bad", "k0"), ("late", "k1"), ("odd", "k2"), ("good", "k3")] {
        workspace.doc(format!("{name}.txt"), format!("docid:{id} classified"));
    }
    workspace.doc("picture.png", png(1));
    workspace.doc("empty.txt", "");
    workspace
}

fn server() -> ModelServer {
    ModelServer::script()
        .faults(|ask| match (ask.docid.as_deref(), ask.attempt) {
            (Some("k0"), _) => Reply::error(ask, 400, "invalid_request_error", "it is classified"),
            (Some("k1"), 1) => Reply::error(ask, 503, "overloaded_error", "not yet"),
            (Some("k1"), 2) => Reply::Reset,
            (Some("k2"), 1) => Reply::WrongShape,
            _ => Reply::Ok,
        })
        .start()
}

/// A trace: its spans by id, and the ids of their children.
struct Trace {
    spans: BTreeMap<Vec<u8>, Span>,
    root: Span,
}

impl Trace {
    fn children<'t>(&'t self, of: &Span, name: &str) -> Vec<&'t Span> {
        let mut children: Vec<&Span> = self.spans.values().filter(|span| span.parent_span_id == of.span_id && span.name == name).collect();
        children.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
        children
    }

    /// The calls of the document, by task.
    fn calls(&self) -> BTreeMap<String, &Span> {
        let calls = self.children(&self.root, "chat test-model").into_iter();
        calls.map(|call| (attributes(&call.attributes)["docmill.task"].clone(), call)).collect()
    }

    /// Number, HTTP status and error of each request of a call.
    fn requests(&self, call: &Span) -> Vec<[String; 3]> {
        let requests = self.children(call, "request").into_iter().map(|request| {
            let known = attributes(&request.attributes);
            ["docmill.attempt", "http.response.status_code", "error.type"].map(|key| known.get(key).cloned().unwrap_or_default())
        });
        requests.collect()
    }
}

/// Traces by document. Fails if a trace is not well-formed.
fn traces(spans: Vec<Span>) -> BTreeMap<String, Trace> {
    let mut by_trace = BTreeMap::<Vec<u8>, BTreeMap<Vec<u8>, Span>>::new();
    let mut numbers = BTreeSet::new();
    for span in spans {
        assert!(span.trace_id.len() == 16 && span.span_id.len() == 8, "{span:?}");
        assert!(span.trace_id.iter().any(|byte| *byte > 0) && span.span_id.iter().any(|byte| *byte > 0), "{span:?}");
        assert!(numbers.insert(span.span_id.clone()), "two spans of one number: {span:?}");
        by_trace.entry(span.trace_id.clone()).or_default().insert(span.span_id.clone(), span);
    }
    let mut traces = BTreeMap::new();
    for spans in by_trace.into_values() {
        let (roots, others): (Vec<&Span>, Vec<&Span>) = spans.values().partition(|span| span.parent_span_id.is_empty());
        assert_eq!(roots.len(), 1, "{spans:?}");
        for span in others {
            let parent = spans.get(&span.parent_span_id).unwrap_or_else(|| panic!("{span:?} is part of nothing"));
            let (from, to) = (span.start_time_unix_nano, span.end_time_unix_nano);
            assert!(from <= to && parent.start_time_unix_nano <= from && to <= parent.end_time_unix_nano, "{span:?} in {parent:?}");
            let error = span.status.as_ref().is_some_and(|status| status.code() == Verdict::Error);
            assert_eq!(error, attributes(&span.attributes).contains_key("error.type"), "{span:?}");
        }
        let root = roots[0].clone();
        let document = attributes(&root.attributes)["docmill.document"].clone();
        assert!(traces.insert(document, Trace { spans, root }).is_none(), "two traces of one document");
    }
    traces
}

#[test]
fn every_document_is_a_trace_of_its_calls_and_their_requests() {
    let (server, collector) = (server(), Collector::start(StatusCode::OK));
    let workspace = workspace(&server).env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20classified");
    workspace.run(["--job", "two.toml", "--traces", &collector.url()]).exits(3).says_nothing_of("collector");

    let exports = collector.exports();
    for export in &exports {
        assert_eq!((export.path.as_str(), &export.headers["content-type"]), ("/v1/traces", &"application/x-protobuf".parse().unwrap()));
        assert_eq!(export.headers["authorization"], "Bearer classified");
        assert!(!String::from_utf8_lossy(&export.body).contains("classified"), "what is secret is in a span");
        let resource = attributes(&export.read().resource_spans[0].resource.as_ref().unwrap().attributes);
        assert_eq!((resource["service.name"].as_str(), resource["service.version"].as_str()), ("docmill", env!("CARGO_PKG_VERSION")));
    }
    let traces = traces(exports.iter().flat_map(super::support::Export::spans).collect());
    let fates = traces.iter().map(|(document, trace)| {
        let known = attributes(&trace.root.attributes);
        let fixed = ["docmill.run", "docmill.output", "docmill.job"].map(|key| known[key].as_str());
        assert_eq!(fixed, ["1", "output", "two"]);
        assert_eq!((trace.root.name.as_str(), trace.root.kind()), ("document", SpanKind::Internal));
        assert_eq!([trace.children(&trace.root, "read").len(), trace.children(&trace.root, "prepare").len()], [1, 1]);
        let status = trace.root.status.clone().unwrap_or_default().code();
        (document.as_str(), known["docmill.status"].as_str().to_owned(), status, trace.calls().len())
    });
    let wanted = [
        ("bad.txt", "failed", Verdict::Error, 2),
        ("empty.txt", "failed", Verdict::Error, 0),
        ("good.txt", "ok", Verdict::Unset, 2),
        ("late.txt", "ok", Verdict::Unset, 2),
        ("odd.txt", "ok", Verdict::Unset, 2),
        ("picture.png", "skipped", Verdict::Unset, 0),
    ];
    assert_eq!(fates.collect::<Vec<_>>(), wanted.map(|(document, status, code, calls)| (document, status.to_owned(), code, calls)));

    for (document, requests) in [
        ("bad.txt", &[["1", "400", "rejected"]][..]),
        ("good.txt", &[["1", "200", ""]]),
        ("late.txt", &[["1", "503", "overloaded"], ["2", "", "lost_reply"], ["3", "200", ""]]),
        ("odd.txt", &[["1", "200", "invalid_answer"], ["2", "200", ""]]),
    ] {
        let trace = &traces[document];
        for (task, call) in trace.calls() {
            assert_eq!(
                trace.requests(call),
                requests.iter().map(|request| request.map(ToOwned::to_owned)).collect::<Vec<_>>(),
                "{document}"
            );
            assert_eq!(trace.children(call, "queue").len(), requests.len(), "{document}");
            let known = attributes(&call.attributes);
            let failed = document == "bad.txt";
            assert_eq!((call.kind(), known.get("error.type").map(String::as_str)), (SpanKind::Client, failed.then_some("rejected")));
            for (key, value) in [
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "openai-compatible"),
                ("gen_ai.request.model", "test-model"),
                ("docmill.call", task.as_str()),
                ("docmill.attempts", requests.len().to_string().as_str()),
            ] {
                assert_eq!(known[key], value, "{document}: {key}");
            }
            assert_eq!(known["gen_ai.usage.input_tokens"] == "0", failed, "{document}");
            assert_eq!(known["gen_ai.usage.output_tokens"] == "0", failed, "{document}");
        }
        let all: Vec<&Span> = trace.spans.values().filter(|span| span.name == "request").collect();
        assert!(all.iter().all(|request| request.kind() == SpanKind::Client), "{document}");
        // A request is queued when the previous one has ended, and is sent when its wait is over.
        for call in trace.calls().values() {
            let (requests, queues) = (trace.children(call, "request"), trace.children(call, "queue"));
            for (n, (request, queue)) in requests.iter().zip(&queues).enumerate() {
                assert_eq!(request.start_time_unix_nano, queue.end_time_unix_nano, "{document}");
                let before = n.checked_sub(1).map_or(call.start_time_unix_nano, |n| requests[n].end_time_unix_nano);
                assert!(before <= queue.start_time_unix_nano, "{document}");
            }
        }
    }
}

#[test]
fn a_failing_collector_adds_only_a_line_on_stderr() {
    let results = |traces: Option<&str>| {
        let server = server();
        let workspace = workspace(&server);
        let run = workspace.run(["--job", "two.toml"].into_iter().chain(traces.map(|_| "--traces")).chain(traces)).exits(3);
        (run.csv("two").without_seconds().rows, run.stderr)
    };
    let (wanted, said) = results(None);
    assert!(!said.contains("traces"), "{said}");
    let port = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (closed, silent) = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).into();
    let away = port(&closed);
    drop(closed);
    let refusing = Collector::start(StatusCode::FORBIDDEN);
    for (url, why) in [(away, "network error"), (port(&silent), ""), (refusing.url(), "status code: 403")] {
        let (rows, said) = results(Some(&url));
        assert_eq!(rows, wanted, "{url}");
        let line = said.lines().find(|line| line.contains("the collector at 127.0.0.1") && line.contains("spans")).unwrap_or_default();
        assert!(line.contains("did not receive 54 of 54 spans") && line.contains(why), "{said}");
    }
}

#[test]
fn an_invalid_collector_address_is_an_error_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    for (url, why) in [
        ("here", "report.traces: expected the address of a collector, such as http://127.0.0.1:4318"),
        ("http://me:classified@127.0.0.1:4318", "the address contains a user or password"),
    ] {
        workspace.run(["--job", "two.toml", "--traces", url]).exits(2).says(&[why]).says_nothing_of("classified");
    }
    assert_eq!(server.requests(), 0);
}
