//! The address of a database.

use super::error::PostgresError;
use super::ownership::TABLES;
use super::tls::{Roots, Verify};
use crate::write::OutputSettings;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

/// Limit of the time to connect, unless the address has another.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// Time until a connection counts as lost if the other machine confirms nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// A database and the names of its tables.
#[derive(Clone)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) verify: Verify,
    /// Name of the tables, with `{job}` and `{dir}`.
    table: String,
    /// Name of the output directory.
    directory: String,
    /// Host and database, for messages.
    shown: String,
    /// Seconds to wait for the database at the end of a run.
    pub wait: Duration,
    /// Whether a table of another output directory may be replaced.
    pub(super) may_replace: bool,
}

impl PostgresAddress {
    /// Reads the settings; `None` if no database is set. `variable` looks up environment variables.
    /// Sends nothing. The error names the setting, and why it is wrong.
    pub fn of(
        settings: &OutputSettings,
        jobs: &[&str],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, (&'static str, String)> {
        const KEY: &str = "output.postgres";
        let written = settings.postgres.trim();
        if written.is_empty() {
            return Ok(None);
        }
        let (url, is_secret) = match written.strip_prefix("env:") {
            None => (written.to_owned(), false),
            Some(name) => {
                let value = variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
                let unset =
                    || (KEY, format!("the environment variable {name} is not set. Set it to postgres://USER:PASSWORD@HOST/DATABASE"));
                (value.ok_or_else(unset)?, true)
            }
        };
        let (mut config, verify) = parse(&url).map_err(|why| (KEY, why))?;
        if config.get_password().is_some() && !is_secret {
            let why = "settings cannot hold secrets. Put the address into an environment variable, and write \"env:VARIABLE\"";
            return Err((KEY, why.into()));
        }
        if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD").filter(|password| !password.is_empty())) {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // Time until the system gives up a connection whose other side is silent.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_application_name().is_none() {
            config.application_name("docmill");
        }
        let table = settings.postgres_table.trim().to_owned();
        if table.is_empty() || table.split('.').count() > 2 || table.split('.').any(str::is_empty) {
            return Err(("output.postgres_table", "expected a name such as docmill_{job}, or SCHEMA.NAME".into()));
        }
        if jobs.len() > 1 && !table.contains("{job}") {
            return Err(("output.postgres_table", "the run has several jobs, so the name must contain {job}".into()));
        }
        let directory = settings.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let may_replace = settings.existing == crate::write::Existing::Replace;
        let wait = Duration::from_secs(settings.postgres_wait_s);
        Ok(Some(Self { shown: shown(&config), config, verify, table, directory, wait, may_replace }))
    }

    /// The same address, where tables of other results may be replaced.
    #[must_use]
    pub fn replacing(self) -> Self {
        Self { may_replace: true, ..self }
    }

    /// Schema and name of the table of a job. The schema is the current one unless the settings name
    /// another.
    pub(super) async fn table_in(&self, client: &Client, job: &str) -> Result<(String, String), PostgresError> {
        let (schema, name) = match self.table.split_once('.') {
            Some((schema, name)) => (Some(schema.to_owned()), name),
            None => (client.query_one("SELECT current_schema()::text", &[]).await?.get(0), self.table.as_str()),
        };
        let none = || PostgresError::permanent("the search path names no schema. Set output.postgres_table to SCHEMA.NAME");
        let name = name.replace("{job}", job).replace("{dir}", &self.directory);
        if name == TABLES {
            let why = format!("docmill keeps the state of all tables in {TABLES}. Choose another name with output.postgres_table");
            return Err(PostgresError::permanent(why));
        }
        Ok((schema.ok_or_else(none)?, super::types::shortened(&name)))
    }
}

/// Shows neither user nor password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAddress").field("shown", &self.shown).field("table", &self.table).finish_non_exhaustive()
    }
}

fn shown(config: &Config) -> String {
    let host = |(at, host): (usize, &Host)| {
        let port = config.get_ports().get(at).or(config.get_ports().first()).filter(|port| **port != 5432);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        match host {
            Host::Tcp(name) => format!("{name}{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}{port}", path.display()),
        }
    };
    let hosts: Vec<String> = config.get_hosts().iter().enumerate().map(host).collect();
    format!("postgres {}/{}", hosts.join(","), config.get_dbname().or(config.get_user()).unwrap_or_default())
}

