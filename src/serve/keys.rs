//! Keys of clients.
//!
//! The key file holds only hashes. A key has 256 random bits, so a fast hash is enough.

use super::problem::Problem;
use crate::model::Money;
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{RwLock, RwLockReadGuard};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// The key file, and its keys as last read.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    keys: RwLock<Keys>,
}

impl KeyFile {
    /// Reads a key file.
    pub fn load(path: PathBuf) -> Result<Self, String> {
        let keys = RwLock::new(Keys::load(&path)?);
        Ok(Self { path, keys })
    }

    /// Reads the file again. After an error the server keeps the keys that it has.
    pub fn reload(&self) -> Result<(), String> {
        let new = Keys::load(&self.path)?;
        let mut keys = self.keys.write();
        if let Some(key) = new.key.iter().find(|key| keys.webhook_secrets_of(&key.name) != key.webhook_secrets) {
            // Secrets come from variables of the process, and those cannot change.
            return Err(format!("key file {}: key {} has other webhook_secrets. Restart the server", self.path.display(), key.name));
        }
        *keys = new;
        Ok(())
    }

    /// The keys as last read.
    pub fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read()
    }
}

/// All keys of the key file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    #[serde(default)]
    key: Vec<Key>,
}

/// A key of the key file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    hash: String,
    #[serde(default)]
    role: Role,
    /// Name of the key whose runs it sees, for keys that may only read.
    #[serde(default)]
    of: Option<String>,
    #[serde(default)]
    max_usd: Option<f64>,
    #[serde(default)]
    jobs: Option<Vec<String>>,
    /// Secrets that sign its webhooks, as `env:VARIABLE`.
    #[serde(default)]
    webhook_secrets: Vec<String>,
}

/// What a key allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To submit and control runs.
    #[default]
    Run,
    /// To see runs and results.
    Read,
}

/// The sender of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// Name of the key that owns the runs; empty on a server without keys.
    pub name: String,
    /// What the key allows.
    pub role: Role,
    /// Cap on the money that all runs of the key may spend.
    pub max_usd: Option<Money>,
    /// Jobs that the key may run; `None` for all.
    pub jobs: Option<Vec<String>>,
}

/// Beginning of a key, so that tools that look for leaked secrets find it.
const PREFIX: &str = "dmk_";

impl Keys {
    /// Reads a key file.
    pub fn load(file: &Path) -> Result<Self, String> {
        let error = |why: String| format!("key file {}: {why}", file.display());
        let text = crate::read::text_file(file)
            .map_err(|e| error(format!("{e}. Create it with `docmill serve --set serve.keys=FILE --new-key NAME`")))?;
        let keys: Self = toml::from_str(&text).map_err(|e| error(e.to_string()))?;
        for (at, key) in keys.key.iter().enumerate() {
            if key.name.is_empty() || keys.key[..at].iter().any(|other| other.name == key.name) {
                return Err(error(format!("key {}: each key needs a unique name, but its name is \"{}\"", at + 1, key.name)));
            }
            if blake3::Hash::from_hex(&key.hash).is_err() {
                return Err(error(format!("key {}: hash must be 64 hexadecimal digits", key.name)));
            }
            if key.max_usd.is_some_and(|usd| !usd.is_finite() || usd < 0.0) {
                return Err(error(format!("key {}: max_usd must be a positive amount of US dollars", key.name)));
            }
            let is_owner = |of: &String| keys.key.iter().any(|other| other.name == *of && other.role == Role::Run);
            if key.of.as_ref().is_some_and(|of| key.role != Role::Read || !is_owner(of)) {
                let why = "of is for keys with role = \"read\", and names a key with role = \"run\"";
                return Err(error(format!("key {}: {why}", key.name)));
            }
        }
        Ok(keys)
    }

