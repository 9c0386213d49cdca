//! The marks around documents in prompts.

use std::borrow::Cow;
use std::fmt;

/// Makes the marks around documents from a secret of the run store.
///
/// The mark of a text is a keyed digest of 128 bits. Only the holder of the secret can compute it,
/// so a text cannot contain its own mark and pretend to end. A text always gets the same mark, so
/// the prompt cache still hits in later runs.
#[derive(Clone)]
pub struct Fence([u8; 32]);

/// What differs between a message as sent and as its call key covers it: usually the mark of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceMark {
    /// Index of the part that contains it.
    pub part: usize,
    /// The text as sent.
    pub sent: String,
    /// The text in the call key, which does not depend on the secret.
    pub keyed: String,
}

impl Fence {
    /// Length of a mark in hexadecimal digits.
    const LENGTH: usize = 32;
    /// Length of the digest in call keys.
    const KEYED: usize = 12;

    /// A fence from the secret of a run store.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// A fence for calls that are never sent, as in a plan. Its marks are not secret.
    pub fn example() -> Self {
        Self([0; 32])
    }

    /// The mark of the text with this digest, in part `part` of a message.
    pub fn mark(&self, digest: &str, part: usize) -> FenceMark {
        let hash = blake3::keyed_hash(&self.0, digest.as_bytes()).to_hex();
        let sent = hash.chars().take(Self::LENGTH).collect();
        FenceMark { part, sent, keyed: digest.chars().take(Self::KEYED).collect() }
    }
}

impl FenceMark {
    /// Part `part` of a message as its call key covers it.
    pub fn keyed<'t>(marks: &[Self], part: usize, text: &'t str) -> Cow<'t, str> {
        let marks = marks.iter().filter(|mark| mark.part == part);
        marks.fold(Cow::Borrowed(text), |text, mark| text.replace(&mark.sent, &mark.keyed).into())
    }
}

/// Hides the secret.
impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_depends_on_the_secret_and_on_the_text() {
        let (one, other) = (Fence::new([1; 32]), Fence::new([2; 32]));
        let mark = one.mark("0123456789abcdef", 0);
        assert_eq!((mark.sent.len() * 4, &*mark.keyed), (128, "0123456789ab"));
        assert_eq!(one.mark("0123456789abcdef", 0), mark);
        assert_ne!(other.mark("0123456789abcdef", 0).sent, mark.sent);
        assert_ne!(one.mark("0123456789abcdee", 0).sent, mark.sent);
    }

    #[test]
    fn a_fence_does_not_show_its_secret() {
        assert_eq!(format!("{:?}", Fence::new([7; 32])), "Fence(..)");
    }
}
