//! What is right: a file of documents and labels.

use crate::cli::exit::Stop;
use crate::prepare::encoding_of;
use std::collections::BTreeMap;
use std::path::Path;

/// Labels by document.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// The file.
    pub file: String,
    /// The column that is the label.
    pub column: String,
    /// The labels as they are written.
    pub by_document: BTreeMap<String, String>,
    /// Lines that say again what was said before.
    pub repeated: u64,
}

impl Labels {
    /// Reads a CSV file in any encoding, with commas, semicolons or tabs. `column` is the label; if it is not named, it is
    /// `label`, or the only column beside the documents' names.
    pub fn read(file: &Path, column: Option<&str>) -> Result<Self, Stop> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|e| Stop::usage(format!("labels {name}: {e}")))?;
        Self::parse(&name, &encoding_of(&bytes).decode(&bytes).0, column).map_err(|why| Stop::usage(format!("labels {name}: {why}")))
    }

    fn parse(name: &str, text: &str, column: Option<&str>) -> Result<Self, String> {
        let head = text.lines().next().unwrap_or_default();
        let delimiter = *b",;\t".iter().max_by_key(|mark| head.bytes().filter(|byte| byte == *mark).count()).unwrap_or(&b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let heads: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(ToOwned::to_owned).collect();
        let place = |wanted: &str| heads.iter().position(|head| head.eq_ignore_ascii_case(wanted));
        let shown = heads.join(", ");
        let document = place("document").or_else(|| place("file"));
        let document = document.ok_or_else(|| format!("there is no column \"document\" (or \"file\"); there are: {shown}"))?;
        let label = match column {
            Some(column) => place(column).ok_or_else(|| format!("there is no column \"{column}\"; there are: {shown}"))?,
            None => place("label")
                .or_else(|| (heads.len() == 2).then_some(1 - document.min(1)))
                .ok_or_else(|| format!("there is no column \"label\": name one with --label-column; there are: {shown}"))?,
        };
        let mut labels = Self { file: name.to_owned(), column: heads[label].clone(), ..Self::default() };
        let mut lines = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| e.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let (Some(document), Some(label)) = (record.get(document), record.get(label).filter(|label| !label.is_empty())) else {
                continue;
            };
            match labels.by_document.insert(document.to_owned(), label.to_owned()) {
                Some(other) if normalised(&other) != normalised(label) => {
                    let first: u64 = lines.get(document).copied().unwrap_or(0);
                    return Err(format!(
                        "{document} is \"{other}\" in line {first} and \"{label}\" in line {line}: which is right? Take one of them out"
                    ));
                }
                Some(_) => labels.repeated += 1,
                None => drop(lines.insert(document.to_owned(), line)),
            }
        }
        if labels.by_document.is_empty() { Err("there is no label in it".to_owned()) } else { Ok(labels) }
    }
}

/// Text without what makes no difference: case, and spaces around and between words. Numbers are as short as can be.
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
    fn what_cannot_be_meant_is_an_error_that_says_what_would_be_right() {
        for (text, column, error) in [
            ("name,label\na,b\n", None, "no column \"document\" (or \"file\"); there are: name, label"),
            ("document,a,b\nx,1,2\n", None, "--label-column; there are: document, a, b"),
            ("document,a\nx,1\n", Some("c"), "no column \"c\"; there are: document, a"),
            ("document,label\n", None, "no label in it"),
            ("", None, "no column \"document\""),
            ("document,label\nx,1\ny,1\nx,2\n", None, "x is \"1\" in line 2 and \"2\" in line 4"),
        ] {
            let found = parse(text, column).unwrap_err();
            assert!(found.contains(error), "{found}");
        }
        assert_eq!(parse("document,a,b\nx,1,2\n", Some("b")).unwrap()[0].1, "2");
    }

    #[test]
    fn spaces_case_and_zeros_make_no_difference() {
        for (text, expected) in [(" Cast  Iron", "cast iron"), ("3.0", "3"), ("+3", "3"), ("007", "7"), ("inf", "inf"), ("1-2", "1-2")] {
            assert_eq!(normalised(text), expected);
        }
    }
}
