//! Texts of documents against those of other programs, over directories of real files.
//!
//! `cargo bench --bench pipeline -- corpus DIR...`: PDF documents against `pdftotext`, .docx files against python-docx,
//! .html files against inscriptis. What is compared is which words come out and how often, so the order is
//! not judged; and the time, file by file. Every other program pays for the start of its process, which is told apart.

use super::child::median;
use docmill::model::{Failure, FailureCode};
use docmill::prepare::{Apart, ImageLimits, ImageSettings, Page, PdfMode, PdfSettings, PrepareSettings, READERS, TextSettings};
use std::collections::{BTreeMap, HashMap};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Texts of fewer words say nothing about a reader.
const FEWEST_WORDS: usize = 20;
/// Files with a lower score are named.
const GOOD: f64 = 0.9;

const DOCX: &str = "import sys, docx
document = docx.Document(sys.argv[1])
for element in document.element.body.iter():
    if element.tag.endswith('}p'): print()
    if element.tag.endswith('}t'): sys.stdout.write(element.text or '')
    if element.tag.endswith('}tab') or element.tag.endswith('}br'): sys.stdout.write(' ')
";
const HTML: &str = "import sys, inscriptis
print(inscriptis.get_text(open(sys.argv[1], encoding='utf-8', errors='replace').read()))
";

/// The program that files with this extension are compared with, without the file's name.
fn reference(extension: &str) -> Option<Vec<&'static str>> {
    match extension {
        "pdf" => Some(vec!["pdftotext", "-q"]),
        "docx" => Some(vec!["python3", "-c", DOCX]),
        "html" | "htm" => Some(vec!["python3", "-c", HTML]),
        _ => None,
    }
}

pub fn corpus(directories: &[&str]) {
    if Command::new("pdftotext").arg("-v").stderr(Stdio::null()).status().is_err() {
        println!("corpus: pdftotext is not installed (Debian: apt install poppler-utils); nothing was measured");
        return;
    }
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in directories.iter().flat_map(|directory| files(Path::new(directory))) {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if reference(&extension).is_some() {
            kinds.entry(extension).or_default().push(path);
        }
    }
    for (extension, mut paths) in kinds {
        paths.sort();
        compare(&extension, &paths);
    }
}

pub fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().flat_map(|entry| files(&entry.path())).collect()
}

fn compare(extension: &str, paths: &[PathBuf]) {
    let command = reference(extension).unwrap();
    let (mut scores, mut endings) = (Vec::new(), BTreeMap::<&str, usize>::new());
    let (mut ours_total, mut theirs_total, mut ratios) = (Duration::ZERO, Duration::ZERO, Vec::new());
    for path in paths {
        let bytes = std::fs::read(path).unwrap();
        let started = Instant::now();
        let read = catch_unwind(|| read(&bytes, extension));
        let ours = started.elapsed();
        let read = read.unwrap_or_else(|_| Err(Failure::new(FailureCode::Internal, "a panic")));
        *endings.entry(read.as_ref().map_or_else(|failure| failure.code.as_str(), |_| "ok")).or_default() += 1;
        let started = Instant::now();
        let Some(theirs_text) = run(&command, path) else {
            println!("{}: ours {}, and the other program failed", path.display(), outcome(&read));
            continue;
        };
        let theirs = started.elapsed();
        ours_total += ours;
        theirs_total += theirs;
        ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
        let (expected, found) = (words(&theirs_text), words(read.as_deref().unwrap_or_default()));
        if expected.values().sum::<usize>() >= FEWEST_WORDS {
            let score = f1(&expected, &found);
            if score < GOOD {
                println!("{}: F1 {score:.3}, {}", path.display(), outcome(&read));
            }
            scores.push(score);
        }
    }
    println!("{extension}: {} files, of which ended as: {endings:?}", paths.len());
    if scores.is_empty() {
        println!("{extension}: no texts to compare; is {} installed, with what it needs?", command[0]);
        return;
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    println!("{extension}: {} texts of {FEWEST_WORDS} words or more: mean F1 {mean:.4}, median {:.4}", scores.len(), median(scores));
    let start = (0..5).map(|_| seconds(|| run(&command, Path::new("/dev/null")))).collect();
    let start = median(start);
    println!(
        "{extension}: {:.2} s, {} {:.2} s: ratio {:.1} over all, {:.1} in the median; {:.1} over all without the {:.1} ms that starting takes",
        ours_total.as_secs_f64(),
        command[0],
        theirs_total.as_secs_f64(),
        theirs_total.as_secs_f64() / ours_total.as_secs_f64(),
        median(ratios.clone()),
        (theirs_total.as_secs_f64() - start * ratios.len() as f64).max(0.0) / ours_total.as_secs_f64(),
        start * 1000.0,
    );
}

fn outcome(read: &Result<String, Failure>) -> String {
    read.as_ref().map_or_else(ToString::to_string, |text| format!("{} bytes", text.len()))
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    drop(work());
    started.elapsed().as_secs_f64()
}

pub fn read(bytes: &[u8], extension: &str) -> Result<String, Failure> {
    let settings = PrepareSettings {
        workers: 0,
        queue: 1,
        memory_mb: 512,
        image: ImageSettings { max_edge: 1568, jpeg_quality: 85, max_pixels_mp: 100 },
        text: TextSettings { clean: false },
        pdf: PdfSettings { mode: PdfMode::Text, max_pages: 0 },
        document_s: 60,
        document_mb: 1024,
        apart: Apart::default(),
    };
    let Some(reader) = READERS.iter().find(|reader| (reader.recognises)(bytes, extension)) else {
        return Err(Failure::new(FailureCode::UnsupportedKind, "no reader takes it"));
    };
    let extract = (reader.read)(bytes, &settings, &ImageLimits::anthropic(true))?;
    let texts = extract.pages.into_iter().filter_map(|page| match page {
        Page::Text(text) => Some(text),
        Page::Image(_) => None,
    });
    Ok(texts.collect::<Vec<_>>().join("\n"))
}

fn run(command: &[&str], path: &Path) -> Option<String> {
    let mut process = Command::new(command[0]);
    process.args(&command[1..]).arg(path).stderr(Stdio::null());
    if command[0] == "pdftotext" {
        process.arg("-");
    }
    let output = process.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How often each word comes. Ligatures and raised digits are the letters and digits that they show.
fn words(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    let plain: String = text.chars().flat_map(plain).collect();
    for word in plain.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_owned()).or_default() += 1;
    }
    words
}

fn plain(character: char) -> Vec<char> {
    let from = |digit: u32| char::from_digit(digit, 10).into_iter().collect();
    match character {
        'ﬀ' => vec!['f', 'f'],
        'ﬁ' => vec!['f', 'i'],
        'ﬂ' => vec!['f', 'l'],
        'ﬃ' => vec!['f', 'f', 'i'],
        'ﬄ' => vec!['f', 'f', 'l'],
        '¹' => from(1),
        '²' => from(2),
        '³' => from(3),
        '⁰' | '⁴'..='⁹' => from(u32::from(character) - 0x2070),
        '₀'..='₉' => from(u32::from(character) - 0x2080),
        _ => vec![character],
    }
}

fn f1(expected: &HashMap<String, usize>, found: &HashMap<String, usize>) -> f64 {
    let shared: usize = expected.iter().map(|(word, count)| found.get(word).map_or(0, |other| *count.min(other))).sum();
    let all: usize = expected.values().sum::<usize>() + found.values().sum::<usize>();
    2.0 * shared as f64 / all.max(1) as f64
}
