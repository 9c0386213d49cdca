//! What the results of a run say to people, from one pass over its rows.

use super::bill::Bill;
use super::facets::{Facet, FieldCounts};
use super::history::parsed;
use super::specialists::Specialists;
use crate::model::{LedgerSum, Row};
use crate::store::{Archive, ResultRecord, RunRecord, StoreError};
use serde::Serialize;

/// What the results say.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Charts of the fields. Their bars are filters.
    pub fields: Vec<Facet>,
    /// The matrix of specialists, if the job has some.
    pub specialists: Option<Specialists>,
    /// The bill.
    pub bill: Bill,
}

impl Findings {
    /// Reads the rows of a listing under a recipe. `ledger` has the sums over all runs. Skips
    /// unreadable rows; writing the rows reports them.
    pub fn gather(archive: &Archive, view: (i64, i64), run: &RunRecord, ledger: &LedgerSum) -> Result<Self, StoreError> {
        let (mut fields, mut specialists, mut bill) = (FieldCounts::new(&run.jobs), Specialists::default(), Bill::default());
        archive.results(view, |record: ResultRecord<'_>| -> Result<bool, StoreError> {
            if let Ok(row) = Row::read(record.position, record.document, record.text) {
                specialists.add(&row);
                fields.add(&row);
                bill.add(&row);
            }
            Ok(true)
        })?;
        let fields = fields.finish(|field| specialists.hides(field));
        let bill = bill.finish(&parsed(run.summary.as_deref()), ledger);
        Ok(Self { fields, specialists: specialists.finish(), bill })
    }
}
