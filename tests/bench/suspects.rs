//! Directories of real files, read one by one by `docmill inspect`: what looks wrong.
//!
//! `cargo bench --bench pipeline -- suspects DIR...` judges without other programs: ends, time, memory,
//! and texts that look like code, like a wrong encoding, or like no language of the corpus. A suspect
//! is a file to open, not a fault.

use super::child::high_water_mark;
use super::corpus::files;
use super::letters::Letters;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A file that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(3);
/// Files that take longer, or more memory, are named.
const SLOW: Duration = Duration::from_secs(10);
const LARGE_MB: f64 = 1024.0;
/// Largest share of characters that no text should have.
const STRANGE: f64 = 0.002;
/// Pieces of markup and of encodings that a reader should have removed.
const MARKUP: [&str; 20] = [
    "</w:",
    "<w:",
    "</p>",
    "</div>",
    "<span",
    "<style",
    "{\\rtf",
    "\\par ",
    "&nbsp;",
    "&amp;",
    "&lt;",
    "&#",
    "=3D",
    "=20\n",
    "%PDF-",
    "/FlateDecode",
    "endobj",
    "xmlns",
    "PK\u{3}\u{4}",
    "=?utf-8?",
];
/// Kinds whose readers remove markup. In others it may be meant.
const FORMATTED: [&str; 18] =
    ["pdf", "doc", "docx", "dotx", "odt", "rtf", "ppt", "pptx", "odp", "xls", "xlsx", "ods", "html", "htm", "epub", "eml", "msg", "mbox"];

/// How reading a file ended.
struct Read {
    path: PathBuf,
    kind: String,
    /// `ok`, a failure code, or what went wrong.
    end: String,
    text: String,
    wall: Duration,
    peak_mb: f64,
}

pub fn suspects(directories: &[&str]) {
    let mut paths: Vec<PathBuf> = directories.iter().flat_map(|directory| files(Path::new(directory))).collect();
    paths.sort();
    let started = Instant::now();
    let reads: Vec<Read> = paths.into_iter().map(read).collect();
    let mut kinds: BTreeMap<&str, Vec<&Read>> = BTreeMap::new();
    for read in &reads {
        kinds.entry(&read.kind).or_default().push(read);
    }
    for (kind, reads) in kinds {
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for read in &reads {
            *ends.entry(&read.end).or_default() += 1;
        }
        let slowest = reads.iter().map(|read| read.wall).max().unwrap_or_default();
        let peak = reads.iter().map(|read| read.peak_mb).fold(0.0, f64::max);
        println!("{kind:>8} {:>6} files, {ends:?}, at most {:.1} s and {peak:.0} MB", reads.len(), slowest.as_secs_f64());
    }
    let mut letters = Letters::default();
    for read in &reads {
        letters.learn(&read.text);
    }
    let mut suspects = 0;
    for read in &reads {
        for why in doubts(read).into_iter().chain(letters.doubt(&read.text)) {
            println!("suspect  {}: {why}", read.path.display());
            suspects += 1;
        }
    }
    println!("suspects: {suspects} in {} files, {:.0} s", reads.len(), started.elapsed().as_secs_f64());
}

/// Reads a file as a run would.
fn read(path: PathBuf) -> Read {
    let saved = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_docmill"))
        .args(["inspect", "--job", "auto", "--save"])
        .arg(saved.path())
        .arg(std::path::absolute(&path).unwrap())
        .current_dir(saved.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = child.stderr.take().unwrap();
    let said = thread::spawn(move || {
        let mut text = Vec::new();
        let _all_or_what_came = said.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let (code, peak_mb) = wait(&mut child);
    let (wall, said) = (started.elapsed(), said.join().unwrap());
    let mut parts: Vec<PathBuf> = files(saved.path());
    parts.sort();
    let text = parts.iter().filter_map(|part| std::fs::read_to_string(part).ok()).collect::<Vec<_>>().join("\n");
    let end = match code {
        None if wall >= PATIENCE => "HANG".to_owned(),
        None | Some(101) => "CRASH".to_owned(),
        Some(0) if parts.is_empty() => "NOTHING".to_owned(),
        Some(0) => "ok".to_owned(),
        Some(_) => failure_code(&said).unwrap_or_else(|| "UNCODED".to_owned()),
    };
    let kind = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    Read { path, kind, end, text, wall, peak_mb }
}

/// The code in `docmill: PATH: CODE: MESSAGE`.
fn failure_code(said: &str) -> Option<String> {
    let is_code = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    said.lines().last()?.split(": ").skip(1).find(is_code).map(str::to_owned)
}

/// Waits for a process. Returns its exit code, and the largest memory of it and its readers.
fn wait(child: &mut Child) -> (Option<i32>, f64) {
    let (started, id, mut peak_mb) = (Instant::now(), child.id(), 0.0_f64);
    loop {
        // Each thread has its own children.
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let readers: String = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok()).collect();
        for process in readers.split_whitespace().chain([id.to_string().as_str()]) {
            peak_mb = peak_mb.max(high_water_mark(Path::new(&format!("/proc/{process}/status"))));
        }
        if let Some(exit) = child.try_wait().unwrap() {
            return (exit.code(), peak_mb);
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, peak_mb);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What looks wrong about a file by itself.
fn doubts(read: &Read) -> Vec<String> {
    let mut doubts = Vec::new();
    if read.end.bytes().all(|b| b.is_ascii_uppercase()) || read.end == "internal" {
        doubts.push(read.end.clone());
    }
    if read.wall > SLOW || read.peak_mb > LARGE_MB {
        doubts.push(format!("{:.1} s, {:.0} MB", read.wall.as_secs_f64(), read.peak_mb));
    }
    let count = |is: fn(char) -> bool| read.text.chars().filter(|c| is(*c)).count();
    let all = count(|_| true).max(1);
    for (name, strange) in [
        ("U+FFFD", count(|c| c == '\u{fffd}')),
        ("control characters", count(|c| c.is_control() && !"\n\r\t".contains(c))),
        ("private characters", count(|c| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}'))),
    ] {
        if strange as f64 / all as f64 > STRANGE {
            doubts.push(format!("{strange} {name} of {all} characters"));
        }
    }
    if read.end == "ok" && !read.text.is_empty() && !read.text.chars().any(char::is_alphanumeric) {
        doubts.push("no letter and no digit".to_owned());
    }
    if FORMATTED.contains(&&*read.kind) {
        let lower = read.text.to_lowercase();
        let found: Vec<String> = MARKUP
            .iter()
            .map(|part| (part, lower.matches(&part.to_lowercase()).count()))
            .filter(|(_, n)| *n > 2)
            .map(|(part, n)| format!("{n} x {part:?}"))
            .collect();
        if !found.is_empty() {
            doubts.push(format!("markup: {}", found.join(", ")));
        }
    }
    doubts
}
