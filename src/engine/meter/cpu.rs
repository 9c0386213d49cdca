//! CPU time of this process and of the processes that read documents for it.

/// CPU time so far, in seconds; 0 if the system does not report it.
#[cfg(unix)]
pub fn seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let of = |who| {
        getrusage(who).map_or(0.0, |usage| {
            let (user, system) = (usage.user_time(), usage.system_time());
            (user.tv_sec() + system.tv_sec()) as f64 + (user.tv_usec() + system.tv_usec()) as f64 / 1e6
        })
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

#[cfg(not(unix))]
pub fn seconds() -> f64 {
    0.0
}
