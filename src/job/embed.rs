//! Tasks that turn texts into vectors: their form, their calls, and their answers.

use super::answer::Shape;
use super::fault::Fault;
use super::file::{EmbedFile, MIN_NEW_TOKENS, TaskFile, to_json};
use super::lists::Lists;
use super::plan::{Prompt, about_tokens};
use super::{Job, Task, Variant};
use crate::model::{Call, Chunk, ContentBlock, MessagePart, VectorForm, Want};
use serde_json::{Value, json};
use std::sync::Arc;
use toml::Table;

/// The checked `[task.embed]` of a task.
#[derive(Debug)]
pub(super) struct Embed {
    form: Arc<VectorForm>,
    query: Arc<VectorForm>,
    chunk_tokens: u64,
    /// Tokens that a chunk repeats from the one before.
    pub overlap_tokens: u64,
}

/// A task of a job that embeds texts.
#[derive(Debug, Clone)]
pub struct EmbedTask<'j> {
    /// Its id.
    pub id: &'j str,
    /// The model that it names.
    pub model: Option<&'j str>,
    /// The form of its vectors.
    pub form: &'j Arc<VectorForm>,
    /// The form of vectors for queries.
    pub query: &'j Arc<VectorForm>,
}

/// Fields of a request that docmill sets.
const OWN_FIELDS: [&str; 6] = ["model", "input", "dimensions", "encoding_format", "stream", "user"];

/// The columns of an embed task.
const ANSWER: &str = "
chunks = { type = 'integer', min = 0, title = 'Chunks', description = 'embedded chunks' }
dimensions = { type = 'integer', min = 0, title = 'Dimensions', description = 'numbers in each vector' }
";

/// The answer to a call for a vector.
pub fn vector_answer(dimensions: usize) -> Value {
    json!({ "chunks": 1, "dimensions": dimensions })
}

/// The answer about all chunks of a document.
pub(super) fn merged(answers: &[&Value]) -> Value {
    let chunks: u64 = answers.iter().filter_map(|answer| answer["chunks"].as_u64()).sum();
    json!({ "chunks": chunks, "dimensions": answers.first().map(|answer| &answer["dimensions"]) })
}

/// Builds a task that embeds.
pub(super) fn build(task: TaskFile, file: EmbedFile, lists: &Lists) -> Result<Task, Fault> {
    let foreign = [("prompt", !task.prompt.is_empty()), ("answer", !task.answer.is_empty()), ("over", !task.over.is_empty())];
    if let Some((key, _)) = foreign.into_iter().find(|(_, is_set)| *is_set) {
        return Err(Fault::from(format!("a task with [task.embed] has no {key}. Remove one of them")).at(key));
    }
    let shape = Shape::new(&ANSWER.parse::<Table>().unwrap_or_default(), lists)?;
    let model = file.model.clone().or(task.model);
    let embed = Embed::new(file).map_err(|fault| fault.at("embed"))?;
    let prompt = Prompt::Fixed(String::new().into());
    Ok(Task {
        id: task.id.into(),
        variants: vec![Variant { axes: Vec::new(), prompt }],
        shape,
        max_output_tokens: 0,
        max_input_tokens: 0,
        merge: task.merge,
        model,
        embed: Some(embed),
    })
}

impl Embed {
    fn new(file: EmbedFile) -> Result<Self, Fault> {
        let EmbedFile { dimensions, prefix, query_prefix, normalize, chunk_tokens, overlap_tokens, body, query_body, .. } = file;
        let least = overlap_tokens.saturating_add(MIN_NEW_TOKENS);
        if chunk_tokens < least {
            let why = format!(
                "chunk_tokens = {chunk_tokens} is too small. A chunk takes at least {least}: overlap_tokens ({overlap_tokens}) and \
                    {MIN_NEW_TOKENS} for new text. Raise chunk_tokens"
            );
            return Err(Fault::from(why).at("chunk_tokens"));
        }
        let form = |prefix, body: &Table, key: &str| {
            if let Some(field) = body.keys().find(|field| OWN_FIELDS.contains(&field.as_str())) {
                return Err(Fault::from(format!("docmill sets {field} itself. Remove it")).at(field.as_str()).at(key));
            }
            let fields = body.iter().map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), to_json(value)));
            let body = fields.collect::<Vec<_>>().join(",");
            Ok(Arc::new(VectorForm { prefix, dimensions: Some(dimensions).filter(|n| *n > 0), normalize, body }))
        };
        let (form, query) = Fault::both(form(prefix, &body, "body"), form(query_prefix, &query_body, "query_body"))?;
        Ok(Self { form, query, chunk_tokens, overlap_tokens })
    }

    /// Maximum new tokens of a chunk. With the overlap, it keeps within the limit of the job.
    pub fn new_tokens(&self) -> u64 {
        self.chunk_tokens - self.overlap_tokens
    }

    /// The calls for the chunks of a document. A chunk without text has none. `paged` tells whether
    /// the text has marks of pages.
    pub fn calls(&self, task: &Task, chunks: &[Chunk], paged: bool) -> Vec<Call> {
        let mut page = None;
        let call = |chunk: &Chunk| {
            let Passage { text, begins, tokens } = Passage::read(chunk, paged, &mut page);
            (!text.is_empty()).then(|| Call {
                task: Arc::clone(&task.id),
                axes: Vec::new(),
                // The account names its model for vectors.
                model: task.model.clone().unwrap_or_default(),
                system: String::new().into(),
                parts: vec![MessagePart::Text(text.into())],
                marks: Arc::default(),
                want: Want::Vector { form: Arc::clone(&self.form), page: begins },
                effort: None,
                tokens: tokens + about_tokens(self.form.prefix.len()),
                place: chunk.place,
                shared: 0,
            })
        };
        chunks.iter().filter_map(call).collect()
    }
}

