//! `docmill read-documents`: the process that reads documents for a run (`engine::isolation`).
//!
//! Runs start this process. Users do not call it.

use super::args::{ReadDocumentsArgs, ReadSheetArgs, ReadTableArgs, UnpackArgs};
use super::exit::{CliError, Exit};
use super::reader_process::{confined, limits};
use crate::failpoint;
use crate::prepare::{SheetChoice, serve, serve_unpacking, sheet_rows, unpack};
use crate::read::decode_table;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _, stderr, stdin, stdout};

pub(super) fn read_documents(args: &ReadDocumentsArgs) -> Result<Exit, CliError> {
    let serving = || {
        serve(stdin().lock(), BufWriter::new(stdout()), |settings| {
            limits::cpu_from_now(settings.document_s)?;
            failpoint::stall("read_document");
            failpoint::escape("read_document")
        })
    };
    let ended = confined(args.megabytes, serving)?;
    // A broken pipe means that the run is gone, so the error is not reported.
    ended.map_or(Ok(Exit::Internal), |()| Ok(Exit::Ok))
}

/// `docmill read-sheet`: writes the rows of a sheet to stdout and all sheet names to stderr.
///
/// The workbook is on stdin. Rows are JSON lines.
pub(super) fn read_sheet(args: &ReadSheetArgs) -> Result<Exit, CliError> {
    limits::cpu_from_now(args.seconds).map_err(CliError::internal)?;
    let (format, megabytes) = (args.format.clone(), args.megabytes);
    let wanted = SheetChoice { name: args.sheet.clone(), id_column: args.id_column.clone() };
    let reading = move || {
        let mut bytes = Vec::new();
        stdin().lock().read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        sheet_rows(&bytes, &format, &wanted, megabytes, &mut BufWriter::new(stdout()))
    };
    let names = confined(args.megabytes, reading)?.map_err(CliError::usage)?;
    // A broken pipe means that the run is gone.
    let _gone = stderr().write_all(names.join("\n").as_bytes());
    Ok(Exit::Ok)
}

/// `docmill read-table`: writes the rows of a Parquet file, or the bytes of a compressed file.
///
/// The file is stdin (see `read::decoder`).
pub(super) fn read_table(args: &ReadTableArgs) -> Result<Exit, CliError> {
    const PLACE: &str = "read_table";
    failpoint::mark(PLACE);
    let (format, seconds) = (args.format.clone(), args.seconds);
    let renew = move || {
        limits::cpu_from_now(seconds)?;
        failpoint::stall(PLACE);
        failpoint::escape(PLACE)
    };
    let reading = move || {
        let file = stdin_as_file().map_err(|e| e.to_string())?;
        decode_table(&format, file, &mut BufWriter::with_capacity(1 << 16, stdout()), &renew)
    };
    confined(args.megabytes, reading)?.map_err(CliError::usage)?;
    Ok(Exit::Ok)
}

/// `docmill unpack`: writes the members of containers (see `read::unpacker`).
///
/// With a request, stdin is an archive. Otherwise it is a series of requests, each with a document.
pub(super) fn unpack_files(args: UnpackArgs) -> Result<Exit, CliError> {
    const PLACE: &str = "unpack";
    failpoint::mark(PLACE);
    let UnpackArgs { megabytes, seconds, request } = args;
    let renew = move || {
        limits::cpu_from_now(seconds)?;
        failpoint::stall(PLACE);
        failpoint::escape(PLACE)
    };
    let unpacking = move || -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, stdout());
        match request {
            Some(request) => unpack(&mut stdin_as_file()?, &serde_json::from_str(&request)?, &mut out, &renew),
            None => serve_unpacking(stdin().lock(), &mut out, &renew),
        }
    };
    confined(megabytes, unpacking)?.map_err(CliError::usage)?;
    Ok(Exit::Ok)
}

/// The file that is stdin.
#[cfg(unix)]
fn stdin_as_file() -> io::Result<File> {
    std::os::fd::AsFd::as_fd(&stdin()).try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn stdin_as_file() -> io::Result<File> {
    std::os::windows::io::AsHandle::as_handle(&stdin()).try_clone_to_owned().map(File::from)
}
