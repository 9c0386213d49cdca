//! Answers requests to a running run: pause, change settings, cancel or requeue a document.

use super::active::{ActiveDocuments, Cancelled, REMEMBERED};
use super::arrivals::Following;
use super::notice::{Notice, command_elsewhere};
use super::{Context, Plan, RunError};
use crate::ask::{DayBudget, Governor, LimitSettings, Used};
use crate::control::{Answer, Asked, Request};
use crate::event::RunEvent;
use crate::model::{Money, Nearest};
use crate::store::{Archive, Requests, Store, StoreError, StoreWatcher};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Why a run does not take a change any more.
const ENDING: &str = "the run is ending, and takes no changes any more. Repeat the command when it has ended";

/// A source of changed settings during a run. It checks them like those at the start.
pub trait LiveSettings: fmt::Debug + Send + Sync {
    /// Changes the values of some keys. If one value is invalid, changes no key and returns the
    /// error.
    fn set(&self, settings: &[(String, String)]) -> Result<Revised, String>;

    /// Reads the settings file again.
    fn reload(&self) -> Result<Revised, String>;
}

/// The settings of a run after a change.
#[derive(Debug)]
pub struct Revised {
    /// Maximum number of calls in flight.
    pub concurrency: usize,
    /// Maximum number of documents in progress.
    pub documents: usize,
    /// Limits of the account.
    pub limits: LimitSettings,
    /// Cap on money.
    pub max_cost: Option<Money>,
    /// Cap on the money of each day.
    pub max_cost_per_day: Option<Money>,
    /// Changed keys with their old and new values.
    pub changes: Vec<(String, Value, Value)>,
    /// Changed keys that take effect only in the next run.
    pub later: Vec<String>,
}

/// The components that requests change.
pub(super) struct Adjustable {
    pub governor: Arc<Governor>,
    pub active: Arc<ActiveDocuments>,
    /// Maximum number of documents in progress.
    pub window: watch::Sender<usize>,
    pub store: StoreWatcher,
    /// The source of documents, if they arrive during the run.
    pub following: Option<Following>,
}

/// Answers requests from outside.
pub(super) struct RuntimeControl {
    context: Context,
    governor: Arc<Governor>,
    settings: Option<Arc<dyn LiveSettings>>,
    active: Arc<ActiveDocuments>,
    /// Maximum number of documents in progress.
    window: watch::Sender<usize>,
    store: StoreWatcher,
    following: Option<Following>,
    /// The output directory.
    directory: PathBuf,
    run: i64,
    recipe: i64,
    /// The settings in force as JSON, for the history.
    history: Map<String, Value>,
    paused_at: Option<Duration>,
}

/// The key of changes during a run in the history.
pub const LIVE_CHANGES: &str = "live_changes";

impl RuntimeControl {
    /// Creates the control of a run of `plan`.
    pub fn new(plan: &Plan, run: i64, adjusts: Adjustable, context: &Context) -> Self {
        let Adjustable { governor, active, window, store, following } = adjusts;
        Self {
            context: context.clone(),
            governor,
            settings: plan.live.clone(),
            active,
            window,
            store,
            following,
            directory: plan.output.dir.clone(),
            run,
            recipe: plan.recipe,
            history: serde_json::from_str(&plan.settings).unwrap_or_default(),
            paused_at: None,
        }
    }

