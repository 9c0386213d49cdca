//! Reads documents and images, and divides long texts, in separate processes.
//!
//! A library that decodes a file may loop, use all memory or overflow its stack. This process could
//! not survive that. Therefore each such file is read by a process with limits of memory and CPU
//! time. If it exceeds a limit, only the row of that document fails. A much higher
//! limit of wall time ends processes that hang without using CPU time.
//!
//! The processes run this same program and are reused for further documents. They have an empty
//! environment, so they know no key. They are in their own process group, so Ctrl-C of the terminal
//! does not reach them.

use crate::failpoint;
use crate::model::{Failure, FailureCode};
use crate::prepare::{Extraction, Greeting, ImageLimits, LENGTH_BYTES, PrepareSettings, Sniffed, divide_request, frame_length};
use crate::read::this_program;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// The hidden command that starts such a process. Its argument is the memory limit in megabytes.
pub const READ_DOCUMENTS: &str = "read-documents";

/// Documents that a process reads before it ends, which frees memory that libraries have leaked.
const DOCUMENTS: u32 = 1000;

/// Room for requests between the processes.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;

/// Limit of wall time in multiples of `prepare.document_s`. 1 if CPU time cannot be limited.
const PATIENCE: u64 = if cfg!(unix) { 10 } else { 1 };

/// The pool of processes. It has as many as there are workers.
#[derive(Debug)]
pub(super) struct Isolation {
    greeting: Vec<u8>,
    seconds: u64,
    megabytes: u64,
    idle: Mutex<Vec<Process>>,
    /// A permit for each process that may hold a file.
    slots: Arc<Semaphore>,
}

/// The right to use a process.
#[derive(Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "returned when dropped")] Option<OwnedSemaphorePermit>);

#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    replies: ChildStdout,
    documents: u32,
}

/// The content of a file, still in the process that read it.
#[derive(Debug)]
pub(super) struct Extracted {
    process: Process,
    slot: Slot,
    sniffed: Sniffed,
    /// Bytes of the content.
    pub length: u64,
}

