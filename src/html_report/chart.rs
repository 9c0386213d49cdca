//! Draws charts as SVG. They have the width of a phone, so that labels stay legible everywhere.
//! Each chart has a title, a summary sentence, and its numbers as a table.

use super::distribution::{Distribution, Spread};
use super::number::{count, percent, plain, seconds, short, ticks, time_ticks};
use super::shown::escaped;
use serde::Serialize;
use std::fmt::Write as _;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 280.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 126.0;
/// Maximum characters of a y label. Longer labels are compressed.
const MAX_LABEL_CHARS: usize = 8;
/// Maximum number of bars in a histogram.
const MAX_BINS: u32 = 30;

/// Formats the numbers of an axis.
pub type Format = fn(f64) -> String;

/// A chart with its summary and its numbers.
#[derive(Debug, Serialize)]
pub struct Chart {
    /// What the chart shows, with the unit.
    pub title: String,
    /// Summary sentence.
    pub note: String,
    /// The picture as SVG.
    pub svg: String,
    /// Column heads of the numbers.
    pub heads: Vec<String>,
    /// The numbers, formatted.
    pub rows: Vec<Vec<String>>,
}

/// One value per time interval.
pub struct Series<'s> {
    /// What the chart shows, with the unit.
    pub title: &'s str,
    /// Summary sentence.
    pub note: String,
    /// The values.
    pub values: Vec<f64>,
    /// Length of an interval in seconds.
    pub stretch_s: f64,
    /// Formats a value.
    pub format: Format,
    /// Colour, as a class of the style sheet.
    pub class: &'s str,
    /// A reference value and its label.
    pub reference: Option<(f64, String)>,
}

/// Position of a value between two coordinates.
fn at(value: f64, top: f64, from: f64, to: f64) -> f64 {
    let share = if top > 0.0 { value / top } else { 0.0 };
    from + (to - from) * share.clamp(0.0, 1.0)
}

/// x coordinate of a value on an axis that ends at `top`.
pub fn x(value: f64, top: f64) -> f64 {
    at(value, top, LEFT, RIGHT)
}

fn y(value: f64, top: f64) -> f64 {
    at(value, top, BOTTOM, TOP)
}

/// An SVG picture with title and description. `body` is SVG.
pub fn picture(title: &str, note: &str, height: f64, body: &str) -> String {
    let (title, note) = (escaped(title), escaped(note));
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{title}</title><desc>{note}</desc>{body}</svg>")
}

fn text(at: (f64, f64), class: &str, text: &str) -> String {
    format!("<text x=\"{:.1}\" y=\"{:.1}\" class=\"{class}\">{}</text>", at.0, at.1, escaped(text))
}

/// A label of the y axis.
pub fn beside(y: f64, label: &str) -> String {
    let pressed = if label.chars().count() > MAX_LABEL_CHARS { " textLength=\"44\" lengthAdjust=\"spacingAndGlyphs\"" } else { "" };
    format!("<text x=\"{:.1}\" y=\"{y:.1}\" class=\"end\"{pressed}>{}</text>", LEFT - 5.0, escaped(label))
}

fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    format!("<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>", from.0, from.1, to.0, to.1)
}

/// A filled rectangle. It is at least half a unit wide, so that it stays visible.
pub fn bar((left, top): (f64, f64), (width, height): (f64, f64), class: &str) -> String {
    format!("<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" class=\"{class}\"/>", width.max(0.5))
}

/// Grid lines and labels of the y axis, from zero.
fn amounts(top: f64, marks: &[f64], format: Format) -> String {
    marks.iter().fold(String::new(), |mut out, mark| {
        let y = y(*mark, top);
        out += &line((LEFT, y), (RIGHT, y), if *mark == 0.0 { "axis" } else { "grid" });
        out += &beside(y + 3.5, &format(*mark));
        out
    })
}

/// Labels of the x axis at these values. The axis ends at `top`.
fn below(top: f64, marks: &[f64], height: f64, format: Format) -> String {
    marks.iter().fold(String::new(), |mut out, mark| {
        let x = x(*mark, top);
        out += &line((x, height), (x, height + 3.0), "axis");
        out += &text((x, height + 14.0), "middle", &format(*mark));
        out
    })
}

/// Time labels of the x axis.
pub fn clock(top: f64, height: f64) -> String {
    below(top, &time_ticks(top, 4.0), height, seconds)
}

/// Outline of values, one per interval, over the base line.
fn steps(values: &[f64], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = format!("M{:.1} {:.1}", x(0.0), y(0.0));
    for (at, value) in values.iter().enumerate() {
        // Writing to a String cannot fail.
        let _infallible = write!(path, "V{:.1}H{:.1}", y(*value), x(at as f64 + 1.0));
    }
    let _infallible = write!(path, "V{:.1}Z", y(0.0));
    path
}

