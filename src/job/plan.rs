//! Turns a prepared document into calls.

use super::shared_parts::SharedParts;
use super::{Job, Task, Variant};
use crate::model::{Call, Chunk, Content, ContentBlock, Failure, FailureCode, Fence, FenceMark, MessagePart, Want};
use minijinja::{Environment, UndefinedBehavior, escape_formatter};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The prompt of one variant, rendered at load time or per document.
#[derive(Debug)]
pub(super) enum Prompt {
    /// The same for all documents. The document goes in front as a separate part.
    Fixed(Arc<str>),
    /// Uses the document, or columns of its row.
    Late {
        template: Box<Template>,
        /// Whether the prompt contains `{{ document }}`; a text document then goes there.
        has_document: bool,
        /// The prompt for a call without the document, such as a merge.
        asks: String,
    },
}

/// A compiled template with all values except the document's.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    values: Map<String, Value>,
}

/// Maximum steps of a template. A loop over 10,000 values takes far fewer.
const MOST_STEPS: u64 = 10_000_000;
/// Maximum bytes that a template may write beyond a few times the length of its values.
const MOST_BYTES: usize = 16 << 20;
const TIMES: usize = 4;

/// Value of `{{ document }}` if the document is an image, or contains images.
const ATTACHED_IMAGE: &str = "(the attached image)";
const ATTACHED_DOCUMENT: &str = "(the document above)";

