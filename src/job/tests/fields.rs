//! Lists that are written once, and the kinds of answer fields.

use super::{COMBINING, SMALL, load, record, text};
use crate::job::{Combined, Job, Method};
use crate::model::{Column, ColumnType, Fence, MessagePart};
use serde_json::json;

const LISTS: &str = r#"name = "lists"
input = "text"
[params]
grades = ["A", "B"]
judges = [{ id = "ann", age = 30 }, { id = "bob", age = 60 }]
[[task]]
id = "rate"
prompt = "Rate {{ side }} as {{ judge }} ({{ judge_age }})."
[task.over]
side = ["left", "right"]
judge = "judges"
[task.answer]
grade = { type = "string", enum = "grades" }
width = "integer"
height = "integer"
[[task]]
id = "sum"
prompt = "Compare {{ side | join(' and ') }}."
[task.answer]
longer = { type = "string", enum = "side", unknown = "neither" }
[combine]
method = "model"
task = "rate"
score = ["width", "height"]
weights = { left = 2, ann = 0.5, height = 3 }
prompt = "Of {{ side | join(', ') }} by {{ judge | join(', ') }}: {{ answers }}"
[combine.answer]
best_side = { type = "string", enum = "side" }
best_judge = { type = "string", enum = ["ann", "bob"] }
"#;

#[test]
fn enums_axes_and_prompts_refer_to_one_list() {
    let source = LISTS.to_owned();
    let job = load(&source).unwrap();
    let prompts: Vec<String> = job
        .calls(&text("x"), None, &Fence::example(), "m", None)
        .unwrap()
        .iter()
        .map(|call| if let Some(MessagePart::Text(text)) = call.parts.last() { text.to_string() } else { String::new() })
        .collect();
    assert_eq!((&*prompts[1], &*prompts[4]), ("Rate left as bob (60).", "Compare left and right."));
    assert_eq!(job.form_of("best_side").unwrap()["enum"], json!(["left", "right"]));
    assert_eq!(job.form_of("sum_longer").unwrap()["enum"], json!(["left", "right", "neither"]));
    let judges = toml::from_str("judges = [{ id = \"eve\", age = 1 }]").unwrap();
    let named = source.replace("[\"ann\", \"bob\"]", "\"judge\"");
    let error = Job::load("t", &named, &judges, None).unwrap_err();
    assert!(error.to_string().contains("unknown value `ann`"), "{error}");
    let job = Job::load("t", &named.replace("ann = 0.5, ", ""), &judges, None).unwrap();
    assert_eq!((job.calls_per_document(), &job.form_of("best_judge").unwrap()["enum"]), (4, &json!(["eve"])));
}

