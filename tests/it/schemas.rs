//! Schemas of answers in the form of each wire format.
//!
//! Job files with random fields become schemas. Each provider gets only keywords that its
//! documentation names, and takes every answer that docmill takes. The witness is another validator.

use docmill::ask::dialect::Dialect;
use docmill::job::{Chunks, Job};
use docmill::model::{Chunk, Content, ContentBlock, Fence, Text, Want};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Patterns, and a text for each.
const PATTERNS: [(&str, &str); 5] =
    [(r"[A-Z]{2}\\d+", "DE17"), (r"^\\w+-[^-\\s]$", "a_1-x"), ("a|bb", "bb"), (r"\\bx\\b", "x"), ("(ab)+?", "abab")];

/// A field of a job file, as an inline table.
fn field() -> impl Strategy<Value = String> {
    let keys = || {
        prop::sample::select(vec![
            "",
            ", nullable = true",
            ", optional = true",
            ", nullable = true, optional = true, title = \"T\"",
            ", description = \"D\"",
        ])
    };
    let of = |kind: &'static str| keys().prop_map(move |keys| format!("{{ type = \"{kind}\"{keys} }}"));
    let bounds = prop::sample::select(vec!["", ", min = 1", ", max = 9", ", min = 1, max = 9", ", min = -100, max = 100"]);
    let number = (prop::sample::select(vec!["integer", "number"]), bounds, keys());
    let choice = prop::sample::select(vec![
        "type = \"string\", enum = [\"a\", \"b\"]",
        "type = \"string\", enum = [\"a\", \"b\"], unknown = \"c\"",
        "type = \"string\", enum = [\"a\", \"b\"], default = \"a\"",
        "type = \"integer\", enum = [1, 2]",
        "type = \"integer\", min = 0, default = 3",
    ]);
    let leaf = prop_oneof![
        of("string"),
        of("boolean"),
        of("date"),
        of("time"),
        of("date-time"),
        number.prop_map(|(kind, bounds, keys)| format!("{{ type = \"{kind}\"{bounds}{keys} }}")),
        (choice, keys()).prop_map(|(choice, keys)| format!("{{ {choice}{keys} }}")),
        (prop::sample::select(PATTERNS.to_vec()), keys())
            .prop_map(|((pattern, _), keys)| format!("{{ type = \"string\", pattern = \"{pattern}\"{keys} }}")),
    ];
    leaf.prop_recursive(3, 14, 3, move |inner| {
        let named = prop::collection::btree_map("[a-d]", inner.clone(), 1..4);
        let fields = move |named: std::collections::BTreeMap<String, String>| {
            named.into_iter().map(|(name, field)| format!("{name} = {field}")).collect::<Vec<_>>().join(", ")
        };
        let counts = prop::sample::select(vec!["", ", min_items = 1", ", min_items = 2, max_items = 3", ", max_items = 2"]);
        let items =
            inner.prop_map(|field| if field.contains("optional") || field.contains("default") { "\"string\"".to_owned() } else { field });
        prop_oneof![
            (items, counts.clone(), keys())
                .prop_map(|(items, counts, keys)| format!("{{ type = \"array\", items = {items}{counts}{keys} }}")),
            (named.clone(), counts, keys())
                .prop_map(move |(named, counts, keys)| format!("{{ type = \"array\", fields = {{ {} }}{counts}{keys} }}", fields(named))),
            (named, keys()).prop_map(move |(named, keys)| format!("{{ type = \"object\", fields = {{ {} }}{keys} }}", fields(named))),
        ]
    })
}

