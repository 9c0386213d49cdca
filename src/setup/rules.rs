//! Rules for values of settings, and the JSON Schema of `pipeline.toml` made of them.

use crate::ask::Provider;
use crate::ask::pricing::Rates;
use crate::config::{self, Config, Problem, Problems, Rule};
use crate::job::Method;
use crate::model::schema_of;
use crate::progress::AlertSettings;
use crate::write::{Decimal, Format, Separator};
use serde_json::{Value, json};

/// Values of `job.combine`; `None` leaves the choice to the job file.
pub(super) const METHODS: [(&str, Option<Method>); 5] = [
    ("", None),
    ("none", Some(Method::None)),
    ("model", Some(Method::Model)),
    ("vote", Some(Method::Vote)),
    ("weighted", Some(Method::Weighted)),
];

/// Whole numbers of at least 1.
const AT_LEAST_ONE: [&str; 26] = [
    "input.max_members",
    "input.max_unpacked_mb",
    "read.concurrency",
    "read.queue",
    "read.max_file_mb",
    "read.timeout_s",
    "read.memory_mb",
    "prepare.queue",
    "prepare.memory_mb",
    "prepare.document_s",
    "prepare.document_mb",
    "llm.timeout_s",
    "llm.limits.burst_s",
    "store.queue",
    "store.group",
    "report.interval_s",
    "watch.rescan_s",
    "watch.on_result_jobs",
    "watch.on_result_s",
    "shards.save_s",
    "shards.save_answers",
    "shards.fence_s",
    "serve.runs",
    "serve.queue",
    "serve.connections",
    "serve.max_upload_mb",
];

/// Whole numbers within 32 bits.
const SMALL: [&str; 8] = [
    "prepare.image.max_edge",
    "prepare.pdf.max_pages",
    "llm.thinking_tokens",
    "llm.limits.requests_per_minute",
    "llm.limits.input_tokens_per_minute",
    "llm.limits.output_tokens_per_minute",
    "llm.limits.tokens_per_minute",
    "llm.retry.max_ambiguous",
];

/// Whole numbers from 1 to the second number.
const UP_TO: [(&str, i64); 5] = [
    ("prepare.image.jpeg_quality", 100),
    ("prepare.image.max_pixels_mp", u32::MAX as i64),
    ("llm.concurrency", 100_000),
    ("llm.retry.max_attempts", u32::MAX as i64),
    ("watch.on_result_attempts", u32::MAX as i64),
];

/// Texts that are one of some values.
const CHOICES: [(&str, &[&str]); 10] = [
    ("llm.limits.slow_start", &["auto", "on", "off"]),
    ("prepare.pdf.mode", &["auto", "text", "pages"]),
    ("output.mode", &["private", "umask"]),
    ("output.existing", &["ask", "add", "replace"]),
    ("input.tables", &["ask", "document", "rows"]),
    ("input.follow_links", &["inside", "never", "all"]),
    ("input.on_empty", &["fail", "skip"]),
    ("input.group", &["none", "directory", "stem"]),
    ("input.attachments", &["list", "read"]),
    ("input.archives", &["named", "read", "refuse"]),
];

/// The rules that settings obey beside their types.
pub fn rules() -> Vec<(&'static str, Rule)> {
    let choices = CHOICES.into_iter().map(|(key, known)| (key, Rule::OneOf(known.to_vec())));
    let from_one = AT_LEAST_ONE.into_iter().map(|key| (key, Rule::Whole(1, i64::MAX)));
    let small = SMALL.into_iter().map(|key| (key, Rule::Whole(0, u32::MAX.into())));
    let up_to = UP_TO.into_iter().map(|(key, most)| (key, Rule::Whole(1, most)));
    let others = [
        ("budget.max_usd", Rule::Dollars(1e6)),
        ("budget.max_usd_per_day", Rule::Dollars(1e6)),
        ("output.formats", Rule::EachOneOf(Format::ALL.map(Format::as_str).to_vec())),
        ("output.dir", Rule::Directory("output.copy_to copies the results to object storage")),
        ("output.csv_separator", Rule::OneOf(Separator::NAMES.map(|(name, _)| name).to_vec())),
        ("output.csv_decimal", Rule::OneOf(Decimal::NAMES.map(|(name, _)| name).to_vec())),
        ("job.combine", Rule::OneOf(METHODS.map(|(name, _)| name).to_vec())),
        ("llm.base_url", Rule::Addresses),
        ("budget.token", Rule::Reference(&["env:", "file:"])),
        ("serve.webhook_secrets", Rule::Reference(&["env:"])),
        ("llm.api_key_env", Rule::Variable),
        ("llm.api_key_file", Rule::PlaceOfKey),
        ("llm.api_key_command", Rule::PlaceOfKey),
        ("llm.provider", Rule::OneOf(Provider::names().collect())),
    ];
    choices.chain(from_one).chain(small).chain(up_to).chain(others).collect()
}

