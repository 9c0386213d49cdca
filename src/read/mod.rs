//! Finds documents and reads their bytes (stage 1).
//!
//! The walk is lazy and sorted by path bytes, so input order is the same on every machine. It
//! returns one result for every regular file and every object. It skips hidden files, files
//! excluded by patterns and docmill's own output, and counts them.

mod arrived;
mod compressed;
mod containers;
mod count;
mod decode_table;
mod decoder;
mod directory_entries;
mod elsewhere;
mod environment;
mod file;
mod file_list;
mod filter;
mod group;
mod inside;
mod lines;
mod links;
mod listing;
mod members;
mod path_names;
mod place;
mod progress;
mod record;
mod remote;
mod roots;
mod settings;
mod sheet;
mod slice;
mod sliced;
mod spool;
mod stamp;
mod table;
mod tables;
mod text;
mod unpacker;
mod walk;

pub use compressed::is_stream;
pub use decode_table::decode_table;
pub use decoder::{READ_TABLE, this_program};
pub use environment::InputEnvironment;
pub use file::Opened;
pub use filter::is_hidden;
pub use lines::{Line, Lines};
pub use links::FollowLinks;
pub use path_names::real as real_path;
pub use progress::Progress;
pub use record::{
    Coverage, InputKind, InputRecord, RowColumns, coverage, delivered_before, file_of, id_of, is_made_up, is_version_of, read_otherwise,
    standing_apart, united, versions,
};
pub use remote::Remote;
pub use roots::{InputError, Roots};
pub use settings::{Archives, Attachments, Grouping, InputSettings, OnEmpty, ReadSettings, Tables};
pub use sheet::READ_SHEET;
pub use slice::Slice;
pub use table::{is_table_name, is_workbook_name};
pub use text::text_file;
pub use unpacker::UNPACK;
pub use walk::{Found, Walk};