fn job_with(fields: &[String]) -> Job {
    let fields: String = fields.iter().enumerate().map(|(n, field)| format!("f{n} = {field}\n")).collect();
    let text = format!("name = \"j\"\ninput = \"text\"\n[[task]]\nid = \"t\"\nprompt = \"p\"\n[task.answer]\n{fields}");
    Job::load("j.toml", &text, &toml::Table::new(), None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The schema of the only call of a job.
fn schema_of(job: &Job) -> Value {
    let content = Content(vec![ContentBlock::Text(Arc::new(Text { body: "x".into(), digest: "0123456789abcdef".into(), tokens: 1 }))]);
    let chunks = Chunks { sets: vec![vec![Chunk { content, before: None, place: None }]], of_task: vec![0], paged: false };
    let call = job.calls(&chunks, None, &Fence::new([0; 32]), "m", None).unwrap().remove(0);
    let Want::Answer { schema, .. } = call.want else { panic!("an answer expected") };
    (**schema).clone()
}

/// An answer that satisfies a schema. `choose(n)` returns a number below n.
fn answer(schema: &Value, choose: &mut impl FnMut(usize) -> usize) -> Value {
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    if types.len() > 1 && choose(3) == 0 {
        return Value::Null;
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices[choose(choices.len())].clone();
    }
    let text = || match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("date"), _) => "2024-02-29",
        (Some("time"), _) => "23:59",
        (Some("date-time"), _) => "2026-11-29T08:30:00.25+01:00",
        (_, Some(pattern)) => {
            let regex = regex::Regex::new(pattern).unwrap();
            PATTERNS.iter().map(|(_, text)| *text).find(|text| regex.is_match(text)).unwrap()
        }
        _ => "text",
    };
    match types[0].as_str().unwrap() {
        "string" => json!(text()),
        "boolean" => json!(choose(2) == 0),
        "integer" | "number" => {
            let bound = |key: &str, other: i64| schema[key].as_i64().unwrap_or(other);
            let (low, high) = (bound("minimum", -1000), bound("maximum", 1000));
            json!(low + i64::try_from(choose(usize::try_from(high - low + 1).unwrap())).unwrap())
        }
        "array" => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            let most = schema["maxItems"].as_u64().unwrap_or(least + 2);
            let count = least + choose(usize::try_from(most - least + 1).unwrap()) as u64;
            (0..count).map(|_| answer(&schema["items"], choose)).collect()
        }
        _ => {
            let required = schema["required"].as_array().unwrap();
            let fields = schema["properties"].as_object().unwrap().iter();
            let given = fields.filter_map(|(name, field)| {
                let is_given = required.iter().any(|own| own == name) || choose(2) == 0;
                is_given.then(|| (name.clone(), answer(field, choose)))
            });
            Value::Object(given.collect::<Map<_, _>>())
        }
    }
}

fn satisfies(value: &Value, schema: &Value) -> Result<(), String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("answer.json", schema.clone()).map_err(|e| e.to_string())?;
    let index = compiler.compile("answer.json", &mut schemas).map_err(|e| e.to_string())?;
    schemas.validate(value, index).map_err(|error| format!("{value}: {error:#}\n{schema}"))
}

/// The keywords in the documentation of a provider.
fn documented(dialect: &str) -> &'static [&'static str] {
    match dialect {
        "anthropic" => &[
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "anyOf",
            "title",
            "description",
            "format",
            "pattern",
        ],
        "gemini" => &[
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "anyOf",
            "title",
            "description",
            "format",
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "propertyOrdering",
        ],
        _ => &[
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "anyOf",
            "title",
            "description",
            "format",
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "pattern",
        ],
    }
}

