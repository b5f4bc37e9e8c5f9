//! Measurements: a hub as its own process, its floor beside it in the same run, medians.

pub(crate) mod backlog;
pub(crate) mod built;
pub(crate) mod child;
pub(crate) mod hub;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod signature;
pub(crate) mod validate;

use std::path::Path;

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};

use crate::outcome::{Context, Failure};

/// Processor time that this thread has used so far, in seconds.
pub(crate) fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that this process has had resident, in KiB.
pub(crate) fn own_peak_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
    kib.context("VmHWM in /proc/self/status")
}

/// Lets one account send as much as the bench likes: its limits are not what is measured.
pub(crate) fn raise_limits(dir: &Path) -> Result<(), Failure> {
    let path = dir.join("amtsbote.toml");
    let mut text = std::fs::read_to_string(&path).or_not_now_at(&path)?;
    text.push_str(
        "\n[limits]\naccount_messages_per_minute = 4000000000\naccount_concurrency = 2000\n\
         connections = 8000\n",
    );
    std::fs::write(&path, text).or_not_now_at(&path)
}

/// The middle of the values; the lower one of two.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of the values lies; 0 for none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    // A share of a length is small and not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let place = (share * last as f64).floor() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_small_lists() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 1.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 1.0), 5.0);
    }
}
