//! `docmill config`.

use super::args::{ConfigArgs, ConfigCommand};
use super::exit::{CliError, Exit};
use super::print;
use super::settings::load_to_look;
use crate::setup::shown_value;

pub(super) fn config(args: &ConfigArgs) -> Result<Exit, CliError> {
    let ConfigCommand::Show(args) = &args.command;
    let (config, _checked) = load_to_look(args, Vec::new())?;
    for (key, value, origin) in config.entries() {
        let value = shown_value(&key, value);
        print(&format!("{:44} # {origin}", format!("{key} = {value}")))?;
    }
    Ok(Exit::Ok)
}
