//! Tests the properties that every wire format in the table must have.

use super::{call, extra, json_of, picture, read};
use crate::ask::dialect::form::FormPart;
use crate::ask::dialect::{Dialect, Expected, Extra, LimitName, Role, SchemaStyle, Shape};
use crate::ask::fault::Class;
use crate::ask::pricing::Prices;
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, MessagePart};
use crate::prepare::Viewer;
use serde_json::{Map, json};
use std::collections::BTreeSet;

#[test]
fn every_file_with_a_wire_format_is_in_the_table() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ask/dialect");
    let sources = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let formats = sources.filter(|path| std::fs::read_to_string(path).unwrap().contains("static FORMAT: WireFormat")).count();
    assert_eq!(formats, Dialect::ALL.len());
    let names: BTreeSet<&str> = Dialect::ALL.iter().map(|dialect| dialect.name).collect();
    assert_eq!(names.len(), formats, "names are unique");
}

#[test]
fn defaults_of_providers_have_prices_and_image_rules() {
    let (prices, tokens) = (Prices::embedded(), 1_000_000);
    for dialect in Dialect::ALL {
        let defaults = dialect.provider;
        assert_eq!(defaults.model.is_some(), defaults.key_variable.is_some(), "{dialect:?}");
        assert!(defaults.url.is_none_or(|url| url.starts_with("https://") && url.ends_with(defaults.prefix)), "{dialect:?}");
        if let Some(model) = defaults.model {
            assert!(prices.at_most(model, Tier::Standard, tokens, tokens).is_some(), "{model}");
            let viewer = Viewer { format: dialect.image_rules, model, resolution: None };
            assert_ne!(viewer.rule_name(), "unknown model", "{model}");
        }
        assert!(dialect.tiers.names.iter().all(|name| *name == "auto" || Tier::parse(name).is_some()), "{dialect:?}");
        assert!(Tier::is_field(dialect.tiers.field), "{dialect:?}");
    }
}

#[test]
fn endpoints_are_valid_paths_and_headers() {
    for dialect in Dialect::ALL {
        let endpoint = dialect.endpoint;
        for stream in [false, true] {
            let path = (endpoint.path)("m", stream);
            assert!(path.starts_with('/') && endpoint.suffix.is_none_or(|suffix| path == suffix), "{path}");
            let address = format!("https://h/v1{path}");
            assert!(!(endpoint.base)(&address).is_empty());
        }
        assert!(endpoint.title.contains(dialect.name) || endpoint.suffix.is_some(), "{}", endpoint.title);
        let own = endpoint.headers.iter().map(|(name, _)| *name);
        for name in own.chain([endpoint.key_header.0, endpoint.id_header]) {
            assert_eq!(reqwest::header::HeaderName::from_static(name), name);
        }
    }
}

#[test]
fn a_request_has_every_part_of_its_call() {
    let parts = vec![picture(), MessagePart::Text("why?".into())];
    let call = Call { effort: Some("low".into()), shared: 1, ..call(parts) };
    for &dialect in Dialect::ALL {
        for (stream, cache) in [(false, false), (true, true)] {
            let body = json_of(dialect.request(&call, &Extra { stream, cache, ..extra(dialect, 50, Some("again")) })).to_string();
            for part in ["be brief", "QUJD", "why?", "again", "how good", "150"] {
                assert!(body.contains(part), "{dialect:?} leaves out {part}: {body}");
            }
            assert!(body.to_lowercase().contains("\"low\""), "{dialect:?}: {body}");
        }
        // Fields of `llm.body` are sent unchanged.
        let shape = dialect.shape("m", [("seed".to_owned(), json!(7))].into_iter().collect());
        assert_eq!(json_of(dialect.request(&call, &Extra { shape: &shape, ..extra(dialect, 0, None) }))["seed"], 7, "{dialect:?}");
    }
}

#[test]
fn a_part_that_is_left_out_is_not_sent() {
    let call = Call { shared: 1, ..call(vec![MessagePart::Text("why?".into())]) };
    for &dialect in Dialect::ALL {
        let usual = dialect.shape("gpt-6-luna", Map::new());
        assert_eq!(usual.role, dialect.form.roles[0]);
        assert!(!dialect.form.roles.contains(&Role::User), "{dialect:?}: any server takes instructions in the user's message");
        assert_eq!((usual.schema, dialect.form.schemas.last()), (SchemaStyle::Native, Some(&SchemaStyle::Prompt)));
        let body = |shape: &Shape| json_of(dialect.request(&call, &Extra { shape, cache: true, ..extra(dialect, 0, None) })).to_string();
        let mut bare = usual.clone();
        (bare.cache, bare.store, bare.strict, bare.no_stream, bare.blocks) = (false, false, false, false, false);
        bare.schema = SchemaStyle::Prompt;
        let left = body(&bare);
        for (part, field) in [
            (FormPart::Cache, "cache"),
            (FormPart::Store, "\"store\""),
            (FormPart::Strict, "\"strict\""),
            (FormPart::NoStream, "\"stream\""),
            (FormPart::Schema, "\"type\":\"json_schema\""),
        ] {
            assert!(!left.contains(field), "{dialect:?} keeps {part:?}: {left}");
            let is_usual = match part {
                FormPart::Cache => !dialect.form.caching_models.is_empty(),
                FormPart::Schema => body(&usual).contains(field),
                part => dialect.form.has(part),
            };
            assert_eq!(body(&usual).contains(field), is_usual, "{dialect:?}: {part:?}");
        }
        for name in LimitName::ALL.iter().filter(|_| dialect.form.has(FormPart::Limit)) {
            let mut shape = usual.clone();
            shape.limit = *name;
            assert!(body(&shape).contains(&format!("\"{}\":100", name.as_str())), "{dialect:?}");
        }
    }
}

#[test]
fn replies_without_content_and_refusals_are_faults() {
    for &dialect in Dialect::ALL {
        for nothing in ["{}", "[{}]", "data: {}\n\n"] {
            let fault = read(dialect, 200, &[], nothing).unwrap_err();
            assert_eq!(fault.class, Class::Ambiguous, "{dialect:?}: {nothing}");
        }
        let refusal = json!({"error": {"message": "slow down", "code": 429, "type": "rate_limit_error", "status": "RESOURCE_EXHAUSTED"}});
        assert_eq!(
            read(dialect, 429, &[(dialect.endpoint.id_header, "r1")], &refusal.to_string()).unwrap_err().code,
            FailureCode::RateLimited
        );
        let stream = dialect.stream();
        assert_eq!(stream.finish(&|_| None, None).unwrap_err().code, FailureCode::LostReply, "{dialect:?}");
    }
}

#[test]
fn reservations_cover_the_prompt() {
    for dialect in Dialect::ALL {
        for (input, output, max_output) in [(1000.0, 50.0, 400.0), (10.0, 50.0, 400.0), (0.0, 0.0, 0.0)] {
            let reserved = (dialect.limits.reserved)(Expected { input, output, max_output });
            assert!((input..=input + max_output).contains(&reserved), "{dialect:?}: {reserved}");
        }
    }
}
