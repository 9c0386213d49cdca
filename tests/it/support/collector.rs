//! An OpenTelemetry collector on loopback. It records requests and decodes them with the protocol's
//! own types.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A received request.
#[derive(Clone)]
pub struct Export {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A running collector. Dropping it stops the server.
pub struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Export>>>,
    runtime: Option<Runtime>,
}

impl Collector {
    /// Starts a collector that responds to every request with this status.
    pub fn start(status: StatusCode) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let take = move |State(taken): State<Arc<Mutex<Vec<Export>>>>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            taken.lock().unwrap().push(Export { path: uri.path().to_owned(), headers, body });
            status
        };
        let app = Router::new().fallback(take).with_state(Arc::clone(&taken));
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, taken, runtime: Some(runtime) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests received so far.
    pub fn exports(&self) -> Vec<Export> {
        self.taken.lock().unwrap().clone()
    }
}

impl Export {
    /// Decodes the body.
    pub fn read(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.clone()).unwrap()
    }

    /// All spans of the request.
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.read().resource_spans.into_iter();
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// Attributes by name, as text.
pub fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<Value>| match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(n)) => n.to_string(),
        Some(Value::DoubleValue(n)) => n.to_string(),
        other => panic!("{other:?} is of no kind that spans have"),
    };
    all.iter().map(|pair| (pair.key.clone(), text(&pair.value.as_ref().unwrap().value))).collect()
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
