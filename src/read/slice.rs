//! A part of the input that was listed before.

use crate::model::Stamp;

/// Documents of an earlier listing, in order.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Position of the first document in the whole input.
    pub from: u64,
    /// Names of the documents, with their stamps if the listing had them.
    pub documents: Vec<(String, Option<Stamp>)>,
}
