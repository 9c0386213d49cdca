//! Predicts the calls of a document without sending them.
//!
//! A dry run takes known answers from the store. It makes up the others, so that later calls of the
//! document can be made.

use super::document::{Answerer, Subject, Unfinished};
use super::document_calls::answer;
use super::opening::endpoint;
use super::prompt_cache::roles;
use super::row::RowMaker;
use super::stored_answers::{Answers, Before};
use super::{Plan, RunError};
use crate::ask::{Account, usual_thinking};
use crate::insight::{AnswerForm, Length, Order};
use crate::job::{COMBINE, Chunks, Job, stand_in, vector_answer};
use crate::model::{Call, CallKey, CallRecord, CallStatus, DocumentId, Failure, Fence, MessagePart, Money, Spent, Usage, Want};
use crate::simulator::{AnswerPreview, Foretold};
use crate::store::{Catalog, RowState};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use tokio::task::spawn_blocking;

/// A task with its job and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The job.
    pub job: String,
    /// The task; `combine` for the aggregation.
    pub task: String,
    /// The model.
    pub model: String,
}

/// A predicted call.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// Index of its task in the survey.
    pub task: usize,
    /// 0 for calls on the document, 1 for merging their answers, 2 for combining them.
    pub round: u8,
    /// Whether it waits for a call with the same beginning, or others wait for it.
    pub order: Order,
    /// Estimated input tokens.
    pub tokens: u64,
    /// Input tokens of images, included in `tokens`.
    pub images: u64,
    /// Input tokens shared with other calls on the document, included in `tokens`.
    pub shared: u64,
    /// Expected output tokens, judged by the task and the model.
    pub length: Length,
    /// Maximum input tokens.
    pub most_tokens: u64,
    /// Maximum output tokens.
    pub max_output: u64,
    /// The known result; `None` if the call has to be sent.
    pub past: Option<Past>,
}

/// The known result of a call.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    /// Whether an answer was paid for.
    pub answered: bool,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Money of all attempts.
    pub cost: Option<Money>,
}

/// State shared by the dry runs of all documents.
pub(super) struct Shared {
    answers: Answers,
    /// Documents with their rows of the previous run, if its recipe differed.
    before: Option<Arc<Mutex<Catalog>>>,
    /// Documents with their rows of the recipe.
    current: Option<Arc<Mutex<Catalog>>>,
    endpoint: String,
    account: Account,
    effort: Option<Arc<str>>,
    /// Nothing is sent, and call keys do not depend on the marks.
    fence: Fence,
    prime: bool,
    /// Output tokens reserved for thinking.
    room: u32,
    /// Mean answer length in tokens, by task.
    lengths: HashMap<String, f64>,
    /// The answers of the built-in server, if it is the provider.
    simulated: Option<Arc<AnswerPreview>>,
    /// Number and tokens of its foretold answers, by index of the task.
    foretold: Mutex<HashMap<usize, (u32, u64)>>,
    tasks: Mutex<Vec<Task>>,
    /// Form of the answer by index of the task, which predicts its length.
    forms: Mutex<HashMap<usize, AnswerForm>>,
    /// Predicted calls, if identical calls are shared.
    seen: Mutex<HashSet<CallKey>>,
}

