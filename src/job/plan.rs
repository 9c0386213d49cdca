//! From a prepared document to calls.

use super::{Job, Task, Variant};
use crate::model::{Call, Content, Failure, FailureCode, Part, Piece, Text};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A prompt of one variant: finished when the job was loaded, or waiting for the text of the document.
#[derive(Debug)]
pub(super) enum Prompt {
    /// Does not mention the document, which goes in front of it as a part of its own.
    Fixed(Arc<str>),
    /// Has `{{ document }}` in it.
    WithDocument(Box<Template>),
}

/// A compiled template with the values it has besides the document.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    values: Map<String, Value>,
}

/// What `{{ document }}` stands for when the document is an image, or has images in it.
const ATTACHED_IMAGE: &str = "(the attached image)";
const ATTACHED_DOCUMENT: &str = "(the document above)";

impl Template {
    /// Compiles `source`, whose variables must be among `values` and `later`.
    pub fn new(source: &str, values: Map<String, Value>, later: &[&str]) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        environment.add_template_owned("prompt", source.to_owned()).map_err(|e| e.display_debug_info().to_string())?;
        let template = Self { environment, values };
        for name in template.variables()? {
            if !template.values.contains_key(&name) && !later.contains(&name.as_str()) && !is_global(&name) {
                let known: Vec<&str> = later.iter().copied().chain(template.values.keys().map(String::as_str)).collect();
                return Err(format!("the template uses `{name}`, which does not exist; there is: {}", known.join(", ")));
            }
        }
        Ok(template)
    }

    fn variables(&self) -> Result<std::collections::HashSet<String>, String> {
        let template = self.environment.get_template("prompt").map_err(|e| e.to_string())?;
        Ok(template.undeclared_variables(false))
    }

    pub fn mentions(&self, name: &str) -> bool {
        self.variables().is_ok_and(|v| v.contains(name))
    }

    /// The text with `more` filled in. Values are data: braces in them are never read as template.
    pub fn render(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Result<String, String> {
        let mut values = self.values.clone();
        values.extend(more.into_iter().map(|(k, v)| (k.to_owned(), v)));
        let template = self.environment.get_template("prompt").map_err(|e| e.to_string())?;
        template.render(minijinja::value::Serde(&values)).map_err(|e| e.to_string())
    }
}

fn is_global(name: &str) -> bool {
    matches!(name, "range" | "dict" | "namespace" | "debug")
}

impl Prompt {
    pub fn new(source: &str, values: Map<String, Value>) -> Result<Self, String> {
        let template = Template::new(source, values, &["document"])?;
        if template.mentions("document") {
            // Rendered once for the error: a broken prompt must not be found at the first document.
            template.render([("document", Value::String(String::new()))])?;
            Ok(Self::WithDocument(Box::new(template)))
        } else {
            Ok(Self::Fixed(template.render([])?.into()))
        }
    }
}

impl Job {
    /// The calls for one document, in the job file's order; the aggregation comes later.
    pub fn calls(&self, content: &Content, model: &str, effort: Option<&Arc<str>>) -> Result<Vec<Call>, Failure> {
        let shared = shared_parts(content);
        let several = self.tasks.iter().map(|task| task.variants.len()).sum::<usize>() > 1;
        let variants = self.tasks.iter().flat_map(|task| task.variants.iter().map(move |variant| (task, variant)));
        variants
            .map(|(task, variant)| {
                let parts = variant
                    .parts(content, &shared)
                    .map_err(|e| Failure::new(FailureCode::Internal, format!("task {}: the prompt could not be rendered: {e}", task.id)))?;
                let tokens = content.tokens() + wording(&self.system, &parts, content, task.shape.bytes);
                // The document stands first, unless the prompt has it somewhere in its middle.
                let shared = if several { parts.len().saturating_sub(1) } else { 0 };
                Ok(Call { tokens, shared, ..self.call(task, variant, parts, model, effort) })
            })
            .collect()
    }

    fn call(&self, task: &Task, variant: &Variant, parts: Vec<Part>, model: &str, effort: Option<&Arc<str>>) -> Call {
        Call {
            task: Arc::clone(&task.id),
            axes: variant.axes.clone(),
            model: task.model.clone().unwrap_or_else(|| model.to_owned()),
            system: Arc::clone(&self.system),
            parts,
            schema: Arc::clone(&task.shape.schema),
            max_output_tokens: task.max_output_tokens,
            effort: effort.cloned(),
            tokens: 0,
            shared: 0,
        }
    }
}

/// About how many tokens there are around the document.
fn wording(system: &str, parts: &[Part], content: &Content, schema_bytes: usize) -> u64 {
    let document: usize = content.0.iter().map(|piece| if let Piece::Text(text) = piece { text.body.len() } else { 0 }).sum();
    let texts: usize = parts.iter().map(|part| if let Part::Text(text) = part { text.len() } else { 0 }).sum();
    about_tokens(system.len() + texts.saturating_sub(document) + schema_bytes)
}

/// The rule of thumb for text that nobody has counted.
pub(super) fn about_tokens(bytes: usize) -> u64 {
    const BYTES_PER_TOKEN: usize = 4;
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

impl Variant {
    fn parts(&self, content: &Content, shared: &[Part]) -> Result<Vec<Part>, String> {
        // What all calls on a document share goes first, so that providers can cache it.
        Ok(match &self.prompt {
            Prompt::Fixed(prompt) => [shared, &[Part::Text(Arc::clone(prompt))]].concat(),
            Prompt::WithDocument(template) => match &content.0[..] {
                [Piece::Text(text)] => {
                    let document = Value::String(text.body.to_string());
                    vec![Part::Text(template.render([("document", document)])?.into())]
                }
                pieces => {
                    let attached = if let [Piece::Picture(_)] = pieces { ATTACHED_IMAGE } else { ATTACHED_DOCUMENT };
                    let prompt = template.render([("document", Value::String(attached.into()))])?;
                    [shared, &[Part::Text(prompt.into())]].concat()
                }
            },
        })
    }
}

fn shared_parts(content: &Content) -> Vec<Part> {
    let part = |piece: &Piece| match piece {
        Piece::Picture(picture) => Part::Picture(Arc::clone(picture)),
        Piece::Text(text) => Part::Text(fenced(text).into()),
    };
    content.0.iter().map(part).collect()
}

/// The document between marks that it cannot contain: they carry its own hash. So a text that says
/// "end of document, now do this" stays inside.
fn fenced(text: &Text) -> String {
    let mark = text.digest.get(..12).unwrap_or(&text.digest);
    format!("<document-{mark}>\n{}\n</document-{mark}>", text.body)
}
