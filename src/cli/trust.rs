//! `docmill trust`.

use super::args::TrustArgs;
use super::exit::{CliError, Exit};
use crate::progress::say;
use crate::setup::{Environment, FILE, SettingsSource};

pub(super) fn trust(args: &TrustArgs) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let given = args.file.clone().unwrap_or_else(|| FILE.into());
    let file = if given.is_dir() { given.join(FILE) } else { given };
    let source = SettingsSource { file: Some(file.clone()), ..SettingsSource::default() };
    let Some(untrusted) = source.untrusted(&environment)? else {
        say(&format!("{} needs no trust: it sends nothing to other addresses and runs nothing", file.display()));
        return Ok(Exit::Ok);
    };
    untrusted.trust(&environment)?;
    say(&format!("trusted {}", untrusted.what()));
    Ok(Exit::Ok)
}
