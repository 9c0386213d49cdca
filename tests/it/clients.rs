//! Other people's clients, unchanged but for the base URL, against `docmill serve`.
//!
//! `.ci/clients` installs the clients. Each script in `tests/clients` gets a server of its own and
//! these variables:
//!
//! | variable | value |
//! |---|---|
//! | `BASE_URL` | address of the server |
//! | `API_KEY` | a key of the server |
//! | `SIMULATOR` | address of the model server, as the provider of the server |
//! | `MODEL` | a model of the model server |
//! | `DOCMILL` | the program |
//! | `WORK` | the working directory of the server |
//! | `SCREENSHOTS` | directory for screenshots, if `DOCMILL_TEST_SCREENSHOTS` names one |
//!
//! Settings of its server are in its lines that begin with `# docmill:` or `// docmill:`.

use crate::support::Workspace;
use crate::support::serving::{Serving, address_of};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The model of the model server.
const MODEL: &str = "simulated-small";
/// Maximum duration of a script. A longer one hangs.
const PATIENCE: Duration = Duration::from_mins(4);

/// The installed clients. If `DOCMILL_TEST_CLIENTS` names a directory, they must be there.
pub(crate) fn clients() -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("DOCMILL_TEST_CLIENTS").filter(|value| !value.is_empty()) else {
        eprintln!("skipped: DOCMILL_TEST_CLIENTS is not set. Set it to the directory that .ci/clients prints");
        return None;
    };
    let directory = PathBuf::from(directory);
    assert!(directory.is_dir(), "DOCMILL_TEST_CLIENTS: there is no directory {}", directory.display());
    Some(directory)
}

/// The scripts with this ending, by name.
fn scripts(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<_> = entries.filter(|path| path.extension().is_some_and(|own| own == ending)).collect();
    scripts.sort();
    scripts
}

/// Settings in the lines of a script that begin with a comment sign and `docmill:`.
fn settings_of(script: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(script).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("# docmill: ").or_else(|| line.strip_prefix("// docmill: ")));
    lines.map(|line| line.split_once('=').unwrap()).map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Runs a script against its own server. The error is what it printed.
fn run(interpreter: &Path, script: &Path) -> Result<(), String> {
    let workspace = Workspace::new();
    let simulator = workspace.start(["simulate", "--port", "0", "--latency-ms", "20", "--jitter-ms", "0"]);
    let upstream = address_of(&simulator);
    let added = workspace.docmill(["serve", "--set", "serve.keys=keys.toml", "--new-key", "tests"]).exits(0);
    let key = added.stdout.split_whitespace().find(|word| word.starts_with("dmk_")).unwrap().to_owned();
    let mut workspace = workspace
        .set("serve.keys", "keys.toml")
        .set("llm.provider", "openai-compatible")
        .set("llm.base_url", format!("{upstream}/v1"))
        .set("llm.model", MODEL);
    for (key, value) in settings_of(script) {
        workspace = workspace.set(&key, value);
    }
    let serving = Serving::start(&workspace);
    let log = workspace.path("script.log");
    let file = std::fs::File::create(&log).unwrap();
    let mut command = Command::new(interpreter);
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    // Clients find no settings, caches or keys of the tester.
    let mut child = workspace
        .in_here(command.arg(script))
        .env("PATH", path)
        .env("BASE_URL", serving.base())
        .env("API_KEY", key)
        .env("SIMULATOR", &upstream)
        .env("MODEL", MODEL)
        .env("DOCMILL", env!("CARGO_BIN_EXE_docmill"))
        .env("WORK", workspace.path(""))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(std::env::var_os("DOCMILL_TEST_SCREENSHOTS").map(|directory| ("SCREENSHOTS", directory)))
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.to_string();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            break format!("still running after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if status == "exit status: 0" {
        return Ok(());
    }
    let said = std::fs::read_to_string(log).unwrap();
    Err(format!("{}: {status}\n{said}\nThe server said:\n{}", script.display(), serving.process.said()))
}

fn run_all(interpreter: &Path, scripts: &[PathBuf]) {
    assert!(interpreter.exists(), "{} is missing", interpreter.display());
    let failed: Vec<_> = scripts.iter().filter_map(|script| run(interpreter, script).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs the scripts whose names begin so, or do not begin so, beside the installed packages.
fn run_node(clients: &Path, is_wanted: impl Fn(&str) -> bool) {
    // Modules find packages beside their own files only.
    let beside = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink(clients.join("node/node_modules"), beside.path().join("node_modules")).unwrap();
    for entry in std::fs::read_dir(here().join("node")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), beside.path().join(entry.file_name())).unwrap();
    }
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let wanted: Vec<_> = scripts(beside.path(), "mjs").into_iter().filter(|path| is_wanted(&name(path))).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let node = std::env::split_paths(&path).map(|directory| directory.join("node")).find(|file| file.is_file());
    run_all(&node.expect("node is not in PATH"), &wanted);
}

#[test]
fn clients_in_python_work_unchanged() {
    let Some(clients) = clients() else { return };
    run_all(&clients.join("python/bin/python"), &scripts(&here().join("python"), "py"));
}

#[test]
fn clients_in_javascript_work_unchanged() {
    let Some(clients) = clients() else { return };
    run_node(&clients, |name| !name.starts_with("page"));
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(clients) = clients() else { return };
    run_node(&clients, |name| name.starts_with("page_"));
}
