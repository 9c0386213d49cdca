//! Arguments of commands for shells and packages.

use clap::Args as ClapArgs;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
bash:  docmill completions bash > ~/.local/share/bash-completion/completions/docmill
zsh:   docmill completions zsh > DIR/_docmill, where DIR is in $fpath
fish:  docmill completions fish > ~/.config/fish/completions/docmill.fish")]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ManArgs {
    /// Directory for the pages, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}