#[test]
fn lists_that_disagree_are_refused_with_their_line() {
    let source = LISTS.to_owned();
    for (from, to, line, part) in [
        ("left = 2", "lift = 2", 25, "weights: unknown value `lift`; expected left, right, ann, bob, width, height"),
        ("left = 2, ann = 0.5, height = 3", "side = { lift = 2 }", 25, "unknown value `lift` of `side`; expected left, right"),
        ("left = 2, ann = 0.5, height = 3", "sides = { left = 2 }", 25, "unknown axis `sides`; expected side, judge, score"),
        ("left = 2", "left = -2", 25, "left must be a number of at least 0"),
        (
            "[\"ann\", \"bob\"]",
            "[\"ann\", \"eve\"]",
            29,
            "the enum disagrees with the axis `judge`: it has eve, which the axis lacks, and lacks bob",
        ),
        ("[\"ann\", \"bob\"]", "[\"ann\"]", 29, "it lacks bob. Write enum = \"judge\""),
        ("[\"ann\", \"bob\"]", "[\"ann\", \"bob\", \"none\"]", 29, "it has none, which the axis lacks"),
        ("[\"ann\", \"bob\"]", "[\"north\", \"south\"]", 29, "the enum disagrees with the axis `judge`"),
        ("[\"ann\", \"bob\"] }", "[\"ann\", \"bob\", \"none\"], unknown = \"none\" }", 0, ""),
        ("enum = \"grades\"", "enum = \"grade\"", 13, "unknown list `grade`; expected grades, judges, judge, side"),
        ("judge = \"judges\"", "judge = \"juries\"", 11, "axis `judge` names the unknown list `juries`"),
        ("side = [\"left\", \"right\"]", "side = [\"left\", \"left\"]", 10, "axis `side` has `left` twice"),
        ("{{ side | join(', ') }} by", "{{ sides | join(', ') }} by", 26, "the template uses the unknown variable `sides`"),
        ("task = \"rate\"", "task = \"rite\"", 23, "combine: unknown task `rite`"),
        ("\"width\", \"height\"]", "\"width\", \"heigth\"]", 24, "score = \"heigth\": task rate has no such answer"),
    ] {
        let changed = source.replace(from, to);
        assert_ne!(changed, source, "{from}");
        match load(&changed) {
            Ok(_) => assert!(part.is_empty(), "{to} was taken"),
            Err(error) => {
                assert!(!part.is_empty() && error.to_string().contains(part), "{to}: {error}");
                assert_eq!(error.problems[0].line, Some(line), "{to}: {error}");
                assert!(error.to_string().starts_with(&format!("test.toml:{line}: ")), "{error}");
            }
        }
    }
}

