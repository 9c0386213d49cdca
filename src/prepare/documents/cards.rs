//! Calendars (ICS) and address cards (VCF): each entry with its fields, one on a line.

use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, encoding, quoted_printable, verdict};
use crate::model::Failure;
use encoding_rs::Encoding;
use std::fmt::Write as _;

pub(super) const ICS: Reader = Reader { format: "ics", name: CALENDAR, recognises: |bytes, _| begins(bytes, "VCALENDAR"), read: read_ics };
pub(super) const VCF: Reader = Reader { format: "vcf", name: CARDS, recognises: |bytes, _| begins(bytes, "VCARD"), read: read_vcf };

const CALENDAR: &str = "a calendar (ICS)";
const CARDS: &str = "a file of address cards (VCF)";
/// Maximum number of open parts to track.
const DEPTH: usize = 64;
/// Fields that only programs need.
const TECHNICAL: [&str; 20] = [
    "VERSION",
    "PRODID",
    "UID",
    "DTSTAMP",
    "CREATED",
    "LAST-MODIFIED",
    "SEQUENCE",
    "TRANSP",
    "CALSCALE",
    "METHOD",
    "REV",
    "CLASS",
    "ACTION",
    "TZOFFSETFROM",
    "TZOFFSETTO",
    "TZNAME",
    "TRIGGER",
    "TZID",
    "KIND",
    "PRIORITY",
];

fn begins(bytes: &[u8], what: &str) -> bool {
    let head = encoding::decode(&bytes[..bytes.len().min(64)]).text;
    head.trim_start_matches('\u{FEFF}').trim_start().to_ascii_uppercase().starts_with(&format!("BEGIN:{what}"))
}

fn read_ics(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    entries(bytes, CALENDAR)
}

fn read_vcf(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    entries(bytes, CARDS)
}

/// The events of a calendar as text, if there are any, and its notes.
pub(super) fn calendar(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    let mut extract = entries(bytes, CALENDAR).ok()?;
    match extract.pages.pop()? {
        Page::Text(text) => Some((text, extract.notes)),
        Page::Image(_) => None,
    }
}

fn entries(bytes: &[u8], name: &str) -> Result<Extract, Failure> {
    let decoded = encoding::decode(bytes);
    let (mut text, mut left_out) = (String::new(), 0);
    // Open parts, and those among them whose fields are left out.
    let mut open: Vec<String> = Vec::new();
    let mut silent = 0_usize;
    let is_silent = |part: &str| usize::from(["VTIMEZONE", "VALARM"].iter().any(|name| part.eq_ignore_ascii_case(name)));
    let mut card = Card::default();
    let mut start = None;
    for line in unfolded(&decoded.text) {
        let Some((head, value)) = split(&line) else { continue };
        let mut parameters = head.split(';');
        // Groups of fields have names: `item1.EMAIL`.
        let key = parameters.next().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
        let parameters: Vec<&str> = parameters.collect();
        match key.as_str() {
            "BEGIN" => {
                if open.len() < DEPTH {
                    open.push(value.to_ascii_uppercase());
                }
                silent += is_silent(&value);
                if ["VEVENT", "VTODO", "VJOURNAL", "VCARD"].contains(&value.to_ascii_uppercase().as_str()) && !text.is_empty() {
                    text.push('\n');
                }
                if open.len() == 1 || value.eq_ignore_ascii_case("VEVENT") {
                    (card, start) = (Card { at: text.len(), ..Card::default() }, None);
                }
            }
            "END" => {
                let begun = open.iter().rposition(|part| value.eq_ignore_ascii_case(part));
                open.truncate(begun.unwrap_or(open.len()));
                silent = silent.saturating_sub(is_silent(&value));
                if let Some(name) = card.name.take().filter(|name| !card.has_name && !name.is_empty()) {
                    card.has_name = true;
                    text.insert_str(card.at, &format!("Name: {name}\n"));
                }
            }
            "N" => card.name = Some(full_name(&value, &parameters)),
            _ if silent > 0 => {}
            "PHOTO" | "LOGO" | "SOUND" | "KEY" | "ATTACH" if value.len() > 200 => left_out += 1,
            _ if TECHNICAL.contains(&key.as_str()) || key.starts_with("X-") => {}
            _ => {
                card.has_name |= key == "FN" && !value.is_empty();
                let mut value = plain(&value, &parameters);
                match key.as_str() {
                    "DTSTART" => start = day(&value),
                    "DTEND" => value = last_day(value, start),
                    _ => {}
                }
                if !value.is_empty() {
                    let about = about(&parameters);
                    let _infallible = writeln!(text, "{}{about}: {value}", label(&key));
                }
            }
        }
    }
    let mut extract = Extract { notes: decoded.notes(), ..Extract::text(text) };
    if !open.is_empty() {
        extract.notes.push(verdict::CUT.to_owned());
    }
    if left_out > 0 {
        extract.notes.push(format!("{} left out", verdict::counted(left_out, "attached file")));
    }
    verdict::readable(name, extract)
}

/// A card that is being read.
#[derive(Default)]
struct Card {
    /// Position of its text.
    at: usize,
    /// The name from its parts, for cards without a whole name.
    name: Option<String>,
    has_name: bool,
}

