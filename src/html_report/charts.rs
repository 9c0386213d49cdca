//! Chooses the charts of a run's requests.

use super::activity::{Activity, Stretch, Totals};
use super::chart::{Chart, Series, histogram};
use super::number::{count, plain, seconds, short, usd};

/// Charts over time; empty if the run sent no requests.
pub fn over_time(activity: &Activity, concurrency: Option<u64>) -> Vec<Chart> {
    if activity.totals.requests == 0 {
        return Vec::new();
    }
    let stretch_s = activity.stretch_seconds();
    let series = |title, class, note, format, of: &dyn Fn(&Stretch) -> f64| Series {
        title,
        note,
        values: activity.over_time.iter().map(of).collect(),
        stretch_s,
        format,
        class,
        reference: None,
    };
    let rate = |n: u64| n as f64 / stretch_s;
    let Totals { requests, refused, usd: spent, .. } = activity.totals;
    let busy = activity.over_time.iter().map(|stretch| stretch.in_flight).sum::<f64>() / activity.over_time.len() as f64;
    let span = seconds(stretch_s * activity.over_time.len() as f64);
    let throughput = format!("{} requests in {span}.", count(requests as f64));
    let flight = series("Requests in flight", "c-work", format!("On average {}.", plain(busy)), plain, &|s| s.in_flight);
    let limit = concurrency.map(|n| (n as f64, format!("llm.concurrency {n}")));
    // A limit far above the values would flatten the line.
    let limit = limit.filter(|(n, _)| *n <= 4.0 * flight.values.iter().copied().fold(0.0, f64::max));
    let mut total = 0.0;
    let so_far: Vec<f64> = activity
        .over_time
        .iter()
        .map(|stretch| {
            total += stretch.usd;
            total
        })
        .collect();
    let mut charts = vec![
        series("Throughput, requests a second", "c-work", throughput, plain, &|s| rate(s.ended)).draw(),
        Series { reference: limit, ..flight }.draw(),
    ];
    if refused > 0 {
        let note = format!("The server refused {} requests because of a limit or overload.", count(refused as f64));
        charts.push(series("Refusals, requests a second", "c-bad", note, plain, &|s| rate(s.refused)).draw());
    }
    if spent > 0.0 {
        let money = series("Cost so far, US dollars", "c-money", format!("{} in this run.", usd(spent)), usd, &|_| 0.0);
        charts.push(Series { values: so_far, ..money }.draw());
    }
    charts
}

/// Histograms of times and tokens.
pub fn distributions(activity: &Activity) -> Vec<Chart> {
    let charts = [
        histogram("Duration of a request", &activity.latency, seconds, "c-work"),
        histogram("Wait before a request", &activity.turn, seconds, "c-past"),
        histogram("Input tokens of a request", &activity.input, short, "c-work"),
        histogram("Output tokens of a request", &activity.output, short, "c-work"),
    ];
    charts.into_iter().flatten().collect()
}
