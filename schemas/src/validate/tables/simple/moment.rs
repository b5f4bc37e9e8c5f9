//! `dateTime` and its kin (Datatypes 3.2.7 to 3.2.14): all are instants on one line of time, the
//! first of the span they name.

use std::cmp::Ordering;

/// Which of the eight types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `dateTime`
    DateTime,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `gYearMonth`
    YearMonth,
    /// `gYear`
    Year,
    /// `gMonthDay`
    MonthDay,
    /// `gDay`
    Day,
    /// `gMonth`
    Month,
}

/// Most digits of a year; more are no date here. (A processor must support four.)
const MAX_YEAR_DIGITS: usize = 15;
/// The year of types without one; a leap year, so that 29 February exists.
const SOME_YEAR: i64 = 1972;
const DAY: i64 = 86_400;
/// The widest time zone, in seconds.
const WIDEST: i64 = 14 * 3_600;

/// A point of time: `F` holds digits of the fraction, borrowed or owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment<F> {
    /// Whole seconds since 1970, in UTC where there is a zone.
    seconds: i128,
    /// Digits behind the point without trailing zeros.
    fraction: F,
    /// It was written with a time zone.
    zoned: bool,
}

/// The point of time written.
pub(super) fn parse(kind: Kind, text: &str) -> Option<Moment<&str>> {
    let mut at = Cursor { text, at: 0 };
    let (mut year, mut month, mut day) = (SOME_YEAR, 1, 1);
    match kind {
        Kind::DateTime | Kind::Date => {
            year = at.year()?;
            at.take(b'-')?;
            month = at.two()?;
            at.take(b'-')?;
            day = at.two()?;
        }
        Kind::Time => {}
        Kind::YearMonth => {
            year = at.year()?;
            at.take(b'-')?;
            month = at.two()?;
        }
        Kind::Year => year = at.year()?,
        Kind::MonthDay => {
            at.take(b'-')?;
            at.take(b'-')?;
            month = at.two()?;
            at.take(b'-')?;
            day = at.two()?;
        }
        Kind::Day => {
            at.take(b'-')?;
            at.take(b'-')?;
            at.take(b'-')?;
            day = at.two()?;
        }
        Kind::Month => {
            at.take(b'-')?;
            at.take(b'-')?;
            month = at.two()?;
        }
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let mut seconds = i128::from(day_number(year, month, day)) * i128::from(DAY);
    let mut fraction = "";
    if matches!(kind, Kind::DateTime | Kind::Time) {
        if kind == Kind::DateTime {
            at.take(b'T')?;
        }
        let of_day;
        (of_day, fraction) = at.time()?;
        // The end of a day is the beginning of the next, and of the same one where days recur.
        seconds += i128::from(if kind == Kind::Time { of_day % DAY } else { of_day });
    }
    let zone = at.zone()?;
    at.ended().then_some(Moment {
        seconds: seconds - i128::from(zone.unwrap_or(0)),
        fraction,
        zoned: zone.is_some(),
    })
}

/// What an `xs:dateTime` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// Whole seconds since 1970, in UTC where a time zone is written, else on the clock of a place.
    pub(crate) seconds: i64,
    /// Nanoseconds after that; what is finer is cut off.
    pub(crate) nanoseconds: i32,
    /// It was written with a time zone.
    pub(crate) zoned: bool,
}

/// Reads an `xs:dateTime` whose white space is collapsed (3.2.7.1).
pub(crate) fn date_time(text: &str) -> Option<DateTime> {
    let Moment { seconds, fraction, zoned } = parse(Kind::DateTime, text)?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |all, digit| all * 10 + i32::from(digit - b'0'));
    Some(DateTime { seconds: i64::try_from(seconds).ok()?, nanoseconds, zoned })
}

impl<F: AsRef<str>> Moment<F> {
    /// The partial order of 3.2.7.4: without a zone, a value lies anywhere within 14 hours to
    /// either side.
    pub(super) fn compare<G: AsRef<str>>(&self, other: &Moment<G>) -> Option<Ordering> {
        let shifted = |by: i64| {
            let order = self.seconds.cmp(&(other.seconds + i128::from(by)));
            order.then_with(|| self.fraction.as_ref().cmp(other.fraction.as_ref()))
        };
        if self.zoned == other.zoned {
            return Some(shifted(0));
        }
        let (early, late) = (shifted(-WIDEST), shifted(WIDEST));
        (early == late && early != Ordering::Equal).then_some(early)
    }

