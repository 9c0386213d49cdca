use super::*;
use crate::model::CallKey;
use std::sync::mpsc::sync_channel;

fn settings() -> StoreSettings {
    StoreSettings { queue: 4, group: 8, linger_ms: 0 }
}

fn row(position: u64) -> NewRow {
    NewRow {
        position,
        job: "text".into(),
        document: format!("{position}.txt"),
        status: "ok",
        failure_code: None,
        result: format!("{{\"n\":{position}}}"),
    }
}

fn collect(reader: &RowReader, position: u64, gaps: bool) -> (Vec<String>, u64) {
    let mut rows = Vec::new();
    let next = reader.read_from::<StoreError>(position, gaps, |_, result| {
        rows.push(result.to_owned());
        Ok(())
    });
    (rows, next.unwrap())
}

#[tokio::test]
async fn an_answer_is_there_for_others_once_it_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::begin_run(dir.path(), "now", "{}").unwrap();
    assert!(store.answers().unwrap().is_none());
    let path = store.path().to_owned();
    let (committed, _signs) = sync_channel(1);
    let (handle, writer) = store.start_writer(&settings(), committed, Box::new(|_, _| {})).unwrap();
    let key = CallKey([7; 32]);
    handle.save_answer(NewAnswer { key, document: "a".into(), call: "{}".into() }).await.unwrap();
    let reader = AnswerReader::open(&path).unwrap().unwrap();
    assert_eq!(reader.get(key, "a").unwrap().as_deref(), Some("{}"));
    assert_eq!(reader.get(key, "b").unwrap(), None);
    drop(handle);
    writer.join().unwrap().end_run("later", "{}").unwrap();
}

#[tokio::test]
async fn rows_are_read_back_in_order_up_to_the_first_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::begin_run(dir.path(), "now", "{}").unwrap();
    let reader = store.rows().unwrap();
    let (committed, _signs) = sync_channel(1);
    let (handle, writer) = store.start_writer(&settings(), committed, Box::new(|_, _| {})).unwrap();
    for position in [3, 0, 1, 5] {
        handle.save_row(row(position)).await.unwrap();
    }
    drop(handle);
    writer.join().unwrap();
    assert_eq!(collect(&reader, 0, false), (vec!["{\"n\":0}".into(), "{\"n\":1}".into()], 2));
    assert_eq!(collect(&reader, 2, false), (vec![], 2));
    assert_eq!(collect(&reader, 2, true), (vec!["{\"n\":3}".into(), "{\"n\":5}".into()], 6));
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::begin_run(dir.path(), "now", "{}").unwrap());
    let path = dir.path().join(FILE_NAME);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::begin_run(dir.path(), "now", "{}").unwrap_err().to_string();
    assert!(error.contains("newer docmill") && error.contains("version 99"), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), "x".repeat(5000)).unwrap();
    let error = Store::begin_run(dir.path(), "now", "{}").unwrap_err().to_string();
    assert!(error.contains("docmill.db"), "{error}");
}