    /// Answers requests until the run has finished.
    pub async fn serve(mut self, mut requests: mpsc::Receiver<Asked>, notice: Arc<Notice>, finished: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = finished.cancelled() => return,
                Some(Asked { request, answer }) = requests.recv() => {
                    let done = self.answer(request).await;
                    // The notice is current before the client gets the answer.
                    notice.update();
                    // If the client has disconnected, the request takes effect all the same.
                    let _client_is_gone = answer.send(done);
                }
            }
        }
    }

    /// Executes a request.
    async fn answer(&mut self, request: Request) -> Answer {
        let done = match request {
            Request::Pause => Ok(self.pause(true).await),
            Request::Resume => Ok(self.pause(false).await),
            Request::Set { settings: wanted } => self.revise(move |settings| settings.set(&wanted)).await,
            Request::Reload => self.revise(|settings| settings.reload()).await,
            Request::Cancel { document } => self.cancel(document).await,
            Request::Requeue { document, all } => self.requeue(document, all).await,
            Request::Watch => Err("the control server answers this request".to_owned()),
        };
        done.map_or_else(Answer::Refused, Answer::Done)
    }

    async fn pause(&mut self, pause: bool) -> String {
        if self.governor.status().paused == pause {
            return if pause { "the run is already paused" } else { "the run is not paused" }.to_owned();
        }
        self.governor.set_paused(pause);
        let now = self.context.meters.wall();
        let message = if pause {
            self.paused_at = Some(now);
            let resume = command_elsewhere(&self.directory, "resume");
            format!("paused: calls in flight finish, and docmill sends nothing until `{resume}`")
        } else {
            let paused = self.paused_at.take().map_or(0.0, |at| (now.saturating_sub(at)).as_secs_f64());
            format!("resumed, after {paused:.1} s")
        };
        self.record(vec![("paused".to_owned(), (!pause).into(), pause.into())]).await;
        self.context.tell(RunEvent::Note { message: message.clone() }).await;
        message
    }

    /// Applies changed settings.
    async fn revise(
        &mut self,
        revise: impl FnOnce(&dyn LiveSettings) -> Result<Revised, String> + Send + 'static,
    ) -> Result<String, String> {
        let settings = self.settings.clone().ok_or("the settings of this run cannot be changed while it is running")?;
        // Reading files blocks.
        let revised = tokio::task::spawn_blocking(move || revise(&*settings)).await.map_err(|e| e.to_string())??;
        if self.governor.has_allowance() && revised.changes.iter().any(|(key, ..)| key == "budget.max_usd") {
            return Err("the server grants the money of this run. Change its cap with POST /api/runs/ID/resume".to_owned());
        }
        let before =
            if revised.max_cost.is_some() && !self.governor.knows_earlier_runs() { Some(self.spent_before().await?) } else { None };
        self.governor.set_concurrency(revised.concurrency);
        self.governor.set_limits(&revised.limits);
        self.governor.set_cap(revised.max_cost, before);
        let day = match revised.max_cost_per_day {
            Some(cap) if !self.governor.has_day_cap() => Some(self.day_budget(cap).await?),
            _ => None,
        };
        self.governor.set_day_cap(revised.max_cost_per_day, day);
        if !revised.changes.is_empty() {
            self.context.meters.settings_changed(revised.concurrency);
        }
        self.window.send_replace(revised.documents);
        let no_cap = |key: &str, to: &Value| if key.starts_with("budget.max_usd") && to.as_f64() == Some(0.0) { " (no cap)" } else { "" };
        let shown = |(key, from, to): &(String, Value, Value)| format!("{key}: {from} -> {to}{}", no_cap(key, to));
        let mut changes: Vec<String> = revised.changes.iter().map(shown).collect();
        self.record(revised.changes).await;
        if !revised.later.is_empty() {
            changes.push(format!("in the next run only: {}", revised.later.join(", ")));
        }
        let message = if changes.is_empty() { "nothing has changed".to_owned() } else { changes.join("; ") };
        self.context.tell(RunEvent::Note { message: format!("settings: {message}") }).await;
        Ok(message)
    }

    /// Money spent in the output directory by earlier runs.
    async fn spent_before(&self) -> Result<Used, String> {
        let run = self.run;
        self.look_up(move |archive| archive.ledger(Requests::Before(run)).map(Used::from).map_err(|e| e.to_string())).await
    }

    /// A cap on the money of each day, with what the directory has spent today.
    ///
    /// Requests in flight count twice until they end, so the cap is never exceeded.
    async fn day_budget(&self, cap: Money) -> Result<DayBudget, String> {
        let now = Timestamp::now();
        let today = Requests::Since(DayBudget::begin_of_day_ms(now));
        let spent = self.look_up(move |archive| archive.ledger(today).map_err(|e| e.to_string())).await?.counted;
        Ok(DayBudget::new(cap, spent, self.following.is_some(), now))
    }

    /// Records changes in the history and reports them to watchers.
    async fn record(&mut self, changes: Vec<(String, Value, Value)>) {
        if changes.is_empty() {
            return;
        }
        let at_s = (self.context.meters.wall().as_secs_f64() * 10.0).round() / 10.0;
        for (key, from, to) in changes {
            if let Some(setting) = self.history.get_mut(&key) {
                *setting = to.clone();
            }
            let so_far = self.history.entry(LIVE_CHANGES).or_insert_with(|| json!([]));
            if let Value::Array(so_far) = so_far {
                so_far.push(json!({"at_s": at_s, "key": key, "from": from, "to": to}));
            }
            self.context.tell(RunEvent::Changed { key, from, to }).await;
        }
        self.store.settings(Value::Object(self.history.clone()).to_string()).await;
    }

    async fn cancel(&self, document: String) -> Result<String, String> {
        if !self.active.holds(&document)
            && let Some(row) = self.row(&document).await?
        {
            let next = if row.run == self.run { "" } else { ", of an earlier run" };
            return Err(format!("{document} is done{next}: {}", row.status));
        }
        if !self.active.holds(&document)
            && let Some(nearest) = self.unknown(&document).await?
        {
            return Err(format!("{document}: this run has no such document{nearest}"));
        }
        if !self.active.holds(&document)
            && let Some(following) = &self.following
        {
            let (arrivals, name) = (Arc::clone(&following.arrivals), document.clone());
            if !tokio::task::spawn_blocking(move || arrivals.has(&name)).await.map_err(|e| e.to_string())? {
                return Err(format!("{document}: this run has no such document"));
            }
        }
        // The store comes first, so that the cancellation survives a kill.
        self.store.cancel(document.clone()).await.map_err(|_| ENDING)?;
        Ok(match self.active.cancel(&document) {
            Cancelled::Now => format!(
                "{document}: docmill sends no further call. Calls in flight finish, and docmill \
                keeps their answers"
            ),
            Cancelled::Later => format!("{document}: the run has not reached this document yet, and will send no call on it"),
        })
    }

    async fn requeue(&self, document: String, all: bool) -> Result<String, String> {
        if self.active.holds(&document) {
            return Err(format!("{document} is in progress in this run"));
        }
        let Some(row) = self.row(&document).await? else {
            if let Some(nearest) = self.unknown(&document).await? {
                return Err(format!("{document}: this run has no such document{nearest}"));
            }
            return Err(format!("{document} has no row yet; if it is among the inputs, this run will ask about it"));
        };
        if !all && row.codes.is_none() {
            return Err(format!("{document} is {} without a failed call; pass --all to ask all its calls again", row.status));
        }
        if let Some(following) = &self.following {
            self.store.requeue(document.clone(), all).await.map_err(|_| ENDING)?;
            let is_offered = following.arrivals.again(&document);
            return Ok(format!("{document}: docmill asks again{}", if is_offered { "" } else { " when it arrives again" }));
        }
        if !self.active.requeue(document.clone(), all) {
            return Err(format!("{REMEMBERED} documents are already requeued, which is the maximum. Requeue it after this run has ended"));
        }
        Ok(format!("{document}: the next run asks again"))
    }

    /// Checks whether the run has no document of this name.
    ///
    /// `Some`: the listing is complete and lacks the name; contains the hint at a similar name.
    async fn unknown(&self, name: &str) -> Result<Option<String>, String> {
        let (name, run) = (name.to_owned(), self.run);
        let look = move |archive: Archive| {
            let Some(listing) = archive.whole_listing(run)? else { return Ok(None) };
            let (mut is_there, mut nearest) = (false, Nearest::new(&name));
            archive.documents(listing, |other| {
                is_there |= other == name;
                nearest.see(other);
            })?;
            Ok((!is_there).then(|| nearest.hint()))
        };
        self.look_up(move |archive| look(archive).map_err(|e: StoreError| e.to_string())).await
    }

    /// The row of a document under this run's recipe, if it has one.
    async fn row(&self, document: &str) -> Result<Option<crate::store::RowState>, String> {
        let (name, recipe) = (document.to_owned(), self.recipe);
        self.look_up(move |archive| archive.row_of(&name, recipe).map_err(|e| e.to_string())).await
    }

    /// Runs a blocking look-up in the run store.
    async fn look_up<T: Send + 'static>(&self, look: impl FnOnce(Archive) -> Result<T, String> + Send + 'static) -> Result<T, String> {
        let directory = self.directory.clone();
        let looking = move || look(Archive::open(&directory).map_err(|e| e.to_string())?.ok_or("the run store was removed")?);
        tokio::task::spawn_blocking(looking).await.map_err(|e| e.to_string())?
    }
}

/// Stores requeued documents for the next run, and warns of cancelled ones that never came.
pub(super) async fn leave(active: &ActiveDocuments, stopped: bool, store: &mut Store, context: &Context) -> Result<(), RunError> {
    for name in active.never_came() {
        let message = if stopped {
            format!("{name} was cancelled, but the run stopped before its turn; the next run will not ask about it")
        } else {
            format!("{name} was cancelled, but the input has no such document")
        };
        context.tell(RunEvent::Warning { message }).await;
    }
    if !stopped {
        store.forget_cancelled()?;
    }
    for (name, all) in active.requeued() {
        store.requeue(&name, all)?;
    }
    Ok(())
}
