//! The speed-up by concurrent calls.

/// Milliseconds with at least one active span. Each span has a start and an end.
pub fn busy_ms(spans: &[(i64, i64)]) -> i64 {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let (mut busy, mut until) = (0, i64::MIN);
    for (from, to) in sorted {
        busy += (to - from.max(until)).max(0);
        until = until.max(to);
    }
    busy
}

/// Milliseconds from the first start to the last end.
pub fn wall_ms(spans: &[(i64, i64)]) -> i64 {
    let (first, last) = (spans.iter().map(|span| span.0).min(), spans.iter().map(|span| span.1).max());
    first.zip(last).map_or(0, |(first, last)| last - first)
}

/// The ideal speed-up of equally long calls at a concurrency. With `n` calls and concurrency `c` it
/// is `n / ceil(n / c)`. It is below `c` if the last wave is not full. It is 1 without calls.
pub fn ideal(calls: u64, concurrency: u64) -> f64 {
    if calls == 0 { 1.0 } else { calls as f64 / calls.div_ceil(concurrency.max(1)) as f64 }
}

/// Minimum number of waves if documents are served in order. `documents` holds the number of calls
/// in each step of each document. A step begins only after the previous step has ended.
pub fn waves(documents: &[Vec<u64>], concurrency: u64) -> u64 {
    let mut open: Vec<Vec<u64>> = documents.iter().map(|steps| steps.iter().copied().filter(|calls| *calls > 0).rev().collect()).collect();
    let mut waves = 0;
    while open.iter().any(|steps| !steps.is_empty()) {
        let mut places = concurrency.max(1);
        for step in open.iter_mut().filter_map(|steps| steps.last_mut()) {
            let sent = places.min(*step);
            *step -= sent;
            places -= sent;
        }
        for steps in &mut open {
            steps.pop_if(|calls| *calls == 0);
        }
        waves += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_count_once_and_pauses_do_not() {
        let spans = [(10, 20), (40, 50), (15, 30), (16, 18)];
        assert_eq!((busy_ms(&spans), wall_ms(&spans)), (30, 40));
        assert_eq!((busy_ms(&[]), wall_ms(&[])), (0, 0));
    }

    #[test]
    fn the_last_wave_is_rarely_full() {
        assert_eq!((ideal(96, 32), ideal(97, 32), ideal(10, 32), ideal(0, 32)), (32.0, 24.25, 10.0, 1.0));
    }

    #[test]
    fn dependent_calls_may_need_another_wave() {
        let (images, texts) = (vec![vec![6, 1]; 16], vec![vec![6, 0]; 10]);
        assert_eq!((waves(&texts[..1], 32), waves(&images[..1], 32), waves(&images[..1], 4), waves(&[], 4)), (1, 2, 3, 0));
        // 112 calls fit into four waves of 32. The last aggregations wait for the fourth wave, so
        // they need a fifth.
        assert_eq!(waves(&images, 32), 5);
        // Texts fill the gaps: 172 calls in six waves.
        assert_eq!(waves(&[images, texts].concat(), 32), 6);
    }
}
