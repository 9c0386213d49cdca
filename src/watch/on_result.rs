//! A command for each new row.

use crate::engine::Deliver;
use futures::future::{BoxFuture, FutureExt as _};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Maximum time of a command.
const LONGEST: Duration = Duration::from_mins(5);

/// Runs a command with each row as JSON on standard input.
#[derive(Debug)]
pub struct OnResult {
    words: Vec<String>,
    jobs: usize,
    attempts: u32,
    /// Environment variables with secrets, which the command does not get.
    secrets: Vec<String>,
}

impl OnResult {
    /// The command of the settings; `None` without one.
    pub fn of(settings: &super::WatchSettings, secrets: Vec<String>) -> Option<Self> {
        let (words, jobs, attempts) = (settings.on_result.clone(), settings.on_result_jobs, settings.on_result_attempts);
        (!words.is_empty()).then_some(Self { words, jobs, attempts, secrets })
    }

    async fn run(&self, line: String) -> Result<(), String> {
        let [program, arguments @ ..] = &self.words[..] else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        for secret in &self.secrets {
            command.env_remove(secret);
        }
        let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A command that does not read its input may still succeed.
                let _unread = stdin.write_all(format!("{line}\n").as_bytes()).await;
            }
        };
        let ((), output) = timeout(LONGEST, async { tokio::join!(write, child.wait_with_output()) })
            .await
            .map_err(|_| format!("{program} did not end within {} s", LONGEST.as_secs()))?;
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last: String = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(200).collect();
        Err(format!("{program} ended with {}{}{last}", output.status, if last.is_empty() { "" } else { ": " }))
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
