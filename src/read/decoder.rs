//! Processes that decode files for this one, and stream what they find.
//!
//! Libraries read these files, and a hostile file could exploit or exhaust them. So they run in
//! confined processes (`system::confine`) with limits of memory and CPU time. A process gets its
//! file as stdin and writes to stdout. It waits while its output is not read.

use crate::failpoint;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The hidden command that starts such a process for a table.
pub const READ_TABLE: &str = "read-table";
/// Memory limit of a process, in megabytes.
pub(super) const MEGABYTES: u64 = 2048;
/// Time without output in multiples of the limit of CPU time.
const PATIENCE: u32 = 10;
/// Maximum bytes of messages.
const MESSAGE_BYTES: u64 = 64 * 1024;
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;

/// What a process decodes, for its limits and messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Name for people.
    pub name: &'static str,
    /// Limit of CPU time in seconds.
    pub seconds: u64,
    /// What to do with a file that exceeds a limit.
    pub advice: &'static str,
}

/// The output of a process. The process ends when this is dropped.
///
/// The output of a process that fails ends with an error.
#[derive(Debug)]
pub(super) struct Decoder {
    child: Child,
    out: ChildStdout,
    messages: ChildStderr,
    format: Format,
    patience: Duration,
    /// What the process wrote to stderr, once it has ended without an error.
    notes: Option<String>,
}

/// The command that runs a hidden command of this program.
fn command(args: &[String]) -> io::Result<Command> {
    let mut command = Command::new(this_program()?);
    command.args(args).env_clear();
    if let Some(failpoints) = failpoint::inherited() {
        command.env(failpoint::VARIABLE, failpoints);
    }
    Ok(command)
}

impl Decoder {
    /// Starts the process that decodes `file`. `args` are a hidden command of this program.
    pub fn start(format: Format, args: &[String], file: File) -> io::Result<Self> {
        let command = command(args)?;
        let patience = Duration::from_secs(format.seconds) * PATIENCE;
        Self::spawn(command, format, patience, file)
    }

    /// Starts the process that decodes a table or list with [`super::decode_table`].
    pub fn of_table(name: &str, format: Format, file: File) -> io::Result<Self> {
        let args = [READ_TABLE.to_owned(), MEGABYTES.to_string(), format.seconds.to_string(), name.to_owned()];
        Self::start(format, &args, file)
    }

    /// Starts a process that answers requests. `args` are a hidden command of this program.
    pub fn serving(format: Format, args: &[String]) -> io::Result<(Self, ChildStdin)> {
        let command = command(args)?;
        let patience = Duration::from_secs(format.seconds) * PATIENCE;
        let mut decoder = Self::spawn(command, format, patience, Stdio::piped())?;
        let requests = decoder.child.stdin.take().ok_or_else(|| io::Error::other("the process has no pipes"))?;
        Ok((decoder, requests))
    }

    fn spawn(mut command: Command, format: Format, patience: Duration, input: impl Into<Stdio>) -> io::Result<Self> {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C of the terminal is for the run, which ends the process.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (out, messages) = pipes.ok_or_else(|| io::Error::other("the process has no pipes"))?;
        // The kernel may refuse, because it limits the room of all pipes of a user.
        #[cfg(target_os = "linux")]
        let _refused = rustix::pipe::fcntl_setpipe_size(&out, PIPE_BYTES);
        Ok(Self { child, out, messages, format, patience, notes: None })
    }

    /// What the process wrote to stderr. Empty until its output has ended.
    pub fn notes(&self) -> &str {
        self.notes.as_deref().unwrap_or_default()
    }

