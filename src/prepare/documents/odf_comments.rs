//! Comments in OpenDocument files, which stand behind the text they are about.

use super::xml::attribute;
use quick_xml::events::BytesStart;
use std::collections::{HashMap, HashSet};

#[derive(Debug, Default)]
pub(super) struct Comments {
    /// Names of comments about a range of text, which end behind it.
    ranges: HashSet<String>,
    /// Names of the open comments.
    open: Vec<Option<String>>,
    /// Comments whose range has not ended.
    waiting: HashMap<String, String>,
}

impl Comments {
    /// Notes where a range ends.
    pub fn learn(&mut self, tag: &BytesStart) {
        if tag.name().as_ref() == "office:annotation-end" {
            self.ranges.extend(attribute(tag, "office:name"));
        }
    }

    pub fn open(&mut self, tag: &BytesStart) {
        self.open.push(attribute(tag, "office:name").filter(|name| self.ranges.contains(name)));
    }

    /// Closes a comment. Returns it if it stands here.
    pub fn close(&mut self, comment: String) -> Option<String> {
        match self.open.pop().flatten() {
            Some(name) => {
                self.waiting.insert(name, comment);
                None
            }
            None => Some(comment),
        }
    }

    /// The comment whose range ends here.
    pub fn end(&mut self, tag: &BytesStart) -> Option<String> {
        self.waiting.remove(&attribute(tag, "office:name")?)
    }

    /// The comments whose range does not end on the page.
    pub fn left(&mut self) -> Vec<String> {
        let mut left: Vec<(String, String)> = self.waiting.drain().collect();
        left.sort();
        left.into_iter().map(|(_, comment)| comment).collect()
    }
}
