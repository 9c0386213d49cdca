use super::*;
use std::sync::Arc;
use tokio::sync::{mpsc, watch as seen};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

struct Run {
    directory: tempfile::TempDir,
    finished: CancellationToken,
    tasks: JoinSet<()>,
}

/// A run that obeys all requests except `Reload`.
async fn run() -> Run {
    let directory = tempfile::tempdir().unwrap();
    let (finished, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let (asked_in, mut asked) = mpsc::channel::<Asked>(1);
    let server = ControlServer::open(directory.path()).await.unwrap();
    tasks.spawn(server.serve(asked_in, "hello".to_owned(), Arc::new(seen::Sender::new(String::new())), finished.clone()));
    tasks.spawn(async move {
        while let Some(Asked { request, answer }) = asked.recv().await {
            let said = match request {
                Request::Reload => Answer::Refused("no".to_owned()),
                other => Answer::Done(format!("{other:?}")),
            };
            answer.send(said).unwrap();
        }
    });
    Run { directory, finished, tasks }
}

impl Run {
    async fn call(&self, request: Request) -> Result<Answer, CallError> {
        let directory = self.directory.path().to_owned();
        spawn_blocking(move || call(&directory, &request)).await.unwrap()
    }
}

#[tokio::test]
async fn requests_are_answered_also_several_at_a_time() {
    let run = run().await;
    let cancel = Request::Cancel { document: "a \"b\"\n.txt".to_owned() };
    let (one, other) = tokio::join!(run.call(cancel.clone()), run.call(Request::Reload));
    assert_eq!(one.unwrap(), Answer::Done(format!("{cancel:?}")));
    assert_eq!(other.unwrap(), Answer::Refused("no".to_owned()));
}

#[tokio::test]
async fn who_does_not_know_the_token_is_refused() {
    let run = run().await;
    let note = run.directory.path().join(NOTE);
    let Note { port, .. } = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    std::fs::write(&note, serde_json::to_string(&Note { port, token: "guessed".to_owned() }).unwrap()).unwrap();
    assert_eq!(run.call(Request::Pause).await.unwrap(), Answer::Refused("wrong token for this run".to_owned()));
}

#[tokio::test]
async fn a_server_that_ends_leaves_the_note_of_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let first = ControlServer::open(directory.path()).await.unwrap();
    let second = ControlServer::open(directory.path()).await.unwrap();
    drop(first);
    assert!(directory.path().join(NOTE).exists());
    drop(second);
    assert!(!directory.path().join(NOTE).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_user_can_read_the_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let run = run().await;
    let mode = std::fs::metadata(run.directory.path().join(NOTE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn who_watches_is_greeted_and_hears_of_the_end() {
    let mut run = run().await;
    let mut lines = watch(run.directory.path()).unwrap();
    let lines = spawn_blocking(move || (lines.next().unwrap().unwrap(), lines)).await.unwrap();
    assert_eq!(lines.0, "hello");
    run.finished.cancel();
    run.tasks.join_next().await;
    let mut lines = lines.1;
    assert!(spawn_blocking(move || lines.next().is_none_or(|line| line.is_err())).await.unwrap());
    assert!(matches!(run.call(Request::Pause).await, Err(CallError::NoNote { .. })));
}
