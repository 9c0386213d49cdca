use super::*;
use crate::model::{CallKey, Digest, DocumentId, DocumentTimes, FailureCode, Fence, JobColumns, Moments, Money, ResultFile, Stamp, Usage};
use jiff::Timestamp;
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::sync_channel;

const STAMP: Stamp = Stamp { size: 3, modified_ns: 1, changed_ns: 2 };

fn new_run(recipe: i64) -> NewRun {
    NewRun {
        started: "now".into(),
        settings: "{}".into(),
        command: "docmill run".into(),
        recipe,
        jobs: vec![JobColumns { name: "text".into(), digest: None, columns: vec![] }],
        share: false,
        follows: false,
        delivers: false,
        embeds: Vec::new(),
    }
}

fn begin(dir: &Path, recipe: i64) -> Result<Store, StoreError> {
    Store::begin_run(dir, &new_run(recipe))
}

fn writer(store: Store) -> (StoreHandle, StoreWriter) {
    let settings = StoreSettings { queue: 4, group: 8, linger_ms: 0 };
    let (committed, _signs) = sync_channel(1);
    store.start_writer(&settings, committed, Box::new(|_, _| {}), Box::new(|| {})).unwrap()
}

fn finish(handle: StoreHandle, writer: StoreWriter) -> Store {
    drop(handle);
    let (store, result) = writer.join().unwrap();
    result.unwrap();
    store
}

fn record(id: i64, name: &str) -> DocumentRecord {
    let digest = Some(Digest::of(name.as_bytes()));
    DocumentRecord { id: DocumentId(id), name: name.into(), digest, stamp: Some(STAMP) }
}

fn read(position: u64, record: DocumentRecord) -> ReadDocument {
    ReadDocument { position, id: record.id, record: Some(record), renamed: false, forget_row: false }
}

fn row(document: i64, codes: Option<&str>) -> NewRow {
    NewRow {
        document: DocumentId(document),
        job: "text".into(),
        status: if codes.is_some() { "failed" } else { "ok" },
        failure_code: None,
        codes: codes.map(ToOwned::to_owned),
        result: format!("{{\"n\":{document}}}"),
        times: DocumentTimes::default(),
        given_up: None,
        chunks: Vec::new(),
    }
}

/// A request with one call for each key.
fn request(number: i64, keys: &[CallKey]) -> NewRequest {
    let attempt = |key: &CallKey| NewAttempt {
        document: DocumentId(1),
        key: *key,
        call: "title".into(),
        number: 1,
        at_most: Some(Money::from_pico(7)),
    };
    NewRequest { number, queued: Timestamp::UNIX_EPOCH, attempts: keys.iter().map(attempt).collect() }
}

fn settlement(attempt: i64, outcome: &'static str) -> Settlement {
    Settlement { attempt, outcome, usage: Usage::default(), cost: Some(Money::from_pico(5)), moments: Moments::default() }
}

fn texts(reader: &ViewReader, position: u64, gaps: bool) -> (Vec<String>, u64) {
    let mut rows = Vec::new();
    let next = reader.read_from::<StoreError>(position, gaps, |row| {
        rows.push(format!("{} {}", row.document, row.text));
        Ok(())
    });
    (rows, next.unwrap())
}

/// A store with documents `names`, listed in this order. All have rows under recipe 1.
async fn store_with(dir: &Path, names: &[&str]) -> Store {
    let (handle, thread) = writer(begin(dir, 1).unwrap());
    for (position, name) in names.iter().enumerate() {
        let id = i64::try_from(position).unwrap() + 1;
        handle.list_read(read(position as u64, record(id, name))).await.unwrap();
        handle.save_row(row(id, None)).await.unwrap();
    }
    let count = names.len() as u64;
    let walked = handle.clone();
    tokio::task::spawn_blocking(move || walked.walked(1, count)).await.unwrap().unwrap();
    finish(handle, thread)
}

