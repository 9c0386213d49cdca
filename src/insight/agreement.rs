//! Agreement of two raters about the same documents.

use super::proportion::{Share, Z_95};
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts of each pair of values about the same document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Counts by the values of the first and the second rater.
    pub counts: BTreeMap<(String, String), u64>,
}

impl<S: Into<String>> FromIterator<(S, S)> for Confusion {
    fn from_iter<I: IntoIterator<Item = (S, S)>>(pairs: I) -> Self {
        let mut counts = BTreeMap::new();
        for (first, second) in pairs {
            *counts.entry((first.into(), second.into())).or_default() += 1;
        }
        Self { counts }
    }
}

/// Agreement beyond chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kappa {
    /// Cohen's kappa: 1 is full agreement, 0 is agreement by chance.
    pub value: f64,
    /// The 95 % interval.
    pub interval: [f64; 2],
}

impl Confusion {
    /// All values of both raters, sorted.
    pub fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.counts.keys().flat_map(|(first, second)| [first.as_str(), second]).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// The share of documents with the same value from both raters.
    pub fn agreed(&self) -> Share {
        let same = self.counts.iter().filter(|((first, second), _)| first == second);
        Share { of: same.map(|(_, n)| n).sum(), n: self.counts.values().sum() }
    }

    /// Cohen's kappa. `None` without documents. Also `None` if both raters give only one and the
    /// same value, because chance alone explains that.
    ///
    /// The interval follows from the interval of the agreement share. Chance agreement counts as a
    /// constant. The usual formula gives an interval of zero width if all of a few documents agree.
    pub fn kappa(&self) -> Option<Kappa> {
        let agreed = self.agreed();
        let (share, n) = (agreed.value()?, agreed.n as f64);
        let mut shares = BTreeMap::<&str, [f64; 2]>::new();
        for ((first, second), count) in &self.counts {
            shares.entry(first).or_default()[0] += *count as f64 / n;
            shares.entry(second).or_default()[1] += *count as f64 / n;
        }
        let chance: f64 = shares.values().map(|[first, second]| first * second).sum();
        let beyond = |share: f64| (share - chance) / (1.0 - chance);
        (chance < 1.0).then(|| Kappa { value: beyond(share), interval: agreed.interval().map(beyond) })
    }
}

/// Closeness of two series of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Closeness {
    /// Mean absolute difference.
    pub mean_absolute_difference: f64,
    /// Pearson's correlation; `None` if one series is constant.
    pub correlation: Option<f64>,
    /// The 95 % interval of the correlation. It uses Fisher's transformation. `None` for fewer than
    /// four pairs.
    pub correlation_interval: Option<[f64; 2]>,
}

/// Measures how close the numbers of each pair are; `None` without pairs.
pub fn closeness(pairs: &[(f64, f64)]) -> Option<Closeness> {
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let covariance = mean(&|pair| (pair.0 - x) * (pair.1 - y));
    let spread = (mean(&|pair| (pair.0 - x).powi(2)) * mean(&|pair| (pair.1 - y).powi(2))).sqrt();
    let correlation = (spread > 0.0).then(|| (covariance / spread).clamp(-1.0, 1.0));
    let reach = Z_95 / (n - 3.0).sqrt();
    let interval = |r: f64| [r.atanh() - reach, r.atanh() + reach].map(f64::tanh);
    (!pairs.is_empty()).then(|| Closeness {
        mean_absolute_difference: mean(&|pair| (pair.0 - pair.1).abs()),
        correlation,
        correlation_interval: correlation.filter(|_| pairs.len() > 3).map(interval),
    })
}

#[cfg(test)]
mod tests {
    use super::super::near;
    use super::*;

    #[test]
    fn kappa_of_a_table_by_hand() {
        // The agreement is 0.7. Chance agreement is 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
        let table = [(("yes", "yes"), 20), (("yes", "no"), 5), (("no", "yes"), 10), (("no", "no"), 15)];
        let confusion: Confusion = table.into_iter().flat_map(|(pair, n)| std::iter::repeat_n(pair, n)).collect();
        assert_eq!((confusion.agreed(), confusion.values()), (Share { of: 35, n: 50 }, vec!["no", "yes"]));
        let kappa = confusion.kappa().unwrap();
        near(kappa.value, 0.4);
        // Wilson's interval of 35 of 50 is 0.562496 to 0.808964. Kappa is (share - 0.5) / 0.5.
        near(kappa.interval[0], 0.124_993);
        near(kappa.interval[1], 0.617_929);
    }

    #[test]
    fn constant_values_have_no_kappa() {
        let always: Confusion = [("a", "a"), ("a", "a")].into_iter().collect();
        assert_eq!((always.agreed().value(), always.kappa()), (Some(1.0), None));
        assert_eq!(Confusion::default().kappa(), None);
        let never: Confusion = [("a", "b"), ("b", "a")].into_iter().collect();
        near(never.kappa().unwrap().value, -1.0);
        // Ten agreements do not prove full agreement.
        let ten: Confusion = ["a", "b"].into_iter().cycle().take(10).map(|value| (value, value)).collect();
        assert!(ten.kappa().unwrap().interval[0] < 0.5);
    }

    #[test]
    fn numbers_are_compared_by_distance_and_correlation() {
        // numpy.corrcoef([1, 2, 3, 4, 5], [2, 2, 4, 3, 7])
        let close = closeness(&[(1.0, 2.0), (2.0, 2.0), (3.0, 4.0), (4.0, 3.0), (5.0, 7.0)]).unwrap();
        near(close.mean_absolute_difference, 1.0);
        near(close.correlation.unwrap(), 0.838_742);
        let [low, high] = close.correlation_interval.unwrap();
        near(low, -0.167_397);
        near(high, 0.989_089);
        assert_eq!(closeness(&[(1.0, 2.0), (1.0, 3.0)]).unwrap().correlation, None);
        assert_eq!(closeness(&[]), None);
    }
}