impl Shared {
    pub fn new(plan: &Plan, answers: Answers, catalogs: [Option<Catalog>; 2], lengths: HashMap<String, f64>) -> Self {
        let [before, current] = catalogs.map(|catalog| catalog.map(|catalog| Arc::new(Mutex::new(catalog))));
        Self {
            answers,
            before,
            current,
            endpoint: endpoint(plan),
            account: plan.account.clone(),
            effort: Some(plan.llm.effort.as_str()).filter(|effort| !effort.is_empty()).map(Arc::from),
            fence: Fence::example(),
            prime: plan.llm.prime,
            room: plan.llm.room_to_think(plan.account.dialect),
            lengths,
            simulated: plan.simulated.clone(),
            foretold: Mutex::default(),
            tasks: Mutex::default(),
            forms: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub fn tasks(&self) -> Vec<Task> {
        self.tasks.lock().clone()
    }

    /// The index of the task of a call. Adds the task if it is new.
    fn task(&self, job: &Job, call: &Call) -> usize {
        let task = Task { job: job.name.clone(), task: call.task.to_string(), model: call.model.clone() };
        let mut tasks = self.tasks.lock();
        tasks.iter().position(|known| *known == task).unwrap_or_else(|| {
            tasks.push(task);
            tasks.len() - 1
        })
    }

    /// The expected length of the answer to a call, and of the thinking before it.
    fn expected(&self, task: usize, call: &Call) -> (Length, Length) {
        /// Bytes of the prompt examined at either end.
        const LOOKED_AT: usize = 2000;
        let Want::Answer { schema, max_output_tokens } = &call.want else {
            return (Length::new(0.0, 0.0, 0.0), Length::new(0.0, 0.0, 0.0));
        };
        let mut forms = self.forms.lock();
        let form = *forms.entry(task).or_insert_with(|| {
            let asked: Vec<&str> = call
                .parts
                .iter()
                .skip(call.shared)
                .filter_map(|part| if let MessagePart::Text(text) = part { Some(&**text) } else { None })
                .collect();
            let asked = asked.join("\n");
            let (head, tail) = (asked.floor_char_boundary(LOOKED_AT), asked.ceil_char_boundary(asked.len().saturating_sub(LOOKED_AT)));
            AnswerForm::new(schema, &format!("{} {}", &asked[..head], &asked[tail.max(head)..]))
        });
        drop(forms);
        let most = f64::from(self.room) + f64::from(*max_output_tokens);
        let thinking = usual_thinking(
            &call.model,
            call.effort.as_deref().unwrap_or_default(),
            if self.room > 0 { self.room } else { *max_output_tokens },
        );
        (form.length(call.document_tokens() as f64).at_most(f64::from(*max_output_tokens)), thinking.at_most(most))
    }

    /// Expected input tokens of a call.
    fn input_tokens(&self, call: &Call) -> u64 {
        self.simulated.as_ref().map_or(call.tokens, |_| AnswerPreview::input_tokens(call))
    }

    /// The answer of the built-in server to a call, and its length. Reading a document takes time, so
    /// only the first calls of a task have an answer, and the others the mean length.
    async fn foretold(&self, task: usize, call: &Call) -> Result<Option<(Length, Option<Value>)>, RunError> {
        /// Calls of a task whose answers are made.
        const MADE: u32 = 200;
        /// Tokens that an attempt may have more or less, such as by an invalid answer.
        const MARGIN: f64 = 0.1;
        let Some(preview) = self.simulated.clone().filter(|_| matches!(call.want, Want::Answer { .. })) else { return Ok(None) };
        let length = |tokens: f64| Length::new((1.0 - MARGIN) * tokens, tokens, (1.0 + MARGIN) * tokens);
        if let Some((made, tokens)) = self.foretold.lock().get(&task).copied().filter(|(made, _)| *made >= MADE) {
            return Ok(Some((length(tokens as f64 / f64::from(made)), None)));
        }
        let call = call.clone();
        let made = spawn_blocking(move || preview.answer(&call)).await;
        let Foretold { tokens, answer } = made.map_err(|e| RunError::Internal(format!("an answer was not foretold: {e}")))?;
        let mut foretold = self.foretold.lock();
        let (made, sum) = foretold.entry(task).or_default();
        (*made, *sum) = (*made + 1, *sum + tokens);
        drop(foretold);
        Ok(Some((length(tokens as f64), answer)))
    }

    /// Whether a document had a row before settings or jobs changed.
    pub async fn had_a_row(&self, id: DocumentId) -> Result<bool, RunError> {
        Ok(Self::row_in(self.before.as_ref(), id).await?.is_some())
    }

    /// The row of a document under the recipe.
    pub async fn row(&self, id: DocumentId) -> Result<Option<RowState>, RunError> {
        Self::row_in(self.current.as_ref(), id).await
    }

    async fn row_in(catalog: Option<&Arc<Mutex<Catalog>>>, id: DocumentId) -> Result<Option<RowState>, RunError> {
        let Some(catalog) = catalog.cloned() else { return Ok(None) };
        let look_up = move || catalog.lock().row(id);
        Ok(spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("a look-up was lost: {e}")))??)
    }

    /// Whether the call shares the answer of an identical call.
    ///
    /// That call is on another document, or on an earlier version of this row. It may be predicted
    /// or already answered.
    async fn is_shared(&self, key: CallKey, row: Option<&str>) -> Result<bool, RunError> {
        let first = || self.seen.lock().insert(key);
        let will_be = self.answers.sharing.is_some() && !first();
        Ok(will_be || self.answers.shared(key, row).await?.is_some())
    }
}

/// The dry run of one document.
pub(super) struct DryRun<'s> {
    shared: &'s Shared,
    /// Number of calls in earlier rounds.
    earlier_rounds: AtomicUsize,
    calls: Mutex<Vec<Foreseen>>,
}

impl<'s> DryRun<'s> {
    pub fn new(shared: &'s Shared) -> Self {
        Self { shared, earlier_rounds: AtomicUsize::new(0), calls: Mutex::default() }
    }

    /// All calls of a document, or why it can have no calls.
    pub async fn calls(
        self,
        subject: Subject<'_>,
        chunks: Chunks,
        row: Option<&Map<String, Value>>,
    ) -> Result<Result<Vec<Foreseen>, Failure>, RunError> {
        match answer(&self, subject, chunks, row).await {
            Ok(_) | Err(Unfinished::Stopping | Unfinished::Deferred) => Ok(Ok(self.calls.into_inner())),
            Err(Unfinished::Unasked(failure)) => Ok(Err(failure)),
            Err(Unfinished::Error(error)) => Err(error),
        }
    }