impl Series<'_> {
    /// Draws the series over time.
    pub fn draw(self) -> Chart {
        let Self { title, note, values, stretch_s, format, class, reference } = self;
        let all = values.iter().copied().chain(reference.iter().map(|(value, _)| *value));
        let marks = ticks(all.fold(0.0, f64::max), 3.0);
        let top = marks.last().copied().unwrap_or(1.0);
        let span = stretch_s * values.len() as f64;
        let mut body = amounts(top, &marks, format) + &clock(span, BOTTOM);
        let path = steps(&values, |n| x(n, values.len() as f64), |value| y(value, top));
        let _infallible = write!(body, "<path d=\"{path}\" class=\"{class}\"/>");
        if let Some((value, name)) = &reference {
            body += &line((LEFT, y(*value, top)), (RIGHT, y(*value, top)), "reference");
            body += &text((RIGHT, y(*value, top) - 3.0), "end", name);
        }
        let row = |(n, value): (usize, &f64)| {
            vec![format!("{} – {}", seconds(stretch_s * n as f64), seconds(stretch_s * (n + 1) as f64)), format(*value)]
        };
        let rows = values.iter().enumerate().map(row).collect();
        Chart { title: title.to_owned(), svg: picture(title, &note, HEIGHT, &body), note, heads: vec!["time".into(), title.into()], rows }
    }
}

/// A histogram with median, p95 and p99 marked. `None` if there are no values.
pub fn histogram(title: &str, values: &Distribution, format: Format, class: &str) -> Option<Chart> {
    let Spread { count: n, mean, median, p95, p99, max } = values.spread()?;
    // Outliers must not compress all other values into one bar, so the last bar holds them.
    let far = max > 2.0 * p99 && p99 > 0.0;
    let axis = ticks(if far { 1.5 * p99 } else { max }, 4.0);
    let top = axis.last().copied().unwrap_or(1.0);
    let bins = values.bins(MAX_BINS, top);
    let marks = ticks(bins.iter().map(|bin| bin.count as f64).fold(0.0, f64::max), 3.0);
    let most = marks.last().copied().unwrap_or(1.0);
    let mut body = amounts(most, &marks, short) + &below(top, &axis, BOTTOM, format);
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let (left, right, over) = (x(bin.from, top), x(bin.to, top), y(bin.count as f64, most).min(BOTTOM - 1.0));
        body += &bar((left + 0.5, over), (right - left - 1.0, BOTTOM - over), class);
    }
    // Labels of the marks go on top. A label that would overlap another is omitted. The summary
    // sentence has all numbers.
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (name, value) in [("median", median), ("p95", p95), ("p99", p99)] {
        let (x, half) = (x(value, top), 3.0 * name.len() as f64);
        body += &line((x, TOP - 2.0), (x, BOTTOM), "mark");
        let middle = x.clamp(LEFT + half, RIGHT - half);
        if taken.iter().all(|(from, to)| middle + half + 4.0 < *from || middle - half - 4.0 > *to) {
            body += &text((middle, TOP - 5.0), "middle", name);
            taken.push((middle - half, middle + half));
        }
    }
    let beyond = if far { format!(" The last bar holds all above {}.", format(top)) } else { String::new() };
    let note = format!(
        "{} values: median {}, mean {}, p95 {}, p99 {}, largest {}.{beyond}",
        count(n as f64),
        format(median),
        format(mean),
        format(p95),
        format(p99),
        format(max)
    );
    let rows = bins.iter().filter(|bin| bin.count > 0);
    let rows = rows.map(|bin| vec![format!("{} – {}", format(bin.from), format(bin.to)), count(bin.count as f64)]).collect();
    Some(Chart {
        title: title.into(),
        svg: picture(title, &note, HEIGHT, &body),
        note,
        heads: vec!["from – to".into(), "number".into()],
        rows,
    })
}

/// The states of one stage over time.
#[derive(Debug)]
pub struct Strip {
    /// Name of the stage.
    pub name: String,
    /// For each interval: its end in seconds, and the share of each state.
    pub shares: Vec<(f64, Vec<f64>)>,
}

