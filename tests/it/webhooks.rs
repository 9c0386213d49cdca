//! `docmill serve`: messages to clients whose runs have ended.

use crate::order::ECHO;
use crate::support::receiver::Receiver;
use crate::support::serving::Serving;
use crate::support::{ModelServer, Workspace};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::ToSocketAddrs as _;

const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

/// A workspace whose server signs with both secrets and may call this machine.
fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("serve.jobs", "jobs");
    workspace.write("jobs/echo.toml", ECHO);
    workspace
        .env("NEW", SECRETS[0])
        .env("OLD", SECRETS[1])
        .set("serve.webhook_secrets", "[\"env:NEW\", \"env:OLD\"]")
        .set("serve.webhook_private", true)
}

fn submission(webhook: &str) -> Value {
    json!({"job": "echo", "texts": ["docid:1", "docid:2"], "webhook": webhook})
}

/// The messages about a run, as the server tells them.
fn deliveries(serving: &Serving, id: &str) -> Vec<Value> {
    serving.get(&format!("/api/runs/{id}/webhooks")).is(200).json()["messages"].as_array().unwrap().clone()
}

/// Waits until the only message about a run satisfies a condition.
fn delivery(serving: &Serving, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    serving.until("the message is so", || deliveries(serving, id).first().filter(|message| is_so(message)).cloned())
}

fn signature(secret: &str, signed: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn a_client_is_told_once_that_its_run_has_ended_with_a_signature_by_each_secret() {
    let (server, receiver) = (ModelServer::start(), Receiver::start(&[]));
    let serving = Serving::start(&workspace(&server));
    let id = serving.post("/api/runs", &submission(&receiver.url())).is(202).json()["id"].as_str().unwrap().to_owned();
    let message = receiver.wait_for(1).remove(0);
    let body = message.json();
    assert_eq!((&body["type"], &body["data"]["id"], &body["data"]["documents"]["done"]), (&json!("run.complete"), &json!(id), &json!(2)));
    assert!(message.body.len() < 1000 && !message.body.contains("docid"), "{}", message.body);
    let signed = format!("{}.{}.{}", message.header("webhook-id"), message.header("webhook-timestamp"), message.body);
    let signatures: Vec<&str> = message.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures, SECRETS.map(|secret| signature(secret, &signed)));
    let delivered = delivery(&serving, &id, |message| message["delivered"].is_string());
    assert_eq!((&delivered["id"], &delivered["attempts"]), (&json!(message.header("webhook-id")), &json!(1)));

    // Repeated on request, with the same id.
    serving.post(&format!("/api/runs/{id}/webhooks/replay"), &json!({})).is(200);
    let again = receiver.wait_for(2).remove(1);
    assert_eq!((again.header("webhook-id"), &again.body), (message.header("webhook-id"), &message.body));
}

#[test]
fn a_refused_message_is_sent_again_and_outlives_the_server() {
    let (server, receiver) = (ModelServer::start(), Receiver::start(&[500]));
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let id = serving.post("/api/runs", &submission(&receiver.url())).is(202).json()["id"].as_str().unwrap().to_owned();
    let refused = delivery(&serving, &id, |message| message["error"] == "the receiver answered with status 500");
    assert!(refused["next"].is_string() && refused["delivered"].is_null(), "{refused}");
    drop(serving);
    let serving = Serving::start(&workspace);
    let messages = receiver.wait_for(2);
    assert_eq!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));
    delivery(&serving, &id, |message| message["delivered"].is_string() && message["attempts"] == 2);
}

#[test]
fn redirections_are_not_followed_and_a_receiver_that_is_gone_is_left_alone() {
    let (server, receiver) = (ModelServer::start(), Receiver::start(&[302, 410]));
    let serving = Serving::start(&workspace(&server));
    let submit = || serving.post("/api/runs", &submission(&receiver.url())).is(202).json()["id"].as_str().unwrap().to_owned();
    let first = submit();
    let redirected = delivery(&serving, &first, |message| message["error"].as_str().is_some_and(|error| error.contains("redirects")));
    assert!(redirected["next"].is_string());
    let second = submit();
    let gone = delivery(&serving, &second, |message| message["error"].as_str().is_some_and(|error| error.contains("gone")));
    assert!(gone["next"].is_null(), "{gone}");
}

#[test]
fn private_addresses_and_unsigned_messages_are_refused_before_the_run() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server).set("serve.webhook_private", false));
    for private in ["http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/latest", "http://0x7f.1/", "http://localhost:9/"] {
        let refused = serving.post("/api/runs", &submission(private)).is(403).json();
        assert!(refused["detail"].as_str().unwrap().contains("serve.webhook_private"), "{refused}");
    }
    // Another name is looked at when it is resolved, such as that of this machine.
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let address = format!("http://{own}:9/");
    let id = serving.post("/api/runs", &submission(&address)).is(202).json()["id"].as_str().unwrap().to_owned();
    let is_known = (own.as_str(), 9).to_socket_addrs().is_ok();
    let expected = if is_known { "no public address" } else { "error" };
    delivery(&serving, &id, |message| message["error"].as_str().is_some_and(|error| error.contains(expected)));
    drop(serving);

    let serving = Serving::start(&workspace(&server).set("serve.webhook_secrets", "[]"));
    let refused = serving.post("/api/runs", &submission("https://hooks.example/")).is(422).json();
    assert!(refused["detail"].as_str().unwrap().contains("serve.webhook_secrets"), "{refused}");
}

#[test]
fn a_client_is_told_of_a_cancelled_run_that_had_not_begun() {
    let (server, receiver) = (ModelServer::start(), Receiver::start(&[]));
    let serving = Serving::start(&workspace(&server));
    let mut held = submission(&receiver.url());
    held["held"] = true.into();
    let id = serving.post("/api/runs", &held).is(202).json()["id"].as_str().unwrap().to_owned();
    serving.post(&format!("/api/runs/{id}/cancel"), &json!({})).is(200);
    assert_eq!(receiver.wait_for(1)[0].json()["type"], "run.cancelled");
}