    /// Waits for the end of the process, whose output has ended. Returns its notes.
    fn end(&mut self) -> io::Result<String> {
        let mut said = Vec::new();
        while (said.len() as u64) < MESSAGE_BYTES {
            let mut some = [0; 4096];
            self.wait_for(&self.messages)?;
            match self.messages.read(&mut some)? {
                0 => break,
                read => said.extend_from_slice(&some[..read]),
            }
        }
        // A process that is ending keeps its status. One that only closed its pipes does not go on.
        self.child.kill()?;
        let status = self.child.wait()?;
        let said = String::from_utf8_lossy(&said);
        if status.success() {
            return Ok(said.into_owned());
        }
        let why = said.trim().trim_start_matches("docmill: ");
        if why.is_empty() || status.code().is_none() {
            let Format { name, seconds, advice } = self.format;
            let limit = format!("reading this as {name} took more than {MEGABYTES} MB or {seconds} s. {advice}");
            return Err(io::Error::other(limit));
        }
        Err(io::Error::other(why.to_owned()))
    }

    /// Waits until there is something to read, or the end.
    #[cfg(unix)]
    fn wait_for(&self, pipe: &impl std::os::fd::AsFd) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let patience = Timespec::try_from(self.patience).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(pipe, PollFlags::IN)];
        loop {
            match poll(&mut ready, Some(&patience)) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) => {
                    let (name, seconds) = (self.format.name, self.patience.as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, format!("reading this as {name} timed out after {seconds} s")));
                }
                polled => return Ok(polled.map(drop)?),
            }
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same as on Unix")]
    fn wait_for<T>(&self, _pipe: &T) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.notes.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        self.wait_for(&self.out)?;
        let read = self.out.read(buffer)?;
        if read == 0 {
            self.notes = Some(self.end()?);
        }
        Ok(read)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only if the process has ended before.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The path of the running program, even if its file was replaced.
pub fn this_program() -> io::Result<PathBuf> {
    let same = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && same.exists() { Ok(same) } else { std::env::current_exe() }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The output of a shell script that reads a file.
    fn decoder(script: &str, patience: Duration) -> Decoder {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let format = Format { name: "a table", seconds: 7, advice: "Do something" };
        Decoder::spawn(command, format, patience, File::open("Cargo.toml").unwrap()).unwrap()
    }

    fn read(script: &str) -> (String, Result<String, String>) {
        let mut decoder = decoder(script, Duration::from_mins(1));
        let mut out = String::new();
        let read = decoder.read_to_string(&mut out).map_err(|e| e.to_string());
        (out, read.map(|_| decoder.notes().to_owned()))
    }

    #[test]
    fn the_output_of_a_process_that_fails_ends_with_its_error() {
        assert_eq!(read("head -c 9; echo one >&2"), ("[package]".into(), Ok("one\n".into())));
        assert_eq!(read("printf some; echo docmill: it broke >&2; exit 2"), ("some".into(), Err("it broke".into())));
        let limit = "reading this as a table took more than 2048 MB or 7 s. Do something";
        for died in ["kill -9 $$", "echo last words >&2; kill -ABRT $$", "exit 1"] {
            assert_eq!(read(&format!("printf some; {died}")), ("some".into(), Err(limit.into())), "{died}");
        }
    }

    #[test]
    fn a_process_that_writes_nothing_more_times_out() {
        for hangs in ["printf some; exec sleep 3600", "printf some; exec sleep 3600 >&-"] {
            let mut decoder = decoder(hangs, Duration::from_millis(300));
            let mut out = String::new();
            let error = decoder.read_to_string(&mut out).unwrap_err();
            assert!(error.kind() == io::ErrorKind::TimedOut && out == "some", "{hangs}: {error}");
        }
        // One that closes its pipes and goes on is ended.
        assert_eq!(read("printf some; exec sleep 3600 >&- 2>&-").0, "some");
    }

    #[test]
    fn a_process_ends_when_nobody_wants_its_output() {
        let mut decoder = decoder("yes", Duration::from_mins(1));
        decoder.read_exact(&mut vec![0; 1_000_000]).unwrap();
        let id = rustix::process::Pid::from_child(&decoder.child);
        drop(decoder);
        assert!(rustix::process::test_kill_process(id).is_err());
    }
}
