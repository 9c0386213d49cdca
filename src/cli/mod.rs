//! The command line: one file for each command, and everything that prints.

mod args;
mod budget;
mod compare;
mod config;
mod doctor;
mod exit;
mod export;
mod flags;
mod host;
mod init;
mod inspect;
mod jobs;
mod live;
mod mcp;
mod next;
mod plan;
mod prices;
mod prune;
mod read_documents;
mod reader_process;
mod regressions;
mod rehearse;
mod report;
mod run;
mod runs;
mod schema;
mod search;
mod serve;
mod settings;
mod shards;
mod shell;
mod signals;
mod simulate;
mod skill;
mod start_run;
mod status;
mod table;
mod tables;
mod trust;
mod tune;
mod vectors;
mod verify;
mod watch;
mod watch_run;

pub use exit::{CliError, Exit};

use crate::manual::{PAGES, Page, for_terminal};
use crate::model::did_you_mean;
use crate::progress::{plain_lines, wrapped_for_stderr, wrapped_for_stdout};
use crate::setup::SetupError;
use crate::system::{keep_memory_private, make_new_files_private, survive_file_size_limit};
use args::{Args, BudgetCommand, Command, ShardsCommand};
use clap::{CommandFactory as _, Parser as _};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// The user's permission mask. The first access makes new files of the process private.
static USERS_MASK: LazyLock<u32> = LazyLock::new(make_new_files_private);

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    keep_memory_private();
    LazyLock::force(&USERS_MASK);
    survive_file_size_limit();
    if let Some(page) = manual_page() {
        return print(&page).map_or_else(|stop| stop.exit.into(), |()| Exit::Ok.into());
    }
    if let Some(error) = unknown_topic() {
        crate::progress::complain(&error);
        return Exit::Usage.into();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // clap returns help and version as errors too. A closed pipe is ignored.
            let _closed = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return if is_of_shard() { exit.of_shard().into() } else { exit.into() };
        }
    };
    quiet_decoders();
    let result = match args.command {
        Command::Run(run) => match (&run.run, run.shard) {
            (Some(place), Some(choice)) => shards::run(&run, place, choice),
            _ => run::run(&run),
        },
        Command::Init(args) => init::init(&args),
        Command::Watch(watch) => watch_run::watch(&watch),
        Command::Manifest(args) => shards::manifest(&args),
        Command::Shards(args) => match args.command {
            ShardsCommand::Plan(plan) => shards::plan(&plan),
        },
        Command::Merge(merge) => shards::merge(&merge),
        Command::Status(status) => match &status.run {
            Some(place) => shards::status(&status, place),
            None => status::status(&status),
        },
        Command::Vectors(args) => vectors::vectors(&args),
        Command::Search(search) => search::search(&search),
        Command::Export(export) => export::export(&export),
        Command::Verify(store) => verify::verify(&store),
        Command::Compare(compare) => compare::compare(&compare),
        Command::Pause(store) => live::pause(&store),
        Command::Resume(store) => live::resume(&store),
        Command::Set(set) => live::set(&set),
        Command::Reload(store) => live::reload(&store),
        Command::Cancel(cancel) => live::cancel(&cancel),
        Command::Requeue(requeue) => live::requeue(&requeue),
        Command::Runs(runs) => runs::runs(&runs),
        Command::Report(report) => report::report(&report),
        Command::Prune(prune) => prune::prune(&prune),
        Command::Tune(tune) => tune::tune(&tune),
        Command::Plan(plan) => plan::plan(&plan),
        Command::Rehearse(rehearse) => rehearse::rehearse(&rehearse),
        Command::Inspect(inspect) => inspect::inspect(&inspect),
        Command::Jobs(jobs) => jobs::jobs(&jobs),
        Command::Prices(prices) => prices::prices(&prices),
        Command::Config(config) => config::config(&config),
        Command::Schema(args) => schema::schema(&args),
        Command::Doctor(doctor) => doctor::doctor(&doctor),
        Command::Trust(trust) => trust::trust(&trust),
        Command::Serve(serve) => serve::serve(&serve),
        Command::Mcp(args) => mcp::mcp(&args),
        Command::Skill(args) => skill::skill(&args),
        Command::Budget(args) => match args.command {
            BudgetCommand::Serve(serve) => budget::serve(&serve),
            BudgetCommand::Status(status) => budget::status(&status),
        },
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Simulate(simulate) => simulate::simulate(&simulate),
        Command::ReadDocuments(read) => read_documents::read_documents(&read),
        Command::ReadSheet(read) => read_documents::read_sheet(&read),
        Command::ReadTable(read) => read_documents::read_table(&read),
        Command::Unpack(unpack) => read_documents::unpack_files(unpack),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(stop) => {
            crate::progress::complain(&stop.message);
            stop.exit.into()
        }
    }
}

