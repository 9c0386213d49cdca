//! A table or list as a decompressed stream of bytes.
//!
//! The first bytes of a file decide its compression, not its name. Memory use stays constant. A
//! stream that decompresses to implausibly many bytes ends with an error.

use crate::remote::Address;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// Every file may decompress to this many bytes.
const ALWAYS: u64 = 4_000_000_000;
/// Beyond [`ALWAYS`], the maximum compression ratio. Repetitive tables reach 100.
const RATIO: u64 = 250;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstandard,
}

/// A file that can be read any number of times.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    path: PathBuf,
    packing: Packing,
}

/// A local file, or a stream saved in a temporary file.
#[derive(Debug)]
pub(super) struct Source {
    pub packed: Packed,
    /// Keeps the temporary file until the source is dropped.
    _spooled: Option<TempPath>,
}

impl Source {
    /// Opens the table or list called `given`; `-` is standard input.
    ///
    /// A run reads its input more than once, so a stream is saved first.
    pub fn open(given: &str) -> Result<Self, String> {
        if Address::parse(given).is_some() {
            return Err("docmill reads tables and lists only from this machine. Copy the file to this machine first".into());
        }
        let spooled = if is_stream(given) { Some(spool(given).map_err(|e| e.to_string())?) } else { None };
        let path = spooled.as_ref().map_or_else(|| PathBuf::from(given), |file| file.to_path_buf());
        let mut first = Vec::new();
        File::open(&path).and_then(|file| file.take(4).read_to_end(&mut first)).map_err(|e| e.to_string())?;
        Ok(Self { packed: Packed { packing: Packing::of(&first), path }, _spooled: spooled })
    }

    /// A temporary file that is removed when the source is dropped.
    pub fn temporary(file: TempPath) -> Self {
        Self { packed: Packed { packing: Packing::None, path: file.to_path_buf() }, _spooled: Some(file) }
    }
}

impl Packing {
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstandard,
            _ => Self::None,
        }
    }
}

impl Packed {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is compressed.
    pub fn is_packed(&self) -> bool {
        self.packing != Packing::None
    }

    /// The extension of its name, without a compression extension.
    pub fn extension(&self) -> String {
        let last = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
        let outer = last(&self.path);
        if self.is_packed() && ["gz", "gzip", "zst", "zstd"].contains(&&*outer) { last(&self.path.with_extension("")) } else { outer }
    }

    /// Opens the decompressed bytes.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path)?;
        let most = ALWAYS.max(file.metadata()?.len().saturating_mul(RATIO));
        Ok(match self.packing {
            Packing::None => Box::new(file),
            Packing::Gzip => Box::new(Bounded { inner: flate2::read::MultiGzDecoder::new(BufReader::new(file)), left: most }),
            Packing::Zstandard => Box::new(Bounded { inner: zstd::stream::read::Decoder::new(file)?, left: most }),
        })
    }

    /// The first decompressed bytes, at most `most`. Damage after them does not matter.
    pub fn sample(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut sample = Vec::new();
        let read = self.open()?.take(most).read_to_end(&mut sample);
        if sample.is_empty() { read.map(|_| sample) } else { Ok(sample) }
    }
}

/// A stream that fails after a maximum number of bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).map_err(|e| io::Error::new(e.kind(), format!("cannot decompress: {e}")))?;
        let left = self.left.checked_sub(read as u64);
        let what = || {
            format!(
                "it decompresses to more than {RATIO} times its size, like a decompression bomb. If you trust the \
                    file, decompress it yourself"
            )
        };
        self.left = left.ok_or_else(|| io::Error::other(what()))?;
        Ok(read)
    }
}

/// Whether the input can be read only once. This is standard input (`-`), or a pipe such as
/// `<(command)`.
pub fn is_stream(given: &str) -> bool {
    given == "-" || std::fs::metadata(given).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Saves a stream in a temporary file, which is removed when dropped.
pub(super) fn spool(given: &str) -> io::Result<TempPath> {
    let mut file = NamedTempFile::new()?;
    if given == "-" {
        io::copy(&mut io::stdin().lock(), &mut file)?;
    } else {
        io::copy(&mut File::open(given)?, &mut file)?;
    }
    Ok(file.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn compressed_files_are_recognised_by_content_not_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let text = b"a,b\n1,2\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::stream::encode_all(&*text, 3).unwrap();
        for (name, extension, bytes, whole) in [
            ("t.tsv.gz", "tsv", gzip.clone(), text.clone()),
            ("t.csv", "csv", gzip.clone(), text.clone()),
            // Several compressed streams in a row, as bgzip and `cat` make them.
            ("t", "", [gzip.clone(), gzip].concat(), text.repeat(2)),
            ("t.jsonl.zst", "jsonl", [zstd.clone(), zstd].concat(), text.repeat(2)),
            ("t.gz", "gz", text.clone(), text.clone()),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let source = Source::open(path.to_str().unwrap()).unwrap();
            let mut read = Vec::new();
            source.packed.open().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == whole && source.packed.extension() == extension, "{name}: {} bytes", read.len());
        }
    }

    #[test]
    fn a_decompression_bomb_is_cut_off() {
        let mut bounded = Bounded { inner: io::repeat(b'x'), left: 100_000 };
        let error = io::copy(&mut bounded, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("decompression bomb"), "{error}");
    }
}
