//! What can be asked of a run at work: to pause, to hold to other settings, to give up or repeat a document.

use super::active::{ActiveDocuments, Cancelled, REMEMBERED};
use super::conductor::Notice;
use super::{Context, Plan, RunError};
use crate::ask::{Governor, LimitSettings};
use crate::control::{Answer, Asked, Request};
use crate::event::RunEvent;
use crate::model::Money;
use crate::store::{Archive, Store, StoreError, StoreWatcher};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Where settings come from while a run is at work. They are checked as at its beginning.
pub trait LiveSettings: fmt::Debug + Send + Sync {
    /// With other values of some keys: all of them, or none. The error says why not.
    fn set(&self, settings: &[(String, String)]) -> Result<Revised, String>;

    /// As the settings file has them now.
    fn reload(&self) -> Result<Revised, String>;
}

/// Settings that a run holds to from now on.
#[derive(Debug)]
pub struct Revised {
    /// Calls in flight at the most.
    pub concurrency: usize,
    /// Documents under way at the most.
    pub documents: usize,
    /// Limits of the account.
    pub limits: LimitSettings,
    /// Cap on money.
    pub max_cost: Option<Money>,
    /// What is new: key, old value, new value.
    pub changes: Vec<(String, Value, Value)>,
    /// Keys that have another value and take effect with the next run only.
    pub later: Vec<String>,
}

/// What requests act on.
pub(super) struct Adjustable {
    pub governor: Arc<Governor>,
    pub active: Arc<ActiveDocuments>,
    /// How many documents may be under way.
    pub window: watch::Sender<usize>,
    pub store: StoreWatcher,
}

/// Answers requests from outside.
pub(super) struct RuntimeControl {
    context: Context,
    governor: Arc<Governor>,
    settings: Option<Arc<dyn LiveSettings>>,
    active: Arc<ActiveDocuments>,
    /// How many documents may be under way.
    window: watch::Sender<usize>,
    store: StoreWatcher,
    /// The output directory.
    directory: PathBuf,
    run: i64,
    recipe: i64,
    /// The settings in force as JSON, for the history.
    history: Map<String, Value>,
    paused_at: Option<Duration>,
}

/// What the history calls the changes of a run at work.
pub const LIVE_CHANGES: &str = "live_changes";

