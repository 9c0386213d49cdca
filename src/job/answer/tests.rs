use super::*;
use proptest::prelude::*;
use serde_json::json;

/// The form of an answer with these fields of a job file.
fn of(fields: &str) -> Shape {
    Shape::new(&fields.parse().unwrap(), &Lists::default()).unwrap()
}

fn shape() -> Shape {
    of(r#"
        best = { type = "string", enum = ["metal", "Wood", "PVC pipe"] }
        score = { type = "integer", min = 1, max = 10 }
        why = "string"
    "#)
}

const GOOD: &str = r#"{"best":"Wood","score":8,"why":"fine"}"#;
const DRAFT: &str = r#"{"best":"metal","score":2,"why":"draft"}"#;

fn good() -> Value {
    json!({"best": "Wood", "score": 8, "why": "fine"})
}

fn read(text: &str) -> Result<(Value, String), Unfit> {
    let Checked { value, repaired } = shape().read(text)?;
    Ok((value, repaired.into_iter().map(Repair::as_str).collect::<Vec<_>>().join(",")))
}

/// Text around an answer, and the expected repairs. `@` is the answer, `#` a draft.
const AROUND: &[(&str, &str)] = &[
    ("@", ""),
    ("\u{feff} @\n", ""),
    ("```json\n@\n```", ""),
    ("~~~\n@\n~~~", ""),
    ("\n```JSON\r\n@\n```\n", ""),
    ("Certainly! Here it is: @ I hope that { helps }.", "surrounding_text"),
    ("As {x} asked:\n```json\n@\n```\nDone.", "surrounding_text"),
    ("The form is for example #\n\nFor this text my answer is:\n```json\n@\n```", "surrounding_text"),
    ("```json\n#\n```\nbetter:\n```\n@\n```", "surrounding_text"),
    ("@\n@\n@\n", "surrounding_text"),
    ("The form is {\"best\": one of the three, \"score\": 1-10}. @", "surrounding_text"),
    ("{\"best\": \"metal\", hm, no\n```json\n@\n```", "surrounding_text"),
    ("@\nThe score {\"score\": 8} is high.", "surrounding_text"),
    ("I see [1], [\"a\"] and [{\"x\": 1}].\n@", "surrounding_text"),
    ("{\"type\":\"object\",\"properties\":{\"best\":{\"type\":\"string\"}}}\n@", "surrounding_text"),
    (
        "@\n{\"type\":\"object\",\"properties\":{\"best\":{\"type\":\"string\"}},\"required\":[\"best\",\"score\",\"why\"]}",
        "surrounding_text",
    ),
    // Thoughts.
    ("<think>#? No.</think>\n@", ""),
    ("Okay, maybe #? No.\n</think>\n\n@", ""),
    ("<think>#</think>#<think>again</think>\n```json\n@\n```", ""),
    ("<thinking>#</thinking>@", ""),
    ("<reasoning effort=\"low\">\n#\n</reasoning>\n@", ""),
    ("<|begin_of_thought|>#<|end_of_thought|>\n@", ""),
    ("[THINK]#[/THINK]@", ""),
    ("<seed:think>#</seed:think>@", ""),
    ("◁think▷#◁/think▷@", ""),
    ("<think>{\"best\": \"metal\", hm </think>@", ""),
    ("{\"best\":\"metal\", // hm </think>@", ""),
    ("<|channel|>analysis<|message|>#<|end|><|start|>assistant<|channel|>final<|message|>@", ""),
    ("<|channel|>analysis<|message|>#<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>@", ""),
    ("analysisMaybe #?assistantfinal@", ""),
    ("<|channel>thought\n#<channel|>@", ""),
    ("The mark <b>bold</b> is fine: @", "surrounding_text"),
    // Wrappers.
    ("[@]", "list_of_one"),
    ("[@,@]", "list_of_one"),
    ("{\"answer\":@}", "wrapped"),
    ("{\"Final Answer\":@,\"confidence\":0.9}", "wrapped,extra_key"),
    ("{\"draft\":#,\"result\":@}", "wrapped,extra_key"),
    ("{\"type\":\"object\",\"properties\":@}", "wrapped,extra_key"),
    ("{\"name\":\"answer\",\"arguments\":@}", "wrapped,extra_key"),
    ("{\"response\":[{\"data\":@}]}", "list_of_one,wrapped"),
    ("Here:\n{\"answer\":@,}", "surrounding_text,wrapped,trailing_comma"),
];

#[test]
fn the_reader_finds_an_answer_inside_other_text() {
    for (around, repairs) in AROUND {
        let text = around.replace('@', GOOD).replace('#', DRAFT);
        assert_eq!(read(&text), Ok((good(), (*repairs).to_owned())), "{text}");
    }
}

#[test]
fn a_draft_alone_is_not_an_answer() {
    for (text, expected) in [
        ("<think>#", "thoughts"),
        ("<think>#</think>", "thoughts"),
        ("#<think>no, rather", "thoughts"),
        ("<|channel|>analysis<|message|>#<|end|>", "thoughts"),
        ("# <think>no</think>\n", "thoughts"),
        ("Example: #\nAnswer: {\"best\":\"Wood\",\"score\":11,\"why\":\"fine\"}", "/score"),
        ("Example: #\nAnswer: {\"best\":\"Wood\",\"score\":8,\"why\":\"fi", "cut"),
        ("Example: #\nAnswer: {\"best\":\"Wood\",\"score\":8 \"why\":\"fine\"} as I said", "not JSON"),
        ("[#,{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}]", "not of type"),
        ("[#,{\"best\":\"Wood\",\"sc", "cut"),
        ("{\"items\":[#,#", "cut"),
        ("{\"steps\":[#], \"best\":\"Wood\", \"score\":8, why \"fine\"}", "not JSON"),
        ("{\"draft\":#}", "best"),
        ("{\"example\":#}", "best"),
        ("{\"answer\":#,\"response\":{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}}", "two answers"),
        ("{\"best\":\"metal\",\"score\":2,\"why\":\"x\",\"final\":{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}}", "two answers"),
        ("{\"best\":\"Wood\",\"score\":8,\"score\":9,\"why\":\"fine\"}", "the key \"score\" has two values"),
        ("# Or rather: {\"best\":\"Wood\",\"score\":8,\"score\":9,\"why\":\"fine\"}", "not JSON"),
        ("Sure! Metal.", "not JSON"),
        ("{\"best\":\"metal\",\"score\":8", "cut"),
        ("{\"best\":\"metal\"}", "score"),
        ("{\"best\":\"metal\",\"score\":11,\"why\":\"\"}", "/score"),
        ("{\"best\":\"clay\",\"score\":1,\"why\":\"\"}", "/best"),
        ("{\"best\":\"metal\",\"score\":\"about 8\",\"why\":\"\"}", "/score"),
        ("{\"best\":\"metal\",\"score\":\"8/10\",\"why\":\"\"}", "/score"),
        ("{\"best\":\"metal\",\"score\":7.5,\"why\":\"\"}", "/score"),
        ("{\"best\":\"metal\",\"score\":null,\"why\":\"\"}", "/score"),
        ("{\"best\":\"metal\",\"score\":true,\"why\":\"\"}", "/score"),
        ("{\"best\":\"metal\",\"score\":8,\"why\":7.10}", "/why"),
        ("7", "not of type"),
        ("\"\"", "not JSON"),
    ] {
        let text = text.replace('#', DRAFT);
        let error = read(&text).unwrap_err();
        let said = match &error {
            Unfit::OnlyThoughts => "thoughts".to_owned(),
            Unfit::Cut(why) => format!("cut: {why}"),
            Unfit::Invalid(why) => why.clone(),
        };
        assert!(said.contains(expected), "{text}: {error:?}");
    }
}

#[test]
fn unambiguous_damage_is_repaired_and_named() {
    for (text, repairs) in [
        (r#"{"best":"WOOD","score":8.0,"why":"fine"}"#, "enum_spelling"),
        (r#"{"best":" Wood ","score":8,"why":"fine"}"#, "enum_spelling"),
        (r#"{"best":"Wood","score":"8","why":"fine"}"#, "type"),
        (r#"{"best":"Wood","score":8,"score":8,"why":"fine"}"#, ""),
        (r#"{"best":"Wood","score":" 8.0 ","why":"fine"}"#, "type"),
        (r#"{"best":"Wood","score":8,"why":"fine","confidence":0.9}"#, "extra_key"),
        (r#"{"thoughts":{"a":1},"best":"Wood","score":8,"why":"fine"}"#, "extra_key"),
        (r#"{"best":"Wood","score":8,"why":"fine",}"#, "trailing_comma"),
        (r#"{"Best":"Wood"," score":8,"WHY":"fine"}"#, "key_name"),
        (r#""{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}""#, "double_encoded"),
        (r#"{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}"#, "double_encoded"),
        (r#"{"answer":"{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}"}"#, "double_encoded,wrapped"),
        (r#"{"answer":"```json\n{\"best\":\"Wood\",\"score\":8,\"why\":\"fine\"}\n```"}"#, "double_encoded,wrapped"),
        ("{'best': 'Wood', 'score': 8, 'why': 'fine'}", "quotes"),
        ("{best: \"Wood\", score: 8, why: \"fine\"} // sure", "surrounding_text,quotes"),
    ] {
        assert_eq!(read(text), Ok((good(), repairs.to_owned())), "{text}");
    }
    let (value, repairs) = read("{\"best\":\"Wood\",\"score\":8,\"why\":\"line one\nline two\tx \\ud83d\"}").unwrap();
    assert_eq!((value["why"].as_str(), repairs.as_str()), (Some("line one\nline two\tx \u{fffd}"), "control_character,lone_surrogate"));
    // A mark inside an answer is part of the answer.
    for why in ["the end </think> of it", "<think>", "```json {}```", "[THINK] {\\\"best\\\":\\\"metal\\\"}", "analysis assistantfinal"] {
        let text = format!(r#"{{"best":"Wood","score":8,"why":"{why}"}}"#);
        assert_eq!(read(&text).unwrap(), (serde_json::from_str(&text).unwrap(), String::new()), "{text}");
        let text = format!("Here: {text},");
        assert_eq!(read(&text).unwrap().1, "surrounding_text", "{text}");
    }
}

#[test]
fn exact_enum_values_win_over_similar_ones() {
    let choose = |choices: &[&str], said: &str| {
        let shape = of(&format!("unit = {{ type = \"string\", enum = {choices:?} }}"));
        shape.read(&json!({"unit": said}).to_string()).ok().map(|checked| checked.value["unit"].as_str().unwrap_or_default().to_owned())
    };
    for (choices, said, chosen) in [
        (&["MW", "mW"][..], "mW", Some("mW")),
        (&["MW", "mW"], " MW ", Some("MW")),
        (&["MW", "mW"], "mw", None),
        (&["MW", "kW"], "mW", None),
        (&["mW", "kW"], "MW", None),
        (&["MW", "W"], "mw", Some("MW")),
        (&["metal", "PVC pipe"], "pvc pipe", Some("PVC pipe")),
        (&["metal", "ÄSTE"], "äste", Some("ÄSTE")),
        (&["a", "A"], "A", Some("A")),
        (&["1", "2"], "1.0", None),
    ] {
        assert_eq!(choose(choices, said).as_deref(), chosen, "{said} of {choices:?}");
    }
}

#[test]
fn a_field_may_have_the_name_of_a_wrapper() {
    let shape = of(r#"
        answer = { type = "object", fields = { type = "string", description = "string" } }
        type = "string"
    "#);
    let right = json!({"answer": {"type": "a", "description": "b"}, "type": "object"});
    assert_eq!(shape.read(&right.to_string()).unwrap().value, right);
    let wrapped = json!({"data": right});
    assert_eq!(shape.read(&wrapped.to_string()).unwrap().value, right);
    // The schema itself would fit without its other keys.
    assert!(shape.read(&shape.schema.to_string()).is_err());
    let echo = json!({"answer": shape.schema["properties"]["answer"], "type": "x"});
    assert!(shape.read(&echo.to_string()).is_err());
}

#[test]
fn strings_become_numbers_and_booleans_if_the_schema_requires_it() {
    let shape = of(r#"
        n = "number"
        b = "boolean"
        s = "string"
        l = { type = "array", items = "integer" }
    "#);
    let read = shape.read(r#"{"n":"-0.5","b":"True","s":2020,"l":["1",2.0]}"#).unwrap();
    assert_eq!(read.value, json!({"n": -0.5, "b": true, "s": "2020", "l": [1, 2]}));
    assert_eq!(read.repaired.into_iter().collect::<Vec<_>>(), [Repair::Type]);
    let read = shape.read(r#"{"n":1,"b":false,"s":"7","l":"[1,2]"}"#).unwrap();
    assert_eq!(read.value, json!({"n": 1, "b": false, "s": "7", "l": [1, 2]}));
    for wrong in [
        r#"{"n":"1,5","b":true,"s":"","l":[]}"#,
        r#"{"n":1,"b":"yes","s":"","l":[]}"#,
        r#"{"n":1,"b":1,"s":"","l":[]}"#,
        r#"{"n":"NaN","b":true,"s":"","l":[]}"#,
    ] {
        assert!(shape.read(wrong).is_err(), "{wrong}");
    }
}

fn answer() -> impl Strategy<Value = Value> {
    let choice = prop::sample::select(vec!["metal", "Wood", "PVC pipe"]);
    let why =
        prop_oneof![".{0,20}", "[ -~]{0,30}", "[{}\\[\\]\"'<>/`~:,a-z\\n]{0,20}", Just("</think>".to_owned()), Just(DRAFT.to_owned())];
    (choice, 1..=10, why).prop_map(|(best, score, why)| json!({"best": best, "score": score, "why": why}))
}

/// Writes an answer with damage that keeps its meaning. `damage` is the number of the kind.
fn written(answer: &Value, damage: usize) -> String {
    let text = answer.to_string();
    match damage {
        0 => text,
        1 => format!("{answer:#}"),
        2 => format!("{},}}", &text[..text.len() - 1]),
        3 => format!("[{text}]"),
        4 => json!({"answer": answer}).to_string(),
        5 => json!({"result": text}).to_string(),
        6 => text.replace("\"score\":", "\"Score \":"),
        7 => json!({"best": answer["best"], "score": answer["score"].to_string(), "why": answer["why"], "more": 1}).to_string(),
        8 => format!("```json\n{text}\n```"),
        9 if !text.contains("\\\\") => text.replace("\\n", "\n").replace("\\t", "\t"),
        9 => text,
        _ => json!(text).to_string(),
    }
}

proptest! {
    #[test]
    fn noise_never_changes_an_answer(
        answer in answer(),
        draft in answer(),
        damage in 0_usize..11,
        before in prop::sample::select(vec!["", "D", "So: ", "<think>D</think>", "D</think>", "For example D.\n", "{\"best\": D", "[THINK]{D[/THINK]", "<think>", "```\nD\n```\n", "[D", "hm {", "\"", "</think>"]),
        after in prop::sample::select(vec!["", "\n", "\n```", " That is all.", "\n<think>D", "<|im_end|>", " {", "\n{\"score\":", "}"]),
    ) {
        let before = before.replace('D', &draft.to_string());
        let text = format!("{before}{}{}", written(&answer, damage), after.replace('D', &draft.to_string()));
        if let Ok(checked) = shape().read(&text) {
            prop_assert_eq!(&checked.value, &answer, "{}", text);
        }
    }

    #[test]
    fn the_reader_finds_an_answer_in_a_usual_reply(answer in answer(), draft in answer(), damage in 0_usize..11, around in 0_usize..5) {
        let (before, after) = [("", "\n"), ("Okay, D?\n</think>\n\n", ""), ("<think>\nD\n</think>\n", "\n"), ("[THINK]D[/THINK]", ""), ("\u{feff}", " ")][around];
        let text = format!("{}{}{after}", before.replace('D', &draft.to_string()), written(&answer, damage));
        prop_assert_eq!(shape().read(&text).map(|checked| checked.value), Ok(answer), "{}", text);
    }

    #[test]
    fn the_reader_never_panics(text in "[{}\\[\\]\"'<>/`~:,|a-z0-9\\\\\\n thinkTHINK]{0,200}", any in ".{0,100}") {
        for text in [text, any] {
            if let Ok(checked) = shape().read(&text) {
                prop_assert!(shape().validate(&checked.value).is_ok());
            }
        }
    }
}

/// The answer in `text`, and the repairs, for a form with fields of all kinds.
fn invoice(text: &str) -> Result<(Value, String), Unfit> {
    let shape = of(r#"
        due = { type = "date", nullable = true }
        amount = { type = "number", nullable = true }
        note = { type = "string", optional = true }
        currency = { type = "string", enum = ["EUR", "USD"], default = "EUR" }
        kind = { type = "string", enum = ["in", "out"], unknown = "other" }
        code = { type = "string", pattern = "[A-Z]+", nullable = true }
        lines = { type = "array", fields = { text = "string", count = { type = "integer", optional = true } } }
    "#);
    let Checked { value, repaired } = shape.read(text)?;
    Ok((value, repaired.into_iter().map(Repair::as_str).collect::<Vec<_>>().join(",")))
}

#[test]
fn absent_fields_get_their_default_or_null() {
    let (value, repaired) = invoice(r#"{"due": null, "amount": 7, "kind": "in", "code": "AB", "lines": [{"text": "nut"}]}"#).unwrap();
    let expected = json!({"due": null, "amount": 7, "kind": "in", "code": "AB", "lines": [{"text": "nut", "count": null}],
        "note": null, "currency": "EUR"});
    assert_eq!((value, &*repaired), (expected, "default"));
    let (value, repaired) =
        invoice(r#"{"due": "2026-11-29", "amount": null, "note": "", "currency": null, "kind": "out", "code": null, "lines": []}"#)
            .unwrap();
    assert_eq!((&value["currency"], &value["note"], &value["amount"], &*repaired), (&json!("EUR"), &json!(""), &json!(null), "default"));
}

#[test]
fn an_answer_outside_an_enum_becomes_unknown_and_says_so() {
    for (kind, expected, repairs) in [
        (json!("in"), "in", ""),
        (json!(" OUT"), "out", "enum_spelling"),
        (json!("other"), "other", ""),
        (json!("sideways"), "other", "unknown_value"),
        (json!(""), "other", "unknown_value"),
        (json!(null), "other", "unknown_value"),
        (json!(3), "other", "type,unknown_value"),
    ] {
        let text = json!({"due": null, "amount": 1, "note": "n", "currency": "USD", "kind": kind, "code": null, "lines": []}).to_string();
        let (value, repaired) = invoice(&text).unwrap();
        assert_eq!((&value["kind"], &*repaired), (&json!(expected), repairs), "{kind}");
    }
}

#[test]
fn only_a_text_without_another_meaning_becomes_null() {
    let with = |due: &str, amount: &str, code: &str| {
        invoice(
            &json!({"due": due, "amount": amount, "note": "null", "currency": "USD", "kind": "in", "code": code, "lines": []}).to_string(),
        )
    };
    let (value, repaired) = with("null", "", "NULL").unwrap();
    assert_eq!((&value["due"], &value["amount"], &*repaired), (&json!(null), &json!(null), "type"));
    assert_eq!((&value["note"], &value["code"]), (&json!("null"), &json!("NULL")));
    let (value, repaired) = with("", "1", "").unwrap();
    assert_eq!((&value["due"], &value["code"], &*repaired), (&json!(null), &json!(null), "type"));
    for (due, amount, code, part) in [
        ("29.11.2026", "1", "A", "/due: \"29.11.2026\" is not an ISO 8601 date, such as 2026-11-29"),
        ("2026-02-30", "1", "A", "/due: \"2026-02-30\" is not an ISO 8601 date"),
        ("2026-11-29", "unknown", "A", "/amount: \"unknown\" is not of type \"number\" or \"null\""),
        ("2026-11-29", "1", "a1", "/code: \"a1\" does not match the pattern ^([A-Z]+)$"),
    ] {
        let Err(Unfit::Invalid(why)) = with(due, amount, code) else { panic!("{due} {amount} {code} was taken") };
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn an_object_about_something_else_is_not_an_answer_without_optional_fields() {
    let shape = of(r#"
        name = { type = "string", optional = true }
        born = { type = "date", optional = true }
    "#);
    assert!(shape.read(r#"{"error": "the page is empty"}"#).is_err());
    assert_eq!(shape.read(r#"{"name": "Ada", "error": "no date"}"#).unwrap().value, json!({"name": "Ada", "born": null}));
    assert_eq!(shape.read("{}").unwrap().value, json!({"name": null, "born": null}));
}
