//! From which day to which day a version applies: calendar days in Germany, both inclusive.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// Where switch dates happen.
const ZONE: &str = "Europe/Berlin";

/// A span of days, from the beginning of the first to the end of the last in Europe/Berlin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Days {
    /// First day.
    pub valid_from: Date,
    /// Last day; none means for ever.
    pub valid_until: Option<Date>,
    #[serde(skip)]
    from: Timestamp,
    #[serde(skip)]
    until: Option<Timestamp>,
}

impl Days {
    /// The span, or why it is none.
    pub fn new(valid_from: Date, valid_until: Option<Date>) -> Result<Self, String> {
        if valid_until.is_some_and(|until| until < valid_from) {
            return Err("valid_until lies before valid_from".to_owned());
        }
        let midnight =
            |day: Date| day.in_tz(ZONE).map(|at| at.timestamp()).map_err(|error| error.to_string());
        let after =
            |day: Date| day.tomorrow().map_err(|error| error.to_string()).and_then(midnight);
        Ok(Self {
            valid_from,
            valid_until,
            from: midnight(valid_from)?,
            until: valid_until.map(after).transpose()?,
        })
    }

    /// Whether there is a day in both.
    pub(super) fn meet(&self, other: &Self) -> bool {
        let begins = |one: &Self, other: &Self| other.until.is_none_or(|until| one.from < until);
        begins(self, other) && begins(other, self)
    }

    /// Whether an instant lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_last_day_belongs_to_it_until_midnight_in_germany() {
        let days = Days::new(date(2026, 5, 1), Some(date(2026, 10, 31))).expect("a span");
        let holds = |text: &str| days.holds(text.parse().expect("an instant"));
        assert!(!holds("2026-04-30T21:59:59.999Z"), "summer time: two hours ahead");
        assert!(holds("2026-04-30T22:00:00Z"));
        assert!(holds("2026-10-31T22:59:59.999Z"), "winter time: one hour ahead");
        assert!(!holds("2026-10-31T23:00:00Z"));
    }

    #[test]
    fn an_open_end_and_a_turned_span() {
        let days = Days::new(date(2026, 11, 1), None).expect("a span");
        assert!(days.holds("2999-01-01T00:00:00Z".parse().expect("an instant")));
        assert!(Days::new(date(2026, 11, 2), Some(date(2026, 11, 1))).is_err());
        let before = Days::new(date(2026, 5, 1), Some(date(2026, 10, 31))).expect("a span");
        assert!(!days.meet(&before) && !before.meet(&days) && days.meet(&days));
        let last = Days::new(date(2026, 10, 31), Some(date(2026, 10, 31))).expect("a span");
        assert!(last.meet(&before) && before.meet(&last) && !last.meet(&days));
    }
}
