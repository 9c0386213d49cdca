//! Asks one request of a client.

use super::Gateway;
use super::error::ApiError;
use super::ledger::{NewAttempt, StoredAnswer};
use super::purse::Reserved;
use super::request::{Conversation, Parsed, parse};
use super::responses::id_of;
use crate::ask::{NoRoom, RelayAttempt, RelayEnd, RelayEndpoint, RelayEvents, RelayFailure, RelayLedger, RelayReply, RelayRequest};
use crate::model::{Money, Usage};
use bytes::Bytes;
use jiff::Timestamp;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Events of a stream that wait for a slow client.
const EVENTS: usize = 16;
/// Pause of a batch before it looks again whether a run has ended.
const AFTER_RUNS: Duration = Duration::from_secs(1);
/// How requests cost less.
pub(super) const FEWER_INPUTS: &str = "Send fewer inputs";
/// The same for requests that write. The length of a conversation that the provider keeps is not known.
const LESS_OUTPUT: &str = "Set a lower max_completion_tokens";
const LESS_CONTEXT: &str = "Send the conversation in input, without previous_response_id, conversation or prompt (docmill reserves a \
    million tokens for a conversation that the provider keeps)";
/// Place in line of requests that a client waits for. Batches come after them.
pub(super) const FIRST: u64 = 0;

/// A request of a client.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Name of the key that sent it.
    pub owner: String,
    /// The endpoint.
    pub endpoint: RelayEndpoint,
    /// The body.
    pub body: Bytes,
    /// Whether a stored answer may be given, and the answer is stored.
    pub store: bool,
}

/// The part of a request that its place decides.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The batch that it is a part of.
    pub batch: Option<String>,
    /// Requests with a lower number go first.
    pub order: u64,
    /// Cancelled when no one waits for the answer.
    pub cancelled: CancellationToken,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// In one piece.
    Whole(Whole),
    /// As a stream of events.
    Stream(Stream),
}

/// An answer in one piece: the provider's response, also if it refuses the request.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Id of the request.
    pub id: String,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The wait that a refusal asks for.
    pub retry_after: Option<Duration>,
    /// Attempts that were sent.
    pub attempts: u32,
    /// Their cost; `None` if it is unknown.
    pub cost: Option<Money>,
    /// Their tokens.
    pub usage: Usage,
    /// Whether the answer was stored.
    pub stored: bool,
}

/// An answer as a stream of events.
#[derive(Debug)]
pub struct Stream {
    /// Id of the request.
    pub id: String,
    /// The first events.
    pub first: Bytes,
    /// Further events.
    pub rest: mpsc::Receiver<Bytes>,
}

impl Gateway {
    /// Asks a request. If the returned future is dropped, the request is not sent any more.
    pub async fn ask(self: &Arc<Self>, asked: Asked) -> Result<Answer, ApiError> {
        let parsed = parse(asked.endpoint, &asked.body)?;
        let cancelled = CancellationToken::new();
        let _gone = cancelled.clone().drop_guard();
        let place = Place { batch: None, order: FIRST, cancelled };
        self.ask_at(asked, parsed, place).await
    }

