//! Tests one article of human rights in many languages and encodings.

use super::texts::{body, utf16, utf32};
use super::*;
use encoding_rs as e;
use encoding_rs::Encoding;

const GERMAN: &str = "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt \
    und sollen einander im Geist der Brüderlichkeit begegnen. Das größte Übel wäre, sie für schwächer zu erklären.";
const FRENCH: &str = "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de \
    conscience et doivent agir les uns envers les autres dans un esprit de fraternité, à l'égard même de ceux qui diffèrent.";
const POLISH: &str = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i \
    sumieniem i powinni postępować wobec innych w duchu braterstwa.";
const ROMANIAN: &str = "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu rațiune și \
    conștiință și trebuie să se comporte unele față de altele în spiritul fraternității.";
const MALTESE: &str = "Il-bnedmin kollha jitwieldu ħielsa u ugwali fid-dinjità u d-drittijiet. Huma mogħnija bir-raġuni u \
    bil-kuxjenza u għandhom iġibu ruħhom ma' xulxin bi spirtu ta' aħwa.";
const RUSSIAN: &str = "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и \
    должны поступать в отношении друг друга в духе братства.";
const UKRAINIAN: &str = "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і \
    повинні діяти у відношенні один до одного в дусі братерства. Її ґрунт є спільним.";
const GREEK: &str = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική \
    και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.";
const TURKISH: &str = "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine \
    karşı kardeşlik zihniyeti ile hareket etmelidirler.";
const HEBREW: &str = "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג \
    איש ברעהו ברוח של אחווה.";
const ARABIC: &str = "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا \
    بروح الإخاء.";
const LITHUANIAN: &str = "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir sąžinė ir jie turi \
    elgtis vienas kito atžvilgiu kaip broliai.";
const LATVIAN: &str = "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti ar saprātu un \
    sirdsapziņu, un viņiem jāizturas citam pret citu brālības garā.";
/// The text has combining tone marks, as in windows-1258.
const VIETNAMESE: &str = "Tâ\u{301}t ca\u{309} mo\u{323}i ngươ\u{300}i sinh ra đê\u{300}u đươ\u{323}c tư\u{323} do và bi\u{300}nh đă\u{309}ng vê\u{300} nhân phâ\u{309}m và quyê\u{300}n lơ\u{323}i. Mo\u{323}i con ngươ\u{300}i đê\u{300}u đươ\u{323}c ta\u{323}o hoá ban cho ly\u{301} trí và lương tâm và câ\u{300}n pha\u{309}i đô\u{301}i xư\u{309} vơ\u{301}i nhau trong ti\u{300}nh anh em.";
const THAI: &str = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกัน\
    ด้วยเจตนารมณ์แห่งภราดรภาพ";
const JAPANESE: &str = "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、\
    互いに同胞の精神をもって行動しなければならない。";
const SIMPLIFIED: &str = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。";
const TRADITIONAL: &str = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神互相對待。";
const KOREAN: &str = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 \
    서로 형제애의 정신으로 행동하여야 한다.";

const LEGACY: [(&Encoding, &str); 32] = [
    (e::WINDOWS_1250, POLISH),
    (e::WINDOWS_1251, RUSSIAN),
    (e::WINDOWS_1251, UKRAINIAN),
    (e::WINDOWS_1252, GERMAN),
    (e::WINDOWS_1252, FRENCH),
    (e::WINDOWS_1253, GREEK),
    (e::WINDOWS_1254, TURKISH),
    (e::WINDOWS_1255, HEBREW),
    (e::WINDOWS_1256, ARABIC),
    (e::WINDOWS_1257, LITHUANIAN),
    (e::WINDOWS_1257, LATVIAN),
    (e::WINDOWS_1258, VIETNAMESE),
    (e::WINDOWS_874, THAI),
    (e::ISO_8859_2, POLISH),
    (e::ISO_8859_4, LATVIAN),
    (e::ISO_8859_5, RUSSIAN),
    (e::ISO_8859_6, ARABIC),
    (e::ISO_8859_7, GREEK),
    (e::ISO_8859_8_I, HEBREW),
    (e::ISO_8859_13, LITHUANIAN),
    (e::ISO_8859_15, FRENCH),
    (e::KOI8_R, RUSSIAN),
    (e::KOI8_U, UKRAINIAN),
    (e::IBM866, RUSSIAN),
    (e::MACINTOSH, GERMAN),
    (e::MACINTOSH, FRENCH),
    (e::SHIFT_JIS, JAPANESE),
    (e::EUC_JP, JAPANESE),
    (e::ISO_2022_JP, JAPANESE),
    (e::GB18030, SIMPLIFIED),
    (e::BIG5, TRADITIONAL),
    (e::EUC_KR, KOREAN),
];

