//! A directory to run the program in, and the output of runs.

use super::ModelServer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Maximum duration of a run. A longer run hangs.
const WATCHDOG: Duration = Duration::from_mins(15);

/// A directory with documents in `docs/` and results in `output/`. Clones share it.
#[derive(Clone)]
pub struct Workspace {
    dir: Arc<TempDir>,
    env: Vec<(String, String)>,
    standing: Vec<String>,
}

impl Workspace {
    /// Creates an empty workspace.
    pub fn new() -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        std::fs::create_dir(dir.path().join("docs")).unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, env: Vec::new(), standing: Vec::new() }
    }

    /// A path in the workspace.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file anywhere in the workspace.
    pub fn write(&self, relative: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Writes a document.
    pub fn doc(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        self.write(Path::new("docs").join(name), content)
    }

    /// Sets an environment variable for all runs.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a setting for all runs.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.standing.extend(["--set".to_owned(), format!("{key}={value}")]);
        self
    }

    /// Makes all runs use this server as a compatible provider. Delays between attempts are short,
    /// and the preflight call is off.
    pub fn against(self, server: &ModelServer) -> Self {
        self.set("llm.provider", "openai-compatible")
            .set("llm.base_url", format!("{}/v1", server.url()))
            .set("llm.model", "test-model")
            .set("llm.retry.base_ms", 1)
            .set("llm.preflight", false)
    }

    /// Starts `docmill run docs` with further arguments. Its stderr goes to `stderr`.
    pub fn spawn_run(&self, args: &[&str], stderr: Stdio) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        command.args(["run", "docs"]).args(args).args(&self.standing);
        self.in_here(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
    }

    /// Runs `docmill run docs` with further arguments.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        self.start_run(args).finish()
    }

    /// Starts `docmill run docs` with further arguments.
    pub fn start_run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        let mut all = vec!["run".into(), "docs".into()];
        all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        all.extend(self.standing.iter().map(Into::into));
        self.start(all)
    }

    /// Runs `docmill run` with further arguments and this standard input. The arguments name the
    /// input.
    pub fn run_on<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, stdin: &str) -> Finished {
        let mut all: Vec<OsString> = vec!["run".into()];
        all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        all.extend(self.standing.iter().map(Into::into));
        self.write("stdin", stdin);
        self.start_fed(all, std::fs::File::open(self.path("stdin")).unwrap().into()).finish()
    }

    /// Runs the program with exactly these arguments.
    pub fn docmill<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        self.start(args).finish()
    }

    /// Starts the program with exactly these arguments. The environment of the tester does not
    /// reach it: no settings, keys or proxies.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        self.start_fed(args, Stdio::null())
    }

    /// Starts the program with these arguments, the settings for all runs, and this standard input.
    pub fn start_with_stdin<'a>(&self, args: impl IntoIterator<Item = &'a str>, stdin: &str) -> Running {
        self.write("stdin", stdin);
        let args = args.into_iter().map(ToOwned::to_owned).chain(self.standing.iter().cloned());
        self.start_fed(args, std::fs::File::open(self.path("stdin")).unwrap().into())
    }

    /// Starts the program like [`Self::start_with_stdin`]. The caller reads its standard output.
    pub fn spawn_with_stdin<'a>(&self, args: impl IntoIterator<Item = &'a str>, stdin: &str) -> Child {
        self.write("stdin", stdin);
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        let args = args.into_iter().map(ToOwned::to_owned).chain(self.standing.iter().cloned());
        let stdin = std::fs::File::open(self.path("stdin")).unwrap();
        self.in_here(command.args(args)).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the program with these arguments and the settings for all runs.
    pub fn start_with<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Running {
        self.start(args.into_iter().map(ToOwned::to_owned).chain(self.standing.iter().cloned()))
    }

    /// Starts the program like [`Self::start_with`], with an open port as systemd passes it on.
    #[cfg(target_os = "linux")]
    pub fn start_with_port<'a>(&self, args: impl IntoIterator<Item = &'a str>, port: std::net::TcpListener) -> Running {
        let mut command = Command::new("sh");
        // The port is descriptor 3, and the variables name the process that they are meant for.
        command.args([
            "-c",
            "LISTEN_FDS=1 LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$@\" 3<&0 0</dev/null",
            "sh",
            env!("CARGO_BIN_EXE_docmill"),
        ]);
        command.args(args).args(&self.standing);
        Running::of(self.in_here(&mut command).stdin(std::os::fd::OwnedFd::from(port)), &self.dir)
    }

    /// Starts a run on a separate terminal. The terminal ends with the returned process, and the
    /// run may outlive it. `None` if no terminal can be created.
    pub fn start_run_on_a_terminal(&self, args: &[&str]) -> Option<Child> {
        let quoted = |arg: &str| format!("'{}'", arg.replace('\'', "'\\''"));
        let program = env!("CARGO_BIN_EXE_docmill");
        let given = ["run", "docs"].iter().chain(args).map(|arg| quoted(arg)).chain(self.standing.iter().map(|arg| quoted(arg)));
        let line = format!("exec {} {}", quoted(program), given.collect::<Vec<_>>().join(" "));
        let mut command = Command::new("script");
        command.args(["-qfc", &line, "/dev/null"]);
        let started = self
            .in_here(&mut command)
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        started.inspect_err(|error| eprintln!("skipped: no terminal can be made here: {error}")).ok()
    }

    /// Runs the program on a separate terminal with typed input. Adds the settings for all runs.
    /// Returns the exit code and the shown text. `None` if no terminal can be created.
    pub fn run_on_a_terminal(&self, args: &[&str], typed: &str) -> Option<(i32, String)> {
        let quoted = |arg: &str| format!("'{}'", arg.replace('\'', "'\\''"));
        let program = env!("CARGO_BIN_EXE_docmill");
        let given = args.iter().map(|arg| quoted(arg)).chain(self.standing.iter().map(|arg| quoted(arg)));
        let line = format!("exec {} {}", quoted(program), given.collect::<Vec<_>>().join(" "));
        let mut command = Command::new("script");
        command.args(["-qefc", &line, "/dev/null"]);
        self.write("typed", typed);
        let stdin = std::fs::File::open(self.path("typed")).unwrap();
        let done = self.in_here(&mut command).env("SHELL", "/bin/sh").env("TERM", "xterm").env("COLUMNS", "400").stdin(stdin).output();
        let done = done.inspect_err(|error| eprintln!("skipped: no terminal can be made here: {error}")).ok()?;
        Some((done.status.code().unwrap(), String::from_utf8_lossy(&done.stdout).replace('\r', "")))
    }

    /// Runs the program as a user without rights in the workspace. `None` if that is not possible.
    pub fn as_a_stranger(&self, args: &[&str]) -> Option<Finished> {
        let mut command = Command::new("setpriv");
        let program = env!("CARGO_BIN_EXE_docmill");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program).args(args);
        let done = self.in_here(&mut command).stdin(Stdio::null()).output();
        let done = done.ok().filter(|done| done.status.code().is_some_and(|code| code != 127 && code != 126));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let Some(done) = done.filter(|done| !String::from_utf8_lossy(&done.stderr).contains("setpriv:")) else {
            eprintln!("skipped: this machine has no other user");
            return None;
        };
        let code = done.status.code().unwrap();
        Some(Finished { code, stdout: text(done.stdout), stderr: text(done.stderr), dir: Arc::clone(&self.dir) })
    }

    /// Sets the working directory, and replaces the environment.
    pub fn in_here<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .envs([("HOME", self.path("home")), ("XDG_RUNTIME_DIR", self.path("home")), ("TMPDIR", std::env::temp_dir())])
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TZ", "UTC"), ("COLUMNS", "100")])
            .env("DOCMILL_TRUST", self.dir.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
    }

    fn start_fed<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, stdin: Stdio) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        Running::of(self.in_here(command.args(args)).stdin(stdin), &self.dir)
    }
}

