//! Divides an amount fairly.

/// Tolerance for rounding errors.
const GRAIN: f64 = 1e-6;

/// Divides `whole` by max-min fairness: no share exceeds its demand, and what some leave is divided
/// among the others.
pub(super) fn fair(whole: f64, demands: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by(|one, other| demands[*one].total_cmp(&demands[*other]));
    let (mut shares, mut left) = (vec![0.0; demands.len()], whole.max(0.0));
    for (served, at) in order.into_iter().enumerate() {
        let share = (left / (demands.len() - served) as f64).min(demands[at].max(0.0));
        shares[at] = share;
        left -= share;
    }
    shares
}

/// The same in whole units.
pub(super) fn fair_units(whole: f64, unit: f64, demands: &[f64]) -> Vec<f64> {
    let units = (whole / unit + GRAIN).floor();
    let demands: Vec<f64> = demands.iter().map(|demand| (demand / unit - GRAIN).ceil().max(0.0)).collect();
    let mut shares: Vec<f64> = fair(units, &demands).into_iter().map(|share| (share + GRAIN).floor()).collect();
    let mut left = units - shares.iter().sum::<f64>();
    for (share, demand) in shares.iter_mut().zip(&demands) {
        if left >= 1.0 && *share < *demand {
            *share += 1.0;
            left -= 1.0;
        }
    }
    shares.into_iter().map(|share| share * unit).collect()
}

/// `amount` in whole units, rounded down.
pub(super) fn floor_to(amount: f64, unit: f64) -> f64 {
    (amount / unit + GRAIN).floor().max(0.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_demands_are_met_and_the_rest_is_divided_equally() {
        assert_eq!(fair(60.0, &[5.0, f64::INFINITY, f64::INFINITY]), [5.0, 27.5, 27.5]);
        assert_eq!(fair(60.0, &[10.0, 20.0]), [10.0, 20.0]);
        assert_eq!(fair(0.0, &[1.0]), [0.0]);
        assert_eq!(fair_units(10.0, 1.0, &[f64::INFINITY; 3]), [4.0, 3.0, 3.0]);
        assert_eq!(fair_units(60.0, 1.0, &[0.5, f64::INFINITY]), [1.0, 59.0]);
        assert_eq!(fair_units(2.0, 1.0, &[f64::INFINITY; 3]), [1.0, 1.0, 0.0]);
    }
}
