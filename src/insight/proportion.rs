//! Shares in small samples, with confidence intervals.

use serde::Serialize;

/// The 97.5th percentile of the normal distribution, for 95 % intervals.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// A count out of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The count.
    pub of: u64,
    /// The total.
    pub n: u64,
}

impl Share {
    /// The share, from 0 to 1; `None` if the total is 0.
    pub fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.of as f64 / self.n as f64)
    }

    /// Wilson's 95 % interval of the share. It also holds for small totals and for shares near 0 or
    /// 1.
    pub fn interval(self) -> [f64; 2] {
        let Some(share) = self.value() else { return [0.0, 1.0] };
        let (n, z2) = (self.n as f64, Z_95 * Z_95);
        let middle = share + z2 / (2.0 * n);
        let reach = Z_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        [middle - reach, middle + reach].map(|end| (end / (1.0 + z2 / n)).clamp(0.0, 1.0))
    }
}

/// The p-value of McNemar's exact test, from 0 to 1.
///
/// Each argument counts the items that only one of two raters has right. The p-value is the
/// probability of a difference at least this large between equally good raters.
pub fn mcnemar(only_one: u64, only_other: u64) -> f64 {
    let (n, least) = (only_one + only_other, only_one.min(only_other));
    // Uses logarithms, because two to the power of a few thousand overflows.
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for k in 0..least {
        ln_term += ((n - k) as f64 / (k + 1) as f64).ln();
        tail += ln_term.exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::near;
    use super::*;

    #[test]
    fn intervals_match_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(of, n, method="wilson")
        for (of, n, low, high) in [(14, 16, 0.639_772, 0.965_023), (0, 10, 0.0, 0.277_533), (9990, 10000, 0.998_160, 0.999_457)] {
            let [from, to] = Share { of, n }.interval();
            near(from, low);
            near(to, high);
        }
        assert_eq!((Share { of: 0, n: 0 }.value(), Share { of: 0, n: 0 }.interval()), (None, [0.0, 1.0]));
    }

    #[test]
    fn the_exact_test_matches_scipy() {
        // scipy.stats.binomtest(min(b, c), b + c).pvalue
        for (one, other, p) in [(0, 0, 1.0), (1, 1, 1.0), (2, 9, 0.065_430), (0, 6, 0.031_25), (700, 800, 0.010_559)] {
            near(mcnemar(one, other), p);
            near(mcnemar(other, one), p);
        }
    }
}