/// Collects the output of a process as it appears.
struct Drain {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    fn start(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A broken pipe ends the text. The exit code shows the cause.
            while let Ok(n @ 1..) = from.read(&mut piece) {
                into.lock().unwrap().extend(&piece[..n]);
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.so_far()
    }
}

/// A running program. Dropping it kills the process.
pub struct Running {
    child: Child,
    stdout: Drain,
    stderr: Drain,
    ended: bool,
    dir: Arc<TempDir>,
}

impl Running {
    fn of(command: &mut Command, dir: &Arc<TempDir>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Drain::start(child.stdout.take().unwrap());
        let stderr = Drain::start(child.stderr.take().unwrap());
        Self { child, stdout, stderr, ended: false, dir: Arc::clone(dir) }
    }

    /// Waits for the end. Panics if a signal ended the process.
    pub fn finish(self) -> Finished {
        match self.end() {
            Ok(finished) => finished,
            Err((status, stderr)) => panic!("ended by a signal: {status}\n{stderr}"),
        }
    }

    /// Waits for the end. The error holds the status and stderr of a process that a signal ended. A
    /// process that hangs is killed, and the test fails.
    pub fn end(mut self) -> Result<Finished, (ExitStatus, String)> {
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        self.ended = true;
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let Some(status) = status else { panic!("still running after {} s\n{stderr}", WATCHDOG.as_secs()) };
        let Some(code) = status.code() else { return Err((status, stderr)) };
        Ok(Finished { code, stdout, stderr, dir: Arc::clone(&self.dir) })
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The output on stdout so far.
    pub fn heard(&self) -> String {
        self.stdout.so_far()
    }

    /// The output on stderr so far.
    pub fn said(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until stderr contains this text.
    pub fn wait_until_it_says(&self, part: &str) {
        self.wait_until(part, || self.stderr.so_far().contains(part));
    }

    /// Waits until this file exists in the workspace.
    pub fn wait_until_there_is(&self, file: &str) {
        self.wait_until(file, || self.dir.path().join(file).exists());
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + WATCHDOG;
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain for {what:?}:\n{}", self.stderr.so_far());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name} failed");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // Only failing tests reach this. The process may be gone already.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// Exit code.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// Keeps the directory until the test has read the results.
    dir: Arc<TempDir>,
}

impl Finished {
    /// Fails with stderr unless the exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; stderr:\n{}", self.stderr);
        self
    }

    /// Fails unless stderr contains all of these texts.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks {part:?}:\n{}", self.stderr);
        }
        self
    }

