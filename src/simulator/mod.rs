//! A loopback model server over real HTTP/1.1.
//!
//! It is the provider of trial runs (without key, cost and network), and the test server for all
//! code that calls models. It implements Anthropic Messages, OpenAI Chat Completions and Responses,
//! and Gemini generateContent, complete and as streams, and OpenAI Embeddings.
//!
//! Promises:
//!
//! - An answer satisfies the schema of its request, depends only on the seed and the request, and
//!   is marked `[simulated]`. It is plain: sentences, words and numbers of the document, and
//!   judgements by word lists, colours and surfaces.
//! - Faults depend on the seed, the call and the attempt number, never on order or time. Only the
//!   limits and the prompt cache use the clock.
//! - Limits are exact, to the nanosecond and to the token.
//! - The ledger records everything, with prices. Tests use it as an oracle.
//!
//! It never listens beyond loopback, and never calls a real model.
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/messages` | Anthropic Messages |
//! | `POST /v1/chat/completions` | OpenAI Chat Completions |
//! | `POST /v1/responses` | OpenAI Responses |
//! | `POST /v1/embeddings` | OpenAI Embeddings; cosines follow the shared words of texts |
//! | `POST /v1beta/models/{model}:generateContent` | Gemini; `:streamGenerateContent?alt=sse` as a stream |
//! | `GET /v1/models` | the accepted models; in Anthropic's shape if `anthropic-version` is sent |
//! | `GET /ledger`, `?calls=1`, `?documents=1` | totals as JSON; with one entry per call, per `docid:` |
//! | `GET /health` | `{"status":"ok"}` |
//!
//! A request passes `serve` (route), `handler` (decide: `limits`, `cache`, `faults`, `answer`) and
//! `payload` (send). `embed` makes vectors. `answer` gets texts from `reading` and pictures from `looks`. Dialects are
//! pure functions in a table: `anthropic`, `openai`, `gemini`.

mod answer;
mod anthropic;
mod ask;
mod bill;
mod cache;
mod dialect;
mod embed;
mod ending;
mod faults;
mod gemini;
mod handler;
mod ledger;
mod limits;
mod looks;
mod openai;
mod pace;
mod payload;
mod picture;
mod preview;
mod reading;
mod scenario;
mod schema;
mod script;
mod serve;
mod shared;
#[cfg(test)]
mod tests;
mod wait;
mod wire;

pub use ledger::{BillTotals, CallTotals, DocumentTotals, LedgerTotals};
pub use preview::{AnswerPreview, Foretold, is_simulated};
pub use scenario::{CacheTerms, Change, Embeddings, FaultKind, Faults, Poison, Prices, Quirk, RetryAfter, Scenario, Wording};

use crate::system::accept;
use dialect::Dialect;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use shared::Shared;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::Wire;

/// All dialects.
const DIALECTS: [&Dialect; 5] = [
    &anthropic::MESSAGES,
    &openai::chat::CHAT_COMPLETIONS,
    &openai::responses::RESPONSES,
    &openai::embeddings::EMBEDDINGS,
    &gemini::GENERATE_CONTENT,
];

/// A running model server. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Binds loopback (port 0: any free port) and serves until dropped or stopped. Must be called
    /// inside a tokio runtime. An invalid scenario is an error of kind `InvalidInput`.
    pub async fn start(scenario: Scenario, port: u16) -> io::Result<Self> {
        if let Some(problem) = scenario.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(scenario));
        let stop = CancellationToken::new();
        let accepting = tokio::spawn(serve_all(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { address, shared, stop, accepting: Some(accepting) })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a path and a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Totals so far.
    pub fn ledger(&self) -> LedgerTotals {
        self.shared.ledger.totals()
    }

    /// Totals so far by call, sorted by hash.
    pub fn ledger_calls(&self) -> Vec<CallTotals> {
        self.shared.ledger.calls()
    }

    /// Totals so far by document, sorted by `docid:`.
    pub fn ledger_documents(&self) -> Vec<DocumentTotals> {
        self.shared.ledger.documents()
    }

    /// Closes the port and all connections, and waits until all tasks have ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            accepting.await.ok();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort(); // its connections go with it
        }
    }
}

async fn serve_all(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    accept(&listener, usize::MAX, &stop, |stream| connection(stream, Arc::clone(&shared))).await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Otherwise small responses wait for acknowledgements. An error means that the client
    // disconnected.
    stream.set_nodelay(true).ok();
    let reset = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Wire::new(stream, Arc::clone(&reset)));
    let service = service_fn(move |request| serve::serve(Arc::clone(&shared), Arc::clone(&reset), request));
    // An error means that the client disconnected, or that a fault broke the response off. The
    // ledger records both.
    http1::Builder::new().serve_connection(io, service).await.ok();
}
