//! A command for each new row.

use crate::engine::Deliver;
use futures::future::{BoxFuture, FutureExt as _};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Runs a command with each row as JSON on standard input.
#[derive(Debug)]
pub struct OnResult {
    words: Vec<String>,
    jobs: usize,
    attempts: u32,
    /// Maximum time of a command.
    limit: Duration,
    /// Environment variables with secrets, which the command does not get.
    secrets: Vec<String>,
}

impl OnResult {
    /// The command of the settings; `None` without one.
    pub fn of(settings: &super::WatchSettings, secrets: Vec<String>) -> Option<Self> {
        let (words, jobs, attempts) = (settings.on_result.clone(), settings.on_result_jobs, settings.on_result_attempts);
        let limit = Duration::from_secs(settings.on_result_s);
        (!words.is_empty()).then_some(Self { words, jobs, attempts, limit, secrets })
    }

    async fn run(&self, line: String) -> Result<(), String> {
        let [program, arguments @ ..] = &self.words[..] else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        for secret in &self.secrets {
            command.env_remove(secret);
        }
        // So that the end of the command is the end of the programs that it has started, too.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        let mut group = Group::of(&child);
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A command that does not read its input may still succeed.
                let _unread = stdin.write_all(format!("{line}\n").as_bytes()).await;
            }
        };
        let ((), output) = timeout(self.limit, async { tokio::join!(write, child.wait_with_output()) })
            .await
            .map_err(|_| format!("{program} did not end within {} s (watch.on_result_s)", self.limit.as_secs()))?;
        group.ended();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last: String = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(200).collect();
        Err(format!("{program} ended with {}{}{last}", output.status, if last.is_empty() { "" } else { ": " }))
    }
}

/// The processes of a command. Kills them when it is dropped, unless the command has ended.
struct Group(Option<u32>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id())
    }

    fn ended(&mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // They may all have ended.
        let _ended = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

impl Deliver for OnResult {
    fn deliver(&self, line: String) -> BoxFuture<'_, Result<(), String>> {
        self.run(line).boxed()
    }

    fn jobs(&self) -> usize {
        self.jobs
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn name(&self) -> &'static str {
        "watch.on_result"
    }
}
