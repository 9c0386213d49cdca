//! Processes and what they used.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a finished process used.
pub struct Used {
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_mb: f64,
}

/// Runs a command to its end. Its CPU time is the growth of that of all children waited for, so only one at a time.
pub fn run(command: &mut Command) -> Used {
    let before = children_cpu();
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let (mut peak_mb, status) = (0.0_f64, format!("/proc/{}/status", child.id()));
    let exit = loop {
        peak_mb = peak_mb.max(high_water_mark(Path::new(&status)));
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(exit.success(), "{command:?} ended with {exit}");
    Used { wall: started.elapsed(), cpu: children_cpu().saturating_sub(before), peak_mb }
}

fn children_cpu() -> Duration {
    cpu(UsageWho::RUSAGE_CHILDREN)
}

/// What this process, this thread of it, or all its finished children have computed so far.
pub fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// The largest memory of a process so far in MB, by its status file.
pub fn high_water_mark(status: &Path) -> f64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// Another role of this program.
pub fn myself(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(args);
    command
}

/// docmill with a job of one call for each text, against a server at `url`.
pub fn docmill(url: &str, input: &Path, output: &Path, job: &Path, settings: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.arg("run").arg(input).arg("--quiet").arg("--output").arg(output).arg("--job").arg(job);
    let provider = ["llm.provider=openai-compatible", "llm.model=bench", &format!("llm.base_url={url}/v1")].map(ToOwned::to_owned);
    for set in provider.iter().map(String::as_str).chain(settings.iter().copied()) {
        command.arg("--set").arg(set);
    }
    // A settings file of the current directory must not change what is measured.
    command.current_dir(output.parent().unwrap());
    command
}

/// A process that is ended with its owner.
pub struct Background(pub Child);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The middle one of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
