//! Figures of a sample.

use std::time::Duration;

use serde_json::{Value, json};

/// The median.
pub(crate) fn median(sample: &[f64]) -> f64 {
    let mut ordered = sample.to_vec();
    ordered.sort_by(f64::total_cmp);
    ordered.get(ordered.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Percentiles in milliseconds, as `reference.py` gives them.
pub(crate) fn milliseconds(mut sample: Vec<Duration>) -> Value {
    sample.sort();
    let at = |percent: usize| {
        let place = (sample.len() * percent / 100).min(sample.len().saturating_sub(1));
        sample
            .get(place)
            .map(|time| (time.as_secs_f64() * 1e6).round() / 1e3)
    };
    json!({ "p50": at(50), "p99": at(99), "count": sample.len() })
}
