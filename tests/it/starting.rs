//! `docmill init`, and the skill for agents.

use crate::support::Workspace;

const ASK: [&str; 2] = ["--ask", "Who wrote it?"];

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for n in 1..=5 {
        workspace.doc(format!("{n}.txt"), format!("Letter {n} about the harbour crane."));
    }
    workspace
}

fn text(workspace: &Workspace, file: &str) -> String {
    std::fs::read_to_string(workspace.path(file)).unwrap()
}

#[test]
fn init_writes_files_tries_three_documents_and_says_what_comes_next() {
    let workspace = workspace();
    let init = workspace.docmill([&["init", "--documents", "docs", "--provider", "anthropic"][..], &ASK].concat()).exits(0);
    for part in ["wrote pipeline.toml, job.toml", "\n  1.txt\n", "\n  3.txt\n", "answer", "export ANTHROPIC_API_KEY=", "docmill plan"] {
        assert!(init.stdout.contains(part), "{part}: {}", init.stdout);
    }
    assert!(!init.stdout.contains("4.txt") && !workspace.path("output").exists());
    for (file, schema) in [("pipeline.toml", "pipeline"), ("job.toml", "job")] {
        let line = format!("#:schema ./.docmill/{schema}.schema.json\n");
        assert!(text(&workspace, file).starts_with(&line), "{file}");
        let printed = workspace.docmill(["schema", schema]).exits(0).stdout;
        assert_eq!(text(&workspace, &format!(".docmill/{schema}.schema.json")).trim_end(), printed.trim_end());
    }
    workspace.docmill(["jobs", "check", "job.toml"]).exits(0);
    let run = workspace.docmill(["run", "--set", "llm.provider=simulated"]).exits(0);
    assert_eq!(run.file("my-job", "results.jsonl").lines().count(), 5);
}

#[test]
fn init_overwrites_nothing() {
    let workspace = workspace();
    let all = [&["init", "--documents", "docs", "--provider", "simulated"][..], &ASK].concat();
    for file in ["pipeline.toml", "job.toml"] {
        workspace.write(file, "mine");
        workspace.docmill(&all).exits(2).says(&[file, "exists", "docmill init DIR"]);
        assert_eq!(text(&workspace, file), "mine");
        std::fs::remove_file(workspace.path(file)).unwrap();
        assert!(!workspace.path(".docmill").exists());
    }
}

#[test]
fn init_names_the_missing_flags_without_a_terminal() {
    let workspace = workspace();
    workspace.docmill(["init"]).exits(2).says(&["not a terminal", "--documents PATH, --provider NAME, --ask TEXT (or --job NAME)"]);
    let compatible = ["init", "--documents", "docs", "--provider", "openai-compatible", "--job", "text"];
    workspace.docmill(compatible).exits(2).says(&["--base-url URL, --model NAME"]);
    assert!(!workspace.path("pipeline.toml").exists());
}

#[test]
fn init_refuses_wrong_values_before_it_writes() {
    let workspace = workspace();
    for (args, why) in [
        (["--documents", "nothing", "--provider", "simulated", "--job", "text"], "nothing: no such file"),
        (["--documents", "docs", "--provider", "anthropics", "--job", "text"], "did you mean anthropic?"),
        (["--documents", "docs", "--provider", "simulated", "--job", "txt"], "--job txt"),
    ] {
        workspace.docmill([&["init"][..], &args].concat()).exits(2).says(&[why]);
        assert!(!workspace.path("pipeline.toml").exists());
    }
}

#[test]
fn init_in_another_directory_finds_documents_and_jobs() {
    let workspace = workspace();
    workspace.docmill(["init", "a/b", "--documents", "docs", "--provider", "simulated", "--job", "text"]).exits(0);
    assert!(text(&workspace, "a/b/pipeline.toml").contains(&format!("\"{}\"", workspace.path("docs").display())));
    assert!(!workspace.path("a/b/job.toml").exists());
    // The documents contain the new files, which are no documents.
    let args = [&["init", "docs", "--documents", "docs", "--provider", "simulated"][..], &ASK].concat();
    let init = workspace.docmill(args).exits(0);
    assert!(text(&workspace, "docs/pipeline.toml").contains("paths = [\".\"]"));
    assert!(init.stdout.contains("\n  1.txt\n"), "{}", init.stdout);
    assert!(!init.stdout.contains("job.toml\n    answer"), "{}", init.stdout);
}

#[test]
fn init_takes_rows_of_a_table_and_braces_in_a_question() {
    let workspace = Workspace::new();
    workspace.write("shop.csv", "id,body\n1,late parcel\n2,broken lid\n");
    let args = ["init", "--documents", "shop.csv", "--provider", "simulated", "--ask", "Is {{ this }} \"late\"?\nSay why."];
    let init = workspace.docmill(args).exits(0);
    assert!(text(&workspace, "pipeline.toml").contains("rows = [\"shop.csv\"]") && init.stdout.contains("shop.csv#2"), "{}", init.stdout);
    let calls = workspace.docmill(["inspect", "shop.csv#1", "--calls"]).exits(0).stdout;
    assert!(calls.contains("Is {{ this }} \"late\"?"), "{calls}");
}

#[test]
fn init_records_trust_in_the_address_that_the_user_gives() {
    let workspace = workspace();
    let address = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"];
    let args = [&["init", "--documents", "docs", "--provider", "openai-compatible"][..], &address, &ASK].concat();
    workspace.docmill(args).exits(0);
    let trust = workspace.docmill(["run", "--limit", "1", "--set", "llm.retry.max_attempts=1"]);
    assert!(!trust.stderr.contains("not trusted"), "{}", trust.stderr);
}

#[test]
fn a_skill_is_printed_and_installed() {
    let workspace = Workspace::new();
    let printed = workspace.docmill(["skill"]).exits(0).stdout;
    assert!(printed.starts_with("---\nname: docmill\ndescription: "), "{printed}");
    workspace.docmill(["skill", "--install", "skills"]).exits(0);
    assert_eq!(text(&workspace, "skills/docmill/SKILL.md"), printed);
}
