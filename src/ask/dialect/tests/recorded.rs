//! Tests the classification of errors with the rows of `wordings.toml`.

use super::read;
use crate::ask::dialect::Dialect;
use crate::ask::dialect::finish;
use crate::ask::dialect::form::FormPart;
use crate::ask::fault::{Class, Fault, Pressure, StopKind};
use crate::model::FailureCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wordings {
    wording: Vec<Wording>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wording {
    provider: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
    outcome: String,
    form: Option<FormPart>,
}

impl Wording {
    fn classified(&self) -> Fault {
        let dialect = match self.provider.as_str() {
            "Anthropic" => Dialect::ANTHROPIC,
            "Gemini" => Dialect::GEMINI,
            "OpenAI" => Dialect::OPENAI,
            _ => Dialect::COMPATIBLE,
        };
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        read(dialect, self.status, &headers, &self.body).unwrap_err()
    }
}

fn wordings() -> Vec<Wording> {
    toml::from_str::<Wordings>(include_str!("../wordings.toml")).unwrap().wording
}

const PARTS: [FormPart; 11] = [
    FormPart::Limit,
    FormPart::StreamUsage,
    FormPart::Cache,
    FormPart::Store,
    FormPart::Detail,
    FormPart::Effort,
    FormPart::Strict,
    FormPart::Schema,
    FormPart::Role,
    FormPart::Blocks,
    FormPart::NoStream,
];

#[test]
fn every_wording_is_classified_as_expected() {
    let wordings = wordings();
    assert!(wordings.len() >= 150, "{}", wordings.len());
    let mut wrong = String::new();
    for wording in wordings {
        let fault = wording.classified();
        let class = match &fault.class {
            Class::NotSent => "not_sent",
            Class::Refused { .. } => "refused",
            Class::Ambiguous => "ambiguous",
            Class::BadReply => "bad_reply",
            Class::Permanent => "permanent",
            Class::Denied => "denied",
            Class::RunFatal(StopKind::Refused) => "stop",
            Class::RunFatal(StopKind::Parked) => "later",
            Class::RunFatal(StopKind::Sampled | StopKind::Requested | StopKind::OverBudget | StopKind::Deferred) => "no fault",
        };
        let pressure = match fault.pressure {
            Pressure::None => "none",
            Pressure::Rate => "rate",
            Pressure::Ramp => "ramp",
            Pressure::Overload => "overload",
            Pressure::Capacity => "capacity",
        };
        let wait = fault.wait().map_or_else(String::new, |wait| format!(" {}", wait.as_secs_f64()));
        let outcome = format!("{class} {} {pressure}{wait}", fault.code);
        let about: Vec<FormPart> =
            fault.complaint.iter().flat_map(|complaint| PARTS.into_iter().filter(|part| complaint.is_about(*part))).collect();
        let form_is_right = about.first() == wording.form.as_ref();
        if outcome != wording.outcome || !form_is_right {
            let _infallible =
                writeln!(wrong, "{outcome} {about:?}, not {} {:?}: {} {}", wording.outcome, wording.form, wording.status, wording.body);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_message_says_that_the_model_takes_no_images() {
    for (status, error) in [
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (400, "google/gemma-3-1b-it is not a multimodal model"),
        (404, "No endpoints found that support image input"),
        (400, "Invalid content type. image_url is only supported by certain models."),
        (422, "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`"),
        (400, "This model does not support image inputs"),
    ] {
        let body = serde_json::json!({"error": {"message": error}}).to_string();
        let fault = read(Dialect::COMPATIBLE, status, &[], &body).unwrap_err();
        assert!(fault.message.contains("takes no images") && fault.message.contains("llm.model"), "{}", fault.message);
    }
    let other = r#"{"error":{"message":"could not process image"}}"#;
    assert!(!read(Dialect::COMPATIBLE, 400, &[], other).unwrap_err().message.contains("takes no images"));
}

#[test]
fn a_body_of_any_bytes_is_classified_by_its_status() {
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..1000 {
        let body: String = (0..random.usize(..300)).map(|_| random.char(..)).collect();
        assert_eq!(read(Dialect::OPENAI, 429, &[], &body).unwrap_err().code, FailureCode::RateLimited);
        for status in (500..600).filter(|status| n == 0 || *status == 500 + n % 100) {
            let class = read(Dialect::OPENAI, status, &[], &body).unwrap_err().class;
            assert_eq!(class == Class::Permanent, matches!(status, 501 | 505), "{status} {body}");
        }
    }
    let huge = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(10_000_000));
    assert_eq!(read(Dialect::OPENAI, 500, &[], &huge).unwrap_err().code, FailureCode::ServerError);
    assert_eq!(read(Dialect::OPENAI, 429, &[], "\u{1f}\u{8b}\u{8}not text").unwrap_err().code, FailureCode::RateLimited);
}

/// Describes docmill's reaction to an error.
///
/// Returns the index of the heading and the text of the row.
fn does(fault: &Fault, form: Option<FormPart>) -> (usize, String) {
    if let Some(form) = form {
        let other = match form {
            FormPart::Limit => "under another name: `max_tokens` or `max_completion_tokens`",
            FormPart::StreamUsage => "without `stream_options`",
            FormPart::Cache => "without the fields of the prompt cache",
            FormPart::Store => "without `store`",
            FormPart::Detail => "without the detail of images",
            FormPart::Effort => "without `llm.effort`",
            FormPart::Schema => "with the schema in the prompt",
            FormPart::Role => "with the instructions in another place",
            FormPart::Blocks => "with the content as one text",
            FormPart::Strict => "without `strict`",
            FormPart::NoStream => "without `stream`",
        };
        return (0, format!("sends it {other}"));
    }
    let wait = fault.wait().map_or_else(|| "a growing wait".to_owned(), |wait| format!("{} s", wait.as_secs_f64()));
    let slower = match fault.pressure {
        Pressure::None => "",
        Pressure::Rate => ", and learns the limit",
        Pressure::Ramp => ", and goes back to a lower rate",
        Pressure::Overload | Pressure::Capacity => ", and sends less at a time",
    };
    match (&fault.class, fault.code) {
        (Class::RunFatal(StopKind::Refused), _) => (2, "stops the run (exit code 5)".to_owned()),
        (Class::RunFatal(_), _) => (2, "stops the run (exit code 4)".to_owned()),
        (Class::Denied, _) => (2, "stops the run; if the model has answered before: row `rejected`".to_owned()),
        (Class::Refused { .. }, code) => (1, format!("repeats after {wait}{slower}; at last: row `{code}`")),
        (Class::BadReply | Class::Ambiguous | Class::NotSent, code) => (1, format!("asks again; at last: row `{code}`")),
        (Class::Permanent, FailureCode::TooLong) => (3, "row `too_long`".to_owned()),
        (Class::Permanent, FailureCode::Filtered | FailureCode::Refused) => (4, format!("row `{}`", fault.code)),
        (Class::Permanent, code) => (5, format!("row `{code}`")),
    }
}

const HEADINGS: [&str; 6] = [
    "The form of the request is not taken",
    "Trouble that passes",
    "The account, the key or the model",
    "The document is too long",
    "The document is filtered",
    "The document or the request is rejected",
];

fn tables() -> String {
    let mut sections: [String; 6] = Default::default();
    for wording in wordings() {
        let fault = wording.classified();
        let (_, error) = fault.message.split_once(' ').unwrap_or_default();
        let error = error.split_once(": ").map_or(error, |(_, error)| error);
        let error: String = error.chars().filter(|c| !c.is_control()).map(|c| if "|`<>".contains(c) { ' ' } else { c }).collect();
        let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = error.chars().take(90).collect();
        let more = if short.len() < error.len() { "…" } else { "" };
        let (section, does) = does(&fault, wording.form);
        let _infallible = writeln!(sections[section], "| {} | {} | {short}{more} | {does} |", wording.provider, wording.status);
    }
    let sections = HEADINGS.iter().zip(sections);
    let sections =
        sections.map(|(heading, rows)| format!("## {heading}\n\n| provider | status | wording | docmill |\n|---|---|---|---|\n{rows}"));
    let ends: String = finish::described().map(|row| format!("| {} |\n", row.join(" | "))).collect();
    let ends = format!("{ENDS}| is one of these words | or has one of these parts | docmill |\n|---|---|---|\n{ends}");
    sections.chain([ends]).collect::<Vec<_>>().join("\n")
}

/// The text above the table of finish reasons.
const ENDS: &str = "## How an answer ends\n\nA response with status 200 names the reason why the model stopped (`finish_reason`, `stop_reason`,\n\
    `finishReason` or `status`). docmill ignores case, `-`, `_` and blanks in it, and applies the first\nrow that matches. `ERROR_LIMIT` \
    is a token limit. An unknown reason matters only if there is no\ntext. docmill then asks again; if that fails: row `bad_reply`.\n\n";

/// With `DOCMILL_UPDATE_MANUAL=1`, this test rewrites the page.
#[test]
fn the_page_about_failures_shows_what_the_code_does() {
    const MARK: &str = "<!-- The tables below are made by a test from src/ask/dialect/wordings.toml. -->\n\n";
    let page = include_str!("../../../manual/failures.md");
    let (introduction, _) = page.split_once(MARK).unwrap();
    let made = format!("{introduction}{MARK}{}", tables());
    if std::env::var_os("DOCMILL_UPDATE_MANUAL").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/failures.md"), &made).unwrap();
    } else {
        assert!(page == made, "src/manual/failures.md is stale: run this test with DOCMILL_UPDATE_MANUAL=1");
    }
}
