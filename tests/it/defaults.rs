//! `pipeline.toml` holds the commented defaults and all keys. The binary embeds it.

use crate::support::Workspace;
use std::path::Path;
use toml::{Table, Value};

fn repository(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Every key with its value.
fn defaults() -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: &Table, out: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(inner) => walk(&key, inner, out),
                other => out.push((key, other.clone())),
            }
        }
    }
    let mut out = Vec::new();
    walk("", &std::fs::read_to_string(repository("pipeline.toml")).unwrap().parse().unwrap(), &mut out);
    assert!(out.len() > 30);
    out
}

/// The output of `docmill config show`: key, value, origin.
fn shown(workspace: &Workspace, args: &[&str]) -> Vec<(String, Value, String)> {
    let run = workspace.docmill([&["config", "show"], args].concat()).exits(0);
    let parse = |line: &str| {
        let (setting, origin) = line.rsplit_once(" # ").unwrap_or_else(|| panic!("no origin: {line}"));
        let (key, value) = setting.split_once(" = ").unwrap_or_else(|| panic!("no value: {line}"));
        let table: Table = format!("value = {value}").parse().unwrap();
        (key.to_owned(), table["value"].clone(), origin.to_owned())
    };
    run.stdout.lines().map(parse).collect()
}

#[test]
fn the_defaults_of_pipeline_toml_are_in_force_without_a_settings_file() {
    let expected: Vec<_> = defaults().into_iter().map(|(key, value)| (key, value, "default".to_owned())).collect();
    assert_eq!(shown(&Workspace::new(), &[]), expected);
}

#[test]
fn the_repositorys_settings_file_gives_the_defaults_from_its_lines() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(repository("pipeline.toml")).unwrap();
    workspace.write("pipeline.toml", &text);
    let shown = shown(&workspace, &[]);
    assert_eq!(shown.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect::<Vec<_>>(), defaults());
    for (key, _, origin) in shown {
        let line: usize = origin.strip_prefix("pipeline.toml:").unwrap_or_else(|| panic!("{key}: {origin}")).parse().unwrap();
        let name = key.rsplit('.').next().unwrap();
        assert!(text.lines().nth(line - 1).unwrap().starts_with(&format!("{name} = ")), "{key} is not in line {line}");
    }
}

