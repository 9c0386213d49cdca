//! docmill runs a language-model job over a directory of documents and writes ordered results.
//!
//! It is `make` for documents and models: a result row is a function of (document bytes, preparation settings, job,
//! model), and `docmill run` brings the results up to date. A call whose answer is committed is never sent again.
//!
//! ```text
//!  walk ──> read ──────> prepare ─────> ask ──────────> commit ─────> write
//!  sorted   N readers    rayon          calls under     one SQLite    input order,
//!  lazy     (tokio)      (CPU)          permits,        writer,       csv json jsonl
//!                                       retries         group commit
//!    └─ bounded ─┴─ bounded ─┴─ bounded ──┴── bounded ────┴── bounded ──┘
//!                                               events + counters ──> progress (bars, lines, json, metrics, traces, alerts)
//! ```
//!
//! To find how something works, follow the data: [`cli`] reads the arguments, [`setup`] makes a
//! plan of settings, job and environment, `engine::pipeline` shows every stage and channel; then
//! [`read`], [`prepare`], [`job`] (what to ask), [`ask`] (how to ask it), [`store`], [`mod@write`].
//! [`progress`] watches, [`html_report`] shows afterwards what happened; through [`control`] other
//! terminals talk to a run.
//!
//! Modules may use those below them, and never those above or beside:
//!
//! | level | modules | may use |
//! |---|---|---|
//! | 0 | [`model`]; [`event`] and [`repair`], which may use it; [`manual`]; `failpoint`, for tests | std, serde, jiff (as a type) |
//! | 1 | [`config`], [`job`], [`prepare`], [`insight`], [`ask::dialect`], [`ask::pricing`], [`remote`] | level 0; pure: no tokio, no files, no clock |
//! | 2 | [`read`], [`ask`], [`store`], [`mod@write`], [`simulator`], [`control`] | levels 0 and 1; side effects, one kind each |
//! | 3 | [`engine`]; beside it [`html_report`] | levels 0 to 2 |
//! | beside 3 | [`progress`] | [`event`], [`model`] |
//! | 4 | [`setup`] | levels 0 to 3 |
//! | 5 | [`cli`] | all |
//!
//! Decisions that the code took and that are not obvious from the outside:
//!
//! - The embedded `pipeline.toml` is both the lowest layer of settings and their schema ([`config`]): there is no second
//!   place where a default could be written down.
//! - The call key is taken from the nouns of a call and not from the request body, so that a change of wire details
//!   does not invalidate paid answers ([`model::Call::key`]).
//! - A document of the store is a name and a content, and a row belongs to a document and a recipe (everything else that
//!   decides about it). So a run compares the walk with what is known, in one merge of two sorted streams, and touches
//!   only what differs; a renamed file is recognised by its content (`engine::list`, `engine::register`).
//! - An attempt is durable before its bytes leave, under its permit: the ledger names exactly the calls in flight.
//! - Limits are one pure state over times (`ask::governor::limits`), kept in memory or in a file under its lock
//!   (`ask::governor::limit_store`), which no process waits for. A limit that nobody declares is measured between two refusals, when the provider's bucket is empty.
//! - A cap that settings give is among the shared limits only as long as somebody at work has it (`ask::governor::configured`): processes keep to each
//!   other's, and no later run to one that has ended.
//! - Whether refusals come of a limit at all is tried out now and then (`ask::governor::random_refusals`): a limit lets no more through when one asks
//!   faster, chance does. Without that, each refusal by chance would make the pace slower, and nothing would make it faster again.
//! - What fails in a streak that stops the run is recorded like any failure and taken back at the end: holding verdicts back
//!   until they are sure would hold documents back (`engine::breaker`).
//! - The cap on money counts the whole output directory, so no kill and no second run can pass it.
//! - What libraries read (PDF, Office, mail ...) is read by this same program in processes of its own (`engine::isolation`): a time-out
//!   and a limit of memory cannot be had inside one process. A kind of document is a file in [`prepare`] and a line in its table.
//! - The stamp of a row of a table is a hash of all of it, its digest one of what can reach a model: rows may move without being
//!   asked again, and columns that are only passed on may change.
//! - Long documents are divided before they are asked about (`engine::chunks`), by limits that depend on job and model alone: what is
//!   learned during a run must not change what is asked in the next.
//! - What slots do is measured as integrals that are advanced at each change (`engine::meter`), so the states of a stage add up to its time;
//!   only the governor knows why requests were kept back, so it keeps that count itself.
//! - What holds a run back is arithmetic over least times ([`insight`]), not a table of symptoms: the same arithmetic predicts what a change brings,
//!   and `docmill tune` is a loop around it.
//! - A pilot is a run of some documents that ends early (`engine::selection`): what it pays for is kept, and the next run goes on from there.
//! - The engine knows no process: signals, the control port and the exit of the program belong to its
//!   caller (`cli::host`), which gives it controls and a watcher (`engine::Controls`,
//!   `engine::Watcher`). The watcher may drop counters and must take facts.
//! - Who can read the note in a run's output directory may talk to the run ([`control`]): it holds a
//!   port on loopback and a token. A socket in that directory would fail where paths are long. The
//!   engine answers requests in one place (`engine::runtime_control`). New settings pass the same
//!   checks as those at the beginning.
//! - A document that is to be asked again is marked with a code that no failure has, so it is tried again like one that may pass;
//!   results and paid answers stay until there are new ones (`store::requeue`).
//! - The writer keeps one number, the next position, and reads rows back from the store ([`store::ViewReader`]): there is
//!   no reorder buffer and not even an index in memory.
//! - Each run keeps what its inputs were. A run that looks at all inputs of the results makes new ones; any other one would drop rows
//!   from view, and needs a word (`setup::existing`). Adding unites two listings in SQLite (`store::unite`): positions stay dense.
//! - A plan is a run up to the question: the same stages, over a store that is only read and with records that go nowhere; answers that
//!   follow-up calls are made of are made up (`engine::survey`, `engine::dry_run`). So it cannot count otherwise than a run does.
//! - The walk keeps names of one directory as bytes in one buffer: walkdir's own sort would hold a path for each of a
//!   million files.

pub mod ask;
pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod event;
mod failpoint;
pub mod html_report;
pub mod insight;
pub mod job;
pub mod manual;
pub mod model;
pub mod prepare;
pub mod progress;
pub mod read;
pub mod remote;
pub mod repair;
pub mod setup;
pub mod simulator;
pub mod store;
pub mod write;
