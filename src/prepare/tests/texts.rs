use super::*;
use crate::model::Text;

const GERMAN: &str = "Der Käufer prüft die Größe der Straße und sagt: „schön“ – für 20 € wäre es übertrieben.";
const POLISH: &str = "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.";
const RUSSIAN: &str = "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом.";
const JAPANESE: &str = "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。";
const CHINESE: &str = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。";

fn text(prepared: &Prepared) -> Arc<Text> {
    match &prepared.content.0[..] {
        [ContentBlock::Text(text)] => Arc::clone(text),
        _ => panic!("no text came out"),
    }
}

pub(super) fn body(bytes: &[u8]) -> String {
    text(&run(bytes).unwrap()).body.to_string()
}

pub(super) fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

pub(super) fn utf32(text: &str, bytes: fn(u32) -> [u8; 4]) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.chars().map(u32::from)).flat_map(bytes).collect()
}

#[test]
fn unicode_texts_are_read_in_all_their_forms() {
    for content in [GERMAN, POLISH, RUSSIAN, JAPANESE, CHINESE, "plain", "🦀 crab"] {
        let forms = [
            (content.as_bytes().to_vec(), "utf-8"),
            ([b"\xEF\xBB\xBF", content.as_bytes()].concat(), "utf-8"),
            (utf16(content, true, u16::to_le_bytes), "utf-16le"),
            (utf16(content, true, u16::to_be_bytes), "utf-16be"),
            (utf32(content, u32::to_le_bytes), "utf-32le"),
            (utf32(content, u32::to_be_bytes), "utf-32be"),
        ];
        for (bytes, encoding) in forms {
            let prepared = run(&bytes).unwrap();
            assert_eq!(&*text(&prepared).body, content, "{encoding}");
            assert_eq!(prepared.facts.format, encoding);
            assert_eq!(prepared.facts.note, None);
        }
    }
}

#[test]
fn utf16_without_a_mark_is_recognised_by_its_zero_bytes() {
    for (bytes, encoding) in [(utf16(GERMAN, false, u16::to_le_bytes), "utf-16le"), (utf16(GERMAN, false, u16::to_be_bytes), "utf-16be")] {
        let prepared = run(&bytes).unwrap();
        assert_eq!(prepared.facts.format, encoding);
        assert_eq!(&*text(&prepared).body, GERMAN);
    }
}

#[test]
fn legacy_encodings_are_detected() {
    let cases = [
        (encoding_rs::WINDOWS_1252, GERMAN),
        (encoding_rs::WINDOWS_1250, POLISH),
        (encoding_rs::ISO_8859_2, POLISH),
        (encoding_rs::WINDOWS_1251, RUSSIAN),
        (encoding_rs::KOI8_R, RUSSIAN),
        (encoding_rs::SHIFT_JIS, JAPANESE),
        (encoding_rs::EUC_JP, JAPANESE),
        (encoding_rs::GBK, CHINESE),
    ];
    for (encoding, content) in cases {
        let content = content.repeat(3);
        let (bytes, _, unmappable) = encoding.encode(&content);
        assert!(!unmappable, "the test text must exist in {}", encoding.name());
        let prepared = run(&bytes).unwrap();
        assert_eq!(&*text(&prepared).body, content, "{} taken for {}", encoding.name(), prepared.facts.format);
        let detected = format!("the encoding is not declared; docmill detected {}", prepared.facts.format);
        assert_eq!(prepared.facts.note, Some(detected));
    }
    assert_eq!(run(&encoding_rs::WINDOWS_1252.encode(GERMAN).0).unwrap().facts.format, "windows-1252");
}

#[test]
fn a_single_windows_dash_is_decoded() {
    assert_eq!(body(b"first \x97 second caf\xe9"), "first — second café");
}

#[test]
fn little_damage_in_utf8_is_replaced_and_noted() {
    let cut = &GERMAN.as_bytes()[..=GERMAN.find('ß').unwrap()];
    let spoiled = [GERMAN.repeat(5).as_bytes(), b" \xFF ", GERMAN.as_bytes()].concat();
    for bytes in [cut, &spoiled] {
        let prepared = run(bytes).unwrap();
        assert_eq!(prepared.facts.format, "utf-8");
        assert!(text(&prepared).body.contains('\u{FFFD}') && text(&prepared).body.contains("Käufer"));
        assert!(prepared.facts.note.as_deref().is_some_and(|note| note.contains("not valid")));
    }
}

#[test]
fn line_ends_become_one_kind_and_controls_go() {
    assert_eq!(body(b"a\r\nb\rc\nd\r\r\ne"), "a\nb\nc\nd\n\ne");
    assert_eq!(body(b"a\x0cb\x0bc"), "a\n\nb\nc");
    let text = "one\u{FEFF}\u{85}two\tthree\u{7F}\u{1B}[0m four";
    assert_eq!(body(text.as_bytes()), "one\ntwo\tthree[0m four");
}

#[test]
fn case_and_punctuation_stay_unless_cleaning_is_on() {
    let raw = "Don’t   PANIC! It's “well-known”,\n\nisn't it? Größe: 3.5 — 日本、東京。";
    assert_eq!(body(raw.as_bytes()), raw);
    let mut settings = settings();
    settings.text.clean = true;
    let prepared = prepare(raw.as_bytes(), Sniffed::Text, &settings, &ImageLimits::openai()).unwrap();
    assert_eq!(&*text(&prepared).body, "dont panic its well known isnt it größe 3 5 日本 東京");
}

#[test]
fn a_file_without_text_is_empty() {
    for bytes in [&b" \n\t "[..], b"\xEF\xBB\xBF", b"\xFF\xFE", "\u{A0}\u{3000}".as_bytes(), b"\r\n\r\n"] {
        let failure = run(bytes).unwrap_err();
        assert_eq!(failure, Failure::new(FailureCode::Empty, "no text in this file"), "{bytes:?}");
    }
    let mut settings = settings();
    settings.text.clean = true;
    let failure = prepare(b"?!", Sniffed::Text, &settings, &ImageLimits::openai()).unwrap_err();
    assert_eq!(failure.code, FailureCode::Empty);
}

#[test]
fn facts_of_a_text_count_words_tokens_and_bytes_of_the_file() {
    let prepared = run(b"\xEF\xBB\xBFhello world").unwrap();
    assert_eq!(prepared.facts.bytes, 14);
    assert_eq!(prepared.facts.words, Some(2));
    assert_eq!(prepared.facts.tokens, 2);
    assert_eq!(prepared.facts.pixels, None);
    assert_eq!(text(&prepared).digest, blake3::hash(b"hello world").to_hex().to_string());
}

#[test]
fn any_bytes_taken_for_text_give_clean_text_or_a_failure() {
    let mut state = 5_u32;
    for length in 0..300 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect();
        if let Ok(prepared) = prepare(&bytes, Sniffed::Text, &settings(), &ImageLimits::openai()) {
            let text = text(&prepared);
            assert!(text.body.chars().all(|c| matches!(c, '\t' | '\n') || !(c.is_control() || c == '\u{FEFF}')));
        }
    }
}
