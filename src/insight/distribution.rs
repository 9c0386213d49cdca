//! Quantiles of measurements.

/// Interpolates the quantile of `values` at a share from 0 to 1. `None` without values.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The median; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        // numpy.quantile([1, 2, 3, 4, 10], 0.95)
        assert!((quantile(&[10.0, 3.0, 2.0, 1.0, 4.0], 0.95).unwrap() - 8.8).abs() < 1e-9);
        assert_eq!((quantile(&[2.0, 1.0], 0.0), quantile(&[2.0, 1.0], 1.0)), (Some(1.0), Some(2.0)));
    }
}