/// Checks the values of settings against the rules.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let rules = rules();
    let mut problems = Vec::new();
    for (key, value, _) in config.entries() {
        if ["llm.headers.", "llm.query."].iter().any(|table| key.starts_with(table)) && (value.is_array() || value.is_table()) {
            problems.push(config.problem(&key, "expected text, a number, true or false"));
        }
        if Config::is_open(&key) {
            continue;
        }
        let own = rules.iter().filter(|(at, _)| *at == key).map(|(_, rule)| rule);
        let wrong = own.chain([&Rule::Whole(0, i64::MAX)]).find_map(|rule| rule.check(&value).err());
        problems.extend(wrong.map(|why| config.problem(&key, why)));
    }
    problems
}

/// The JSON Schema of `pipeline.toml`.
pub fn settings_schema() -> Result<Value, Problems> {
    let plain = json!({"type": ["string", "number", "boolean"]});
    let items =
        [("alert", schema_of::<AlertSettings>()), ("prices", schema_of::<Rates>()), ("llm.headers", plain.clone()), ("llm.query", plain)];
    config::schema(&rules(), &items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;
    use crate::setup::Settings;
    use toml::Value as Toml;

    /// The schema of a key, by its dotted path.
    fn of<'s>(schema: &'s Value, key: &str) -> &'s Value {
        key.split('.').fold(schema, |schema, name| &schema["properties"][name])
    }

    /// Whether a value fits the keywords that schemas of settings use.
    fn fits(schema: &Value, value: &Value) -> bool {
        let kind = match value {
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Number(n) if n.is_f64() => "number",
            _ => "integer",
        };
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let known = schema["enum"].as_array().is_none_or(|known| known.contains(value));
        let low = schema["minimum"].as_f64().is_none_or(|low| value.as_f64().is_none_or(|n| n >= low));
        let high = schema["maximum"].as_f64().is_none_or(|high| value.as_f64().is_none_or(|n| n <= high));
        let has_pattern = |schema: &Value, text: &Value| {
            let pattern = schema["pattern"].as_str().map(|pattern| regex::Regex::new(pattern).unwrap());
            pattern.zip(text.as_str()).is_none_or(|(pattern, text)| pattern.is_match(text))
        };
        let long = schema["minLength"].as_u64().is_none_or(|_| value != "");
        let items = value.as_array().is_none_or(|items| {
            let items_fit = || {
                items
                    .iter()
                    .all(|item| fits(&json!({"type": "string"}), item) && fits_items(schema, item) && has_pattern(&schema["items"], item))
            };
            schema["minItems"].as_u64().is_none_or(|_| !items.is_empty()) && items_fit()
        });
        let is_kind = types.iter().any(|own| own == kind || (own == "number" && kind == "integer"));
        is_kind && known && low && high && long && items && has_pattern(schema, value)
    }

    fn fits_items(schema: &Value, item: &Value) -> bool {
        schema["items"]["enum"].as_array().is_none_or(|known| known.contains(item))
    }

    /// Whether docmill takes a settings file with this value.
    fn is_taken(key: &str, value: &Toml) -> bool {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        let layer = Layer::File { name: "f".to_owned(), text: format!("{head}{name} = {value}\n") };
        let config = Config::from_layers(&[layer]);
        config.is_ok_and(|config| {
            Settings::from_config(&config, Vec::new()).is_ok() && config.section::<crate::serve::ServeSettings>("serve").is_ok()
        })
    }

    #[test]
    fn the_schema_accepts_what_the_parser_accepts() {
        let schema = settings_schema().unwrap();
        let texts = rules().into_iter().flat_map(|(_, rule)| match rule {
            Rule::OneOf(known) | Rule::EachOneOf(known) => known,
            _ => Vec::new(),
        });
        let texts: Vec<Toml> = texts.chain(["", "x"]).map(Toml::from).collect();
        let wholes = [-1, 0, 1, 100, 101, 100_000, 100_001, u32::MAX.into(), i64::from(u32::MAX) + 1, 1 << 40].map(Toml::from);
        let others = [Toml::from(-1.0), 0.0.into(), 0.5.into(), 1e6.into(), 1e7.into(), true.into(), Toml::Array(Vec::new())];
        let lists = ["x", "csv"].map(|item| Toml::from(vec![item])).into_iter().chain([Toml::from(vec![1])]);
        let values: Vec<Toml> = texts.into_iter().chain(wholes).chain(others).chain(lists).collect();
        let mut keys = 0;
        for (key, default, _) in Config::from_layers(&[]).unwrap().entries().into_iter().filter(|(key, ..)| key != "alert") {
            let own = of(&schema, &key);
            assert_eq!(own["default"], serde_json::to_value(&default).unwrap(), "{key}");
            for value in &values {
                let fits = fits(own, &serde_json::to_value(value).unwrap());
                assert_eq!(fits, is_taken(&key, value), "{key} = {value}: {own}");
            }
            keys += 1;
        }
        assert!(keys > 130, "{keys}");
    }

    #[test]
    fn every_key_is_described_by_its_comment() {
        let schema = settings_schema().unwrap();
        let comments: Vec<&str> = config::DEFAULT.lines().filter_map(|line| line.strip_prefix('#')).map(str::trim).collect();
        for (key, ..) in Config::from_layers(&[]).unwrap().entries() {
            let text = of(&schema, &key)["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty() && text.lines().all(|line| comments.contains(&line.trim())), "{key}: {text}");
        }
    }
}
