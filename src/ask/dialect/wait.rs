//! Reads the wait that a provider requests, in all its forms.

use serde_json::Value;
use std::time::Duration;

/// Reads the wait that a refusal requests, from its headers and body.
pub(super) fn asked(header: &dyn Fn(&str) -> Option<String>, json: Option<&Value>, message: &str) -> Option<Duration> {
    in_headers(header).or_else(|| json.and_then(in_details)).or_else(|| in_words(message)).or_else(|| until_reset(header))
}

fn in_headers(header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    if let Some(ms) = header("retry-after-ms").and_then(|value| value.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let value = header("retry-after")?;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    duration(value).or_else(|| {
        // A date is compared with the server's clock (header `date`), because ours may be wrong.
        let at = httpdate::parse_http_date(value).ok()?;
        let now = header("date").and_then(|date| httpdate::parse_http_date(&date).ok())?;
        Some(at.duration_since(now).unwrap_or_default())
    })
}

/// Reads a wait from a body field or Google's `RetryInfo`.
fn in_details(json: &Value) -> Option<Duration> {
    const FIELDS: [(&str, f64); 5] =
        [("retry_after_ms", 0.001), ("retry_after", 1.0), ("retryAfter", 1.0), ("retry_after_seconds", 1.0), ("retry_after_s", 1.0)];
    let field = |object: &Value| FIELDS.iter().find_map(|(name, unit)| Duration::try_from_secs_f64(object[*name].as_f64()? * unit).ok());
    let details = json.pointer("/error/details").and_then(Value::as_array).into_iter().flatten();
    let mut delays = details.filter_map(|detail| duration(detail["retryDelay"].as_str()?));
    delays.next().or_else(|| [json, &json["error"], &json["error"]["metadata"]].into_iter().find_map(field))
}

/// Reads a wait from the message.
///
/// Examples are "Please try again in 20s", "retry after 1.5 seconds" and "Try again in 3m12.5s.".
fn in_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let after = ["try again in ", "retry in ", "retry after ", "wait "].iter().find_map(|words| lower.split_once(words))?.1;
    let mut words = after.split_whitespace();
    let first = words.next()?.trim_end_matches(['.', ',', ';', ')']);
    if let Some(time) = duration(first) {
        return Some(time);
    }
    let number: f64 = first.parse().ok()?;
    let unit = match words.next()?.trim_end_matches(['.', ',', ';', ')']) {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

/// Time until an exhausted limit is full: longer than necessary, but safe.
fn until_reset(header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    let exhausted = ["requests", "tokens"].into_iter().filter(|what| {
        header(&format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.trim().parse::<f64>().is_ok_and(|left| left <= 0.0))
    });
    exhausted.filter_map(|what| duration(header(&format!("x-ratelimit-reset-{what}"))?.trim())).max()
}

/// Parses a duration in Go's format: `120ms`, `59.8s`, `6m0s`, `1h2m3.5s`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |at| digits + at);
        seconds += number
            * match &rest[digits..unit_end] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Headers<'h> = &'h [(&'h str, &'h str)];

    fn asked_by(headers: &[(&str, &str)], json: &Value, message: &str) -> Option<f64> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        asked(&header, Some(json), message).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn every_form_of_a_wait_is_read() {
        let date = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        let cases: [(Headers<'_>, Value, &str, Option<f64>); 17] = [
            (&[("retry-after", "2")], json!({}), "", Some(2.0)),
            (&[("retry-after", "0.3")], json!({}), "", Some(0.3)),
            (&[("retry-after", "277403")], json!({}), "", Some(277_403.0)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], json!({}), "", Some(1.5)),
            (&[("retry-after", "Fri, 20 Nov 2026 10:02:51 GMT"), date], json!({}), "", Some(171.0)),
            (&[("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT"), date], json!({}), "", Some(0.0)),
            (&[("retry-after", "1m30s")], json!({}), "", Some(90.0)),
            (&[], json!({"error": {"details": [{"@type": "x"}, {"retryDelay": "37.5s"}]}}), "", Some(37.5)),
            (&[], json!({}), "Rate limit reached. Please try again in 20s.", Some(20.0)),
            (&[], json!({}), "Please retry after 1.5 seconds", Some(1.5)),
            (&[], json!({}), "Try again in 6m12.5s. Visit our site.", Some(372.5)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "7.66s")], json!({}), "", Some(7.66)),
            (&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "7.66s")], json!({}), "", None),
            (&[("retry-after", "soon")], json!({}), "", None),
            (&[("retry-after", "-5")], json!({}), "", None),
            (&[("retry-after", "NaN")], json!({}), "try again in a while", None),
            (&[("retry-after", "1e300")], json!({}), "", None),
        ];
        for (headers, json, message, wait) in cases {
            assert_eq!(asked_by(headers, &json, message), wait, "{headers:?} {json} {message}");
        }
    }
}
