//! docmill runs a language-model job over a directory of documents and writes ordered results.
//!
//! It is `make` for documents and models: a result row is a function of document, preparation
//! settings, job and model. `docmill run` brings the results up to date. A call whose answer is
//! committed is never sent again.
//!
//! ```text
//!  walk ──> read ──────> prepare ─────> ask ──────────> commit ─────> write
//!  sorted   N readers    rayon          calls under     one SQLite    input order,
//!  lazy     (tokio)      (CPU)          permits,        writer,       csv json jsonl
//!                                       retries, packs  group commit  parquet arrow xlsx
//!                                                          └────────> PostgreSQL, in commit order
//!    └─ bounded ─┴─ bounded ─┴─ bounded ──┴── bounded ────┴── bounded ──┘
//!                                               events + counters ──> progress (bars, lines, json, metrics, traces, alerts)
//! ```
//!
//! To find how something works, follow the data: [`cli`] reads the arguments, [`setup`] makes a
//! plan of settings, job and environment, and `engine::pipeline` shows every stage and channel. Then
//! come [`read`], [`prepare`], [`job`] (what to ask), [`ask`] (how to ask it), [`store`] and
//! [`mod@write`]. [`progress`] watches a run, [`html_report`] shows it afterwards, and through
//! [`control`] other terminals talk to it. [`serve`] runs jobs for clients over HTTP, and [`watch`]
//! finds documents that arrive. [`shards`] divides a run between machines, and [`budget`]
//! shares limits and money between them. The page
//! `src/manual/architecture.md` leads from a behaviour to its file, and explains decisions that are
//! not obvious.
//!
//! Modules may use those below them, and never those above or beside:
//!
//! | level | modules | may use |
//! |---|---|---|
//! | 0 | [`model`]; [`event`] and [`repair`], which may use it; [`manual`]; `failpoint`, for tests | std, serde, schemars, strsim, shell-words, jiff (as a type) |
//! | beside 0 | [`system`] | std, tokio, rustix, tempfile |
//! | 1 | [`config`], [`job`], [`prepare`], [`insight`], [`ask::dialect`], [`ask::pricing`], [`remote`] | level 0; pure: no tokio, no files, no clock |
//! | 2 | [`read`], [`ask`], [`store`], [`mod@write`], [`simulator`], [`control`], [`shards`] | levels 0 and 1; side effects, one kind each |
//! | 3 | [`engine`]; beside it [`html_report`] | levels 0 to 2 |
//! | beside 3 | [`progress`] | [`event`], [`model`], [`system`] |
//! | 4 | [`watch`], [`gateway`] | levels 0 to 3 |
//! | 5 | [`setup`] | levels 0 to 4 |
//! | 6 | [`serve`] | levels 0 to 5 |
//! | 7 | [`budget`] | levels 0 to 6 |
//! | 8 | [`cli`] | all |
//!
//! Inside a module no file imports itself through others. `tests/it/circles.rs` holds that.

pub mod ask;
pub mod budget;
pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod event;
mod failpoint;
pub mod gateway;
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
pub mod serve;
pub mod setup;
pub mod shards;
pub mod simulator;
pub mod store;
pub mod system;
pub mod watch;
pub mod write;
