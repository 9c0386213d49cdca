use super::*;

fn file(text: &str) -> Layer {
    Layer::File { name: "pipeline.toml".into(), text: text.into() }
}

fn flag(key: &str, value: &str) -> Layer {
    Layer::Flags(vec![(key.into(), value.into(), "--set".into())])
}

fn env(name: &str, value: &str) -> Layer {
    Layer::Env(vec![(name.into(), value.into())])
}

#[test]
fn later_layers_win_and_every_value_knows_its_origin() {
    let layers = [file("[llm]\nconcurrency = 2\ntimeout_s = 9"), env("DOCMILL_LLM__CONCURRENCY", "3"), flag("llm.concurrency", "4")];
    let config = Config::from_layers(&layers).unwrap();
    assert_eq!(config.get("llm.concurrency").unwrap().as_integer(), Some(4));
    assert_eq!(config.origin("llm.concurrency").to_string(), "--set");
    assert_eq!(config.origin("llm.timeout_s").to_string(), "pipeline.toml:3");
    assert_eq!(config.origin("llm.model"), Origin::Default);
}

#[test]
fn all_problems_are_reported_at_once_with_line_and_nearest_key() {
    let text = "[llm]\nconcurency = 2\ntimeout_s = \"soon\"\n[raed]\nqueue = 1\n[llm.retry]\nmax_file_mb = 1\n";
    let error = Config::from_layers(&[file(text), flag("output.fromats", "csv")]).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 5, "{error}");
    assert!(error.contains("pipeline.toml:2: unknown key llm.concurency; did you mean llm.concurrency?"), "{error}");
    assert!(error.contains("pipeline.toml:3: llm.timeout_s takes an integer, not a string"), "{error}");
    assert!(error.contains("pipeline.toml:4: unknown key raed; did you mean the table [read]?"), "{error}");
    assert!(error.contains("pipeline.toml:7: unknown key llm.retry.max_file_mb; did you mean read.max_file_mb?"), "{error}");
    assert!(error.contains("--set: unknown key output.fromats; did you mean output.formats?"), "{error}");
}

#[test]
fn suggestions_suit_the_mistake() {
    let wrong = |text: &str| Config::from_layers(&[file(text)]).unwrap_err().to_string();
    for (text, hint) in [
        ("LLM = 1", "did you mean the table [llm]?"),
        ("[Llm]\nconcurrency = 1", "did you mean"),
        ("llm.max_usd = 1", "did you mean budget.max_usd?"),
        ("llm.API_KEY = \"sk-secret\"", "settings cannot hold keys"),
        ("llm.key = \"sk-secret\"", "OPENAI_API_KEY"),
    ] {
        let error = wrong(text);
        assert!(error.contains(hint) && !error.contains("sk-secret"), "{error}");
    }
    assert!(!wrong("zzz = 1").contains("did you mean"));
}

#[test]
fn text_becomes_the_type_of_the_default() {
    let layers =
        [flag("llm.model", "4"), flag("output.formats", "csv, json"), flag("input.paths", "[\"a,b\"]"), flag("prepare.text.clean", "true")];
    let config = Config::from_layers(&layers).unwrap();
    assert_eq!(config.get("llm.model").unwrap().as_str(), Some("4"));
    assert_eq!(config.get("output.formats").unwrap().as_array().unwrap().len(), 2);
    assert_eq!(config.get("input.paths").unwrap().as_array().unwrap().len(), 1);
    assert_eq!(config.get("prepare.text.clean").unwrap().as_bool(), Some(true));
    // As in the settings of a submission.
    let config = Config::from_layers(&[flag("output.formats", "\"csv, json\"")]).unwrap();
    assert_eq!(config.get("output.formats").unwrap().to_string(), "[\"csv\", \"json\"]");
}

#[test]
fn a_syntax_error_names_its_line() {
    let error = Config::from_layers(&[file("[llm]\nconcurrency = = 2\n")]).unwrap_err().to_string();
    assert!(error.starts_with("pipeline.toml:2: "), "{error}");
}