#[test]
fn every_default_is_explained_by_a_comment_above_it() {
    let text = std::fs::read_to_string(repository("pipeline.toml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut explained = false;
    for line in lines {
        match line {
            "" => explained = false,
            _ if line.starts_with('#') => explained = true,
            _ if line.starts_with('[') => {}
            _ => assert!(explained, "not explained: {line}"),
        }
    }
}

#[test]
fn any_key_may_be_left_out_of_a_settings_file() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(repository("pipeline.toml")).unwrap();
    let settings: Vec<usize> =
        text.lines().enumerate().filter(|(_, line)| !line.starts_with(['#', '[']) && line.contains(" = ")).map(|(n, _)| n).collect();
    assert_eq!(settings.len(), defaults().len(), "a default that is not on a line of its own");
    // Each turn omits every third setting, so each setting is missing once.
    for turn in 0..3 {
        let kept = text.lines().enumerate().filter(|(n, _)| settings.iter().position(|at| at == n).is_none_or(|place| place % 3 != turn));
        workspace.write("pipeline.toml", kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n"));
        let shown = shown(&workspace, &[]);
        assert_eq!(shown.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect::<Vec<_>>(), defaults());
        assert!(shown.iter().enumerate().all(|(place, (_, _, origin))| (origin == "default") == (place % 3 == turn)));
    }
}

#[test]
fn every_key_can_be_set_from_the_environment_and_from_the_command_line() {
    for (key, value) in defaults() {
        let variable = format!("DOCMILL_{}", key.replace('.', "__").to_uppercase());
        let other = match &value {
            Value::Integer(n) => Value::Integer(n + 1),
            Value::Boolean(b) => Value::Boolean(!b),
            _ if key == "alert" => "alert = [{ when = \"cost_usd > 1\", run = [\"true\"] }]".parse::<Table>().unwrap()["alert"].clone(),
            _ if key == "serve.webhook_secrets" => Value::Array(vec![Value::String("env:OTHER".into())]),
            Value::Array(_) => Value::Array(vec![Value::String("json".into())]),
            Value::Float(x) => Value::Float(x + 0.5),
            _ if key == "prepare.pdf.mode" => Value::String("pages".into()),
            _ if key == "llm.limits.slow_start" => Value::String("on".into()),
            _ if key == "input.tables" => Value::String("rows".into()),
            _ if key == "input.follow_links" => Value::String("never".into()),
            _ if key == "input.on_empty" => Value::String("skip".into()),
            _ if key == "input.attachments" => Value::String("read".into()),
            _ if key == "input.archives" => Value::String("refuse".into()),
            _ if key == "input.group" => Value::String("stem".into()),
            _ if key == "job.combine" => Value::String("vote".into()),
            _ if key == "llm.provider" => Value::String("openai".into()),
            _ if key == "output.csv_separator" => Value::String("tab".into()),
            _ if key == "output.csv_decimal" => Value::String(",".into()),
            _ if key == "output.existing" => Value::String("add".into()),
            _ if key == "budget.token" => Value::String("env:OTHER".into()),
            _ if key == "output.mode" => Value::String("umask".into()),
            _ => Value::String("changed".into()),
        };
        let text = match &other {
            Value::Array(items) if key != "alert" => items[0].as_str().unwrap_or_default().to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let find = |shown: Vec<(String, Value, String)>| shown.into_iter().find(|(shown, ..)| *shown == key).unwrap();
        let workspace = Workspace::new().env(&variable, &text);
        let (_, shown_value, origin) = find(shown(&workspace, &[]));
        assert_eq!((&shown_value, origin.contains(&variable)), (&other, true), "{key} from {origin}");
        let workspace = workspace.env(&variable, value.as_str().unwrap_or(&text));
        let (_, shown_value, origin) = find(shown(&workspace, &["--set", &format!("{key}={text}")]));
        assert_eq!((&shown_value, origin.contains("--set")), (&other, true), "{key} from {origin}");
    }
}

#[test]
fn each_module_takes_exactly_the_keys_of_its_section() {
    // Sections refuse unknown keys and have no built-in defaults. So a run works only if both have
    // the same keys.
    let workspace = Workspace::new();
    workspace.write("sample_data/a.txt", "A short text.");
    let run = workspace.docmill(["run"]).exits(0);
    assert_eq!(run.csv("text").rows.len(), 1);
}

#[test]
fn public_names_are_stable() {
    let names: Vec<String> = defaults().into_iter().map(|(key, _)| key).collect();
    for key in [
        "input.paths",
        "input.include",
        "input.exclude",
        "job.use",
        "read.concurrency",
        "read.queue",
        "prepare.workers",
        "prepare.queue",
        "llm.provider",
        "llm.model",
        "llm.base_url",
        "llm.api_key_env",
        "llm.concurrency",
        "llm.timeout_s",
        "llm.retry.max_attempts",
        "llm.retry.max_wait_s",
        "output.dir",
        "output.formats",
    ] {
        assert!(names.iter().any(|name| name == key), "{key} is gone");
    }
}

#[test]
fn the_settings_page_lists_exactly_all_keys_with_defaults() {
    let page = std::fs::read_to_string(repository("src/manual/settings.md")).unwrap();
    let mut expected: Vec<String> = defaults().into_iter().map(|(key, value)| format!("| `{key}` | `{value}` |")).collect();
    let pipeline = std::fs::read_to_string(repository("pipeline.toml")).unwrap();
    // Sections without a key take any keys.
    let sections = pipeline.lines().filter_map(|line| Some(line.strip_prefix('[')?.strip_suffix(']')?.to_owned()));
    let keys: Vec<String> = defaults().into_iter().map(|(key, _)| key).collect();
    let is_open = |section: &String| !keys.iter().any(|key| key.starts_with(&format!("{section}.")));
    expected.extend(sections.filter(is_open).map(|section| format!("| `{section}` | `{{}}` |")));
    let missing: Vec<&String> = expected.iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "settings.md lacks: {missing:?}");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let stale: Vec<&&str> = rows.iter().filter(|row| !expected.iter().any(|known| row.starts_with(known.as_str()))).collect();
    assert!(stale.is_empty(), "pipeline.toml has no such keys or other defaults: {stale:?}");
}
