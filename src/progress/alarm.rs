//! Alerts on their way: commands and webhooks, beside the run and never in its way. Each rule sends its own, one after the
//! other, so that one which hangs holds up no other rule.

use super::Watcher;
use super::alert::{Alert, AlertSettings, Fired, about};
use crate::event::{RunEvent, Snapshot};
use crate::model::RowStatus;
use serde_json::Value;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Looks at counters and documents for all alerts.
pub(super) struct Alerts {
    /// Each with where it goes; empty when the run is over.
    all: Vec<(Alert, mpsc::Sender<Fired>)>,
    about: Value,
    counters: Snapshot,
    lost: Option<String>,
}

/// Sends alerts. Ends when nobody looks any more and all are sent.
#[derive(Debug)]
pub struct Alarm {
    /// Who sends, by rule.
    sending: JoinSet<usize>,
    /// The conditions of those who have not ended.
    rules: Vec<Option<String>>,
}

/// Alerts of a rule that may wait while one is under way.
const WAITING: usize = 1;
/// How long a command or a webhook may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long all together may take when the run is over.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(5);
/// What a command says on stderr that is worth repeating.
const QUOTED: usize = 200;
/// The setting that leads `docmill pause` and the like to the run that has raised the alert, whatever the settings file says.
const OUTPUT_SETTING: &str = "DOCMILL_OUTPUT__DIR";

/// Both sides of some alerts. What becomes of them is told among `events`.
pub(super) fn alarm(settings: &[AlertSettings], events: &mpsc::WeakSender<RunEvent>) -> Result<(Alerts, Alarm), String> {
    let (mut all, mut sending) = (Vec::new(), JoinSet::new());
    for (rule, settings) in settings.iter().enumerate() {
        let (out, fired) = mpsc::channel(WAITING);
        all.push((Alert::new(settings.clone())?, out));
        let events = events.clone();
        sending.spawn(async move {
            send(fired, &events).await;
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
                self.lost = Some(format!("an alert is not sent, as earlier ones are still on their way: {}", fired.message));
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
                self.all.iter_mut().for_each(|(alert, _)| alert.hear(failed));
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
    /// Waits, not for long, until all are sent. Which are given up, if some are. To be called when the run is over.
    pub async fn end(mut self) -> Option<String> {
        let all = async {
            while let Some(ended) = self.sending.join_next().await {
                if let Some(rule) = ended.ok().and_then(|rule| self.rules.get_mut(rule)) {
                    *rule = None;
                }
            }
        };
        let in_time = timeout(PATIENCE_AT_THE_END, all).await.is_ok();
        // Nothing more is said by those that are given up.
        self.sending.shutdown().await;
        let late: Vec<String> = self.rules.into_iter().flatten().collect();
        let waited = PATIENCE_AT_THE_END.as_secs();
        (!in_time).then(|| format!("alerts that are still on their way {waited} s after the run are given up: {}", late.join(", ")))
    }
}

/// Sends what comes of one rule.
async fn send(mut fired: mpsc::Receiver<Fired>, events: &mpsc::WeakSender<RunEvent>) {
    while let Some(fired) = fired.recv().await {
        let sent = if fired.run.is_empty() { post(&fired).await } else { run(&fired).await };
        let event = match sent {
            Ok(()) => RunEvent::Note { message: format!("alert sent: {}", fired.message) },
            Err(why) => RunEvent::Warning { message: format!("an alert could not be sent: {why}; it says: {}", fired.message) },
        };
        if let Some(events) = events.upgrade() {
            let _nobody_watches = events.send(event).await;
        }
    }
}

async fn run(fired: &Fired) -> Result<(), String> {
    let Some((program, args)) = fired.run.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    // Other names than those that begin with DOCMILL_: those are settings, and the command may be docmill.
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
            // A command that reads nothing closes it.
            let _closed = stdin.write_all(facts.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = timeout(PATIENCE, work).await.map_err(|_| format!("{program} takes longer than {} s", PATIENCE.as_secs()))?;
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(QUOTED).collect();
    if ExitStatus::success(&output.status) { Ok(()) } else { Err(format!("{program}: {} {said}", output.status)) }
}

async fn post(fired: &Fired) -> Result<(), String> {
    let address = match fired.webhook.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| format!("webhook env:{name}: there is no such variable"))?,
        None => fired.webhook.clone(),
    };
    // Addresses of webhooks are secrets: errors name the host alone.
    let host = reqwest::Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let wrong = |e: reqwest::Error| format!("webhook at {host}: {}", chain(&e.without_url()));
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build().map_err(wrong)?;
    let request = client.post(address).header("content-type", "application/json").body(fired.facts.to_string());
    let status = request.send().await.map_err(wrong)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("webhook at {host}: {status}")) }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |e| e.source()).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
