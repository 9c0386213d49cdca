//! A model server without logic: the same answer to everybody, after a latency.

use super::child::{Background, myself};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

pub const MODE: &str = "serve";

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"bench","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"{\"title\":\"A title of some words for this text\"}"}}],"usage":{"prompt_tokens":500,"completion_tokens":20,"total_tokens":520}}"#;

/// Serves until it is killed; says its address first.
pub fn serve(latency_ms: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = move |_body: Bytes| async move {
            if latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(latency_ms)).await;
            }
            ([(CONTENT_TYPE, "application/json")], ANSWER)
        };
        let app = Router::new().route("/v1/chat/completions", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}

/// Starts a server as a process of its own.
pub fn start(latency_ms: u64) -> (Background, String) {
    let mut child = myself(&[MODE, &latency_ms.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (Background(child), url.trim().to_owned())
}