#[test]
fn names_that_differ_only_by_case_are_refused_at_any_depth() {
    let job = SMALL.replace("One {{ tone }}", "One").replace("over = { tone = [\"dry\", \"bold\"] }\n", "");
    let answer = |fields: &str| job.replace("headline = \"string\"\n", &format!("{fields}\n"));
    for (fields, part) in [
        ("s = \"string\"\nS = \"string\"", "the fields `s` and `S` differ only by case"),
        ("o = { type = \"object\", fields = { \"é\" = \"string\", \"É\" = \"date\" } }", "the fields `é` and `É` differ only by case"),
        ("Status = \"string\"", "`Status` differs only by case from the built-in column `status`"),
        ("status = \"string\"", "`status` is the name of a built-in column"),
    ] {
        let error = load(&answer(fields)).unwrap_err().to_string();
        assert!(error.contains(part), "{fields}: {error}");
    }
    // All faults of names come together.
    let wrong = answer("seconds = \"string\"\nexact_values = \"string\"").replacen("name = \"", "name = \"a b", 1);
    let error = load(&wrong).unwrap_err().to_string();
    assert!(["invalid name", "`seconds` is", "`exact_values` is"].iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn an_axis_with_several_lists_has_no_name_for_them() {
    let source =
        LISTS.to_owned().replace("prompt = \"Compare {{ side | join(' and ') }}.\"", "prompt = \"x\"\nover = { side = [\"left\"] }");
    let error = load(&source).unwrap_err().to_string();
    assert!(error.contains("the axis `side` has different values in several tasks. Write its list once in [params]"), "{error}");
}

#[test]
fn weights_apply_to_values_of_any_axis_and_to_scores() {
    let source = LISTS.to_owned();
    let job = Job::load("t", &source, &toml::Table::new(), Some(Method::Weighted)).unwrap();
    let rated = |side: &str, judge: &str, width: i64, height: i64| {
        record("rate", &[("side", side), ("judge", judge)], Some(json!({"grade": "A", "width": width, "height": height})))
    };
    let records = [rated("left", "ann", 8, 4), rated("left", "bob", 4, 4), rated("right", "ann", 2, 10), rated("right", "bob", 9, 9)];
    let Combined::Done(result) = job.combine(&records, "m", None) else { panic!("a result expected") };
    // Of a ballot: (width + 3 height) / 4. Ann counts half.
    assert_eq!(result["rationale"], "left scores 8.7 (mean 4.3 x weight 2); right scores 8.7 (mean 8.7 x weight 1).");
}

#[test]
fn optional_nullable_and_checked_fields_make_a_schema() {
    let fields = r#"
        due = { type = "date", nullable = true, description = "when it is due" }
        at = "time"
        sent = { type = "date-time", optional = true }
        amount = { type = "number", min = 0, nullable = true, unit = "EUR" }
        code = { type = "string", pattern = "[A-Z]{2}\\d+" }
        currency = { type = "string", enum = ["EUR", "USD"], default = "EUR" }
        kind = { type = "string", enum = ["in", "out"], unknown = "other" }
        lines = { type = "array", fields = { text = "string", tags = { type = "array", items = { type = "string", nullable = true } } } }
    "#;
    let job = load(&SMALL.replace("headline = \"string\"", fields)).unwrap();
    let schema = &job.tasks[0].shape.schema;
    assert_eq!(schema["required"], json!(["at", "code", "kind", "lines"]));
    let properties = &schema["properties"];
    assert_eq!(
        properties["due"],
        json!({"type": ["string", "null"], "description": "when it is due. ISO 8601 date, such as 2026-11-29. null if there is none.", "format": "date"})
    );
    assert_eq!(properties["amount"], json!({"type": ["number", "null"], "description": "Unit: EUR. null if there is none.", "minimum": 0}));
    assert_eq!(properties["code"], json!({"type": "string", "pattern": "^([A-Z]{2}[0-9]+)$"}));
    assert_eq!(
        properties["currency"],
        json!({"type": "string", "description": "Default: \"EUR\".", "enum": ["EUR", "USD"], "default": "EUR"})
    );
    assert_eq!(properties["kind"]["enum"], json!(["in", "out", "other"]));
    assert_eq!(properties["lines"]["items"]["properties"]["tags"]["items"]["type"], json!(["string", "null"]));
    assert!(properties["kind"].get("x-unknown").is_some() && !schema.text().contains("x-unknown"), "{}", schema.text());
    let column = |name: &str| job.csv_columns().iter().find(|column| column.name == name).unwrap().kind.clone();
    assert_eq!((column("dry_due"), column("dry_amount")), (ColumnType::Date, ColumnType::Number));
    assert_eq!((column("dry_at"), column("dry_sent")), (ColumnType::Time, ColumnType::DateTime));
    let tags = ColumnType::List(Box::new(ColumnType::String));
    let line = ColumnType::Object(vec![Column::new("text", ColumnType::String), Column::new("tags", tags)]);
    assert_eq!(column("dry_lines"), ColumnType::List(Box::new(line)));
}

#[test]
fn the_schema_of_earlier_kinds_of_fields_is_unchanged() {
    let fields = r#"
        n = { type = "integer", min = 1, max = 10, title = "N", description = "how good", unit = "kg" }
        kind = { type = "string", enum = ["a", "b"] }
        maker = { type = "object", title = "Maker", fields = { name = "string", years = { type = "array", items = "integer", min_items = 1 } } }
    "#;
    let job = load(&SMALL.replace("headline = \"string\"", fields)).unwrap();
    // Call keys contain this text.
    assert_eq!(
        job.tasks[0].shape.schema.text(),
        concat!(
            r#"{"type":"object","properties":{"n":{"type":"integer","title":"N","description":"how good Unit: kg.","minimum":1,"maximum":10},"#,
            r#""kind":{"type":"string","enum":["a","b"]},"maker":{"type":"object","title":"Maker","properties":{"name":{"type":"string"},"#,
            r#""years":{"type":"array","items":{"type":"integer"},"minItems":1}},"required":["name","years"],"additionalProperties":false}},"#,
            r#""required":["n","kind","maker"],"additionalProperties":false}"#
        )
    );
}

#[test]
fn loading_refuses_a_combine_prompt_that_no_answers_can_fill() {
    for (prompt, part) in [
        ("{% for a in answers %}{{ a.reader }}: {{ a.answer.stars }}{% endfor %}", "combine: prompt: line 1: undefined value"),
        ("{% for a in answers if a.task == 'rate' %}{{ a.reader }}: {{ a.answer.stars }}{% endfor %}", ""),
        ("{% for a in answers if a.task == 'rate' %}{{ a.answer.star }}{% endfor %}", "undefined value"),
        ("{% if missing %}{{ missing[0].name }}{% endif %}", "undefined value"),
        ("{{ answers[2].answer.summary }}", ""),
        ("{{ answers[3].answer.summary }}", "undefined value"),
        ("{{ answers | mean }}", "mean"),
        // Only the real answers can show whether these render.
        ("{{ answers[0].answer.words[3] }} {{ 10 // answers[0].answer.stars }}", ""),
    ] {
        match load(&COMBINING.replace("PROMPT", prompt)) {
            Ok(_) => assert!(part.is_empty(), "{prompt} was taken"),
            Err(error) => assert!(!part.is_empty() && error.to_string().contains(part), "{prompt}: {error}"),
        }
    }
}

#[test]
fn all_mistakes_of_a_job_file_are_reported_with_their_lines() {
    let wrong = |changes: &[(&str, &str)]| {
        let text = changes.iter().fold(SMALL.to_owned(), |text, (from, to)| text.replace(from, to));
        load(&text).unwrap_err().to_string()
    };
    let form = wrong(&[("name = \"small\"", "name = \"small\"\nsytem = \"x\""), ("id = ", "max_output_tokens = \"9\"\nmodle = 3\nid = ")]);
    let lines: Vec<&str> = form.lines().collect();
    assert_eq!(lines.len(), 3, "{form}");
    assert!(lines[0].starts_with("test.toml:3: unknown field \"sytem\""), "{form}");
    assert!(lines[1].starts_with("test.toml:8: max_output_tokens: expected a whole number"), "{form}");
    assert!(lines[2].starts_with("test.toml:9: unknown field \"modle\""), "{form}");
    let meaning = wrong(&[
        ("name = \"small\"", "name = \"a b\""),
        ("{{ limit }}", "{{ limits }}"),
        ("headline = \"string\"", "headline = \"strong\"\nscore = { type = \"integer\", mim = 1 }"),
    ]);
    let lines: Vec<&str> = meaning.lines().collect();
    assert_eq!(lines.len(), 4, "{meaning}");
    assert!(lines[0].starts_with("test.toml:2: the job has the invalid name") && lines[1].contains("`limits`"), "{meaning}");
    assert!(lines[2].contains("did you mean string?") && lines[3].contains("unknown field \"mim\""), "{meaning}");
}

#[test]
fn a_field_takes_the_values_of_a_list_in_short() {
    let job = |field: &str| SMALL.replace("limit = 10", "limit = 10\nmarks = [1, 2]").replace("headline = \"string\"", field);
    let form = |field: &str| load(&job(field)).unwrap().form_of("dry_headline").unwrap().clone();
    assert_eq!(form("headline = \"marks\""), json!({"type": "integer", "enum": [1, 2]}));
    let tones = json!({"type": "array", "items": {"type": "string", "enum": ["dry", "bold"]}, "maxItems": 2});
    assert_eq!(form("headline = { type = \"array\", items = \"tone\", max_items = 2 }"), tones);
    assert!(load(&job("headline = \"limit\"")).unwrap_err().to_string().contains("unknown type or list \"limit\""));
}

#[test]
fn templates_without_end_are_refused() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}";
    for (prompt, words) in
        [(nested, "steps. Shorten its loops"), ("{% for a in range(9999) %}{{ 'long words ' * 9000 }}{% endfor %}", "more than 16 MiB")]
    {
        let job = format!(
            "name = 'x'\ninput = 'text'\n[[task]]\nid = 'x'\nprompt = \"\"\"{prompt}{{{{ document }}}}\"\"\"\nanswer = {{ x = 'string' }}"
        );
        let error = Job::load("x", &job, &toml::Table::new(), None).map(|job| job.name).unwrap_err();
        assert!(format!("{error:?}").contains(words), "{error:?}");
    }
}
