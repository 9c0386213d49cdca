//! `docmill completions` and `docmill man`: what shells and packages want to know of the commands.

use super::args::{Args, CompletionsArgs, ManArgs};
use super::exit::{CliError, Exit};
use super::print;
use crate::ask::Provider;
use crate::job::BUILTIN;
use crate::manual::PAGES;
use crate::system::{is_no_room, make_directory};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use std::path::Path;

/// Prints the script that completes commands and options in a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut completed(), "docmill", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

/// The commands that shells complete: no hidden ones, the topics of the manual after `help`, and
/// values that docmill knows.
fn completed() -> Command {
    let mut all = Args::command();
    let commands: Vec<Command> = shown(&all).map(with_known_values).collect();
    all.build();
    let names = all.find_subcommand("help").into_iter().flat_map(shown);
    let names: Vec<Command> = names.filter(|command| command.get_name() != "help").collect();
    let is_topic = |topic: &str| names.iter().all(|command| command.get_name() != topic);
    let topics = PAGES.iter().filter(|page| is_topic(page.topic));
    let topics: Vec<Command> = topics.map(|page| Command::new(page.topic).about(page.title()).disable_help_flag(true)).collect();
    let help = Command::new("help").about("Print a page of the manual, or the options of a command");
    let help = help.disable_help_flag(true).disable_help_subcommand(true).subcommands(names).subcommands(topics);
    let version = env!("CARGO_PKG_VERSION");
    Command::new("docmill").version(version).disable_help_subcommand(true).subcommands(commands).subcommand(help)
}

/// The commands below a command that people use.
fn shown(command: &Command) -> impl Iterator<Item = Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set()).cloned()
}

fn with_known_values(command: Command) -> Command {
    let one_of = |arg: Arg, names: Vec<&'static str>| arg.value_parser(PossibleValuesParser::new(names));
    let jobs = || BUILTIN.iter().map(|(name, _)| *name).collect();
    match command.get_name() {
        "init" => command.mut_arg("provider", |arg| one_of(arg, Provider::names().collect())),
        "jobs" => command.mut_subcommand("show", |show| show.mut_arg("name", |arg| one_of(arg, jobs()))),
        _ => command,
    }
}

/// Writes a page for `man` about the program, and one for each command.
pub(super) fn man(args: &ManArgs) -> Result<Exit, CliError> {
    let failed = |error: std::io::Error| {
        let exit = if is_no_room(&error) { Exit::StoppedEarly } else { Exit::Usage };
        CliError { exit, message: format!("{}: cannot write manual pages: {error}", args.directory.display()) }
    };
    make_directory(&args.directory).map_err(failed)?;
    let mut all = Args::command().disable_help_subcommand(true);
    all.build();
    pages(all, &args.directory).map_err(failed)?;
    print(&format!("{}: read them with man -l {0}/docmill.1", args.directory.display()))?;
    Ok(Exit::Ok)
}

/// Writes the page of a command, and those of the commands below it.
fn pages(command: Command, directory: &Path) -> std::io::Result<()> {
    shown(&command).try_for_each(|command| pages(command, directory))?;
    let usage = usage(&command);
    clap_mangen::Man::new(command.override_usage(usage)).generate_to(directory).map(drop)
}

/// A command with all its options and their values.
fn usage(command: &Command) -> String {
    let mut words = vec![command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()];
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
    let option = |arg: &&Arg| {
        let short = arg.get_short().map(|short| format!("-{short}|")).unwrap_or_default();
        let plain = format!("{short}{arg}");
        let more = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
        if arg.is_required_set() { format!("{plain}{more}") } else { format!("[{plain}]{more}") }
    };
    words.extend(options.iter().map(option));
    words.extend(positional.iter().map(ToString::to_string));
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        words.push("COMMAND".to_owned());
    }
    words.join(" ")
}