    /// The same instant with its own digits.
    pub(super) fn owned(&self) -> Moment<Box<str>> {
        let fraction = self.fraction.as_ref().into();
        Moment { seconds: self.seconds, fraction, zoned: self.zoned }
    }

    /// Writes the octets that all spellings of this instant share.
    pub(super) fn key(&self, into: &mut Vec<u8>) {
        into.push(u8::from(self.zoned));
        into.extend_from_slice(&self.seconds.to_be_bytes());
        into.extend_from_slice(self.fraction.as_ref().as_bytes());
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the calendar of Gregory, drawn out to both sides. There is no year 0 in XSD
/// 1.0: the year -1 ends where the year 1 begins (3.2.7.1). Which years leap is told by their
/// number as written, as in Appendix E.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let without_zero = if year < 0 { 366 } else { 0 };
    first_of_month(year, month) + day - 1 + without_zero
}

/// The number of the first day of a month, with a year 0; months beyond 12 run into later years.
pub(super) fn first_of_month(year: i64, month: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 - 719_468
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Two digits.
    #[inline]
    fn two(&mut self) -> Option<i64> {
        let digits = self.text.as_bytes().get(self.at..self.at + 2)?;
        if !digits[0].is_ascii_digit() || !digits[1].is_ascii_digit() {
            return None;
        }
        self.at += 2;
        Some(i64::from((digits[0] - b'0') * 10 + (digits[1] - b'0')))
    }

    fn digits(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        &rest[..count]
    }

    /// Four digits or more, then without a leading zero; never 0000.
    fn year(&mut self) -> Option<i64> {
        let negative = self.take(b'-').is_some();
        let digits = self.digits();
        let leading_zero = digits.len() > 4 && digits.starts_with('0');
        if digits.len() < 4 || digits.len() > MAX_YEAR_DIGITS || leading_zero {
            return None;
        }
        let year = digits.bytes().fold(0, |year, b| year * 10 + i64::from(b - b'0'));
        (year != 0).then_some(if negative { -year } else { year })
    }

    /// Seconds of the day, and the digits of the fraction. There are no leap seconds.
    fn time(&mut self) -> Option<(i64, &'a str)> {
        let hour = self.two()?;
        self.take(b':')?;
        let minute = self.two()?;
        self.take(b':')?;
        let second = self.two()?;
        let mut fraction = "";
        if self.take(b'.').is_some() {
            let digits = self.digits();
            if digits.is_empty() {
                return None;
            }
            fraction = digits.trim_end_matches('0');
        }
        let end_of_day = hour == 24 && minute == 0 && second == 0 && fraction.is_empty();
        let good = (hour < 24 || end_of_day) && minute < 60 && second < 60;
        good.then_some((hour * 3_600 + minute * 60 + second, fraction))
    }

    /// Seconds east of Greenwich; the inner `None` where no zone is written.
    fn zone(&mut self) -> Option<Option<i64>> {
        let east = match self.peek() {
            None => return Some(None),
            Some(b'Z') => {
                self.at += 1;
                return Some(Some(0));
            }
            Some(b'+') => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        self.at += 1;
        let hours = self.two()?;
        self.take(b':')?;
        let minutes = self.two()?;
        let seconds = hours * 3_600 + minutes * 60;
        (minutes < 60 && seconds <= WIDEST).then_some(Some(if east { seconds } else { -seconds }))
    }

    fn ended(&self) -> bool {
        self.at == self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: Kind, a: &str, b: &str) -> Option<Ordering> {
        parse(kind, a).unwrap().compare(&parse(kind, b).unwrap())
    }

    #[test]
    fn the_lexical_spaces() {
        let good = [
            (Kind::DateTime, "2026-11-23T12:00:00"),
            (Kind::DateTime, "-0001-12-31T24:00:00.000Z"),
            (Kind::DateTime, "12026-02-28T23:59:59.123456789012345678901234567890+14:00"),
            (Kind::Date, "2024-02-29-13:59"),
            (Kind::Time, "24:00:00"),
            (Kind::YearMonth, "2026-11Z"),
            (Kind::Year, "999999999999999"),
            (Kind::MonthDay, "--02-29"),
            (Kind::Day, "---31+01:00"),
            (Kind::Month, "--12"),
        ];
        for (kind, text) in good {
            assert!(parse(kind, text).is_some(), "{text}");
        }
        let bad = [
            (Kind::DateTime, "2026-11-23"),
            (Kind::DateTime, "2026-11-23T24:00:01"),
            (Kind::DateTime, "2026-11-23T23:59:60Z"),
            (Kind::DateTime, "2026-11-23T12:00"),
            (Kind::DateTime, "2026-11-23T12:00:00."),
            (Kind::DateTime, "2026-11-23t12:00:00"),
            (Kind::DateTime, "2026-11-23T12:00:00+14:01"),
            (Kind::Date, "2026-02-29"),
            (Kind::Date, "1900-02-29"),
            (Kind::Date, "0000-01-01"),
            (Kind::Date, "02026-01-01"),
            (Kind::Date, "+2026-01-01"),
            (Kind::Date, "226-01-01"),
            (Kind::Date, "2026-1-01"),
            (Kind::Date, "2026-13-01"),
            (Kind::Date, "2026-00-01"),
            (Kind::Date, "2026-01-00"),
            (Kind::Date, "2026-01-01z"),
            (Kind::Date, "2026-01-01Zä"),
            (Kind::Date, "20ä6-01-01"),
            (Kind::Time, "25:00:00"),
            (Kind::Time, "12:60:00"),
            (Kind::Month, "--12--"),
            (Kind::MonthDay, "--02-30"),
            (Kind::Day, "---32"),
            (Kind::Year, ""),
        ];
        for (kind, text) in bad {
            assert!(parse(kind, text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_date_and_time_in_numbers() {
        let of = |text| date_time(text).map(|one| (one.seconds, one.nanoseconds, one.zoned));
        assert_eq!(of("1970-01-02T00:00:00Z"), Some((86_400, 0, true)));
        assert_eq!(of("1970-01-01T24:00:00"), Some((86_400, 0, false)));
        assert_eq!(of("1970-01-01T01:00:00.25+01:00"), Some((0, 250_000_000, true)));
        assert_eq!(of("1969-12-31T23:59:59.1234567899Z"), Some((-1, 123_456_789, true)));
        assert_eq!((of("1970-01-01"), of("1970-01-01T00:00:00Z ")), (None, None));
    }

    #[test]
    fn the_order_of_3_2_7_4() {
        let of = |a, b| order(Kind::DateTime, a, b);
        // The table of 3.2.7.4.
        assert_eq!(of("2000-01-15T00:00:00", "2000-02-15T00:00:00"), Some(Ordering::Less));
        assert_eq!(of("2000-01-15T12:00:00", "2000-01-16T12:00:00Z"), Some(Ordering::Less));
        assert_eq!(of("2000-01-01T12:00:00", "1999-12-31T23:00:00Z"), None);
        assert_eq!(of("2000-01-16T12:00:00", "2000-01-16T12:00:00Z"), None);
        assert_eq!(of("2000-01-16T00:00:00", "2000-01-16T12:00:00Z"), None);
        // Just within and just beyond fourteen hours.
        assert_eq!(of("2000-01-16T14:00:00", "2000-01-16T00:00:00Z"), None);
        assert_eq!(of("2000-01-16T14:00:00.001", "2000-01-16T00:00:00Z"), Some(Ordering::Greater));
    }

    #[test]
    fn instants_are_equal_whatever_the_zone() {
        let same = [
            (Kind::DateTime, "2026-11-23T12:00:00.500+02:00", "2026-11-23T10:00:00.5Z"),
            (Kind::DateTime, "2026-12-31T24:00:00", "2027-01-01T00:00:00"),
            (Kind::DateTime, "-0001-12-31T24:00:00Z", "0001-01-01T00:00:00Z"),
            (Kind::Date, "2002-10-10+13:00", "2002-10-09-11:00"),
            (Kind::Time, "24:00:00", "00:00:00.0"),
            (Kind::Day, "---15-11:00", "---16+13:00"),
        ];
        for (kind, a, b) in same {
            assert_eq!(order(kind, a, b), Some(Ordering::Equal), "{a} {b}");
        }
        assert_eq!(order(Kind::Year, "-0002", "-0001"), Some(Ordering::Less));
        assert_eq!(order(Kind::Year, "999999999999999", "10000"), Some(Ordering::Greater));
    }
}
