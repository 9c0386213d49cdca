//! Signals that stop a run or have it read its settings again.

use std::io::IsTerminal as _;

/// What a signal wants.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// That the run stops. A second time it ends at once, with this exit code.
    Stop(i32),
    /// That the run stops, as its terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "terminals say so by a signal only on Unix"))]
    HungUp,
    /// That the settings file is read again.
    #[cfg_attr(not(unix), expect(dead_code, reason = "a signal of Unix"))]
    Reload,
}

/// What shells expect of a program that a signal has ended.
const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

/// Ctrl-C, SIGTERM and SIGHUP. Registered once: between two registrations a signal would be lost.
#[derive(Debug)]
pub struct Signals {
    /// Whether there is a terminal that could hang up.
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
    /// Listens from now on.
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let on_terminal = std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
        // Whoever lets it be ignored wants the run to outlive its terminal.
        let hang_up = if on_terminal && hang_up_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { on_terminal, interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok(), hang_up }
    }

    /// Waits for a signal; gives what it wants.
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
    /// Listens.
    pub fn new() -> Self {
        Self {}
    }

    /// Waits for a signal; gives what it wants.
    pub async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop(INTERRUPTED)
    }
}

/// Whether this process was started with SIGHUP ignored, where the system tells.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first signal, and so the lowest bit.
    ignored.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
