//! Working days in North Rhine-Westphalia.
//!
//! The feasts are data: those of the Feiertagsgesetz NW, for 1990 to 2100. The day of the
//! Reformation is none of them, but for 2017, when all of Germany had it. Days on which offices are
//! merely closed by custom, 24 and 31 December among them, are the node's to name.

mod feast;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

pub use self::feast::{FIRST_YEAR, LAST_YEAR, easter, feast};

/// The clock on the wall of every office that this is about.
pub(super) const ZONE: &str = "Europe/Berlin";
/// Most days of its own that a node may name.
pub const MAX_OWN_DAYS: usize = 1_000;

/// Which days are working days. By the collective agreement no work is done on 24 and 31 December:
/// that is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Whether 24 December is a working day.
    pub christmas_eve: bool,
    /// Whether 31 December is one.
    pub new_years_eve: bool,
    /// Further days that are none; at most [`MAX_OWN_DAYS`].
    pub closed: BTreeSet<Date>,
}

/// A day for which no feasts are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calendar holds the years {FIRST_YEAR} to {LAST_YEAR}")]
pub struct OutOfCalendar;

impl Calendar {
    /// Whether people work on this day.
    pub fn is_working_day(&self, day: Date) -> Result<bool, OutOfCalendar> {
        let feast = feast(day)?.is_some();
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let eve = match (day.month(), day.day()) {
            (12, 24) => !self.christmas_eve,
            (12, 31) => !self.new_years_eve,
            _ => false,
        };
        Ok(!feast && !weekend && !eve && !self.closed.contains(&day))
    }

    /// The first instant after the `days`-th working day that follows the day of `from`: the day of
    /// the event does not count, the last one counts until its end (§§ 187, 188 BGB). Days are those
    /// of the clock on the wall in Germany. With 0 days it is the end of the day itself.
    pub fn deadline(&self, from: Timestamp, days: u32) -> Result<Timestamp, OutOfCalendar> {
        let zone = berlin()?;
        let mut day = from.to_zoned(zone.clone()).date();
        let mut left = days;
        while left > 0 {
            day = day.tomorrow().map_err(|_| OutOfCalendar)?;
            // Ends: beyond the last year of the calendar this is an error.
            left -= u32::from(self.is_working_day(day)?);
        }
        let end = day.tomorrow().and_then(|day| zone.to_zoned(day.at(0, 0, 0, 0)));
        end.map(|end| end.timestamp()).map_err(|_| OutOfCalendar)
    }
}