#[tokio::test]
async fn a_request_with_several_calls_is_one_request_and_an_attempt_for_each_call() {
    let dir = tempfile::tempdir().unwrap();
    let store = begin(dir.path(), 1).unwrap();
    let path = store.path().to_owned();
    let (handle, thread) = writer(store);
    handle.list_read(read(0, record(1, "a.txt"))).await.unwrap();
    handle.request(request(1, &[CallKey([1; 32])])).await.unwrap();
    handle.request(request(2, &[CallKey([2; 32]), CallKey([3; 32])])).await.unwrap();
    for attempt in 1..=3 {
        handle.settle(settlement(attempt, "answered")).await.unwrap();
    }
    let store = finish(handle, thread);
    let sums = store.ledger(Requests::Of(store.run())).unwrap();
    assert_eq!((sums.requests, sums.cost.usd), (2, Money::from_pico(15)));
    assert_eq!(store.next_numbers().unwrap().1, 4);
    let archive = Archive::open(dir.path()).unwrap().unwrap();
    assert_eq!((archive.ledger(Requests::All).unwrap().requests, archive.requests_of(1).unwrap()), (2, 2));
    let ledger = Connection::open(path).unwrap();
    let mut query = ledger.prepare("SELECT id, request FROM attempts ORDER BY id").unwrap();
    let rows = query.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(rows.collect::<Result<Vec<(i64, i64)>, _>>().unwrap(), [(1, 1), (2, 2), (3, 2)]);
}

#[tokio::test]
async fn an_attempt_is_in_doubt_from_before_it_is_sent_until_its_answer_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let store = begin(dir.path(), 1).unwrap();
    assert!(store.answers().unwrap().is_none());
    let path = store.path().to_owned();
    let (handle, thread) = writer(store);
    let key = CallKey([7; 32]);
    handle.list_read(read(0, record(1, "a.txt"))).await.unwrap();
    handle.request(request(1, &[key])).await.unwrap();
    let archive = Archive::open(dir.path()).unwrap().unwrap();
    let doubts = archive.in_doubt().unwrap();
    assert_eq!((doubts.len(), doubts[0].document.as_str(), doubts[0].at_most), (1, "a.txt", Some(Money::from_pico(7))));

    let settles = Some(settlement(1, "answered"));
    handle
        .save_answer(NewAnswer { document: DocumentId(1), key, call: "{}".into(), settles, replaces: false, vector: None })
        .await
        .unwrap();
    assert_eq!(archive.in_doubt().unwrap(), []);
    assert_eq!(archive.ledger(Requests::All).unwrap().cost.usd, Money::from_pico(5));
    let reader = reader::AnswerReader::open(&path).unwrap();
    assert_eq!(reader.get(DocumentId(1), key).unwrap(), Some(Known::Answer("{}".into())));
    assert_eq!(reader.get(DocumentId(2), key).unwrap(), None);
    finish(handle, thread);
}

#[tokio::test]
async fn a_request_does_not_wait_behind_the_answers_of_a_large_response() {
    const ANSWERS: usize = 100;
    let (handle, mut commands) = StoreHandle::new(ANSWERS);
    let key = CallKey([7; 32]);
    let mut senders = tokio::task::JoinSet::new();
    for id in 1..=100 {
        let (handle, settles) = (handle.clone(), Some(settlement(id, "answered")));
        let answer = NewAnswer { document: DocumentId(id), key, call: "{}".into(), settles, replaces: false, vector: None };
        senders.spawn(async move { handle.save_answer(answer).await });
    }
    while handle.watcher().waiting().0 < ANSWERS {
        tokio::task::yield_now().await;
    }
    let next = handle.clone();
    senders.spawn(async move { next.request(request(101, &[key])).await });
    tokio::task::yield_now().await;
    let first: Vec<handle::Command> = std::iter::from_fn(|| commands.take()).take(2).collect();
    assert!(first.iter().any(|command| matches!(command, handle::Command::Request(..))));
}

