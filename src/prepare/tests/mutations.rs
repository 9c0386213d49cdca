//! Tests that randomly damaged files become documents or failures with a reason.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// Maximum megapixels, enough for the corpus.
///
/// Larger headers are refused before they cost time.
const MEGAPIXELS: u32 = 1;

/// One kind of damage to the bytes of a file.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    Overwrite(Index, Vec<u8>),
    Lose(Index, usize),
    Double(Index, usize),
    Cut(Index),
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    // Extreme sizes and counts cause more failures than other numbers.
    let byte = prop_oneof![Just(0), Just(0xFF), Just(0x7F), Just(0x80), Just(1), any::<u8>()];
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), proptest::collection::vec(byte, 1..5)).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        1 => (at(), 1_usize..40).prop_map(|(at, length)| Damage::Lose(at, length)),
        1 => (at(), 1_usize..40).prop_map(|(at, length)| Damage::Double(at, length)),
        1 => at().prop_map(Damage::Cut),
    ]
}

impl Damage {
    pub(super) fn done_to(&self, bytes: &mut Vec<u8>) {
        let stretch = |at: &Index, length: usize, of: usize| {
            let from = at.index(of);
            from..of.min(from + length)
        };
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Overwrite(at, with) => {
                let hit = stretch(at, with.len(), length);
                let with = &with[..hit.len()];
                bytes[hit].copy_from_slice(with);
            }
            Self::Lose(at, lost) => drop(bytes.drain(stretch(at, *lost, length))),
            Self::Double(at, doubled) => {
                let again = bytes[stretch(at, *doubled, length)].to_vec();
                let at = at.index(length);
                bytes.splice(at..at, again);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// The files to damage: corpus images, and texts in all encodings.
fn sound_files() -> Vec<Vec<u8>> {
    golden::images().into_iter().map(|(_, bytes)| bytes).chain(encodings::all_saved()).collect()
}

/// Prepares a file and checks the result.
fn ends_well(bytes: &[u8]) -> TestCaseResult {
    let mut settings = settings();
    settings.image.max_pixels_mp = MEGAPIXELS;
    let sniffed = sniff(bytes, "");
    peak_memory(bytes, sniffed);
    match prepare(bytes, sniffed, &settings, &ImageLimits::openai()) {
        Ok(Prepared { content, .. }) => {
            prop_assert!(!content.0.is_empty());
            for piece in &content.0 {
                match piece {
                    ContentBlock::Picture(picture) => {
                        let sent = ::image::load_from_memory(&sent_bytes(picture));
                        prop_assert!(sent.is_ok_and(|image| (image.width(), image.height()) == (picture.width, picture.height)));
                    }
                    ContentBlock::Text(text) => {
                        prop_assert!(!text.body.trim().is_empty());
                        let clean = text.body.chars().all(|c| matches!(c, '\t' | '\n') || !(c.is_control() || c == '\u{FEFF}'));
                        prop_assert!(clean);
                    }
                }
            }
        }
        Err(failure) => {
            use FailureCode::{Empty, TooLarge, TooManyPixels, Undecodable, UnsupportedKind};
            prop_assert!(matches!(failure.code, Empty | TooLarge | TooManyPixels | Undecodable | UnsupportedKind), "{failure}");
            prop_assert!(!failure.message.contains("the decoder failed"), "{failure}");
        }
    }
    Ok(())
}

fn spoil(cases: u32, rng: TestRng) {
    let sound = sound_files();
    let mut runner = TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng);
    let spoiled = (any::<Index>(), proptest::collection::vec(damage(), 1..6)).prop_map(|(file, damages)| {
        let mut bytes = file.get(&sound).clone();
        for damage in &damages {
            damage.done_to(&mut bytes);
        }
        bytes
    });
    runner.run(&spoiled, |bytes| ends_well(&bytes)).unwrap();
}

#[test]
fn a_spoiled_file_ends_as_a_document_or_as_a_failure() {
    spoil(1500, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
}

/// A test for long runs.
///
/// Command: `DOCMILL_FUZZ="CASES SEED" cargo test --release --lib mutations -- --ignored`.
#[test]
#[ignore = "runs for any length of time"]
fn many_spoiled_files_end_as_documents_or_as_failures() {
    let options = std::env::var("DOCMILL_FUZZ").unwrap_or_else(|_| "100000 1".to_owned());
    let (cases, seed) = options.split_once(' ').unwrap();
    let seed = blake3::hash(seed.as_bytes());
    spoil(cases.parse().unwrap(), TestRng::from_seed(RngAlgorithm::ChaCha, seed.as_bytes()));
}

proptest! {
    #![proptest_config(Config { cases: 300, ..Config::default() })]

    #[test]
    fn any_bytes_end_as_a_document_or_as_a_failure(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        ends_well(&bytes)?;
    }

    #[test]
    fn sniffing_never_panics_on_any_beginning_with_any_rest(
        file in any::<Index>(), head in 1_usize..64, tail in proptest::collection::vec(any::<u8>(), 0..200), extension in "[a-z0-9]{0,4}",
    ) {
        let sound = file.get(&sound_files()).clone();
        let bytes = [&sound[..head.min(sound.len())], &tail].concat();
        sniff(&bytes, &extension);
        ends_well(&bytes)?;
    }
}
