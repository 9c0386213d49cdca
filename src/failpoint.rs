//! Places where tests make the program die as if by `kill -9`, panic, stall or defer.
//!
//! They are active in debug builds and with the feature `failpoints`, and do nothing otherwise.

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod escape;

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) use escape::escape;

/// The environment variable that switches failpoints on.
pub(crate) const VARIABLE: &str = "FAILPOINTS";

/// Aborts the process at `place` with the given probability:
/// `FAILPOINTS="commit=0.01,publish=0.5"`.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) fn reach(place: &str) {
    if setting(place).and_then(|share| share.parse::<f64>().ok()).is_some_and(|share| fastrand::f64() < share) {
        // As in a kill, no destructor runs and nothing is flushed.
        std::process::abort();
    }
}

/// The value to pass to child processes that get no environment.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) fn inherited() -> Option<std::ffi::OsString> {
    std::env::var_os(VARIABLE)
}

/// Creates the file that the environment names at `place` (`place=FILE`), unless it says `busy`.
///
/// A test then knows that `place` is near. A confined process can create no file later.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) fn mark(place: &str) {
    if let Some(file) = setting(place).filter(|how| !ACTIONS.contains(&how.as_str())) {
        // If this fails, the test waits in vain and says so.
        let _failed = std::fs::write(file, "");
    }
}

/// Values of a place that are no file.
#[cfg(any(debug_assertions, feature = "failpoints"))]
const ACTIONS: [&str; 2] = ["busy", "escape"];

/// Never returns from `place`: computes (`place=busy`), or waits (`place=FILE`).
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) fn stall(place: &str) {
    let Some(how) = setting(place).filter(|how| how != "escape") else { return };
    loop {
        if how == "busy" { std::hint::spin_loop() } else { std::thread::park() }
    }
}

/// Panics at `place` if the environment names `name` there (`place=NAME`).
pub(crate) fn panic_over(place: &str, name: &str) {
    assert!(!names(place, name), "failpoint {place}={name}");
}

/// Never returns from `place` if the environment names `name` there (`place=NAME`).
pub(crate) fn hang_over(place: &str, name: &str) {
    while names(place, name) {
        std::thread::park();
    }
}

/// Whether the environment names `name` at `place` (`place=NAME`).
pub(crate) fn names(place: &str, name: &str) -> bool {
    setting(place).is_some_and(|wanted| wanted == name)
}

/// The value of `place` in the environment.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) fn setting(place: &str) -> Option<String> {
    static ALL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| std::env::var(VARIABLE).unwrap_or_default());
    ALL.split(',').find_map(|one| one.strip_prefix(place)?.strip_prefix('=').map(str::to_owned))
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) fn reach(_place: &str) {}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) fn inherited() -> Option<std::ffi::OsString> {
    None
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) fn mark(_place: &str) {}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) fn stall(_place: &str) {}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[expect(clippy::unnecessary_wraps, reason = "the same as with the feature")]
pub(crate) fn escape(_place: &str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub(crate) fn setting(_place: &str) -> Option<String> {
    None
}

/// Whether a part of the program is switched off (`what=off`), to measure its cost.
pub(crate) fn is_off(what: &str) -> bool {
    setting(what).is_some_and(|value| value == "off")
}

/// Sleeps at `place` for the milliseconds that the environment names.
pub(crate) fn linger(place: &str) {
    if let Some(ms) = setting(place).and_then(|ms| ms.parse().ok()) {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }
}

/// Stays at `place` while the file that the environment names there (`place=FILE`) exists. Creates it.
///
/// A test then knows that `place` is near, and goes on when it removes the file.
pub(crate) fn gate(place: &str) {
    let Some(file) = setting(place) else { return };
    let created = std::fs::File::create_new(&file);
    while created.is_ok() && std::path::Path::new(&file).exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
