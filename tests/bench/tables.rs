//! Tables of PDF documents against those of other programs, on a made corpus with known cells.
//!
//! `cargo bench --bench pipeline -- tables`: needs python3 with reportlab; compares with pdfplumber,
//! camelot and pymupdf4llm if they are installed. `PYTHON` names another python3. A cell counts if its
//! text is right, in the right column of the right row.

use super::corpus;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const MAKE: &str = include_str!("tables/make.py");
const SCORE: &str = include_str!("tables/score.py");
const OTHERS: [&str; 6] = ["pdfplumber", "pdfplumber_text", "camelot_lattice", "camelot_stream", "camelot_hybrid", "pymupdf4llm"];

pub fn tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    if !python(MAKE, &[path.to_str().unwrap()]) {
        println!("tables: the corpus was not made; it needs python3 with reportlab (pip install reportlab)");
        return;
    }
    let started = Instant::now();
    let files = std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "pdf")) {
        let text = corpus::read(&std::fs::read(&file).unwrap(), "pdf").unwrap_or_default();
        std::fs::write(Path::new(&format!("{}.md", file.display())), text).unwrap();
    }
    println!("tables: docmill reads all files in {:.2} s", started.elapsed().as_secs_f64());
    python(SCORE, &[path.to_str().unwrap(), "docmill"]);
    for other in OTHERS {
        python(SCORE, &[path.to_str().unwrap(), other]);
    }
}

/// Runs a script. Returns whether it succeeded.
fn python(script: &str, arguments: &[&str]) -> bool {
    let program = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    Command::new(program).args(["-c", script]).args(arguments).status().is_ok_and(|status| status.success())
}
