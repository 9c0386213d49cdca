//! `docmill read-documents`: the process that reads documents for a run (`engine::isolation`).
//!
//! Runs start this process. Users do not call it.

use super::args::{ReadDocumentsArgs, ReadSheetArgs};
use super::exit::{CliError, Exit};
use crate::failpoint;
use crate::prepare::{SheetChoice, serve, sheet_rows};
use std::io::{BufWriter, Write as _, stdin, stdout};

/// Stack size of the reader. Libraries recurse over the content of a file; the memory limit
/// includes the stack.
const STACK_BYTES: usize = 64 * 1024 * 1024;

pub(super) fn read_documents(args: &ReadDocumentsArgs) -> Result<Exit, CliError> {
    limits::memory(args.megabytes.saturating_mul(1_000_000)).map_err(CliError::internal)?;
    std::panic::set_hook(Box::new(|_| {}));
    let serving = || {
        serve(stdin().lock(), BufWriter::new(stdout()), |settings| {
            limits::cpu_from_now(settings.document_s)?;
            failpoint::stall("read_document")
        })
    };
    let serving = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(serving);
    let ended = serving.map_err(CliError::internal)?.join().map_err(|_| CliError::internal("the reader of documents panicked"))?;
    // A broken pipe means that the run is gone, so the error is not reported.
    ended.map_or(Ok(Exit::Internal), |()| Ok(Exit::Ok))
}

/// `docmill read-sheet`: writes the rows of a sheet to stdout and all sheet names to stderr.
///
/// Rows are JSON lines.
pub(super) fn read_sheet(args: &ReadSheetArgs) -> Result<Exit, CliError> {
    limits::memory(args.megabytes.saturating_mul(1_000_000)).map_err(CliError::internal)?;
    limits::cpu_from_now(args.seconds).map_err(CliError::internal)?;
    std::panic::set_hook(Box::new(|_| {}));
    let (file, format, megabytes) = (args.file.clone(), args.format.clone(), args.megabytes);
    let wanted = SheetChoice { name: args.sheet.clone(), id_column: args.id_column.clone() };
    let reading = move || {
        let bytes = std::fs::read(&file).map_err(|e| e.to_string())?;
        sheet_rows(&bytes, &format, &wanted, megabytes, &mut BufWriter::new(stdout()))
    };
    let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(reading).map_err(CliError::internal)?;
    let read = reading.join().map_err(|_| CliError::usage("the reader panicked"))?;
    let names = read.map_err(CliError::usage)?;
    // A broken pipe means that the run is gone.
    let _gone = std::io::stderr().write_all(names.join("\n").as_bytes());
    Ok(Exit::Ok)
}

#[cfg(unix)]
mod limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use std::io::Result;

    /// Limits the memory of this process. An allocation above the limit fails and ends it.
    pub(super) fn memory(bytes: u64) -> Result<()> {
        setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        // A crash must not leave a core file.
        Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
    }

    /// Limits the CPU time of this process to `seconds` from now. `SIGXCPU` then ends it.
    ///
    /// CPU time does not include waiting for a processor on a busy machine.
    pub(super) fn cpu_from_now(seconds: u64) -> Result<()> {
        let spent = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
        let maximum = getrlimit(Resource::Cpu).maximum;
        let allowed = spent.saturating_add(1).saturating_add(seconds);
        let current = Some(maximum.map_or(allowed, |maximum| maximum.min(allowed)));
        Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
    }
}

#[cfg(not(unix))]
mod limits {
    use std::io::Result;

    pub(super) fn memory(_bytes: u64) -> Result<()> {
        Ok(())
    }

    pub(super) fn cpu_from_now(_seconds: u64) -> Result<()> {
        Ok(())
    }
}
