//! `docmill serve`: a server that runs jobs for clients.

use super::args::ServeArgs;
use super::exit::{CliError, Exit};
use super::signals::{Signal, Signals};
use super::{print, runtime, settings};
use crate::progress::say;
use crate::serve::{KeyFile, Keys, OpenError, RunDefaults, ServeSettings, Server, Tls};
use crate::setup::Environment;
use crate::system::{ServiceState, beside, opened_port, tell_service_manager, watchdog};
use std::io::Write as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;

pub(super) fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let mut flags = Vec::new();
    for (key, value, name) in [("serve.dir", &args.directory, "DIR"), ("serve.bind", &args.bind, "--bind")] {
        let value = value.as_ref().map(|value| toml::Value::String(value.clone()).to_string());
        flags.extend(value.map(|value| (key.to_owned(), value, name.to_owned())));
    }
    let (config, loaded) = settings::load(&args.settings, flags.clone())?;
    let serve: ServeSettings = config.section("serve").map_err(CliError::usage)?;
    let environment = Environment::of_process();
    if let Some(name) = &args.new_key {
        return new_key(&serve, &environment, name);
    }
    let listener = opened_port().map_err(|error| CliError::usage(format!("the socket of the service manager cannot be used: {error}")))?;
    let (runs, runtime) = (runtime()?, runtime()?);
    let source = settings::source(&args.settings, flags);
    let defaults = RunDefaults { source, environment, job: loaded.job.r#use, runtime: runs.handle().clone(), listener };
    let served = runtime.block_on(async {
        let mut signals = Signals::new();
        let server = Server::open(serve, defaults).await.map_err(not_opened)?;
        let (address, stop) = (server.address().map_err(CliError::internal)?, server.stop());
        let (tls, keys) = (server.tls(), server.keys());
        let scheme = if tls.is_some() { "https" } else { "http" };
        print(&format!("docmill serves on {scheme}://{address} (API: /openapi.json); Ctrl-C stops it"))?;
        if tls.is_none() && !address.ip().is_loopback() {
            say("keys and documents travel unencrypted. Set serve.cert and serve.key, or put a proxy with HTTPS in front of the server");
        }
        tell_service_manager(ServiceState::Ready);
        tokio::select! {
            () = server.run() => {}
            never = obey(&mut signals, &stop, (tls.as_deref(), keys.as_deref())) => match never {},
            never = show_life() => match never {},
        }
        Ok(Exit::Ok)
    });
    runs.shutdown_background();
    runtime.shutdown_background();
    served
}

/// A second server only has to wait, like a second run.
fn not_opened(error: OpenError) -> CliError {
    match error {
        OpenError::Busy(message) => CliError { exit: Exit::Busy, message },
        OpenError::Unusable(message) => CliError::usage(message),
    }
}

/// Obeys signals: the first one drains the runs, the second one ends the program.
#[expect(clippy::exit, reason = "a run that hangs must not hold the program up")]
async fn obey(signals: &mut Signals, stop: &CancellationToken, files: (Option<&Tls>, Option<&KeyFile>)) -> std::convert::Infallible {
    loop {
        match signals.next().await {
            Signal::Reload => reload(files),
            Signal::Stop(code) if stop.is_cancelled() => std::process::exit(code),
            Signal::HungUp if stop.is_cancelled() => {}
            Signal::Stop(_) | Signal::HungUp => {
                say("stopping: calls in flight may finish. Press Ctrl-C again to stop at once");
                tell_service_manager(ServiceState::Stopping);
                stop.cancel();
            }
        }
    }
}

/// Reads renewed certificates and keys.
fn reload((tls, keys): (Option<&Tls>, Option<&KeyFile>)) {
    match tls.map(Tls::reload) {
        None => {}
        Some(Ok(())) => say("the certificates were read again, for new connections"),
        Some(Err(error)) => say(&format!("the certificates stay as they were: {error}")),
    }
    match keys.map(KeyFile::reload) {
        None => {}
        Some(Ok(())) => say("the key file was read again"),
        Some(Err(error)) => say(&format!("the keys stay as they were: {error}")),
    }
}

/// Tells the service manager regularly that the server is alive, if it wants to know.
async fn show_life() -> std::convert::Infallible {
    if let Some(time) = watchdog() {
        let mut ticks = tokio::time::interval(time / 2);
        loop {
            ticks.tick().await;
            tell_service_manager(ServiceState::Alive);
        }
    }
    std::future::pending().await
}

/// Adds a key to the key file and prints it.
fn new_key(serve: &ServeSettings, environment: &Environment, name: &str) -> Result<Exit, CliError> {
    if serve.keys.is_empty() {
        return Err(CliError::usage("serve.keys names no key file. Set it, such as --set serve.keys=keys.toml"));
    }
    let file = environment.path(&serve.keys);
    let error = |why: &dyn std::fmt::Display| CliError::usage(format!("key file {}: {why}", file.display()));
    let text = match std::fs::read_to_string(&file) {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|e| error(&e))?,
    };
    let (text, key) = Keys::with_new(&text, name).map_err(|e| error(&e))?;
    write(&file, &text).map_err(|e| error(&e))?;
    print(&key)?;
    say("The key is shown only now: the file holds its hash. A running server knows it after SIGHUP (kill -HUP)");
    Ok(Exit::Ok)
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let mut new = beside(file, ".docmill-keys-")?;
    new.write_all(text.as_bytes())?;
    new.persist(file).map(drop).map_err(|error| error.error)
}