/// The name from `family;given;additional;prefix;suffix`.
fn full_name(value: &str, parameters: &[&str]) -> String {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for character in decoded(value, parameters).chars() {
        match parts.last_mut() {
            Some(_) if character == ';' && !escaped => parts.push(String::new()),
            Some(part) => part.push(character),
            None => {}
        }
        escaped = character == '\\' && !escaped;
    }
    let part = |at: usize| parts.get(at).map(|part| plain(part, &[])).filter(|part| !part.is_empty());
    [3, 1, 2, 0, 4].into_iter().filter_map(part).collect::<Vec<_>>().join(" ")
}

/// The date of a value without a time.
fn day(value: &str) -> Option<jiff::civil::Date> {
    value.parse().ok().filter(|_| value.len() == 10)
}

/// The last day of an event. A file has the day after it.
fn last_day(value: String, start: Option<jiff::civil::Date>) -> String {
    let last = day(&value).filter(|end| start.is_none_or(|start| *end > start)).and_then(|end| end.yesterday().ok());
    last.map_or(value, |last| last.to_string())
}

/// The lines of a file: long ones are continued after a space, or after `=` in old cards.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_quoted = false;
    for line in text.lines() {
        match (lines.last_mut(), line.strip_prefix([' ', '\t'])) {
            (Some(last), Some(rest)) => last.push_str(rest),
            (Some(last), None) if is_quoted && last.ends_with('=') => {
                last.pop();
                last.push_str(line);
            }
            _ => {
                is_quoted = line.to_ascii_uppercase().contains("QUOTED-PRINTABLE");
                lines.push(line.to_owned());
            }
        }
    }
    lines
}

/// Divides a line at its first colon outside quotes.
fn split(line: &str) -> Option<(&str, String)> {
    let mut quoted = false;
    let colon = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ':' && !quoted
    });
    let at = colon?.0;
    Some((&line[..at], line[at + 1..].trim().to_owned()))
}

/// The value without the encoding of old cards.
fn decoded(value: &str, parameters: &[&str]) -> String {
    if parameters.iter().any(|parameter| parameter.to_ascii_uppercase().ends_with("QUOTED-PRINTABLE")) {
        quoted_printable(value, parameters)
    } else {
        value.to_owned()
    }
}

/// The value as people write it.
fn plain(value: &str, parameters: &[&str]) -> String {
    let value = decoded(value, parameters);
    let value = value.strip_prefix("mailto:").or_else(|| value.strip_prefix("MAILTO:")).unwrap_or(&value);
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    // Semicolons separate the parts of an address, but also those of a rule.
    let separates = !value.contains("FREQ=");
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            ';' if separates => plain.push_str(if plain.ends_with([' ', '\n']) || plain.is_empty() { "" } else { ", " }),
            other => plain.push(other),
        }
    }
    date(plain.trim().trim_end_matches(',').trim_end())
}

fn quoted_printable(value: &str, parameters: &[&str]) -> String {
    let decoded = quoted_printable::quoted_printable(value.as_bytes());
    let charset = parameters.iter().find_map(|parameter| parameter.to_ascii_uppercase().strip_prefix("CHARSET=").map(str::to_owned));
    match charset.and_then(|charset| Encoding::for_label(charset.as_bytes())) {
        Some(declared) => encoding::decode_declared(&decoded, declared).0.text.into_owned(),
        None => encoding::decode(&decoded).text.into_owned(),
    }
}

/// `20261130T090000Z` as `2026-11-30 09:00 UTC`; other texts stay.
fn date(text: &str) -> String {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let (clock, zone) = time.strip_suffix('Z').map_or((time, ""), |clock| (clock, " UTC"));
    if !digits(day, 8) || !(time.is_empty() || digits(clock, 6)) {
        return text.to_owned();
    }
    let day = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
    if time.is_empty() { day } else { format!("{day} {}:{}{zone}", &clock[..2], &clock[2..4]) }
}

/// The readable parameters of a field: names, kinds and time zones.
fn about(parameters: &[&str]) -> String {
    let shown = parameters.iter().filter_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or(("TYPE", parameter));
        let is_shown = ["CN", "TYPE", "TZID", "PARTSTAT"].iter().any(|shown| key.eq_ignore_ascii_case(shown));
        let is_technical = ["QUOTED-PRINTABLE", "PREF", "INTERNET", "BASE64"].iter().any(|word| value.eq_ignore_ascii_case(word));
        let value = value.trim_matches('"');
        let is_name = key.eq_ignore_ascii_case("CN") || key.eq_ignore_ascii_case("TZID");
        (is_shown && !is_technical).then(|| if is_name { value.to_owned() } else { value.to_lowercase() })
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) }
}

/// The name of a field for people.
fn label(key: &str) -> String {
    let name = match key {
        "DTSTART" => "Start",
        "DTEND" => "End",
        "DUE" => "Due",
        "RRULE" => "Repeats",
        "EXDATE" => "Except on",
        "FN" => "Name",
        "ORG" => "Organization",
        "TEL" => "Phone",
        "ADR" => "Address",
        "BDAY" => "Birthday",
        "PERCENT-COMPLETE" => "Done (per cent)",
        other => {
            let mut letters = other.chars();
            let first: String = letters.next().into_iter().collect();
            return first + &letters.as_str().to_lowercase().replace('-', " ");
        }
    };
    name.to_owned()
}
