//! The form of requests to one model, learned from complaints.
//!
//! Servers with the same dialect accept different features, and so do models of one server. If a
//! server calls a feature unknown, docmill omits it in later requests or sends it in another way.

use super::complaint::Complaint;
use super::form::{Form, FormPart, LimitName, Role, SchemaStyle};
use crate::model::{Call, MessagePart, Schema};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The parts of a request that depend on the attempt.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    /// Output tokens beyond the answer's limit.
    ///
    /// They are for thinking, or for a retry after a truncated answer.
    pub room: u32,
    /// Message to the model about the error in its last answer.
    pub note: Option<&'a str>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the provider should cache the shared start of the prompt.
    pub cache: bool,
    /// The form of requests to this model.
    pub shape: &'a Shape,
}

/// The form of requests to one model.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "unrelated parts of the form")]
pub struct Shape {
    pub(super) usual: &'static Form,
    /// The name of the token limit.
    pub limit: LimitName,
    /// The place of the instructions.
    pub role: Role,
    /// The way to send the schema of the answer.
    pub schema: SchemaStyle,
    /// Whether the thinking effort is sent.
    pub effort: bool,
    /// Whether fields for the prompt cache are sent.
    pub cache: bool,
    /// Whether streaming requests ask for the usage.
    pub stream_usage: bool,
    /// Whether `store = false` is sent, so that the server stores nothing.
    pub store: bool,
    /// Whether the detail level of images is sent.
    pub detail: bool,
    /// Whether the schema is marked as strict.
    pub strict: bool,
    /// Whether `stream = false` is sent.
    pub no_stream: bool,
    /// Whether text-only content may be sent as blocks.
    pub blocks: bool,
    /// Fields of `llm.body`, which override ours.
    pub body: Arc<Map<String, Value>>,
}

/// A part of the form that a request uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Feature {
    /// The token limit under this name.
    Limit(LimitName),
    /// The instructions in this place.
    Role(Role),
    /// The schema of this task in this style.
    Schema(SchemaStyle, Arc<str>),
    /// The thinking effort.
    Effort,
    /// Fields for the prompt cache.
    Cache,
    /// The option to report usage in a stream.
    StreamUsage,
    /// `store = false`.
    Store,
    /// The detail level of images.
    Detail,
    /// The flag that makes the schema strict.
    Strict,
    /// `stream = false`.
    NoStream,
    /// Text as blocks.
    Blocks,
    /// A field of `llm.body`.
    Further(String),
}

impl Feature {
    /// Whether a complaint is about this feature.
    pub fn is_meant(&self, complaint: &Complaint) -> bool {
        let about = |part| complaint.is_about(part);
        match self {
            Self::Limit(name) => complaint.names(name.as_str()),
            // The tier is never dropped, because that would change the price.
            Self::Further(field) => !is_tier(field) && complaint.names(&field.to_lowercase()),
            Self::Role(_) => about(FormPart::Role),
            Self::Schema(..) => about(FormPart::Schema),
            Self::Effort => about(FormPart::Effort),
            Self::Cache => about(FormPart::Cache),
            Self::StreamUsage => about(FormPart::StreamUsage),
            Self::Store => about(FormPart::Store),
            Self::Detail => about(FormPart::Detail),
            Self::Strict => about(FormPart::Strict),
            Self::NoStream => about(FormPart::NoStream),
            Self::Blocks => about(FormPart::Blocks),
        }
    }
}

fn is_tier(field: &str) -> bool {
    field.to_ascii_lowercase().replace('_', "").contains("servicetier")
}

impl Shape {
    /// Creates the usual form for a model, with the fields of `llm.body`.
    pub fn new(usual: &'static Form, model: &str, body: Map<String, Value>) -> Self {
        let has = |part| usual.has(part);
        Self {
            usual,
            limit: usual.limit,
            role: usual.roles.first().copied().unwrap_or(Role::User),
            schema: usual.schemas.first().copied().unwrap_or(SchemaStyle::Prompt),
            effort: true,
            cache: usual.caching_models.iter().any(|beginning| model.starts_with(beginning)),
            stream_usage: has(FormPart::StreamUsage),
            store: has(FormPart::Store),
            detail: has(FormPart::Detail),
            strict: has(FormPart::Strict),
            no_stream: has(FormPart::NoStream),
            blocks: has(FormPart::Blocks),
            body: Arc::new(body),
        }
    }

    /// The features that a request uses, in the order of dropping.
    pub fn features(&self, call: &Call, extra: &Extra<'_>) -> Vec<Feature> {
        let text_alone = call.parts.iter().all(|part| matches!(part, MessagePart::Text(_)));
        let marked = extra.cache && self.cache && call.shared > 0;
        let used = [
            (self.usual.has(FormPart::Limit), Feature::Limit(self.limit)),
            (extra.stream && self.stream_usage, Feature::StreamUsage),
            (!extra.stream && self.no_stream, Feature::NoStream),
            (self.cache && (extra.cache || self.usual.always_cache_fields), Feature::Cache),
            (self.store, Feature::Store),
            (!text_alone && self.detail, Feature::Detail),
            (call.effort.is_some() && self.effort, Feature::Effort),
            (self.schema == SchemaStyle::Native && self.strict, Feature::Strict),
            (true, Feature::Schema(self.schema, Arc::clone(&call.task))),
            (!call.system.is_empty() && self.role != Role::User, Feature::Role(self.role)),
            (text_alone && self.blocks && (marked || self.usual.always_blocks), Feature::Blocks),
        ];
        let further = self.body.keys().map(|field| Feature::Further(field.clone()));
        further.chain(used.into_iter().filter_map(|(used, feature)| used.then_some(feature))).collect()
    }

