//! Reads dates and times of answers as numbers.

use jiff::civil::Date;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;
/// The begin of the year 1 and the end of the year 9999.
const FIRST: i64 = -719_162 * DAY;
const END: i64 = 2_932_897 * DAY;

/// A time as a number, and whether the number says all that the text says.
///
/// The number of a time is the clock time of the text, without its offset. That of a date and time
/// is in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub micros: i64,
    pub is_exact: bool,
}

/// Days since 1970-01-01 of a date such as `2026-11-29`. `None` for the year 0, which many programs
/// cannot read.
pub(super) fn date(text: &str) -> Option<i32> {
    // jiff also takes other notations.
    let date: Date = (text.len() == 10 && text.as_bytes()[4] == b'-').then(|| text.parse().ok())??;
    if date.year() < 1 {
        return None;
    }
    i32::try_from(date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24).ok()
}

/// Microseconds since midnight of a time such as `14:30` or `14:30:05.25+01:00`. `None` for a leap
/// second.
pub(super) fn time(text: &str) -> Option<Clock> {
    let (clock, offset) = clock(text)?;
    Some(Clock { is_exact: clock.is_exact && offset.is_empty(), ..clock })
}

/// A clock time and the text of its offset.
fn clock(text: &str) -> Option<(Clock, &str)> {
    let (clock, offset) = text.split_at(text.find(['Z', '+', '-']).unwrap_or(text.len()));
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (number(parts.next()?, 24)?, number(parts.next()?, 60)?);
    let (seconds, fraction) = parts.next().map_or(("00", ""), |rest| rest.split_once('.').unwrap_or((rest, "")));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (micros, finer) = fraction.split_at(fraction.len().min(6));
    let micros: i64 = format!("{micros:0<6}").parse().ok()?;
    let micros = ((hours * 60 + minutes) * 60 + number(seconds, 60)?) * 1_000_000 + micros;
    Some((Clock { micros, is_exact: finer.bytes().all(|b| b == b'0') }, offset))
}

/// A number of two digits below `end`.
fn number(text: &str, end: i64) -> Option<i64> {
    let is_pair = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| is_pair && *number < end)
}

/// Minutes that a clock is ahead of UTC. Without an offset it shows UTC.
fn offset_minutes(text: &str) -> Option<i64> {
    let (sign, offset) = match text.split_at_checked(1) {
        None | Some(("Z", "")) => return Some(0),
        Some(("+", offset)) => (1, offset),
        Some(("-", offset)) => (-1, offset),
        Some(_) => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    Some(sign * (number(hours, 24)? * 60 + number(minutes, 60)?))
}

/// Microseconds since 1970-01-01 in UTC of a date and time such as `2026-11-29T14:30Z`. An offset
/// other than UTC makes the number inexact, because it lacks the local time.
pub(super) fn date_time(text: &str) -> Option<Clock> {
    let (day, clock) = text.split_once('T')?;
    let (days, (clock, offset)) = (date(day)?, self::clock(clock)?);
    let ahead = offset_minutes(offset)?;
    let micros = i64::from(days) * DAY + clock.micros - ahead * 60_000_000;
    let is_exact = clock.is_exact && ahead == 0;
    (FIRST..END).contains(&micros).then_some(Clock { micros, is_exact })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_numbers_and_inexact_ones_say_so() {
        assert_eq!(["1970-01-01", "2000-03-01", "1969-12-31", "0001-01-01"].map(date), [Some(0), Some(11_017), Some(-1), Some(-719_162)]);
        assert_eq!(["20000301", "2026-02-30", "", "2026-1-01x", "0000-12-31"].map(date), [None; 5]);
        let exact = |micros| Some(Clock { micros, is_exact: true });
        let inexact = |micros| Some(Clock { micros, is_exact: false });
        assert_eq!(time("00:01"), exact(60_000_000));
        assert_eq!(time("00:00:01.5"), exact(1_500_000));
        assert_eq!(time("00:00:00.1234560"), exact(123_456));
        assert_eq!(time("00:00:00.1234567"), inexact(123_456));
        assert_eq!((time("00:01Z"), time("00:01+02:00")), (inexact(60_000_000), inexact(60_000_000)));
        assert_eq!(["23:59:60", "24:00", "1:00", "noon", "", "10:00:00.x"].map(time), [None; 6]);
        assert_eq!(date_time("1970-01-02T00:00:01"), exact(DAY + 1_000_000));
        assert_eq!(["1970-01-01T00:00:01Z", "1970-01-01T00:00:01+00:00"].map(date_time), [exact(1_000_000); 2]);
        assert_eq!(date_time("1969-12-31T23:59:59-05:00"), inexact(5 * 3_600_000_000 - 1_000_000));
        assert_eq!(date_time("1970-01-01T05:30+05:30"), inexact(0));
        assert_eq!(date_time("9999-12-31T23:59:59.999999Z"), exact(END - 1));
        assert_eq!(["9999-12-31T23:59-01:00", "0001-01-01T00:00+00:01", "0000-06-01T00:00Z"].map(date_time), [None; 3]);
        assert_eq!(["1970-01-02", "1970-01-01T00:00+0100", "1970-01-01T00:00Zulu"].map(date_time), [None; 3]);
    }
}
