//! From which day to which day a version applies: calendar days in Germany, both inclusive. And when
//! a message says that it was made.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::words::Reason;
use crate::validate::date_time;

/// Where switch dates happen.
const ZONE: &str = "Europe/Berlin";
/// A last day from here on is none: who writes 9999-12-31 means that there is no end, and after it
/// there is no instant that could be told.
const NO_END: Date = jiff::civil::date(9999, 12, 30);

/// The instant that an `xs:dateTime` names, in any of its forms (XML Schema 1.0, Datatypes 3.2.7).
///
/// Without a time zone it is the time on the clock in Germany, where switch dates happen too. Of the
/// hour that an autumn night has twice it is the first; in the hour that a spring night lacks, it is
/// as if the clock had not yet been put forward (02:30 is then 03:30 in summer time). None for what
/// is no `xs:dateTime`, or lies outside the years -9999 to 9999.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let written = date_time(text.trim_matches([' ', '\t', '\n', '\r']))?;
    let at = Timestamp::new(written.seconds, written.nanoseconds).ok()?;
    if written.zoned {
        return Some(at);
    }
    let clock = at.to_zoned(TimeZone::UTC).datetime();
    clock.in_tz(ZONE).ok().map(|zoned| zoned.timestamp())
}

/// A span of days, from the beginning of the first to the end of the last in Europe/Berlin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Days {
    /// First day.
    pub valid_from: Date,
    /// Last day; none means for ever. The last days of the year 9999 mean the same.
    pub valid_until: Option<Date>,
    #[serde(skip)]
    from: Timestamp,
    #[serde(skip)]
    until: Option<Timestamp>,
}

impl Days {
    /// The span, or why it is none, in English.
    pub fn new(valid_from: Date, valid_until: Option<Date>) -> Result<Self, String> {
        Self::told(valid_from, valid_until).map_err(|reason| reason.en)
    }

    /// The span, or why it is none.
    pub(super) fn told(valid_from: Date, valid_until: Option<Date>) -> Result<Self, Reason> {
        if valid_until.is_some_and(|until| until < valid_from) {
            return Err(Reason::new(
                "valid_until liegt vor valid_from",
                "valid_until lies before valid_from",
            ));
        }
        let valid_until = valid_until.filter(|until| *until < NO_END);
        let beyond =
            |_: jiff::Error| Reason::new("kein Tag von 0000 bis 9999", "no day from 0000 to 9999");
        let midnight = |day: Date| day.in_tz(ZONE).map(|at| at.timestamp()).map_err(beyond);
        let after = |day: Date| day.tomorrow().map_err(beyond).and_then(midnight);
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
    fn the_end_of_time_is_no_end() {
        for day in [date(9999, 12, 30), date(9999, 12, 31)] {
            let days = Days::new(date(2026, 5, 1), Some(day)).expect("a span");
            assert_eq!(days, Days::new(date(2026, 5, 1), None).expect("a span"));
        }
        let days = Days::new(date(2026, 5, 1), Some(date(9999, 12, 29))).expect("a span");
        assert_eq!(days.valid_until, Some(date(9999, 12, 29)));
        assert!(Days::new(date(9999, 12, 31), Some(date(9999, 12, 31))).is_err());
    }

    #[test]
    fn when_a_message_was_made() {
        let same = |text: &str, utc: &str| {
            assert_eq!(instant(text), Some(utc.parse().expect("an instant")), "{text}");
        };
        same("2024-05-28T09:00:00", "2024-05-28T07:00:00Z");
        same(" 2026-01-15T12:00:00\n", "2026-01-15T11:00:00Z");
        same("2026-01-15T24:00:00Z", "2026-01-16T00:00:00Z");
        same("2026-01-15T24:00:00", "2026-01-15T23:00:00Z");
        same("2026-01-15T12:00:00.1234567891+01:00", "2026-01-15T11:00:00.123456789Z");
        same("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z");
        // The night in which the clock goes back has the hour twice, that in which it goes forward
        // lacks it.
        same("2026-10-25T02:30:00", "2026-10-25T00:30:00Z");
        same("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z");
        same("2026-03-29T02:30:00", "2026-03-29T01:30:00Z");
        for bad in
            ["", "2026-01-15", "2026-01-15T12:00", "2026-02-30T12:00:00", "12026-01-15T12:00:00Z"]
        {
            assert_eq!(instant(bad), None, "{bad}");
        }
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
