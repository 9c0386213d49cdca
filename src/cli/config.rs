//! `docmill config`.

use super::args::{ConfigArgs, ConfigCommand};
use super::exit::{Exit, Stop};
use super::print;
use super::settings::load;

pub(super) fn config(args: &ConfigArgs) -> Result<Exit, Stop> {
    let ConfigCommand::Show(args) = &args.command;
    let (config, _checked) = load(args, Vec::new())?;
    for (key, value, origin) in config.entries() {
        print(&format!("{:44} # {origin}", format!("{key} = {value}")))?;
    }
    Ok(Exit::Ok)
}
