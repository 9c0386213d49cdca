//! Sends alerts by commands and webhooks while the run goes on.
//!
//! Each rule has its own task, which sends the alerts of the rule one after another. A command or
//! webhook that hangs therefore delays no other rule, and never the run.

use super::Watcher;
use super::alert::{Alert, AlertSettings, Fired, about};
use crate::event::{RunEvent, Snapshot};
use crate::model::{RowStatus, with_causes};
use crate::system::root_certificates;
use serde_json::Value;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The watcher that checks all alert rules against counters and documents.
pub(super) struct Alerts {
    /// Each rule with the channel to its sender. Empty after the run has ended.
    all: Vec<(Alert, mpsc::Sender<Fired>)>,
    about: Value,
    counters: Snapshot,
    lost: Option<String>,
}

/// The tasks that send alerts. They end when `Alerts` closes its channels and all alerts are sent.
#[derive(Debug)]
pub struct Alarm {
    /// One task for each rule; returns the index of the rule.
    sending: JoinSet<usize>,
    /// The condition of each rule, by index. `None` after its task has ended.
    rules: Vec<Option<String>>,
}

/// Maximum number of waiting alerts per rule.
const WAITING: usize = 1;
/// Time limit of one command or webhook.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time limit of all unsent alerts together after the run has ended.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(5);
/// Characters of a failed command's stderr that the warning quotes.
const QUOTED: usize = 200;
/// Environment variable that names the output directory of the run. With this variable, `docmill
/// pause` and other commands of an alert reach this run. It overrides the settings file.
const OUTPUT_SETTING: &str = "DOCMILL_OUTPUT__DIR";

/// Creates the watcher and the senders of all rules. Senders report their results to `events`.
///
/// Commands do not get the environment variables named in `secrets`.
pub(super) fn alarm(
    settings: &[AlertSettings],
    secrets: Vec<String>,
    events: &mpsc::WeakSender<RunEvent>,
) -> Result<(Alerts, Alarm), String> {
    let (mut all, mut sending, secrets) = (Vec::new(), JoinSet::new(), Arc::<[String]>::from(secrets));
    for (rule, settings) in settings.iter().enumerate() {
        let (out, fired) = mpsc::channel(WAITING);
        all.push((Alert::new(settings.clone())?, out));
        let (secrets, events) = (Arc::clone(&secrets), events.clone());
        sending.spawn(async move {
            send(fired, &secrets, &events).await;
            rule
        });
    }
    let rules = settings.iter().map(|settings| Some(settings.when.clone())).collect();
    Ok((Alerts { all, about: Value::Null, counters: Snapshot::default(), lost: None }, Alarm { sending, rules }))
}

impl Alerts {
    fn look(&mut self) {
        for (alert, out) in &mut self.all {
            let Some(fired) = alert.look(&self.counters, &self.about) else { continue };
            if let Err(mpsc::error::TrySendError::Full(fired) | mpsc::error::TrySendError::Closed(fired)) = out.try_send(fired) {
                self.lost =
                    Some(format!("docmill dropped an alert, because earlier alerts of its rule are still being sent: {}", fired.message));
            }
        }
    }
}

impl Watcher for Alerts {
    fn see(&mut self, event: &RunEvent) {
        if let Some(about) = about(event) {
            self.about = about;
        }
        match event {
            RunEvent::DocumentDone { status, .. } => {
                let failed = !matches!(status, RowStatus::Ok | RowStatus::Skipped);
                self.all.iter_mut().for_each(|(alert, _)| alert.record(failed));
            }
            RunEvent::Progress(counters) => {
                self.counters.clone_from(counters);
                self.look();
            }
            RunEvent::Ending => {
                self.all.iter_mut().for_each(|(alert, _)| alert.end());
                self.look();
                self.all.clear();
            }
            _ => {}
        }
    }

    fn trouble(&mut self) -> Option<String> {
        self.lost.take()
    }
}

impl Alarm {
    /// Waits up to `PATIENCE_AT_THE_END` until all alerts are sent.
    ///
    /// Callers wait after the run has ended. The function cancels the remaining alerts and returns
    /// a message that names their rules.
    pub async fn end(mut self) -> Option<String> {
        let all = async {
            while let Some(ended) = self.sending.join_next().await {
                if let Some(rule) = ended.ok().and_then(|rule| self.rules.get_mut(rule)) {
                    *rule = None;
                }
            }
        };
        let in_time = timeout(PATIENCE_AT_THE_END, all).await.is_ok();
        // Cancelled senders report nothing more.
        self.sending.shutdown().await;
        let late: Vec<String> = self.rules.into_iter().flatten().collect();
        let waited = PATIENCE_AT_THE_END.as_secs();
        (!in_time).then(|| format!("docmill cancelled the alerts that were not sent {waited} s after the run: {}", late.join(", ")))
    }
}

/// Sends the alerts of one rule. Reports each result as an event.
async fn send(mut fired: mpsc::Receiver<Fired>, secrets: &[String], events: &mpsc::WeakSender<RunEvent>) {
    while let Some(fired) = fired.recv().await {
        let sent = if fired.run.is_empty() { post(&fired).await } else { run(&fired, secrets).await };
        let event = match sent {
            Ok(()) => RunEvent::Note { message: format!("alert sent: {}", fired.message) },
            Err(why) => RunEvent::Warning { message: format!("cannot send an alert: {why}. Its message: {}", fired.message) },
        };
        if let Some(events) = events.upgrade() {
            let _watcher_is_gone = events.send(event).await;
        }
    }
}

/// Runs the command of an alert. The command gets all facts as JSON on stdin, and some in the
/// environment, and not the variables named in `secrets`.
async fn run(fired: &Fired, secrets: &[String]) -> Result<(), String> {
    let Some((program, args)) = fired.run.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in secrets {
        command.env_remove(name);
    }
    // The names of the ALERT variables do not start with DOCMILL_, because such names are settings.
    // The command may be docmill.
    if let Some(output) = fired.facts["output"].as_str() {
        command.env(OUTPUT_SETTING, output);
    }
    for (name, fact) in
        [("ALERT", "alert"), ("ALERT_VALUE", "value"), ("ALERT_MESSAGE", "message"), ("ALERT_RUN", "run"), ("ALERT_OUTPUT", "output")]
    {
        let value = &fired.facts[fact];
        command.env(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let (stdin, facts) = (child.stdin.take(), format!("{}\n", fired.facts));
    let work = async move {
        if let Some(mut stdin) = stdin {
            // A command may close stdin without reading it. That is no failure.
            let _closed = stdin.write_all(facts.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = timeout(PATIENCE, work).await.map_err(|_| format!("{program}: timed out after {} s", PATIENCE.as_secs()))?;
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let stderr: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(QUOTED).collect();
    if ExitStatus::success(&output.status) { Ok(()) } else { Err(format!("{program}: {} {stderr}", output.status)) }
}

/// Posts the facts of an alert to its webhook as JSON.
async fn post(fired: &Fired) -> Result<(), String> {
    let address = match fired.webhook.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| format!("webhook env:{name}: the environment variable is not set"))?,
        None => fired.webhook.clone(),
    };
    // The address of a webhook is a secret. Errors name only the host.
    let host = reqwest::Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let wrong = |e: reqwest::Error| format!("webhook at {host}: {}", with_causes(&e.without_url()));
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    let client = client.tls_certs_merge(root_certificates()).build().map_err(wrong)?;
    let request = client.post(address).header("content-type", "application/json").body(fired.facts.to_string());
    let status = request.send().await.map_err(wrong)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("webhook at {host}: {status}")) }
}
