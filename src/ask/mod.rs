//! Stage 3: ask the model.
//!
//! One call goes through one loop, outermost first: retry -> governor -> timeout -> transport. Only
//! `retry` repeats requests, including those that repair an invalid answer. So a call never makes
//! more requests than its budget of attempts. Wire formats are pure functions in `dialect`. Prices
//! are in `pricing`. `packing` gathers single items into requests.
//!
//! This module does not know the job. The caller passes a function that validates answers.

pub mod dialect;
pub mod lease;
pub mod packing;
pub mod pricing;

mod account;
mod account_error;
mod address;
mod allowance;
mod attempt;
mod billing;
mod budget;
mod budget_service;
mod client;
mod day_budget;
mod exposure;
mod fault;
mod further;
mod governor;
mod hedge;
mod images;
mod judge;
mod local_files;
mod outcome;
mod preflight;
mod provider;
mod reach;
mod relay;
mod relay_endpoint;
mod reply_size;
mod request_forms;
mod request_preview;
mod retry;
mod retry_state;
mod secrets;
mod servers;
mod settings;
mod thinking;
mod tier;
mod timeouts;
mod transport;
mod vectors;

pub use account::Account;
pub use account_error::AccountError;
pub use allowance::Allowance;
pub use budget::{Budget, BudgetReached, CostOfRest, OuterCap, Used, larger_cap};
pub use budget_service::{BudgetService, BudgetServiceError, NoLease};
pub use client::{Answered, Ledger, LedgerClosed, LlmClient, Observer, Question};
pub use day_budget::{DayBudget, DayReached};
pub use fault::{Class, Fault, Pressure, RunStop, StopKind, is_turned_away};
pub use governor::{Accounts, Ending, Governor, GovernorSettings, GovernorStatus, Need, NotAdmitted, Permit, Quota, Reserved, Ticket};
pub use local_files::LocalFiles;
pub use outcome::{CallOutcome, clock_time};
pub use provider::Provider;
pub use reach::{Reached, reach};
pub use relay::{NoRoom, Relay, RelayAttempt, RelayEnd, RelayEvents, RelayFailure, RelayLedger, RelayReply, RelayRequest, RelayTokens};
pub use relay_endpoint::RelayEndpoint;
pub use request_preview::request_preview;
pub use secrets::{ScrubbedStream, Secrets};
pub use servers::{ServerSetting, Servers};
pub use settings::{BudgetSettings, LimitSettings, LlmSettings, PackingSettings, RetrySettings, SlowStart};
pub use thinking::usual_thinking;
pub use tier::Tier;
pub use transport::{ClientError, StreamObserver, Transport, own_roots};
pub use vectors::{PackedAttempt, VectorClient, VectorLedger, checks_cut, query_vector, usual_pack_limits};