/// The text of a chunk, with the end of the previous chunk.
struct Passage {
    text: String,
    /// The page where the chunk begins.
    begins: Option<u32>,
    tokens: u64,
}

impl Passage {
    /// Reads a chunk. `page` is the current page, before and after. Marks of pages are no part of
    /// the text, so a chunk stays the same if its page moves.
    fn read(chunk: &Chunk, paged: bool, page: &mut Option<u32>) -> Self {
        let (mut own, mut tokens, mut begins) = (String::new(), 0, *page);
        let mark = |line: &str| page_mark(line).filter(|_| paged);
        for block in &chunk.content.0 {
            let ContentBlock::Text(text) = block else { continue };
            for line in text.body.split_inclusive('\n') {
                match mark(line) {
                    Some(number) => {
                        *page = Some(number);
                        if own.trim().is_empty() {
                            begins = *page;
                        }
                    }
                    None => own.push_str(line),
                }
            }
            tokens += text.tokens;
        }
        let own = own.trim();
        if own.is_empty() {
            return Self { text: String::new(), begins, tokens };
        }
        let before: String = chunk.before.iter().flat_map(|text| text.split_inclusive('\n')).filter(|line| mark(line).is_none()).collect();
        let before = before.trim();
        let text = if before.is_empty() { own.to_owned() } else { format!("{before}\n{own}") };
        Self { tokens: tokens + about_tokens(before.len()), text, begins }
    }
}

/// The number in the mark of a page, such as `[page 3]`.
fn page_mark(line: &str) -> Option<u32> {
    let inside = line.trim().strip_prefix("[page ")?.strip_suffix(']')?;
    let end = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
    let (number, rest) = inside.split_at(end);
    if rest.is_empty() || rest.starts_with(',') { number.parse().ok() } else { None }
}

impl Job {
    /// The tasks that embed texts.
    pub fn embed_tasks(&self) -> impl Iterator<Item = EmbedTask<'_>> {
        self.tasks.iter().filter_map(|task| {
            let Embed { form, query, .. } = task.embed.as_ref()?;
            Some(EmbedTask { id: &task.id, model: task.model.as_deref(), form, query })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::{Content, Text};

    fn chunk(body: &str, before: Option<&str>) -> Chunk {
        let text = Text { body: body.into(), digest: String::new(), tokens: 5 };
        Chunk { content: Content(vec![ContentBlock::Text(Arc::new(text))]), before: before.map(Into::into), place: None }
    }

    #[test]
    fn chunks_know_their_pages_and_do_not_contain_them() {
        let mut page = None;
        let mut read = |body, before| {
            let Passage { text, begins, .. } = Passage::read(&chunk(body, before), true, &mut page);
            (text, begins)
        };
        assert_eq!(read("[page 1]\none\n\n[page 2]\ntwo", None), ("one\n\ntwo".into(), Some(1)));
        assert_eq!(read("more\n[page 12]\nlast", Some("[page 2]\ntwo")), ("two\nmore\nlast".into(), Some(2)));
        assert_eq!(read("[page 13, the image that follows]", None).0, "");
        assert_eq!(read("end", None), ("end".into(), Some(13)));
        let unpaged = Passage::read(&chunk("[page 4]\nx", None), false, &mut page);
        assert_eq!((unpaged.text.as_str(), page), ("[page 4]\nx", Some(13)));
        assert_eq!((page_mark("[page x]"), page_mark("[page 4 of 5]")), (None, None));
    }

    #[test]
    fn a_task_embeds_or_asks_but_not_both() {
        let job = |task: &str| {
            let text = format!("name = 'x'\ninput = 'text'\n[[task]]\nid = 'v'\n{task}");
            Job::load("x", &text, &Table::new(), None).map_err(|e| e.to_string())
        };
        let embed = job("[task.embed]\ndimensions = 3\nbody = { input_type = 'document' }").unwrap();
        let task = embed.embed_tasks().next().unwrap();
        assert_eq!((task.form.dimensions, task.form.body.as_str()), (Some(3), "\"input_type\":\"document\""));
        assert!(task.query.body.is_empty() && task.form.normalize);
        for (wrong, words) in [
            ("prompt = 'p'\n[task.embed]", "has no prompt"),
            ("[task.embed]\nchunk_tokens = 50", "at least 72"),
            ("[task.embed]\nbody = { input = 'x' }", "docmill sets input itself"),
            ("[task.embed]\ndimension = 3", "did you mean dimensions"),
            ("[task.embed]\n[long]\nmethod = 'split'", "Remove [long]"),
            ("", "the field \"prompt\" is missing or empty"),
        ] {
            let error = job(wrong).unwrap_err();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
