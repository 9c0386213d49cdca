//! Sends OpenTelemetry traces to a collector with OTLP over HTTP.
//!
//! Each document has its own trace with the number of its run, because one trace for a whole run
//! would have too many spans. The tracer creates the spans when the document is done, so documents
//! in progress need no memory here. If the collector is slow or unreachable, traces are dropped and
//! counted. The run never waits.

use super::Watcher;
use super::spans::Run;
use crate::event::RunEvent;
use crate::system::root_certificates;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Maximum number of spans that wait for the collector: some megabytes. The trace of a document
/// with more spans is dropped.
const WAITING: usize = 8192;
/// Maximum number of spans in a batch.
const TOGETHER: usize = 512;
/// Time limit of one batch with its retries. It also limits the wait for all remaining batches
/// after the run.
const PATIENCE: Duration = Duration::from_secs(5);
const SLOW: &str = "the collector is too slow";

/// The watcher that creates traces of documents.
pub(super) struct Tracer {
    run: Run,
    /// The channel to the sender; `None` after the run has ended.
    out: Option<mpsc::Sender<SpanData>>,
    tally: Arc<Tally>,
    /// Whether a loss has been reported.
    reported: bool,
}

/// The task that sends traces.
#[derive(Debug)]
pub struct Traces {
    sending: JoinSet<()>,
    tally: Arc<Tally>,
}

/// Counts of created and delivered spans.
#[derive(Debug, Default)]
struct Tally {
    /// The host of the collector. The rest of the address may contain secrets.
    host: String,
    made: AtomicU64,
    arrived: AtomicU64,
    /// The reason of the first loss.
    why: OnceLock<String>,
}

/// Creates the watcher and the sender of traces. `url` is the address of the collector.
pub(super) fn traces(url: &str) -> Result<(Tracer, Traces), String> {
    let (host, exporter) = exporter(url)?;
    let (out, spans) = mpsc::channel(WAITING);
    let tally = Arc::new(Tally { host, ..Tally::default() });
    let mut sending = JoinSet::new();
    sending.spawn(send(spans, exporter, Arc::clone(&tally)));
    Ok((Tracer { run: Run::default(), out: Some(out), tally: Arc::clone(&tally), reported: false }, Traces { sending, tally }))
}

fn exporter(url: &str) -> Result<(String, SpanExporter), String> {
    let parsed = reqwest::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let address = parsed.ok_or("expected the address of a collector, such as http://127.0.0.1:4318")?;
    if !address.username().is_empty() || address.password().is_some() {
        return Err("the address contains a user or password. Remove it, and set OTEL_EXPORTER_OTLP_HEADERS in the environment".into());
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    let client = client.tls_certs_merge(root_certificates()).build();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client.map_err(|e| e.to_string())?)
        .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
        .with_timeout(PATIENCE)
        .build();
    let mut exporter = exporter.map_err(|e| e.to_string())?;
    let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let own = [KeyValue::new("service.name", "docmill"), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = Resource::builder_empty().with_attributes(own).with_detector(Box::new(EnvResourceDetector::new()));
    let named = name.into_iter().map(|name| KeyValue::new("service.name", name));
    exporter.set_resource(&resource.with_attributes(named).build());
    Ok((address.host_str().unwrap_or_default().to_owned(), exporter))
}

/// Sends spans in batches until the channel closes and is empty.
async fn send(mut spans: mpsc::Receiver<SpanData>, exporter: SpanExporter, tally: Arc<Tally>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    while spans.recv_many(&mut batch, TOGETHER).await > 0 {
        let count = batch.len() as u64;
        match exporter.export(std::mem::take(&mut batch)).await {
            Ok(()) => drop(tally.arrived.fetch_add(count, Relaxed)),
            // The exporter's errors contain no address, header or response body.
            Err(error) => {
                drop(tally.why.set(if let OTelSdkError::InternalFailure(why) = error { why } else { error.to_string() }));
                // The exporter has retried already. After the run has ended, the other batches
                // would fail in the same way.
                if spans.is_closed() {
                    return;
                }
            }
        }
    }
}

impl Watcher for Tracer {
    fn see(&mut self, event: &RunEvent) {
        if let Some(run) = Run::of(event) {
            self.run = run;
        }
        if matches!(event, RunEvent::Ending) {
            self.out = None;
        }
        let Some(out) = &self.out else { return };
        let spans = self.run.spans(event);
        self.tally.made.fetch_add(spans.len() as u64, Relaxed);
        // A trace is sent completely or not at all.
        match out.try_reserve_many(spans.len()) {
            Ok(room) => room.zip(spans).for_each(|(place, span)| place.send(span)),
            Err(_) => drop(self.tally.why.set(SLOW.to_owned())),
        }
    }

    fn trouble(&mut self) -> Option<String> {
        // After the run has ended, `Traces::end` reports all losses.
        let why = self.tally.why.get().filter(|_| !self.reported && self.out.is_some())?;
        self.reported = true;
        Some(format!("the collector at {} does not receive all traces: {why}. The run continues", self.tally.host))
    }
}

impl Traces {
    /// Waits up to `PATIENCE` until all spans are sent.
    ///
    /// Callers wait after the run has ended. Returns a message with the number of lost spans, if
    /// any.
    pub async fn end(mut self) -> Option<String> {
        let in_time = timeout(PATIENCE, self.sending.join_next()).await.is_ok();
        let Tally { host, made, arrived, why } = &*self.tally;
        let made = made.load(Relaxed);
        let lost = made - arrived.load(Relaxed);
        let why = why.get().map_or(if in_time { "the spans were lost" } else { SLOW }, String::as_str);
        (lost > 0).then(|| format!("the collector at {host} did not receive {lost} of {made} spans: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DocumentTimes, RowStatus, Trace};
    use jiff::Timestamp;

    fn done(seconds: [i64; 4]) -> RunEvent {
        let [found, read, ready, done] = seconds.map(|s| Timestamp::from_second(s).unwrap());
        let trace = Trace { times: DocumentTimes { found, read, ready }, done, failure: None, calls: Vec::new() };
        RunEvent::DocumentDone {
            document: "a.txt".into(),
            job: "text".into(),
            status: RowStatus::Ok,
            calls: 0,
            attempts: 0,
            cost_usd: None,
            trace: Some(Box::new(trace)),
        }
    }

    #[test]
    fn traces_without_room_are_dropped_whole_counted_and_reported_once() {
        let (out, mut spans) = mpsc::channel(5);
        let tally = Arc::new(Tally { host: "collector".into(), ..Tally::default() });
        let mut tracer = Tracer { run: Run::default(), out: Some(out), tally: Arc::clone(&tally), reported: false };
        tracer.see(&done([1, 2, 3, 4]));
        assert_eq!(tracer.trouble(), None);
        tracer.see(&done([1, 2, 3, 4]));
        assert_eq!(
            tracer.trouble().unwrap(),
            "the collector at collector does not receive all traces: the collector is too slow. The run continues"
        );
        tracer.see(&done([1, 2, 3, 4]));
        assert_eq!((tracer.trouble(), tally.made.load(Relaxed)), (None, 9));
        assert_eq!(std::iter::from_fn(|| spans.try_recv().ok()).count(), 3);
    }

    #[test]
    fn spans_stay_within_their_parent_when_the_clock_is_set_back() {
        let spans = Run::default().spans(&done([10, 20, 5, 15]));
        let (root, parts) = spans.split_first().unwrap();
        assert_eq!(parts.len(), 2);
        for part in parts {
            assert!(root.start_time <= part.start_time && part.start_time <= part.end_time && part.end_time <= root.end_time, "{part:?}");
        }
    }
}
