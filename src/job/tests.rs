mod fields;

use super::*;
use crate::insight::AnswerForm;
use crate::model::{
    CallRecord, CallStatus, Chunk, Column, ColumnType, Content, ContentBlock, Failure, FailureCode, Fence, FenceMark, MessagePart, Text,
    Usage,
};
use serde_json::{Map, Value, json};

fn names(job: &Job) -> Vec<&str> {
    job.csv_columns().iter().map(|column| column.name.as_str()).collect()
}

fn load(text: &str) -> Result<Job, JobError> {
    Job::load("test.toml", text, &toml::Table::new(), None)
}

fn text(body: &str) -> Chunks {
    let content = Content(vec![ContentBlock::Text(Arc::new(Text { body: body.into(), digest: "0123456789abcdef".into(), tokens: 1 }))]);
    Chunks { sets: vec![vec![Chunk { content, before: None, place: None }]], of_task: vec![0; 10], paged: false }
}

fn record(task: &str, axes: &[(&str, &str)], answer: Option<Value>) -> CallRecord {
    CallRecord {
        part: None,
        task: task.into(),
        axes: axes.iter().map(|(a, v)| ((*a).to_owned(), json!(v))).collect(),
        status: if answer.is_some() { CallStatus::Ok } else { CallStatus::Refused },
        failure: answer.is_none().then(|| Failure::new(FailureCode::Refused, "no")),
        answer,
        model: None,
        request_id: None,
        repaired: std::collections::BTreeSet::default(),
        shared_from: None,
        attempts: 1,
        maybe_billed: 0,
        usage: Usage::default(),
        cost_usd: None,
        seconds: 0.0,
    }
}

const SMALL: &str = r#"
name = "small"
input = "text"
[params]
limit = 10
[[task]]
id = "headline"
prompt = "One {{ tone }} headline, at most {{ limit }} words: {{ document }}"
over = { tone = ["dry", "bold"] }
[task.answer]
headline = "string"
"#;

#[test]
fn every_built_in_job_loads_with_every_method_it_offers() {
    for (name, source) in BUILTIN {
        let job = Job::load(name, source, &toml::Table::new(), None).unwrap();
        assert_eq!(job.name, name);
        assert!(!job.description.is_empty());
    }
    for method in [Method::Model, Method::Vote, Method::Weighted] {
        for name in ["material", "material-conditions"] {
            let job = Job::load(name, builtin(name).unwrap(), &toml::Table::new(), Some(method)).unwrap();
            assert_eq!(names(&job)[..4], ["best_material", "runner_up", "rationale", "confidence"]);
        }
    }
}

#[test]
fn the_material_job_asks_six_specialists_and_the_nested_one_eighteen() {
    let count = |name: &str| Job::load(name, builtin(name).unwrap(), &toml::Table::new(), None).unwrap().calls_per_document();
    assert_eq!(
        (count("material"), count("material-conditions"), count("material-single"), count("text"), count("text-single")),
        (7, 19, 1, 6, 1)
    );
}

#[test]
fn columns_have_the_names_in_the_readme() {
    let job = |name: &str| Job::load(name, builtin(name).unwrap(), &toml::Table::new(), None).unwrap();
    assert_eq!(names(&job("material"))[4..8], ["metal_suitability", "metal_strengths", "metal_concerns", "metal_recommended"]);
    assert_eq!(names(&job("material-conditions"))[4], "metal_indoor_suitability");
    assert_eq!(names(&job("text-single")), names(&job("text")));
    assert_eq!(names(&job("text")), ["summary", "sentiment", "sentiment_score", "keywords", "questions", "translation", "category"]);
}

