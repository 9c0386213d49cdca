//! The bytes of a table that is a text, and what they say.
//!
//! A table is in one encoding, and yet single rows may not be: tables are put together of others. What does not fit is an
//! error and never sent.

use super::SAMPLE;
use crate::prepare::{encoding_of, undecodable};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How a table is encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    encoding: &'static Encoding,
    /// What it seems to be in instead, and cannot be decoded from.
    undecodable: Option<&'static str>,
}

impl Text {
    /// How the table at `path`, which begins with `sample`, is encoded. If that is ASCII, what follows decides.
    pub fn of(path: &Path, sample: &[u8]) -> io::Result<Self> {
        let encoding = Encoding::for_bom(sample).map_or_else(|| encoding_of(sample), |(encoding, _)| encoding);
        if encoding != UTF_8 || !sample.is_ascii() {
            return Ok(Self { encoding, undecodable: undecodable(sample) });
        }
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        loop {
            let read = file.fill_buf()?;
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
    pub fn open(self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let file = File::open(path)?;
        if self.stands_for_itself() {
            return Ok(Box::new(file));
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
