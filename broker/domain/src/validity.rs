//! From when until when (P10).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A span of time with an open end on either side: `from` belongs to it, `until` does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// First instant; none means since ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First instant after; none means for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether `at` lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// The span from the start of the day `from` to the end of the day `until`, both as calendar
    /// days in Germany: a switch date is 00:00 in Europe/Berlin.
    pub fn german_days(
        from: Option<jiff::civil::Date>,
        until: Option<jiff::civil::Date>,
    ) -> Result<Self, jiff::Error> {
        let midnight = |day: jiff::civil::Date| day.in_tz("Europe/Berlin").map(|at| at.timestamp());
        Ok(Self {
            from: from.map(midnight).transpose()?,
            until: until.map(|day| midnight(day.tomorrow()?)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_switch_date_is_midnight_in_germany() {
        let winter = Validity::german_days(Some(date(2026, 11, 1)), None).expect("in range");
        let summer = Validity::german_days(None, Some(date(2026, 4, 30))).expect("in range");
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        assert!(!winter.holds(at("2026-10-31T22:59:59Z")));
        assert!(winter.holds(at("2026-10-31T23:00:00Z")));
        assert!(summer.holds(at("2026-04-30T21:59:59Z")));
        assert!(!summer.holds(at("2026-04-30T22:00:00Z")));
    }
}
