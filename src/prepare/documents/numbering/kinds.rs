//! Kinds of numbers, by their names in Office documents.

/// Shows a number as `decimal`, `lowerRoman`, `upperLetter` and so on.
///
/// Unknown kinds are decimal. `none` and `bullet` show nothing.
pub(in crate::prepare::documents) fn shown(number: u32, kind: &str) -> String {
    match kind {
        "none" | "bullet" => String::new(),
        "lowerLetter" => letters(number, 'a'),
        "upperLetter" => letters(number, 'A'),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        "decimalZero3" => format!("{number:03}"),
        "decimalZero4" => format!("{number:04}"),
        "decimalZero5" => format!("{number:05}"),
        "ordinal" => ordinal(number),
        "cardinalText" => cardinal(number),
        "ordinalText" => ordinal_text(number),
        "decimalEnclosedParen" => format!("({number})"),
        "decimalEnclosedFullstop" => format!("{number}."),
        "numberInDash" => format!("- {number} -"),
        "decimalEnclosedCircle" | "decimalEnclosedCircleChinese" => nth(number, '①', 20),
        "decimalFullWidth" | "decimalFullWidth2" => {
            number.to_string().chars().map(|digit| char::from_u32(u32::from(digit) + 0xFEE0).unwrap_or(digit)).collect()
        }
        "hex" => format!("{number:X}"),
        "chicago" => {
            ["*", "†", "‡", "§"][(number.saturating_sub(1) % 4) as usize].repeat((number.saturating_sub(1) / 4 + 1).min(10) as usize)
        }
        "russianLower" => among(number, "абвгдежзиклмнопрстуфхцчшщэюя"),
        "russianUpper" => among(number, "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ"),
        "lowerGreek" => among(number, "αβγδεζηθικλμνξοπρστυφχψω"),
        "upperGreek" => among(number, "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"),
        "aiueo" | "aiueoFullWidth" => {
            among(number, "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン")
        }
        "iroha" | "irohaFullWidth" => {
            among(number, "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス")
        }
        "ganada" => among(number, "가나다라마바사아자차카타파하"),
        "ideographTraditional" => among(number, "甲乙丙丁戊己庚辛壬癸"),
        "hebrew1" | "hebrew2" => among(number, "אבגדהוזחטיכלמנסעפצקרשת"),
        "arabicAlpha" => among(number, "أبتثجحخدذرزسشصضطظعغفقكلمنهوي"),
        "ideographDigital" | "japaneseDigitalTenThousand" | "taiwaneseDigital" => {
            number.to_string().chars().filter_map(|digit| HAN.chars().nth(digit.to_digit(10)? as usize)).collect()
        }
        "chineseCounting"
        | "chineseCountingThousand"
        | "japaneseCounting"
        | "taiwaneseCounting"
        | "taiwaneseCountingThousand"
        | "koreanDigital2" => han(number),
        _ => number.to_string(),
    }
}

const HAN: &str = "〇一二三四五六七八九";

/// Chinese and Japanese numbers below 100. Larger ones are decimal.
fn han(number: u32) -> String {
    let digit = |at: u32| HAN.chars().nth(at as usize).unwrap_or('〇');
    match (number / 10, number % 10) {
        (0, ones) => digit(ones).to_string(),
        (1, 0) => "十".to_owned(),
        (1, ones) => format!("十{}", digit(ones)),
        (tens @ 2..=9, 0) => format!("{}十", digit(tens)),
        (tens @ 2..=9, ones) => format!("{}十{}", digit(tens), digit(ones)),
        _ => number.to_string(),
    }
}

/// A to Z, then AA, BB and so on.
fn letters(number: u32, first: char) -> String {
    let Some(index) = number.checked_sub(1) else { return "0".to_owned() };
    let letter = char::from_u32(u32::from(first) + index % 26).unwrap_or(first);
    String::from(letter).repeat((index / 26 + 1).min(10) as usize)
}

/// A sign among those that follow each other in Unicode.
fn nth(number: u32, first: char, most: u32) -> String {
    let sign = number.checked_sub(1).filter(|at| *at < most).and_then(|at| char::from_u32(u32::from(first) + at));
    sign.map_or_else(|| number.to_string(), String::from)
}

/// A sign of an alphabet. Larger numbers are decimal.
fn among(number: u32, alphabet: &str) -> String {
    let sign = number.checked_sub(1).and_then(|at| alphabet.chars().nth(at as usize));
    sign.map_or_else(|| number.to_string(), String::from)
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

const ONES: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const TENS: [&str; 10] = ["", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"];
const ORDINALS: [(&str, &str); 7] = [
    ("One", "First"),
    ("Two", "Second"),
    ("Three", "Third"),
    ("Five", "Fifth"),
    ("Eight", "Eighth"),
    ("Nine", "Ninth"),
    ("Twelve", "Twelfth"),
];

/// English numbers below 100. Larger ones are decimal.
fn cardinal(number: u32) -> String {
    match number {
        0..20 => ONES[number as usize].to_owned(),
        20..100 if number.is_multiple_of(10) => TENS[(number / 10) as usize].to_owned(),
        20..100 => format!("{}-{}", TENS[(number / 10) as usize], ONES[(number % 10) as usize].to_lowercase()),
        _ => number.to_string(),
    }
}

fn ordinal_text(number: u32) -> String {
    if number >= 100 {
        return ordinal(number);
    }
    let text = cardinal(number);
    let (before, last) = text.rsplit_once('-').map_or(("", &*text), |(before, last)| (before, last));
    let irregular = ORDINALS.iter().find(|(one, _)| one.eq_ignore_ascii_case(last)).map(|(_, first)| (*first).to_owned());
    let last = irregular.unwrap_or_else(|| last.strip_suffix('y').map_or_else(|| format!("{last}th"), |stem| format!("{stem}ieth")));
    if before.is_empty() { last } else { format!("{before}-{}", last.to_lowercase()) }
}

fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number == 0 || number > 3999 {
        return number.to_string();
    }
    let mut left = number;
    let mut text = String::new();
    for (value, sign) in SIGNS {
        while left >= value {
            text.push_str(sign);
            left -= value;
        }
    }
    text
}
