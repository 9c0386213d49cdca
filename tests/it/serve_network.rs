//! `docmill serve`: HTTPS, proxies in front of it, deadlines, and the service manager.

use crate::order::ECHO;
use crate::support::serving::Serving;
use crate::support::{ModelServer, Workspace};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("serve.jobs", "jobs");
    workspace.write("jobs/echo.toml", ECHO);
    workspace
}

#[test]
fn https_works_and_renewed_certificates_are_read_on_a_signal() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.cert", "cert.pem").set("serve.key", "key.pem");
    let certificate = |certificate: &str, key: &str| workspace.write("cert.pem", certificate).write("key.pem", key);
    certificate(include_str!("support/tls/first.pem"), include_str!("support/tls/first.key.pem"));
    let serving = Serving::start(&workspace);
    assert_eq!(serving.get("/healthz").is(200).text, "ok\n");
    assert!(serving.certificate().contains("first.test"), "the first certificate is shown");
    certificate(include_str!("support/tls/second.pem"), include_str!("support/tls/second.key.pem"));
    serving.process.signal("HUP");
    serving.until("the second certificate is shown", || serving.certificate().contains("second.test").then_some(()));
    // A broken file changes nothing.
    workspace.write("cert.pem", "not a certificate");
    serving.process.signal("HUP");
    serving.process.wait_until_it_says("the certificates stay as they were");
    assert!(serving.certificate().contains("second.test"));
}

#[test]
fn unusable_certificates_are_named_before_the_server_starts() {
    let workspace = Workspace::new();
    workspace.write("key.pem", include_str!("support/tls/first.key.pem"));
    let error = |set: &[&str]| {
        let args = ["serve", "server", "--bind", "0"].iter().chain(set).copied();
        workspace.docmill(args).exits(2).stderr
    };
    assert!(error(&["--set", "serve.cert=none.pem"]).contains("HTTPS needs both"));
    assert!(error(&["--set", "serve.cert=none.pem", "--set", "serve.key=key.pem"]).contains("serve.cert none.pem"));
}

#[test]
fn a_proxy_lets_others_in_only_if_it_is_trusted() {
    let server = ModelServer::start();
    let forwarded = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "docs.example")];
    let start = |workspace: &Workspace| {
        let serving = Serving::start(workspace);
        forwarded.iter().fold(serving, |serving, (name, value)| serving.with_header(name, value))
    };
    let serving = start(&workspace(&server));
    let refused = serving.get("/api/runs").is(403).json();
    assert!(refused["detail"].as_str().unwrap().contains("serve.proxies"), "{refused}");
    drop(serving);
    let trusting = workspace(&server).set("serve.proxies", "[\"127.0.0.0/8\"]");
    let serving = start(&trusting);
    let refused = serving.get("/api/runs").is(403).json();
    assert!(refused["detail"].as_str().unwrap().contains("docs.example"), "the name that the proxy was asked for is checked: {refused}");
    drop(serving);
    let serving = start(&trusting.set("serve.hosts", "[\"docs.example\"]"));
    serving.get("/api/runs").is(200);
    // A page of another site is one of another site behind a proxy, too.
    serving.with_header("origin", "https://evil.example").get("/api/runs").is(403);
}

#[test]
fn a_run_stops_at_its_deadline_and_goes_on_when_it_is_resumed() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, ledger| ledger.requests() > 3 && !gate.load(Ordering::SeqCst)).start();
    let serving = Serving::start(&workspace(&server).set("llm.concurrency", 1).set("llm.drain_s", 0));
    let texts: Vec<String> = (0..6).map(|n| format!("docid:{n}")).collect();
    let deadline = (Timestamp::now() + SignedDuration::from_secs(2)).to_string();
    let submission = json!({"job": "echo", "texts": texts, "deadline": deadline});
    let id = serving.post("/api/runs", &submission).is(202).json()["id"].as_str().unwrap().to_owned();
    let stopped = serving.wait_for(&id, "stopped");
    assert!(stopped["message"].as_str().unwrap().contains("deadline"), "{stopped}");
    assert_ne!(stopped["documents"]["done"], 6);
    open.store(true, Ordering::SeqCst);
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    assert_eq!(serving.wait_for(&id, "complete")["documents"]["done"], 6);

    let past = json!({"job": "echo", "texts": ["docid:9"], "deadline": "2020-01-01T00:00:00Z"});
    assert!(serving.post("/api/runs", &past).is(422).text.contains("this time has passed"));
    assert!(serving.post("/api/runs", &json!({"texts": ["x"], "deadline": "tomorrow"})).is(422).text.contains("invalid time"));
}

#[test]
fn a_lane_is_the_tier_of_the_provider() {
    let tiers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tiers);
    let server = ModelServer::script().hold(move |ask, _| {
        seen.lock().unwrap().push(ask.body["service_tier"].clone());
        false
    });
    let server = server.start();
    let serving = Serving::start(&workspace(&server));
    let lane = |lane: &str| json!({"job": "echo", "texts": [format!("docid:{lane}")], "lane": lane});
    assert!(serving.post("/api/runs", &lane("batch")).is(400).text.contains("expected `sync` or `flex`"));
    for wanted in ["flex", "sync"] {
        let id = serving.post("/api/runs", &lane(wanted)).is(202).json()["id"].as_str().unwrap().to_owned();
        serving.wait_for(&id, "complete");
    }
    assert_eq!(*tiers.lock().unwrap(), [json!("flex"), Value::Null]);
    let twice = json!({"job": "echo", "texts": ["x"], "lane": "flex", "settings": {"llm.service_tier": ""}});
    assert!(serving.post("/api/runs", &twice).is(422).text.contains("only one of them"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_service_manager_opens_the_port_and_hears_of_the_state() {
    use std::net::TcpListener;
    use std::os::unix::net::UnixDatagram;
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let socket = UnixDatagram::bind(workspace.path("notify")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_mins(1))).unwrap();
    let heard = || {
        let mut text = [0; 100];
        let read = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..read].to_vec()).unwrap().trim().to_owned()
    };
    let path = workspace.path("notify").display().to_string();
    let workspace = workspace.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = port.local_addr().unwrap();
    let serving = Serving::start_on(&workspace, port);
    assert!(serving.base().ends_with(&address.to_string()), "{}", serving.base());
    serving.get("/healthz").is(200);
    assert_eq!((heard().as_str(), heard().as_str()), ("READY=1", "WATCHDOG=1"));
    serving.process.signal("TERM");
    assert!(std::iter::repeat_with(heard).any(|state| state == "STOPPING=1"));
}
