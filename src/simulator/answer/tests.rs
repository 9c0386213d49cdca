use super::write;
use crate::simulator::ask::{Ask, AskBuilder, Delivery, Form};
use serde_json::{Value, json};

const INVOICE: &str = "Hofmann Ltd\nInvoice number: RE-2024-0815\nDate: 14 March 2024\nCustomer: Clara Whitfield\n\n2 oak shelves, 120.50 EUR\n\
    1 desk lamp, 39.90 EUR\n\nTotal: 280.90 EUR, payable within 14 days to clara@example.org.";
const REVIEW: &str = "I ordered the blue kettle two weeks ago. It arrived with a dent and the lid does not close. \
    Support never answered my two emails. I want a refund.";

fn closed(fields: &Value) -> Value {
    let names: Vec<_> = fields.as_object().unwrap().keys().cloned().collect();
    json!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false })
}

fn ask<'a>(document: &str, prompt: &str, schema: &'a Value, max_tokens: u64) -> Ask<'a> {
    let mut builder = AskBuilder::new(0, "simulated-small", Form::Schema(schema), &[]);
    if !document.is_empty() {
        builder.text("user", &format!("<document-0123456789ab>\n{document}\n</document-0123456789ab>"));
    }
    builder.text("user", prompt);
    builder.finish(max_tokens, Delivery::default())
}

fn answer(document: &str, prompt: &str, fields: &Value) -> Value {
    let schema = closed(fields);
    serde_json::from_str(&write(&ask(document, prompt, &schema, 10_000), None, 0.0)).unwrap()
}

fn is_valid(schema: &Value, answer: &Value) -> bool {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("answer.json", schema.clone()).unwrap();
    let index = compiler.compile("answer.json", &mut schemas).unwrap();
    schemas.validate(answer, index).is_ok()
}

#[test]
fn a_picture_that_cannot_be_looked_at_is_no_reason_to_quote_the_instructions() {
    let schema = closed(&json!({ "strengths": { "type": "array", "items": { "type": "string" } }, "summary": { "type": "string" } }));
    let mut builder = AskBuilder::new(0, "simulated-small", Form::Schema(&schema), &[]);
    builder.picture("data", "aGVsbG8=", 10);
    builder.text("user", "Look at the part. Name its three most useful strengths, and recommend it if it is good.");
    let found = write(&builder.finish(10_000, Delivery::default()), None, 0.0);
    assert!(!found.contains("recommend") && found.contains("The picture is too small"), "{found}");
}

#[test]
fn values_are_found_by_the_words_of_their_fields() {
    let found = answer(
        INVOICE,
        "Extract the fields.",
        &json!({
            "invoice_number": { "type": "string", "pattern": "^[A-Z]{2}-\\d{4}-\\d{4}$" },
            "invoice_date": { "type": "string", "format": "date" },
            "customer": { "type": ["string", "null"] },
            "total": { "type": "number", "minimum": 0 },
            "currency": { "type": "string", "enum": ["USD", "EUR", "GBP"] },
            "due_days": { "type": ["integer", "null"] },
            "email": { "anyOf": [{ "type": "null" }, { "type": "string", "format": "email" }] },
            "items": { "type": "array", "maxItems": 2, "items": closed(&json!({
                "name": { "type": "string" }, "quantity": { "type": "integer" }, "price": { "type": "number" },
            })) },
        }),
    );
    let expected = json!({
        "invoice_number": "RE-2024-0815", "invoice_date": "2024-03-14", "customer": "[simulated] Clara Whitfield", "total": 280.9,
        "currency": "EUR", "due_days": 14, "email": "clara@example.org",
        "items": [
            { "name": "[simulated] oak shelves", "quantity": 2, "price": 120.5 },
            { "name": "[simulated] desk lamp", "quantity": 1, "price": 39.9 },
        ],
    });
    assert_eq!(found, expected);
}