/// Encodings that cannot be distinguished from more frequent ones.
///
/// Texts in them are read with some wrong letters, so users must convert such files.
const INDISTINGUISHABLE: [(&Encoding, &str); 4] =
    [(e::ISO_8859_3, MALTESE), (e::ISO_8859_10, LATVIAN), (e::ISO_8859_16, ROMANIAN), (e::X_MAC_CYRILLIC, RUSSIAN)];

fn saved(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    // The library can encode to all encodings except UTF-16 and its relatives.
    assert_ne!(encoding.output_encoding(), e::UTF_8);
    let (bytes, _, unmappable) = encoding.encode(text);
    assert!(!unmappable, "the text must exist in {}: {text}", encoding.name());
    bytes.into_owned()
}

/// Returns all of these texts as files.
pub(super) fn all_saved() -> impl Iterator<Item = Vec<u8>> {
    let legacy = LEGACY.into_iter().chain(INDISTINGUISHABLE).map(|(encoding, text)| saved(text, encoding));
    let wide = [JAPANESE, GERMAN].into_iter().flat_map(|text| {
        [utf16(text, true, u16::to_be_bytes), utf16(text, false, u16::to_le_bytes), utf32(text, u32::to_le_bytes), text.into()]
    });
    legacy.chain(wide)
}

#[test]
fn texts_in_legacy_encodings_are_read_exactly() {
    let mut faults = Vec::new();
    for (encoding, text) in LEGACY {
        let bytes = saved(text, encoding);
        assert_eq!(sniff(&bytes, "txt"), Sniffed::Text, "{}", encoding.name());
        let taken_for = run(&bytes).unwrap().facts.format;
        let read = body(&bytes);
        if read != text {
            faults.push(format!("{} taken for {taken_for}: {read}", encoding.name()));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), LEGACY.len(), faults.join("\n"));
}

#[test]
fn indistinguishable_encodings_are_misread_without_failing() {
    for (encoding, text) in INDISTINGUISHABLE {
        let read = body(&saved(text, encoding));
        assert_ne!(read, text, "{} can be read now: move it to the list above", encoding.name());
        assert!(!read.is_empty());
    }
}

#[test]
fn unicode_is_read_with_and_without_a_mark() {
    let little = u16::to_le_bytes;
    let big = u16::to_be_bytes;
    for text in [GERMAN, POLISH, RUSSIAN, GREEK, HEBREW, ARABIC, THAI, KOREAN, VIETNAMESE, "plain ASCII text", "🦀 crabs 🦀"] {
        let japanese = format!("{JAPANESE}\n{SIMPLIFIED} 1948\n");
        for text in [text, &japanese] {
            for (bytes, encoding) in [
                (text.as_bytes().to_vec(), "utf-8"),
                (["\u{FEFF}", text].concat().into_bytes(), "utf-8"),
                (utf16(text, true, little), "utf-16le"),
                (utf16(text, true, big), "utf-16be"),
                (utf16(text, false, little), "utf-16le"),
                (utf16(text, false, big), "utf-16be"),
                (utf32(text, u32::to_le_bytes), "utf-32le"),
                (utf32(text, u32::to_be_bytes), "utf-32be"),
            ] {
                let prepared = run(&bytes).unwrap_or_else(|failure| panic!("{encoding}: {failure}: {text}"));
                assert_eq!((prepared.facts.format.as_str(), body(&bytes).as_str()), (encoding, text));
                let guessed = encoding.starts_with("utf-16") && !matches!(bytes[..2], [0xFF, 0xFE] | [0xFE, 0xFF]);
                assert_eq!(prepared.facts.note.is_some(), guessed, "{encoding}");
            }
        }
    }
}

