//! Shows days and times.

use super::{Section, Token};

/// Days from the first day of one calendar of spreadsheets to that of the other.
pub(super) const FROM_1904: f64 = 1462.0;
/// The first day after the year 9999.
const END: f64 = 2_958_466.0;
/// The day 1970-01-01.
const EPOCH: i64 = 25569;
/// Excel has a 29 February 1900, so earlier days have other numbers.
const LEAP: i64 = 60;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Whether a section shows a whole date, or a day and the number of its month.
///
/// Such a date has more than one meaning, unless its form is that of ISO 8601.
pub(super) fn is_whole(section: &Section) -> bool {
    let has = |wanted: fn(&Token) -> bool| section.tokens.iter().any(wanted);
    has(|token| matches!(token, Token::Day(1 | 2)))
        && (has(|token| matches!(token, Token::Month(1 | 2)))
            || has(|token| matches!(token, Token::Month(_))) && has(|token| matches!(token, Token::Year(_))))
}

/// A moment, in the parts that formats show.
struct Moment {
    days: i64,
    /// Units since midnight, and how many a second has.
    units: i64,
    per_second: i64,
}

impl Moment {
    fn second(&self) -> i64 {
        self.units / self.per_second
    }
}

/// Shows a number of days of at least 0; `None` if there is no such date.
pub(super) fn shown(section: &Section, days: f64) -> Option<String> {
    if !section.is_elapsed() && days >= END {
        return None;
    }
    let decimals =
        section.tokens.iter().find_map(|token| if let Token::Decimals(digits) = token { Some(*digits) } else { None }).unwrap_or(0);
    let per_second = 10_i64.pow(u32::try_from(decimals.min(6)).unwrap_or(0));
    #[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any meaningful time")]
    let units = (days * 86_400.0 * per_second as f64).round() as i64;
    let a_day = 86_400 * per_second;
    let moment = Moment { days: units / a_day, units: units % a_day, per_second };
    let (hour, minute, second) = (moment.second() / 3600, moment.second() / 60 % 60, moment.second() % 60);
    let (year, month, day) = civil(moment.days);
    let has = |wanted: fn(&Token) -> bool| section.tokens.iter().any(wanted);
    // Excel shows a zero as the day before the first one.
    let is_zero = units == 0 && !has(|token| matches!(token, Token::Hour(_) | Token::Minute(_) | Token::Second(_)));
    if is_whole(section) && (moment.days > 0 || is_zero) {
        let time = match (has(|token| matches!(token, Token::Hour(_))), has(|token| matches!(token, Token::Second(_)))) {
            (true, true) => format!(" {hour:02}:{minute:02}:{second:02}"),
            (true, false) => format!(" {hour:02}:{minute:02}"),
            _ => String::new(),
        };
        return Some(format!("{year:04}-{month:02}-{day:02}{time}"));
    }
    // A moment without a day is a time, even if its format has a date too.
    let only_time = moment.days == 0 && !is_zero && has(|token| matches!(token, Token::Year(_) | Token::Month(_) | Token::Day(_)));
    if only_time {
        return Some(if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") });
    }
    let halves = section.tokens.iter().any(|token| matches!(token, Token::Half(_)));
    let part = |token: &Token| match token {
        Token::Year(1 | 2) => format!("{:02}", year % 100),
        Token::Year(_) => format!("{year:04}"),
        Token::Month(signs) => named(*signs, month, &MONTHS, month - 1),
        Token::Day(signs) => named(*signs, day, &DAYS, (moment.days + 6) % 7),
        Token::Hour(signs) => padded(if halves { (hour + 11) % 12 + 1 } else { hour }, *signs),
        Token::Minute(signs) => padded(minute, *signs),
        Token::Second(signs) => padded(second, *signs),
        Token::Decimals(0) => ".".to_owned(),
        Token::Decimals(digits) => format!(".{:0digits$}", moment.units % per_second, digits = (*digits).min(6)),
        Token::Elapsed(unit, signs) => {
            let seconds = units / per_second;
            padded(
                if *unit == 'h' {
                    seconds / 3600
                } else if *unit == 'm' {
                    seconds / 60
                } else {
                    seconds
                },
                *signs,
            )
        }
        Token::Half(form) => half(form, hour),
        token => token.literal().into_owned(),
    };
    Some(section.tokens.iter().map(part).collect())
}

fn padded(number: i64, digits: usize) -> String {
    let digits = digits.min(9);
    format!("{number:0digits$}")
}

/// A number, or the name of a month or day: short, whole, or its first letter.
fn named(signs: usize, number: i64, names: &[&str], at: i64) -> String {
    let name = usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default();
    match signs {
        1 | 2 => padded(number, signs),
        3 => name.chars().take(3).collect(),
        5 => name.chars().take(1).collect(),
        _ => name.to_owned(),
    }
}

/// `AM` or `PM`, with as many letters as the format has.
fn half(form: &str, hour: i64) -> String {
    let (first, second) = form.split_once('/').unwrap_or((form, form));
    if hour < 12 { first.to_owned() } else { second.to_owned() }
}

/// The year, month and day of a day's number, as Excel shows it.
fn civil(days: i64) -> (i64, i64, i64) {
    match days {
        0 => return (1900, 1, 0),
        LEAP => return (1900, 2, 29),
        _ => {}
    }
    let days = if days < LEAP { days + 1 } else { days } - EPOCH;
    // The calendar repeats every 400 years. Years begin in March here, so that leap days end them.
    let from = days + 719_468;
    let (era, of_era) = (from.div_euclid(146_097), from.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
