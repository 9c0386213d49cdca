//! `docmill read-documents`, which people do not call: the process that reads documents for a run (`engine::isolation`).

use super::args::{ReadDocumentsArgs, ReadSheetArgs};
use super::exit::{CliError, Exit};
use crate::failpoint;
use crate::prepare::{SheetChoice, serve, sheet_rows};
use std::io::{BufWriter, Write as _, stdin, stdout};

/// Libraries recurse over what a file contains; the limit of memory covers the stack too.
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
    let ended = serving.map_err(CliError::internal)?.join().map_err(|_| CliError::internal("a reader of documents was lost"))?;
    // Whoever asked is gone when a pipe breaks: there is nobody to tell.
    ended.map_or(Ok(Exit::Internal), |()| Ok(Exit::Ok))
}

/// `docmill read-sheet`: writes the rows of a sheet to stdout as JSON lines, and the names of all sheets to stderr.
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
    let read = reading.join().map_err(|_| CliError::usage("its reader broke down on it"))?;
    let names = read.map_err(CliError::usage)?;
    // Whoever asked is gone when a pipe breaks.
    let _gone = std::io::stderr().write_all(names.join("\n").as_bytes());
    Ok(Exit::Ok)
}

#[cfg(unix)]
mod limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use std::io::Result;

    /// An allocation above the limit then fails, and ends this process.
    pub(super) fn memory(bytes: u64) -> Result<()> {
        setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        // No file is left behind by a process that breaks down.
        Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
    }

    /// The signal `SIGXCPU` ends this process when it has worked for so many seconds more. Waiting for its turn on a busy
    /// machine is no work.
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
