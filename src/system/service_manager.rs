//! The service manager of the system: systemd on Linux, none elsewhere.

use std::net::TcpListener;
use std::time::Duration;

/// A state to tell the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// The service takes requests.
    Ready,
    /// The service ends.
    Stopping,
    /// The service is alive.
    Alive,
}

/// Tells the service manager a state. Does nothing without a service manager.
pub fn tell_service_manager(state: ServiceState) {
    #[cfg(target_os = "linux")]
    {
        let state = match state {
            ServiceState::Ready => sd_notify::NotifyState::Ready,
            ServiceState::Stopping => sd_notify::NotifyState::Stopping,
            ServiceState::Alive => sd_notify::NotifyState::Watchdog,
        };
        // The service works without its manager.
        let _unheard = sd_notify::notify(false, &[state]);
    }
    #[cfg(not(target_os = "linux"))]
    let _nobody_to_tell = state;
}

/// The time within which the service manager wants to hear that the service is alive.
pub fn watchdog() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let mut microseconds = 0;
        sd_notify::watchdog_enabled(false, &mut microseconds).then(|| Duration::from_micros(microseconds))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The port that the service manager has opened for this process (socket activation).
pub fn opened_port() -> std::io::Result<Option<TcpListener>> {
    #[cfg(target_os = "linux")]
    return listenfd::ListenFd::from_env().take_tcp_listener(0);
    #[cfg(not(target_os = "linux"))]
    Ok(None)
}
