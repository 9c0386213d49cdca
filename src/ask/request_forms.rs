//! The form of requests that each model accepts, learned during a run.

use super::dialect::{Complaint, Dialect, Feature, SchemaStyle, Shape};
use crate::model::Call;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The forms of all models of a run.
///
/// Drops a feature when the server complains about it before it has answered any request with that
/// feature. A feature is dropped at most once. So one document cannot change the form for others,
/// and requests in flight cannot make the form change back and forth.
#[derive(Debug)]
pub(super) struct Forms {
    dialect: Dialect,
    body: Map<String, Value>,
    models: Mutex<HashMap<String, Learned>>,
}

#[derive(Debug)]
struct Learned {
    usual: Shape,
    shape: Shape,
    /// How each task's schema is sent. A server may reject one schema and accept another.
    schemas: HashMap<Arc<str>, SchemaStyle>,
    worked: HashSet<Feature>,
    refused: HashSet<Feature>,
    answered: bool,
}

/// How a request was sent.
#[derive(Debug, Clone)]
pub(super) struct SentAs {
    pub model: String,
    pub features: Vec<Feature>,
    /// Whether it went to `/v1` although the configured address does not include that.
    pub below_v1: bool,
}

/// What a complaint changes about the form of requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Correction {
    /// Nothing: a repeated request would have the same form.
    None,
    /// Nothing more: another complaint has changed the form since the request was sent.
    Since,
    /// The form changes from now on, as the text describes.
    Now(String),
}

impl Forms {
    pub fn new(dialect: Dialect, body: Map<String, Value>) -> Self {
        Self { dialect, body, models: Mutex::default() }
    }

