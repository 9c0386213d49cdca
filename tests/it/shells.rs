//! Completions in real shells, and pages that `man` formats.

use crate::support::Workspace;
use std::process::Command;

/// What a program of the shell answers. `None` if it is not installed, unless `DOCMILL_TEST_SHELLS` is
/// `required`.
fn answer(workspace: &Workspace, program: &str, script: &str) -> Option<String> {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    let required = std::env::var_os("DOCMILL_TEST_SHELLS").is_some_and(|value| value == "required");
    assert!(found || !required, "{program} is not installed, and DOCMILL_TEST_SHELLS=required");
    if !found {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    let done = workspace.in_here(Command::new(program).args(["-c", script])).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{program}: {said}");
    Some(String::from_utf8(done.stdout).unwrap())
}

#[test]
fn shells_complete_commands_and_options() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish"] {
        workspace.write(format!("docmill.{shell}"), workspace.docmill(["completions", shell]).exits(0).stdout);
    }
    let bash = |line: &str| {
        let words = line.split(' ').count() - 1;
        let mut from_last = line.rsplit(' ');
        let (last, before) = (from_last.next().unwrap(), from_last.next().unwrap());
        format!(
            "source docmill.bash; COMP_WORDS=({line}); COMP_CWORD={words}; _docmill docmill '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
    };
    let commands = answer(&workspace, "bash", &bash("docmill sh")).unwrap();
    assert_eq!(commands.lines().collect::<Vec<_>>(), ["shards"]);
    let options = answer(&workspace, "bash", &bash("docmill run --max")).unwrap();
    assert_eq!(options.lines().collect::<Vec<_>>(), ["--max-usd"]);
    if let Some(commands) = answer(&workspace, "fish", "source docmill.fish; complete -C 'docmill sh'") {
        assert!(commands.starts_with("shards\t"), "{commands}");
    }
    answer(&workspace, "zsh", "autoload -U compinit; compinit -u -D; source ./docmill.zsh; [[ -n ${_comps[docmill]} ]]");
    // Commands for other docmill processes are left out. The manual and known values are there.
    for shell in ["bash", "zsh", "fish"] {
        let script = std::fs::read_to_string(workspace.path(format!("docmill.{shell}"))).unwrap();
        for hidden in ["read-documents", "read-sheet", "read-table", "unpack"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
    let fish = |line: &str| format!("source docmill.fish; complete -C '{line}'");
    for (line, expected) in [
        ("docmill help mon", &["money"][..]),
        ("docmill help sh", &["shards"]),
        ("docmill help shards p", &["plan"]),
        ("docmill init --provider open", &["openai", "openai-compatible", "openai-responses"]),
        ("docmill jobs show mat", &["material", "material-conditions", "material-single"]),
    ] {
        for (shell, script) in [("bash", bash(line)), ("fish", fish(line))] {
            // clap_complete has no values of positional arguments for fish.
            if let Some(said) = answer(&workspace, shell, &script).filter(|_| shell == "bash" || !line.contains("jobs")) {
                let mut words: Vec<&str> = said.lines().filter_map(|word| word.split('\t').next()).collect();
                words.sort_unstable();
                assert_eq!(words, expected, "{shell}: {line}");
            }
        }
    }
}

#[test]
fn man_formats_a_page_for_each_command() {
    let workspace = Workspace::new();
    workspace.docmill(["man", "pages"]).exits(0);
    for (page, part) in [("docmill.1", "docmill-run(1)"), ("docmill-run.1", "--max-usd"), ("docmill-shards-plan.1", "--shards")] {
        let text = std::fs::read_to_string(workspace.path("pages").join(page)).unwrap();
        assert!(text.starts_with(".ie") && text.replace('\\', "").contains(part), "{page}: {text}");
    }
    let run = std::fs::read_to_string(workspace.path("pages/docmill-run.1")).unwrap().replace('\\', "");
    for part in ["[--rows <TABLE>]...", "[--max-usd <USD>]", "[--retry-failed[=<CODE>]]", "[-q|--quiet]", "[INPUT]..."] {
        assert!(run.contains(part), "{part}: {run}");
    }
    // Commands for other docmill processes have no page.
    assert!(!workspace.path("pages/docmill-read-documents.1").exists());
}