    /// Whether calls of earlier rounds have made-up answers. Keys of later calls are then useless.
    ///
    /// `None`: no answer is made up. `Some(true)`: the document is a copy whose calls are shared,
    /// so its later calls are shared too.
    fn made_up_so_far(&self) -> Option<bool> {
        let calls = self.calls.lock();
        let earlier = self.earlier_rounds.load(Relaxed);
        let made_up = calls.iter().take(earlier).filter(|call| call.past.is_none_or(|past| !past.answered && past.cost.is_none()));
        let (all, open) = made_up.fold((0, 0), |(all, open), call| (all + 1, open + usize::from(call.past.is_none())));
        (all > 0).then_some(open == 0)
    }

    /// A record with the foretold answer, or a made-up one of the expected length.
    fn made_up(&self, call: &Call, expected: Length, foretold: Option<Value>) -> CallRecord {
        const BYTES_PER_TOKEN: f64 = 4.0;
        let tokens = self.shared.lengths.get(&*call.task).copied().unwrap_or(expected.likely);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of answers")]
        let answer = foretold.unwrap_or_else(|| match &call.want {
            Want::Answer { schema, .. } => stand_in(schema, (tokens * BYTES_PER_TOKEN) as usize),
            Want::Vector { form, .. } => vector_answer(form.dimensions.unwrap_or(0) as usize),
        });
        CallRecord { status: CallStatus::Ok, answer: Some(answer), ..RowMaker::record(call, &Spent::default(), None) }
    }
}

impl Answerer for DryRun<'_> {
    fn account(&self) -> &Account {
        &self.shared.account
    }

    fn effort(&self) -> Option<&Arc<str>> {
        self.shared.effort.as_ref()
    }

    fn fence(&self) -> &Fence {
        &self.shared.fence
    }

    async fn ask_all(&self, subject: Subject<'_>, calls: Vec<Call>) -> Result<Vec<CallRecord>, Unfinished> {
        let shared = self.shared;
        let keys: Vec<CallKey> = calls.iter().map(|call| call.key(&shared.endpoint)).collect();
        let before = shared.answers.look_up(subject.id, subject.is_new, &keys).await?;
        // Answered calls had a role when they were sent. If no call is open, all get a role.
        let is_asked = before.iter().any(|before| matches!(before, Before::Open { .. }));
        let all_open: Vec<Before> = calls.iter().map(|_| Before::Open { earlier: None, replaces: false, again: false }).collect();
        let roles = roles(&calls, if is_asked { &before } else { &all_open }, &shared.account.prices);
        let earlier = self.calls.lock().len();
        self.earlier_rounds.store(earlier, Relaxed);
        let mut records = Vec::with_capacity(calls.len());
        for (((call, key), before), role) in calls.iter().zip(keys).zip(before).zip(roles) {
            let task = shared.task(subject.job, call);
            let (mut expected, thinking) = shared.expected(task, call);
            let tokens = shared.input_tokens(call);
            let (record, past) = match before {
                Before::Answered(record) | Before::Failed(record) => {
                    let record = RowMaker::known(call, record);
                    // A shared answer has no cost here, so it teaches nothing about costs.
                    let paid = record.shared_from.is_none();
                    let answered = paid && record.status == CallStatus::Ok;
                    let past = Past { answered, usage: record.usage, cost: record.cost_usd.filter(|_| paid) };
                    (record, Some(past))
                }
                Before::InDoubt(_) | Before::Open { .. } => match shared.answers.elsewhere(key, subject.name).await? {
                    Some(record) => {
                        let past = Past { answered: record.status == CallStatus::Ok, usage: record.usage, cost: record.cost_usd };
                        (RowMaker::known(call, record), Some(past))
                    }
                    None => {
                        let free = Past { answered: false, usage: Usage::default(), cost: None };
                        let is_shared = match self.made_up_so_far() {
                            None => shared.is_shared(key, subject.row).await?,
                            Some(is_copy) => is_copy,
                        };
                        let mut foretold = None;
                        if let Some((length, answer)) = shared.foretold(task, call).await? {
                            (expected, foretold) = (length, answer);
                        }
                        (self.made_up(call, expected, foretold), is_shared.then_some(free))
                    }
                },
            };
            let max_output = match &call.want {
                Want::Answer { max_output_tokens, .. } => u64::from(shared.room) + u64::from(*max_output_tokens),
                Want::Vector { .. } => 0,
            };
            let mut foreseen = self.calls.lock();
            foreseen.push(Foreseen {
                task,
                round: if earlier == 0 { 0 } else { 1 + u8::from(&*call.task == COMBINE) },
                order: if shared.prime { role.order() } else { Order::Alone },
                tokens,
                images: call.image_tokens(),
                shared: call.shared_tokens().min(tokens),
                length: expected.and(thinking),
                most_tokens: call.most_input_tokens(),
                max_output,
                past,
            });
            drop(foreseen);
            records.push(record);
        }
        Ok(records)
    }
}