    /// Asks a request at a place in line.
    pub(super) async fn ask_at(self: &Arc<Self>, asked: Asked, parsed: Parsed, place: Place) -> Result<Answer, ApiError> {
        let id = format!("req_{}", uuid::Uuid::now_v7().simple());
        let Parsed { model, stream, keeps, hides_usage, tokens, conversation, tier, hash } = parsed;
        let relay = self.relays.of(&model).await?;
        let key = ((self.store || asked.store) && !stream).then(|| key(&asked.owner, hash));
        if let Some(stored) = self.stored(key).await? {
            let StoredAnswer { status, body, usage } = stored;
            let whole =
                Whole { id, status, body: body.into(), retry_after: None, attempts: 0, cost: Some(Money::ZERO), usage, stored: true };
            return Ok(Answer::Whole(whole));
        }
        if asked.endpoint == RelayEndpoint::Embeddings
            && let Some(answer) = self.embed(&id, &asked.owner, &asked.body, &place, &relay).await
        {
            let whole = answer?;
            if let (Some(key), 200..=299) = (key, whole.status) {
                let answer = StoredAnswer { status: whole.status, body: whole.body.to_vec(), usage: whole.usage };
                self.keep_answer(key, asked.owner, answer, None).await;
            }
            return Ok(Answer::Whole(whole));
        }
        let (to, mut events) = mpsc::channel(EVENTS);
        let request = RelayRequest {
            endpoint: asked.endpoint,
            model: model.clone(),
            body: asked.body,
            tokens,
            tier,
            place: place.order,
            events: stream.then_some(RelayEvents { to, hides_usage }),
            is_trial: false,
            cancelled: place.cancelled,
        };
        let record = Record {
            gateway: Arc::clone(self),
            how: match conversation {
                Conversation::Kept => LESS_CONTEXT,
                Conversation::Sent => LESS_OUTPUT,
            },
            new: NewAttempt {
                request: id.clone(),
                owner: asked.owner.clone(),
                endpoint: asked.endpoint.path(),
                model,
                batch: place.batch,
                number: 0,
                at_most: None,
            },
        };
        let (ended, end) = oneshot::channel();
        let (owner, gateway, is_response) = (asked.owner, Arc::clone(self), asked.endpoint == RelayEndpoint::Responses);
        let is_kept = key.is_some() || keeps;
        // The task goes on when the client has gone: a request that was sent must be recorded.
        drop(self.tasks.spawn(async move {
            let reply = relay.send(&request, &record).await;
            if let (true, RelayEnd::Response { status: status @ 200..=299, body, .. }) = (is_kept, &reply.end) {
                let answer = StoredAnswer { status: *status, body: body.to_vec(), usage: reply.usage };
                let response = if is_response { id_of(body) } else { None };
                let alone = || response.as_ref().map(|id| self::key(&owner, blake3::hash(id.as_bytes())));
                if let Some(key) = key.or_else(alone) {
                    gateway.keep_answer(key, owner, answer, response).await;
                }
            }
            if let RelayEnd::Streamed(Some(why)) = &reply.end
                && let Some(events) = &request.events
            {
                let error = ApiError::upstream(502, "upstream_lost", why).body();
                let _gone = events.to.send(format!("data: {error}\n\n").into()).await;
            }
            let _gone = ended.send(reply);
        }));
        if let Some(first) = events.recv().await {
            return Ok(Answer::Stream(Stream { id, first, rest: events }));
        }
        let reply = end.await.map_err(|_| ApiError::internal("the request failed unexpectedly"))?;
        whole(id, reply).map(Answer::Whole)
    }

    /// Reserves money for a request to a model. `waits`: until runs at work have ended, if need be. `how`
    /// says how the request could cost less.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        owner: &str,
        model: &str,
        at_most: Option<Money>,
        (waits, how): (bool, &str),
    ) -> Result<(), NoRoom> {
        let capped = self.caps.any(owner);
        if capped && at_most.is_none() {
            return Err(NoRoom::Price(format!("a cap on money applies, but the price of {model} is unknown. Set it in [prices]")));
        }
        let at_most = at_most.unwrap_or_default();
        loop {
            let mut settled = pin!(self.purse.settled().notified());
            settled.as_mut().enable();
            let reserved = if capped {
                let (gateway, owner) = (Arc::clone(self), owner.to_owned());
                let reserve = move || gateway.purse.reserve(&owner, at_most, || gateway.caps.of(&owner));
                tokio::task::spawn_blocking(reserve).await.map_err(|_| NoRoom::Closed)?
            } else {
                self.purse.reserve(owner, at_most, || Ok(Vec::new()))
            };
            match reserved {
                Ok(Reserved::Yes) => return Ok(()),
                Ok(Reserved::Later) => settled.await,
                Ok(Reserved::AfterRuns(_)) if waits => tokio::time::sleep(AFTER_RUNS).await,
                Ok(Reserved::AfterRuns(why) | Reserved::No(why)) => {
                    return Err(NoRoom::Cap(format!("{why}. {how}, wait until runs have ended, or raise the cap")));
                }
                Err(why) => {
                    crate::progress::complain(&why);
                    return Err(NoRoom::Closed);
                }
            }
        }
    }

    /// Replaces a reservation by the cost. If the cost is unknown, all of it is spent.
    pub(super) fn settle(&self, owner: &str, at_most: Option<Money>, cost: Option<Money>) {
        self.purse.settle(owner, at_most.unwrap_or_default(), cost);
    }

    /// Keeps an answer for identical requests, if there is room. `response` is the id by which clients can
    /// fetch it.
    async fn keep_answer(self: &Arc<Self>, key: blake3::Hash, owner: String, answer: StoredAnswer, response: Option<String>) {
        let gateway = Arc::clone(self);
        if tokio::task::spawn_blocking(move || gateway.caps.has_room()).await.is_ok_and(|has_room| has_room) {
            self.ledger.keep_answer(key, owner, answer, response).await;
        }
    }

    async fn stored(self: &Arc<Self>, key: Option<blake3::Hash>) -> Result<Option<StoredAnswer>, ApiError> {
        let Some(key) = key else { return Ok(None) };
        let gateway = Arc::clone(self);
        let stored = tokio::task::spawn_blocking(move || gateway.ledger.stored_answer(key));
        Ok(stored.await.map_err(ApiError::internal)??)
    }
}

