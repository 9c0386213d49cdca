//! Batches: files of requests, each with a completion window.
//!
//! A worker reads the lines of a batch as a stream, and has at most `llm.concurrency` of them in
//! memory. Each answer is durable before its line counts as done, so a restart goes on with the
//! other lines. Lines go after requests that a client waits for.
//!
//! | files | what they do |
//! |---|---|
//! | `record` | a batch in the ledger and in OpenAI's form |
//! | `create` | create, find, list and cancel batches |
//! | `validate` | check all lines of a file before any is sent |
//! | `work` | from `validating` to the end; `lines` asks, `results` writes the files |

mod create;
mod lines;
mod record;
mod results;
mod validate;
mod work;

pub use create::NewBatch;
pub use record::Batch;
pub(super) use work::Active;
