//! `docmill skill`: how a coding agent uses docmill.

use super::args::SkillArgs;
use super::exit::{CliError, Exit};
use super::print;
use crate::system::make_directory;

/// The skill, in the form of agentskills.io.
const SKILL: &str = include_str!("SKILL.md");
/// Its name: that of its directory.
const NAME: &str = "docmill";

pub(super) fn skill(args: &SkillArgs) -> Result<Exit, CliError> {
    let Some(skills) = &args.install else {
        print(SKILL.trim_end())?;
        return Ok(Exit::Ok);
    };
    let directory = skills.join(NAME);
    let file = directory.join("SKILL.md");
    let write = || {
        make_directory(&directory)?;
        std::fs::write(&file, SKILL)
    };
    write().map_err(|error: std::io::Error| CliError::usage(format!("{}: cannot write the skill: {error}", file.display())))?;
    print(&format!("wrote {}", file.display()))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn docmill_takes_every_command_of_the_skill() {
        let blocks = SKILL.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let quoted = SKILL.split('`').skip(1).step_by(2).filter(|code| code.starts_with("docmill "));
        let commands: Vec<&str> = blocks.flat_map(str::lines).chain(quoted).collect();
        assert!(commands.len() > 15, "{commands:?}");
        for command in commands {
            let words = shell_words::split(command).expect("a command line");
            let parsed = Args::try_parse_from(&words).map(|_| ()).or_else(|error| if error.use_stderr() { Err(error) } else { Ok(()) });
            assert!(parsed.is_ok(), "{command}: {parsed:?}");
        }
    }

    #[test]
    fn the_skill_has_the_exit_codes_of_a_run() {
        let mut args = Args::command();
        let help = args.find_subcommand_mut("run").map(|run| run.render_long_help().to_string()).unwrap_or_default();
        for code in 0..=6 {
            assert!(help.contains(&format!("\n  {code} ")) && SKILL.contains(&format!("\n| {code} |")), "{code}");
        }
    }

    #[test]
    fn the_front_matter_is_valid() {
        let front = SKILL.strip_prefix("---\n").and_then(|rest| rest.split("\n---\n").next()).unwrap_or_default();
        let field = |name: &str| front.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        assert_eq!(field("name:"), NAME);
        assert!((1..=1024).contains(&field("description:").len()) && !field("description:").contains(": "));
    }
}
