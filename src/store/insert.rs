//! SQL statements of the writing thread. All run inside its transaction.

use super::reader::REQUEUED;
use super::records::{DocumentRecord, NewAnswer, NewAttempt, NewFailure, NewRequest, NewRow, ReadDocument, Run, Settlement};
use super::{cancelled, places, vectors};
use crate::model::{DocumentId, Money, Stamp};
use jiff::Timestamp;
use rusqlite::{Result, Transaction};

pub(super) fn read(t: &Transaction<'_>, run: Run, read: &ReadDocument) -> Result<()> {
    let ReadDocument { position, id, record, renamed, forget_row } = read;
    if *renamed {
        outdate_files(t)?;
    }
    record.iter().try_for_each(|record| document(t, record))?;
    if *forget_row && run.may_replace_rows {
        forget(t, run, *id)?;
    }
    listed(t, run, *position, *id)
}

pub(super) fn forget(t: &Transaction<'_>, run: Run, document: DocumentId) -> Result<()> {
    vectors::forget_chunks(t, run, document)?;
    let gone = t.prepare_cached("DELETE FROM rows WHERE recipe = ?1 AND document = ?2")?.execute((run.recipe, document.0))?;
    if gone > 0 { outdate_files(t) } else { Ok(()) }
}

/// Marks all result files as outdated, durably. The caller has changed a name or a row in them.
fn outdate_files(t: &Transaction<'_>) -> Result<()> {
    t.prepare_cached("UPDATE files SET run = 0 WHERE run <> 0")?.execute(()).map(|_| ())
}

fn document(t: &Transaction<'_>, record: &DocumentRecord) -> Result<()> {
    let sql = "INSERT INTO documents (id, name, digest, stamp) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, digest = excluded.digest, stamp = excluded.stamp";
    let digest: &[u8] = record.digest.as_ref().map_or(&[], |digest| &digest.0);
    let stamp = record.stamp.map(stamp_bytes);
    let stamp: &[u8] = stamp.as_ref().map_or(&[], |stamp| stamp);
    t.prepare_cached(sql)?.execute((record.id.0, &record.name, digest, stamp)).map(|_| ())
}

/// Encodes a stamp for the store.
pub(super) fn stamp_bytes(stamp: Stamp) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&stamp.size.to_be_bytes());
    bytes[8..16].copy_from_slice(&stamp.modified_ns.to_be_bytes());
    bytes[16..].copy_from_slice(&stamp.changed_ns.to_be_bytes());
    bytes
}

pub(super) fn branch(t: &Transaction<'_>, run: Run, from: Option<i64>, before: u64) -> Result<()> {
    let sql = "INSERT INTO listing SELECT ?1, position, document FROM listing WHERE run = ?2 AND position < ?3";
    match from {
        Some(from) => t.execute(sql, (run.id, from, before)).map(|_| ()),
        None => Ok(()),
    }
}

pub(super) fn listed(t: &Transaction<'_>, run: Run, position: u64, document: DocumentId) -> Result<()> {
    t.prepare_cached("INSERT OR REPLACE INTO listing VALUES (?1, ?2, ?3)")?.execute((run.id, position, document.0))?;
    if run.follows { places::placed(t, run, position, document) } else { Ok(()) }
}

pub(super) fn walked(t: &Transaction<'_>, run: Run, listing: i64, documents: u64) -> Result<()> {
    t.execute("UPDATE runs SET listing = ?2, documents = ?3 WHERE id = ?1", (run.id, listing, documents)).map(|_| ())
}

pub(super) fn request(t: &Transaction<'_>, run: Run, request: &NewRequest) -> Result<()> {
    let sql = "INSERT INTO attempts (id, request, run, document, call_key, call, attempt, sent_ms, at_most_pico_usd, queued_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = t.prepare_cached(sql)?;
    let (now, queued) = (Timestamp::now().as_millisecond(), request.queued.as_millisecond());
    for (id, attempt) in (request.number..).zip(&request.attempts) {
        let NewAttempt { document, key, call, number, at_most } = attempt;
        let at_most = at_most.map(Money::pico);
        insert.execute((id, request.number, run.id, document.0, &key.0[..], call, number, now, at_most, queued))?;
    }
    Ok(())
}

