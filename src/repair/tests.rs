use super::*;
use proptest::prelude::*;
use serde_json::json;

fn repaired(text: &str) -> Result<(Value, Vec<&'static str>), Broken> {
    let parsed = parse(text)?;
    assert_eq!(text[parsed.end..].trim(), "", "{text}");
    Ok((parsed.value, parsed.repaired.into_iter().map(Repair::as_str).collect()))
}

#[test]
fn unambiguous_faults_are_repaired_and_named() {
    for (text, value, repairs) in [
        (r#"{"a":[1,2,],"b":{},}"#, json!({"a": [1, 2], "b": {}}), "trailing_comma"),
        ("{\"a\":\"one\ntwo\tx\u{0}\"}", json!({"a": "one\ntwo\tx\u{0}"}), "control_character"),
        (r#"{"a":"\ud83d"}"#, json!({"a": "\u{fffd}"}), "lone_surrogate"),
        (r#"{"a":"\ud83dx\udc4d \ud83d\ud83d\udc4d"}"#, json!({"a": "\u{fffd}x\u{fffd} \u{fffd}👍"}), "lone_surrogate"),
        (r#"{"a":"it\'s \(x\) C:\dir"}"#, json!({"a": "it's \\(x\\) C:\\dir"}), "escape"),
        ("{'a': 'x', 'b': True, 'c': None}", json!({"a": "x", "b": true, "c": null}), "quotes,literal"),
        ("{\u{201c}a\u{201d}: \u{201c}x\u{201d}}", json!({"a": "x"}), "quotes"),
        ("{a: 1, b_2: .5, c: +7, d: -3.}", json!({"a": 1, "b_2": 0.5, "c": 7, "d": -3.0}), "quotes,number_form"),
        ("{\"a\": 1, // one\n /* two */ \"b\": 2}", json!({"a": 1, "b": 2}), "comment"),
        (r#"{"a":1,"a":2}"#, json!({"a": 2}), ""),
    ] {
        assert_eq!(repaired(text), Ok((value, repairs.split(',').filter(|name| !name.is_empty()).collect())), "{text}");
    }
}

#[test]
fn ambiguous_or_truncated_text_is_an_error() {
    for text in [
        r#"{"a":1"#,
        r#"{"a":"x"#,
        r#"{"a":[1,2}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":,}"#,
        r#"{"a":"he said "no" to it"}"#,
        "{'a': 'it's'}",
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":07}"#,
        r#"{"a":1_000}"#,
        r#"{"a":7/10}"#,
        r#"{"a":+-7}"#,
        r#"{"a":.}"#,
        r#"{"a":truely}"#,
        r#"{"a":yes}"#,
        r"{'a': '\x41'}",
        r#"{"a":"\u12"}"#,
        r#"{"a":1,"a":2,}"#,
        "{\"a\":1, // no </think> {\n\"b\":2}",
        "{,}",
        "",
        "x",
    ] {
        assert!(repaired(text).is_err(), "{text}: {:?}", parse(text));
    }
}

#[test]
fn truncated_json_is_distinguished_from_a_brace_in_prose() {
    for (text, structure) in [("{ helps }", false), ("{x}", false), (r#"{"a": hm}"#, true), (r#"[{"a":1}, x]"#, true), ("[1] says", false)]
    {
        assert_eq!(parse(text).err().is_some_and(|broken| broken.structure), structure, "{text}");
    }
    let whole = r#"{"a": [true, {"b": "x\n"}], "c": -1.5e3}"#;
    for cut in 5..whole.len() - 1 {
        let broken = parse(&whole[..cut]).unwrap_err();
        assert_eq!(broken.at, cut, "{}", &whole[..cut]);
    }
}

#[test]
fn nesting_ends_before_the_stack_does() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert!(parse(&open.repeat(100_000)).is_err());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect()))
        ]
    })
}

proptest! {
    #[test]
    fn valid_json_needs_no_repair(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let parsed = parse(&text).unwrap();
        prop_assert_eq!((parsed.end, parsed.repaired.len()), (text.len(), 0));
        prop_assert_eq!(parsed.value, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn damaged_json_never_panics_and_agrees_with_serde(value in any_json(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4)) {
        let mut text: Vec<char> = value.to_string().chars().collect();
        for (at, c) in damage {
            let at = at.index(text.len());
            text[at] = c;
        }
        let text: String = text.into_iter().collect();
        if let Ok(read) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(parse(&text).unwrap().value, read);
        } else if let Ok(parsed) = parse(&text) {
            // All kinds of blanks are equivalent.
            let plain = serde_json::from_str::<Value>(&text.replace(is_blank, " ")).is_ok();
            prop_assert!(plain || !parsed.repaired.is_empty() || !text[parsed.end..].trim_matches(is_blank).is_empty());
        }
    }
}
