//! Counts the values of a field in bounded memory, and makes the bars of its chart.

use super::bars::{Bar, Bars, Key, LABEL, MAX_BARS, NONE, bar, rounded, texts};
use super::fields::FieldValues;
use super::number::{exact, percent, plain, round_step};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Maximum number of distinct texts that are counted.
const MAX_TEXTS: usize = 20_000;
/// Maximum number of whole numbers, and of other numbers, with a bar each. More numbers become
/// ranges.
const EXACT: usize = 12;
const EXACT_FRACTIONS: usize = 5;
/// Maximum number of distinct numbers with all their digits.
const EXACT_NUMBERS: usize = 5_000;
/// Number of ranges that a histogram aims at.
const RANGES: f64 = 10.0;
/// Maximum number of months. A longer time has a bar for each year.
const MONTHS: usize = 24;
/// Numbers beyond it have no bar of their own.
const HUGE: f64 = 1e100;

/// Counts the values of a field.
#[derive(Debug, Default)]
pub struct Tally {
    declared: Option<Vec<String>>,
    listed: bool,
    documents: u64,
    without: u64,
    /// Texts by lower case, with the first spelling.
    texts: HashMap<String, (String, u64)>,
    /// Number of texts.
    all_texts: u64,
    /// Texts without a count, because they are too long or too many.
    uncounted: u64,
    /// Texts that are dates.
    dates: u64,
    /// Numbers as bits. If they are many, they have three significant digits.
    numbers: HashMap<u64, u64>,
    is_rounded: bool,
    booleans: u64,
}

impl Tally {
    /// Counts a field. `declared` are its possible values, in order.
    pub fn new(declared: Option<Vec<String>>) -> Self {
        Self { declared, ..Self::default() }
    }

    /// Counts the values of one document.
    pub fn add(&mut self, FieldValues { values, listed }: &FieldValues<'_>) {
        self.listed |= listed;
        let mut any = false;
        for value in values {
            match value.as_ref() {
                Value::Number(number) => {
                    self.number(number.as_f64().unwrap_or(f64::NAN));
                }
                Value::Bool(value) => {
                    self.booleans += 1;
                    self.text(if *value { "yes" } else { "no" });
                }
                Value::String(text) => self.text(text),
                _ => continue,
            }
            any = true;
        }
        self.documents += u64::from(any);
        self.without += u64::from(!any);
    }

    fn number(&mut self, number: f64) {
        if self.numbers.len() == EXACT_NUMBERS && !self.is_rounded {
            self.is_rounded = true;
            for (bits, n) in std::mem::take(&mut self.numbers) {
                *self.numbers.entry(rounded(f64::from_bits(bits)).to_bits()).or_default() += n;
            }
        }
        let number = if self.is_rounded { rounded(number) } else { number };
        // -0 and 0 have one bar.
        let bits = (number + 0.0).to_bits();
        if self.numbers.len() < MAX_TEXTS || self.numbers.contains_key(&bits) {
            *self.numbers.entry(bits).or_default() += 1;
        }
    }

    fn text(&mut self, text: &str) {
        self.all_texts += 1;
        self.dates += u64::from(is_date(text));
        let key = text.trim().to_lowercase();
        let counts = text.chars().nth(LABEL).is_none() && !key.is_empty();
        if let Some((_, n)) = self.texts.get_mut(&key) {
            *n += 1;
        } else if counts && self.texts.len() < MAX_TEXTS {
            self.texts.insert(key, (text.trim().to_owned(), 1));
        } else {
            self.uncounted += 1;
        }
    }

    /// Number of documents with a value.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// The bars; `None` for free text and for fields without values.
    pub fn bars(self) -> Option<Bars> {
        let (without, documents) = (self.without, self.documents);
        let mut bars = if self.declared.is_some() || self.booleans > 0 {
            self.choices()
        } else if !self.numbers.is_empty() {
            self.histogram()
        } else if self.all_texts > 0 && self.dates == self.all_texts {
            self.by_time()
        } else {
            self.frequent()?
        };
        if documents == 0 {
            return None;
        }
        if without > 0 {
            bars.list.push(Bar { label: NONE.to_owned(), documents: without, width: 0.0 });
        }
        let most = bars.list.iter().map(|bar| bar.documents).max().unwrap_or(0).max(1);
        for bar in &mut bars.list {
            bar.width = bar.documents as f64 / most as f64;
        }
        Some(bars)
    }

    /// Bars of values that are known beforehand, in their order; also those that no document has.
    fn choices(mut self) -> Bars {
        let yes_no = || vec!["yes".to_owned(), "no".to_owned()];
        let declared = self.declared.take().unwrap_or_else(yes_no);
        let note = match self.texts.get("yes") {
            Some((_, n)) if self.booleans > 0 => format!("{} yes", percent(*n as f64 / self.booleans as f64)),
            _ => String::new(),
        };
        let mut counts: Vec<(String, u64)> =
            declared.into_iter().map(|value| (value.clone(), self.texts.remove(&value.to_lowercase()).map_or(0, |(_, n)| n))).collect();
        let mut others: Vec<(String, u64)> = self.texts.into_values().collect();
        others.sort_by(most_frequent);
        counts.extend(others);
        if counts.len() > MAX_BARS {
            counts.sort_by(most_frequent);
        }
        Bars { note, ..texts(counts) }
    }

