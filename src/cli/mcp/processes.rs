//! Runs as processes of their own, by output directory.

use crate::cli::exit::CliError;
use crate::store::RunLock;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The last messages of a run that a client gets, in bytes.
const TAIL: u64 = 4000;
/// How often a run of another server is looked at while a client waits for its end.
const LOOK: Duration = Duration::from_millis(200);

/// Starts docmill, and keeps the runs that it has started.
pub(super) struct Processes {
    program: PathBuf,
    runs: Mutex<BTreeMap<PathBuf, Arc<RunProcess>>>,
    /// They wait for the ends of runs. If they are dropped, the runs go on.
    waiting: Mutex<JoinSet<()>>,
}

/// A run that this server has started.
struct RunProcess {
    id: u32,
    /// The largest cap in US dollars of the runs in its directory. An earlier one may have spent it.
    cap: f64,
    /// What it writes to stderr.
    messages: NamedTempFile,
    /// Its exit code, once it has ended.
    exit: watch::Receiver<Option<i32>>,
}

impl Processes {
    pub fn new() -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(CliError::internal)?;
        Ok(Self { program, runs: Mutex::default(), waiting: Mutex::default() })
    }

    /// Runs a command that ends by itself, and returns the JSON that it prints.
    pub async fn json_of(&self, args: Vec<String>) -> Result<Value, String> {
        let command = Command::new(&self.program).args(&args).stdin(Stdio::null()).kill_on_drop(true).output();
        let done = command.await.map_err(|error| format!("cannot start docmill: {error}"))?;
        let messages = String::from_utf8_lossy(&done.stderr);
        if !done.status.success() {
            return Err(messages.trim().trim_start_matches("docmill: ").to_owned());
        }
        serde_json::from_slice(&done.stdout).map_err(|error| format!("docmill {} printed no JSON: {error}", args[0]))
    }

    /// Starts a run in a separate process group, so that it outlives this server and its client. All caps
    /// together may be `most` US dollars.
    pub fn start(&self, output: PathBuf, args: &[String], cap: f64, most: Option<f64>) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot start docmill: {error}");
        // Clients may start several runs at the same time.
        let mut runs = self.runs.lock();
        let earlier = runs.get(&output);
        if earlier.is_some_and(|run| run.exit.borrow().is_none()) {
            return Err(format!("{}: a run is at work there. Call status or cancel", output.display()));
        }
        let counted = earlier.map_or(cap, |run| run.cap.max(cap));
        let beside: f64 = runs.iter().filter(|(other, _)| **other != output).map(|(_, run)| run.cap).sum();
        if let Some(most) = most.filter(|most| counted + beside > *most) {
            let used = if beside > 0.0 { format!(", and runs in other directories have caps of {beside}") } else { String::new() };
            return Err(format!("max_usd: {counted} is too much: all caps together may be {most}{used}. Ask the person"));
        }
        let messages = NamedTempFile::new().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages.reopen().map_err(failed)?);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let (ended, exit) = watch::channel(None);
        runs.insert(output, RunProcess { id: child.id().unwrap_or_default(), cap: counted, messages, exit }.into());
        let wait = async move {
            let code = child.wait().await.map_or(1, exit_code);
            ended.send_replace(Some(code));
        };
        let mut waiting = self.waiting.lock();
        while waiting.try_join_next().is_some() {}
        waiting.spawn(wait);
        Ok(())
    }

    /// Waits until no run is at work in `output`, at most so long.
    pub async fn wait(&self, output: &Path, most: Duration) {
        let own = self.runs.lock().get(output).cloned();
        let ended = async {
            if let Some(run) = own {
                let mut exit = run.exit.clone();
                let _server_ends = exit.wait_for(Option::is_some).await;
            }
            while self.holder(output).await.is_some() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _in_time = tokio::time::timeout(most, ended).await;
    }

    /// What is known of the process of a run.
    pub async fn state(&self, output: &Path) -> Value {
        let own = self.runs.lock().get(output).cloned();
        let Some(run) = own else {
            let state = if self.holder(output).await.is_some() { "running" } else { "not running" };
            return json!({"state": state});
        };
        let exit = *run.exit.borrow();
        // Another server or terminal may have begun a run since.
        if exit.is_some() && self.holder(output).await.is_some() {
            return json!({"state": "running"});
        }
        let messages = tokio::task::spawn_blocking(move || tail(&run.messages)).await;
        let messages = messages.ok().and_then(Result::ok).unwrap_or_default();
        match exit {
            None => json!({"state": "running", "messages": messages}),
            Some(code) => json!({"state": "ended", "exit_code": code, "meaning": meaning(code), "messages": messages}),
        }
    }

    /// Asks the run in `output` to stop. Calls in flight finish first.
    pub async fn cancel(&self, output: &Path) -> Result<(), String> {
        let own = self.runs.lock().get(output).filter(|run| run.exit.borrow().is_none()).map(|run| run.id);
        let process = match own {
            Some(id) => id,
            None => {
                let holder = self.holder(output).await.ok_or_else(|| format!("{}: no run is at work there", output.display()))?;
                let id = holder.parse().ok().filter(|id| self.is_docmill(*id));
                id.ok_or_else(|| format!("{}: the run belongs to process {holder}, which this server cannot stop", output.display()))?
            }
        };
        terminate(process)
    }

    /// The process that holds the lock of a directory.
    async fn holder(&self, output: &Path) -> Option<String> {
        let output = output.to_owned();
        let holder = tokio::task::spawn_blocking(move || RunLock::holder(&output));
        holder.await.ok().flatten().map(|holder| holder.process)
    }

    /// Whether a process of this machine is docmill: another program may have its number.
    fn is_docmill(&self, process: u32) -> bool {
        let its = std::fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
        // The program may have been replaced since, by another version.
        let name = its.file_name().unwrap_or_default().to_string_lossy();
        self.program.file_name().is_some_and(|own| own.to_string_lossy() == name.trim_end_matches(" (deleted)"))
    }
}

/// The end of what a run has written to stderr.
fn tail(messages: &NamedTempFile) -> std::io::Result<String> {
    let (mut file, mut bytes) = (messages.reopen()?, Vec::new());
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The exit code of a process; after a signal, 128 and its number, as in a shell.
fn exit_code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    status.code().or(signal).unwrap_or(1)
}

/// What an exit code of `docmill run` means.
fn meaning(code: i32) -> &'static str {
    match code {
        0 => "all rows are ok",
        2 => "wrong arguments, settings or input: correct what the messages name",
        3 => "finished with failed rows: their failure says why",
        4 => "stopped early: call run again with the same arguments to continue",
        5 => "refused by the provider (key, model, credit): ask the person",
        6 => "another docmill is at work in the output directory",
        128.. => "ended at once by a signal: call run again with the same arguments to continue",
        _ => "ended by a fault: the messages say more",
    }
}

#[cfg(unix)]
fn terminate(process: u32) -> Result<(), String> {
    use rustix::process::{Pid, Signal, kill_process};
    let id = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or("the process is not known")?;
    kill_process(id, Signal::TERM).map_err(|error| format!("cannot stop process {process}: {error}"))
}

#[cfg(not(unix))]
fn terminate(_: u32) -> Result<(), String> {
    Err("this system has no signal to stop a run. Close its window".to_owned())
}