/// Draws the states of each stage over time as one strip. `states` are names and classes, from the
/// bottom up. `None` if the strips cover no time.
pub fn strips(title: &str, note: &str, strips: &[Strip], states: &[(&str, &str)]) -> Option<Chart> {
    const STRIP: f64 = 26.0;
    let span = strips.iter().filter_map(|strip| strip.shares.last()).map(|(end, _)| *end).fold(0.0, f64::max);
    if span <= 0.0 {
        return None;
    }
    let mut body = String::new();
    for (n, Strip { name, shares }) in strips.iter().enumerate() {
        let ground = 4.0 + (n as f64 + 1.0) * (STRIP + 6.0) - 6.0;
        body += &bar((LEFT, ground - STRIP), (x(span, span) - LEFT, STRIP), "idle");
        for (state, (_, class)) in states.iter().enumerate().rev() {
            // Draws the top state first. Each path covers the earlier paths up to its height.
            let mut path = format!("M{LEFT:.1} {ground:.1}");
            for (end, shares) in shares {
                let height: f64 = shares.iter().take(state + 1).sum();
                let _infallible = write!(path, "V{:.1}H{:.1}", at(height, 1.0, ground, ground - STRIP), x(*end, span));
            }
            let _infallible = write!(body, "<path d=\"{path}V{ground:.1}Z\" class=\"{class}\"/>");
        }
        body += &beside(ground - STRIP / 2.0 + 4.0, name);
    }
    let height = 4.0 + strips.len() as f64 * (STRIP + 6.0) - 6.0;
    body += &clock(span, height + 1.0);
    let heads = ["stage", "until"].into_iter().chain(states.iter().map(|(name, _)| *name)).map(ToOwned::to_owned).collect();
    let row = |name: &str, (end, shares): &(f64, Vec<f64>)| {
        [name.to_owned(), seconds(*end)].into_iter().chain(shares.iter().map(|share| percent(*share))).collect()
    };
    let rows = strips.iter().flat_map(|Strip { name, shares }| shares.iter().map(move |share| row(name, share))).collect();
    Some(Chart { title: title.into(), svg: picture(title, note, height + 20.0, &body), note: note.into(), heads, rows })
}

/// Draws a column for each run. `values` holds run numbers and values. An unknown value is `None`.
pub fn columns(title: &str, values: &[(i64, Option<f64>)], format: Format) -> Option<Chart> {
    let known = values.iter().filter_map(|(_, value)| *value);
    let marks = ticks(known.clone().reduce(f64::max)?, 3.0);
    let top = marks.last().copied().unwrap_or(1.0);
    let slot = (RIGHT - LEFT) / values.len() as f64;
    let width = (slot - 3.0).clamp(1.0, 28.0);
    let mut body = amounts(top, &marks, format);
    let every = values.len().div_ceil(10);
    for (n, (run, value)) in values.iter().enumerate() {
        let middle = LEFT + slot * (n as f64 + 0.5);
        if let Some(value) = value {
            let over = y(*value, top).min(BOTTOM - 0.5);
            body += &bar((middle - width / 2.0, over), (width, BOTTOM - over), if n + 1 == values.len() { "c-work" } else { "c-past" });
        }
        if (values.len() - 1 - n).is_multiple_of(every) {
            body += &text((middle, BOTTOM + 14.0), "middle", &plain(*run as f64));
        }
    }
    let last = values.last().and_then(|(_, value)| *value).map_or_else(|| "unknown".to_owned(), format);
    let note = format!("By number of the run. The newest: {last}.");
    let rows = values.iter().map(|(run, value)| vec![run.to_string(), value.map_or_else(|| "unknown".to_owned(), format)]).collect();
    Some(Chart { title: title.into(), svg: picture(title, &note, HEIGHT, &body), note, heads: vec!["run".into(), title.into()], rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: Vec<f64>) -> Chart {
        let (title, note) = ("<b>", "</svg><script>".to_owned());
        Series { title, note, values, stretch_s: 0.5, format: plain, class: "c-work", reference: None }.draw()
    }

    #[test]
    fn amounts_begin_at_zero_and_fill_the_height() {
        let chart = series(vec![0.0, 10.0, 5.0]);
        assert!(chart.svg.contains("M50.0 126.0V126.0H126.7V14.0H203.3V70.0H280.0V126.0Z"), "{}", chart.svg);
        assert_eq!(chart.rows[1], ["500 ms – 1 s", "10"]);
    }

    #[test]
    fn chart_text_is_never_markup() {
        let chart = series(vec![f64::NAN, f64::INFINITY, -1.0, 0.0]);
        assert!(!chart.svg.contains("<b>") && !chart.svg.contains("<script>"), "{}", chart.svg);
        assert_eq!(chart.svg.matches("</svg>").count(), 1);
        assert!(series(Vec::new()).svg.contains("<path"));
    }

    #[test]
    fn an_outlier_does_not_flatten_the_histogram() {
        let mut values = Distribution::new(0.001);
        (0..1000).for_each(|n| values.add(1.0 + f64::from(n) / 1000.0));
        values.add(1000.0);
        let chart = histogram("seconds", &values, seconds, "c-work").expect("values");
        assert!(chart.rows.len() > 5 && chart.note.contains("The last bar holds all above"), "{chart:?}");
        assert!(histogram("seconds", &Distribution::new(0.001), seconds, "c-work").is_none());
    }
}
