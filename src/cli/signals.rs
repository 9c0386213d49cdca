//! Signals that stop a run or make it reload its settings.

use std::io::IsTerminal as _;

/// The meaning of a signal.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// Stop the run. The second one ends the program at once with this exit code.
    Stop(i32),
    /// Stop the run, because its terminal closed.
    #[cfg_attr(not(unix), expect(dead_code, reason = "terminals say so by a signal only on Unix"))]
    HungUp,
    /// Reload the settings file.
    #[cfg_attr(not(unix), expect(dead_code, reason = "a signal of Unix"))]
    Reload,
}

/// Exit codes that shells expect after a signal.
pub(super) const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

/// Receives Ctrl-C, SIGTERM and SIGHUP. Registers once, so that no signal is lost.
#[derive(Debug)]
pub struct Signals {
    /// Whether the process has a terminal.
    #[cfg(unix)]
    on_terminal: bool,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen.
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let on_terminal = std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
        // With `nohup`, the run must outlive its terminal.
        let hang_up = if on_terminal && hang_up_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { on_terminal, interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok(), hang_up }
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(Some(())) = async { Some(self.interrupt.as_mut()?.recv().await) } => Signal::Stop(INTERRUPTED),
            Some(Some(())) = async { Some(self.terminate.as_mut()?.recv().await) } => Signal::Stop(TERMINATED),
            Some(Some(())) = async { Some(self.hang_up.as_mut()?.recv().await) } =>
                if self.on_terminal { Signal::HungUp } else { Signal::Reload },
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen.
    pub fn new() -> Self {
        Self {}
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop(INTERRUPTED)
    }
}

/// Whether the process was started with SIGHUP ignored. False if the system does not report it.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1: the lowest bit.
    ignored.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
