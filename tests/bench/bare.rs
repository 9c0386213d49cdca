//! What docmill is compared with: a loop that sends the same bodies and reads the replies, and does nothing else.

use docmill::ask::dialect::{Dialect, Extra};
use docmill::job::{Chunks, Job};
use docmill::model::{Chunk, Content, ContentBlock, Fence, Text};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const MODE: &str = "bare";

/// The job of the measurements: one call for each text.
pub const JOB: &str = r#"
name = "title"
input = "text"
system = "You are an editor."
[[task]]
id = "title"
prompt = "Give this document a title."
[task.answer]
title = "string"
"#;

/// Sends one request for each file of `directory`, `concurrency` at a time.
pub fn run(url: &str, directory: &str, concurrency: usize) {
    let job = Job::load("title", JOB, &toml::Table::new(), None).unwrap();
    let bodies: Vec<Vec<u8>> = std::fs::read_dir(Path::new(directory)).unwrap().map(|entry| body(&job, &entry.unwrap().path())).collect();
    let bodies = Arc::new(bodies);
    let url: Arc<str> = format!("{url}/v1/chat/completions").into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().http1_only().no_proxy().pool_max_idle_per_host(concurrency).build().unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let (bodies, url, client, next) = (Arc::clone(&bodies), Arc::clone(&url), client.clone(), Arc::clone(&next));
            senders.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = client.post(&*url).header("content-type", "application/json").body(body.clone());
                    let reply = request.send().await.unwrap().bytes().await.unwrap();
                    assert!(!reply.is_empty());
                }
            });
        }
        while let Some(done) = senders.join_next().await {
            done.unwrap();
        }
    });
}

/// A text as calls are about it.
fn whole(text: Text) -> Chunks {
    let content = Content(vec![ContentBlock::Text(Arc::new(text))]);
    Chunks { sets: vec![vec![Chunk { content, before: None, place: None }]], of_task: vec![0], paged: false }
}

fn body(job: &Job, file: &Path) -> Vec<u8> {
    let body = std::fs::read_to_string(file).unwrap();
    let text = Text { body: body.into(), digest: "0".repeat(64), tokens: 1 };
    let call = job.calls(&whole(text), None, &Fence::example(), "bench", None).unwrap().remove(0);
    let shape = Dialect::COMPATIBLE.shape("bench", serde_json::Map::new());
    let extra = Extra { room: 0, note: None, stream: false, cache: false, shape: &shape };
    Dialect::COMPATIBLE.request(&call, &extra).into_pieces().concat()
}
