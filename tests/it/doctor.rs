//! `docmill doctor` finds what would stop a run.

use crate::support::{ModelServer, Workspace};
use serde_json::Value;

/// The status of each check, by its name.
fn checks(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).unwrap();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    report["checks"].as_array().unwrap().iter().map(|check| (text(check, "check"), text(check, "status"))).collect()
}

fn status<'c>(checks: &'c [(String, String)], name: &str) -> &'c str {
    checks.iter().find(|(check, _)| check == name).map_or("missing", |(_, status)| status)
}

#[test]
fn the_default_settings_need_no_network_and_no_key() {
    let workspace = Workspace::new();
    let shown = workspace.docmill(["doctor"]).exits(0).stdout;
    for part in ["defaults", "does not exist yet", "MB free", "no run yet", "open files", "needs no key and no network", "0 problems"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let found = checks(&workspace.docmill(["doctor", "--json"]).exits(0).stdout);
    assert_eq!([status(&found, "settings"), status(&found, "provider")], ["ok", "ok"]);
}

#[test]
fn problems_of_settings_key_provider_and_disk_are_named_with_advice() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).env("K", "sk-ant-0123456789abcdef");
    let doctor = |args: &[&str]| workspace.start_with([&["doctor", "--json"][..], args].concat()).finish();
    let found = checks(&doctor(&[]).exits(0).stdout);
    assert_eq!([status(&found, "key"), status(&found, "provider"), status(&found, "clock")], ["ok", "ok", "ok"], "{found:?}");
    assert_eq!(server.requests(), 0, "doctor sends no call");

    let alone = |args: &[&str]| workspace.docmill([&["doctor"][..], args].concat());
    let said = alone(&["--set", "llm.provider=openai-compatible", "--set", "llm.model=m", "--set", "llm.base_url=http://127.0.0.1:9/v1"]);
    let said = said.exits(3).stdout;
    assert!(said.contains("PROBLEM  provider     cannot reach 127.0.0.1") && said.contains("llm.base_url"), "{said}");
    let said = alone(&["--set", "llm.provider=anthropic"]).exits(3).stdout;
    assert!(said.contains("needs an API key. Set the environment variable ANTHROPIC_API_KEY"), "{said}");
    let key = ["--set", "llm.provider=openai", "--set", "llm.api_key_env=K", "--set", "llm.base_url=http://127.0.0.1:9/v1"];
    let said = alone(&key).exits(3).stdout;
    assert!(said.contains("the key for openai looks like one of anthropic") && !said.contains("sk-ant-0"), "{said}");
    let said = alone(&["--set", "llm.concurency=3"]).exits(3).stdout;
    assert!(said.contains("did you mean llm.concurrency?"), "{said}");
    workspace.write("a-file", "");
    let said = alone(&["a-file/below"]).exits(3).stdout;
    assert!(said.contains("a-file is a file, not a directory") && !said.contains("PROBLEM  lock"), "{said}");
    workspace.doc("a.txt", "a text");
    workspace.docmill(["run", "docs", "--output", "a-file"]).exits(2).says(&["a-file is a file, not a directory"]);
    workspace.write("pipeline.toml", "[llm]\nbase_url = \"http://evil.example\"\n");
    let said = workspace.env("DOCMILL_TRUST", "").docmill(["doctor"]).exits(3).stdout;
    assert!(said.contains("is not trusted") && said.contains("not checked, because"), "{said}");
}