/// Summer and winter time in Germany. The library carries it; it is missing never.
pub(super) fn berlin() -> Result<TimeZone, OutOfCalendar> {
    TimeZone::get(ZONE).map_err(|_| OutOfCalendar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn deadlines_end_with_the_day() {
        let calendar = Calendar::default();
        for (from, days, wanted, why) in [
            ("2026-05-04T08:00:00Z", 1, "2026-05-05T22:00:00Z", "a Monday in summer"),
            ("2026-05-04T22:30:00Z", 1, "2026-05-06T22:00:00Z", "already Tuesday in Germany"),
            ("2026-05-08T08:00:00Z", 1, "2026-05-11T22:00:00Z", "over a week-end"),
            ("2026-05-13T08:00:00Z", 1, "2026-05-15T22:00:00Z", "over Ascension"),
            ("2026-04-02T08:00:00Z", 1, "2026-04-07T22:00:00Z", "over Easter"),
            ("2026-03-26T12:00:00Z", 1, "2026-03-27T23:00:00Z", "the last day in winter time"),
            ("2026-03-27T12:00:00Z", 1, "2026-03-30T22:00:00Z", "into summer time"),
            ("2026-10-23T12:00:00Z", 1, "2026-10-26T23:00:00Z", "out of it"),
            ("2026-12-23T12:00:00Z", 1, "2026-12-28T23:00:00Z", "over Christmas and its eve"),
            ("2026-12-30T12:00:00Z", 1, "2027-01-04T23:00:00Z", "over the turn of the year"),
            ("2026-10-29T12:00:00Z", 1, "2026-10-30T23:00:00Z", "30 October"),
            ("2028-10-30T12:00:00Z", 1, "2028-10-31T23:00:00Z", "31 October is no feast"),
            ("2017-10-30T12:00:00Z", 1, "2017-11-02T23:00:00Z", "but it was in 2017"),
            ("2027-10-29T12:00:00Z", 1, "2027-11-02T23:00:00Z", "All Saints"),
            ("2026-06-03T12:00:00Z", 1, "2026-06-05T22:00:00Z", "Corpus Christi"),
            ("2026-05-04T08:00:00Z", 0, "2026-05-04T22:00:00Z", "the day itself"),
            ("2026-05-04T08:00:00Z", 10, "2026-05-19T22:00:00Z", "two weeks and a feast"),
        ] {
            assert_eq!(calendar.deadline(at(from), days), Ok(at(wanted)), "{why}");
        }
    }

    #[test]
    fn the_eves_and_own_days_are_a_matter_of_the_node() {
        let from = at("2026-12-23T12:00:00Z");
        let eve = Calendar { christmas_eve: true, ..Calendar::default() };
        assert_eq!(eve.deadline(from, 1), Ok(at("2026-12-24T23:00:00Z")));
        let year = Calendar { new_years_eve: true, ..Calendar::default() };
        assert_eq!(year.deadline(at("2026-12-30T12:00:00Z"), 1), Ok(at("2026-12-31T23:00:00Z")));
        let carnival = date(2027, 2, 8);
        let own = Calendar { closed: [carnival].into(), ..Calendar::default() };
        assert_eq!(Calendar::default().is_working_day(carnival), Ok(true));
        assert_eq!(own.is_working_day(carnival), Ok(false));
    }

    #[test]
    fn beyond_the_calendar_nothing_is_guessed() {
        let calendar = Calendar::default();
        assert_eq!(calendar.is_working_day(date(1989, 12, 29)), Err(OutOfCalendar));
        assert_eq!(calendar.is_working_day(date(2101, 1, 3)), Err(OutOfCalendar));
        assert_eq!(calendar.deadline(at("2100-12-30T12:00:00Z"), 5), Err(OutOfCalendar));
        assert_eq!(calendar.deadline(Timestamp::MAX, 1), Err(OutOfCalendar));
        assert_eq!(calendar.deadline(Timestamp::MIN, 1), Err(OutOfCalendar));
    }

    /// Seconds from 1990 to 2098: every deadline of a year still lies in the calendar.
    fn instants() -> impl Strategy<Value = Timestamp> {
        (631_152_000_i64..4_070_908_800)
            .prop_map(|second| Timestamp::from_second(second).expect("an instant"))
    }

    proptest! {
        #[test]
        fn a_deadline_has_its_working_days(from in instants(), days in 1u32..250) {
            let calendar = Calendar::default();
            let zone = berlin().expect("there is one");
            let end = calendar.deadline(from, days).expect("in the calendar");
            let (first, last) =
                (from.to_zoned(zone.clone()).date(), end.to_zoned(zone.clone()));
            prop_assert_eq!(last.time(), jiff::civil::Time::midnight());
            let last = last.date().yesterday().expect("a day");
            prop_assert_eq!(calendar.is_working_day(last), Ok(true));
            let mut day = first;
            let mut counted = 0;
            while day < last {
                day = day.tomorrow().expect("a day");
                counted += u32::from(calendar.is_working_day(day).expect("in the calendar"));
            }
            prop_assert_eq!(counted, days);
        }

        #[test]
        fn deadlines_keep_their_order(
            from in instants(), later in 0i64..10_000_000, days in 0u32..100,
        ) {
            let calendar = Calendar::default();
            let later = from + jiff::SignedDuration::from_secs(later);
            let deadline = |from, days| calendar.deadline(from, days).expect("in the calendar");
            let end = deadline(from, days);
            prop_assert!(end <= deadline(later, days));
            prop_assert!(end < deadline(from, days + 1));
            prop_assert!(end > from);
        }
    }
}
