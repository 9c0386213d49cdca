//! Confines processes that read documents from strangers.
//!
//! A library that reads a hostile file may run foreign code. In a confined process, such code can
//! compute, and write to the pipe that it was given. It opens no file and no socket, and starts no
//! program. Each layer is independent, because kernels differ. Processes run without the layers
//! that their kernel lacks. [`layers`] reports them.

#[cfg(target_os = "linux")]
mod access_rules;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod system_calls;

/// A layer of the sandbox on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name for people: `system call filter (seccomp)`.
    pub name: &'static str,
    /// Why the layer is missing. `None` if it works.
    pub missing: Option<String>,
}

/// Protects the secrets in the memory of this process.
///
/// Other processes of the same user cannot read its environment or memory, and a crash leaves no
/// core file.
#[cfg(unix)]
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    // Both calls only lower rights. A failure leaves the process as any other program.
    let _refused = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    #[cfg(target_os = "linux")]
    let _refused = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Protects the secrets in the memory of this process. Only Unix has such a protection.
#[cfg(not(unix))]
pub fn keep_memory_private() {}

/// Confines this thread, and the threads that it starts, for good.
///
/// The thread keeps its open files.
#[cfg(target_os = "linux")]
pub fn confine() -> Vec<Layer> {
    let layer = |name, entered: Result<(), String>| Layer { name, missing: entered.err() };
    vec![
        layer("no new privileges", rustix::thread::set_no_new_privs(true).map_err(|e| e.to_string())),
        layer("file and network rules (Landlock)", access_rules::enter()),
        // The last layer, because it forbids to enter others.
        layer("system call filter (seccomp)", filter_system_calls()),
    ]
}

/// Confines this thread. Only Linux has such a sandbox.
#[cfg(not(target_os = "linux"))]
pub fn confine() -> Vec<Layer> {
    vec![Layer { name: "sandbox of readers", missing: Some("only Linux has it".into()) }]
}

/// The layers of the sandbox on this machine. Enters the sandbox in a thread that then ends.
pub fn layers() -> Vec<Layer> {
    std::thread::spawn(confine).join().unwrap_or_default()
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn filter_system_calls() -> Result<(), String> {
    system_calls::enter().map_err(|e| e.to_string())
}

#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
fn filter_system_calls() -> Result<(), String> {
    Err("docmill has no filter for this processor".into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_memory_of_this_process_is_private() {
        keep_memory_private();
        assert_eq!(rustix::process::dumpable_behavior(), Ok(rustix::process::DumpableBehavior::NotDumpable));
        assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Core).current, Some(0));
    }

    #[test]
    fn a_confined_thread_opens_nothing_and_other_threads_do() {
        let confined = std::thread::spawn(|| {
            let layers = confine();
            (layers, std::fs::read("/etc/passwd").map(drop), std::net::UdpSocket::bind("127.0.0.1:0").map(drop))
        });
        let (layers, file, socket) = confined.join().unwrap();
        let filtered = layers.iter().any(|layer| layer.name.contains("seccomp") && layer.missing.is_none());
        assert_eq!((file.is_err(), socket.is_err()), (filtered, filtered), "{layers:?}");
        assert!(std::fs::read("/etc/passwd").is_ok());
    }

    #[test]
    fn a_confined_thread_computes_and_starts_threads() {
        let confined = std::thread::spawn(|| {
            confine();
            let thread = std::thread::Builder::new().stack_size(1 << 26).spawn(|| vec![1_u8; 1 << 24].iter().map(|n| u64::from(*n)).sum());
            let sum: u64 = thread.unwrap().join().unwrap();
            let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(7)));
            (sum, caught.is_err(), std::fs::File::create("/tmp/x").is_err())
        });
        assert_eq!(confined.join().unwrap(), (1 << 24, true, true));
    }
}
