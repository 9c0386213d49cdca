//! The bytes of a table that is a text, and what they say.
//!
//! A table is in one encoding, and yet single rows may not be: tables are put together of others. What does not fit is an
//! error and never sent.

use super::packed::Packed;
use crate::prepare::{BINARY, Sniffed, encoding_of, is_utf16, sniff, undecodable};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Of the beginning of a table or list, by which its form is known.
pub(super) const SAMPLE: u64 = 256 * 1024;

/// How a table is encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    encoding: &'static Encoding,
    /// What it seems to be in instead, and cannot be decoded from.
    undecodable: Option<&'static str>,
}

impl Text {
    /// What is UTF-8 for sure.
    pub const UTF_8: Self = Self { encoding: UTF_8, undecodable: None };

    /// How the table in `file`, which begins with `sample`, is encoded. If that is ASCII, what follows decides.
    pub fn of(file: &Packed, sample: &[u8]) -> io::Result<Self> {
        let encoding = Encoding::for_bom(sample).map_or_else(|| encoding_of(sample), |(encoding, _)| encoding);
        if encoding != UTF_8 || !sample.is_ascii() {
            return Ok(Self { encoding, undecodable: undecodable(sample) });
        }
        let mut file = BufReader::with_capacity(1 << 16, file.open()?);
        loop {
            // What cannot be read is told of where its rows would be.
            let Ok(read) = file.fill_buf() else { return Ok(Self::UTF_8) };
            let ascii = Encoding::ascii_valid_up_to(read);
            if ascii == read.len() && ascii > 0 {
                file.consume(ascii);
                continue;
            }
            // The detector takes what is before the first foreign byte as context.
            file.consume(ascii.saturating_sub(2));
            let mut sample = Vec::new();
            file.take(SAMPLE).read_to_end(&mut sample)?;
            return Ok(Self { encoding: encoding_of(&sample), undecodable: undecodable(&sample) });
        }
    }

    /// What the table begins with.
    pub fn beginning(self, sample: &[u8]) -> Cow<'_, str> {
        self.encoding.decode_with_bom_removal(sample).0
    }

    /// The bytes of the table, in which delimiters and line ends are the ASCII bytes that they look like.
    pub fn open(self, file: &Packed) -> io::Result<Box<dyn Read + Send>> {
        let file = file.open()?;
        if self.stands_for_itself() {
            return Ok(file);
        }
        Ok(Box::new(DecodeReaderBytesBuilder::new().encoding(Some(self.encoding)).build(file)))
    }

    /// What some of these bytes say. The error says what is wrong with them.
    pub fn decode(self, bytes: &[u8]) -> Result<String, String> {
        let name = || self.encoding.name().to_ascii_lowercase();
        if let Some(what) = self.undecodable.filter(|_| !bytes.is_ascii()) {
            return Err(format!("the table looks like {what}, which is not read: save it as UTF-8"));
        }
        let text = match std::str::from_utf8(bytes) {
            // What people write in the encoding of Western Europe never looks like UTF-8; in others it may.
            Ok(text) if text.is_ascii() || self.encoding == UTF_8 || self.encoding == WINDOWS_1252 => return Ok(text.to_owned()),
            Ok(text) if !self.stands_for_itself() => text.to_owned(),
            Err(error) if self.encoding == UTF_8 => {
                let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                return Err(format!("the byte {byte:02X} is not UTF-8, as the table is otherwise: save all of it in one encoding"));
            }
            Err(_) if self.encoding == WINDOWS_1252 && has_utf8(bytes) => {
                return Err("a part of it is UTF-8 and another part is not: save all of it in one encoding".into());
            }
            _ => self.encoding.decode_without_bom_handling(bytes).0.into_owned(),
        };
        // No text has these: they stand for what could not be decoded.
        if text.contains(|c| matches!(c, char::REPLACEMENT_CHARACTER | '\u{80}'..='\u{9F}')) {
            return Err(format!("there are bytes that mean nothing in {}, as which the table is read: save it as UTF-8", name()));
        }
        Ok(text)
    }

    /// Whether ASCII bytes are ASCII characters everywhere, so that rows can be told apart before they are decoded.
    fn stands_for_itself(self) -> bool {
        self.encoding == UTF_8 || self.encoding.is_single_byte()
    }
}

/// Whether any character beyond ASCII is there as UTF-8.
fn has_utf8(bytes: &[u8]) -> bool {
    bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii())
}

/// The encoding of a list of paths, if its bytes are not the paths themselves. The error says what it is instead of a list.
///
/// Paths may be any bytes, so no other encoding than UTF-16, which Windows programs write, is guessed.
pub(super) fn encoding_of_list(sample: &[u8]) -> Result<Option<&'static Encoding>, &'static str> {
    if matches!(sample, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) {
        return Err("a text in UTF-32");
    }
    let marked = Encoding::for_bom(sample).map(|(encoding, _)| encoding);
    // Of names of one letter with zero bytes between them, each pair of bytes looks like a letter as well.
    let ends_lines = |encoding: &'static Encoding| encoding.decode(sample).0.contains(['\n', '\r', '.', '/', '\\']);
    if let Some(encoding) = marked.or_else(|| is_utf16(sample)).filter(|e| [UTF_16LE, UTF_16BE].contains(e))
        && (marked.is_some() || ends_lines(encoding))
    {
        return Ok(Some(encoding));
    }
    // Zero bytes between names make no binary data of a list.
    if let Some(what) = not_text(sample).filter(|what| *what != BINARY) {
        return Err(what);
    }
    let lines: Vec<u8> = sample.iter().map(|byte| if *byte == 0 { b'\n' } else { *byte }).collect();
    not_text(&lines).map_or(Ok(None), Err)
}

/// What a file is that is no text, by its beginning.
pub(super) fn not_text(sample: &[u8]) -> Option<&'static str> {
    match sniff(sample, "") {
        _ if matches!(sample, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) => Some("a text in UTF-32"),
        Sniffed::Image(_) => Some("an image"),
        Sniffed::Unsupported(name) => Some(name),
        // These are told by words, which a text may begin with as well.
        Sniffed::Document(reader) if !["html", "eml", "mbox"].contains(&reader.format) => Some(reader.name),
        _ => None,
    }
}

/// The text of a small file that people write, such as settings and jobs: UTF-8, or UTF-16 as Windows writes it, without its mark.
pub fn text_file(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("this looks like {what}: save it as UTF-8"));
    match encoding_of_list(&bytes).map_err(wrong)? {
        Some(encoding) => Ok(encoding.decode(&bytes).0.into_owned()),
        None => {
            let text = String::from_utf8(bytes).map_err(|_| wrong("a text that is not in UTF-8"))?;
            Ok(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_without_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipeline.toml");
        let text = "[llm]\nmodel = \"größe\"\n";
        let wide = |marked: &str| marked.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let marked = format!("\u{feff}{text}");
        for bytes in [text.as_bytes().to_vec(), marked.clone().into_bytes(), wide(&marked), wide(text)] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(text_file(&path).unwrap(), text);
        }
        std::fs::write(&path, b"[llm]\nmodel = \"gr\xF6\xDFe\"\n").unwrap();
        assert!(text_file(&path).unwrap_err().to_string().contains("save it as UTF-8"));
    }
}
