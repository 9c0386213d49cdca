//! A digest at the end of each segment, so that damage is found before its answers are used.

use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes of a digest.
const DIGEST: usize = blake3::OUT_LEN;

/// The content of a segment with its BLAKE3 digest.
pub fn seal(mut content: Vec<u8>) -> Bytes {
    let digest = blake3::hash(&content);
    content.extend_from_slice(digest.as_bytes());
    content.into()
}

/// Removes the digest from a segment in a file. Returns whether the content is undamaged.
pub fn unseal(file: &Path) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).open(file)?;
    let Some(length) = file.metadata()?.len().checked_sub(DIGEST as u64) else { return Ok(false) };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader((&file).take(length))?;
    let mut digest = [0; DIGEST];
    file.seek(SeekFrom::Start(length))?;
    file.read_exact(&mut digest)?;
    file.set_len(length)?;
    Ok(hasher.finalize() == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_of_a_segment_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let sealed = seal(b"answers".to_vec());
        std::fs::write(&path, &sealed).unwrap();
        assert!(unseal(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"answers");
        let mut changed = sealed.to_vec();
        changed[2] ^= 1;
        for damaged in [&b""[..], b"short", &sealed[..sealed.len() - 1], &sealed[1..], &changed] {
            std::fs::write(&path, damaged).unwrap();
            assert!(!unseal(&path).unwrap(), "{damaged:?}");
        }
    }
}
