//! A file that lists the documents, in their order.

use super::compressed::Source;
use super::directory_entries::os_str;
use super::links::{FollowLinks, Links};
use super::path_names::{printable, unprintable};
use super::record::{InputRecord, name_beside, path_beside};
use super::settings::InputSettings;
use super::text::{SAMPLE, encoding_of_list};
use crate::model::{Failure, FailureCode};
use crate::remote::Address;
use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The decoded byte order mark that Windows programs write before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An open list.
#[derive(Debug)]
pub(super) struct FileList {
    source: Source,
    /// The encoding to decode. `None` if the bytes are the paths.
    encoding: Option<&'static Encoding>,
    /// The byte after each name: a line feed or zero. `find -print0` writes zeros.
    separator: u8,
    /// Inputs of the existing results that this run extends.
    before: Arc<[InputRecord]>,
    follow: FollowLinks,
    /// Directory to which relative paths refer. Names of files below it begin there.
    base: Option<PathBuf>,
}

impl FileList {
    /// Opens the list in the file `given`; `-` is standard input.
    pub fn open(given: &str, before: &[InputRecord], settings: &InputSettings) -> Result<Self, String> {
        let source = Source::open(given).map_err(|e| format!("file list {given}: cannot read the list: {e}"))?;
        let say = |e: io::Error| format!("file list {given}: cannot read the list: {e}");
        let sample = source.packed.sample(SAMPLE).map_err(say)?;
        let encoding = encoding_of_list(&sample)
            .map_err(|what| format!("file list {given}: this looks like {what}, not a text with one path per line. Save it as UTF-8"))?;
        let base = (!settings.base.is_empty()).then(|| PathBuf::from(&settings.base));
        let mut list = Self { source, encoding, separator: b'\n', before: before.into(), follow: settings.follow_links, base };
        let mut decoded = Vec::new();
        list.read().and_then(|text| text.take(SAMPLE).read_to_end(&mut decoded)).map_err(say)?;
        list.separator = if decoded.contains(&0) { 0 } else { b'\n' };
        Ok(list)
    }

    fn read(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = self.source.packed.open()?;
        let Some(encoding) = self.encoding else { return Ok(file) };
        Ok(Box::new(DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(file)))
    }

    /// What names the files of the list.
    pub fn names(&self) -> impl Fn(&Path) -> String + Send + use<> {
        let (before, base) = (Arc::clone(&self.before), self.base.clone());
        move |path| {
            let real = || std::fs::canonicalize(path).ok().and_then(|real| name_beside(&printable(real.as_os_str()), &before));
            let known = if before.is_empty() { None } else { real() };
            let below = || base.as_ref().map_or(path, |base| path.strip_prefix(base).unwrap_or(path));
            known.unwrap_or_else(|| printable(below().as_os_str()))
        }
    }

    /// Whether a listed file that was opened at `path` may be read, by the rule for links.
    ///
    /// Lists of received directories are often made by a program. Their links must stay inside the
    /// directory in which they are.
    pub fn admits(&self, file: &File, path: &Path) -> bool {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (Ok(directory), Some(name)) = (std::fs::canonicalize(directory), path.file_name()) else { return false };
        Links::new(self.follow, directory).admits(file, Path::new(name))
    }

    /// The existing file with this name.
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        let written = unprintable(name).unwrap_or_else(|| name.into());
        let itself = self.base.as_ref().map_or_else(|| written.clone(), |base| base.join(&written));
        if itself.exists() { Some(itself) } else { path_beside(name, &self.before) }
    }

    /// The paths, each once.
    pub fn distinct(&self) -> impl Iterator<Item = PathBuf> + Send + use<> {
        let mut seen = HashSet::new();
        // Memory grows with the list, by 8 bytes per path.
        let hash = |path: &Path| blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes().first_chunk::<8>().copied();
        self.paths().filter(move |path| seen.insert(hash(path)))
    }

    /// The paths, with repetitions. A read error ends the iterator.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> + Send + use<> {
        let (separator, base) = (self.separator, self.base.clone());
        let (mut list, mut first) = (self.read().map(BufReader::new).ok(), true);
        std::iter::from_fn(move || {
            let list = list.as_mut()?;
            loop {
                let mut name = Vec::new();
                if list.read_until(separator, &mut name).ok()? == 0 {
                    return None;
                }
                while matches!(name.last(), Some(b'\n' | b'\r' | 0)) {
                    name.pop();
                }
                let mark: &[u8] = if std::mem::take(&mut first) { BYTE_ORDER_MARK } else { &[] };
                let name = name.strip_prefix(mark).unwrap_or(&name);
                if !name.trim_ascii().is_empty() {
                    return Some(path(name, base.as_deref()));
                }
            }
        })
    }
}

