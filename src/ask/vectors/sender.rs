//! Sends packs of texts, and decides what a failure means for them.

use super::cut::cut;
use super::group::{Group, GroupState};
use super::record::Record;
use super::reply::{Expected, Reading, Wrong, read};
use super::request::{WRAPPING, request};
use super::shared::Shared;
use super::{Payload, VectorLedger, limits};
use crate::ask::dialect::{Relayed, may_blame_one_item, pack_refusal};
use crate::ask::exposure::cannot_connect;
use crate::ask::fault::{Class, Fault, RunStop, StopKind};
use crate::ask::packing::{Encoding, PackFault, PackLimits, PackSender};
use crate::ask::relay::{Response, Sum, Unanswered, is_broken};
use crate::ask::{NoRoom, RelayRequest};
use crate::model::{Failure, FailureCode, Money};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Bytes of the texts of a large pack.
const FULL: u64 = 1 << 20;

/// Sends packs.
#[derive(Debug)]
pub(super) struct Packs<L>(pub Arc<Shared<L>>);

/// The result of a text.
#[derive(Debug)]
pub(super) struct Output {
    /// The vector, or what is wrong with it.
    pub vector: Result<Vec<f32>, String>,
    pub model: Arc<str>,
}

/// Why a text has no result.
#[derive(Debug, Clone)]
pub(super) enum End {
    Failed(Failure),
    Stops(RunStop),
    Stopped,
}

impl<L: VectorLedger> Packs<L> {
    /// Whether each pack waits for the response to the one before.
    ///
    /// The first ones show what the server takes, and so do those after a response that cannot be used.
    /// Near the cap, the size of a pack depends on the cost of the one before.
    fn goes_one_by_one(&self) -> bool {
        let places = self.0.relay.places() as u64;
        let is_careful = |(group, state): (&Group, &Arc<GroupState>)| {
            !state.is_settled() || state.is_doubtful.load(Relaxed) || self.affordable(group) / FULL < places
        };
        self.0.groups.lock().iter().any(is_careful)
    }

    /// Maximum bytes of a pack for which the cap has room. A byte is at most one token.
    fn affordable(&self, group: &Group) -> u64 {
        const MANY: u64 = 1_000_000;
        let relay = &self.0.relay;
        let left = relay.left().zip(relay.at_most(&group.model, MANY, 0).filter(|price| *price > Money::ZERO));
        left.map_or(u64::MAX, |(left, price)| {
            let tokens = u128::from(left.pico()) * u128::from(MANY) / u128::from(price.pico());
            u64::try_from(tokens).unwrap_or(u64::MAX).saturating_sub(WRAPPING).max(1)
        })
    }
}

impl<L: VectorLedger> PackSender for Packs<L> {
    type Group = Group;
    type Payload = Payload<L::Item>;
    type Output = Output;
    type Fault = End;

    fn endpoint(&self, group: &Group) -> String {
        format!("{} {}", self.0.relay.account().base_url, group.model)
    }

    fn limits(&self, group: &Group) -> PackLimits {
        let stated = self.0.stated.get().copied().flatten();
        let limits = limits::limits(self.0.relay.account(), &group.model, &self.0.settings, stated, &self.0.state(group));
        PackLimits { max_bytes: limits.max_bytes.min(self.affordable(group)), ..limits }
    }

    fn remembered(&self) -> Vec<(String, PackLimits)> {
        self.0.ledger.remembered()
    }

    fn learned(&self, endpoint: &str, limits: PackLimits) {
        self.0.ledger.learned(endpoint, limits);
    }

    fn answers_wrongly(&self, group: &Group, end: &End, limits: PackLimits) {
        let state = self.0.state(group);
        state.is_doubtful.store(false, Relaxed);
        let (End::Failed(failure), false) = (end, state.is_noted.swap(true, Relaxed)) else { return };
        let (url, wasted) = (&self.0.relay.account().base_url, state.wasted.load(Relaxed));
        let most = match limits.max_items {
            1 => "1 text".to_owned(),
            items => format!("{items} texts"),
        };
        self.0.observer.note(&format!(
            "{url} answers requests with several texts wrongly: {}. Each of these texts alone is fine. From now on, also in later \
                runs with this run store, a request has at most {most}. The wrong responses cost {wasted} tokens",
            failure.message
        ));
    }

    fn is_doubtful(&self, output: &Output) -> bool {
        output.vector.is_err()
    }

    fn others_have_outputs(&self, payload: &Payload<L::Item>) {
        payload.progress.lock().others_have_vectors = true;
    }

    fn max_in_flight(&self) -> usize {
        if self.goes_one_by_one() { 1 } else { self.0.relay.places() }
    }

    fn ahead(&self) -> usize {
        usize::from(!self.goes_one_by_one())
    }

    fn max_partial(&self) -> usize {
        1
    }

