//! Inputs that are large in number: rows of a table, files of a directory, pages of documents.

use super::bare;
use super::child::{docmill, run};
use super::server;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

/// Few and many rows of a table: memory must not grow with them.
pub fn rows(many: usize) {
    let (_server, url) = server::start(0);
    let peak_of = |rows: usize| {
        let dir = tempfile::tempdir().unwrap();
        let (table, job) = (dir.path().join("rows.csv"), dir.path().join("title.toml"));
        let mut file = BufWriter::new(fs::File::create(&table).unwrap());
        writeln!(file, "id,stars,body").unwrap();
        (0..rows).for_each(|n| writeln!(file, "{n},{},\"Review {n} says that the chair is good, and that it came late.\"", n % 5).unwrap());
        drop(file);
        fs::write(&job, bare::JOB).unwrap();
        let rows_of = format!("input.rows=[\"{}\"]", table.display());
        let settings =
            ["input.paths=[]", rows_of.as_str(), "input.text_column=\"body\"", "input.keep_columns=[\"stars\"]", "llm.concurrency=64"];
        let first = run(&mut docmill(&url, dir.path(), &dir.path().join("out"), &job, &settings));
        let again = run(&mut docmill(&url, dir.path(), &dir.path().join("out"), &job, &settings));
        println!(
            "rows: {rows} of a CSV: peak {:.0} MB, {:.0} rows/s; with nothing to do {:.1} s, {:.0} MB",
            first.peak_mb,
            rows as f64 / first.wall.as_secs_f64(),
            again.wall.as_secs_f64(),
            again.peak_mb
        );
        first.peak_mb
    };
    let (few, more) = (peak_of(10_000), peak_of(many));
    println!("rows: {many} rows take {:.2} x the peak of 10,000 (wanted: flat)", more / few);
}

/// The time until the first request for a directory of very many files.
pub fn crowd(files: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    fs::create_dir(&input).unwrap();
    (0..files).for_each(|n| fs::write(input.join(format!("{n:07}.txt")), b"a text").unwrap());
    fs::write(&job, bare::JOB).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = docmill(&url, &input, &dir.path().join("out"), &job, &[]);
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    let first = started.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    println!("crowd: {files} files in one directory: first request after {:.2} s (wanted: 2 s for 1,000,000)", first.as_secs_f64());
}

/// A folder of documents of many pages, with a model that answers at once, and with one that takes its time.
pub fn pages() {
    const DOCUMENTS: usize = 300;
    const PAGES: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    fs::create_dir(&input).unwrap();
    for n in 0..DOCUMENTS {
        match n % 3 {
            0 => fs::write(input.join(format!("{n:04}.pdf")), pdf(n, PAGES)).unwrap(),
            1 => fs::write(input.join(format!("{n:04}.html")), html(n, PAGES)).unwrap(),
            _ => fs::write(input.join(format!("{n:04}.txt")), (0..PAGES).map(|page| words(n, page)).collect::<String>()).unwrap(),
        }
    }
    fs::write(&job, bare::JOB).unwrap();
    for latency_ms in [0, 2000] {
        let (_server, url) = server::start(latency_ms);
        let output = dir.path().join(format!("out{latency_ms}"));
        let mut command = docmill(&url, &input, &output, &job, &["llm.concurrency=32", "llm.check_prompt_cut=false"]);
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut family = 0.0_f64;
        while child.try_wait().unwrap().is_none() {
            family = family.max(family_mb(child.id()));
            std::thread::sleep(Duration::from_millis(20));
        }
        let wall = started.elapsed();
        let ideal = Duration::from_millis(latency_ms) * u32::try_from(DOCUMENTS.div_ceil(32)).unwrap();
        println!(
            "pages: {} pages in {DOCUMENTS} documents, {latency_ms} ms for an answer: {:.1} s (calls alone: {:.1} s), {:.0} pages/s, peak {family:.0} MB with all its processes",
            DOCUMENTS * PAGES,
            wall.as_secs_f64(),
            ideal.as_secs_f64(),
            (DOCUMENTS * PAGES) as f64 / wall.as_secs_f64()
        );
    }
}

/// About as many words as a page has.
fn words(document: usize, page: usize) -> String {
    let mut text = String::new();
    for line in 0..40 {
        writeln!(text, "Line {line} of page {page} in document {document} holds a dozen words of plain prose.").unwrap();
    }
    text
}

fn html(document: usize, pages: usize) -> String {
    let body: String =
        (0..pages).map(|page| format!("<h2>Page {page}</h2><p>{}</p>", words(document, page).replace('\n', "<br>"))).collect();
    format!("<!DOCTYPE html><html><body>{body}</body></html>")
}

fn pdf(document: usize, pages: usize) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count {pages} /Kids [{}] >>", (0..pages).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect::<String>()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for page in 0..pages {
        let lines: String = words(document, page).lines().map(|line| format!("({line}) Tj T*\n")).collect();
        let content = format!("BT /F1 10 Tf 14 TL 60 740 Td\n{lines}ET");
        let number = 5 + 2 * page;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = String::new();
    for (n, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        write!(file, "{} 0 obj\n{object}\nendobj\n", n + 1).unwrap();
    }
    let (start, size) = (file.len(), objects.len() + 1);
    write!(file, "xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
        .unwrap();
    file.into_bytes()
}

/// Memory of a process and its children, in megabytes.
fn family_mb(parent: u32) -> f64 {
    let field = |status: &str, name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
    };
    let statuses =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read_to_string(Path::new(&entry.path()).join("status")).ok());
    let ours = |status: &String| [field(status, "Pid:"), field(status, "PPid:")].contains(&f64::from(parent));
    statuses.filter(ours).map(|status| field(&status, "VmRSS:")).sum::<f64>() / 1024.0
}
