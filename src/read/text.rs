//! Decodes tables that are text.
//!
//! A table has one encoding, but single rows may differ, as tables are joined from others. Bytes
//! that do not fit are an error and never sent.

use super::compressed::Packed;
use crate::prepare::{BINARY, Sniffed, encoding_of, is_utf16, sniff, undecodable};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Number of bytes that decide the format of a table or list.
pub(super) const SAMPLE: u64 = 256 * 1024;

/// The encoding of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    encoding: &'static Encoding,
    /// The encoding that docmill detected, if it cannot decode this encoding.
    undecodable: Option<&'static str>,
}

impl Text {
    /// Text that is known to be UTF-8.
    pub const UTF_8: Self = Self { encoding: UTF_8, undecodable: None };

    /// Detects the encoding of the table in `file`, which begins with `sample`.
    ///
    /// If the sample is ASCII, the following bytes decide.
    pub fn of(file: &Packed, sample: &[u8]) -> io::Result<Self> {
        let encoding = Encoding::for_bom(sample).map_or_else(|| encoding_of(sample), |(encoding, _)| encoding);
        if encoding != UTF_8 || !sample.is_ascii() {
            return Ok(Self { encoding, undecodable: undecodable(sample) });
        }
        let mut file = BufReader::with_capacity(1 << 16, file.open()?);
        loop {
            // A read error is reported at the row where it occurs.
            let Ok(read) = file.fill_buf() else { return Ok(Self::UTF_8) };
            let ascii = Encoding::ascii_valid_up_to(read);
            if ascii == read.len() && ascii > 0 {
                file.consume(ascii);
                continue;
            }
            // The detector uses the bytes before the first foreign byte as context.
            file.consume(ascii.saturating_sub(2));
            let mut sample = Vec::new();
            file.take(SAMPLE).read_to_end(&mut sample)?;
            return Ok(Self { encoding: encoding_of(&sample), undecodable: undecodable(&sample) });
        }
    }

    /// The decoded beginning of the table.
    pub fn beginning(self, sample: &[u8]) -> Cow<'_, str> {
        self.encoding.decode_with_bom_removal(sample).0
    }

    /// The bytes of the table, with ASCII delimiters and line ends.
    pub fn open(self, file: &Packed) -> io::Result<Box<dyn Read + Send>> {
        let file = file.open()?;
        if self.stands_for_itself() {
            return Ok(file);
        }
        Ok(Box::new(DecodeReaderBytesBuilder::new().encoding(Some(self.encoding)).build(file)))
    }

    /// Decodes some bytes of the table. The error says what is wrong with them.
    pub fn decode(self, bytes: &[u8]) -> Result<String, String> {
        let name = || self.encoding.name().to_ascii_lowercase();
        if let Some(what) = self.undecodable.filter(|_| !bytes.is_ascii()) {
            return Err(format!("cannot read the encoding of the table: {what}. Save it as UTF-8"));
        }
        let text = match std::str::from_utf8(bytes) {
            // Real windows-1252 text is never valid UTF-8. Text in other encodings may be.
            Ok(text) if text.is_ascii() || self.encoding == UTF_8 || self.encoding == WINDOWS_1252 => return Ok(text.to_owned()),
            Ok(text) if !self.stands_for_itself() => text.to_owned(),
            Err(error) if self.encoding == UTF_8 => {
                let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                return Err(format!("the byte {byte:02X} is not UTF-8, but the rest of the table is. Save all of it in one encoding"));
            }
            Err(_) if self.encoding == WINDOWS_1252 && has_utf8(bytes) => {
                return Err("one part of the table is UTF-8 and another is not. Save all of it in one encoding".into());
            }
            _ => self.encoding.decode_without_bom_handling(bytes).0.into_owned(),
        };
        // Text does not contain these characters: they mark bytes that cannot be decoded.
        if text.contains(|c| matches!(c, char::REPLACEMENT_CHARACTER | '\u{80}'..='\u{9F}')) {
            return Err(format!("some bytes are not valid in {}, the detected encoding of the table. Save it as UTF-8", name()));
        }
        Ok(text)
    }

    /// Whether ASCII bytes are always ASCII characters. Rows can then be split before decoding.
    fn stands_for_itself(self) -> bool {
        self.encoding == UTF_8 || self.encoding.is_single_byte()
    }
}

/// Whether the bytes contain any UTF-8 character beyond ASCII.
fn has_utf8(bytes: &[u8]) -> bool {
    bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii())
}

/// The encoding of a list of paths; `None` if its bytes are the paths.
///
/// Paths may be any bytes, so only UTF-16 is detected, which Windows programs write. The error
/// names the format of a file that is not a list.
pub(super) fn encoding_of_list(sample: &[u8]) -> Result<Option<&'static Encoding>, &'static str> {
    if matches!(sample, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) {
        return Err("a text in UTF-32");
    }
    let marked = Encoding::for_bom(sample).map(|(encoding, _)| encoding);
    // One-letter names between zero bytes also look like UTF-16, so line ends must appear.
    let ends_lines = |encoding: &'static Encoding| encoding.decode(sample).0.contains(['\n', '\r', '.', '/', '\\']);
    if let Some(encoding) = marked.or_else(|| is_utf16(sample)).filter(|e| [UTF_16LE, UTF_16BE].contains(e))
        && (marked.is_some() || ends_lines(encoding))
    {
        return Ok(Some(encoding));
    }
    // Zero bytes between names do not make a list binary data.
    if let Some(what) = not_text(sample).filter(|what| *what != BINARY) {
        return Err(what);
    }
    let lines: Vec<u8> = sample.iter().map(|byte| if *byte == 0 { b'\n' } else { *byte }).collect();
    not_text(&lines).map_or(Ok(None), Err)
}

/// The format of a file that is not text, from its beginning.
pub(super) fn not_text(sample: &[u8]) -> Option<&'static str> {
    match sniff(sample, "") {
        _ if matches!(sample, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) => Some("a text in UTF-32"),
        Sniffed::Image(_) => Some("an image"),
        Sniffed::Unsupported(name) => Some(name),
        // Words detect these formats, and a text may begin with the same words.
        Sniffed::Document(reader) if !["html", "eml", "mbox"].contains(&reader.format) => Some(reader.name),
        _ => None,
    }
}

/// Reads a small hand-written text file, such as settings and jobs.
///
/// The file is UTF-8, or UTF-16 as Windows writes it. The byte order mark is removed.
pub fn text_file(path: &Path) -> io::Result<String> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a directory, not a file"));
    }
    let bytes = std::fs::read(path)?;
    let wrong = |what: &str| {
        let advice = if what.starts_with("a text") { ". Save it as UTF-8" } else { "; expected a text file" };
        io::Error::new(io::ErrorKind::InvalidData, format!("this looks like {what}{advice}"))
    };
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
    fn text_files_are_read_without_their_byte_order_mark() {
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
        assert!(text_file(&path).unwrap_err().to_string().contains("Save it as UTF-8"));
    }
}
