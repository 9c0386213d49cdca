//! Arguments of commands for shells, editors, agents and packages.

use super::{SettingsArgs, number};
use clap::{Args as ClapArgs, ValueEnum};
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

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Editors with a TOML language server (taplo, tombi) check and complete a file that names its schema in a line:
  #:schema ./.docmill/pipeline.schema.json
docmill init writes both schemas to .docmill.")]
pub(in crate::cli) struct SchemaArgs {
    /// The file that the schema describes
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SchemaOf {
    /// The settings file, pipeline.toml
    Pipeline,
    /// A job file
    Job,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SkillArgs {
    /// Write it to DIR/docmill/SKILL.md, where DIR holds the skills of an agent
    #[arg(long, value_name = "DIR")]
    pub install: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "The tools are plan, run (with a mandatory cap), status, results and cancel. A run goes on when the client \
    leaves. Clients name places in the working directory and in those of --allow.")]
pub(in crate::cli) struct McpArgs {
    /// A further directory, or a beginning of addresses such as s3://bucket/in, that clients may name.
    /// May be repeated
    #[arg(long, value_name = "DIR|ADDRESS")]
    pub allow: Vec<String>,
    /// Maximum of the caps of all runs together, in US dollars
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = number::dollars)]
    pub max_usd: Option<f64>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}
