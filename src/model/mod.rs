//! Plain data types that the stages exchange.
//!
//! This module reads no files, opens no sockets and reads no clock, so every other module may use
//! it.

mod bottleneck;
mod call;
mod causes;
mod checked;
mod column;
mod command;
mod counted;
mod document;
mod failure;
mod fence;
mod json;
mod json_schema;
mod latency;
mod moments;
mod money;
mod nearest;
mod prepared;
mod reply;
mod row;
mod schema;
mod server;
mod stage;
mod summary;
mod tally;
mod wording;

pub use bottleneck::{Bottleneck, Change, Limit};
pub use call::{Call, CallKey, MessagePart, VectorForm, Want};
pub use causes::{causes, with_causes};
pub use checked::{Checked, Repair, Unfit};
pub use column::{Column, ColumnType, JobColumns};
pub use command::{command_in, subcommand};
pub use counted::counted;
pub use document::{ContainerMember, Digest, Document, DocumentId, GROUP_EXTENSION, Kind, Place, Stamp, TableRow, UNNAMED_ROW};
pub use failure::{Failure, FailureCode};
pub use fence::{Fence, FenceMark};
pub use json::from_object;
pub use json_schema::{DRAFT, schema_of};
pub use latency::Latency;
pub use moments::{Attempt, CallTrace, DocumentTimes, Moments, Trace};
pub use money::{Bill, Money};
pub use nearest::{Nearest, did_you_mean};
pub use prepared::{Chunk, Content, ContentBlock, Facts, PageFacts, Picture, Prepared, Text};
pub use reply::{FinishReason, Reply, Spent, Usage};
pub use row::{CallRecord, CallStatus, Row, RowStatus};
pub use schema::Schema;
pub use server::{ServerState, ServerUse};
pub use stage::{QueueUse, StageUse, WaitReason};
pub use summary::{AccountLimit, LedgerSum, LeftOut, ResultFile, RunFigures, Summary, Totals};
pub use tally::{Tally, codes};
pub use wording::{plain_words, unknown_name};