#[tokio::test]
async fn an_answer_replaces_a_failure_and_then_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = begin(dir.path(), 1).unwrap();
    let path = store.path().to_owned();
    let (handle, thread) = writer(store);
    let (document, key) = (DocumentId(1), CallKey([7; 32]));
    let failure = NewFailure { document, key, code: "refused", call: "no".into(), settles: settlement(1, "refused") };
    handle.save_failure(failure).await.unwrap();
    for (call, replaces) in [("first", true), ("second", false)] {
        let answer = NewAnswer { document, key, call: call.into(), settles: None, replaces, vector: None };
        handle.save_answer(answer).await.unwrap();
    }
    finish(handle, thread);
    let reader = reader::AnswerReader::open(&path).unwrap();
    assert_eq!(reader.get(document, key).unwrap(), Some(Known::Answer("first".into())));
    let failures: u64 = Connection::open(&path).unwrap().query_row("SELECT count(*) FROM failures", (), |row| row.get(0)).unwrap();
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn rows_are_read_in_input_order_up_to_the_first_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = begin(dir.path(), 1).unwrap();
    let reader = store.rows(&Retry::Transient).unwrap();
    let (handle, thread) = writer(store);
    for (position, id) in [(3, 4), (0, 1), (1, 2), (5, 6)] {
        handle.list_read(read(position, record(id, &format!("{position}.txt")))).await.unwrap();
        handle.save_row(row(id, None)).await.unwrap();
    }
    // This document is listed, but has no row yet.
    handle.list_read(read(2, record(3, "2.txt"))).await.unwrap();
    finish(handle, thread);
    assert_eq!(texts(&reader, 0, false), (vec!["0.txt {\"n\":1}".into(), "1.txt {\"n\":2}".into()], 2));
    assert_eq!(texts(&reader, 2, false), (vec![], 2));
    assert_eq!(texts(&reader, 2, true), (vec!["3.txt {\"n\":4}".into(), "5.txt {\"n\":6}".into()], 6));
}

#[tokio::test]
async fn the_reader_waits_for_rows_that_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, thread) = writer(begin(dir.path(), 1).unwrap());
    for (position, id, codes) in [(0, 1, None), (1, 2, Some("refused")), (2, 3, Some("refused,timed_out"))] {
        handle.list_read(read(position, record(id, &format!("{id}.txt")))).await.unwrap();
        handle.save_row(row(id, codes)).await.unwrap();
    }
    finish(handle, thread);
    let store = begin(dir.path(), 1).unwrap();
    let reader = store.rows(&Retry::Transient).unwrap();
    let (handle, thread) = writer(store);
    let branch = handle.clone();
    tokio::task::spawn_blocking(move || branch.branch_listing(Some(1), 3)).await.unwrap().unwrap();
    let store = finish(handle, thread);
    assert_eq!(texts(&reader, 0, false).1, 2, "the third row has a failure that is tried again");
    let all = store.rows(&Retry::All).unwrap();
    assert_eq!(texts(&all, 0, false).1, 1, "the second and the third are tried again");
    let (handle, thread) = writer(store);
    handle.save_row(row(3, None)).await.unwrap();
    finish(handle, thread);
    assert_eq!(texts(&reader, 2, false), (vec!["3.txt {\"n\":3}".into()], 3));
}

