//! A table or list as a decompressed stream of bytes.
//!
//! The first bytes of a file decide its compression, not its name. Memory use stays constant. A
//! confined process decompresses. A stream that decompresses to implausibly many bytes ends with an
//! error.

use super::decoder::{Decoder, Format};
use crate::remote::Address;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// Every file may decompress to this many bytes.
const ALWAYS: u64 = 4_000_000_000;
/// Beyond [`ALWAYS`], the maximum compression ratio. Repetitive tables reach 100.
const RATIO: u64 = 250;

/// Decompressed bytes for which a process may use the CPU time of [`Packing::format`].
const PIECE: usize = 1 << 18;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstandard,
}

/// A file that can be read any number of times.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    path: PathBuf,
    packing: Option<Packing>,
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
        Self { packed: Packed { packing: None, path: file.to_path_buf() }, _spooled: Some(file) }
    }
}

impl Packing {
    fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1F, 0x8B, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }

    /// The packing that a process was told.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstandard].into_iter().find(|packing| packing.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
        }
    }

    fn format(self) -> Format {
        Format { name: self.name(), seconds: 60, advice: "If you trust the file, decompress it yourself" }
    }
}

/// Decompresses a file to `out`. Calls `renew` before each piece.
pub(super) fn unpack(
    packing: Packing,
    file: impl Read + 'static,
    out: &mut impl Write,
    renew: &dyn Fn() -> io::Result<()>,
) -> Result<(), String> {
    let unpacked = || -> io::Result<()> {
        let mut from: Box<dyn Read> = match packing {
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
            Packing::Zstandard => Box::new(zstd::stream::read::Decoder::new(file)?),
        };
        let mut piece = vec![0; PIECE];
        loop {
            renew()?;
            match from.read(&mut piece)? {
                0 => return Ok(()),
                read => out.write_all(&piece[..read])?,
            }
        }
    };
    unpacked().map_err(|e| e.to_string())
}

impl Packed {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is compressed.
    pub fn is_packed(&self) -> bool {
        self.packing.is_some()
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
        let Some(packing) = self.packing else { return Ok(Box::new(file)) };
        let left = ALWAYS.max(file.metadata()?.len().saturating_mul(RATIO));
        Ok(Box::new(Bounded { inner: Decoder::of_table(packing.name(), packing.format(), file)?, left }))
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
            let Packed { packing, .. } = Source::open(path.to_str().unwrap()).unwrap().packed;
            let mut read = Vec::new();
            let mut file = File::open(&path).unwrap();
            match packing {
                Some(packing) => unpack(packing, file, &mut read, &|| Ok(())).unwrap(),
                None => file.read_to_end(&mut read).map(drop).unwrap(),
            }
            assert!(read == whole && Packed { path, packing }.extension() == extension, "{name}: {} bytes", read.len());
        }
    }

    #[test]
    fn a_decompression_bomb_is_cut_off() {
        let mut bounded = Bounded { inner: io::repeat(b'x'), left: 100_000 };
        let error = io::copy(&mut bounded, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("decompression bomb"), "{error}");
    }
}
