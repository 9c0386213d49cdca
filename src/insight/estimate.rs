//! Estimates a total from a sample with expected and actual amounts.

use super::proportion::Z_95;

/// Decimals of US dollars in predictions.
pub const USD: i32 = 9;

/// An amount with `digits` decimals.
pub fn rounded(amount: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (amount * scale).round() / scale
}

/// A range of likely amounts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval with `digits` decimals.
    #[must_use]
    pub fn rounded(self, digits: i32) -> Self {
        let [low, high] = [self.low, self.high].map(|end| rounded(end, digits));
        Self { low, high }
    }

    /// `middle` plus or minus `half`, cut off at zero.
    pub fn around(middle: f64, half: f64) -> Self {
        Self { low: (middle - half).max(0.0), high: middle + half }
    }

    /// The middle.
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.low, self.high)
    }

    /// The sum of two independent amounts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let half = (self.high - self.low).hypot(other.high - other.low) / 2.0;
        Self::around(self.middle() + other.middle(), half)
    }

    /// The range of the middle 95 % of values; `None` without values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let cut = values.len() / 40;
        Some(Self { low: *values.get(cut)?, high: *values.get(values.len() - 1 - cut)? })
    }
}

/// Expected and actual amount of one task's calls about one document.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    /// Index of the task.
    pub task: usize,
    /// Expected amount.
    pub expected: f64,
    /// Actual amount.
    pub actual: f64,
}

/// Factor that widens Student's interval, because costs are skewed. Long answers are rare, and a
/// small sample may contain none. Without the factor, fewer than 95 % of the intervals contain the
/// total.
const SKEW_FACTOR: f64 = 1.2;

/// Estimates the actual total of documents from their expected amounts. The interval contains the
/// total in at least 95 % of cases.
///
/// `sample` holds the documents with both amounts. `rest` holds the expected amounts of each other
/// document, with their tasks. Each document of `rest` stands for `times` documents.
///
/// The function uses a ratio estimator for each task. It measures errors by document, because the
/// errors of calls on one document are correlated. It adds three variances: of the ratios, of the
/// documents in `rest`, and of the selection of `rest`.
///
/// Returns `None` if the sample has fewer than two documents or lacks a task of `rest`. Also
/// returns `None` if `rest` has no amounts.
pub fn ratio_estimate(sample: &[Vec<Observed>], rest: &[Vec<(usize, f64)>], times: f64) -> Option<Interval> {
    let n = sample.len() as f64;
    let tasks = rest.iter().flatten().map(|(task, _)| task + 1).max()?;
    let sum_of =
        |task: usize, amount: fn(&Observed) -> f64| -> f64 { sample.iter().flatten().filter(|one| one.task == task).map(amount).sum() };
    let (mut ratios, mut weights, mut total) = (vec![0.0; tasks], vec![0.0; tasks], 0.0);
    for task in 0..tasks {
        let expected: f64 = times * rest.iter().flatten().filter(|(other, _)| *other == task).map(|(_, amount)| amount).sum::<f64>();
        if expected == 0.0 {
            continue;
        }
        let seen = sum_of(task, |one| one.expected);
        if n < 2.0 || seen <= 0.0 {
            return None;
        }
        ratios[task] = sum_of(task, |one| one.actual) / seen;
        weights[task] = expected / seen;
        total += ratios[task] * expected;
    }
    let relevant = |task: usize| weights.get(task).is_some_and(|weight| *weight > 0.0);
    let residual = |one: &Observed| one.actual - ratios.get(one.task).copied().unwrap_or(0.0) * one.expected;
    let share = |document: &[Observed]| {
        let most = document.iter().filter(|one| relevant(one.task)).map(|one| one.expected / sum_of(one.task, |one| one.expected));
        most.fold(0.0, f64::max)
    };
    let squares = |weight: &dyn Fn(usize) -> f64| -> f64 {
        // Each document pulls the ratios towards itself, so its residual is too small. The divisor
        // corrects that.
        let of_document = |document: &Vec<Observed>| {
            let error: f64 = document.iter().map(|one| weight(one.task) * residual(one)).sum();
            (error / (1.0 - share(document)).max(f64::EPSILON)).powi(2)
        };
        sample.iter().map(of_document).sum::<f64>() / (n - 1.0)
    };
    let of_ratios = n * squares(&|task| weights.get(task).copied().unwrap_or(0.0));
    // Documents of `rest` vary like those of the sample. The variance grows with the mean amount.
    let documents = times * rest.len() as f64;
    let seen: f64 = sample.iter().flatten().filter(|one| relevant(one.task)).map(|one| ratios[one.task] * one.expected).sum();
    let larger = total / documents / (seen / n);
    let of_the_rest = documents * larger * squares(&|task| f64::from(u8::from(relevant(task))));
    // If `times` is above 1, `rest` is itself a sample. This is its sampling variance.
    let amounts: Vec<f64> = rest.iter().map(|document| document.iter().map(|(task, amount)| ratios[*task] * amount).sum()).collect();
    let of_sampling = documents * (documents - rest.len() as f64) / rest.len() as f64 * variance(&amounts);
    Some(Interval::around(total, SKEW_FACTOR * student(sample.len() - 1) * (of_ratios + of_the_rest + of_sampling).sqrt()))
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if n < 2.0 { 0.0 } else { values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0) }
}

