//! Another program embeds the engine without terminal, signals or ports.

use crate::limits::{FORGIVEN, TWENTY};
use crate::order::ECHO;
use crate::support::{AccountServer, ModelServer, Terms, Workspace};
use docmill::ask::{Accounts, RunStop, StopKind};
use docmill::control::{Answer, Asked, Request};
use docmill::engine::{self, Controls, Outcome, Plan};
use docmill::event::RunEvent;
use docmill::setup::{Environment, RunOptions, SettingsSource, assemble};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

const DOCUMENTS: usize = 3;

/// A server that answers only while `open`, and a directory with documents.
fn set_up(open: &Arc<AtomicBool>) -> (ModelServer, Workspace) {
    let gate = Arc::clone(open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(SeqCst)).start();
    let workspace = Workspace::new();
    workspace.write("echo.toml", ECHO);
    for n in 0..DOCUMENTS {
        workspace.doc(format!("{n}.txt"), format!("docid:k{n}"));
    }
    (server, workspace)
}

async fn plan(server: &str, workspace: &Workspace, further: &[&str]) -> Plan {
    // All paths are relative to the working directory of the environment, not of this process.
    let places = ["input.paths=[\"docs\"]", "output.dir=output", "job.use=echo.toml"];
    let fixed = ["llm.provider=openai-compatible", "llm.model=test-model", "llm.preflight=false"];
    let mut set = vec![format!("llm.base_url={server}/v1")];
    set.extend(places.iter().chain(&fixed).chain(further).map(|setting| (*setting).to_owned()));
    let environment = Environment { variables: BTreeMap::new(), directory: workspace.path(""), ..Environment::of_process() };
    let (config, settings) = SettingsSource { set, ..SettingsSource::default() }.load_without_file(&environment).unwrap();
    assemble(&environment, &config, settings, RunOptions::default()).await.unwrap().plan
}

/// Waits until this many requests are in flight.
async fn in_flight(server: &ModelServer, requests: usize) {
    while server.requests() < requests {
        tokio::task::yield_now().await;
    }
}

fn is_stopped(outcome: &Outcome, reason: &str) -> bool {
    matches!(&outcome.stop, Some(RunStop { kind: StopKind::Requested, message }) if message == reason)
}

async fn ask(requests: &mpsc::Sender<Asked>, request: Request) -> Answer {
    let (answer, answered) = oneshot::channel();
    requests.send(Asked { request, answer }).await.unwrap();
    answered.await.unwrap()
}

#[test]
fn a_stopped_or_abandoned_run_leaves_calls_in_doubt_for_the_next_run() {
    let open = Arc::default();
    let (server, workspace) = set_up(&open);
    Runtime::new().unwrap().block_on(async {
        let watcher = || Arc::new(mpsc::channel(256).0);

        let (controls, _requests) = Controls::new(&Arc::default());
        let stop = controls.stop.clone();
        let run = engine::run(plan(&server.url(), &workspace, &["llm.drain_s=0"]).await, controls, watcher());
        let (outcome, ()) = tokio::join!(run, async {
            in_flight(&server, DOCUMENTS).await;
            stop.stop("the shop closes");
        });
        let outcome = outcome.unwrap();
        assert!(is_stopped(&outcome, "the shop closes"), "{outcome:?}");
        assert_eq!((outcome.done, outcome.in_doubt), (0, DOCUMENTS));

        let (controls, _requests) = Controls::new(&Arc::default());
        let abandon = controls.abandon.clone();
        // Draining would exceed the time limit of a test.
        let run = engine::run(plan(&server.url(), &workspace, &["llm.drain_s=100000"]).await, controls, watcher());
        let (outcome, ()) = tokio::join!(run, async {
            in_flight(&server, 2 * DOCUMENTS).await;
            abandon.cancel();
        });
        assert!(is_stopped(&outcome.unwrap(), "abandoned"));

        open.store(true, SeqCst);
        let (controls, _requests) = Controls::new(&Arc::default());
        // A service spawns its runs, so a run is `Send`.
        let run = tokio::spawn(engine::run(plan(&server.url(), &workspace, &[]).await, controls, watcher()));
        let outcome = run.await.unwrap().unwrap();
        assert!(outcome.stop.is_none(), "{outcome:?}");
        assert_eq!((outcome.done, outcome.in_doubt, server.requests()), (3, 0, 3 * DOCUMENTS));
    });
}

#[test]
fn requests_are_answered_facts_arrive_in_order_and_no_port_is_opened() {
    let open = Arc::default();
    let (server, workspace) = set_up(&open);
    Runtime::new().unwrap().block_on(async {
        let (events, mut heard) = mpsc::channel(256);
        let (controls, requests) = Controls::new(&Arc::default());
        let run = engine::run(plan(&server.url(), &workspace, &[]).await, controls, Arc::new(events));
        let (outcome, ()) = tokio::join!(run, async {
            in_flight(&server, DOCUMENTS).await;
            assert!(!workspace.path("output/.docmill.control").exists());
            let paused = ask(&requests, Request::Pause).await;
            assert!(matches!(&paused, Answer::Done(message) if message.starts_with("paused")), "{paused:?}");
            // This plan has no settings file.
            let refused = ask(&requests, Request::Reload).await;
            assert!(matches!(refused, Answer::Refused(_)), "{refused:?}");
            ask(&requests, Request::Resume).await;
            open.store(true, SeqCst);
        });
        assert_eq!(outcome.unwrap().done, 3);
        let mut facts = Vec::new();
        while let Some(event) = heard.recv().await {
            match event {
                RunEvent::Started { .. } => facts.push("started".to_owned()),
                RunEvent::Changed { key, to, .. } => facts.push(format!("{key}: {to}")),
                _ => {}
            }
        }
        assert_eq!(facts, ["started", "paused: true", "paused: false"]);
    });
}

#[test]
fn two_runs_of_one_process_share_the_limits_of_their_account() {
    let server = AccountServer::start(Terms { headers: false, ..TWENTY });
    let workspaces = ["a", "b"].map(|name| {
        let workspace = Workspace::new();
        workspace.write("echo.toml", ECHO);
        for n in 0..45 {
            workspace.doc(format!("{n}.txt"), format!("docid:{name}{n}"));
        }
        workspace
    });
    // Each run by itself stays below the server's limit. Both together stay below it only if they
    // share it.
    let settings = ["llm.limits.requests_per_minute=900", "llm.limits.burst_s=1"];
    Runtime::new().unwrap().block_on(async {
        let accounts = Arc::new(Accounts::default());
        let run = async |n: usize| {
            let (controls, _requests) = Controls::new(&accounts);
            let plan = plan(&server.url(), &workspaces[n], &settings).await;
            engine::run(plan, controls, Arc::new(mpsc::channel(256).0)).await.unwrap()
        };
        let (one, other) = tokio::join!(run(0), run(1));
        assert_eq!((one.done, other.done), (45, 45));
    });
    let books = server.books();
    assert!(books.served == 90 && books.refused <= FORGIVEN, "{} refused", books.refused);
}
