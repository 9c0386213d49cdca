//! The settings that clients can change.

use super::problem::Problem;
use super::settings::ServeSettings;
use crate::config::Config;
use crate::model::did_you_mean;

/// Settings that clients can change. They decide neither where data and keys go, nor what runs, nor
/// which files of the server are read.
const ALLOWED: [&str; 32] = [
    "input.id_column",
    "input.keep_columns",
    "input.archives",
    "input.attachments",
    "input.group",
    "input.on_empty",
    "input.tables",
    "input.text_column",
    "job.combine",
    "job.tasks",
    "llm.concurrency",
    "llm.documents",
    "llm.effort",
    "llm.hedge",
    "llm.model",
    "llm.prime",
    "llm.service_tier",
    "llm.share_identical_calls",
    "llm.stream",
    "llm.thinking_tokens",
    "output.csv_bom",
    "output.csv_decimal",
    "output.csv_separator",
    "output.formats",
    "prepare.image.jpeg_quality",
    "prepare.image.max_edge",
    "prepare.pdf.max_pages",
    "prepare.pdf.mode",
    "prepare.text.clean",
    "simulator.jitter_ms",
    "simulator.latency_ms",
    "simulator.seed",
];

/// Settings of the database, which no setting of the server opens to clients.
const DATABASE: &str = "output.postgres";

/// Such settings with names that the job chooses.
const PARAMETERS: &str = "job.params.";

/// Whether clients can change a setting wherever docmill serves them.
pub fn client_may_change(key: &str) -> bool {
    ALLOWED.contains(&key) || key.starts_with(PARAMETERS)
}

/// Checks that a client can change a setting.
pub fn check_setting(key: &str, serve: &ServeSettings) -> Result<(), Problem> {
    if key.starts_with(DATABASE) {
        return Err(Problem::forbidden(format!("settings: clients cannot change {key}. The server's settings decide where rows go")));
    }
    if !client_may_change(key) && !serve.settings.iter().any(|own| own == key) {
        let known = Config::from_layers(&[]).map_err(|error| Problem::internal(error.to_string()))?;
        if known.get(key).is_none() {
            let known = known.entries();
            let hint = did_you_mean(key, known.iter().map(|(key, ..)| key.as_str()));
            return Err(Problem::invalid(format!("settings: unknown setting {key}{hint}")));
        }
        let why = format!("settings: clients cannot change {key}, unless the server's setting serve.settings allows it");
        return Err(Problem::forbidden(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_settings_exist() {
        let config = Config::from_layers(&[]).unwrap();
        assert!(ALLOWED.iter().all(|key| config.get(key).is_some()));
    }

    #[test]
    fn the_manual_lists_the_allowed_settings() {
        let manual = include_str!("../manual/serve.md").split_whitespace().collect::<Vec<_>>().join(" ");
        let is_listed = |key: &str| {
            let group = key.rsplit_once('.').map_or(key, |(group, _)| group);
            let simulator = group == "simulator" && manual.contains("and those of the simulator");
            simulator || manual.contains(&format!("`{key}`")) || manual.contains(&format!("`{group}.*`"))
        };
        assert!(ALLOWED.iter().all(|key| is_listed(key)), "{:?}", ALLOWED.iter().find(|key| !is_listed(key)));
    }
}