#[test]
fn parameters_of_a_job_may_have_any_name_and_type() {
    let config = Config::from_layers(&[file("[job.params]\nlanguage = \"French\"\nlevels = [1, 2]\n")]).unwrap();
    let params: Table = config.section("job.params").unwrap();
    assert_eq!(params["language"].as_str(), Some("French"));
    assert_eq!(params["levels"].as_array().unwrap().len(), 2);
}

#[test]
fn user_chosen_names_may_have_dots_and_keep_their_origin() {
    let text = "[prices.\"gpt-6.1-sol\"]\ninput = 2\n[prices]\nplain = { input = 1.5 }\n";
    let config = Config::from_layers(&[file(text), flag("prices.\"gpt-6.1-sol\".output", "10"), flag("prices.a/b.input", "0.5")]).unwrap();
    let prices: Table = config.section("prices").unwrap();
    assert_eq!(prices["gpt-6.1-sol"]["input"].as_integer(), Some(2));
    assert_eq!(prices["gpt-6.1-sol"]["output"].as_integer(), Some(10));
    assert_eq!(prices["a/b"]["input"].as_float(), Some(0.5));
    let input = key(["prices", "gpt-6.1-sol", "input"]);
    assert_eq!(config.get(&input).and_then(Value::as_integer), Some(2));
    assert_eq!(config.origin(&input).to_string(), "pipeline.toml:2");
    assert_eq!(config.origin(&key(["prices", "gpt-6.1-sol"])).to_string(), "pipeline.toml:2");
    assert_eq!(config.origin("prices.plain").to_string(), "pipeline.toml:4");
    assert_eq!(config.origin("prices.\"a/b\".input").to_string(), "--set");
}

#[test]
fn a_value_where_a_table_belongs_is_a_problem() {
    let error = Config::from_layers(&[file("prices = 3\n")]).unwrap_err().to_string();
    assert_eq!(error, "pipeline.toml:1: prices takes a table, not an integer");
}

proptest::proptest! {
    /// Splitting a path gives the keys that made it, with any characters.
    #[test]
    fn splitting_a_path_restores_its_keys(keys in proptest::collection::vec("[a-z.\"\\\\/ é-]{0,6}", 1..4)) {
        proptest::prop_assert_eq!(super::key::parts(&key(&keys)), keys);
    }

    /// The highest layer with a key wins, and other keys stay.
    #[test]
    fn the_highest_layer_that_sets_a_key_wins(in_file in proptest::option::of(1i64..999), in_env in proptest::option::of(1i64..999), in_flags in proptest::option::of(1i64..999)) {
        let mut layers = Vec::new();
        if let Some(n) = in_file { layers.push(file(&format!("[read]\nqueue = {n}\n"))); }
        if let Some(n) = in_env { layers.push(env("DOCMILL_READ__QUEUE", &n.to_string())); }
        if let Some(n) = in_flags { layers.push(flag("read.queue", &n.to_string())); }
        let config = Config::from_layers(&layers).unwrap();
        let default = Config::from_layers(&[]).unwrap();
        let expected = in_flags.or(in_env).or(in_file).or(default.get("read.queue").unwrap().as_integer());
        proptest::prop_assert_eq!(config.get("read.queue").unwrap().as_integer(), expected);
        for (key, value, _) in default.entries() {
            if key != "read.queue" {
                proptest::prop_assert_eq!(config.get(&key), Some(&value));
            }
        }
    }
}

#[test]
fn a_table_as_a_value_gets_a_hint_at_the_settings_file() {
    for table in ["prices", "llm"] {
        let error = Config::from_layers(&[flag(table, "{}")]).unwrap_err().to_string();
        assert!(error.contains(&format!("{table} is a table")) && error.contains(&format!("[{table}]")), "{error}");
        assert!(!error.contains("did you mean"), "{error}");
    }
}

#[test]
fn earlier_names_of_renamed_keys_are_accepted() {
    let config = Config::from_layers(&[file("[llm.retry]\nmax_systematic = 3")]).unwrap();
    assert_eq!(config.get("llm.retry.max_consecutive_failures").unwrap().as_integer(), Some(3));
    assert_eq!(config.get("llm.retry.max_systematic"), None);
    let config = Config::from_layers(&[flag("llm.retry.max_systematic", "0")]).unwrap();
    assert_eq!(config.get("llm.retry.max_consecutive_failures").unwrap().as_integer(), Some(0));
}
