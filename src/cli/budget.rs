//! `docmill budget`: shares limits and money between machines.

use super::args::{BudgetServeArgs, BudgetStatusArgs};
use super::exit::{CliError, Exit};
use super::signals::{Signal, Signals};
use super::{print, runtime, settings};
use crate::budget::{AccountLimits, BudgetServer, BudgetServerSettings};
use crate::model::Money;
use crate::progress::{plain, say};
use crate::serve::Tls;
use crate::setup::{Environment, budget_service};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// `docmill budget serve`.
pub(super) fn serve(args: &BudgetServeArgs) -> Result<Exit, CliError> {
    let per_minute =
        [args.requests_per_minute, args.input_tokens_per_minute, args.output_tokens_per_minute, args.tokens_per_minute].map(f64::from);
    let limits = AccountLimits { per_minute, in_flight: args.in_flight, nodes: args.nodes, slow_start: args.slow_start };
    let max_usd = args.max_usd.map(Money::from_usd);
    if max_usd.is_none() && limits.in_flight == 0 && per_minute.iter().all(|limit| *limit <= 0.0) {
        return Err(CliError::usage("there is nothing to share. Set a limit, such as --requests-per-minute, --in-flight or --max-usd"));
    }
    let tls = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => Some(Tls::load(cert.clone(), key.clone()).map_err(|error| of_arguments(&error))?),
        _ => None,
    };
    let settings = BudgetServerSettings {
        directory: args.directory.clone(),
        bind: address(&args.bind)?,
        token: args.token_file.as_deref().map(token).transpose()?,
        tls: tls.map(Arc::new),
        limits,
        max_usd,
    };
    let (runtime, scheme) = (runtime()?, if settings.tls.is_some() { "https" } else { "http" });
    let served = runtime.block_on(async {
        let mut signals = Signals::new();
        let (tls, needs_token) = (settings.tls.clone(), settings.token.is_some());
        let server = BudgetServer::open(settings).await.map_err(CliError::usage)?;
        let (address, stop) = (server.address().map_err(CliError::internal)?, CancellationToken::new());
        print(&format!("docmill shares a budget on {scheme}://{address} (budget.service); Ctrl-C stops it"))?;
        if !needs_token {
            say("every user of this machine can spend of this budget. --token-file FILE keeps others out");
        }
        tokio::select! {
            () = server.run(stop.clone()) => {}
            () = stopped(&mut signals, tls.as_deref()) => stop.cancel(),
        }
        Ok(Exit::Ok)
    });
    runtime.shutdown_background();
    served
}

/// Waits for a signal to stop. Reads renewed certificates.
async fn stopped(signals: &mut Signals, tls: Option<&Tls>) {
    while matches!(signals.next().await, Signal::Reload) {
        match tls.map(Tls::reload) {
            None => {}
            Some(Ok(())) => say("the certificates were read again, for new connections"),
            Some(Err(error)) => say(&format!("the certificates stay as they were: {error}")),
        }
    }
}

/// `docmill budget status`.
pub(super) fn status(args: &BudgetStatusArgs) -> Result<Exit, CliError> {
    let (config, settings) = settings::load(&args.settings, Vec::new())?;
    let service = budget_service(&Environment::of_process(), &config, &settings)?
        .ok_or_else(|| CliError::usage("budget.service names no service. Set it, such as --set budget.service=http://127.0.0.1:7077"))?;
    let runtime = runtime()?;
    let status = runtime.block_on(service.status()).map_err(|why| CliError::usage(format!("budget service {why}")))?;
    if args.json {
        print(&serde_json::to_string_pretty(&status).map_err(CliError::internal)?)?;
    } else {
        print(text(&status).trim_end())?;
    }
    Ok(Exit::Ok)
}

/// The status for people.
fn text(status: &Value) -> String {
    let (money, mut text) = (&status["money"], String::new());
    let usd = |key: &str| money[key].as_f64().map_or_else(|| "none".to_owned(), |usd| Money::from_usd(usd).to_string());
    // Writing to a String cannot fail.
    let _infallible = writeln!(
        text,
        "money: cap {}, granted {}, spent {}; runs that may still spend: {}",
        usd("cap_usd"),
        usd("granted_usd"),
        usd("spent_usd"),
        money["runs"]
    );
    for account in status["accounts"].as_array().into_iter().flatten() {
        let _infallible = writeln!(
            text,
            "\n{} ({}): processes {}, in flight {}",
            plain(account["name"].as_str().unwrap_or_default()),
            account["account"].as_str().unwrap_or_default(),
            account["processes"],
            account["in_flight"]
        );
        for (limit, used) in account["used"].as_object().into_iter().flatten() {
            let per_second = |key: &str| account[key][limit].as_f64().unwrap_or_default();
            let limited = match per_second("limit_per_second") {
                0.0 => "no limit".to_owned(),
                most => format!("{:.2}/s granted of {most:.2}/s", per_second("granted_per_second")),
            };
            let _infallible = writeln!(text, "  {:<14} {limited}, {:.0} used", limit.replace('_', " "), used.as_f64().unwrap_or_default());
        }
    }
    text
}

/// The address to listen on: a port of this machine, or an address with a port.
fn address(bind: &str) -> Result<SocketAddr, CliError> {
    let parsed = bind.parse().or_else(|error| match bind.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        Err(_) => Err(error),
    });
    parsed.map_err(|error| CliError::usage(format!("--bind {bind}: {error}. Write a port, such as 7077, or ADDRESS:PORT")))
}

/// Reads the token, or writes a new one.
fn token(file: &Path) -> Result<SecretString, CliError> {
    let wrong = |why: &dyn std::fmt::Display| CliError::usage(format!("--token-file {}: {why}", file.display()));
    let text = match std::fs::read_to_string(file) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(CliError::internal)?;
            let text = URL_SAFE_NO_PAD.encode(random);
            let mut options = std::fs::File::options();
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut new = options.write(true).create_new(true).open(file).map_err(|why| wrong(&why))?;
            new.write_all(format!("{text}\n").as_bytes()).and_then(|()| new.sync_all()).map_err(|why| wrong(&why))?;
            say(&format!("a new token is in {}. Give it to the processes as budget.token", file.display()));
            text
        }
        read => read.map_err(|why| wrong(&why))?,
    };
    let token = text.trim();
    if token.len() < 16 {
        return Err(wrong(&"the token is shorter than 16 characters. Remove the file to get a new one"));
    }
    Ok(token.to_owned().into())
}

/// The error of a certificate in the words of this command.
fn of_arguments(error: &str) -> CliError {
    CliError::usage(error.replace("serve.cert", "--cert").replace("serve.key", "--key"))
}