#[tokio::test]
async fn the_catalog_finds_versions_in_order_out_of_order_and_far_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..3000).map(|n| format!("{n:04}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let store = store_with(dir.path(), &names).await;
    let mut catalog = store.catalog().unwrap().unwrap();
    let mut id = |name: &str| {
        let versions = catalog.versions(name).unwrap();
        assert!(versions.len() <= 1, "{name}: {versions:?}");
        versions.first().map(|version| {
            assert_eq!(version.stamp, Some(STAMP));
            assert_eq!(version.row.as_ref().unwrap().status, "ok");
            version.id.0
        })
    };
    for (at, name) in names.iter().enumerate() {
        assert_eq!(id(name), Some(i64::try_from(at).unwrap() + 1));
        assert_eq!(id(&format!("{name}.new")), None);
    }
    assert_eq!(id("0005.txt"), Some(6));
    assert_eq!(id("2900.txt"), Some(2901));
    assert_eq!(id("0000.txt"), Some(1));
    assert_eq!(id("zzz"), None);
    assert_eq!(id("1024.txt"), Some(1025));
    for position in 0..3000 {
        assert_eq!(catalog.listed(1, position).unwrap(), Some(DocumentId(i64::try_from(position).unwrap() + 1)));
    }
    assert_eq!(catalog.listed(1, 3000).unwrap(), None);
}

#[tokio::test]
async fn random_lookups_read_few_entries_and_sequential_ones_read_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..3000).map(|n| format!("{n:04}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut catalog = store_with(dir.path(), &names).await.catalog().unwrap().unwrap();
    for jump in (0..3000).map(|n| n * 1001 % 3000) {
        assert_eq!(catalog.versions(names[jump]).unwrap().len(), 1);
        assert!(catalog.ahead() <= 4, "{} entries for {jump}", catalog.ahead());
    }
    let most = names.iter().map(|name| catalog.versions(name).map(|_| catalog.ahead()).unwrap()).max();
    assert_eq!(most, Some(1024));
}

#[test]
fn versions_of_a_name_across_a_read_ahead_boundary_are_found() {
    let dir = tempfile::tempdir().unwrap();
    drop(begin(dir.path(), 1).unwrap());
    // Three versions of every tenth of 3000 names. The first 1024 entries end with the first
    // version of `0853`.
    let sql = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
        INSERT INTO documents (name, digest, stamp) SELECT printf('%04d', i), unhex(printf('%064x', v)), x''
        FROM n JOIN (SELECT 1 AS v UNION SELECT 2 UNION SELECT 3) ON v = 1 OR i % 10 = 3 ORDER BY v DESC, i";
    Connection::open(dir.path().join(FILE_NAME)).unwrap().execute(sql, ()).unwrap();
    let store = begin(dir.path(), 1).unwrap();
    let jumps = [2990, 10, 10, 11, 2000, 1999, 3001, 0, 1023, 1024, 853, 852, 853, 854, 2999, 2999];
    for order in [(0..3005).collect::<Vec<u32>>(), (3..3000).step_by(10).collect(), jumps.to_vec()] {
        let mut catalog = store.catalog().unwrap().unwrap();
        for n in order {
            let expected = if n >= 3000 { 0 } else { 1 + 2 * usize::from(n % 10 == 3) };
            assert_eq!(catalog.versions(&format!("{n:04}")).unwrap().len(), expected, "{n}");
        }
    }
}

#[tokio::test]
async fn a_run_with_other_documents_branches_the_listing_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), &["a", "b", "c"]).await;
    let end = EndedRun {
        ended: "later".into(),
        stopped: None,
        is_sample: false,
        settles_doubts: true,
        summary: "[]".into(),
        figures: "{}".into(),
    };
    store.end_run(&end).unwrap();
    drop(store);
    let store = begin(dir.path(), 1).unwrap();
    assert_eq!((store.run(), store.newest_listing().unwrap()), (2, Some(1)));
    let (handle, thread) = writer(store);
    let branch = handle.clone();
    let branched = move || {
        branch.branch_listing(Some(1), 2).unwrap();
        branch.list(vec![(2, DocumentId(1))]).unwrap();
        branch.walked(2, 3).unwrap();
    };
    tokio::task::spawn_blocking(branched).await.unwrap();
    let store = finish(handle, thread);
    assert_eq!(store.newest_listing().unwrap(), Some(2));
    let listed = |run| texts(&store.rows_of(run).unwrap(), 0, true).0.iter().map(|row| row[..1].to_owned()).collect::<String>();
    assert_eq!((listed(1), listed(2)), ("abc".into(), "aba".into()));
    // At its end, the run drops the listing that no result uses any more.
    store.end_run(&end).unwrap();
    assert_eq!((listed(1), listed(2)), (String::new(), "aba".into()));
}