    async fn send(&self, group: &Group, items: Vec<Arc<Payload<L::Item>>>, is_search: bool) -> Result<Vec<Output>, PackFault<End>> {
        let (shared, state) = (&*self.0, self.0.state(group));
        let encoding = state.encoding();
        let is_trial = encoding == Encoding::Base64 && !state.is_settled();
        let is_one = items.len() == 1;
        let inputs = items.iter().map(|item| item.input.as_str());
        // What fails without repetitions is sent again in another way.
        let sent_otherwise = (is_search && !is_one) || is_trial;
        let request = RelayRequest { is_trial: sent_otherwise, ..request(group, encoding, &items, inputs) };
        let record = Record { shared, items: &items };
        let mut sum = Sum::default();
        let as_it_came = |relayed: Relayed, response: &Response| Ok((relayed.usage.input(), response.body.clone()));
        let (counted, body) = match shared.relay.request(&request, &record, &mut sum, as_it_came).await {
            Ok(response) => response,
            Err(unanswered) => {
                let fault = failed(&shared.relay.account().base_url, unanswered, (group, &state));
                return Err(match fault {
                    PackFault::Broken(end) if is_one => {
                        state.works(false);
                        PackFault::Failed(end)
                    }
                    // A search would ask for each text, and all would fail.
                    PackFault::Broken(end) if !is_search && state.is_down() => PackFault::Failed(end),
                    fault => fault,
                });
            }
        };
        state.works(true);
        let cut = if shared.check_cut { cut(shared, (group, &state), &items, counted).await } else { None };
        let expected = Expected {
            count: items.len(),
            requested: group.form.dimensions.map(|dimensions| dimensions as usize),
            known: state.dimensions(),
            stored: state.stored(),
            normalize: group.form.normalize,
            is_trial,
        };
        let read = match cut {
            Some(message) => Err(Wrong::Response(FailureCode::PromptCut, message)),
            // Many numbers take long to read.
            None => spawn_blocking(move || read(&body, expected))
                .await
                .unwrap_or_else(|e| Err(Wrong::Response(FailureCode::Internal, e.to_string()))),
        };
        match read {
            Ok(Reading { vectors, dimensions, encoding, model }) => {
                if vectors.iter().any(Result::is_ok) {
                    state.accepted(dimensions, encoding);
                    // A search is over with its last response, not with the first that can be used.
                    if !is_search {
                        state.is_doubtful.store(false, Relaxed);
                    }
                }
                let model = Arc::<str>::from(if model.is_empty() { &*group.model } else { &model });
                Ok(vectors.into_iter().map(|vector| Output { vector, model: Arc::clone(&model) }).collect())
            }
            Err(wrong) => {
                let is_of_server = matches!(wrong, Wrong::Dimensions(_));
                let (code, message) = match wrong {
                    Wrong::Encoding => (FailureCode::BadReply, "the server does not honour base64".to_owned()),
                    Wrong::Response(code, message) => (code, message),
                    Wrong::Dimensions(message) => (FailureCode::InvalidAnswer, message),
                };
                if record.fail(code).await.is_err() {
                    return Err(PackFault::Failed(End::Stopped));
                }
                let end = End::Failed(Failure::new(code, message));
                let asks_again = code != FailureCode::PromptCut && state.trial_failed(true);
                if code == FailureCode::PromptCut && !is_one {
                    // The count of each single text tells whether it was cut.
                    return Err(PackFault::Again(Duration::ZERO, end));
                }
                if !is_one {
                    state.wasted.fetch_add(counted, Relaxed);
                    state.is_doubtful.store(true, Relaxed);
                }
                Err(match asks_again {
                    true => PackFault::Again(Duration::ZERO, end),
                    // A search would ask for each text, and all would fail.
                    false if is_of_server => PackFault::Failed(end),
                    // Without a bad text, or with fewer texts, the response may be right.
                    false => PackFault::Unusable(end),
                })
            }
        }
    }
}

/// What a failed request means for its texts.
fn failed(base_url: &str, unanswered: Unanswered, (group, state): (&Group, &GroupState)) -> PackFault<End> {
    let (fault, status, body) = match unanswered {
        Unanswered::Failed { stop: Some(stop), .. } | Unanswered::OverBudget(stop) => return PackFault::Failed(End::Stops(stop)),
        Unanswered::NotSent(NoRoom::Cap(message) | NoRoom::Price(message)) => {
            return PackFault::Failed(End::Stops(RunStop { kind: StopKind::OverBudget, message }));
        }
        Unanswered::NotSent(NoRoom::Closed) | Unanswered::Cancelled | Unanswered::Stopped | Unanswered::Broken(_) => {
            return PackFault::Failed(End::Stopped);
        }
        Unanswered::Failed { fault, status, body, .. } => (*fault, status, body),
    };
    let stops = |kind, message| PackFault::Failed(End::Stops(RunStop { kind, message }));
    match fault.class {
        Class::NotSent => {
            return stops(StopKind::Parked, cannot_connect(base_url, &fault.message));
        }
        Class::RunFatal(kind) => return stops(kind, refused(base_url, group, &fault)),
        Class::Denied if state.dimensions().is_none() => return stops(StopKind::Refused, refused(base_url, group, &fault)),
        _ => {}
    }
    let names_encoding = ["encoding", "base64"].iter().any(|word| fault.message.to_ascii_lowercase().contains(word));
    let (is_broken, is_permanent) = (is_broken(&fault), fault.class == Class::Permanent);
    let end = End::Failed(Failure::new(fault.code, fault.message));
    let is_about_one = |status| may_blame_one_item(status, &body);
    match status.and_then(|status| pack_refusal(status, &body)) {
        Some(too_large) => PackFault::TooLarge(too_large, end),
        None if (is_broken || is_permanent) && state.trial_failed(names_encoding) => PackFault::Again(Duration::ZERO, end),
        None if status.is_some_and(is_about_one) => PackFault::Rejected(end),
        // One text may break the server, or make the response unreadable.
        None if is_broken => PackFault::Broken(end),
        None => PackFault::Failed(end),
    }
}

fn refused(base_url: &str, group: &Group, fault: &Fault) -> String {
    let reason = fault.message.trim_end_matches('.');
    format!(
        "{base_url} refuses the request: {reason}. Check that it has the model \"{}\" for vectors (model in [task.embed], or llm.model), \
            and check llm.base_url. Documents without a result stay pending.",
        group.model
    )
}
