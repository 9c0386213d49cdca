//! Standard input as a stream of JSON lines: each line is a document.

use super::settings::InputSettings;
use super::table::{Columns, missing_columns, row_of_line};
use crate::model::{Digest, Failure, FailureCode, Place};

/// The name of a document from standard input.
pub(super) const STDIN: &str = "stdin";

/// Makes documents of lines.
#[derive(Debug, Clone)]
pub struct Lines {
    columns: Columns,
}

impl Lines {
    /// Lines with the columns of the settings. `used` are the columns that templates use; `None`: all.
    pub(super) fn new(settings: &InputSettings, used: Option<Vec<String>>) -> Self {
        Self { columns: settings.columns(used) }
    }

    /// The columns of the settings that a line does not have.
    pub fn missing(&self, line: &[u8]) -> Vec<String> {
        missing_columns(&self.columns, line)
    }

    /// The document of a line: its name, its content, and the failure if the line cannot be read.
    ///
    /// The id column names it. Without an id, its content does, so that a line that comes twice is
    /// the same document.
    pub fn document(&self, line: &[u8]) -> (String, Place, Option<Failure>) {
        let (id, row) = row_of_line(&self.columns, line);
        match id {
            Ok(id) => {
                let name = if id.is_empty() { row.digest.to_string()[..16].to_owned() } else { id };
                (format!("{STDIN}#{name}"), Place::Row(Box::new(row)), None)
            }
            Err(what) => {
                let name = format!("{STDIN}#(line {})", &Digest::of(line).to_string()[..16]);
                let failure = Failure::new(FailureCode::Undecodable, format!("cannot read this line: {what}"));
                (name, Place::Row(Box::new(row)), Some(failure))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id_column: &str, line: &str) -> (String, Option<FailureCode>) {
        let settings = InputSettings { id_column: id_column.to_owned(), ..InputSettings::default() };
        let (name, _, failure) = Lines::new(&settings, Some(Vec::new())).document(line.as_bytes());
        (name, failure.map(|failure| failure.code))
    }

    #[test]
    fn a_line_is_named_by_its_id_or_its_content() {
        assert_eq!(named("id", "{\"id\": 7, \"text\": \"a\"}"), ("stdin#7".to_owned(), None));
        let (name, failure) = named("id", "{\"text\": \"a\"}");
        assert!(name.len() == 22 && failure.is_none(), "{name}");
        assert_eq!(named("", "{\"text\": \"a\"}"), (name, None));
    }

    #[test]
    fn a_line_that_is_no_object_fails() {
        for line in ["nonsense", "[1]", "7", "{\"a\":"] {
            let (name, failure) = named("", line);
            assert!(name.starts_with("stdin#(line ") && failure == Some(FailureCode::Undecodable), "{line}: {name}");
        }
    }
}
