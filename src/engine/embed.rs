//! Asks for the vectors of texts. Equal texts share one vector in all documents and runs.

use super::ask::{Asking, DocumentProcessor, json};
use super::document::{Subject, Unfinished};
use super::known_vectors::{KnownVectors, shared};
use super::row::RowMaker;
use crate::model::{Call, CallRecord, Money, Spent};
use crate::store::NewAnswer;
use std::sync::atomic::Ordering::Relaxed;

impl DocumentProcessor {
    /// Takes the known vector of an equal text, or asks for it.
    pub(super) async fn embed_once(
        &self,
        subject: Subject<'_>,
        call: &Call,
        asking: Asking<'_>,
        vectors: &KnownVectors,
    ) -> Result<CallRecord, Unfinished> {
        let Asking { key, replaces, again, .. } = asking;
        let turn = vectors.turn(key).await;
        let mut known = asking.known.cloned();
        if turn.waited && known.is_none() {
            known = vectors.look_up(std::slice::from_ref(call), &[key]).await?.pop().flatten();
        }
        if let Some(known) = known.filter(|_| !again) {
            self.context.meters.reused.fetch_add(1, Relaxed);
            let record = shared(known, RowMaker::record(call, &Spent { cost: Some(Money::ZERO), ..Spent::default() }, None));
            self.keep(NewAnswer { document: subject.id, key, call: json(&record)?, settles: None, replaces, vector: None }).await?;
            return Ok(record);
        }
        if let Some(doubts) = self.answers.doubts(subject.id, key) {
            self.store.give_up(doubts).await.map_err(|gone| self.store_failed(gone))?;
        }
        self.ask_one(subject, call, asking).await
    }
}
