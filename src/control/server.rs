//! The server: a run that takes requests.

use super::{Answer, Envelope, NOTE, Note, Request};
use crate::system::accept;
use serde::Serialize;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A request that waits for its response.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// Receives the response.
    pub answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Sends a request to a run and waits for its response.
    pub async fn ask(run: &mpsc::Sender<Self>, request: Request) -> Answer {
        let ending = || Answer::Refused("the run is ending".to_owned());
        let (answer, answered) = oneshot::channel();
        if run.send(Self { request, answer }).await.is_err() {
            return ending();
        }
        answered.await.unwrap_or_else(|_| ending())
    }
}

/// Listens for requests. Removes its note when dropped.
#[derive(Debug)]
pub struct ControlServer {
    listener: TcpListener,
    token: blake3::Hash,
    note: PathBuf,
}

/// Maximum number of simultaneous connections.
const CONVERSATIONS: usize = 64;
/// Maximum length of a request, in bytes.
const LONGEST: u64 = 64 * 1024;
/// Time limit for reading a request and for writing a line.
const PATIENCE: Duration = Duration::from_secs(10);

impl ControlServer {
    /// Starts to listen, and writes the note into `directory`.
    pub async fn open(directory: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let token = blake3::hash(&secret).to_hex().to_string();
        let note = Note { port: listener.local_addr()?.port(), token: token.clone() };
        // Only the owner can read a temporary file. The rename makes the complete note visible.
        let mut file = tempfile::Builder::new().prefix(NOTE).tempfile_in(directory)?;
        file.write_all(serde_json::to_string(&note)?.as_bytes())?;
        let path = directory.join(NOTE);
        file.persist(&path)?;
        Ok(Self { listener, token: blake3::hash(token.as_bytes()), note: path })
    }

    /// Takes requests until `finished` is cancelled. A watcher first gets `hello`, and then the
    /// newest line of `seen` each time it can take one. A slow watcher misses lines.
    pub async fn serve(self, asked: mpsc::Sender<Asked>, hello: String, seen: Arc<watch::Sender<String>>, finished: CancellationToken) {
        let hello = Arc::new(hello);
        let serve = |stream| {
            let conversation = Conversation { token: self.token, asked: asked.clone(), hello: Arc::clone(&hello), seen: Arc::clone(&seen) };
            // A terminal that disconnects needs no answer.
            async move { drop(conversation.hold(stream).await) }
        };
        accept(&self.listener, CONVERSATIONS, &finished, serve).await;
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // The run has released the lock, so the note may belong to the next run. A stale note is
        // harmless.
        let note = std::fs::read(&self.note).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        if note.is_some_and(|note| blake3::hash(note.token.as_bytes()) == self.token) {
            let _stays = std::fs::remove_file(&self.note);
        }
    }
}

struct Conversation {
    token: blake3::Hash,
    asked: mpsc::Sender<Asked>,
    hello: Arc<String>,
    seen: Arc<watch::Sender<String>>,
}

impl Conversation {
    async fn hold(self, stream: TcpStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        timeout(PATIENCE, BufReader::new(read.take(LONGEST)).read_line(&mut line)).await??;
        let answer = match serde_json::from_str::<Envelope>(&line) {
            // Comparing hashes takes constant time.
            Ok(Envelope { token, .. }) if blake3::hash(token.as_bytes()) != self.token => {
                Answer::Refused("wrong token for this run".to_owned())
            }
            Ok(Envelope { request: Request::Watch, .. }) => return self.show(&mut write).await,
            Ok(Envelope { request, .. }) => Asked::ask(&self.asked, request).await,
            Err(error) => Answer::Refused(format!("cannot parse the request: {error}")),
        };
        say(&mut write, &json(&answer)?).await
    }

    async fn show(&self, write: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        let mut seen = self.seen.subscribe();
        say(write, &self.hello).await?;
        while seen.changed().await.is_ok() {
            let line = seen.borrow_and_update().clone();
            say(write, &line).await?;
        }
        Ok(())
    }
}

fn json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)?)
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), line: &str) -> io::Result<()> {
    timeout(PATIENCE, write.write_all(format!("{line}\n").as_bytes())).await?
}
