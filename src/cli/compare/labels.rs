//! Labels: a CSV file with the correct answer for each document.

use crate::cli::exit::CliError;
use crate::prepare::encoding_of;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// Labels by document.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// The file.
    pub file: String,
    /// The column with the labels.
    pub column: String,
    /// The labels as written.
    pub by_document: BTreeMap<String, String>,
    /// Lines that repeat a label.
    pub repeated: u64,
    /// Names that match no document, filled by [`Labels::give`].
    pub unknown: Vec<String>,
}

/// How many labels match documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    /// Documents with a label.
    pub documents: u64,
    /// Documents with a label that matches only the end of their path.
    pub by_end: u64,
    /// Documents without a label.
    pub without: u64,
    /// The name of the first document.
    pub example: String,
}

impl Labels {
    /// Reads a CSV file in any encoding, with commas, semicolons or tabs.
    ///
    /// `column` has the labels. The default is `label`, or the only column besides the documents'
    /// names.
    pub fn read(file: &Path, column: Option<&str>) -> Result<Self, CliError> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|e| CliError::usage(format!("labels {name}: cannot read the file: {e}")))?;
        Self::parse(&name, &encoding_of(&bytes).decode(&bytes).0, column).map_err(|why| CliError::usage(format!("labels {name}: {why}")))
    }

    fn parse(name: &str, text: &str, column: Option<&str>) -> Result<Self, String> {
        let head = text.lines().next().unwrap_or_default();
        let delimiter = *b",;\t".iter().max_by_key(|mark| head.bytes().filter(|byte| byte == *mark).count()).unwrap_or(&b',');
        if let Some(line) = unclosed_quote(text) {
            return Err(format!("the quote opened in line {line} is never closed. Write \"\" for a quote inside a value."));
        }
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let heads: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(ToOwned::to_owned).collect();
        let place = |wanted: &str| heads.iter().position(|head| head.eq_ignore_ascii_case(wanted));
        let shown = heads.join(", ");
        let document = place("document").or_else(|| place("file"));
        let document = document.ok_or_else(|| format!("no column \"document\" (or \"file\"); columns: {shown}"))?;
        let label = match column {
            Some(column) => place(column).ok_or_else(|| format!("no column \"{column}\"; columns: {shown}"))?,
            None => place("label")
                .or_else(|| (heads.len() == 2).then_some(1 - document.min(1)))
                .ok_or_else(|| format!("no column \"label\". Name one with --label-column; columns: {shown}"))?,
        };
        let mut labels = Self { file: name.to_owned(), column: heads[label].clone(), ..Self::default() };
        let mut lines = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| e.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.iter().skip(heads.len()).any(|field| !field.is_empty()) {
                let (fields, columns) = (record.len(), heads.len());
                return Err(format!(
                    "line {line} has {fields} fields for {columns} columns. Put quotes around values that contain the separator."
                ));
            }
            let (Some(document), Some(label)) = (record.get(document), record.get(label).filter(|label| !label.is_empty())) else {
                continue;
            };
            match labels.by_document.insert(document.to_owned(), label.to_owned()) {
                Some(other) if normalised(&other) != normalised(label) => {
                    let first: u64 = lines.get(document).copied().unwrap_or(0);
                    return Err(format!(
                        "{document} is \"{other}\" in line {first} and \"{label}\" in line {line}. Remove the wrong line."
                    ));
                }
                Some(_) => labels.repeated += 1,
                None => drop(lines.insert(document.to_owned(), line)),
            }
        }
        if labels.by_document.is_empty() { Err("the file has no label".to_owned()) } else { Ok(labels) }
    }

    /// Assigns labels to documents: by name, or by the end of the path if that is unique.
    pub fn give(&mut self, documents: impl Iterator<Item = String>) -> Matched {
        let mut matched = Matched::default();
        let mut by_last: HashMap<String, Vec<&String>> = HashMap::new();
        for name in self.by_document.keys() {
            by_last.entry(last_part(&path(name)).to_owned()).or_default().push(name);
        }
        // The candidate documents for each label, and whether one has exactly its name.
        let mut found: BTreeMap<&String, (bool, Vec<String>)> = BTreeMap::new();
        for document in documents {
            if matched.example.is_empty() {
                matched.example.clone_from(&document);
            }
            matched.without += 1;
            let own = path(&document);
            for name in by_last.get(last_part(&own)).into_iter().flatten() {
                let (exactly, candidates) = found.entry(name).or_default();
                let given = path(name);
                if given == own {
                    (*exactly, *candidates) = (true, vec![document.clone()]);
                } else if !*exactly && candidates.len() < 2 && (is_end(&own, &given) || is_end(&given, &own)) {
                    candidates.push(document.clone());
                }
            }
        }
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        // Exact names go first, so that no other label takes their documents.
        let (exact, by_end): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, (exactly, _))| *exactly);
        for (name, (exactly, candidates)) in exact.into_iter().chain(by_end) {
            if let ([document], Some(label)) = (&candidates[..], self.by_document.get(name))
                && !given.contains_key(document)
            {
                given.insert(document.clone(), label.clone());
                matched.by_end += u64::from(!exactly);
                matched.documents += 1;
                self.unknown.push(name.clone());
            }
        }
        let used: HashSet<String> = std::mem::take(&mut self.unknown).into_iter().collect();
        self.unknown = self.by_document.keys().filter(|name| !used.contains(*name)).cloned().collect();
        self.by_document = given;
        matched.without -= matched.documents;
        matched
    }
}

/// Normalises a name for comparison.
fn path(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// The part after the last separator; for a row, its id after `#`.
fn last_part(path: &str) -> &str {
    path.rsplit(['/', '#']).next().unwrap_or(path)
}

/// Whether `path` ends with a separator and `end`.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.ends_with(['/', '#']))
}

