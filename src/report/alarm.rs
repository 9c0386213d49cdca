//! Alerts on their way: commands and webhooks, one after the other, beside the run and never in its way.

use super::Watcher;
use super::alert::{Alert, AlertSettings, Fired, about};
use crate::event::RunEvent;
use serde_json::Value;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Looks at the counters for all alerts.
pub(super) struct Alerts {
    all: Vec<Alert>,
    about: Value,
    out: mpsc::Sender<Fired>,
    lost: Option<String>,
}

/// Sends alerts. Ends when nobody looks any more and all are sent.
pub struct Alarm {
    fired: mpsc::Receiver<Fired>,
    events: mpsc::WeakSender<RunEvent>,
}

/// Alerts that may wait for a slow command.
const WAITING: usize = 16;
/// What a command says on stderr that is worth repeating.
const QUOTED: usize = 200;

/// Both sides of some alerts. What goes wrong with them is told among `events`.
pub(super) fn alarm(settings: &[AlertSettings], events: mpsc::WeakSender<RunEvent>) -> Result<(Alerts, Alarm), String> {
    let alerts = settings.iter().cloned().map(Alert::new).collect::<Result<_, _>>()?;
    let (out, fired) = mpsc::channel(WAITING);
    Ok((Alerts { all: alerts, about: Value::Null, out, lost: None }, Alarm { fired, events }))
}

impl Watcher for Alerts {
    fn see(&mut self, event: &RunEvent) {
        if let Some(about) = about(event) {
            self.about = about;
        }
        let RunEvent::Progress(snapshot) = event else { return };
        for fired in self.all.iter_mut().filter_map(|alert| alert.look(snapshot, &self.about)) {
            if let Err(refused) = self.out.try_send(fired) {
                let fired = match refused {
                    mpsc::error::TrySendError::Full(fired) | mpsc::error::TrySendError::Closed(fired) => fired,
                };
                self.lost = Some(format!("an alert is not sent, as earlier ones are still on their way: {}", fired.message));
            }
        }
    }

    fn trouble(&mut self) -> Option<String> {
        self.lost.take()
    }
}

impl Alarm {
    /// How long a command or a webhook may take, and how long all together when the run is over.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// Sends what comes.
    pub async fn send(mut self) {
        while let Some(fired) = self.fired.recv().await {
            let sent = if fired.run.is_empty() { post(&fired).await } else { run(&fired).await };
            let message = match sent {
                Ok(()) => format!("alert sent: {}", fired.message),
                Err(why) => format!("an alert could not be sent: {why}; it says: {}", fired.message),
            };
            let event = RunEvent::Warning { message };
            match self.events.upgrade() {
                Some(events) => drop(events.send(event).await),
                // The run is over, and the screen is free.
                None => super::warn(&event),
            }
        }
    }
}

async fn run(fired: &Fired) -> Result<(), String> {
    let Some((program, args)) = fired.run.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    // Not names that begin with DOCMILL_: those are settings, and the command may be docmill.
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
    let output =
        timeout(Alarm::PATIENCE, work).await.map_err(|_| format!("{program} takes longer than {} s", Alarm::PATIENCE.as_secs()))?;
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
    let client = reqwest::Client::builder().timeout(Alarm::PATIENCE).redirect(reqwest::redirect::Policy::none()).build().map_err(wrong)?;
    let request = client.post(address).header("content-type", "application/json").body(fired.facts.to_string());
    let status = request.send().await.map_err(wrong)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("webhook at {host}: {status}")) }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |e| e.source()).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
