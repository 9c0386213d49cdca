//! Advice for agents, which call tools instead of commands.

use crate::ask::larger_cap;
use serde_json::{Value, json};

/// Advice about commands, and the same about tools.
const WORDS: [(&str, &str); 6] = [
    ("run the same command with a larger cap, such as --max-usd ", "call run with a larger cap, such as max_usd = "),
    ("run the same command again", "call run with the same arguments"),
    ("Run the same command again", "Call run with the same arguments"),
    ("--add ", "existing = \"add\" "),
    ("--replace ", "existing = \"replace\" "),
    ("--output names", "output names"),
];
/// Beginnings of parts that name a command for people. Each is left out, up to its end.
const FOR_PEOPLE: [(&str, &str); 3] = [(" (`docmill ", ")"), ("; `docmill status ", "continues"), (" A signal stops", "at once")];

/// Messages of a run in words for agents.
pub(super) fn for_agents(messages: &str) -> String {
    let worded = WORDS.iter().fold(messages.to_owned(), |text, (command, tool)| text.replace(command, tool));
    FOR_PEOPLE.iter().fold(worded, |text, (from, to)| without(&text, from, to))
}

/// The text without all parts from `from` to `to` in the same line.
fn without(text: &str, from: &str, to: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(from) {
        let line = after.split('\n').next().unwrap_or_default();
        let length = line.find(to).map_or(line.len(), |at| at + to.len());
        kept.push_str(before);
        rest = &after[length..];
    }
    kept + rest
}

/// Replaces the command to continue in a status by a call, and the advice in it.
pub(super) fn call_next(status: &mut Value) {
    let stopped = status["stopped"].as_str().unwrap_or_default().to_owned();
    let next = match larger_cap(&stopped) {
        Some(cap) => format!("run with max_usd = {cap} continues"),
        None if status["outcome"] == "sample" => "run without sample asks about all documents".to_owned(),
        None => "run with the same arguments continues".to_owned(),
    };
    if status["next"].is_string() {
        status["next"] = json!(next);
    }
    for key in ["stopped", "doing"] {
        if let Some(text) = status[key].as_str().map(for_agents) {
            status[key] = json!(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_for_agents_name_no_commands() {
        for (message, expected) in [
            (
                "1 document is done and kept, 3 remain; run the same command again to continue (`docmill status --output o` shows more)",
                "1 document is done and kept, 3 remain; call run with the same arguments to continue",
            ),
            (
                "0 documents are done and kept, 3 remain; `docmill status --output o` shows the command that continues\nnext line",
                "0 documents are done and kept, 3 remain\nnext line",
            ),
            (
                "To continue, run the same command with a larger cap, such as --max-usd 2.4 (the rest costs $1)",
                "To continue, call run with a larger cap, such as max_usd = 2.4 (the rest costs $1)",
            ),
            (
                "o has 3 rows. --add keeps them; --replace drops them; --output names another directory",
                "o has 3 rows. existing = \"add\" keeps them; existing = \"replace\" drops them; output names another directory",
            ),
            (
                "stopping: calls in flight have 60 s to finish (llm.drain_s). A signal stops at once",
                "stopping: calls in flight have 60 s to finish (llm.drain_s).",
            ),
        ] {
            assert_eq!(for_agents(message), expected);
        }
    }

    #[test]
    fn a_status_names_the_next_call() {
        for (stopped, outcome, next) in [
            (json!("stopped by SIGTERM"), json!("stopped"), "run with the same arguments continues"),
            (json!("limited to 3 of 9"), json!("sample"), "run without sample asks about all documents"),
            (
                json!("the cap is reached. To continue, run the same command with a larger cap, such as --max-usd 2.4 (the rest)"),
                json!("over_budget"),
                "run with max_usd = 2.4 continues",
            ),
        ] {
            let mut status = json!({"stopped": stopped, "outcome": outcome, "next": "docmill run x"});
            call_next(&mut status);
            assert_eq!(status["next"], next);
            assert!(!status.to_string().contains("--max-usd"), "{status}");
        }
        let mut done = json!({"stopped": null, "outcome": "complete", "next": null});
        call_next(&mut done);
        assert!(done["next"].is_null() && done["stopped"].is_null());
    }
}