    /// Fails if stderr contains this text.
    #[track_caller]
    pub fn says_nothing_of(self, part: &str) -> Self {
        assert!(!self.stderr.contains(part), "stderr has {part:?}:\n{}", self.stderr);
        self
    }

    /// The content of a result file.
    #[track_caller]
    pub fn file(&self, job: &str, name: &str) -> String {
        let path = self.dir.path().join("output").join(job).join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; stderr:\n{}", path.display(), self.stderr))
    }

    /// Whether a result file exists.
    pub fn has(&self, job: &str, name: &str) -> bool {
        self.dir.path().join("output").join(job).join(name).is_file()
    }

    /// `results.csv`, parsed.
    #[track_caller]
    pub fn csv(&self, job: &str) -> Table {
        Table::parse(&self.file(job, "results.csv"))
    }

    /// `results.jsonl`, parsed.
    #[track_caller]
    pub fn jsonl(&self, job: &str) -> Vec<Value> {
        self.file(job, "results.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `results.json`, parsed.
    #[track_caller]
    pub fn json(&self, job: &str) -> Vec<Value> {
        serde_json::from_str(&self.file(job, "results.json")).unwrap()
    }

    /// `summary.json`, parsed.
    #[track_caller]
    pub fn summary(&self, job: &str) -> Value {
        serde_json::from_str(&self.file(job, "summary.json")).unwrap()
    }
}

/// A parsed CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows by column.
    pub rows: Vec<BTreeMap<String, String>>,
}

impl Table {
    fn parse(text: &str) -> Self {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns: Vec<String> = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
        let rows =
            reader.records().map(|record| columns.iter().cloned().zip(record.unwrap().iter().map(ToOwned::to_owned)).collect()).collect();
        Self { columns, rows }
    }

    /// One column of all rows.
    #[track_caller]
    pub fn column(&self, name: &str) -> Vec<&str> {
        assert!(self.columns.iter().any(|column| column == name), "no column {name} among {:?}", self.columns);
        self.rows.iter().map(|row| row[name].as_str()).collect()
    }

    /// The row of one document.
    #[track_caller]
    pub fn row(&self, document: &str) -> &BTreeMap<String, String> {
        let mut rows = self.rows.iter().filter(|row| row["document"] == document);
        let row = rows.next().unwrap_or_else(|| panic!("no row for {document:?} among {:?}", self.column("document")));
        assert!(rows.next().is_none(), "two rows for {document:?}");
        row
    }

    /// The same table without times, which differ from run to run.
    pub fn without_seconds(mut self) -> Self {
        self.columns.retain(|column| column != "seconds");
        for row in &mut self.rows {
            row.remove("seconds");
        }
        self
    }
}

/// The same value without times.
pub fn without_seconds(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| *name != "seconds").map(|(name, value)| (name.clone(), without_seconds(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_seconds).collect(),
        other => other.clone(),
    }
}