#[test]
fn columns_have_the_types_units_and_descriptions_of_the_answer_fields() {
    let job = load(
        r#"
        name = "typed"
        input = "any"
        flag_prompt_injection = true
        [[task]]
        id = "weigh"
        prompt = "Weigh it."
        over = { side = ["left", "right"] }
        [task.answer]
        mass = { type = "number", unit = "kg", description = "Mass of the whole." }
        grade = { type = "string", enum = ["A", "B"], title = "Grade" }
        parts = { type = "array", items = { type = "integer" } }
        fits = "boolean"
        grid = { type = "array", items = { type = "array", items = "integer" } }
        maker = { type = "object", fields = { name = "string", mass = { type = "number", unit = "kg" } } }
        [combine]
        method = "vote"
        pick = "fits"
        score = "mass"
        "#,
    )
    .unwrap();
    let column = |name: &str| job.csv_columns().iter().find(|column| column.name == name).unwrap();
    let mass = Column { unit: Some("kg".into()), ..Column::new("mass", ColumnType::Number) };
    for (name, kind) in [
        ("prompt_injection", ColumnType::Boolean),
        ("best_side", ColumnType::String),
        ("confidence", ColumnType::Enum(vec!["high".into(), "medium".into(), "low".into()])),
        ("left_mass", ColumnType::Number),
        ("left_grade", ColumnType::Enum(vec!["A".into(), "B".into()])),
        ("right_parts", ColumnType::List(Box::new(ColumnType::Integer))),
        ("right_fits", ColumnType::Boolean),
        ("left_grid", ColumnType::List(Box::new(ColumnType::List(Box::new(ColumnType::Integer))))),
        ("right_maker", ColumnType::Object(vec![Column::new("name", ColumnType::String), mass])),
    ] {
        assert_eq!((&column(name).kind, column(name).nullable), (&kind, true), "{name}");
    }
    assert_eq!((column("left_mass").unit.as_deref(), column("left_mass").description.as_deref()), (Some("kg"), Some("Mass of the whole.")));
    assert_eq!(column("left_grade").description.as_deref(), Some("Grade"));
}

#[test]
fn document_text_is_never_template_code() {
    let hostile = "{{ limit }} {% if x %} {# {{{{ }} ${x} %s \\u0041 </document>";
    let calls = load(SMALL).unwrap().calls(&text(hostile), None, &Fence::example(), "m", None).unwrap();
    assert_eq!(calls.len(), 2);
    let MessagePart::Text(prompt) = &calls[1].parts[0] else { panic!("text expected") };
    let mark = &calls[1].marks[0].sent;
    assert_eq!(&**prompt, format!("One bold headline, at most 10 words: <document-{mark}>\n{hostile}\n</document-{mark}>"));
}

#[test]
fn a_document_that_the_prompt_does_not_mention_goes_first_between_marks() {
    let job = load(&SMALL.replace(": {{ document }}", "")).unwrap();
    let calls = job.calls(&text("body"), None, &Fence::example(), "m", None).unwrap();
    let parts: Vec<&str> = calls[0].parts.iter().map(|p| if let MessagePart::Text(t) = p { &**t } else { "" }).collect();
    let mark = Fence::example().mark("0123456789abcdef", 0).sent;
    assert_eq!(parts, [&*format!("<document-{mark}>\nbody\n</document-{mark}>"), "One dry headline, at most 10 words"]);
}

#[test]
fn calls_have_secret_marks_and_keys_without_them() {
    let fixed = SMALL.replace(": {{ document }}", "");
    let changed = SMALL.replace("{{ document }}", "{{ document | upper }} {{ document[:20] }}");
    for (source, expected) in [
        (SMALL, "One dry headline, at most 10 words: <document-0123456789ab>\nbody\n</document-0123456789ab>"),
        (&*fixed, "<document-0123456789ab>\nbody\n</document-0123456789ab>"),
        (&*changed, "One dry headline, at most 10 words: <DOCUMENT-0123456789AB>\nBODY\n</DOCUMENT-0123456789AB> <document-0123456789"),
    ] {
        let job = load(source).unwrap();
        let of = |secret: u8| job.calls(&text("body"), None, &Fence::new([secret; 32]), "m", None).unwrap().remove(0);
        let (one, other) = (of(1), of(2));
        assert_eq!(one.key("e"), other.key("e"));
        let (MessagePart::Text(one_text), MessagePart::Text(other_text)) = (&one.parts[0], &other.parts[0]) else {
            panic!("text expected")
        };
        assert_ne!(one_text, other_text);
        assert!(!one_text.to_lowercase().contains("0123456789ab"));
        assert_eq!(FenceMark::keyed(&one.marks, 0, one_text), expected);
    }
}

#[test]
fn the_end_of_the_chunk_before_has_a_mark_of_its_own() {
    let job = load(&SMALL.replace(": {{ document }}", "")).unwrap();
    let mut chunks = text("body");
    chunks.sets[0][0].before = Some("the end".into());
    chunks.sets[0][0].place = Some((2, 3));
    let call = job.calls(&chunks, None, &Fence::example(), "m", None).unwrap().remove(0);
    let MessagePart::Text(prompt) = &call.parts[0] else { panic!("text expected") };
    assert_eq!(call.marks.len(), 2);
    assert_ne!(call.marks[0].sent, call.marks[1].sent);
    let digest = blake3::hash(b"the end").to_hex();
    let keyed = FenceMark::keyed(&call.marks, 0, prompt);
    assert!(keyed.contains(&format!("\n<end-of-the-part-before-{0}>\nthe end\n</end-of-the-part-before-{0}>\n", &digest[..12])), "{keyed}");
}

