//! Destinations of results.

use crate::model::{Digest, JobColumns, ResultFile, Row};
use std::io;

/// A destination of one job's results: a file, later a table of a database.
///
/// A sink gets the rows of its job in input order. It gets all of them again after a crash, in the
/// next run, or by `docmill export`. So it is idempotent by row key: the names of job and document.
/// A row of a table is a separate document, whose name ends with the row's id (`parts.csv#17`).
/// From [`SinkRows::finish`] on, a sink holds exactly the rows since [`Sink::begin`].
pub trait Sink: Send {
    /// Its path below the output directory, by which the store remembers what was published.
    fn path(&self) -> &str;

    /// Whether the settings ask for it. Other sinks are kept up to date if they exist.
    fn is_configured(&self) -> bool;

    /// Whether it holds results, old or new.
    fn exists(&self) -> bool;

    /// Whether it still holds `published`, in the form that the settings ask for. Need not read it
    /// whole.
    fn is_current(&self, published: &ResultFile) -> bool;

    /// Digest of what it holds. Reads it whole.
    fn digest(&self) -> io::Result<Digest>;

    /// Begins new results. Readers see none of them before [`SinkRows::finish`].
    fn begin(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>>;

    /// Begins the results that it already holds, without changing anything: only for their digest.
    fn remake(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>>;
}

/// Results of one sink during writing.
pub trait SinkRows: Send {
    /// Adds the next row; `line` is the same row as JSON.
    fn push(&mut self, row: &Row, line: &str) -> io::Result<()>;

    /// Publishes the results at once, and durably. Dropping them instead leaves earlier results.
    fn finish(self: Box<Self>) -> io::Result<ResultFile>;
}