/// Student's t for a 95 % interval, by degrees of freedom. It is half the width of the interval in
/// standard errors.
pub fn student(freedom: usize) -> f64 {
    const FEW: [f64; 4] = [12.706, 4.303, 3.182, 2.776];
    if let Some(exact) = freedom.checked_sub(1).and_then(|at| FEW.get(at)) {
        return *exact;
    }
    // For more than four degrees of freedom, the Cornish-Fisher expansion is accurate to three
    // digits.
    let (z, f) = (Z_95, (freedom as f64).max(1.0));
    z + (z.powi(3) + z) / (4.0 * f)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * f * f)
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * f.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_matches_the_tables() {
        for (freedom, t) in [(1, 12.706), (4, 2.776), (5, 2.571), (10, 2.228), (29, 2.045), (1000, 1.962)] {
            assert!((student(freedom) - t).abs() < 0.005, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn intervals_hold_as_often_as_they_claim() {
        let (mut held, mut widths) = (0, 0.0);
        for seed in 0..1000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut document = |_| {
                let size = 0.5 + random.f64();
                // All calls on a document share the factor `mood`. Each call has a further random
                // factor.
                let mood = 0.5 + random.f64();
                let one = |task, factor: f64, random: &mut fastrand::Rng| Observed {
                    task,
                    expected: size,
                    actual: factor * size * mood * (0.5 + random.f64()),
                };
                vec![one(0, 2.0, &mut random), one(1, 0.5, &mut random)]
            };
            let all: Vec<Vec<Observed>> = (0..130).map(&mut document).collect();
            let (sample, rest) = all.split_at(30);
            let total: f64 = rest.iter().flatten().map(|one| one.actual).sum();
            let expected: Vec<Vec<(usize, f64)>> =
                rest.iter().map(|document| document.iter().map(|one| (one.task, one.expected)).collect()).collect();
            let interval = ratio_estimate(sample, &expected, 1.0).unwrap();
            held += u32::from((interval.low..interval.high).contains(&total));
            widths += (interval.high - interval.low) / 2.0 / interval.middle() / 1000.0;
        }
        assert!((960..=995).contains(&held), "{held} of 1000");
        assert!((0.1..0.3).contains(&widths), "{widths}");
    }

    #[test]
    fn tasks_without_a_sample_are_not_estimated() {
        let one = |task| Observed { task, expected: 1.0, actual: 2.0 };
        assert_eq!(ratio_estimate(&[vec![one(0)], vec![one(0)]], &[vec![(1, 1.0)]], 1.0), None);
        assert_eq!(ratio_estimate(&[vec![one(0)]], &[vec![(0, 1.0)]], 1.0), None);
        assert_eq!(ratio_estimate(&[vec![one(0)], vec![one(0)]], &vec![vec![(0, 1.0)]; 3], 2.0), Some(Interval { low: 12.0, high: 12.0 }));
    }
}
