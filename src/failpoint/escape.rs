//! What hostile code would try in a process that reads documents.

use std::fs::{self, File};
use std::io::{Error, Result};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

/// Fails with a line for each attempt of hostile code, if the environment says `place=escape`.
///
/// A line is the name of the attempt with its error, or "succeeded".
pub(crate) fn escape(place: &str) -> Result<()> {
    if !super::names(place, "escape") {
        return Ok(());
    }
    let said: Vec<String> = attempts().into_iter().map(|(what, failed)| format!("{what}: {}", outcome(failed))).collect();
    Err(Error::other(said.join("; ")))
}

fn outcome(result: Result<()>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |()| "succeeded".to_owned())
}

fn attempts() -> Vec<(&'static str, Result<()>)> {
    let mut attempts = vec![
        ("connect", TcpStream::connect(("127.0.0.1", 9)).map(drop)),
        ("listen", TcpListener::bind(("127.0.0.1", 0)).map(drop)),
        ("udp", UdpSocket::bind(("127.0.0.1", 0)).map(drop)),
        ("passwd", File::open("/etc/passwd").map(drop)),
        ("list", fs::read_dir("/").map(drop)),
        ("write", File::create(std::env::temp_dir().join("docmill-escape")).map(drop)),
        ("exec", Command::new("/bin/true").status().map(drop)),
        ("own-environ", File::open("/proc/self/environ").map(drop)),
        ("thread", std::thread::Builder::new().spawn(|| ()).map(|thread| drop(thread.join()))),
        ("environment", if std::env::vars_os().all(|(name, _)| name == super::VARIABLE) { Err(Error::other("")) } else { Ok(()) }),
    ];
    attempts.extend(of_unix());
    attempts
}

#[cfg(unix)]
fn of_unix() -> Vec<(&'static str, Result<()>)> {
    use std::os::unix::net::UnixStream;
    let parent = std::os::unix::process::parent_id();
    let signal = || {
        let parent = i32::try_from(parent).ok().and_then(rustix::process::Pid::from_raw).ok_or_else(|| Error::other("no parent"))?;
        Ok(rustix::process::test_kill_process(parent)?)
    };
    vec![
        ("parent-environ", File::open(format!("/proc/{parent}/environ")).map(drop)),
        ("parent-memory", File::open(format!("/proc/{parent}/mem")).map(drop)),
        ("unix", UnixStream::pair().map(drop)),
        ("signal", signal()),
    ]
}

#[cfg(not(unix))]
fn of_unix() -> Vec<(&'static str, Result<()>)> {
    Vec::new()
}
