//! Times on the command line.

use amtsbote_broker::clock::SystemClock;
use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;

/// An instant (RFC 3339), or a day: its first instant in Germany.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .filter(|_| text.len() == "2026-11-01".len())
        .and_then(|day| day.in_tz("Europe/Berlin").ok())
        .map(|midnight| midnight.timestamp())
        .ok_or_else(|| "a time is written 2026-11-01T08:00:00Z or 2026-11-01".to_owned())
}

/// The last day, in Germany, of a span that ends before `until`.
pub(crate) fn last_day(until: Timestamp) -> Option<jiff::civil::Date> {
    let last = until.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
    Some(last.in_tz("Europe/Berlin").ok()?.date())
}

/// The clock's time.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// How long something takes or waits, in its largest unit.
pub(crate) fn span(span: jiff::SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        for (seconds, told) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (47 * 3_600, "47 h"),
            (48 * 3_600, "2 d"),
        ] {
            assert_eq!(span(jiff::SignedDuration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn the_last_day_is_the_one_before_the_end() {
        let end = instant("2027-07-01").expect("a day");
        assert_eq!(last_day(end), Some(jiff::civil::date(2027, 6, 30)));
        assert_eq!(last_day(Timestamp::MIN), None);
    }

    #[test]
    fn instants_and_days_are_read() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        assert_eq!(instant("2026-11-01T08:00:00Z"), Ok(at("2026-11-01T08:00:00Z")));
        assert_eq!(instant("2026-11-01T08:00:00+01:00"), Ok(at("2026-11-01T07:00:00Z")));
        assert_eq!(instant("2026-07-01"), Ok(at("2026-06-30T22:00:00Z")));
        for bad in ["", "gestern", "2026-13-01", "2026-11-01T08:00:00", "08:00"] {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }
}
