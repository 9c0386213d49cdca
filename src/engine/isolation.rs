//! Readers of documents at work in processes of their own.
//!
//! A library that reads PDF or Office documents may loop, or take all the memory there is, or overflow its stack, which no
//! fence in this process would survive. So each document is read by a process with limits of memory and of CPU time: either
//! costs that document its row, and no other. A limit of the clock is far beyond, for processes that wait for nothing: on a
//! machine that has other things to do a sound document takes its time. The processes are this same program, are kept from one
//! document to the next, know no environment and so no key, and are out of reach of the terminal's Ctrl-C.

use crate::failpoint;
use crate::model::{Failure, FailureCode};
use crate::prepare::{Extract, Greeting, ImageLimits, LENGTH_BYTES, PrepareSettings, Reader, frame_length};
use crate::read::this_program;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The hidden command that makes this program such a process. The megabytes that it may take follow.
pub const READ_DOCUMENTS: &str = "read-documents";

/// A process is let go after so many documents: what its libraries have leaked goes with it.
const DOCUMENTS: u32 = 1000;

/// How many times `prepare.document_s` may go by on the clock. Where no process can be limited by its CPU time, the clock decides.
const PATIENCE: u64 = if cfg!(unix) { 10 } else { 1 };

/// The processes. There are as many as documents are being read at the same time.
#[derive(Debug)]
pub(super) struct Isolation {
    greeting: Vec<u8>,
    seconds: u64,
    megabytes: u64,
    idle: Mutex<Vec<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    replies: ChildStdout,
    documents: u32,
}

impl Isolation {
    pub fn new(settings: &PrepareSettings, limits: &ImageLimits) -> Result<Self, serde_json::Error> {
        let greeting = serde_json::to_vec(&Greeting { settings: settings.clone(), limits: *limits })?;
        Ok(Self { greeting, seconds: settings.document_s, megabytes: settings.document_mb, idle: Mutex::default() })
    }

    /// What is in a file.
    pub async fn extract(&self, bytes: &[u8], reader: &Reader) -> Result<Extract, Failure> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that is not put back ends with its value.
        let process = idle().pop();
        let process = match process {
            Some(process) => Ok(process),
            None => self.start(),
        };
        let mut process = process.map_err(|e| {
            Failure::new(FailureCode::Internal, format!("the process that reads {} could not be started: {e}", reader.name))
        })?;
        let patience = self.seconds.saturating_mul(PATIENCE);
        let result = match timeout(Duration::from_secs(patience), process.ask(&self.greeting, bytes, reader, self.megabytes)).await {
            Ok(Ok(reply)) => serde_json::from_slice(&reply)
                .map_err(|e| Failure::new(FailureCode::Internal, format!("what the reader of {} said makes no sense: {e}", reader.name)))?,
            Ok(Err(_)) => return Err(self.broke_down(process, reader).await),
            Err(_) if cfg!(unix) => return Err(never_ended(reader, patience)),
            Err(_) => return Err(self.took_too_long(reader)),
        };
        process.documents += 1;
        if process.documents < DOCUMENTS {
            idle().push(process);
        }
        result
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
        let (requests, replies) = pipes.ok_or_else(|| io::Error::other("it has no pipes"))?;
        Ok(Process { child, requests, replies, documents: 0 })
    }

    /// Why a process ended in the middle of a document.
    async fn broke_down(&self, mut process: Process, reader: &Reader) -> Failure {
        let how = match process.child.wait().await {
            Ok(status) if has_used_its_time(status) => return self.took_too_long(reader),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let limit = format!("the {} MB of prepare.document_mb, or broke down on it ({how})", self.megabytes);
        exceeded(reader, &limit)
    }

    fn took_too_long(&self, reader: &Reader) -> Failure {
        exceeded(reader, &format!("{} s (prepare.document_s)", self.seconds))
    }
}

impl Process {
    async fn ask(&mut self, greeting: &[u8], bytes: &[u8], reader: &Reader, megabytes: u64) -> io::Result<Vec<u8>> {
        if self.documents == 0 {
            send(&mut self.requests, greeting).await?;
        }
        send(&mut self.requests, reader.format.as_bytes()).await?;
        send(&mut self.requests, bytes).await?;
        let mut length = [0; LENGTH_BYTES];
        self.replies.read_exact(&mut length).await?;
        let length = u64::from_le_bytes(length);
        // It cannot hold more than it may take itself.
        if length > megabytes.saturating_mul(1_000_000) {
            return Err(io::Error::other("it says more than there can be"));
        }
        let mut reply = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        (&mut self.replies).take(length).read_to_end(&mut reply).await?;
        if (reply.len() as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(reply) }
    }
}

fn exceeded(reader: &Reader, limit: &str) -> Failure {
    let advice = "raise it, split the file, or exclude it";
    Failure::new(FailureCode::PrepareLimit, format!("reading this as {} took more than {limit}; {advice}", reader.name))
}

/// Nothing says that it will be so again.
fn never_ended(reader: &Reader, seconds: u64) -> Failure {
    let advice = "the next run tries again; if that ends the same, raise prepare.document_s, or exclude it";
    let what = format!("reading this as {} came to no end in {seconds} s, most of which it only waited; {advice}", reader.name);
    Failure::new(FailureCode::PrepareTimeout, what)
}

#[cfg(unix)]
fn has_used_its_time(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn has_used_its_time(_status: ExitStatus) -> bool {
    false
}

async fn send(to: &mut ChildStdin, frame: &[u8]) -> io::Result<()> {
    to.write_all(&frame_length(frame)).await?;
    to.write_all(frame).await?;
    to.flush().await
}
