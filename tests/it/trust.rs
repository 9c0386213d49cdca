//! Directories and settings files of strangers.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};

/// A workspace whose `pipeline.toml` sends requests to `server` and whose alert writes a file.
fn of_a_stranger(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().env("DOCMILL_TRUST", "").env("OPENAI_API_KEY", "sk-mine-0123456789");
    let url = format!("{}/v1", server.url());
    let settings =
        format!("[llm]\nbase_url = \"{url}\"\n\n[[alert]]\nwhen = \"failure_rate > 0.5\"\nrun = [\"sh\", \"-c\", \"env > ran\"]\n");
    workspace.write("pipeline.toml", settings).write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace
}

const RUN: [&str; 8] = ["run", "docs", "--job", "echo.toml", "--set", "llm.provider=openai", "--set", "llm.model=test-model"];

#[test]
fn a_found_settings_file_sends_nothing_elsewhere_until_it_is_trusted() {
    let server = ModelServer::start();
    let workspace = of_a_stranger(&server);
    let why = ["pipeline.toml (llm.base_url in line 2, alert in line 4)", "docmill trust", "Nothing was sent"];
    workspace.docmill(RUN).exits(2).says(&why);
    assert_eq!((server.requests(), workspace.path("ran").exists()), (0, false));
    // Commands that send nothing work.
    workspace.docmill(["config", "show"]).exits(0);
    workspace.docmill(["trust"]).exits(0).says(&["trusted", "llm.base_url in line 2"]);
    workspace.docmill(RUN).exits(0);
    assert_eq!(server.requests(), 1);
    // Another address needs trust again.
    let other = std::fs::read_to_string(workspace.path("pipeline.toml")).unwrap().replace("/v1", "/v2");
    workspace.write("pipeline.toml", other);
    workspace.docmill(RUN).exits(2).says(&why);
}

#[test]
fn naming_the_file_or_its_directory_is_trust() {
    let server = ModelServer::start();
    let workspace = of_a_stranger(&server);
    let named: Vec<&str> = RUN.iter().copied().chain(["--config", "pipeline.toml"]).collect();
    workspace.docmill(named).exits(0);
    assert_eq!(server.requests(), 1);
    let workspace = of_a_stranger(&server).env("DOCMILL_TRUST", ".");
    workspace.docmill(RUN).exits(0);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_user_at_a_terminal_is_asked_for_trust_once() {
    let server = ModelServer::start();
    let workspace = of_a_stranger(&server);
    let Some((code, shown)) = workspace.run_on_a_terminal(&RUN, "n\n") else { return };
    assert!(code == 2 && shown.contains("Trust it? [y/N]"), "{code} {shown}");
    assert_eq!(server.requests(), 0);
    let (code, shown) = workspace.run_on_a_terminal(&RUN, "y\n").unwrap();
    assert_eq!(code, 0, "{shown}");
    workspace.docmill(RUN).exits(0);
    assert_eq!(server.requests(), 1);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_input_directory_are_not_followed() {
    use std::os::unix::fs::symlink;
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).write("secret", "docid:secret").doc("a.txt", "docid:a").doc("part/b.txt", "docid:b");
    symlink("../secret", workspace.path("docs/out.txt")).unwrap();
    symlink("/proc/self/environ", workspace.path("docs/environ.txt")).unwrap();
    symlink("part/b.txt", workspace.path("docs/in.txt")).unwrap();
    let echo = ["--job", "echo.toml"];
    let run = workspace.run(echo).exits(0).says(&["left out: 2 links (input.follow_links)"]);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "in.txt", "part/b.txt"]);
    let all = workspace.run(["--job", "echo.toml", "--set", "input.follow_links=all", "--replace"]).exits(3);
    let csv = all.csv("echo");
    assert_eq!(csv.column("document"), ["a.txt", "environ.txt", "in.txt", "out.txt", "part/b.txt"]);
    assert_eq!(csv.column("status")[1], "unreadable");
    let never = workspace.run(["--job", "echo.toml", "--set", "input.follow_links=never", "--replace"]).exits(0);
    assert_eq!(never.csv("echo").column("document"), ["a.txt", "part/b.txt"]);
    assert_eq!(server.requests(), 3);
}