impl Isolation {
    pub fn new(settings: &PrepareSettings, limits: &ImageLimits) -> Result<Self, serde_json::Error> {
        let greeting = serde_json::to_vec(&Greeting { settings: settings.clone(), limits: *limits })?;
        Ok(Self {
            greeting,
            seconds: settings.document_s,
            megabytes: settings.document_mb,
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(settings.parallelism())),
        })
    }

    /// Waits until a process is free.
    pub async fn slot(&self) -> Slot {
        Slot(Arc::clone(&self.slots).acquire_owned().await.ok())
    }

    /// Reads the content of a file in a process of the pool.
    ///
    /// The content stays in the process until [`Isolation::receive`], so that the caller can wait
    /// for memory.
    pub async fn extract(&self, slot: Slot, bytes: &[u8], sniffed: Sniffed) -> Result<Extracted, Failure> {
        self.ask(slot, sniffed.format(), bytes, sniffed).await
    }

    /// Divides a text into chunks of at most `limit` tokens.
    ///
    /// The caller limits how many texts are divided at the same time. A slot could wait for memory
    /// that this text holds.
    pub async fn divide(&self, text: &str, limit: u64) -> Result<Vec<String>, Failure> {
        let divided = self.ask(Slot(None), &divide_request(limit), text.as_bytes(), Sniffed::Text).await?;
        self.take(divided).await
    }

    /// Takes the content from its process.
    pub async fn receive(&self, extracted: Extracted) -> Result<Extraction, Failure> {
        self.take(extracted).await
    }

    async fn ask(&self, slot: Slot, request: &str, bytes: &[u8], sniffed: Sniffed) -> Result<Extracted, Failure> {
        // A process that is not put back is killed when its value is dropped.
        let process = self.idle.lock().pop();
        let process = match process {
            Some(process) => Ok(process),
            None => self.start(),
        };
        let mut process = process
            .map_err(|e| Failure::new(FailureCode::Internal, format!("cannot start the process that reads {}: {e}", sniffed.name())))?;
        match timeout(self.patience(), process.ask(&self.greeting, request, bytes, self.megabytes)).await {
            Ok(Ok(length)) => Ok(Extracted { process, slot, sniffed, length }),
            ended => Err(self.failure(ended.map(drop), process, sniffed).await),
        }
    }

    async fn take<T: DeserializeOwned>(&self, extracted: Extracted) -> Result<T, Failure> {
        let Extracted { mut process, slot: _slot, sniffed, length } = extracted;
        let reply = match timeout(self.patience(), process.receive(length)).await {
            Ok(Ok(reply)) => reply,
            ended => return Err(self.failure(ended.map(drop), process, sniffed).await),
        };
        process.documents += 1;
        if process.documents < DOCUMENTS {
            self.idle.lock().push(process);
        }
        serde_json::from_slice::<Result<T, Failure>>(&reply)
            .map_err(|e| Failure::new(FailureCode::Internal, format!("the reader of {} returned an invalid result: {e}", sniffed.name())))?
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.seconds.saturating_mul(PATIENCE))
    }

    /// The failure of a document whose process died (`Ok`) or timed out.
    async fn failure(&self, ended: Result<(), Elapsed>, process: Process, sniffed: Sniffed) -> Failure {
        match ended {
            Ok(()) => self.crashed(process, sniffed).await,
            Err(_) if cfg!(unix) => timed_out(sniffed, self.patience().as_secs()),
            Err(_) => self.took_too_long(sniffed),
        }
    }

    fn start(&self) -> io::Result<Process> {
        let mut command = Command::new(this_program()?);
        command.arg(READ_DOCUMENTS).arg(self.megabytes.to_string()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(failpoints) = failpoint::inherited() {
            command.env(failpoint::VARIABLE, failpoints);
        }
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, replies) = pipes.ok_or_else(|| io::Error::other("the process has no pipes"))?;
        // Without room for a photograph, each of its pieces would wake both processes. The kernel may
        // refuse, because it limits the room of all pipes of a user.
        #[cfg(target_os = "linux")]
        let _refused = rustix::pipe::fcntl_setpipe_size(&requests, PIPE_BYTES);
        Ok(Process { child, requests, replies, documents: 0 })
    }

    /// The failure of a document whose process ended while reading it.
    async fn crashed(&self, mut process: Process, sniffed: Sniffed) -> Failure {
        let how = match process.child.wait().await {
            Ok(status) if has_exceeded_cpu_time(status) => return self.took_too_long(sniffed),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let limit = format!("the {} MB of prepare.document_mb, or crashed ({how})", self.megabytes);
        exceeded(sniffed, &limit)
    }

    fn took_too_long(&self, sniffed: Sniffed) -> Failure {
        exceeded(sniffed, &format!("{} s (prepare.document_s)", self.seconds))
    }
}

impl Process {
    /// Sends a document. Returns the length of the reply.
    async fn ask(&mut self, greeting: &[u8], request: &str, bytes: &[u8], megabytes: u64) -> io::Result<u64> {
        if self.documents == 0 {
            send(&mut self.requests, greeting).await?;
        }
        send(&mut self.requests, request.as_bytes()).await?;
        send(&mut self.requests, bytes).await?;
        let mut length = [0; LENGTH_BYTES];
        self.replies.read_exact(&mut length).await?;
        let length = u64::from_le_bytes(length);
        // The process cannot hold more than its memory limit, so a larger length is invalid.
        if length > megabytes.saturating_mul(1_000_000) {
            return Err(io::Error::other("the length exceeds the memory limit"));
        }
        Ok(length)
    }

    async fn receive(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut reply = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        (&mut self.replies).take(length).read_to_end(&mut reply).await?;
        if (reply.len() as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(reply) }
    }
}

fn exceeded(sniffed: Sniffed, limit: &str) -> Failure {
    let advice = "Raise the limit, split the file, or exclude it";
    Failure::new(FailureCode::PrepareLimit, format!("reading this as {} took more than {limit}. {advice}", sniffed.name()))
}

/// The transient failure of a document whose process has exceeded the limit of wall time.
fn timed_out(sniffed: Sniffed, seconds: u64) -> Failure {
    let advice = "The next run tries again. If it times out again, raise prepare.document_s, or exclude the file";
    let what = format!("reading this as {} timed out after {seconds} s with little CPU time used. {advice}", sniffed.name());
    Failure::new(FailureCode::PrepareTimeout, what)
}

#[cfg(unix)]
fn has_exceeded_cpu_time(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn has_exceeded_cpu_time(_status: ExitStatus) -> bool {
    false
}

async fn send(to: &mut ChildStdin, frame: &[u8]) -> io::Result<()> {
    to.write_all(&frame_length(frame)).await?;
    to.write_all(frame).await?;
    to.flush().await
}