/// Checks a schema and all schemas inside it.
fn check_form(dialect: &str, schema: &Value) -> Result<(), String> {
    let keywords = schema.as_object().ok_or("not an object")?;
    if let Some(other) = keywords.keys().find(|key| !documented(dialect).contains(&key.as_str())) {
        return Err(format!("{dialect} does not know `{other}`: {schema}"));
    }
    if schema["type"] == "object" {
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        if schema["additionalProperties"] != false || (json!(names) != schema["required"]) {
            return Err(format!("{dialect}: an open object: {schema}"));
        }
    }
    if schema["enum"].as_array().is_some_and(|choices| choices.iter().any(Value::is_null)) {
        return Err(format!("{dialect}: null in an enum: {schema}"));
    }
    if dialect != "openai" && dialect != "openai-responses" {
        let pattern = schema["pattern"].as_str().unwrap_or("^$");
        let is_simple =
            pattern.starts_with('^') && pattern.ends_with('$') && ["(?", r"\b", r"\d", "+?"].iter().all(|part| !pattern.contains(part));
        if !is_simple {
            return Err(format!("{dialect}: {pattern}"));
        }
    }
    let inner = schema["properties"].as_object().into_iter().flat_map(Map::values);
    let mut inner = inner.chain(schema["anyOf"].as_array().into_iter().flatten()).chain(keywords.get("items"));
    inner.try_for_each(|inner| check_form(dialect, inner))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_provider_gets_keywords_it_knows_and_takes_every_answer(
        fields in prop::collection::vec(field(), 1..5),
        choices in prop::collection::vec(any::<usize>(), 16),
    ) {
        let job = job_with(&fields);
        let schema = schema_of(&job);
        let mut choices = choices.into_iter().cycle();
        let mut choose = |below: usize| choices.next().unwrap_or(0) % below.max(1);
        for _ in 0..4 {
            let given = answer(&schema, &mut choose);
            let checked = match job.read_answer("t", &given.to_string()) {
                Ok(checked) => checked.value,
                Err(why) => return Err(TestCaseError::fail(format!("{why:?}: {given}"))),
            };
            // JSON schema has no time without an offset.
            let mut plain = schema.clone();
            without_time(&mut plain);
            prop_assert_eq!(satisfies(&checked, &plain), Ok(()));
            for dialect in Dialect::ALL {
                // Further fields that may be null have a test of their own below.
                if nulls(&schema) > dialect.form.subset.nullable {
                    continue;
                }
                let sent = dialect.form.subset.write(&schema);
                prop_assert_eq!(check_form(dialect.name, &sent), Ok(()));
                prop_assert_eq!(satisfies(&checked, &sent), Ok(()), "{}", dialect.name);
            }
        }
    }
}

/// Counts the schemas inside a schema that take null.
fn nulls(schema: &Value) -> usize {
    let fields = schema["properties"].as_object().into_iter().flat_map(Map::values);
    usize::from(schema["type"].is_array()) + fields.chain(schema.get("items")).map(nulls).sum::<usize>()
}

fn without_time(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if keywords.get("format").is_some_and(|format| format == "time" || format == "date-time") {
                keywords.remove("format");
            }
            keywords.values_mut().for_each(without_time);
        }
        Value::Array(items) => items.iter_mut().for_each(without_time),
        _ => {}
    }
}

#[test]
fn anthropic_gets_at_most_sixteen_fields_that_may_be_null() {
    let fields: Vec<String> = (0..20).map(|_| "{ type = \"date\", nullable = true }".to_owned()).collect();
    let job = job_with(&fields);
    let sent = Dialect::ANTHROPIC.form.subset.write(&schema_of(&job));
    let unions = sent["properties"].as_object().unwrap().values().filter(|field| field["anyOf"].is_array()).count();
    assert_eq!((unions, sent["required"].as_array().unwrap().len()), (16, 16));
    // The others may be absent instead.
    let given: Map<String, Value> = (0..16).map(|n| (format!("f{n}"), Value::Null)).collect();
    assert!(satisfies(&Value::Object(given.clone()), &sent).is_ok());
    let read = job.read_answer("t", &Value::Object(given).to_string()).unwrap();
    assert_eq!(read.value, Value::Object((0..20).map(|n| (format!("f{n}"), Value::Null)).collect()));
}

#[test]
fn items_that_may_be_null_come_before_fields() {
    let mut fields: Vec<String> = (0..20).map(|_| "{ type = \"date\", nullable = true }".to_owned()).collect();
    fields.push("{ type = \"array\", items = { type = \"array\", items = { type = \"integer\", nullable = true } } }".to_owned());
    let sent = Dialect::ANTHROPIC.form.subset.write(&schema_of(&job_with(&fields)));
    assert!(satisfies(&json!({"f20": [[null]]}), &json!({"properties": {"f20": sent["properties"]["f20"]}})).is_ok());
    let unions = sent["properties"].as_object().unwrap().values().filter(|field| field["anyOf"].is_array()).count();
    assert_eq!(unions, 15);
}
