//! `docmill read-documents`, which people do not call: the process that reads documents for a run (`engine::isolation`).

use super::args::ReadDocumentsArgs;
use super::exit::{Exit, Stop};
use crate::prepare::serve;
use std::io::{BufWriter, stdin, stdout};

/// Libraries recurse over what a file contains; the limit of memory covers the stack too.
const STACK_BYTES: usize = 64 * 1024 * 1024;

pub(super) fn read_documents(args: &ReadDocumentsArgs) -> Result<Exit, Stop> {
    limit_memory(args.megabytes.saturating_mul(1_000_000)).map_err(Stop::internal)?;
    std::panic::set_hook(Box::new(|_| {}));
    let serving = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| serve(stdin().lock(), BufWriter::new(stdout())));
    let ended = serving.map_err(Stop::internal)?.join().map_err(|_| Stop::internal("a reader of documents was lost"))?;
    // Whoever asked is gone when a pipe breaks: there is nobody to tell.
    ended.map_or(Ok(Exit::Internal), |()| Ok(Exit::Ok))
}

/// An allocation above the limit then fails, and ends this process.
#[cfg(unix)]
fn limit_memory(bytes: u64) -> std::io::Result<()> {
    rlimit::Resource::DATA.set(bytes, bytes)?;
    // No file is left behind by a process that breaks down.
    rlimit::Resource::CORE.set(0, 0)
}

#[cfg(not(unix))]
fn limit_memory(_bytes: u64) -> std::io::Result<()> {
    Ok(())
}