    /// Bars of the most frequent texts. `None` if the texts are hardly ever repeated.
    fn frequent(self) -> Option<Bars> {
        let (distinct, all) = (self.texts.len() as u64 + self.uncounted, self.all_texts);
        let mut counts: Vec<(String, u64)> = self.texts.into_values().collect();
        counts.sort_by(most_frequent);
        if self.listed {
            counts.retain(|(_, n)| *n > 1);
        }
        let repeated = if self.listed { !counts.is_empty() } else { self.uncounted == 0 && distinct * 2 <= all && distinct <= 200 };
        let left = distinct.saturating_sub(MAX_BARS.min(counts.len()) as u64);
        let note = if left > 0 { format!("{left} rarer ones have no bar") } else { String::new() };
        repeated.then(|| Bars { note, ..texts(counts) })
    }

    fn by_time(self) -> Bars {
        let by = |chars: usize| {
            let mut times: BTreeMap<String, u64> = BTreeMap::new();
            self.texts.iter().for_each(|(text, (_, n))| *times.entry(text[..chars].to_owned()).or_default() += n);
            times
        };
        let (mut chars, mut times) = (7, by(7));
        if times.len() > MONTHS {
            (chars, times) = (4, by(4));
        }
        // The newest are kept.
        let times: Vec<(String, u64)> = times.into_iter().rev().take(MONTHS).collect::<Vec<_>>().into_iter().rev().collect();
        let key = Key::Dates(chars, times.iter().enumerate().map(|(n, (time, _))| (time.clone(), n)).collect());
        Bars { key, list: times.into_iter().map(bar).collect(), note: String::new() }
    }

    fn histogram(self) -> Bars {
        let mut counts: Vec<(f64, u64)> =
            self.numbers.iter().map(|(bits, n)| (f64::from_bits(*bits), *n)).filter(|(x, _)| x.abs() < HUGE).collect();
        counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some((low, _)), Some((high, _))) = (counts.first().copied(), counts.last().copied()) else { return Bars::default() };
        let all: u64 = counts.iter().map(|(_, n)| n).sum();
        let quantile = |share: f64| {
            let mut seen = 0;
            counts
                .iter()
                .find(|(_, n)| {
                    seen += n;
                    seen as f64 >= share * all as f64
                })
                .map_or(high, |(x, _)| *x)
        };
        let mean = counts.iter().map(|(x, n)| x * *n as f64).sum::<f64>() / all as f64;
        let note = format!("mean {}, median {}, from {} to {}", plain(mean), exact(quantile(0.5)), exact(low), exact(high));
        let most = if counts.iter().all(|(x, _)| x.fract() == 0.0) { EXACT } else { EXACT_FRACTIONS };
        let key = |borders: Vec<f64>| Key::Numbers(borders, self.is_rounded);
        if counts.len() <= most {
            let key = key(counts.iter().map(|(x, _)| *x).collect());
            return Bars { note, key, list: counts.into_iter().map(|(x, n)| bar((exact(x), n))).collect() };
        }
        // Outliers must not compress all other values into one bar.
        let (first, last) = (quantile(0.01), quantile(0.99));
        let (from, to) = if high - low > 3.0 * (last - first) && last > first { (first, last) } else { (low, high) };
        let step = round_step((to - from) / RANGES);
        let start = (from / step + 1e-9).floor();
        let borders: Vec<f64> = (0..40).map(|n| (start + f64::from(n)) * step).take_while(|border| *border <= to + step * 1e-9).collect();
        let key = key(borders.iter().map(|border| border - step * 1e-9).collect());
        // A border is a multiple of the step, without the errors of arithmetic.
        let decimals =
            (0..9).find(|digits| step * 10_f64.powi(*digits) > 0.999).and_then(|digits| usize::try_from(digits).ok()).unwrap_or(9);
        let shown = |border: f64| format!("{border:.decimals$}").parse().map_or_else(|_| plain(border), exact);
        let mut list: Vec<Bar> = borders.iter().map(|border| bar((format!("{} to {}", shown(*border), shown(border + step)), 0))).collect();
        if low < from
            && let Some(first) = list.first_mut()
        {
            first.label = format!("under {}", shown(borders[0] + step));
        }
        if high > to
            && let (Some(last), Some(border)) = (list.last_mut(), borders.last())
        {
            last.label = format!("{} and more", shown(*border));
        }
        let mut bars = Bars { note, list, key };
        for (x, n) in counts {
            if let Some(bar) = bars.number(x).and_then(|at| bars.list.get_mut(at)) {
                bar.documents += n;
            }
        }
        bars
    }
}

