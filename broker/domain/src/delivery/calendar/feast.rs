//! The feasts as a table, and Easter, which most of them hang on.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::OutOfCalendar;
use crate::text::Text;

/// The first year whose feasts are known.
pub const FIRST_YEAR: i16 = 1990;
/// The last one.
pub const LAST_YEAR: i16 = 2100;

/// When a feast is.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Month and day.
    Fixed(i8, i8),
    /// Days after Easter Sunday.
    Easter(i32),
    /// The Wednesday before 23 November.
    Repentance,
}

/// One feast: its name, when it is, the first and the last year of it.
struct Feast(Text, When, i16, i16);

const fn always(de: &'static str, en: &'static str, when: When) -> Feast {
    Feast(Text { de, en }, when, FIRST_YEAR, LAST_YEAR)
}

/// § 2 Feiertagsgesetz NW. Easter Sunday and Whit Sunday are Sundays like others there. The day of
/// repentance was given up for the care insurance after 1994.
const FEASTS: &[Feast] = &[
    always("Neujahr", "New Year", When::Fixed(1, 1)),
    always("Karfreitag", "Good Friday", When::Easter(-2)),
    always("Ostermontag", "Easter Monday", When::Easter(1)),
    always("Tag der Arbeit", "Labour Day", When::Fixed(5, 1)),
    always("Christi Himmelfahrt", "Ascension", When::Easter(39)),
    always("Pfingstmontag", "Whit Monday", When::Easter(50)),
    always("Fronleichnam", "Corpus Christi", When::Easter(60)),
    always("Tag der Deutschen Einheit", "German Unity Day", When::Fixed(10, 3)),
    Feast(Text { de: "Reformationstag", en: "Reformation Day" }, When::Fixed(10, 31), 2017, 2017),
    always("Allerheiligen", "All Saints", When::Fixed(11, 1)),
    Feast(
        Text { de: "Buß- und Bettag", en: "Day of Repentance" },
        When::Repentance,
        FIRST_YEAR,
        1994,
    ),
    always("Erster Weihnachtstag", "Christmas Day", When::Fixed(12, 25)),
    always("Zweiter Weihnachtstag", "Boxing Day", When::Fixed(12, 26)),
];

/// The feast on this day, if there is one.
pub fn feast(day: Date) -> Result<Option<Text>, OutOfCalendar> {
    let year = day.year();
    if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
        return Err(OutOfCalendar);
    }
    let easter = easter(year)?;
    let is_today = |when| match when {
        When::Fixed(month, of_month) => (day.month(), day.day()) == (month, of_month),
        When::Easter(days) => easter.checked_add(days.days()).is_ok_and(|at| at == day),
        When::Repentance => {
            day.weekday() == Weekday::Wednesday
                && day.month() == 11
                && (16..=22).contains(&day.day())
        }
    };
    Ok(FEASTS
        .iter()
        .find(|Feast(_, when, first, last)| (*first..=*last).contains(&year) && is_today(*when))
        .map(|Feast(name, ..)| *name))
}

/// Easter Sunday of a year of the Gregorian calendar, 1583 to 9999 (Meeus, Astronomical Algorithms,
/// chapter 8).
pub fn easter(year: i16) -> Result<Date, OutOfCalendar> {
    if year < 1583 {
        return Err(OutOfCalendar);
    }
    let y = i32::from(year);
    let (century, in_century) = (y / 100, y % 100);
    // Where the year stands in the moon's cycle of 19 years.
    let golden = y % 19;
    let moon_error = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon_error + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (in_century / 4) - epact - in_century % 4) % 7;
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let march = epact + weekday - 7 * late + 22;
    let (month, day) = if march > 31 { (4, march - 31) } else { (3, march) };
    i8::try_from(day).ok().and_then(|day| Date::new(year, month, day).ok()).ok_or(OutOfCalendar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn easter_is_where_the_church_has_it() {
        for (year, month, day) in [
            (1990, 4, 15),
            (1991, 3, 31),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2016, 3, 27),
            (2019, 4, 21),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
            (2049, 4, 18),
            (2076, 4, 19),
            (2100, 3, 28),
        ] {
            assert_eq!(easter(year), Ok(date(year, month, day)));
        }
        assert_eq!(easter(1582), Err(OutOfCalendar));
    }

    /// The formula of Gauß with its two exceptions, for 1900 to 2199: a second, independent way.
    fn gauss(year: i16) -> Date {
        let y = i32::from(year);
        let (a, b, c) = (y % 19, y % 4, y % 7);
        let (m, n) = if y < 2100 { (24, 5) } else { (24, 6) };
        let d = (19 * a + m) % 30;
        let e = (2 * b + 4 * c + 6 * d + n) % 7;
        let mut march = 22 + d + e;
        if d == 29 && e == 6 || d == 28 && e == 6 && a > 10 {
            march -= 7;
        }
        date(year, 3, 1).checked_add((march - 1).days()).expect("a day")
    }

    #[test]
    fn two_ways_lead_to_the_same_sunday() {
        for year in FIRST_YEAR..=LAST_YEAR {
            let easter = easter(year).expect("a year");
            assert_eq!(easter, gauss(year));
            assert_eq!(easter.weekday(), Weekday::Sunday, "{easter}");
        }
    }

    #[test]
    fn the_feasts_of_a_year() {
        let of = |year: i16| -> Vec<String> {
            let mut day = date(year, 1, 1);
            let mut found = Vec::new();
            while day.year() == year {
                if let Some(name) = feast(day).expect("in the calendar") {
                    found.push(format!("{:02}-{:02} {}", day.month(), day.day(), name.de));
                }
                day = day.tomorrow().expect("a day");
            }
            found
        };
        assert_eq!(
            of(2026),
            [
                "01-01 Neujahr",
                "04-03 Karfreitag",
                "04-06 Ostermontag",
                "05-01 Tag der Arbeit",
                "05-14 Christi Himmelfahrt",
                "05-25 Pfingstmontag",
                "06-04 Fronleichnam",
                "10-03 Tag der Deutschen Einheit",
                "11-01 Allerheiligen",
                "12-25 Erster Weihnachtstag",
                "12-26 Zweiter Weihnachtstag",
            ]
        );
        assert!(of(2017).contains(&"10-31 Reformationstag".to_owned()));
        assert!(of(1994).contains(&"11-16 Buß- und Bettag".to_owned()));
        // Ascension fell on Labour Day in 2008: two feasts, one day.
        for (year, feasts) in
            [(1990, 12), (1994, 12), (1995, 11), (2008, 10), (2017, 12), (2100, 11)]
        {
            assert_eq!(of(year).len(), feasts, "{year}");
        }
    }
}