#[test]
fn mistakes_in_a_job_file_are_found_when_it_is_loaded() {
    for (from, to, part) in [
        ("{{ tone }}", "{{ tune }}", "the unknown variable `tune`; expected document, row, limit, tone"),
        ("{{ tone }}", "{{ tone }", "test.toml:8: task headline: prompt: line 1: unexpected \"}\"; expected \"}}\""),
        (
            "headline = \"string\"",
            "headline = \"text\"",
            "field `headline`: unknown type or list \"text\"; expected string, integer, number, boolean, array, object, date, time, date-time, tone",
        ),
        ("headline = \"string\"", "headline = { type = \"string\", min = 1 }", "`min/max` is not allowed for type string"),
        ("headline = \"string\"", "status = \"string\"\n", ""),
        ("headline = \"string\"", "n = { type = \"date\", pattern = \"x\" }", "`pattern` is not allowed for type date"),
        ("headline = \"string\"", "n = { type = \"string\", pattern = \"(\" }", "pattern: unclosed group"),
        ("headline = \"string\"", "n = { type = \"string\", pattern = \"x\", enum = [\"x\"] }", "`pattern` and `enum` exclude each other"),
        ("headline = \"string\"", "n = { type = \"string\", unknown = \"x\" }", "`unknown` needs `enum`"),
        ("headline = \"string\"", "n = { type = \"integer\", enum = [1], unknown = \"x\" }", "unknown = \"x\" is not of type integer"),
        ("headline = \"string\"", "n = { type = \"integer\", max = 5, default = 7 }", "default: 7 is greater than the maximum of 5"),
        ("headline = \"string\"", "n = { type = \"date\", default = 2026-11-29 }", ""),
        ("headline = \"string\"", "n = { type = \"array\", items = { type = \"string\", optional = true } }", "items cannot be optional"),
        (
            "headline = \"string\"",
            "n = { type = \"array\", items = \"string\", fields = { a = \"string\" } }",
            "`items` and `fields` exclude",
        ),
        ("headline = \"string\"", "n = { type = \"integer\", min = 10, max = 1 }", "min is greater than max"),
        ("headline = \"string\"", "n = { type = \"array\", min_items = 5, max_items = 3 }", "min_items is greater"),
        ("headline = \"string\"", "n = { type = \"string\", enum = [\"a\", 3] }", "enum has 3, which is not of type string"),
        ("headline = \"string\"", "n = { type = \"string\", enum = [\"a\", \"a\"] }", "\"a\" twice"),
        ("headline = \"string\"", "headline = \"intger\"", "unknown type or list \"intger\"; did you mean integer?"),
        ("headline = \"string\"", "n = { type = \"string\", nulable = true }", "unknown field \"nulable\"; did you mean nullable?"),
        ("headline = \"string\"", "n = { type = \"array\", max_items = -1 }", "max_items: expected a whole number of at least 0, not -1"),
        ("headline = \"string\"", "n = { type = \"integer\", min = 1.5 }", "min = 1.5 is no whole number"),
        ("headline = \"string\"", "n = { type = \"string\", enum = [\"other\"], unknown = \"othr\" }", "nearly \"other\" is"),
        ("headline = \"string\"", "n = { type = \"string\", enum = [\"known\"], unknown = \"unknown\" }", ""),
        ("input = \"text\"", "input = \"images\"", "test.toml:3: input: unknown value \"images\"; did you mean image?"),
        ("[[task]]", "[task]", "test.toml:6: [task] must be a list: write [[task]]"),
        ("[[task]]", "[[combine]]\n[[task]]", "test.toml:6: [[combine]] must be a single table: write [combine]"),
        ("[[task]]", "[[tasks]]", "test.toml:6: unknown field \"tasks\"; did you mean task?"),
        ("prompt = ", "promt = ", "test.toml:8: unknown field \"promt\"; did you mean prompt?"),
        ("over = { tone = [\"dry\", \"bold\"] }", "", "the unknown variable `tone`"),
        ("over = { tone", "over = { limit", "the axis `limit` has the name of"),
        ("[\"dry\", \"bold\"]", "[]", "at least one value"),
        ("[\"dry\", \"bold\"]", "[\"dry\", \"dry\"]", "`dry` twice"),
        ("name = \"small\"", "name = \"../small\"", "expected 1 to 64"),
        ("name = \"small\"", "name = \"small\"\nsytem = \"x\"", "test.toml:3: unknown field \"sytem\"; did you mean system?"),
        (
            "name = \"small\"",
            "name = \"small\"\ncolumns = [\"nope\"]",
            "columns: unknown column `nope`; expected dry_headline, bold_headline",
        ),
        (
            "name = \"small\"",
            "name = \"small\"\nlong = { method = \"split\", max_input_tokens = 131, overlap_tokens = 100 }",
            "long: max_input_tokens = 131 is too small. A chunk takes at least 132",
        ),
        ("name = \"small\"", "name = \"small\"\nlong = { method = \"split\", max_input_tokens = 132, overlap_tokens = 100 }", ""),
        ("name = \"small\"", "name = \"small\"\nlong = { method = \"truncate\", max_input_tokens = 1 }", ""),
    ] {
        match load(&SMALL.replace(from, to)) {
            Ok(job) => assert!(part.is_empty(), "{to} was taken: {:?}", names(&job)),
            Err(error) => assert!(!part.is_empty() && error.to_string().contains(part), "{to}: {error}"),
        }
    }
}

