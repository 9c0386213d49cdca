//! `docmill read-documents`: the process that reads documents for a run (`engine::isolation`).
//!
//! Runs start this process. Users do not call it.

use super::args::{ReadDocumentsArgs, ReadSheetArgs};
use super::exit::{CliError, Exit};
use super::reader_process::{confined, limits};
use crate::failpoint;
use crate::prepare::{SheetChoice, serve, sheet_rows};
use std::io::{BufWriter, Read as _, Write as _, stderr, stdin, stdout};

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