    fn models(&self) -> MutexGuard<'_, HashMap<String, Learned>> {
        self.models.lock()
    }

    fn learned<T>(&self, model: &str, with: impl FnOnce(&mut Learned) -> T) -> T {
        let mut models = self.models();
        if let Some(learned) = models.get_mut(model) {
            return with(learned);
        }
        let usual = self.dialect.shape(model, self.body.clone());
        let learned = Learned {
            shape: usual.clone(),
            usual,
            schemas: HashMap::new(),
            worked: HashSet::new(),
            refused: HashSet::new(),
            answered: false,
        };
        with(models.entry(model.to_owned()).or_insert(learned))
    }

    /// The form of a request for a call.
    pub fn shape(&self, call: &Call) -> Shape {
        self.learned(&call.model, |learned| {
            let schema = learned.schemas.get(&call.task).copied().unwrap_or(learned.usual.schema);
            let mut shape = learned.shape.clone();
            shape.schema = schema;
            shape
        })
    }

    /// Records that a request was answered, so its form works.
    ///
    /// Restores the features of this request that a complaint about another one had removed, and
    /// returns a note about that.
    pub fn worked(&self, sent: &SentAs) -> Option<String> {
        self.learned(&sent.model, |learned| {
            learned.answered = true;
            let mut again = false;
            for feature in &sent.features {
                if learned.refused.remove(feature) {
                    let usual = learned.usual.clone();
                    learned.shape.restore(feature, &usual);
                    if let Feature::Schema(style, task) = feature {
                        learned.schemas.insert(Arc::clone(task), *style);
                    }
                    again = true;
                }
                if !learned.worked.contains(feature) {
                    learned.worked.insert(feature.clone());
                }
            }
            again.then(|| format!("{}: the server accepts the earlier form of requests after all, so docmill uses it again", sent.model))
        })
    }

    /// Changes the form if the complaint is about it.
    pub fn correct(&self, sent: &SentAs, complaint: &Complaint) -> Correction {
        self.learned(&sent.model, |learned| {
            for feature in sent.features.iter().filter(|feature| feature.is_meant(complaint)) {
                if learned.worked.contains(feature) {
                    continue;
                }
                if learned.refused.contains(feature) {
                    return Correction::Since;
                }
                let mut shape = learned.shape.clone();
                if let Some(change) = shape.drop_feature(feature, complaint, |other| learned.refused.contains(other)) {
                    if let Feature::Schema(_, task) = feature {
                        learned.schemas.insert(Arc::clone(task), shape.schema);
                    }
                    learned.shape = shape;
                    learned.refused.insert(feature.clone());
                    return Correction::Now(change);
                }
            }
            Correction::None
        })
    }

    /// Whether a model has answered in this run.
    pub fn has_answered(&self, model: &str) -> bool {
        self.models().get(model).is_some_and(|learned| learned.answered)
    }

    /// Whether any other model has answered in this run.
    pub fn another_has_answered(&self, model: &str) -> bool {
        self.models().iter().any(|(name, learned)| name != model && learned.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::{Extra, HttpReply, LimitName, Role};
    use super::*;
    use crate::model::{MessagePart, Want};
    use serde_json::json;

    fn call(model: &str, task: &str) -> Call {
        Call {
            task: task.into(),
            axes: Vec::new(),
            model: model.into(),
            system: "be brief".into(),
            parts: vec![MessagePart::Text("a".into())],
            marks: Arc::default(),
            want: Want::Answer { schema: Arc::new(json!({"type": "object"}).into()), max_output_tokens: 100 },
            effort: None,
            tokens: 0,
            place: None,
            shared: 0,
        }
    }

    fn sent(forms: &Forms, call: &Call) -> SentAs {
        let shape = forms.shape(call);
        let extra = Extra { room: 0, note: None, stream: false, cache: false, shape: &shape };
        SentAs { model: call.model.clone(), features: shape.features(call, &extra), below_v1: false }
    }

    fn complain(forms: &Forms, sent: &SentAs, message: &str) -> Correction {
        let body = json!({"error": {"message": message, "type": "invalid_request_error"}}).to_string();
        let reply = HttpReply { status: 400, header: &|_| None, body: body.as_bytes() };
        let fault = Dialect::COMPATIBLE.reply(&reply).unwrap_err();
        fault.complaint.map_or(Correction::None, |complaint| forms.correct(sent, &complaint))
    }

    const LIMIT: &str = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    const SCHEMA: &str = "The provided JSON schema contains features not supported by xgrammar.";

    fn forms() -> Forms {
        Forms::new(Dialect::COMPATIBLE, [("temperature".to_owned(), json!(0.5))].into_iter().collect())
    }

    #[test]
    fn each_model_has_its_form_and_each_task_its_schema_style() {
        let (forms, a, b) = (forms(), call("a", "t"), call("b", "t"));
        assert!(matches!(complain(&forms, &sent(&forms, &a), LIMIT), Correction::Now(_)));
        assert_eq!([forms.shape(&a).limit, forms.shape(&b).limit], [LimitName::MaxCompletionTokens, LimitName::MaxTokens]);
        assert!(matches!(complain(&forms, &sent(&forms, &a), SCHEMA), Correction::Now(_)));
        let styles = [&a, &call("a", "other"), &b].map(|call| forms.shape(call).schema);
        assert_eq!(styles, [SchemaStyle::Json, SchemaStyle::Native, SchemaStyle::Native]);
    }

    #[test]
    fn requests_in_flight_change_a_form_once_and_an_answer_restores_it() {
        let (forms, call) = (forms(), call("m", "t"));
        let in_flight: Vec<SentAs> = (0..32).map(|_| sent(&forms, &call)).collect();
        let corrections: Vec<Correction> = in_flight.iter().map(|sent| complain(&forms, sent, SCHEMA)).collect();
        assert!(matches!(corrections[0], Correction::Now(_)) && corrections[1..].iter().all(|c| *c == Correction::Since));
        // One of them is answered: the complaint was about its document, and later complaints
        // change nothing.
        assert!(forms.worked(&in_flight[0]).is_some());
        assert_eq!(forms.shape(&call).schema, SchemaStyle::Native);
        assert_eq!(complain(&forms, &sent(&forms, &call), SCHEMA), Correction::None);
        assert!(forms.worked(&in_flight[1]).is_none());
        assert_eq!(complain(&forms, &sent(&forms, &call), LIMIT), Correction::None, "the name of the limit has worked as well");
    }

    #[test]
    fn each_feature_is_dropped_at_most_once() {
        let (forms, call) = (forms(), call("m", "t"));
        let messages = [
            "Unsupported parameter: 'temperature' is not supported with this model.",
            LIMIT,
            "Unknown field max_completion_tokens",
            "response_format json_schema is not supported",
            "Unknown parameter: 'response_format'",
            "Unknown parameter: 'response_format'",
            "System role not supported",
            "Only user and assistant roles are supported!",
            "max_tokens and max_completion_tokens are not supported",
        ];
        let changed: Vec<bool> =
            messages.iter().map(|message| matches!(complain(&forms, &sent(&forms, &call), message), Correction::Now(_))).collect();
        assert_eq!(changed, [true, true, false, true, true, false, true, false, false]);
        let shape = forms.shape(&call);
        assert_eq!((shape.limit, shape.schema, shape.role), (LimitName::MaxCompletionTokens, SchemaStyle::Prompt, Role::User));
        assert!(shape.body.is_empty());
    }

    #[test]
    fn a_server_that_refuses_one_word_keeps_the_rest_of_the_form() {
        for dialect in [Dialect::COMPATIBLE, Dialect::OPENAI, Dialect::RESPONSES] {
            let (forms, call) = (Forms::new(dialect, Map::new()), call("m", "t"));
            for message in ["Unknown parameter: 'strict'", "Unknown parameter: 'stream'"] {
                assert!(matches!(complain(&forms, &sent(&forms, &call), message), Correction::Now(_)), "{message}");
            }
            let shape = forms.shape(&call);
            let body = |stream| {
                let extra = Extra { room: 0, note: None, stream, cache: false, shape: &shape };
                String::from_utf8(dialect.request(&call, &extra).into_pieces().concat()).unwrap()
            };
            assert!(body(false).contains("json_schema") && !body(false).contains("strict") && !body(false).contains("\"stream\""));
            assert!(body(true).contains("\"stream\":true"), "a request for a stream keeps the field");
        }
        let (forms, call) = (Forms::new(Dialect::COMPATIBLE, Map::new()), call("m", "t"));
        let before = forms.shape(&call);
        assert!(!matches!(complain(&forms, &sent(&forms, &call), "Unknown parameter: 'stream_options'"), Correction::Now(_)));
        assert_eq!(forms.shape(&call), before);
    }

    #[test]
    fn errors_about_a_document_change_no_form() {
        let (forms, call) = (forms(), call("m", "t"));
        let usual = forms.shape(&call);
        for message in [
            "Invalid request: response_format grammar sampler failed on this prompt",
            "input length and `max_tokens` exceed context limit: 199000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
            "max_tokens is too large: 200000. This model supports at most 16384 completion tokens.",
            "response_format: the content filter does not allow this document",
            "temperature of the steel in your document is not supported by our policy",
            "Failed to advance FSM: token 13 is not allowed by the grammar",
            "messages[1].content: string too long",
            "the system prompt and this document exceed the length that is supported",
        ] {
            assert_eq!(complain(&forms, &sent(&forms, &call), message), Correction::None, "{message}");
        }
        assert_eq!(forms.shape(&call), usual);
    }

    #[test]
    fn instructions_without_a_role_stand_first_in_the_message() {
        for &dialect in Dialect::ALL {
            let call = call("m", "t");
            let mut shape = dialect.shape("m", Map::new());
            shape.role = Role::User;
            let extra = Extra { room: 0, note: None, stream: false, cache: false, shape: &shape };
            let body: Vec<u8> = dialect.request(&call, &extra).into_pieces().concat();
            let text = String::from_utf8(body).unwrap();
            let (instructions, document) = (text.find("be brief").unwrap(), text.find("\"a\"").or_else(|| text.find("\\n\\na")).unwrap());
            assert!(instructions < document && text.matches("be brief").count() == 1, "{text}");
            for place in ["\"system\"", "\"developer\"", "instructions", "systemInstruction"] {
                assert!(!text.contains(place), "{text}");
            }
        }
    }
}
