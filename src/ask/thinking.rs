//! Estimates the thinking tokens of a model.

use crate::insight::Length;

/// Models that do not think by default, by parts of their ids.
///
/// They take precedence over [`THINKING`].
const SILENT: [&str; 16] = [
    "simulated",
    "claude-3",
    "claude-haiku-4",
    "claude-opus-4",
    "claude-sonnet-4",
    "gpt-3",
    "gpt-4",
    "chat-latest",
    "gemini-1",
    "gemini-2.0",
    "flash-lite",
    "instruct",
    "llama",
    "mistral",
    "gemma",
    "phi-",
];
/// Models that think by default, by parts of their ids.
const THINKING: [&str; 18] = [
    "claude",
    "gpt-5",
    "gpt-6",
    "gpt-oss",
    "gemini",
    "o1",
    "o3",
    "o4",
    "deepseek-r",
    "reasoner",
    "qwq",
    "qwen3",
    "thinking",
    "magistral",
    "grok-4",
    "glm-4.5",
    "kimi-k2-t",
    "minimax-m",
];

/// Expected thinking tokens of `model`, at most `room`.
pub fn usual_thinking(model: &str, effort: &str, room: u32) -> Length {
    let model = model.to_ascii_lowercase();
    let holds = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
    let length = match effort.to_ascii_lowercase().as_str() {
        "none" | "minimal" | "disabled" => Length::default(),
        _ if holds(&SILENT) || !holds(&THINKING) => Length::default(),
        "low" => Length::new(5.0, 60.0, 300.0),
        "" | "medium" | "auto" => Length::new(30.0, 200.0, 800.0),
        "high" => Length::new(100.0, 600.0, 2500.0),
        _ => Length::new(200.0, 1500.0, 10_000.0),
    };
    length.at_most(f64::from(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_models_are_expected_to_think_within_their_room() {
        for (model, effort, thinks) in [
            ("claude-opus-5-5", "", true),
            ("claude-opus-5-5", "minimal", false),
            ("claude-haiku-4-5", "", false),
            ("gpt-6-luna", "low", true),
            ("gpt-4.1-mini", "", false),
            ("Qwen3-32B", "", true),
            ("simulated-small", "high", false),
            ("my-model", "", false),
        ] {
            let length = usual_thinking(model, effort, 300);
            assert_eq!(length.high > 0.0, thinks, "{model} {effort}");
            assert!(length.high <= 300.0 && length.low <= length.likely);
        }
    }
}