/// Why a listed path is not a document. `None` if it may be one.
pub(super) fn missing(path: &Path) -> Option<Failure> {
    let why = match std::fs::metadata(path) {
        _ if path.to_str().is_some_and(|path| Address::parse(path).is_some()) => "this is an address, but lists can name only local files",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "the list names this file, but it does not exist. Correct the list",
        Ok(metadata) if metadata.is_dir() => {
            "this is a directory, but lists can name only files. Pass the directory \
            as an input instead"
        }
        _ => return None,
    };
    Some(Failure::new(FailureCode::Unreadable, why))
}

/// Converts a line of a list to a path.
///
/// If a file with the name of the whole line exists, the line is the path. Otherwise decoration is
/// removed: blanks from editors and columns, quotes from spreadsheets, backslashes from Windows.
/// Relative paths refer to `base`.
fn path(line: &[u8], base: Option<&Path>) -> PathBuf {
    let from_base = |path: &[u8]| base.map_or_else(|| without_dot(path), |base| base.join(without_dot(path)));
    let bare = line.trim_ascii();
    let unquoted = [b'"', b'\''].iter().find_map(|quote| bare.strip_prefix(&[*quote])?.strip_suffix(&[*quote]));
    let plain = unquoted.unwrap_or(bare);
    let backslashes = plain.contains(&b'\\') && std::path::MAIN_SEPARATOR == '/';
    if plain == line && !backslashes {
        return from_base(line);
    }
    let slashes: Vec<u8> = plain.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    let meant = [line, bare, plain, &slashes].into_iter().map(from_base).find(|path| path.exists());
    meant.unwrap_or_else(|| from_base(plain))
}

/// The path without the leading `./` that `find .` writes.
fn without_dot(name: &[u8]) -> PathBuf {
    let name = os_str(name);
    let path = Path::new(&name);
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(content: &[u8]) -> Result<Vec<PathBuf>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, content).unwrap();
        FileList::open(path.to_str().unwrap(), &[], &InputSettings::default()).map(|list| list.paths().collect())
    }

    fn utf16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn lists_are_read_in_all_common_encodings_and_styles() {
        let wanted = Ok(vec![PathBuf::from("in/d0.txt"), PathBuf::from("in/größe 1.txt")]);
        let text = "in/d0.txt\r\nin/größe 1.txt\r\n";
        let marked = format!("\u{feff}{text}");
        for content in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            text.replace("\r\n", "\0").into_bytes(),
            text.replace("\r\n", "\0").trim_end_matches('\0').as_bytes().to_vec(),
            marked.replace("\r\n", "\0").into_bytes(),
            text.replace("in/", "./in/").replace('\r', "").into_bytes(),
            text.replace("\r\n", "  \r\n\r\n   \n").into_bytes(),
            "\"in/d0.txt\"\n'in/größe 1.txt' \n".as_bytes().to_vec(),
        ] {
            assert_eq!(list(&content), wanted, "{:?}", String::from_utf8_lossy(&content));
        }
        assert_eq!(list(b"a\0b\0").map(|paths| paths.len()), Ok(2));
        assert_eq!(list(&utf16("d0.txt", u16::to_le_bytes)), Ok(vec!["d0.txt".into()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_line_is_taken_literally_if_such_a_file_exists() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a ", "\"b\"", "c\\d", "plain"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
            let line = dir.path().join(name);
            assert_eq!(path(line.as_os_str().as_encoded_bytes(), None), line);
            assert_eq!(path(name.as_bytes(), Some(dir.path())), line);
        }
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/e"), "x").unwrap();
        let windows = format!("{}\\sub\\e", dir.path().display());
        assert_eq!(path(windows.as_bytes(), None), dir.path().join("sub/e"));
        // Paths need not be UTF-8.
        assert_eq!(path(b"\xFF\xE9", None), Path::new(os_str(b"\xFF\xE9")));
    }

    #[test]
    fn a_file_of_another_format_is_refused_and_the_format_named() {
        let random: Vec<u8> = (0_u32..5000).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for (content, what) in [
            (&b"PK\x03\x04\x14\0\0\0\0\0rest"[..], "ZIP archive"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image"),
            (b"%PDF-1.7\n%\xE2\xE3\n1 0 obj", "a PDF document"),
            (b"\xFF\xFE\0\0i\0\0\0", "UTF-32"),
            (b"SQLite format 3\0\x10\0", "SQLite"),
            (&random, "binary data"),
        ] {
            let error = list(content).unwrap_err();
            assert!(error.contains(what) && error.contains("one path per line"), "{error}");
        }
    }
}