#[test]
fn parameters_can_be_replaced_but_not_invented() {
    let with = |name: &str, value: toml::Value| Job::load("t", SMALL, &toml::Table::from_iter([(name.to_owned(), value)]), None);
    let job = with("limit", toml::Value::Integer(3)).unwrap();
    let MessagePart::Text(prompt) = &job.calls(&text("x"), None, &Fence::example(), "m", None).unwrap()[0].parts[0] else {
        panic!("text expected")
    };
    assert!(prompt.contains("at most 3 words"));
    assert!(with("limits", toml::Value::Integer(3)).unwrap_err().to_string().contains("expected limit"));
    assert!(with("limit", toml::Value::Boolean(true)).unwrap_err().to_string().contains("takes integer"));
}

#[test]
fn the_aggregation_prompt_names_missing_answers() {
    let job = Job::load("material", builtin("material").unwrap(), &toml::Table::new(), None).unwrap();
    let records = [
        record("assess", &[("material", "metal")], Some(json!({"suitability": 9, "strengths": ["{{ x }}"]}))),
        record("assess", &[("material", "wood")], None),
    ];
    let Combined::Ask(call) = job.combine(&records, "m", None) else { panic!("a call expected") };
    let MessagePart::Text(prompt) = &call.parts[0] else { panic!("text expected") };
    assert!(prompt.contains(r#""suitability": 9"#), "{prompt}");
    assert!(prompt.contains("{{ x }}") && prompt.contains("wood (refused)"), "{prompt}");
    assert!(matches!(job.combine(&records[1..], "m", None), Combined::Nothing));
}

const COMBINING: &str = r#"
name = "mean"
input = "text"
[[task]]
id = "rate"
prompt = "Rate it."
over = { reader = ["young", "old"] }
[task.answer]
stars = { type = "integer", min = 0, max = 5 }
words = { type = "array", items = "string" }
[[task]]
id = "sum"
prompt = "Sum it up."
[task.answer]
summary = "string"
[combine]
method = "model"
prompt = "PROMPT {{ answers }}"
[combine.answer]
verdict = "string"
"#;

#[test]
fn a_combine_prompt_that_fails_on_real_answers_fails_its_call() {
    let job = load(&COMBINING.replace("PROMPT", "{{ 10 // answers[0].answer.stars }} {{ answers[0].answer.words[1] }}")).unwrap();
    let combined = |stars: i64, words: &[&str]| {
        job.combine(&[record("rate", &[("reader", "young")], Some(json!({"stars": stars, "words": words})))], "m", None)
    };
    assert!(matches!(combined(1, &["a", "b"]), Combined::Ask(_)));
    for broken in [combined(0, &["a", "b"]), combined(1, &["a"])] {
        let Combined::Unrenderable(call, failure) = broken else { panic!("a failure expected: {broken:?}") };
        assert_eq!((&*call.task, failure.code), ("combine", FailureCode::Unrenderable));
    }
}

#[test]
fn votes_fill_the_same_columns_as_a_model() {
    let job = Job::load("material", builtin("material").unwrap(), &toml::Table::new(), Some(Method::Vote)).unwrap();
    let answer = |n: i64, yes: bool| Some(json!({"suitability": n, "recommended": yes, "strengths": [], "concerns": []}));
    let records =
        [record("assess", &[("material", "metal")], answer(9, true)), record("assess", &[("material", "wood")], answer(3, false))];
    let Combined::Done(result) = job.combine(&records, "m", None) else { panic!("a result expected") };
    let answers: Map<String, Value> = job.answers(&records, &result);
    assert_eq!(
        (&answers["best_material"], &answers["runner_up"], &answers["confidence"]),
        (&json!("metal"), &json!("wood"), &json!("high"))
    );
    assert_eq!(answers["wood_suitability"], 3);
    assert!(!answers.contains_key("ceramic_suitability"));
}

/// Typical answers by people and models. Each has job, task, length of the document in tokens, and
/// answer.
fn plausible() -> Vec<(&'static str, &'static str, f64, Value)> {
    let assess = json!({"suitability": 8, "strengths": ["High stiffness and fatigue strength for the thin bracket arms",
        "Easily machined and tapped at the four mounting holes", "Well proven, inexpensive sheet and billet stock"],
        "concerns": ["Heavier than moulded alternatives", "Needs coating against corrosion outdoors", "Sharp inner corners raise stress"],
        "recommended": true});
    let combined = json!({"best_material": "metal", "runner_up": "composite", "rationale": "Metal meets the loads at the mounting holes \
        with the widest margin and can be machined and welded cheaply. Composite would save weight, but its holes need inserts and its cost \
        is higher for such a small bracket.", "confidence": "high"});
    let single = json!({"best_material": "polymer", "runner_up": "metal", "rationale": "The ribs and the snap fit point to injection \
        moulding, for which a glass-filled polymer is ideal. Metal would be stronger but heavier and dearer in this shape.",
        "confidence": "medium", "strengths": ["Moulded in one shot", "Light", "No corrosion"], "concerns": ["Creep under load",
        "UV ageing", "Limited above 120 degrees"], "metal_suitability": 6, "polymer_suitability": 9, "ceramic_suitability": 2,
        "composite_suitability": 5, "elastomer_suitability": 3, "wood_suitability": 1});
    let summary = json!({"summary": "The council approved a new tram line between the harbour and the university, to open in 2029. \
        Supporters expect shorter journeys and fewer cars, while shop owners fear three years of building work. The state pays 60 per cent."});
    let keywords =
        json!({"keywords": ["tram line", "city council", "public transport", "harbour district", "construction works", "funding"]});
    let questions = json!({"questions": ["When will the new tram line open?", "Who pays for most of the construction?",
        "Why are shop owners worried about the project?"]});
    let translation = json!({"translation": "El ayuntamiento aprobó una nueva línea de tranvía entre el puerto y la universidad, que se \
        inaugurará en 2029. Los partidarios esperan viajes más cortos y menos coches, mientras que los comerciantes temen tres años de obras."});
    let whole = json!({"summary": summary["summary"], "sentiment": "neutral", "sentiment_score": 0.15, "keywords": keywords["keywords"],
        "questions": questions["questions"], "translation": translation["translation"], "category": "politics"});
    vec![
        ("material", "assess", 0.0, assess.clone()),
        ("material", "combine", 0.0, combined.clone()),
        ("material-conditions", "assess", 0.0, assess),
        ("material-conditions", "combine", 0.0, combined),
        ("material-single", "recommend", 0.0, single),
        ("text-single", "read", 52.0, whole),
        ("text", "summary", 600.0, summary),
        ("text", "sentiment", 600.0, json!({"sentiment": "neutral", "score": 0.15})),
        ("text", "keywords", 600.0, keywords),
        ("text", "questions", 600.0, questions),
        ("text", "translation", 52.0, translation),
        ("text", "category", 600.0, json!({"category": "politics"})),
    ]
}

#[test]
fn output_estimates_cover_answers_to_built_in_jobs() {
    let encoder = tiktoken::get_encoding("o200k_base").unwrap();
    for (name, task, document, answer) in plausible() {
        let job = Job::load(name, builtin(name).unwrap(), &toml::Table::new(), None).unwrap();
        let form = match job.tasks.iter().find(|own| *own.id == *task) {
            Some(task) => AnswerForm::new(&task.shape.schema, task.variants[0].prompt.asks()),
            None => AnswerForm::new(&job.combine.shape().unwrap().schema, ""),
        };
        let length = form.length(document);
        // Compact JSON, and the indented JSON that many models write.
        for text in [answer.to_string(), serde_json::to_string_pretty(&answer).unwrap()] {
            let tokens = encoder.count(&text) as f64;
            assert!((length.low..=length.high).contains(&tokens), "{name} {task}: {tokens} tokens, foreseen {length:?}");
        }
        assert!(length.high < 8.0 * length.low + 25.0, "{name} {task}: {length:?} says nothing");
    }
}
