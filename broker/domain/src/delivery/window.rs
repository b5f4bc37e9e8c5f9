//! Maintenance windows: when a node is not spoken to, by the clock on the wall in Germany.

use std::fmt;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::calendar::{OutOfCalendar, berlin};

/// Most windows of one node.
pub const MAX_WINDOWS: usize = 100;
/// How far it is looked for the end of windows that follow each other, in days.
const HORIZON_DAYS: i64 = 366;

/// A time in which nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Every week.
    Weekly {
        /// The day on which it begins.
        day: Weekday,
        /// When.
        from: Time,
        /// When it ends: on the same day, or on the next one where this is not after `from`.
        until: Time,
    },
    /// Once.
    Dated {
        /// Beginning.
        from: DateTime,
        /// First moment after.
        until: DateTime,
    },
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly { day, from, until } => {
                let name = match day {
                    Weekday::Monday => "monday",
                    Weekday::Tuesday => "tuesday",
                    Weekday::Wednesday => "wednesday",
                    Weekday::Thursday => "thursday",
                    Weekday::Friday => "friday",
                    Weekday::Saturday => "saturday",
                    Weekday::Sunday => "sunday",
                };
                write!(f, "{name} {}-{}", from.strftime("%H:%M"), until.strftime("%H:%M"))
            }
            Self::Dated { from, until } => {
                write!(
                    f,
                    "{} - {}",
                    from.strftime("%Y-%m-%d %H:%M"),
                    until.strftime("%Y-%m-%d %H:%M")
                )
            }
        }
    }
}

/// Windows that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// Too many.
    #[error("at most {MAX_WINDOWS} maintenance windows")]
    TooMany,
    /// It ends before it begins.
    #[error("a maintenance window ends after it begins")]
    Turned,
    /// The library has no time zones.
    #[error("there is no time zone Europe/Berlin")]
    NoZone,
}

/// The windows of one node.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    windows: Vec<Window>,
    /// There is one where there are windows.
    zone: Option<TimeZone>,
}

/// That a node is in maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Until when, all windows that follow each other taken together; at most a year is looked at.
    pub until: Timestamp,
    /// The window that is open now.
    pub window: Window,
}

impl Windows {
    /// These.
    pub fn new(windows: Vec<Window>) -> Result<Self, BadWindow> {
        if windows.len() > MAX_WINDOWS {
            return Err(BadWindow::TooMany);
        }
        let turned =
            |window: &Window| matches!(window, Window::Dated { from, until } if until <= from);
        if windows.iter().any(turned) {
            return Err(BadWindow::Turned);
        }
        let zone = berlin().map_err(|OutOfCalendar| BadWindow::NoZone)?;
        Ok(Self { zone: (!windows.is_empty()).then_some(zone), windows })
    }

    /// Whether nothing is sent at `now`, and until when.
    pub fn maintenance(&self, now: Timestamp) -> Option<Maintenance> {
        let (window, mut until) = self.open_at(now)?;
        let horizon = now.checked_add((HORIZON_DAYS * 24).hours()).unwrap_or(Timestamp::MAX);
        while until < horizon
            && let Some((_, later)) = self.open_at(until)
        {
            until = later;
        }
        Some(Maintenance { until, window })
    }

    /// The window at an instant that ends last, and when it ends.
    fn open_at(&self, at: Timestamp) -> Option<(Window, Timestamp)> {
        let zone = self.zone.as_ref()?;
        self.windows
            .iter()
            .filter_map(|window| Some((*window, window.end_at(at, zone)?)))
            .max_by_key(|(_, until)| *until)
    }
}

impl Window {
    /// When the window ends that is open at an instant.
    fn end_at(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let spans = match *self {
            Self::Dated { from, until } => [Some((from, until)), None, None],
            Self::Weekly { day, from, until } => {
                let today = at.to_zoned(zone.clone()).date();
                // One that began yesterday may still be open.
                let days = [today.yesterday().ok(), Some(today), None];
                days.map(|begins| {
                    let begins = begins.filter(|begins| begins.weekday() == day)?;
                    let ends = if until > from { begins } else { begins.tomorrow().ok()? };
                    Some((begins.to_datetime(from), ends.to_datetime(until)))
                })
            }
        };
        spans.into_iter().flatten().find_map(|(from, until)| {
            // Where the clock shows a time twice, the window is the longer one; where it leaves a
            // time out, it is as much shorter.
            let begins = zone.to_ambiguous_timestamp(from).compatible();
            let begins = begins.unwrap_or_else(|_| beyond(from));
            let ends = zone.to_ambiguous_timestamp(until).later();
            let ends = ends.unwrap_or_else(|_| beyond(until));
            (begins <= at && at < ends).then_some(ends)
        })
    }
}

