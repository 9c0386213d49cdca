//! Dates and times of ISO 8601.

use jiff::civil::Date;

/// A form of dates and times, in the extended notation with hyphens and colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    Time,
    DateTime,
}

impl Format {
    const ALL: [Self; 3] = [Self::Date, Self::Time, Self::DateTime];

    /// Name in schemas.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date-time",
        }
    }

    /// The format with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What a model is told.
    pub fn wording(self) -> &'static str {
        match self {
            Self::Date => "ISO 8601 date, such as 2026-11-29",
            Self::Time => "ISO 8601 time, such as 14:30 or 14:30:00+01:00",
            Self::DateTime => "ISO 8601 date and time, such as 2026-11-29T14:30 or 2026-11-29T14:30:00Z",
        }
    }

    /// Whether a text is a real date or time. Seconds and offset are optional: documents seldom name
    /// them, and a model must not invent them.
    pub fn holds(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::Time => is_time(text),
            Self::DateTime => text.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(time)),
        }
    }
}

fn is_date(text: &str) -> bool {
    // jiff also takes other notations.
    let is_extended =
        text.len() == 10 && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    is_extended && text.parse::<Date>().is_ok()
}

fn is_time(text: &str) -> bool {
    let (clock, offset) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let offset_fits = matches!(offset, "" | "Z") || offset.get(1..).is_some_and(|offset| pair(offset).is_some_and(str::is_empty));
    let seconds_fit = |rest: &str| match rest.strip_prefix(':').map(|rest| rest.split_once('.').unwrap_or((rest, "0"))) {
        None => rest.is_empty(),
        Some((seconds, fraction)) => below(seconds, 61) && !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()),
    };
    offset_fits && pair(clock).is_some_and(seconds_fit)
}

/// What follows hours and minutes.
fn pair(text: &str) -> Option<&str> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, rest) = rest.split_at_checked(2)?;
    (below(hours, 24) && below(minutes, 60)).then_some(rest)
}

/// Whether a text is a number of two digits below `end`.
fn below(text: &str, end: u8) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|number| number < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_dates_and_times_of_the_extended_notation_hold() {
        for (format, good, bad) in [
            (
                Format::Date,
                &["2026-11-29", "2024-02-29", "0001-01-01"][..],
                &["2026-02-29", "2026-13-01", "20261129", "29.11.2026", "2026-11-29T00:00", " 2026-11-29", "2026-1-9", ""][..],
            ),
            (
                Format::Time,
                &["14:30", "00:00:00", "23:59:60", "14:30:05.123", "14:30Z", "14:30:00+01:00", "14:30-23:59"],
                &[
                    "24:00",
                    "14:60",
                    "14:30:61",
                    "1:30",
                    "14",
                    "14:30:",
                    "14:30:05.",
                    "14:30+1:00",
                    "14:30+01:00:00",
                    "14:30 pm",
                    "noon",
                    "",
                ],
            ),
            (
                Format::DateTime,
                &["2026-11-29T14:30", "2026-11-29T14:30:00Z", "2026-11-29T14:30:00.5-05:30"],
                &["2026-11-29 14:30", "2026-11-29", "2026-11-31T14:30", "2026-11-29T25:00", "T14:30", "2026-11-29T"],
            ),
        ] {
            for text in good {
                assert!(format.holds(text), "{format:?}: {text}");
            }
            for text in bad {
                assert!(!format.holds(text), "{format:?}: {text}");
            }
        }
    }
}
