//! Places where tests make the program die, as if by `kill -9`. In the program that users get, these do nothing.

/// The environment variable that says which of them are on.
pub(crate) const VARIABLE: &str = "FAILPOINTS";

/// Reaching `place` may be the end of the process: `FAILPOINTS="commit=0.01,publish=0.5"` gives probabilities.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(place: &str) {
    if setting(place).and_then(|share| share.parse::<f64>().ok()).is_some_and(|share| fastrand::f64() < share) {
        // Like a kill: no destructor runs, nothing is flushed.
        std::process::abort();
    }
}

/// What processes that know no environment are to be told of it.
#[cfg(feature = "failpoints")]
pub(crate) fn inherited() -> Option<std::ffi::OsString> {
    std::env::var_os(VARIABLE)
}

/// What is at `place` never ends: it works (`place=busy`), or waits, and says so by a file (`place=FILE`).
#[cfg(feature = "failpoints")]
pub(crate) fn stall(place: &str) -> std::io::Result<()> {
    let Some(how) = setting(place) else { return Ok(()) };
    if how != "busy" {
        std::fs::write(how, "")?;
        loop {
            std::thread::park();
        }
    }
    loop {
        std::hint::spin_loop();
    }
}

/// Reaching `place` with what the environment names there (`place=NAME`) is a panic.
pub(crate) fn panic_over(place: &str, name: &str) {
    assert!(setting(place).is_none_or(|wanted| wanted != name), "failpoint {place}={name}");
}

/// The value of `place` in the environment.
#[cfg(feature = "failpoints")]
pub(crate) fn setting(place: &str) -> Option<String> {
    static ALL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| std::env::var(VARIABLE).unwrap_or_default());
    ALL.split(',').find_map(|one| one.strip_prefix(place)?.strip_prefix('=').map(str::to_owned))
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn reach(_place: &str) {}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn inherited() -> Option<std::ffi::OsString> {
    None
}

#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "the same as with the feature")]
pub(crate) fn stall(_place: &str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn setting(_place: &str) -> Option<String> {
    None
}

/// Whether something is switched off, to measure what it costs.
pub(crate) fn is_off(what: &str) -> bool {
    setting(what).is_some_and(|value| value == "off")
}

/// A slow place: takes as many milliseconds as the environment says.
pub(crate) fn linger(place: &str) {
    if let Some(ms) = setting(place).and_then(|ms| ms.parse().ok()) {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }
}
