//! `docmill completions` and `docmill man`: what shells and packages want to know of the commands.

use super::args::{Args, CompletionsArgs, ManArgs};
use super::exit::{CliError, Exit};
use super::print;
use crate::system::{is_no_room, make_directory};
use clap::CommandFactory as _;

/// Prints the script that completes commands and options in a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "docmill", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

/// Writes a page for `man` about the program, and one for each command.
pub(super) fn man(args: &ManArgs) -> Result<Exit, CliError> {
    let failed = |error: std::io::Error| {
        let exit = if is_no_room(&error) { Exit::StoppedEarly } else { Exit::Usage };
        CliError { exit, message: format!("{}: cannot write manual pages: {error}", args.directory.display()) }
    };
    make_directory(&args.directory).map_err(failed)?;
    clap_mangen::generate_to(Args::command(), &args.directory).map_err(failed)?;
    print(&format!("{}: read them with man -l {0}/docmill.1", args.directory.display()))?;
    Ok(Exit::Ok)
}