    /// Adds a new key to the text of a key file. Returns the text and the key, which is not kept.
    pub fn with_new(text: &str, name: &str) -> Result<(String, String), String> {
        if name.trim().is_empty() {
            return Err("a key needs a name".to_owned());
        }
        let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| e.to_string())?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let mut table = Table::new();
        table.insert("name", value(name));
        table.insert("hash", value(blake3::hash(key.as_bytes()).to_hex().as_str()));
        let list = document.entry("key").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        let list = list.as_array_of_tables_mut().ok_or("key: expected tables under [[key]]")?;
        if list.iter().any(|key| key.get("name").and_then(Item::as_str) == Some(name)) {
            return Err(format!("a key named \"{name}\" exists. Choose another name, or remove that key first"));
        }
        list.push(table);
        Ok((document.to_string(), key))
    }

    /// The sender of a request with these headers.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let written = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        let bearer = written.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key);
        let given = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
        let given = given.ok_or_else(|| Problem::unauthorized("no key. Send it as `Authorization: Bearer KEY`"))?;
        let hash = blake3::hash(given.trim().as_bytes());
        // Comparing with a hash takes constant time.
        let matching = |key: &&Key| blake3::Hash::from_hex(&key.hash).is_ok_and(|own| own == hash);
        let key = self.key.iter().find(matching).ok_or_else(|| Problem::unauthorized("the key is not valid for this server"))?;
        let name = key.of.clone().unwrap_or_else(|| key.name.clone());
        Ok(Caller { name, role: key.role, max_usd: key.max_usd.map(Money::from_usd), jobs: key.jobs.clone() })
    }

    /// The webhook secrets of all keys, as written, by name.
    pub fn webhook_secrets(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.key.iter().map(|key| (key.name.as_str(), key.webhook_secrets.as_slice()))
    }

    fn webhook_secrets_of(&self, name: &str) -> &[String] {
        self.key.iter().find(|key| key.name == name).map_or(&[], |key| &key.webhook_secrets)
    }

    /// The cap on the money of a key.
    pub fn cap(&self, name: &str) -> Option<Money> {
        self.key.iter().find(|key| key.name == name)?.max_usd.map(Money::from_usd)
    }
}

impl Caller {
    /// The sender of requests to a server without keys.
    pub fn anyone() -> Self {
        Self { name: String::new(), role: Role::Run, max_usd: None, jobs: None }
    }

    /// Checks that the sender may submit and control runs.
    pub fn check_may_run(&self) -> Result<(), Problem> {
        match self.role {
            Role::Run => Ok(()),
            Role::Read => Err(Problem::forbidden("the key may only read. Use a key with the role \"run\"")),
        }
    }

    /// Checks that the sender may run a job. `None` is a job of the sender's own.
    pub fn check_job(&self, job: Option<&str>) -> Result<(), Problem> {
        let Some(jobs) = &self.jobs else { return Ok(()) };
        match job {
            Some(job) if jobs.iter().any(|own| own == job) => Ok(()),
            _ => Err(Problem::forbidden(format!("key {} may run only these jobs: {}", self.name, jobs.join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_new_key_is_accepted_and_only_its_hash_is_kept() {
        let (text, key) = Keys::with_new("# our keys\n", "ci").unwrap();
        assert!(text.contains("# our keys\n") && !text.contains(&key));
        let keys: Keys = toml::from_str(&text).unwrap();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(keys.caller(&with("authorization", &format!("{scheme} {key}"))).unwrap().name, "ci");
        }
        assert_eq!(keys.caller(&with("x-api-key", &key)).unwrap().role, Role::Run);
        for wrong in ["Bearer dmk_x", "Basic abc", ""] {
            assert_eq!(keys.caller(&with("authorization", wrong)).unwrap_err().status, 401, "{wrong}");
        }
        assert!(Keys::with_new(&text, "ci").unwrap_err().contains("exists"));
    }

    #[test]
    fn a_key_file_is_read_again_and_a_removed_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        let hash = |key: &str| blake3::hash(key.as_bytes()).to_hex();
        std::fs::write(&path, format!("[[key]]\nname = \"a\"\nhash = \"{}\"\n", hash("one"))).unwrap();
        let file = KeyFile::load(path.clone()).unwrap();
        std::fs::write(&path, format!("[[key]]\nname = \"b\"\nhash = \"{}\"\n", hash("two"))).unwrap();
        file.reload().unwrap();
        let status = |key| file.keys().caller(&with("x-api-key", key)).map_err(|problem| problem.status);
        assert_eq!((status("one").unwrap_err(), status("two").unwrap().name), (401, "b".to_owned()));
        std::fs::write(&path, "[[key]]\nname = \"b\"\n").unwrap();
        assert!(file.reload().unwrap_err().contains("keys.toml"));
        std::fs::write(&path, format!("[[key]]\nname = \"b\"\nhash = \"{}\"\nwebhook_secrets = [\"env:S\"]\n", hash("two"))).unwrap();
        assert!(file.reload().unwrap_err().contains("Restart"));
        assert!(status("two").is_ok(), "the keys stay as they were");
    }

    #[test]
    fn a_key_limits_roles_and_jobs() {
        let hash = blake3::hash(b"k").to_hex();
        let text = format!("[[key]]\nname = \"a\"\nhash = \"{hash}\"\nrole = \"read\"\njobs = [\"text\"]\nmax_usd = 2.5\n");
        let keys: Keys = toml::from_str(&text).unwrap();
        let caller = keys.caller(&with("x-api-key", "k")).unwrap();
        assert_eq!(caller.check_may_run().unwrap_err().status, 403);
        assert!(caller.check_job(Some("text")).is_ok());
        assert_eq!(caller.check_job(Some("material")).unwrap_err().status, 403);
        assert_eq!(caller.check_job(None).unwrap_err().status, 403);
        assert_eq!(keys.cap("a"), Some(Money::from_usd(2.5)));
    }
}