/// The key of a stored answer. Answers of one owner are not given to another.
fn key(owner: &str, hash: blake3::Hash) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(owner.len() as u64).to_le_bytes()).update(owner.as_bytes()).update(hash.as_bytes());
    hasher.finalize()
}

/// The answer, or the error, that a client gets at the end of a request.
pub(super) fn whole(id: String, reply: RelayReply) -> Result<Whole, ApiError> {
    let RelayReply { end, attempts, cost, usage } = reply;
    match end {
        RelayEnd::Response { status, body, retry_after } => {
            Ok(Whole { id, status, body, retry_after, attempts, cost, usage, stored: false })
        }
        RelayEnd::Streamed(_) => Err(ApiError::upstream(502, "upstream_lost", "the stream ended before its first event")),
        RelayEnd::Failed(RelayFailure::NoEndpoint, why) => {
            Err(ApiError::new(404, "invalid_request_error", Some("unsupported_endpoint"), why))
        }
        RelayEnd::Failed(RelayFailure::Unreachable, why) => Err(ApiError::upstream(502, "upstream_unreachable", why)),
        RelayEnd::Failed(RelayFailure::Lost, why) => Err(ApiError::upstream(504, "upstream_lost", why)),
        RelayEnd::Failed(RelayFailure::Account, why) => {
            crate::progress::complain(&format!("the provider does not accept the account of the server: {why}"));
            let message = "the provider does not accept the account of this server. Its log has the reason";
            Err(ApiError::upstream(502, "upstream_account", message))
        }
        RelayEnd::NotSent(why) => Err(why.into()),
        RelayEnd::Cancelled => Err(ApiError::cancelled()),
        RelayEnd::Stopped => Err(ApiError::stopped()),
    }
}

/// Records the attempts of one request.
struct Record {
    gateway: Arc<Gateway>,
    /// How the request could cost less.
    how: &'static str,
    new: NewAttempt,
}

impl RelayLedger for Record {
    async fn reserve(&self, at_most: Option<Money>) -> Result<(), NoRoom> {
        self.gateway.reserve(&self.new.owner, &self.new.model, at_most, (self.new.batch.is_some(), self.how)).await
    }

    fn release(&self, at_most: Option<Money>) {
        self.gateway.settle(&self.new.owner, at_most, Some(Money::ZERO));
    }

    async fn sending(&self, number: u32, at_most: Option<Money>, _: Timestamp) -> Result<i64, NoRoom> {
        let new = NewAttempt { number, at_most, ..self.new.clone() };
        self.gateway.ledger.sending(vec![new]).await.map_err(|_| NoRoom::Closed)
    }

    async fn ended(&self, id: i64, at_most: Option<Money>, attempt: RelayAttempt) {
        self.gateway.settle(&self.new.owner, at_most, attempt.cost);
        self.gateway.ledger.ended(id, vec![attempt]).await;
    }
}