/// The order of texts: by frequency, then by name.
fn most_frequent(one: &(String, u64), other: &(String, u64)) -> std::cmp::Ordering {
    other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0))
}

/// Whether a text begins with an ISO date.
fn is_date(text: &str) -> bool {
    let bytes = text.trim().as_bytes();
    let shape = bytes.len() >= 7
        && bytes.iter().take(10).enumerate().all(|(n, byte)| if n == 4 || n == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    shape
        && matches!(bytes.len(), 7 | 10) | (bytes.len() > 10 && matches!(bytes[10], b'T' | b' '))
        && (b"01"..=b"12").contains(&&[bytes[5], bytes[6]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::borrow::Cow;

    fn bars(declared: Option<&[&str]>, values: &[Value]) -> Option<Bars> {
        let mut tally = Tally::new(declared.map(|all| all.iter().map(|value| (*value).to_owned()).collect()));
        for value in values {
            tally.add(&FieldValues { values: vec![Cow::Borrowed(value)], listed: false });
        }
        tally.bars()
    }

    fn shown(bars: &Bars) -> Vec<(&str, u64)> {
        bars.list.iter().map(|bar| (bar.label.as_str(), bar.documents)).collect()
    }

    #[test]
    fn declared_values_keep_their_order_and_have_a_bar_without_documents() {
        let bars = bars(Some(&["high", "medium", "low"]), &[json!("low"), json!("high"), json!("Low"), json!(null)]).expect("bars");
        assert_eq!(shown(&bars), [("high", 1), ("medium", 0), ("low", 2), (NONE, 1)]);
        assert_eq!([json!("LOW"), json!(null), json!("else")].map(|value| bars.find(&value)), [Some(2), Some(3), None]);
    }

    #[test]
    fn few_numbers_have_a_bar_each_and_many_are_ranges() {
        let few = bars(None, &[json!(7), json!(7.0), json!(3)]).expect("bars");
        assert_eq!(shown(&few), [("3", 1), ("7", 2)]);
        let amounts = bars(None, &[json!(1229), json!(1230.0), json!(1234.5), json!(56_789)]).expect("bars");
        assert_eq!(shown(&amounts), [("1229", 1), ("1230", 1), ("1234.5", 1), ("56,789", 1)]);
        assert!(amounts.note.ends_with("median 1230, from 1229 to 56,789"), "{}", amounts.note);
        assert_eq!([1229.0, 1234.5].map(|amount| amounts.find(&json!(amount))), [Some(0), Some(2)]);
        let many: Vec<Value> = (0..200).map(|n| json!(f64::from(n) / 100.0 - 1.0)).collect();
        let mut outlier = many.clone();
        outlier.push(json!(1e9));
        for values in [many, outlier] {
            let bars = bars(None, &values).expect("bars");
            assert!((9..=12).contains(&bars.list.len()), "{:?}", shown(&bars));
            assert_eq!(bars.list.iter().map(|bar| bar.documents).sum::<u64>(), values.len() as u64);
            assert_eq!(bars.find(&json!(-1)), Some(0));
            assert_eq!(bars.find(&json!(0.0)).map(|at| bars.list[at].label.as_str()), Some("0 to 0.2"));
        }
    }

    #[test]
    fn dates_are_counted_by_month_and_long_times_by_year() {
        let short: Vec<Value> = ["2026-01-31", "2026-02-01", "2026-02-28T10:00:00Z"].map(Value::from).into();
        assert_eq!(shown(&bars(None, &short).expect("bars")), [("2026-01", 1), ("2026-02", 2)]);
        let long: Vec<Value> = (1990..2026).map(|year| json!(format!("{year}-05-05"))).collect();
        let bars = bars(None, &long).expect("bars");
        assert_eq!((bars.list.len(), bars.find(&json!("2025-12-01"))), (MONTHS, Some(MONTHS - 1)));
        assert!(!["2026-13-01", "2026-1-1", "20260101", "", "2026-01-01x"].iter().any(|text| is_date(text)));
    }

    #[test]
    fn free_text_and_fields_without_values_have_no_bars() {
        let texts: Vec<Value> = (0..50).map(|n| json!(format!("text {n}"))).collect();
        assert!(bars(None, &texts).is_none());
        assert!(bars(None, &[json!(null)]).is_none());
        assert!(bars(Some(&["a"]), &[json!(null)]).is_none());
    }

    #[test]
    fn hostile_values_stay_bounded() {
        let mut values: Vec<Value> = (0..30_000).map(|n| json!(format!("value {n}"))).collect();
        values.extend([json!("x".repeat(100_000)), json!("")]);
        let mut tally = Tally::default();
        let values = values.iter().map(Cow::Borrowed).collect();
        tally.add(&FieldValues { values, listed: true });
        assert!(tally.texts.len() <= MAX_TEXTS);
        assert!(bars(None, &[json!(1e308), json!(-1e308), json!(5e-324)]).is_some());
    }
}
