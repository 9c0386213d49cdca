//! What an answer is written from, and its texts.

use super::evidence::{Parts, Reading};
use super::field::{Intent, asked, intent, words};
use crate::simulator::looks::Looks;
use serde_json::Value;
use std::cell::{Cell, OnceCell};

/// The start of every simulated text.
pub const MARK: &str = "[simulated]";
/// A document with fewer bytes beside a picture is no text to read.
const TEXT: usize = 24;

/// Writes one answer.
#[derive(Debug)]
pub struct Writer<'w, 't> {
    pub parts: &'w Parts<'w>,
    pub reading: &'w Reading<'t>,
    pub root: &'w Value,
    pub docid: Option<&'w str>,
    /// Whether it answers about one line of a document.
    pub line: bool,
    /// Maximum number of words of a text.
    pub room: usize,
    /// Number of words of every text, if a scenario spreads them.
    pub lengths: Option<&'w dyn Lengths>,
    pub seed: u64,
    pub prompt: OnceCell<Vec<String>>,
    pub turn: Cell<u64>,
}

/// Draws the number of words of a text.
pub trait Lengths: std::fmt::Debug {
    fn draw(&self) -> usize;
}

impl Writer<'_, '_> {
    /// A marked text.
    pub fn say(&self, text: &str) -> String {
        let mut said = MARK.to_owned();
        if let Some(docid) = self.docid {
            said.push(' ');
            said.push_str(docid);
        }
        let mut add = |word: &str| {
            said.push(' ');
            said.push_str(word);
        };
        match self.lengths {
            None => text.split_whitespace().filter(|word| Some(*word) != self.docid).take(self.room).for_each(&mut add),
            // Texts of a given length repeat the document.
            Some(lengths) => {
                let source = if self.reading.text.words.is_empty() { "nothing" } else { self.reading.text.source };
                source.split_whitespace().cycle().take(lengths.draw().min(self.room)).for_each(&mut add);
            }
        }
        said
    }

    /// An arbitrary choice among `count`, where nothing speaks for any. The same for the same call.
    pub fn any(&self, count: usize) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        fastrand::Rng::with_seed(self.seed ^ turn).usize(..count.max(1))
    }

    /// The picture, if it is what the request is about.
    pub fn picture(&self) -> Option<Looks> {
        self.parts.looks.filter(|_| self.parts.document.len() < TEXT)
    }

    /// Words of the instructions in lower case.
    pub fn prompt(&self) -> &[String] {
        self.prompt.get_or_init(|| words(&self.parts.prompt))
    }

    /// What the instructions ask for, if the schema has one field only.
    pub fn intent(&self) -> Option<Intent> {
        let alone = self.root["properties"].as_object().is_none_or(|fields| fields.len() == 1);
        alone.then(|| asked(self.prompt())).flatten()
    }

    pub fn prompt_asks(&self, asked: Intent) -> bool {
        self.prompt().iter().any(|word| intent(std::slice::from_ref(word)) == Some(asked))
    }
}