impl Template {
    /// Compiles `source`. Its variables must be among `values` and `later`.
    pub fn new(source: &str, values: Map<String, Value>, later: &[&str]) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        environment.set_fuel(Some(MOST_STEPS));
        // An empty column renders as an empty text, and not as "none".
        environment.set_formatter(|out, state, value| if value.is_none() { Ok(()) } else { escape_formatter(out, state, value) });
        environment.add_template_owned("prompt", source.to_owned()).map_err(|e| in_words(&e))?;
        let template = Self { environment, values };
        let is_known = |name: &String| template.values.contains_key(name) || later.contains(&name.as_str()) || is_global(name);
        let mut unknown: Vec<String> = template.variables()?.into_iter().filter(|name| !is_known(name)).collect();
        if unknown.is_empty() {
            return Ok(template);
        }
        unknown.sort();
        let known: Vec<&str> = later.iter().copied().chain(template.values.keys().map(String::as_str)).collect();
        let variables = if unknown.len() == 1 { "variable" } else { "variables" };
        Err(format!("the template uses the unknown {variables} `{}`; expected {}", unknown.join("`, `"), known.join(", ")))
    }

    fn variables(&self) -> Result<std::collections::HashSet<String>, String> {
        let template = self.environment.get_template("prompt").map_err(|e| e.to_string())?;
        Ok(template.undeclared_variables(false))
    }

    fn row_columns(&self) -> RowColumns {
        let nested = self.environment.get_template("prompt").map(|template| template.undeclared_variables(true)).unwrap_or_default();
        let of_rows = nested.iter().filter_map(|name| if name == "row" { Some("") } else { name.strip_prefix("row.") });
        let columns: BTreeSet<String> = of_rows.map(|rest| rest.split('.').next().unwrap_or_default().to_owned()).collect();
        // A row used without a column name, as in a loop, may use any column.
        if columns.contains("") { RowColumns::All } else { RowColumns::Named(columns) }
    }

    pub fn mentions(&self, name: &str) -> bool {
        self.variables().is_ok_and(|v| v.contains(name))
    }

    /// Renders the template with made-up values. Errors that depend on the values, such as a failed
    /// calculation, are ignored.
    pub fn try_out(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Result<(), String> {
        use minijinja::ErrorKind::{BadSerialization, CannotUnpack, InvalidOperation};
        match self.rendered(more) {
            Err(e) if !matches!(e.kind(), BadSerialization | CannotUnpack | InvalidOperation) => Err(in_words(&e)),
            _ => Ok(()),
        }
    }

    /// Renders the template with `more`. Values are data: braces in them are never template code.
    pub fn render(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Result<String, String> {
        self.rendered(more).map_err(|e| in_words(&e))
    }

    fn rendered(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Result<String, minijinja::Error> {
        let (mut values, mut most) = (self.values.clone(), MOST_BYTES);
        for (name, value) in more {
            most += TIMES * value.as_str().map_or(0, str::len);
            values.insert(name.to_owned(), value);
        }
        let mut written = Limited { bytes: Vec::new(), most };
        let rendered =
            self.environment.get_template("prompt")?.render_captured_to(minijinja::value::Serde(&values), &mut written).map(drop);
        match rendered {
            Err(error) if error.kind() == minijinja::ErrorKind::WriteFailure => {
                let why = format!("it would write more than {} MiB", most >> 20);
                Err(minijinja::Error::new(minijinja::ErrorKind::WriteFailure, why))
            }
            Err(error) => Err(error),
            // The engine writes texts.
            Ok(()) => Ok(String::from_utf8_lossy(&written.bytes).into_owned()),
        }
    }
}

/// Text up to a limit.
struct Limited {
    bytes: Vec<u8>,
    most: usize,
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An error of a template in one line: the line of the template, and what is wrong.
fn in_words(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind::{OutOfFuel, SyntaxError, WriteFailure};
    let line = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    let code = error.range().zip(error.template_source()).and_then(|(range, source)| source.get(range)).map(str::trim);
    let code = code.filter(|code| !code.is_empty() && !code.contains('\n'));
    match (error.kind(), error.detail(), code) {
        (SyntaxError, Some(detail), code) => {
            let place = code.filter(|code| !detail.contains(code)).map_or_else(String::new, |code| format!(" at `{code}`"));
            let detail = detail.replace('`', "\"").replace("end of variable block", "\"}}\"").replace(", expected", "; expected");
            format!("{line}{detail}{place}")
        }
        (OutOfFuel, ..) => format!("{line}the template takes more than {MOST_STEPS} steps. Shorten its loops"),
        (WriteFailure, Some(detail), _) => format!("{line}the template is too long: {detail}. Shorten its loops"),
        (kind, Some(detail), _) => format!("{line}{kind}: {detail}"),
        (kind, None, Some(code)) => format!("{line}{kind} at `{code}`"),
        (kind, None, None) => format!("{line}{kind}"),
    }
}

fn is_global(name: &str) -> bool {
    matches!(name, "range" | "dict" | "namespace" | "debug")
}

impl Prompt {
    pub fn new(source: &str, values: Map<String, Value>) -> Result<Self, String> {
        let template = Template::new(source, values, &["document", "row"])?;
        let has_document = template.mentions("document");
        if template.mentions("row") {
            return Ok(Self::Late { template: Box::new(template), has_document, asks: source.to_owned() });
        }
        if has_document {
            // Rendered at load time too, so that a broken prompt fails before the first document.
            let asks = template.render([("document", Value::String("(the document)".into()))])?;
            return Ok(Self::Late { template: Box::new(template), has_document, asks });
        }
        Ok(Self::Fixed(template.render([])?.into()))
    }

    /// The prompt for a call without the document, such as a merge.
    pub fn asks(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Late { asks, .. } => asks,
        }
    }

    /// The table columns that the prompt uses.
    fn columns(&self) -> RowColumns {
        match self {
            Self::Fixed(_) => RowColumns::default(),
            Self::Late { template, .. } => template.row_columns(),
        }
    }
}

/// The chunks that each task's calls are about.
#[derive(Debug, Clone)]
pub struct Chunks {
    /// Divisions of the document. Most documents have one division with one chunk.
    pub sets: Vec<Vec<Chunk>>,
    /// Index into `sets` for each task.
    pub of_task: Vec<usize>,
    /// Whether the texts have marks of pages.
    pub paged: bool,
}

/// The table columns that prompts use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowColumns {
    /// Only these columns.
    Named(BTreeSet<String>),
    /// All columns.
    All,
}

impl Default for RowColumns {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl RowColumns {
    /// The columns of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Named(mut one), Self::Named(other)) => {
                one.extend(other);
                Self::Named(one)
            }
            _ => Self::All,
        }
    }
}

impl Job {
    /// The table columns that the job's prompts use.
    pub fn row_columns(&self) -> RowColumns {
        let prompts = self.tasks.iter().flat_map(|task| task.variants.iter().map(|variant| &variant.prompt));
        prompts.map(Prompt::columns).fold(RowColumns::default(), RowColumns::and)
    }