#[tokio::test]
async fn a_changed_name_or_row_outdates_result_files() {
    for what in ["nothing", "name", "row"] {
        let dir = tempfile::tempdir().unwrap();
        let store = store_with(dir.path(), &["a", "b"]).await;
        store.published(&[ResultFile { path: "text/results.csv".into(), size: 1, digest: Digest::of(b"x") }]).unwrap();
        let end = EndedRun {
            ended: "later".into(),
            stopped: None,
            is_sample: false,
            settles_doubts: true,
            summary: "[]".into(),
            figures: "{}".into(),
        };
        store.end_run(&end).unwrap();
        drop(store);
        // This run dies half-way, and the next one must notice.
        let (handle, thread) = writer(begin(dir.path(), 1).unwrap());
        match what {
            "name" => handle.list_read(ReadDocument { renamed: true, ..read(0, record(1, "z")) }).await.unwrap(),
            "row" => handle.save_row(row(1, Some("refused"))).await.unwrap(),
            _ => handle.list_read(read(0, record(1, "a"))).await.unwrap(),
        }
        drop(finish(handle, thread));
        let current = begin(dir.path(), 1).unwrap().current_files(1).unwrap();
        assert_eq!(current.is_some(), what == "nothing", "{what}");
    }
}

#[tokio::test]
async fn every_content_of_a_name_is_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with(dir.path(), &["a", "b"]).await;
    let (handle, thread) = writer(store);
    let edited = DocumentRecord { digest: Some(Digest::of(b"edited")), ..record(3, "a") };
    handle.list_read(read(0, edited)).await.unwrap();
    let store = finish(handle, thread);
    let mut catalog = store.catalog().unwrap().unwrap();
    let mut ids: Vec<i64> = catalog.versions("a").unwrap().iter().map(|version| version.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 3]);
    assert_eq!(catalog.versions("b").unwrap().len(), 1);
    assert_eq!(catalog.with_content(Digest::of(b"edited")).unwrap(), [(DocumentId(3), "a".into(), Some(STAMP))]);
}

#[test]
fn failures_are_retried_by_class_and_on_demand() {
    assert!(Retry::Transient.takes_any(Some("refused,timed_out")));
    assert!(!Retry::Transient.takes_any(Some("refused")) && !Retry::Transient.takes_any(None));
    assert!(Retry::Also(FailureCode::Refused).takes("refused") && !Retry::Also(FailureCode::Refused).takes("too_long"));
    assert!(Retry::All.takes("too_long") && !Retry::All.takes("unsupported_kind"));
}

#[test]
fn answers_of_a_store_of_version_1_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("schema/1.sql")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 1685021549; PRAGMA user_version = 1; INSERT INTO runs (id, started, docmill_version, settings) VALUES (1, 'then', '0.1.0', '{}');
         INSERT INTO answers (call_key, document, run, call) VALUES (zeroblob(32), 'b.txt', 1, 'of b'), (zeroblob(32), 'a.txt', 1, 'of a');",
    )
    .unwrap();
    drop(old);
    assert!(Archive::open(dir.path()).unwrap_err().to_string().contains("older docmill"));
    let store = begin(dir.path(), 1).unwrap();
    let mut catalog = store.catalog().unwrap().unwrap();
    let reader = store.answers().unwrap().unwrap();
    for (name, answer) in [("a.txt", "of a"), ("b.txt", "of b")] {
        let versions = catalog.versions(name).unwrap();
        assert_eq!((versions.len(), versions[0].digest, versions[0].stamp), (1, None, None));
        assert_eq!(reader.get(versions[0].id, CallKey([0; 32])).unwrap(), Some(Known::Answer(answer.into())));
    }
}