/// The end of time that a date beyond it is nearest to.
fn beyond(date: DateTime) -> Timestamp {
    if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn weekly(day: Weekday, from: i8, until: i8) -> Window {
        Window::Weekly { day, from: time(from, 0, 0, 0), until: time(until, 0, 0, 0) }
    }

    #[test]
    fn windows_open_and_close_by_the_clock_on_the_wall() {
        let night = weekly(Weekday::Saturday, 22, 4);
        let once = Window::Dated {
            from: date(2026, 5, 13).at(18, 0, 0, 0),
            until: date(2026, 5, 15).at(6, 0, 0, 0),
        };
        let windows = Windows::new(vec![night, once]).expect("windows");
        for (now, wanted) in [
            ("2026-05-09T19:59:59Z", None),
            ("2026-05-09T20:00:00Z", Some(("2026-05-10T02:00:00Z", night))),
            ("2026-05-10T01:59:59Z", Some(("2026-05-10T02:00:00Z", night))),
            ("2026-05-10T02:00:00Z", None),
            ("2026-05-13T16:00:00Z", Some(("2026-05-15T04:00:00Z", once))),
            ("2026-05-15T04:00:00Z", None),
            ("2026-01-10T21:00:00Z", Some(("2026-01-11T03:00:00Z", night))),
            ("2026-01-10T20:59:59Z", None),
        ] {
            let wanted = wanted.map(|(until, window)| Maintenance { until: at(until), window });
            assert_eq!(windows.maintenance(at(now)), wanted, "{now}");
        }
        assert_eq!(Windows::default().maintenance(at("2026-05-09T20:00:00Z")), None);
        assert_eq!(night.to_string(), "saturday 22:00-04:00");
        assert_eq!(once.to_string(), "2026-05-13 18:00 - 2026-05-15 06:00");
    }

    #[test]
    fn windows_that_follow_each_other_are_one() {
        let windows = Windows::new(vec![
            weekly(Weekday::Saturday, 22, 0),
            weekly(Weekday::Sunday, 0, 6),
            weekly(Weekday::Sunday, 5, 8),
        ])
        .expect("windows");
        let found = windows.maintenance(at("2026-05-09T21:00:00Z")).expect("closed");
        assert_eq!(found.until, at("2026-05-10T06:00:00Z"));
        let days = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ];
        let always = Windows::new(days.map(|day| weekly(day, 0, 0)).to_vec()).expect("windows");
        let now = at("2026-05-09T21:00:00Z");
        let end = always.maintenance(now).expect("closed").until;
        assert!(end >= now + 365.days_of_hours() && end < now + 370.days_of_hours(), "{end}");
    }

    trait Days {
        fn days_of_hours(self) -> jiff::Span;
    }
    impl Days for i64 {
        fn days_of_hours(self) -> jiff::Span {
            (self * 24).hours()
        }
    }

    #[test]
    fn when_the_clocks_change_a_window_changes_with_them() {
        let windows = Windows::new(vec![weekly(Weekday::Sunday, 2, 3)]).expect("windows");
        // 25 October 2026: from two to three twice.
        for (now, open) in [
            ("2026-10-24T23:59:59Z", true),
            ("2026-10-25T00:00:00Z", false),
            ("2026-10-25T01:59:59Z", false),
            ("2026-10-25T02:00:00Z", true),
            // 29 March 2026: two is three; the hour is not there, and nobody misses it.
            ("2026-03-29T00:59:59Z", true),
            ("2026-03-29T02:00:00Z", true),
        ] {
            assert_eq!(windows.maintenance(at(now)).is_none(), open, "{now}");
        }
    }

    #[test]
    fn an_end_that_comes_twice_is_the_second_one() {
        let half = Window::Weekly {
            day: Weekday::Sunday,
            from: time(1, 0, 0, 0),
            until: time(2, 30, 0, 0),
        };
        let windows = Windows::new(vec![half]).expect("windows");
        let found = windows.maintenance(at("2026-10-25T00:45:00Z")).expect("closed");
        assert_eq!(found.until, at("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn of_windows_that_overlap_the_one_that_ends_last_is_told() {
        let (short, long) = (weekly(Weekday::Sunday, 1, 3), weekly(Weekday::Sunday, 2, 6));
        let windows = Windows::new(vec![short, long, short]).expect("windows");
        let told = |now| windows.maintenance(at(now)).map(|found| found.window);
        assert_eq!(told("2026-05-09T23:30:00Z"), Some(short));
        assert_eq!(told("2026-05-10T00:30:00Z"), Some(long));
    }

    #[test]
    fn a_window_may_have_no_end() {
        let for_ever = Window::Dated { from: DateTime::MIN, until: DateTime::MAX };
        let windows = Windows::new(vec![for_ever]).expect("a window");
        let found = windows.maintenance(at("2026-05-13T00:00:00Z")).expect("closed");
        assert_eq!(found.until, Timestamp::MAX);
        let never =
            Window::Dated { from: date(9999, 12, 31).at(23, 59, 58, 0), until: DateTime::MAX };
        let windows = Windows::new(vec![never]).expect("a window");
        assert_eq!(windows.maintenance(at("2026-05-13T00:00:00Z")), None);
    }

    #[test]
    fn windows_that_cannot_work_are_refused() {
        let day = date(2026, 5, 13).at(0, 0, 0, 0);
        let turned = Window::Dated { from: day, until: day };
        assert_eq!(Windows::new(vec![turned]).map(drop), Err(BadWindow::Turned));
        let many = vec![weekly(Weekday::Monday, 1, 2); MAX_WINDOWS + 1];
        assert_eq!(Windows::new(many).map(drop), Err(BadWindow::TooMany));
    }

    proptest! {
        #[test]
        fn the_end_is_after_now_and_then_it_is_over(
            second in 0i64..4_000_000_000, spans in prop::collection::vec((0i64..7, 0i8..24, 0i8..24), 0..6),
        ) {
            let day = |n: i64| Weekday::Monday.wrapping_add(n);
            let list = spans.iter().map(|(n, from, until)| weekly(day(*n), *from, *until)).collect();
            let windows = Windows::new(list).expect("windows");
            let now = Timestamp::from_second(second).expect("an instant");
            if let Some(found) = windows.maintenance(now) {
                prop_assert!(found.until > now);
                prop_assert_eq!(windows.maintenance(found.until), None);
            }
        }
    }
}