    /// The calls for one document, in the job file's order.
    ///
    /// Calls that merge or combine answers come later. `row` holds the columns of a table row.
    /// `fence` marks the texts of the document.
    pub fn calls(
        &self,
        chunks: &Chunks,
        row: Option<&Map<String, Value>>,
        fence: &Fence,
        model: &str,
        effort: Option<&Arc<str>>,
    ) -> Result<Vec<Call>, Failure> {
        let is_asked = |set: usize| self.tasks.iter().zip(&chunks.of_task).any(|(task, own)| *own == set && task.embed.is_none());
        let parts = |(at, set): (usize, &Vec<Chunk>)| {
            let set = if is_asked(at) { &set[..] } else { &[] };
            set.iter().map(|chunk| SharedParts::new(chunk, fence)).collect()
        };
        let shared: Vec<Vec<SharedParts>> = chunks.sets.iter().enumerate().map(parts).collect();
        let mut calls = Vec::new();
        for (task, &set) in self.tasks.iter().zip(&chunks.of_task) {
            if let Some(embed) = &task.embed {
                calls.extend(embed.calls(task, &chunks.sets[set], chunks.paged));
                continue;
            }
            for (chunk, shared) in chunks.sets[set].iter().zip(&shared[set]) {
                for variant in &task.variants {
                    let (parts, marks) = variant
                        .parts(chunk, shared, row)
                        .map_err(|e| Failure::new(FailureCode::Unrenderable, format!("task {}: cannot render the prompt: {e}", task.id)))?;
                    let tokens = chunk.content.tokens() + wording(&self.system, &parts, &chunk.content, task.shape.schema.text().len());
                    // The document goes first unless the prompt embeds it.
                    let shared = parts.len().saturating_sub(1);
                    calls.push(Call { tokens, shared, place: chunk.place, marks, ..self.call(task, variant, parts, model, effort) });
                }
            }
        }
        if calls.is_empty() {
            return Err(Failure::new(FailureCode::NoText, "the document has no text to embed. Exclude it"));
        }
        if let [alone] = &mut calls[..] {
            alone.shared = 0;
        }
        Ok(calls)
    }

    fn call(&self, task: &Task, variant: &Variant, parts: Vec<MessagePart>, model: &str, effort: Option<&Arc<str>>) -> Call {
        Call {
            task: Arc::clone(&task.id),
            axes: variant.axes.clone(),
            model: task.model.clone().unwrap_or_else(|| model.to_owned()),
            system: Arc::clone(&self.system),
            parts,
            marks: Arc::default(),
            want: Want::Answer { schema: Arc::clone(&task.shape.schema), max_output_tokens: task.max_output_tokens },
            effort: effort.cloned(),
            tokens: 0,
            place: None,
            shared: 0,
        }
    }
}

/// Estimated number of tokens around the document.
fn wording(system: &str, parts: &[MessagePart], content: &Content, schema_bytes: usize) -> u64 {
    let document: usize = content.0.iter().map(|piece| if let ContentBlock::Text(text) = piece { text.body.len() } else { 0 }).sum();
    let texts: usize = parts.iter().map(|part| if let MessagePart::Text(text) = part { text.len() } else { 0 }).sum();
    about_tokens(system.len() + texts.saturating_sub(document) + schema_bytes)
}

/// Estimates the tokens of a text that no tokenizer has counted: four bytes each.
pub(super) fn about_tokens(bytes: usize) -> u64 {
    const BYTES_PER_TOKEN: usize = 4;
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

impl Variant {
    /// The parts of the call on a chunk, and the marks in them.
    fn parts(
        &self,
        chunk: &Chunk,
        shared: &SharedParts,
        row: Option<&Map<String, Value>>,
    ) -> Result<(Vec<MessagePart>, Arc<[FenceMark]>), String> {
        // The part shared by all calls on a document goes first, so that providers can cache it.
        let (template, has_document) = match &self.prompt {
            Prompt::Fixed(prompt) => return Ok(shared.followed_by(Arc::clone(prompt))),
            Prompt::Late { template, has_document, .. } => (template, *has_document),
        };
        let row = ("row", Value::Object(row.cloned().unwrap_or_default()));
        Ok(match (&chunk.content.0[..], &shared.parts[..]) {
            ([ContentBlock::Text(_)], [MessagePart::Text(document)]) if has_document => {
                let rendered = |document: &str| template.render([("document", Value::String(document.to_owned())), row.clone()]);
                let (sent, keyed) = (rendered(document)?, rendered(&FenceMark::keyed(&shared.marks, 0, document))?);
                // A template may change the marks, for example with the filter `upper`.
                let marks = if FenceMark::keyed(&shared.marks, 0, &sent) == keyed {
                    Arc::clone(&shared.marks)
                } else {
                    [FenceMark { part: 0, sent: sent.clone(), keyed }].into()
                };
                (vec![MessagePart::Text(sent.into())], marks)
            }
            (pieces, _) => {
                let attached = if let [ContentBlock::Picture(_)] = pieces { ATTACHED_IMAGE } else { ATTACHED_DOCUMENT };
                let prompt = template.render([("document", Value::String(attached.into())), row])?;
                shared.followed_by(prompt.into())
            }
        })
    }
}
