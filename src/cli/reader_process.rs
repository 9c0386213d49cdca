//! The processes that read files for a run: limits, sandbox and end.

use super::exit::{CliError, Exit};
use crate::failpoint;
use crate::system::confine;

/// Stack size of the reader. Libraries recurse over the content of a file; the memory limit
/// includes the stack.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// The working directory of readers.
const ROOT: &str = "/";

/// Runs `work` in the sandbox of readers, with limits of memory and open files.
///
/// The process ends when its stdout is closed, because the run has ended then.
pub(super) fn confined<T: Send + 'static>(megabytes: u64, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CliError> {
    limits::memory(megabytes.saturating_mul(1_000_000)).map_err(CliError::internal)?;
    std::panic::set_hook(Box::new(|_| {}));
    failpoint::mark("read_document");
    // The directory of the run is no business of a reader.
    std::env::set_current_dir(ROOT).map_err(CliError::internal)?;
    if !failpoint::is_off("sandbox") {
        limits::files().map_err(CliError::internal)?;
        // `docmill doctor` reports missing layers. The others still hold.
        let _layers = confine();
    }
    std::thread::Builder::new().spawn(end_with_run).map_err(CliError::internal)?;
    let working = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map_err(CliError::internal)?;
    working.join().map_err(|_| CliError::usage("the reader panicked"))
}

/// Ends this process when its stdout has no reader.
#[cfg(unix)]
#[expect(clippy::exit, reason = "another thread may compute for a long time, and the run has ended")]
fn end_with_run() {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = std::io::stdout();
    let mut pipe = [PollFd::new(&stdout, PollFlags::empty())];
    // A pipe without a reader is in error. No other event is asked for.
    while poll(&mut pipe, None) == Err(rustix::io::Errno::INTR) {}
    std::process::exit(Exit::Internal as i32);
}

#[cfg(not(unix))]
fn end_with_run() {}

#[cfg(unix)]
pub(super) mod limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use std::io::Result;

    const FILES: u64 = 16;

    /// Limits the memory of this process. An allocation above the limit fails and ends it.
    pub(in crate::cli) fn memory(bytes: u64) -> Result<()> {
        Ok(setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
    }

    /// Limits open files, of which libraries may duplicate some, and forbids to write to any file.
    pub(super) fn files() -> Result<()> {
        setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) })?;
        Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) })?)
    }

    /// Limits the CPU time of this process to `seconds` from now. `SIGXCPU` then ends it.
    ///
    /// CPU time does not include waiting for a processor on a busy machine.
    pub(in crate::cli) fn cpu_from_now(seconds: u64) -> Result<()> {
        let spent = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
        let maximum = getrlimit(Resource::Cpu).maximum;
        let allowed = spent.saturating_add(1).saturating_add(seconds);
        let current = Some(maximum.map_or(allowed, |maximum| maximum.min(allowed)));
        Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
    }
}

#[cfg(not(unix))]
pub(super) mod limits {
    use std::io::Result;

    pub(in crate::cli) fn memory(_bytes: u64) -> Result<()> {
        Ok(())
    }

    pub(in crate::cli) fn files() -> Result<()> {
        Ok(())
    }

    pub(in crate::cli) fn cpu_from_now(_seconds: u64) -> Result<()> {
        Ok(())
    }
}
