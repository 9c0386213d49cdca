//! Shares of a request's bill.

/// Shares an amount out by weights. The shares add up to the amount.
pub fn shares(amount: u64, weights: &[u64]) -> Vec<u64> {
    let all = u128::from(weights.iter().sum::<u64>().max(1));
    let mut before = 0;
    let up_to = |weight: u64| u64::try_from(u128::from(amount) * u128::from(weight) / all).unwrap_or(amount);
    weights
        .iter()
        .map(|weight| {
            let share = up_to(before + weight) - up_to(before);
            before += weight;
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_amount() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..1000 {
            let weights: Vec<u64> = (0..random.usize(1..50)).map(|_| random.u64(1..9000)).collect();
            let amount = random.u64(0..1 << 60);
            assert_eq!(shares(amount, &weights).iter().sum::<u64>(), amount);
        }
        assert_eq!(shares(10, &[1, 1, 2]), [2, 3, 5]);
    }
}