impl RuntimeControl {
    /// For a run of `plan`.
    pub fn new(plan: &Plan, run: i64, adjusts: Adjustable, context: &Context) -> Self {
        let Adjustable { governor, active, window, store } = adjusts;
        Self {
            context: context.clone(),
            governor,
            settings: plan.live.clone(),
            active,
            window,
            store,
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
                    // A client that looks after the answer finds it so.
                    notice.update();
                    // The client may have left; what was asked is done all the same.
                    let _left = answer.send(done);
                }
            }
        }
    }

    /// Does one thing.
    async fn answer(&mut self, request: Request) -> Answer {
        let done = match request {
            Request::Pause => Ok(self.pause(true).await),
            Request::Resume => Ok(self.pause(false).await),
            Request::Set { settings: wanted } => self.revise(move |settings| settings.set(&wanted)).await,
            Request::Reload => self.revise(|settings| settings.reload()).await,
            Request::Cancel { document } => self.cancel(document).await,
            Request::Requeue { document, all } => self.requeue(document, all).await,
            Request::Watch => Err("watching is no request to a run".to_owned()),
        };
        done.map_or_else(Answer::Refused, Answer::Done)
    }

    async fn pause(&mut self, pause: bool) -> String {
        if self.governor.status().paused == pause {
            return if pause { "it is paused already" } else { "it is not paused" }.to_owned();
        }
        self.governor.set_paused(pause);
        let now = self.context.meters.wall();
        let message = if pause {
            self.paused_at = Some(now);
            "paused: calls in flight are finished, and nothing is sent until `docmill resume`".to_owned()
        } else {
            let paused = self.paused_at.take().map_or(0.0, |at| (now.saturating_sub(at)).as_secs_f64());
            format!("resumed, after {paused:.1} s")
        };
        self.record(vec![("paused".to_owned(), (!pause).into(), pause.into())]).await;
        self.context.tell(RunEvent::Note { message: message.clone() }).await;
        message
    }

    /// Holds to other settings.
    async fn revise(
        &mut self,
        revise: impl FnOnce(&dyn LiveSettings) -> Result<Revised, String> + Send + 'static,
    ) -> Result<String, String> {
        let settings = self.settings.clone().ok_or("the settings of this run cannot be changed while it is at work")?;
        // Files are read.
        let revised = tokio::task::spawn_blocking(move || revise(&*settings)).await.map_err(|e| e.to_string())??;
        let before =
            if revised.max_cost.is_some() && !self.governor.knows_earlier_runs() { Some(self.spent_before().await?) } else { None };
        self.governor.set_concurrency(revised.concurrency);
        self.governor.set_limits(&revised.limits);
        self.governor.set_cap(revised.max_cost, before);
        if !revised.changes.is_empty() {
            self.context.meters.settings_changed(revised.concurrency);
        }
        self.window.send_replace(revised.documents);
        let mut said: Vec<String> = revised.changes.iter().map(|(key, from, to)| format!("{key}: {from} -> {to}")).collect();
        self.record(revised.changes).await;
        if !revised.later.is_empty() {
            said.push(format!("with the next run only: {}", revised.later.join(", ")));
        }
        let said = if said.is_empty() { "nothing has changed".to_owned() } else { said.join("; ") };
        self.context.tell(RunEvent::Note { message: format!("settings: {said}") }).await;
        Ok(said)
    }

    async fn spent_before(&self) -> Result<Money, String> {
        let run = self.run;
        self.look_up(move |archive| archive.spent_before(run).map_err(|e| e.to_string())).await
    }

    /// Keeps changes in the history, and tells watchers.
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
            let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(format!("{document}: this run has no such document{hint}"));
        }
        // First what survives a kill.
        self.store.cancel(document.clone()).await.map_err(|gone| gone.to_string())?;
        Ok(match self.active.cancel(&document) {
            Cancelled::Now => format!("{document}: no further call is sent; those in flight are finished, and their answers kept"),
            Cancelled::Later => format!("{document}: it is not under way yet, and will not be asked about when it comes"),
        })
    }

    async fn requeue(&self, document: String, all: bool) -> Result<String, String> {
        if self.active.holds(&document) {
            return Err(format!("{document} is under way: it is being asked about"));
        }
        let Some(row) = self.row(&document).await? else {
            return Err(format!("{document} has no row yet: if it is among the inputs, this run asks about it"));
        };
        if !all && row.codes.is_none() {
            return Err(format!("{document} is {}, and nothing of it has failed; --all asks all its calls again", row.status));
        }
        if !self.active.requeue(document.clone(), all) {
            return Err(format!(
                "{REMEMBERED} documents are to be asked again already; `docmill requeue` takes more when this run has ended"
            ));
        }
        Ok(format!("{document}: this run is past it; the next one asks again"))
    }

    /// If all documents of the run are known by now, and none has this name: the one that is nearest to it, if one is near.
    async fn unknown(&self, name: &str) -> Result<Option<Option<String>>, String> {
        /// Names that have less in common are another matter.
        const NEAR: f64 = 0.8;
        let (name, run) = (name.to_owned(), self.run);
        let look = move |archive: Archive| {
            let Some(listing) = archive.whole_listing(run)? else { return Ok(None) };
            let (mut is_there, mut nearest) = (false, (NEAR, None));
            archive.documents(listing, |other, _| {
                is_there |= other == name;
                let likeness = strsim::jaro_winkler(other, &name);
                if likeness > nearest.0 {
                    nearest = (likeness, Some(other.to_owned()));
                }
            })?;
            Ok((!is_there).then_some(nearest.1))
        };
        self.look_up(move |archive| look(archive).map_err(|e: StoreError| e.to_string())).await
    }

    /// The row of a document under this run's recipe, if it has one.
    async fn row(&self, document: &str) -> Result<Option<crate::store::RowState>, String> {
        let (name, recipe) = (document.to_owned(), self.recipe);
        self.look_up(move |archive| archive.row_of(&name, recipe).map_err(|e| e.to_string())).await
    }

    async fn look_up<T: Send + 'static>(&self, look: impl FnOnce(Archive) -> Result<T, String> + Send + 'static) -> Result<T, String> {
        let directory = self.directory.clone();
        let looking = move || look(Archive::open(&directory).map_err(|e| e.to_string())?.ok_or("the run store is gone")?);
        tokio::task::spawn_blocking(looking).await.map_err(|e| e.to_string())?
    }
}

/// Leaves to the next run what this one could not do, and tells what came to nothing.
pub(super) async fn leave(active: &ActiveDocuments, stopped: bool, store: &Store, context: &Context) -> Result<(), RunError> {
    for name in active.never_came() {
        let message = if stopped {
            format!("{name} was to be cancelled and had not come when the run stopped: the next run does not ask about it")
        } else {
            format!("{name} was to be cancelled, and no such document has come")
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
