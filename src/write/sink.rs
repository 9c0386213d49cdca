//! Destinations of results.

use crate::model::{Digest, JobColumns, ResultFile, Row};
use std::io;

/// A destination of one job's results, such as a file.
///
/// A sink gets the rows of its job in input order. It may get all rows again: after a crash, in the
/// next run, or from `docmill export`. Therefore it is idempotent by row key, which consists of the
/// names of job and document. A row of a table is a separate document, whose name ends with the
/// row's id (`parts.csv#17`). After [`SinkRows::finish`], a sink holds exactly the rows since
/// [`Sink::begin`].
pub trait Sink: Send {
    /// Its path below the output directory. The store records published results by this path.
    fn path(&self) -> &str;

    /// Its name in `output.formats`.
    fn format(&self) -> &'static str;

    /// Whether the settings name the sink. Other sinks are kept up to date if they exist.
    fn is_configured(&self) -> bool;

    /// Whether the sink holds results, old or new.
    fn exists(&self) -> bool;

    /// Whether the sink still holds `published` in the configured form.
    fn is_current(&self, published: &ResultFile) -> bool;

    /// Whether another version of docmill has written the results, so that equal rows may have another
    /// digest.
    fn is_of_another_version(&self) -> bool {
        false
    }

    /// Digest of the results in the sink. Reads all of them.
    fn digest(&self) -> io::Result<Digest>;

    /// Begins new results. Readers see none of them before [`SinkRows::finish`].
    fn begin(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>>;

    /// Begins results that are hashed and not stored. Callers compare the digest with the existing
    /// results.
    fn remake(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>>;
}

/// Results of one sink during writing.
pub trait SinkRows: Send {
    /// Adds the next row; `line` is the same row as JSON.
    fn push(&mut self, row: &Row, line: &str) -> io::Result<()>;

    /// A remark on what the destination cannot hold, once all rows are there.
    fn note(&self) -> Option<String> {
        None
    }

    /// Publishes the results atomically and durably. If `self` is dropped instead, the earlier
    /// results stay.
    fn finish(self: Box<Self>) -> io::Result<ResultFile>;
}