pub(super) fn settle(t: &Transaction<'_>, settlement: &Settlement) -> Result<()> {
    let sql = "UPDATE attempts SET sent_ms = ?2, first_byte_ms = ?3, ended_ms = ?4, outcome = ?5, uncached_input_tokens = ?6,
        cache_read_tokens = ?7, cache_write_tokens = ?8, output_tokens = ?9, pico_usd = ?10 WHERE id = ?1";
    let Settlement { attempt, outcome, usage, cost, moments } = settlement;
    let (sent, first_byte, ended) =
        (moments.sent.as_millisecond(), moments.first_byte.map(Timestamp::as_millisecond), moments.ended.as_millisecond());
    let tokens = (usage.uncached_input, usage.cache_read, usage.cache_write, usage.output);
    let values = (attempt, sent, first_byte, ended, outcome, tokens.0, tokens.1, tokens.2, tokens.3, cost.map(Money::pico));
    t.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn lost(t: &Transaction<'_>, attempt: i64) -> Result<()> {
    t.prepare_cached("UPDATE attempts SET outcome = 'lost' WHERE id = ?1 AND outcome IS NULL")?.execute([attempt]).map(|_| ())
}

pub(super) fn answer(t: &Transaction<'_>, run: Run, answer: &NewAnswer) -> Result<()> {
    let NewAnswer { document, key, call, settles, replaces, vector } = answer;
    if let Some(settlement) = settles {
        settle(t, settlement)?;
    }
    if *replaces {
        for old in
            ["DELETE FROM failures WHERE document = ?1 AND call_key = ?2", "DELETE FROM answers WHERE document = ?1 AND call_key = ?2"]
        {
            t.prepare_cached(old)?.execute((document.0, &key.0[..]))?;
        }
    }
    if let Some(vector) = vector {
        vectors::insert(t, *document, *key, vector, *replaces)?;
    }
    // Otherwise the first answer stays: a paid answer is never overwritten.
    t.prepare_cached("INSERT INTO answers (document, call_key, run, call) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
        .execute((document.0, &key.0[..], run.id, call))
        .map(|_| ())
}

pub(super) fn failure(t: &Transaction<'_>, run: Run, failure: &NewFailure) -> Result<()> {
    let NewFailure { document, key, code, call, settles } = failure;
    settle(t, settles)?;
    t.prepare_cached("INSERT OR REPLACE INTO failures (document, call_key, run, code, call) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((document.0, &key.0[..], run.id, code, call))
        .map(|_| ())
}

pub(super) fn row(t: &Transaction<'_>, run: Run, row: &NewRow) -> Result<()> {
    if let Some(name) = &row.given_up {
        cancelled::forget(t, name)?;
    }
    // A run makes a second row of a document if a user requeued it, or if the document was renamed
    // while its call was in flight.
    let made = "SELECT 1 FROM rows WHERE recipe = ?1 AND document = ?2 AND run = ?3 AND instr(ifnull(codes, ''), ?4) = 0";
    let is_known = run.delivers && t.prepare_cached(made)?.exists((run.recipe, row.document.0, run.id, REQUEUED))?;
    if run.may_replace_rows {
        forget(t, run, row.document)?;
    }
    let sql = "INSERT INTO rows (recipe, document, run, job, status, failure_code, codes, result, found_ms, read_ms, ready_ms, done_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let [found, read, ready] = [row.times.found, row.times.read, row.times.ready].map(Timestamp::as_millisecond);
    t.prepare_cached(sql)?.execute(rusqlite::params![
        run.recipe,
        row.document.0,
        run.id,
        &row.job,
        row.status,
        row.failure_code,
        &row.codes,
        &row.result,
        found,
        read,
        ready,
        Timestamp::now().as_millisecond()
    ])?;
    vectors::insert_chunks(t, run, row)?;
    if run.follows { places::replace_older(t, run, row.document, is_known) } else { Ok(()) }
}

pub(super) fn sample(t: &Transaction<'_>, run: Run, elapsed_ms: i64, sample: &str) -> Result<()> {
    t.prepare_cached("INSERT OR REPLACE INTO samples VALUES (?1, ?2, ?3)")?.execute((run.id, elapsed_ms, sample)).map(|_| ())
}

pub(super) fn settings(t: &Transaction<'_>, run: Run, settings: &str) -> Result<()> {
    t.execute("UPDATE runs SET settings = ?2 WHERE id = ?1", (run.id, settings)).map(|_| ())
}