#[test]
fn utf32_without_a_mark_is_refused_and_not_misread() {
    let bytes: Vec<u8> = GERMAN.chars().map(u32::from).flat_map(u32::to_le_bytes).collect();
    assert_eq!(run(&bytes).unwrap_err().code, FailureCode::UnsupportedKind);
}

#[test]
fn refusals_name_the_encoding_that_cannot_be_decoded() {
    let dos = b"Sehr geehrte Frau M\x81ller,\r\nIhre Bestellung \x81ber 3 St\x81ck K\x84se, sp\x84ter Gr\x94\xE1e und Sch\x94nes.\r\n";
    let french =
        b"Les \x88tres humains naissent libres et \x82gaux en dignit\x82, dou\x82s de fraternit\x82 \x85 l'\x82gard, et diff\x8Arents.";
    let ebcdic: Vec<u8> = [0xC8, 0x85, 0x93, 0x93, 0x96, 0x40, 0xA3, 0x88, 0x89, 0xA2, 0x40, 0x89, 0xA2, 0x4B, 0x25].repeat(9);
    for (bytes, what) in [(&dos[..], "MS-DOS"), (french, "MS-DOS"), (&ebcdic, "EBCDIC")] {
        let failure = run(bytes).unwrap_err();
        assert_eq!(failure.code, FailureCode::Undecodable);
        assert!(failure.message.contains(what) && failure.message.contains("UTF-8"), "{}", failure.message);
    }
    for short in [&b"K\x94ln;5"[..], b"Name;Price\r\nJos\x82;5", b"Gr\x81\xE1e 5 \x9B", b"Prix \x82t\x82 5", b"ma\xA4ana"] {
        assert_eq!(run(short).unwrap_err().code, FailureCode::Undecodable, "{short:?}");
    }
    for fine in [
        &b"\x84Wort\x93 und \x82x\x91 f\xFCr 5\x89"[..],
        b"Smith\x86 and Lee\x87 \x8Bmot\x9B",
        b"1\x9610, 5\x80, 12\x99, wait\x85what, 5\xA2",
        b"\xA1Hola! Se\xF1or \xA35",
        b"(\x84a\x93), \x84b\x93",
        b"Sample;d13C\x89;5",
        // Russian of Windows, with the sign of the euro.
        b"\xD6\xE5\xED\xE0 \xE2\xF1\xE5\xE3\xEE EUR\x88 5 \xE8 \xE1\xEE\xEB\xFC\xF8\xE5 \xED\xE8\xF7\xE5\xE3\xEE",
    ] {
        assert!(run(fine).is_ok(), "{fine:?}");
    }
    for fine in [&b"l\x92ami d\x92une \xe9cole"[..], b"der\xA0erste", b"don\x91t"] {
        assert!(run(fine).is_ok(), "{fine:?}");
    }
}

#[test]
fn one_invalid_line_does_not_damage_other_lines_of_utf8() {
    let text = ["für ä ö\n".as_bytes().repeat(4), b"f\xFCr \xE4 \xF6\n".to_vec()].concat();
    let read = run(&text).unwrap();
    assert_eq!(read.facts.format, "utf-8");
    assert!(read.facts.note.is_some());
    assert!(body(&text).starts_with("für ä ö\nfür"), "{}", body(&text));
}