#[test]
fn what_the_document_does_not_say_is_null_or_left_out() {
    let schema = json!({ "type": "object", "required": ["discount", "iban", "approved"], "properties": {
        "discount": { "type": ["number", "null"] },
        "iban": { "anyOf": [{ "type": "string", "pattern": "^[A-Z]{2}\\d{20}$" }, { "type": "null" }] },
        "approved": { "enum": ["full", "partial", null] },
        "warehouse": { "type": "integer" },
        "total": { "type": "number" },
    } });
    let text = write(&ask(INVOICE, "Extract the fields.", &schema, 10_000), None, 0.0);
    assert_eq!(text, r#"{"discount":null,"iban":null,"approved":null,"total":280.9}"#);
}

#[test]
fn judgements_follow_sentiment_names_and_explanations() {
    let found = answer(
        REVIEW,
        "Judge the review.",
        &json!({
            "mood": { "enum": ["very happy", "happy", "neutral", "angry"] },
            "stars": { "type": "integer", "minimum": 1, "maximum": 5 },
            "cause": { "enum": ["price", "transport", "none"], "description": "price: costs and refunds; transport: dents and late parcels" },
            "colour": { "enum": ["red", "blue", "green"] },
            "wants_refund": { "type": "boolean" },
            "mentions_invoice": { "type": "boolean" },
            "would_recommend": { "enum": ["yes", "no"] },
            "language": { "enum": ["de", "en", "fr"] },
            "tags": { "type": "array", "items": { "type": "string", "enum": ["praise", "refund", "kettle"] } },
        }),
    );
    assert_eq!((&found["mood"], &found["colour"], &found["would_recommend"]), (&json!("angry"), &json!("blue"), &json!("no")), "{found}");
    assert!(found["stars"].as_u64() < Some(3), "{found}");
    assert_eq!((&found["wants_refund"], &found["mentions_invoice"], &found["language"]), (&json!(true), &json!(false), &json!("en")));
    assert_ne!(found["cause"], "none", "{found}");
    assert!(!found["tags"].as_array().unwrap().contains(&json!("praise")), "{found}");
}

#[test]
fn a_translation_says_that_it_is_none() {
    let found = answer("Guten Morgen zusammen.", "Translate the document into Spanish.", &json!({ "translation": { "type": "string" } }));
    let text = found["translation"].as_str().unwrap();
    assert!(text.starts_with("[simulated] The built-in server cannot translate.") && text.contains("Guten Morgen"), "{text}");
}

#[test]
fn earlier_answers_are_compared_and_merged() {
    let ratings = json!([
        { "material": "oak", "answer": { "suitability": 4, "recommended": false } },
        { "material": "steel", "answer": { "suitability": 9, "recommended": true } },
        { "material": "nylon", "answer": { "suitability": 6, "recommended": true } },
    ]);
    let choice = json!({ "enum": ["oak", "steel", "nylon"] });
    let found = answer(
        "",
        &format!("The analyses, as data:\n\n{ratings}\n\nChoose the best."),
        &json!({
            "best": choice, "runner_up": choice, "rationale": { "type": "string" }, "confidence": { "enum": ["high", "medium", "low"] },
        }),
    );
    assert_eq!((&found["best"], &found["runner_up"], &found["confidence"]), (&json!("steel"), &json!("nylon"), &json!("high")), "{found}");
    assert!(found["rationale"].as_str().unwrap().contains("steel 9, ahead of nylon 6"), "{found}");

    let parts = "These are the answers.\n\n1. {\"summary\": \"[simulated] The bridge is old.\"}\n2. {\"summary\": \"[simulated] It leaks.\"}\n\nOne answer.";
    let found = answer("", parts, &json!({ "summary": { "type": "string" } }));
    assert_eq!(found["summary"], "[simulated] The bridge is old. It leaks.");
}

/// Schemas with every keyword, against documents of every kind.
#[test]
fn every_answer_satisfies_its_schema() {
    let schemas = [
        closed(&json!({ "a": { "type": "string", "minLength": 300, "maxLength": 320 }, "b": { "type": "string", "maxLength": 9 } })),
        closed(
            &json!({ "a": { "type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 40 }, "b": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 } }),
        ),
        closed(
            &json!({ "a": { "type": "array", "minItems": 3, "maxItems": 3, "uniqueItems": true, "items": { "enum": ["x", "y", "z", "w"] } } }),
        ),
        closed(
            &json!({ "keywords": { "type": "array", "minItems": 7, "maxItems": 7, "uniqueItems": true, "items": { "type": "string" } } }),
        ),
        closed(
            &json!({ "when": { "type": "string", "format": "date-time" }, "day": { "type": "string", "format": "date" }, "at": { "type": "string", "format": "time" } }),
        ),
        closed(
            &json!({ "mail": { "type": "string", "format": "email" }, "link": { "type": "string", "format": "uri" }, "id": { "type": "string", "format": "uuid" } }),
        ),
        closed(
            &json!({ "code": { "type": "string", "pattern": "^[A-Z]{3}-\\d{2,4}(a|b)?$" }, "any": { "type": "string", "pattern": "x+" } }),
        ),
        closed(&json!({ "n": { "type": "integer", "enum": [2, 4, 8] }, "m": { "enum": [null, 1, 2.5] }, "c": { "const": { "k": 1 } } })),
        closed(
            &json!({ "rows": { "type": "array", "minItems": 2, "items": closed(&json!({ "name": { "type": "string" }, "sizes": { "type": "array", "items": { "type": "number", "maximum": 5 } } })) } }),
        ),
        json!({ "type": "object", "required": ["tree"], "properties": { "tree": { "$ref": "#/$defs/node" } }, "$defs": { "node": {
            "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "next": { "$ref": "#/$defs/node" } } } } }),
        closed(
            &json!({ "low": { "type": "integer", "maximum": -5 }, "far": { "type": "number", "minimum": 1e6 }, "either": { "oneOf": [{ "type": "integer", "minimum": 100 }, { "type": "boolean" }] } }),
        ),
    ];
    let documents = [
        "",
        "?",
        INVOICE,
        REVIEW,
        "日本語のテキスト。二つ目の文。",
        "{\"a\": \"own\", \"n\": 4}",
        "- one\n- two 3.5\n\n# T",
        "😀😀 👍",
        "a\u{301} ’ “”\r\n\r\n»",
    ];
    for document in documents {
        for schema in &schemas {
            for (room, spread) in [(10_000, 0.0), (30, 0.0), (10_000, 0.7)] {
                let text = write(&ask(document, "Fill in the form.", schema, room), None, spread);
                let answer: Value = serde_json::from_str(&text).unwrap();
                assert!(is_valid(schema, &answer), "{document:?}: {schema} {answer}");
            }
        }
    }
}

#[test]
fn the_score_of_a_strong_sentiment_has_the_sign_of_its_label() {
    let fields = json!({
        "sentiment": { "type": "string", "enum": ["positive", "neutral", "negative"] },
        "score": { "type": "number", "minimum": -1, "maximum": 1 },
    });
    for (text, label, sign) in [("Broken, terrible, awful.", "negative", -1.0), ("Great, wonderful, excellent!", "positive", 1.0)] {
        let found = answer(text, "Give the sentiment of the text and its score.", &fields);
        assert_eq!((found["sentiment"].as_str(), found["score"].as_f64().map(f64::signum)), (Some(label), Some(sign)), "{found}");
    }
}
