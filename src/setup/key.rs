//! Reads the API key from a file or from the output of a command.

use super::settings::Settings;
use super::{Environment, SetupError, prices};
use crate::ask::{Account, LlmSettings, LocalFiles};
use crate::config::Config;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Mutex;

/// The key of accounts that get no request.
pub const NO_KEY: &str = "none";
/// The address of accounts that get no request.
pub const NO_ADDRESS: &str = "http://127.0.0.1:9";

/// Maximum size of a key, in bytes.
const LONGEST: u64 = 16 * 1024;
/// Time limit of a command. A password manager may ask its user.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keys of this process by command. A command runs once, although a comparison has several runs.
static OF_COMMANDS: LazyLock<Mutex<HashMap<Vec<String>, SecretString>>> = LazyLock::new(Mutex::default);

/// The key that `llm.api_key_file` or `llm.api_key_command` names; `None` if the key comes from the
/// environment.
pub(super) async fn stated_key(settings: &LlmSettings, environment: &Environment) -> Result<Option<String>, SetupError> {
    if !settings.api_key_file.is_empty() {
        let file = environment.path(&settings.api_key_file);
        let key = of_file(&file).map_err(|why| SetupError::usage(format!("llm.api_key_file: {}: {why}", file.display())))?;
        return Ok(Some(key));
    }
    if settings.api_key_command.is_empty() {
        return Ok(None);
    }
    let mut known = OF_COMMANDS.lock().await;
    if let Some(key) = known.get(&settings.api_key_command) {
        return Ok(Some(key.expose_secret().to_owned()));
    }
    let wrong = |why: String| SetupError::usage(format!("llm.api_key_command: {}: {why}", settings.api_key_command[0]));
    let key = of_command(&settings.api_key_command, environment).await.map_err(wrong)?;
    known.insert(settings.api_key_command.clone(), key.clone().into());
    Ok(Some(key))
}

/// The account of the settings, for a command that asks its server but runs no job.
pub async fn account(config: &Config, settings: &Settings, environment: &Environment) -> Result<Account, SetupError> {
    let stated = stated_key(&settings.llm, environment).await?;
    let prices = prices::in_force(config, settings)?;
    let account = Account::resolve(&settings.llm, prices, Some(NO_ADDRESS), stated, |name| environment.key(name));
    let mut account = account.map_err(|e| SetupError::usage(config.problem(e.key, e.message)))?;
    account.local = LocalFiles::of(|name| environment.variables.get(name).cloned());
    Ok(account)
}

/// Reads a key from a file that only this user can read.
fn of_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot read the key: {error}"))?;
    check_access(&file)?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| format!("cannot read the key: {error}"))?;
    key_in(&text)
}

#[cfg(unix)]
fn check_access(file: &File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let us = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        Err("this is not a regular file".to_owned())
    } else if ![us, 0].contains(&metadata.uid()) {
        Err("the file belongs to another user, who could change the key. Copy it to a file of your own".to_owned())
    } else if metadata.mode() & 0o077 != 0 {
        Err(format!("other users can read the file (mode {:03o}). Run chmod 600 on it", metadata.mode() & 0o777))
    } else {
        Ok(())
    }
}

#[cfg(not(unix))]
fn check_access(_: &File) -> Result<(), String> {
    Ok(())
}

/// Runs a command and takes its output as the key. Its messages go to stderr.
async fn of_command(words: &[String], environment: &Environment) -> Result<String, String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    if !environment.directory.as_os_str().is_empty() {
        command.current_dir(&environment.directory);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot run the command: {error}"))?;
    let output = child.stdout.take();
    let run = async {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            output.take(LONGEST + 1).read_to_end(&mut bytes).await?;
        }
        Ok::<_, io::Error>((bytes, child.wait().await?))
    };
    let ended = tokio::time::timeout(PATIENCE, run).await;
    let ended = ended.map_err(|_| format!("the command timed out after {} s", PATIENCE.as_secs()))?;
    let (bytes, status) = ended.map_err(|error| format!("cannot read the output of the command: {error}"))?;
    if !status.success() {
        return Err(format!("the command failed ({status})"));
    }
    key_in(&String::from_utf8_lossy(&bytes))
}

/// The key in a text, without blanks and line breaks around it. Errors never quote the text.
fn key_in(text: &str) -> Result<String, String> {
    let key = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if key.is_empty() {
        Err("there is no key".to_owned())
    } else if text.len() as u64 > LONGEST {
        Err(format!("the key is longer than {LONGEST} bytes"))
    } else if key.contains(['\n', '\r']) {
        Err("there is more than one line. Leave only the key".to_owned())
    } else {
        Ok(key.to_owned())
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_file_must_be_private_and_hold_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        for (mode, text, expected) in [
            (0o600, " sk-one\n", Ok("sk-one")),
            (0o400, "\u{feff}sk-two\r\n", Ok("sk-two")),
            (0o640, "sk-one", Err("chmod 600")),
            (0o604, "sk-one", Err("mode 604")),
            (0o600, "\n", Err("no key")),
            (0o600, "sk-one\nsk-two\n", Err("more than one line")),
        ] {
            drop(std::fs::remove_file(&file));
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let key = of_file(&file);
            match expected {
                Ok(expected) => assert_eq!(key.as_deref(), Ok(expected)),
                Err(why) => assert!(key.as_ref().is_err_and(|e| e.contains(why) && !e.contains("sk-")), "{key:?}"),
            }
        }
        assert!(of_file(dir.path()).unwrap_err().contains("not a regular file"));
    }

    #[tokio::test]
    async fn a_command_prints_the_key() {
        let environment = Environment::of_process();
        let run = async |script: &str| of_command(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], &environment).await;
        assert_eq!(run("echo ' sk-one '").await.unwrap(), "sk-one");
        assert!(run("echo sk-one; exit 3").await.unwrap_err().contains("failed (exit status: 3)"));
        assert!(run("true").await.unwrap_err().contains("no key"));
        assert!(run("yes sk-one").await.is_err());
        assert!(of_command(&["/no/such/program".to_owned()], &environment).await.unwrap_err().contains("cannot run"));
    }
}
