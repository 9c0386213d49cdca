//! The arguments of processes that docmill starts itself.

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ReadDocumentsArgs {
    /// Maximum memory, in megabytes
    pub megabytes: u64,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ReadTableArgs {
    /// Maximum memory, in megabytes
    pub megabytes: u64,
    /// Maximum CPU time for a piece of the table, in seconds
    pub seconds: u64,
    /// Name of the format
    pub format: String,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct UnpackArgs {
    /// Maximum memory, in megabytes
    pub megabytes: u64,
    /// Maximum CPU time for a piece of work, in seconds
    pub seconds: u64,
    /// What to write about the archive that is stdin. Without it, stdin is a series of requests
    pub request: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ReadSheetArgs {
    /// Maximum memory, in megabytes
    pub megabytes: u64,
    /// Maximum CPU time, in seconds
    pub seconds: u64,
    /// Name of the reader
    pub format: String,
    /// The sheet
    pub sheet: Option<String>,
    /// The column that identifies rows
    #[arg(long)]
    pub id_column: Option<String>,
}
