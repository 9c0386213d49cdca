//! Keys reach the provider, and nothing else.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const SECRET: &str = "sk-live-0123456789abcdefghijklmnop";
const HEADER: &str = "team-token-9876543210";

/// The bytes of all files below a directory.
fn all_bytes(directory: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_bytes(&path) } else { std::fs::read(path).unwrap() }).collect()
}

#[test]
fn a_server_that_repeats_secrets_puts_them_into_no_file_and_no_output() {
    let encoded = STANDARD.encode(format!("user:{SECRET}"));
    let said = format!("{SECRET} {encoded} {HEADER}");
    let error = said.clone();
    let server = ModelServer::script()
        .answer(move |_| json!({"said": said}))
        .faults(move |ask| match ask.docid.as_deref() {
            Some("bad") => Reply::error(ask, 400, "invalid_request_error", &error),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).env("K", SECRET).set("llm.api_key_env", "K");
    workspace.write("echo.toml", ECHO).doc("good.txt", "docid:good").doc("bad.txt", "docid:bad");
    let header = format!("llm.headers.X-Team-Token=\"{HEADER}\"");
    for stream in ["true", "false"] {
        let stream = format!("llm.stream={stream}");
        let args = ["--job", "echo.toml", "--set", &header, "--set", &stream, "--events", "events", "--progress", "json"];
        let run = workspace.run(args).exits(3);
        assert!(run.csv("echo").rows[1]["said"].contains("[key]"), "the server repeats the key");
        let report = workspace.docmill(["report", "--json"]).exits(0).stdout + &workspace.docmill(["status"]).exits(0).stdout;
        let mut all = all_bytes(&workspace.path("output"));
        all.extend(std::fs::read(workspace.path("events")).unwrap());
        all.extend(run.stderr.as_bytes().iter().chain(run.stdout.as_bytes()).chain(report.as_bytes()));
        let all = String::from_utf8_lossy(&all);
        for secret in [SECRET, HEADER, &encoded[8..encoded.len() - 8], "abcdefghijklmnop"] {
            assert!(!all.contains(secret), "{secret} with {stream}");
        }
        std::fs::remove_dir_all(workspace.path("output")).unwrap();
    }
    assert_eq!(server.ledger().asks[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
}

#[test]
fn a_key_in_a_setting_for_its_place_is_refused_and_not_shown() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "one");
    let keys = [
        "sk-proj-0a1b2c3d4e5f6a7b8c9d",
        "gsk_0a1b2c3d4e5f6a7b8c9d",
        "AIzaSyD0a1b2c3d4e5f6a7b8c9d0e1f2g3h4i5j",
        "0123456789abcdef0123456789abcdef",
    ];
    for (key, setting) in keys.iter().flat_map(|key| {
        ["api_key_env", "api_key_file", "api_key_command", "api_key", "key"].map(|setting| (key, format!("[llm]\n{setting} = \"{key}\"\n")))
    }) {
        workspace.write("pipeline.toml", &setting);
        for command in [&["run", "docs"][..], &["plan", "docs"], &["doctor"], &["config", "show"], &["trust"]] {
            let told = workspace.docmill(command).says_nothing_of(key);
            assert!(told.stderr.contains("cannot hold keys") || told.stdout.contains("cannot hold keys"), "{setting}: {}", told.stderr);
        }
    }
    workspace.write("pipeline.toml", "[budget]\ntoken = \"env:sk-proj-0a1b2c3d4e5f6a7b8c9d\"\n");
    workspace.docmill(["run", "docs"]).exits(2).says(&["cannot hold secrets"]).says_nothing_of("sk-proj");
}

#[test]
fn keys_come_from_a_private_file_or_from_a_command() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").write("key", format!("{SECRET}\n"));
    let run = |setting: &str, output: &str| workspace.run(["--job", "echo.toml", "--set", setting, "--output", output]);
    let mode = |mode| std::fs::set_permissions(workspace.path("key"), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    run("llm.api_key_file=key", "one").exits(2).says(&["llm.api_key_file: key: other users can read the file", "chmod 600"]);
    assert_eq!(server.requests(), 0);
    mode(0o600);
    run("llm.api_key_file=key", "one").exits(0);
    run("llm.api_key_command=cat key", "two").exits(0);
    run("llm.api_key_command=[\"cat\", \"key\"]", "three").exits(0);
    let sent: Vec<Option<String>> = server.ledger().asks.iter().map(|ask| ask.header("authorization").map(ToOwned::to_owned)).collect();
    assert_eq!(sent, vec![Some(format!("Bearer {SECRET}")); 3]);
    run("llm.api_key_command=false", "four").exits(2).says(&["llm.api_key_command: false: the command failed"]);
    workspace
        .run(["--job", "echo.toml", "--set", "llm.api_key_command=cat key", "--set", "llm.api_key_file=key"])
        .exits(2)
        .says(&["only one of llm.api_key_env, llm.api_key_file and llm.api_key_command"]);
    // Planning and inspecting run no command.
    for command in [&["plan", "docs"][..], &["inspect", "docs/a.txt"]] {
        let all = [command, &["--job", "echo.toml", "--set", "llm.api_key_command=touch ran"]].concat();
        workspace.start_with(all).finish().exits(0);
    }
    let ran = workspace.path("ran");
    assert!(!ran.exists());
    workspace.write("pipeline.toml", "[llm]\napi_key_command = \"touch ran\"\n");
    workspace.env("DOCMILL_TRUST", "").run(["--job", "echo.toml"]).exits(2).says(&[
        "is not trusted",
        "llm.api_key_command = ",
        "in line 2",
    ]);
    assert!(!ran.exists());
}

#[test]
fn new_files_are_private_unless_the_settings_follow_the_umask() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    let modes = |directory: &str| -> Vec<u32> {
        let files = ["docmill.db", "echo/results.csv", "echo/results.json", "echo/summary.json", "report.html", "events"];
        files.iter().map(|file| std::fs::metadata(workspace.path(directory).join(file)).unwrap().permissions().mode() & 0o777).collect()
    };
    let run = |output: &str, mode: &str| {
        let (setting, events) = (format!("output.mode={mode}"), format!("{output}/events"));
        workspace.write(&events, "");
        std::fs::remove_file(workspace.path(&events)).unwrap();
        workspace.run(["--job", "echo.toml", "--output", output, "--set", &setting, "--events", &events]).exits(0);
        workspace.docmill(["report", "--output", output, "--set", &setting]).exits(0);
    };
    run("one", "private");
    assert_eq!(modes("one"), [0o600; 6]);
    run("two", "umask");
    assert!(modes("two").iter().all(|mode| mode & 0o044 == 0o044), "{:?}", modes("two"));
    // Somebody shares a result. A later run keeps that.
    let shared = workspace.path("one/echo/results.csv");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o640)).unwrap();
    workspace.doc("b.txt", "docid:b");
    run("one", "private");
    assert_eq!(modes("one"), [0o600, 0o640, 0o600, 0o600, 0o600, 0o600]);
}

#[test]
fn inspect_shows_the_whole_request_without_the_key() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).env("K", SECRET).set("llm.api_key_env", "K").set("llm.query.code", "\"env:K\"");
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a and more");
    let shown = workspace.start_with(["inspect", "docs/a.txt", "--job", "echo.toml", "--request"]).finish().exits(0).stdout;
    for part in [
        "POST http://127.0.0.1",
        "/v1/chat/completions?code=[key]",
        "authorization: [key]",
        "\"model\": \"test-model\"",
        "docid:a and more",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(server.requests(), 0);
}
