//! Formats numbers with units, thousands separators and significant digits only.

/// A whole number with thousands separators: `12,345`.
pub fn count(n: f64) -> String {
    let digits = format!("{:.0}", n.abs());
    let mut out = String::from(if n <= -0.5 { "\u{2212}" } else { "" });
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits without trailing zeros: `0.0123`, `1.5`, `12.3`, `123`, `12,345`.
pub fn plain(n: f64) -> String {
    let size = n.abs();
    if size >= 100.0 || size == 0.0 {
        return count(n);
    }
    // Numbers have at most eight decimals.
    let digits = (1..=8).find(|digits| size >= 10_f64.powi(2 - digits)).unwrap_or(8);
    let text = format!("{n:.*}", usize::try_from(digits).unwrap_or(0));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with all its digits: `2026`, `12,345.5`. Shorter ones, such as years, have no thousands
/// separators.
pub fn exact(n: f64) -> String {
    const MAX: f64 = 1e15;
    const SHORT: f64 = 1e4;
    if n.abs() >= MAX || (n != 0.0 && n.abs() < 1e-8) {
        return plain(n);
    }
    let text = n.abs().to_string();
    if n.abs() < SHORT {
        return if n < 0.0 { format!("\u{2212}{text}") } else { text };
    }
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let whole = count(n.trunc());
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// A large number, for an axis or a tile: `950`, `1.2k`, `3.45M`.
pub fn short(n: f64) -> String {
    match n.abs() {
        size if size >= 999_500_000.0 => format!("{}G", plain(n / 1e9)),
        size if size >= 999_500.0 => format!("{}M", plain(n / 1e6)),
        size if size >= 10_000.0 => format!("{}k", plain(n / 1e3)),
        _ => plain(n),
    }
}

/// A duration: `0 s`, `150 ms`, `1.29 s`, `2 min 05 s`, `3 h 20 min`.
pub fn seconds(s: f64) -> String {
    match s {
        s if s <= 0.0 => "0 s".to_owned(),
        s if s < 0.0095 => format!("{} ms", plain((s * 1e4).round() / 10.0)),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 120.0 => format!("{} s", plain(s)),
        s if s < 7200.0 => format!("{:.0} min {:02.0} s", (s.round() / 60.0).floor(), s.round() % 60.0),
        s => format!("{} h {:02.0} min", count(((s / 60.0).round() / 60.0).floor()), (s / 60.0).round() % 60.0),
    }
}

/// An amount of US dollars: `$0`, `$0.000123`, `$0.0520`, `$1.25`, `$1,234`.
pub fn usd(amount: f64) -> String {
    match amount.abs() {
        0.0 => "$0".to_owned(),
        size if size < 1e-6 => "under $0.000001".to_owned(),
        size if size >= 1000.0 => format!("${}", count(amount)),
        size if size >= 0.9995 => format!("${amount:.2}"),
        _ => format!("${}", plain(amount)),
    }
}

/// A share from 0 to 1: `0 %`, `0.3 %`, `42 %`. Rounding never shows 0 % or 100 % for other shares.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        p if p < 0.1 => "under 0.1 %".to_owned(),
        p if p < 9.95 => format!("{p:.1} %"),
        p if p < 100.0 && p > 99.0 => format!("{:.1} %", p.min(99.9)),
        p => format!("{p:.0} %"),
    }
}

/// Maximum number of marks of an axis.
const MAX_TICKS: u32 = 20;

/// Ticks of about `wanted` round steps from 0. The last is at or above `top`.
pub fn ticks(top: f64, wanted: f64) -> Vec<f64> {
    let step = round_step(top.max(f64::MIN_POSITIVE) / wanted);
    let steps = (top / step - 1e-9).ceil().max(1.0);
    (0..MAX_TICKS).map(f64::from).take_while(|n| *n <= steps).map(|n| n * step).collect()
}

/// Ticks of a time axis from 0. Steps above 30 s are in clock units.
pub fn time_ticks(top: f64, wanted: f64) -> Vec<f64> {
    const STEPS: [f64; 14] =
        [60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0];
    let least = top / wanted;
    let clock = STEPS.into_iter().find(|step| *step >= least).filter(|_| least > 30.0);
    let step = clock.unwrap_or_else(|| round_step(least.max(f64::MIN_POSITIVE)));
    (0..MAX_TICKS).map(f64::from).map(|n| n * step).take_while(|at| *at <= top * (1.0 + 1e-9)).collect()
}

/// The smallest round number of at least `least`. Round numbers are 1, 2 or 5 times a power of ten.
pub fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_thousands_and_three_digits() {
        let plain_ones = [0.0, 0.012_34, 1.5, 12.34, 123.4, 12_345.6].map(plain);
        assert_eq!(plain_ones, ["0", "0.0123", "1.5", "12.3", "123", "12,346"]);
        let exact_ones = [0.0, 0.012_345, 1234.0, 56_789.5, -0.25, -12_345.75, 1e-12].map(exact);
        assert_eq!(exact_ones, ["0", "0.012345", "1234", "56,789.5", "\u{2212}0.25", "\u{2212}12,345.75", "0"]);
        assert_eq!([950.0, 12_300.0, 999_700.0, 3_450_000.0, 2e9].map(short), ["950", "12.3k", "1M", "3.45M", "2G"]);
        let times = [0.0, 0.0012, 0.15, 0.9996, 1.285, 65.0, 125.0, 7199.9, 12_000.0].map(seconds);
        assert_eq!(times, ["0 s", "1.2 ms", "150 ms", "1 s", "1.28 s", "65 s", "2 min 05 s", "120 min 00 s", "3 h 20 min"]);
        assert_eq!([0.0, 1e-9, 0.000_123, 1.0, 12.5, 1234.0].map(usd), ["$0", "under $0.000001", "$0.000123", "$1.00", "$12.50", "$1,234"]);
        assert_eq!([0.0, 0.0001, 0.003, 0.42, 0.9999, 1.0].map(percent), ["0 %", "under 0.1 %", "0.3 %", "42 %", "99.9 %", "100 %"]);
        assert_eq!(count(-1_234_567.0), "\u{2212}1,234,567");
    }

    #[test]
    fn axes_begin_at_zero_and_reach_the_largest_value_in_round_steps() {
        assert_eq!(ticks(9.3, 4.0), [0.0, 5.0, 10.0]);
        assert_eq!(ticks(10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 4.0).len(), 2);
        for top in [1e-9, 0.37, 1.0, 99.0, 12_345.0, 7e12] {
            let ticks = ticks(top, 4.0);
            assert!(ticks[0] == 0.0 && *ticks.last().expect("some") >= top && ticks.len() <= 7, "{top}: {ticks:?}");
        }
        assert_eq!(time_ticks(1.4, 4.0), [0.0, 0.5, 1.0]);
        assert_eq!(time_ticks(3600.0, 4.0), [0.0, 900.0, 1800.0, 2700.0, 3600.0]);
    }
}
