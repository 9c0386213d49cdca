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
    let why =
        ["pipeline.toml (llm.base_url = \"http://127.0.0.1:", "in line 2, alert = [{", "in line 4)", "docmill trust", "Nothing was sent"];
    workspace.docmill(RUN).exits(2).says(&why);
    assert_eq!((server.requests(), workspace.path("ran").exists()), (0, false));
    // Commands that send nothing work.
    workspace.docmill(["config", "show"]).exits(0);
    workspace.docmill(["trust"]).exits(0).says(&["trusted", "llm.base_url = ", "in line 2"]);
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

#[test]
fn a_key_goes_over_plain_http_only_to_this_machine_or_with_consent() {
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-mine-0123456789");
    workspace.doc("a.txt", "a").write("echo.toml", ECHO);
    let plan = |settings: &[&str]| {
        let set = settings.iter().flat_map(|set| ["--set", set]);
        workspace.docmill(["plan", "docs", "--job", "echo.toml", "--set", "llm.provider=openai"].into_iter().chain(set))
    };
    plan(&["llm.base_url=http://far.example/v1"]).exits(2).says(&["plain HTTP", "far.example", "llm.allow_http"]);
    plan(&["llm.base_url=http://far.example/v1", "llm.allow_http=true"]).exits(0);
    plan(&["llm.base_url=http://127.0.0.1:9/v1"]).exits(0);
    plan(&["llm.base_url=https://far.example/v1"]).exits(0);
}

#[test]
fn an_invalid_proxy_is_an_error_that_does_not_show_it() {
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-mine-0123456789").env("HTTPS_PROXY", "htp://me:secret@proxy");
    workspace.doc("a.txt", "a").write("echo.toml", ECHO);
    let plan = workspace.docmill(["plan", "docs", "--job", "echo.toml", "--set", "llm.provider=openai"]);
    plan.exits(2).says(&["HTTPS_PROXY: not the address of a proxy"]).says_nothing_of("secret");
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
    let run = workspace.run(echo).exits(0).says(&["left out: 2 symbolic links that were not followed (input.follow_links)"]);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "in.txt", "part/b.txt"]);
    let all = workspace.run(["--job", "echo.toml", "--set", "input.follow_links=all", "--replace"]).exits(3);
    let csv = all.csv("echo");
    assert_eq!(csv.column("document"), ["a.txt", "environ.txt", "in.txt", "out.txt", "part/b.txt"]);
    assert_eq!(csv.column("failure_code")[1], "unreadable");
    let never = workspace.run(["--job", "echo.toml", "--set", "input.follow_links=never", "--replace"]).exits(0);
    assert_eq!(never.csv("echo").column("document"), ["a.txt", "part/b.txt"]);
    assert_eq!(server.requests(), 4);
    // A list that `find` made names the links too.
    workspace.write("other/c.txt", "docid:c").write("list", "other/c.txt\nother/in.txt\nother/out.txt\n");
    symlink("../secret", workspace.path("other/out.txt")).unwrap();
    symlink("c.txt", workspace.path("other/in.txt")).unwrap();
    let listed = workspace.run(["--files-from", "list", "--job", "echo.toml", "--replace"]).exits(3);
    assert_eq!(listed.csv("echo").column("failure_code"), ["", "", "", "", "", "unreadable"]);
}

#[test]
fn the_message_names_a_missing_home() {
    let server = ModelServer::start();
    let workspace = of_a_stranger(&server).env("HOME", "");
    workspace.docmill(RUN).exits(2).says(&["HOME and XDG_DATA_HOME are not set", "Nothing was sent"]);
}

#[test]
fn a_found_settings_file_opens_no_server_until_it_is_trusted() {
    let workspace = Workspace::new().env("DOCMILL_TRUST", "");
    workspace.write("pipeline.toml", "[serve]\nbind = \"0.0.0.0:0\"\nkeys = \"keys.toml\"\n").write("keys.toml", "");
    workspace.docmill(["serve"]).exits(2).says(&["serve.bind", "serve.keys", "docmill trust"]);
}
