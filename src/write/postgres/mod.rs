//! Writes rows into tables of a PostgreSQL database, while the run is active.
//!
//! Each job has a table with one typed column for each result column. The name of the document is the
//! key, so a row may be written again at any time. A group of rows is one transaction: COPY into a
//! temporary table, then an upsert. The same transaction stores how far the table has come, in the
//! table `docmill_tables` of the same schema.
//!
//! An advisory lock of the session keeps other runs away from the table. The server releases it when
//! the connection ends, also if docmill is killed.
//!
//! | file | content |
//! |---|---|
//! | `address` | the address of a database, without its secrets in messages |
//! | `tls` | encryption as `sslmode` demands it |
//! | `types` | types of columns, and values as text of COPY |
//! | `table` | definition of a table: created, extended, compared |
//! | `refusal` | which row a constraint or a trigger refuses |
//! | `session` | a connection with its locks: groups of rows |
//! | `settling` | makes a table equal to the results |
//! | `vector_table` | a table of chunks with their vectors |

mod address;
mod error;
mod ownership;
mod refusal;
mod session;
mod settling;
mod table;
mod tls;
mod types;
mod vector_table;

pub use address::PostgresAddress;
pub use error::PostgresError;
pub use session::{PostgresSession, SentRow};
pub use settling::{RowKey, Settling};
pub use vector_table::VectorTable;
