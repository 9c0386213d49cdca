//! The run store: one SQLite file in the output directory.
//!
//! One thread writes in groups. It takes all waiting records, commits them in one durable
//! transaction, and then notifies the senders. Each reader has its own connection. Result files are
//! a view of this store.
//!
//! The order of writes is the protocol:
//!
//! - An attempt is durable before its first byte is sent.
//! - An answer and the end of its attempt are one transaction, durable before anyone uses the
//!   answer.
//!
//! After a crash at any time, each call is therefore either not sent, recorded as in doubt, or
//! answered.
//!
//! Tables, documented for SQL users (`schema/*.sql`): `runs`, `documents`, `answers`, `failures`,
//! `attempts`, `rows`, `listing`, `files`, `samples`, `cancelled`, `vectors`, `passages`, `chunks`,
//! `embed_tasks`, `pack_limits`, `absorbed` and `secret`; `outbox` if rows are delivered. The
//! views `results_<job>` show the newest results of each job.

mod absorb;
mod answered;
mod audit;
mod cancelled;
mod catalog;
mod chunks;
mod counts;
mod damage;
mod disk_reserve;
mod error;
mod figures;
mod following;
mod handle;
mod history;
mod insert;
mod kept_rows;
mod ledger;
mod lock;
mod nearest;
mod outbox;
mod places;
mod prune;
mod reader;
mod records;
mod requeue;
mod run;
mod schema;
mod segment;
mod settings;
mod streaming;
mod timeline;
mod unite;
mod vectors;
mod view;
mod views;
mod writer;

pub use absorb::{absorb, create};
pub use answered::AnsweredContents;
pub use audit::{Bookkeeping, Content};
pub use catalog::{Catalog, Retry, RowState, Version};
pub use chunks::StoredChunk;
pub use counts::{Counts, RunCounts, own_code};
pub use error::StoreError;
pub use figures::{AttemptRecord, DocumentPath, ResultRecord};
pub use following::{NewestRows, ResultOrder};
pub use handle::{StoreHandle, StoreWatcher, WriterGone};
pub use history::{AnsweredRequest, Archive, Doubt, RunRecord};
pub use ledger::Requests;
pub use lock::{Holder, LockError, RunLock};
pub use nearest::Passage;
pub use outbox::{Outbox, OutboxEntry};
pub use prune::{Excess, Group};
pub use reader::{AnswerReader, Known};
pub use records::{
    DocumentRecord, EmbedRecord, NewAnswer, NewAttempt, NewChunk, NewFailure, NewRequest, NewRow, NewVector, PackLimit, ReadDocument,
    Settlement,
};
pub use run::{EndedRun, NewRun, Store};
pub use segment::{RunProgress, Segments};
pub use settings::StoreSettings;
pub use streaming::{CommittedRow, CommittedRows};
pub use timeline::{Attempted, Pace, Request};
pub use unite::{Kept, Placed};
pub use vectors::{KnownVector, VectorReader};
pub use view::{StoredRow, View, ViewReader};
pub use writer::{OnCommit, StoreWriter};

/// Name of the store in the output directory.
pub const FILE_NAME: &str = "docmill.db";

#[cfg(test)]
mod tests;
