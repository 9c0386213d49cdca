//! Reads dates and times of answers as numbers.

use jiff::civil::Date;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// A time as a number, and whether the number says all that the text says.
///
/// The number is the clock time of the text. It lacks the offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub micros: i64,
    pub is_exact: bool,
}

/// Days since 1970-01-01 of a date such as `2026-11-29`.
pub(super) fn date(text: &str) -> Option<i32> {
    // jiff also takes other notations.
    let date: Date = (text.len() == 10 && text.as_bytes()[4] == b'-').then(|| text.parse().ok())??;
    i32::try_from(date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24).ok()
}

/// Microseconds since midnight of a time such as `14:30` or `14:30:05.25+01:00`. `None` for a leap
/// second.
pub(super) fn time(text: &str) -> Option<Clock> {
    let (clock, offset) = text.split_at(text.find(['Z', '+', '-']).unwrap_or(text.len()));
    let number = |text: &str, below: i64| {
        let is_pair = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| is_pair && *number < below)
    };
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (number(parts.next()?, 24)?, number(parts.next()?, 60)?);
    let (seconds, fraction) = parts.next().map_or(("00", ""), |rest| rest.split_once('.').unwrap_or((rest, "")));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (micros, finer) = fraction.split_at(fraction.len().min(6));
    let micros: i64 = format!("{micros:0<6}").parse().ok()?;
    let micros = ((hours * 60 + minutes) * 60 + number(seconds, 60)?) * 1_000_000 + micros;
    Some(Clock { micros, is_exact: offset.is_empty() && finer.bytes().all(|b| b == b'0') })
}

/// Microseconds since 1970-01-01 of a date and time such as `2026-11-29T14:30Z`.
pub(super) fn date_time(text: &str) -> Option<Clock> {
    let (day, clock) = text.split_once('T')?;
    let (days, clock) = (date(day)?, time(clock)?);
    Some(Clock { micros: i64::from(days) * DAY + clock.micros, ..clock })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_numbers_and_inexact_ones_say_so() {
        assert_eq!(["1970-01-01", "2000-03-01", "1969-12-31", "0001-01-01"].map(date), [Some(0), Some(11_017), Some(-1), Some(-719_162)]);
        assert_eq!(["20000301", "2026-02-30", "", "2026-1-01x"].map(date), [None; 4]);
        let exact = |micros| Some(Clock { micros, is_exact: true });
        let inexact = |micros| Some(Clock { micros, is_exact: false });
        assert_eq!(time("00:01"), exact(60_000_000));
        assert_eq!(time("00:00:01.5"), exact(1_500_000));
        assert_eq!(time("00:00:00.1234560"), exact(123_456));
        assert_eq!(time("00:00:00.1234567"), inexact(123_456));
        assert_eq!((time("00:01Z"), time("00:01+02:00")), (inexact(60_000_000), inexact(60_000_000)));
        assert_eq!(["23:59:60", "24:00", "1:00", "noon", "", "10:00:00.x"].map(time), [None; 6]);
        assert_eq!(date_time("1970-01-02T00:00:01"), exact(DAY + 1_000_000));
        assert_eq!(date_time("1969-12-31T23:59:59-05:00"), inexact(-1_000_000));
        assert_eq!(date_time("1970-01-02"), None);
    }
}