    /// Drops `feature` if `complaint` is about it. Returns a description.
    ///
    /// `refused` excludes replacements. Returns `None` if the complaint is about something else, or
    /// if no replacement is left.
    pub fn drop_feature(&mut self, feature: &Feature, complaint: &Complaint, refused: impl Fn(&Feature) -> bool) -> Option<String> {
        if !feature.is_meant(complaint) {
            return None;
        }
        let change = match feature {
            Feature::Limit(name) => {
                let free = |other: &&LimitName| **other != *name && !refused(&Feature::Limit(**other));
                let others = || LimitName::ALL.iter().filter(free);
                let named = others().find(|other| complaint.mentions(other.as_str()));
                // The name `max_output_tokens` is tried only if the server mentions it.
                self.limit = *named.or_else(|| others().find(|other| **other != LimitName::MaxOutputTokens))?;
                return Some(format!("docmill sends the token limit as {}", self.limit.as_str()));
            }
            Feature::Role(role) => {
                let only_user =
                    complaint.mentions("must alternate") || complaint.mentions("only user*") || complaint.mentions("start with a user");
                let other = match role {
                    Role::Developer => Role::System,
                    _ if self.usual.roles.contains(&Role::Developer) && complaint.mentions("developer") => Role::Developer,
                    _ => Role::User,
                };
                self.role = if only_user || refused(&Feature::Role(other)) { Role::User } else { other };
                match self.role {
                    Role::Developer => "docmill sends instructions with the role developer",
                    Role::System => "docmill sends instructions with the role system",
                    Role::User => "docmill sends instructions at the beginning of the user's message",
                }
            }
            Feature::Schema(SchemaStyle::Prompt, _) => return None,
            Feature::Schema(style, _) => {
                let whole_field =
                    complaint.names("response_format") && !complaint.mentions("json_schema") && !complaint.mentions("schema*");
                let has_mode = self.usual.schemas.contains(&SchemaStyle::Json);
                let json_mode = *style == SchemaStyle::Native && has_mode && !whole_field;
                self.schema = if json_mode { SchemaStyle::Json } else { SchemaStyle::Prompt };
                if json_mode { "docmill sends the schema in the prompt" } else { "docmill sends the schema only in the prompt" }
            }
            Feature::Effort => {
                self.effort = false;
                "docmill leaves out llm.effort"
            }
            Feature::Cache => {
                self.cache = false;
                "docmill does not use the prompt cache"
            }
            Feature::StreamUsage => {
                self.stream_usage = false;
                "docmill leaves out stream_options, so the usage of streams may be unknown"
            }
            Feature::Store => {
                self.store = false;
                "docmill leaves out store = false, so the server may keep requests"
            }
            Feature::Detail => {
                self.detail = false;
                "docmill leaves out the detail of images"
            }
            Feature::Strict => {
                self.strict = false;
                "docmill does not mark the schema as strict"
            }
            Feature::NoStream => {
                self.no_stream = false;
                "docmill leaves out stream = false"
            }
            Feature::Blocks => {
                self.blocks = false;
                "docmill sends content as one text"
            }
            Feature::Further(field) => {
                Arc::make_mut(&mut self.body).shift_remove(field)?;
                return Some(format!("docmill leaves out {field} (llm.body)"));
            }
        };
        Some(change.to_owned())
    }

    /// Restores a feature. `usual` is the form at the start of the run.
    pub fn restore(&mut self, feature: &Feature, usual: &Self) {
        match feature {
            Feature::Limit(name) => self.limit = *name,
            Feature::Role(role) => self.role = *role,
            Feature::Schema(style, _) => self.schema = *style,
            Feature::Effort => self.effort = true,
            Feature::Cache => self.cache = true,
            Feature::StreamUsage => self.stream_usage = true,
            Feature::Store => self.store = true,
            Feature::Detail => self.detail = true,
            Feature::Strict => self.strict = true,
            Feature::NoStream => self.no_stream = true,
            Feature::Blocks => self.blocks = true,
            Feature::Further(field) => {
                if let Some(value) = usual.body.get(field) {
                    Arc::make_mut(&mut self.body).insert(field.clone(), value.clone());
                }
            }
        }
    }

    /// The prompt text about the schema, if the style needs it.
    pub(super) fn instruction(&self, schema: &Schema) -> Option<String> {
        (self.schema != SchemaStyle::Native)
            .then(|| format!("Answer with one JSON object and nothing else. It must satisfy this JSON schema:\n{}", schema.text()))
    }

    /// The instructions, if they are sent separately.
    pub(super) fn system<'c>(&self, call: &'c Call) -> Option<&'c str> {
        Some(&*call.system).filter(|system| !system.is_empty() && self.role != Role::User)
    }

    /// The instructions, if they are part of the user's message.
    pub(super) fn merged<'c>(&self, call: &'c Call) -> Option<&'c str> {
        Some(&*call.system).filter(|system| !system.is_empty() && self.role == Role::User)
    }
}
