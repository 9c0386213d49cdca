//! How much of an account's limits is used, and how often they are exceeded.

#[path = "../it/support/account.rs"]
mod account;

use super::bare;
use account::{AccountServer, Terms};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const REQUESTS: usize = 400;

/// 20 requests a second, 20 at once, 400 calls: 19 seconds if nothing is wasted.
fn twenty() -> Terms {
    Terms { requests: Some((20.0, 20.0)), latency: Duration::from_millis(100), ..Terms::default() }
}

pub fn limits() {
    let ideal = 19.0;
    for headers in [true, false] {
        show("20 requests/s", headers, ideal, &measure(Terms { headers, ..twenty() }, 1, |_| 5));
        show("two processes", headers, ideal, &measure(Terms { headers, ..twenty() }, 2, |_| 5));
        let halved = Terms { headers, change: Some((200, 0.5)), ..twenty() };
        show("halved in the middle", headers, 9.0 + 20.0, &measure(halved, 1, |_| 5));
        // Words of five letters: the server counts a token for four bytes.
        let words = |n: usize| [150, 700, 3_000, 15_000, 46_000][n % 5];
        let (per_second, burst) = (200_000.0, 200_000.0);
        let tokens = Terms { headers, requests: None, input_tokens: Some((per_second, burst)), ..twenty() };
        let books = measure(tokens, 1, words);
        let ideal = ((books.fresh as f64 - burst) / per_second).max(0.1);
        show("200 to 60,000 tokens", headers, ideal, &books);
    }
    for share in [0.01, 0.05] {
        let by_chance = Terms { requests: None, headers: false, refused_by_chance: share, retry_after: None, ..twenty() };
        // 50 at a time.
        let ideal = 5_000.0 / 50.0 * 0.1;
        let books = measure_many(by_chance, 1, 5_000, |_| 5);
        println!("limits: {share} refused by chance: {} refused, {:.2} s of {ideal:.2} s", books.refused, books.span().as_secs_f64());
    }
}

fn show(what: &str, headers: bool, ideal: f64, books: &account::Books) {
    println!(
        "limits: {what}, {} headers: {} served, {} refused (wanted: at most {}), {} early, {:.2} s of {ideal:.2} s: {:.3} (wanted: at most 1.05)",
        if headers { "with" } else { "without" },
        books.served,
        books.refused,
        if headers { 0 } else { 10 },
        books.early,
        books.span().as_secs_f64(),
        books.span().as_secs_f64() / ideal,
    );
}

fn measure(terms: Terms, processes: usize, words: impl Fn(usize) -> usize) -> account::Books {
    measure_many(terms, processes, REQUESTS, words)
}

fn measure_many(terms: Terms, processes: usize, requests: usize, words: impl Fn(usize) -> usize) -> account::Books {
    let server = AccountServer::start(terms);
    let dir = tempfile::tempdir().unwrap();
    let job = dir.path().join("title.toml");
    std::fs::write(&job, bare::JOB).unwrap();
    let children: Vec<_> = (0..processes)
        .map(|process| {
            let input = dir.path().join(format!("in{process}"));
            std::fs::create_dir_all(&input).unwrap();
            for n in 0..requests / processes {
                std::fs::write(input.join(format!("{n:04}.txt")), format!("docid:{process}x{n} {}", "word ".repeat(words(n)))).unwrap();
            }
            docmill(&server.url(), dir.path(), &input, &dir.path().join(format!("out{process}")), &job).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        let exit = child.wait().unwrap();
        assert!(exit.success(), "ended with {exit}: a row has failed");
    }
    server.books()
}

fn docmill(url: &str, home: &Path, input: &Path, output: &Path, job: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.arg("run").arg(input).arg("--quiet").arg("--output").arg(output).arg("--job").arg(job);
    for set in ["llm.provider=anthropic", &format!("llm.base_url={url}"), "llm.concurrency=50"] {
        command.arg("--set").arg(set);
    }
    command.env("ANTHROPIC_API_KEY", "none").env("XDG_RUNTIME_DIR", home).current_dir(home).stdout(Stdio::null());
    command
}
