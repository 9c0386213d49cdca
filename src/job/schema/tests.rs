use super::*;
use crate::model::Schema;
use proptest::prelude::*;
use serde_json::{Map, json};
use std::collections::BTreeSet;

fn said(value: &Value, schema: &Value) -> Vec<String> {
    errors(value, schema).iter().map(SchemaError::to_string).collect()
}

#[test]
fn errors_name_the_place_the_value_and_what_is_allowed() {
    let schema = json!({"type": "object", "required": ["kind", "score", "a/b", "gone"], "additionalProperties": false, "properties": {
        "kind": {"type": "string", "enum": ["metal", "wood", "stone", "glass"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
        "a/b": {"type": "array", "items": {"type": "number", "minimum": 0.5}, "minItems": 1, "maxItems": 2},
        "gone": {"type": "boolean"}}});
    let value = json!({"kind": "clay", "score": 11, "a/b": [1, 0.25, "x"], "more": 1});
    assert_eq!(
        said(&value, &schema),
        [
            "\"gone\" is a required property",
            "additional properties are not allowed: \"more\"",
            "/kind: \"clay\" is not one of \"metal\", \"wood\", \"stone\", \"glass\"",
            "/score: 11 is greater than the maximum of 10",
            "/a~1b: 3 items are more than the maximum of 2",
            "/a~1b/1: 0.25 is less than the minimum of 0.5",
            "/a~1b/2: \"x\" is not of type \"number\"",
        ]
    );
    assert_eq!(said(&json!([]), &schema), ["[] is not of type \"object\""]);
    assert_eq!(said(&json!([]), &schema["properties"]["a/b"]), ["0 items are fewer than the minimum of 1"]);
}

#[test]
fn errors_show_the_beginning_of_a_long_value() {
    let error = said(&json!("ä".repeat(1000)), &json!({"type": "integer"})).remove(0);
    assert_eq!(error, format!("\"{}... is not of type \"integer\"", "ä".repeat(SHOWN - 1)));
}

#[test]
fn large_integers_are_compared_exactly() {
    let schema = json!({"type": "integer", "maximum": 9_007_199_254_740_992_u64});
    assert!(said(&json!(9_007_199_254_740_992_u64), &schema).is_empty());
    assert_eq!(said(&json!(9_007_199_254_740_993_u64), &schema).len(), 1);
}

#[test]
fn integers_beyond_64_bits_are_errors_because_they_would_be_rounded() {
    let integers = json!({"type": "array", "items": {"type": ["integer", "null"]}});
    let parsed = |text: &str| said(&serde_json::from_str(text).unwrap(), &integers);
    assert!(parsed("[18446744073709551615, -9223372036854775808, 1e18, 5.0, null]").is_empty());
    for beyond in ["18446744073709551616", "89490200001234567891", "-9223372036854775809", "1e22"] {
        let errors = parsed(&format!("[1, {beyond}]"));
        assert!(errors.len() == 1 && errors[0].starts_with("/1: ") && errors[0].contains("beyond the 64 bits"), "{errors:?}");
    }
    assert!(said(&json!([1e22]), &json!({"type": "array", "items": {"type": "number"}})).is_empty());
}

/// Schemas as job files make them, three levels deep.
fn schema() -> impl Strategy<Value = Value> {
    let bounds = || (prop::option::of(-2..3), prop::option::of(prop_oneof![(-4..5).prop_map(|n| json!(n)), Just(json!(0.5))]));
    let bounded = |name: &'static str| {
        bounds().prop_map(move |(least, most)| {
            let mut schema = Map::from_iter([("type".to_owned(), json!(name))]);
            schema.extend(least.map(|least| ("minimum".to_owned(), json!(least))));
            schema.extend(most.map(|most| ("maximum".to_owned(), most)));
            Value::Object(schema)
        })
    };
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "string", "enum": ["a", "b"]})),
        Just(json!({"type": "integer", "enum": [1, 2]})),
        Just(json!({"type": ["string", "null"], "enum": ["a", null]})),
        Just(json!({"type": ["number", "null"], "minimum": 0})),
        Just(json!({"type": "string", "pattern": "^([ab]+)$"})),
        bounded("integer"),
        bounded("number"),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let array = (inner.clone(), prop::option::of(0..3), prop::option::of(0..3)).prop_map(|(items, least, most)| {
            let mut schema = Map::from_iter([("type".to_owned(), json!("array")), ("items".to_owned(), items)]);
            schema.extend(least.map(|least| ("minItems".to_owned(), json!(least))));
            schema.extend(most.map(|most| ("maxItems".to_owned(), json!(most))));
            Value::Object(schema)
        });
        let object = prop::collection::btree_map("[a-c~/]", inner, 1..3).prop_map(|properties| {
            let required: Vec<&String> = properties.keys().collect();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        });
        prop_oneof![array, object]
    })
}

/// Values from few keys and numbers, so that many values fit partly.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(vec!["a", "b", "1"]).prop_map(Value::from),
        (-5..6).prop_map(Value::from),
        prop::sample::select(vec![-0.5, 0.5, 1.0, 2.0, 2.5, 1e15]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-c~/]", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

/// A value that fits the schema, except where `noise` replaces a part.
fn fitting(schema: &Value, noise: &mut impl FnMut() -> Option<Value>) -> Value {
    if let Some(value) = noise() {
        return value;
    }
    match Schema::type_of(schema).unwrap() {
        "array" => Value::Array((0..schema["minItems"].as_u64().unwrap_or(1)).map(|_| fitting(&schema["items"], noise)).collect()),
        "object" => {
            let fields = schema["properties"].as_object().unwrap();
            Value::Object(fields.iter().map(|(name, schema)| (name.clone(), fitting(schema, noise))).collect())
        }
        "boolean" => json!(true),
        "string" => json!("a"),
        _ => schema.get("minimum").unwrap_or(&json!(1)).clone(),
    }
}

/// The places of the errors that a general validator finds.
fn reference(value: &Value, schema: &Value) -> BTreeSet<String> {
    fn collect(error: &boon::ValidationError<'_, '_>, places: &mut BTreeSet<String>) {
        if error.causes.is_empty() {
            places.insert(error.instance_location.to_string());
        }
        error.causes.iter().for_each(|cause| collect(cause, places));
    }
    let (mut schemas, mut compiler, mut places) = (boon::Schemas::new(), boon::Compiler::new(), BTreeSet::new());
    compiler.add_resource("answer.json", schema.clone()).unwrap();
    let index = compiler.compile("answer.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(value, index) {
        collect(&error, &mut places);
    }
    places
}

proptest! {
    #[test]
    fn errors_are_where_the_reference_validator_finds_them(
        schema in schema(),
        any in value(),
        noise in prop::collection::vec(prop::option::weighted(0.2, value()), 24),
    ) {
        let mut noise = noise.into_iter();
        for value in [fitting(&schema, &mut || noise.next().flatten()), any] {
            let ours: BTreeSet<String> = errors(&value, &schema).into_iter().map(|error| error.path).collect();
            prop_assert_eq!(ours, reference(&value, &schema), "{} against {}", value, schema);
        }
    }
}
