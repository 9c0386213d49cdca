//! Sends the messages of the outbox.

use super::Webhooks;
use crate::model::with_causes;
use crate::serve::app::{App, until};
use crate::serve::problem::Problem;
use crate::serve::queue::{Message, PER_HOST};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Messages in flight at the same time.
const IN_FLIGHT: usize = 32;
/// Pauses between attempts, three days in all.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(20),
];
/// Maximum time between two looks at the outbox.
const LOOK: Duration = Duration::from_mins(5);
/// Maximum random reduction of a pause, as a share of it.
const SPREAD: f64 = 0.1;

/// Sends messages until it is dropped.
pub async fn deliver(app: Arc<App>) {
    let mut sending = JoinSet::new();
    let mut hosts: HashMap<String, usize> = HashMap::new();
    loop {
        let due = app.blocking(|app| app.queue.due_messages(IN_FLIGHT)).await;
        let (due, next) = due.unwrap_or_else(|problem| {
            crate::progress::complain(&format!("webhooks: {}", problem.detail));
            (Vec::new(), None)
        });
        for message in due {
            let of_host = hosts.entry(message.host.clone()).or_default();
            if sending.len() >= IN_FLIGHT || *of_host >= PER_HOST {
                continue;
            }
            // Before sending: after a kill the message is sent again.
            let id = message.id.clone();
            let pause = pause_after(message.attempts);
            let recorded = app.blocking(move |app| app.queue.message_attempted(&id, pause, "no response yet")).await;
            if recorded.is_ok() {
                *of_host += 1;
                sending.spawn(attempt(Arc::clone(&app), message));
            }
        }
        let wait = next.map_or(LOOK, until).min(LOOK);
        tokio::select! {
            Some(ended) = sending.join_next() => {
                if let Some(of_host) = ended.ok().and_then(|host| hosts.get_mut(&host)) {
                    *of_host -= 1;
                }
                hosts.retain(|_, n| *n > 0);
            }
            () = app.webhooks.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The pause after an attempt, if there is another one.
fn pause_after(attempts: u32) -> Option<Duration> {
    PAUSES.get(attempts as usize).map(|pause| pause.mul_f64(1.0 - SPREAD * fastrand::f64()))
}

/// Sends a message once. Returns its host.
async fn attempt(app: Arc<App>, message: Message) -> String {
    let result = send(&app.webhooks, &message).await;
    let (id, host) = (message.id, message.host);
    let recorded = app.blocking(move |app| match result {
        Ok(()) => app.queue.message_delivered(&id),
        Err(Refused { why, is_final }) => app.queue.message_failed(&id, &why, is_final),
    });
    if let Err(Problem { detail, .. }) = recorded.await {
        crate::progress::complain(&format!("webhooks: {detail}"));
    }
    host
}

/// Why an attempt failed.
struct Refused {
    why: String,
    /// Whether the receiver wants no further attempts.
    is_final: bool,
}

async fn send(webhooks: &Webhooks, message: &Message) -> Result<(), Refused> {
    let refused = |why: String| Refused { why, is_final: false };
    let at = Timestamp::now().as_second();
    let signature = webhooks.secrets.signature(&message.owner, &message.id, at, &message.body);
    let signature = signature.ok_or_else(|| refused("the server has no webhook secret (serve.webhook_secrets)".to_owned()))?;
    // The setting may have changed since the submission.
    super::check(&message.url, webhooks.private).map_err(|problem| refused(problem.detail))?;
    let request = webhooks.client.post(&message.url).body(message.body.clone()).header(CONTENT_TYPE, "application/json");
    let request = request.header("webhook-id", &message.id).header("webhook-timestamp", at).header("webhook-signature", signature);
    let response = request.send().await.map_err(|error| refused(with_causes(&error.without_url())))?;
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Refused { why: "the receiver is gone (status 410)".to_owned(), is_final: true }),
        status if status.is_redirection() => {
            Err(refused(format!("the receiver redirects (status {}), which is not followed", status.as_u16())))
        }
        status => Err(refused(format!("the receiver answered with status {}", status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_end_after_three_days() {
        let total: Duration = PAUSES.iter().sum();
        assert!(total <= Duration::from_hours(72) && total.mul_f64(1.0 - SPREAD) >= Duration::from_hours(64), "{total:?}");
        assert!(pause_after(8).is_some() && pause_after(9).is_none());
    }
}