#[test]
fn all_runs_of_a_store_have_the_same_marks_and_stores_have_different_ones() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mark = |dir: &Path| begin(dir, 1).unwrap().fence().unwrap().mark("digest", 0).sent;
    let first = mark(dir.path());
    assert_eq!(mark(dir.path()), first);
    assert_ne!(mark(other.path()), first);
    assert_ne!(Fence::example().mark("digest", 0).sent, first);
}

#[test]
fn a_store_with_foreign_triggers_views_or_tables_is_refused() {
    for sql in [
        "CREATE TRIGGER spy AFTER INSERT ON answers BEGIN DELETE FROM answers; END",
        "CREATE VIEW spy AS SELECT 1",
        "ALTER TABLE answers ADD COLUMN spy DEFAULT (hex(randomblob(9)))",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        drop(super::schema::open(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        for error in [super::schema::open(&path).unwrap_err(), super::schema::open_to_read(&path).unwrap_err()] {
            assert!(error.to_string().contains("another program made or changed"), "{sql}: {error}");
        }
    }
    // An index or a table of the user's own is harmless.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    drop(super::schema::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (x); CREATE INDEX mine ON notes (x)").unwrap();
    drop(super::schema::open_to_read(&path).unwrap());
}

#[test]
fn a_store_that_a_run_is_about_to_create_reads_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    assert!(Archive::open(dir.path()).unwrap().is_none());
    drop(super::schema::open(&path).unwrap());
    assert!(Archive::open(dir.path()).unwrap().is_some());
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(begin(dir.path(), 1).unwrap());
    let path = dir.path().join(FILE_NAME);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for error in [begin(dir.path(), 1).unwrap_err(), Archive::open(dir.path()).unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains("newer docmill") && error.contains("version 99"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_a_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), "x".repeat(5000)).unwrap();
    let error = begin(dir.path(), 1).unwrap_err().to_string();
    assert!(error.contains("docmill.db") && error.contains("Nothing was sent"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_truncated_or_ends_in_zeros_is_refused() {
    let names: Vec<String> = (0..500).map(|n| format!("{n:04}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for zeros in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        drop(store_with(dir.path(), &names).await);
        let path = dir.path().join(FILE_NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        let keep = bytes.len() - 4 * 4096;
        if zeros {
            bytes[keep..].fill(0);
        } else {
            bytes.truncate(keep);
        }
        std::fs::write(&path, bytes).unwrap();
        let error = begin(dir.path(), 1).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("Nothing was sent"), "zeros: {zeros}: {error}");
    }
}

#[tokio::test]
async fn a_document_that_is_renamed_while_its_old_name_vanishes_is_delivered_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::begin_run(dir.path(), &NewRun { follows: true, delivers: true, ..new_run(1) }).unwrap();
    store.begin_following(None, ResultOrder::Name).unwrap();
    let outbox = store.outbox().unwrap();
    let (handle, thread) = writer(store);
    handle.list_read(read(0, record(1, "a.txt"))).await.unwrap();
    handle.save_row(row(1, None)).await.unwrap();
    let renamed = DocumentRecord { name: "b.txt".into(), ..record(1, "a.txt") };
    handle.list_read(ReadDocument { renamed: true, ..read(1, renamed) }).await.unwrap();
    // The publisher looked for a.txt before the rename. A scan finds b.txt afterwards.
    let late = handle.clone();
    let late = tokio::task::spawn_blocking(move || {
        late.watcher().vanished(vec![(DocumentId(1), "a.txt".into())])?;
        late.list(vec![(2, DocumentId(1))])
    });
    late.await.unwrap().unwrap();
    drop(finish(handle, thread));
    let delivered: Vec<String> = outbox.after(0).unwrap().into_iter().map(|entry| entry.document).collect();
    assert_eq!(delivered, ["a.txt", "b.txt"]);
}