/// Whether the arguments are those of a shard, `docmill run` with `--run` or `--shard`.
fn is_of_shard() -> bool {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let is_flag = |word: &String| matches!(word.split('=').next(), Some("--run" | "--shard"));
    words.first().is_some_and(|command| command == "run") && words.iter().take_while(|word| *word != "--").any(is_flag)
}

/// The manual page for `docmill help TOPIC`. If a command has the same name, its options come
/// first.
fn manual_page() -> Option<String> {
    let mut words = std::env::args_os().skip(1);
    let (command, topic) = (words.next()?, words.next()?);
    let page = Page::find(topic.to_str()?).filter(|_| command == "help" && words.next().is_none())?;
    let mut args = Args::command();
    args.build();
    let options = args.find_subcommand_mut(page.topic).map(|command| format!("{}\n", command.render_long_help()));
    let text = if std::io::stdout().is_terminal() { for_terminal(page.text, wrapped_for_stdout) } else { page.text.trim_end().to_owned() };
    Some(options.unwrap_or_default() + &text)
}

/// The error for `docmill help TOPIC` if there is neither a page nor a command of this name.
fn unknown_topic() -> Option<String> {
    let mut words = std::env::args_os().skip(1);
    let (command, topic) = (words.next()?, words.next()?);
    let topic = topic.to_str().filter(|topic| command == "help" && !topic.starts_with('-'))?;
    let args = Args::command();
    if topic == "help" || args.find_subcommand(topic).is_some() {
        return None;
    }
    let commands = args.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let near = did_you_mean(topic, PAGES.iter().map(|page| page.topic).chain(commands));
    Some(format!("unknown topic \"{topic}\"{near}\n\n{}", crate::manual::topics()))
}

/// Silences panics of decoders. Such a panic fails only its document, whose row has the message.
fn quiet_decoders() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with("docmill-prepare")) {
            loud(panic);
        }
    }));
}

/// The runtime of a command.
fn runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::internal)
}

/// Writes text or JSON to stdout. Escapes what terminals would obey. Ignores a closed pipe (such as
/// with `head`), but no other error.
fn print(text: &str) -> Result<(), CliError> {
    let (mut stdout, text) = (std::io::stdout().lock(), plain_lines(text));
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError::internal(format!("stdout: {error}"))),
        _ => Ok(()),
    }
}

/// Writes text to stdout. On a terminal, wraps long lines; further lines begin with `indent` blanks.
fn print_wrapped(text: &str, indent: usize) -> Result<(), CliError> {
    print(&wrapped_for_stdout(text, indent))
}

/// Whether the reader of stdout has closed it. A write would show it too, but a watcher may have
/// nothing to write for a long time.
#[cfg(unix)]
fn stdout_is_closed() -> bool {
    is_closed(&std::io::stdout())
}

/// Whether the reader of stderr has closed it.
#[cfg(unix)]
fn stderr_is_closed() -> bool {
    is_closed(&std::io::stderr())
}

#[cfg(not(unix))]
fn stderr_is_closed() -> bool {
    false
}

#[cfg(unix)]
fn is_closed(stream: &impl std::os::fd::AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(stream, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(not(unix))]
fn stdout_is_closed() -> bool {
    use std::io::ErrorKind::BrokenPipe;
    std::io::stdout().flush().is_err_and(|error| error.kind() == BrokenPipe)
}

/// Asks a yes-or-no question. If stdin is not a terminal, fails with the message `otherwise`.
fn agreed(question: &str, otherwise: &str) -> Result<bool, CliError> {
    let answer = prompt(&format!("{question} [y/N]"), otherwise)?;
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

/// Asks a question on the terminal and returns the answer in lower case.
///
/// If stdin is not a terminal, fails with the message `otherwise`.
fn prompt(question: &str, otherwise: &str) -> Result<String, SetupError> {
    if !std::io::stdin().is_terminal() {
        return Err(SetupError::usage(otherwise));
    }
    crate::progress::say(&wrapped_for_stderr(question, 0));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(SetupError::internal)?;
    Ok(answer.trim().to_lowercase())
}
