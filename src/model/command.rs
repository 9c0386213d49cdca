//! Commands in messages, as users can type them.

use std::path::Path;

/// The command `docmill NAME --output DIRECTORY`, quoted for a shell.
///
/// Every message that recommends a command for a run store uses it. A command without `--output`
/// would address the store of the settings, which may be another one.
pub fn command_in(directory: &Path, name: &str) -> String {
    let shown = directory.display().to_string();
    format!("docmill {name} --output {}", shell_words::quote(&shown))
}

/// The name of the command in a command line of docmill, after settings in the environment.
pub fn subcommand(command: &str) -> Option<String> {
    let words = shell_words::split(command).ok()?;
    words.into_iter().skip_while(|word| word != "docmill").skip(1).find(|word| !word.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_quoted_for_a_shell() {
        assert_eq!(command_in(Path::new("out"), "status"), "docmill status --output out");
        assert_eq!(command_in(Path::new("my out"), "export --partial"), "docmill export --partial --output 'my out'");
    }
}