/// Reads an address. Encryption follows the rules of libpq; its parameters of certificates are not
/// known to the client library.
fn parse(url: &str) -> Result<(Config, Verify), String> {
    const EXPECTED: &str = "expected postgres://USER@HOST/DATABASE?sslmode=verify-full";
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(format!("not the address of a PostgreSQL database; {EXPECTED}"));
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    // Otherwise a part of the password would count as the host, and messages would show it.
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let is_cut = match after_scheme.rsplit_once('@') {
        Some((user, _)) => user.contains(['/', '#', '@', '[']) || user.matches(':').count() > 1,
        None => query.contains('@'),
    };
    if is_cut {
        return Err(
            "the user or the password has characters that must be percent-encoded, such as %40 for @, %2F for / and %3F for ?".into()
        );
    }
    let (mut mode, mut roots, mut others) = (None, None, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "sslmode" => mode = Some(value()),
            "sslrootcert" => roots = Some(value()).filter(|file| !file.is_empty()),
            "sslcert" | "sslkey" => return Err(format!("{name} is not supported: docmill has no certificates of clients")),
            _ => others.push(parameter),
        }
    }
    let url = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
    // The message of the library could quote parts of the address.
    let mut config: Config = url.parse().map_err(|_| format!("invalid address; {EXPECTED}"))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(format!("the address names no host; {EXPECTED}"));
    }
    let roots = match roots.as_deref() {
        None => None,
        Some("system") => Some(Roots::System),
        Some(file) => Some(Roots::File(PathBuf::from(file))),
    };
    let (ssl, verify) = match mode.as_deref().unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Verify::Nothing),
        "allow" | "prefer" => (SslMode::Prefer, Verify::Nothing),
        // A file of roots makes this mode stricter, as in libpq.
        "require" => (SslMode::Require, roots.map_or(Verify::Nothing, Verify::Chain)),
        "verify-ca" => (SslMode::Require, Verify::Chain(roots.unwrap_or(Roots::System))),
        "verify-full" => (SslMode::Require, Verify::ChainAndName(roots.unwrap_or(Roots::System))),
        _ => return Err("unknown sslmode; expected disable, allow, prefer, require, verify-ca or verify-full".into()),
    };
    // Sockets of this machine have no encryption, as in libpq.
    let is_local = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
    config.ssl_mode(if is_local { SslMode::Disable } else { ssl });
    Ok((config, verify))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_follows_sslmode() {
        let verify = |query: &str| parse(&format!("postgres://u:p@h/d{query}")).map(|(config, verify)| (config.get_ssl_mode(), verify));
        assert_eq!(verify(""), Ok((SslMode::Prefer, Verify::Nothing)));
        assert_eq!(verify("?sslmode=disable"), Ok((SslMode::Disable, Verify::Nothing)));
        assert_eq!(verify("?sslmode=require&connect_timeout=3"), Ok((SslMode::Require, Verify::Nothing)));
        let file = Roots::File("/ca file.pem".into());
        assert_eq!(verify("?sslrootcert=/ca%20file.pem&sslmode=require"), Ok((SslMode::Require, Verify::Chain(file.clone()))));
        assert_eq!(verify("?sslmode=verify-ca"), Ok((SslMode::Require, Verify::Chain(Roots::System))));
        assert_eq!(verify("?sslmode=verify-full&sslrootcert=/ca%20file.pem"), Ok((SslMode::Require, Verify::ChainAndName(file))));
        assert!(verify("?sslmode=verify").is_err());
        assert!(parse("mysql://h/d").is_err() && parse("postgres:///d").is_err());
        assert_eq!(verify_of_socket(), Ok(SslMode::Disable));
    }

    #[cfg(unix)]
    fn verify_of_socket() -> Result<SslMode, String> {
        parse("postgres://u@%2Frun%2Fpostgresql/d?sslmode=require").map(|(config, _)| config.get_ssl_mode())
    }

    #[test]
    fn no_message_shows_a_password() {
        let (config, _) = parse("postgres://user:s3cret@h:6000/d").unwrap();
        assert_eq!(shown(&config), "postgres h:6000/d");
        for wrong in [
            "postgres://user:s3cret@h:port/d",
            "postgres://user:s3cret@h/d?s3cret=s3cret",
            "postgres://user:a@s3cret/w#rd@h/d",
            "postgres://user:a?s3cret@h/d",
            "postgres://user:a:s3cret@h/d",
        ] {
            assert!(!parse(wrong).unwrap_err().contains("s3cret"));
        }
    }
}