/// The line of a quote that is never closed. A quote opens only at the beginning of a field.
fn unclosed_quote(text: &str) -> Option<usize> {
    let (mut line, mut open, mut at_start) = (1, None, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, open) {
            ('"', Some(_)) if chars.next_if_eq(&'"').is_some() => {}
            ('"', Some(_)) => open = None,
            ('"', None) if at_start => open = Some(line),
            _ => {}
        }
        line += usize::from(c == '\n');
        at_start = open.is_none() && (matches!(c, ',' | ';' | '\t' | '\n') || (at_start && c.is_whitespace()));
    }
    open
}

/// Normalises text for comparison: lower case, single spaces, shortest form of numbers.
pub(super) fn normalised(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    match text.parse::<f64>() {
        Ok(number) if is_number => number.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, column: Option<&str>) -> Result<Vec<(String, String)>, String> {
        Labels::parse("l.csv", text, column).map(|labels| labels.by_document.into_iter().collect())
    }

    #[test]
    fn commas_semicolons_tabs_and_marks_are_all_read() {
        let expected = vec![("a.jpg".to_owned(), "Metal".to_owned()), ("b.jpg".to_owned(), "wood".to_owned())];
        for text in [
            "document,label\na.jpg,Metal\nb.jpg,wood\n",
            "label;document\r\nMetal;a.jpg\r\n wood ;b.jpg\r\n",
            "file\tmaterial\na.jpg\tMetal\nb.jpg\twood\nc.jpg\t\nd.jpg\n",
            "document,label\na.jpg,Metal\nb.jpg,wood\na.jpg, metal \n,\n",
        ] {
            let found: Vec<_> = parse(text, None).unwrap();
            assert_eq!(found.len(), 2, "{text}");
            assert!(found.iter().zip(&expected).all(|(f, e)| f.0 == e.0 && normalised(&f.1) == normalised(&e.1)), "{found:?}");
        }
        for bytes in [&b"\xef\xbb\xbfdocument;label\na.txt;gr\xc3\xbcn\n"[..], b"document;label\na.txt;gr\xfcn\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            assert_eq!(Labels::read(file.path(), None).unwrap().by_document["a.txt"], "grün");
        }
    }

    #[test]
    fn a_file_with_wrong_columns_or_labels_is_an_error_with_advice() {
        for (text, column, error) in [
            ("name,label\na,b\n", None, "no column \"document\" (or \"file\"); columns: name, label"),
            ("document,a,b\nx,1,2\n", None, "--label-column; columns: document, a, b"),
            ("document,a\nx,1\n", Some("c"), "no column \"c\"; columns: document, a"),
            ("document,label\n", None, "has no label"),
            ("", None, "no column \"document\""),
            ("document,label\nx,1\ny,1\nx,2\n", None, "x is \"1\" in line 2 and \"2\" in line 4"),
        ] {
            let found = parse(text, column).unwrap_err();
            assert!(found.contains(error), "{found}");
        }
        assert_eq!(parse("document,a,b\nx,1,2\n", Some("b")).unwrap()[0].1, "2");
    }

    #[test]
    fn labels_find_their_documents_by_name_or_by_the_end_of_the_path() {
        let names = ["a.jpg", "old/b.jpg", "new/b.jpg", "deep/down/c.jpg", "t.csv#17", "e.jpg"];
        let mut labels =
            Labels::parse("l.csv", "file,label\nphotos/a.jpg,1\nb.jpg,2\ndown\\c.jpg,3\n17,4\n./e.jpg,5\nnobody.jpg,6\n", None).unwrap();
        let matched = labels.give(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(matched, Matched { documents: 4, by_end: 3, without: 2, example: "a.jpg".to_owned() });
        // A label that could match two documents matches neither.
        assert_eq!(labels.unknown, ["b.jpg", "nobody.jpg"]);
        let given: Vec<(&str, &str)> = labels.by_document.iter().map(|(name, label)| (name.as_str(), label.as_str())).collect();
        assert_eq!(given, [("a.jpg", "1"), ("deep/down/c.jpg", "3"), ("e.jpg", "5"), ("t.csv#17", "4")]);
        let mut both = Labels::parse("l.csv", "file,label\nx/a.jpg,1\na.jpg,2\n", None).unwrap();
        both.give(["a.jpg".to_owned()].into_iter());
        assert_eq!((both.by_document["a.jpg"].as_str(), &both.unknown[..]), ("2", &["x/a.jpg".to_owned()][..]));
    }

    #[test]
    fn a_broken_file_is_refused_with_the_line() {
        for (text, error) in [
            ("document,label\na.jpg,\"metal\nb.jpg,wood\n", "opened in line 2 is never closed"),
            ("document,label\na.jpg,metal, shiny\n", "line 2 has 3 fields for 2 columns"),
        ] {
            assert!(parse(text, None).unwrap_err().contains(error), "{text}");
        }
        // Quotes inside of values, and empty fields at the end, as spreadsheets write them.
        for text in
            ["document,label\na.jpg,6\" pipe\n", "document,label\n\"a \"\"b\"\".jpg\",wood,\n", "document,label\n\"a\nb.jpg\",wood\n"]
        {
            assert_eq!(parse(text, None).unwrap().len(), 1, "{text}");
        }
    }

    #[test]
    fn spaces_case_and_zeros_make_no_difference() {
        for (text, expected) in [(" Cast  Iron", "cast iron"), ("3.0", "3"), ("+3", "3"), ("007", "7"), ("inf", "inf"), ("1-2", "1-2")] {
            assert_eq!(normalised(text), expected);
        }
    }
}
