//! `duration` (Datatypes 3.2.6).

use std::cmp::Ordering;

use super::moment::first_of_month;

/// Most digits of one number of a duration, leading zeros apart; more are no duration here.
const MAX_DIGITS: usize = 15;
/// The months that begin the four instants of 3.2.6.2.
const REFERENCES: [(i64, i64); 4] = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)];

/// A duration, as the four instants of 3.2.6.2 with it added: in whole seconds, and what is left.
/// Two durations are equal, or one is less, just when that holds at all four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duration<F> {
    seconds: [i128; 4],
    negative: bool,
    /// Digits behind the point without trailing zeros.
    fraction: F,
}

/// The duration written.
pub(super) fn parse(text: &str) -> Option<Duration<&str>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut rest = date;
    let years = number(&mut rest, b'Y')?;
    let months = number(&mut rest, b'M')? + years * 12;
    let days = number(&mut rest, b'D')?;
    if !rest.is_empty() {
        return None;
    }
    let mut rest = time;
    let hours = number(&mut rest, b'H')?;
    let minutes = number(&mut rest, b'M')?;
    let (seconds, fraction) = last(rest)?;
    let seconds = i128::from(days) * 86_400
        + i128::from(hours) * 3_600
        + i128::from(minutes) * 60
        + i128::from(seconds);
    let signed = |value: i64| if negative { -value } else { value };
    let seconds = if negative { -seconds } else { seconds };
    let after = |(year, month): (i64, i64)| {
        i128::from(first_of_month(year, month + signed(months))) * 86_400 + seconds
    };
    Some(Duration { seconds: REFERENCES.map(after), negative, fraction })
}

/// The number before `unit`, 0 where the unit does not come next.
fn number(rest: &mut &str, unit: u8) -> Option<i64> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 || rest.as_bytes().get(count) != Some(&unit) {
        return Some(0);
    }
    let value = value(&rest[..count])?;
    *rest = &rest[count + 1..];
    Some(value)
}

/// The seconds, which must be all that is left: whole ones, and digits of a fraction.
fn last(rest: &str) -> Option<(i64, &str)> {
    if rest.is_empty() {
        return Some((0, ""));
    }
    let digits = rest.strip_suffix('S')?;
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (digits, ""),
    };
    let good =
        !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    good.then(|| Some((value(whole)?, fraction.trim_end_matches('0')))).flatten()
}

fn value(digits: &str) -> Option<i64> {
    let digits = digits.trim_start_matches('0');
    let value = || digits.bytes().fold(0, |value, b| value * 10 + i64::from(b - b'0'));
    (digits.len() <= MAX_DIGITS).then(value)
}

impl<F: AsRef<str>> Duration<F> {
    /// The partial order of 3.2.6.2.
    pub(super) fn compare<G: AsRef<str>>(&self, other: &Duration<G>) -> Option<Ordering> {
        let at = |n: usize| {
            let order = self.seconds[n].cmp(&other.seconds[n]);
            order.then_with(|| self.compare_fraction(other))
        };
        let first = at(0);
        (1..REFERENCES.len()).all(|n| at(n) == first).then_some(first)
    }

    /// The order of what is left beside whole seconds, with its sign.
    fn compare_fraction<G: AsRef<str>>(&self, other: &Duration<G>) -> Ordering {
        let (fraction, others) = (self.fraction.as_ref(), other.fraction.as_ref());
        match (self.negative, other.negative) {
            (false, false) => fraction.cmp(others),
            (true, true) => others.cmp(fraction),
            // Both may be nothing.
            (true, false) if fraction.is_empty() && others.is_empty() => Ordering::Equal,
            (false, true) if fraction.is_empty() && others.is_empty() => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    /// The same duration with its own digits.
    pub(super) fn owned(&self) -> Duration<Box<str>> {
        let fraction = self.fraction.as_ref().into();
        Duration { seconds: self.seconds, negative: self.negative, fraction }
    }

    /// Writes the octets that all spellings of this duration share.
    pub(super) fn key(&self, into: &mut Vec<u8>) {
        for seconds in self.seconds {
            into.extend_from_slice(&seconds.to_be_bytes());
        }
        if !self.fraction.as_ref().is_empty() {
            into.push(if self.negative { b'-' } else { b'+' });
            into.extend_from_slice(self.fraction.as_ref().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexical_space() {
        for good in ["P1Y", "-P1Y2M3DT4H5M6.7S", "PT0S", "P0Y0M0DT0H0M0S", "PT1M", "P1M", "PT36H"] {
            assert!(parse(good).is_some(), "{good}");
        }
        let bad = [
            "", "P", "PT", "P1YT", "1Y", "P1", "P-1Y", "+P1Y", "P1M1Y", "PT1S1M", "P1H", "PT1Y",
            "PT1.5M", "PT.5S", "PT1.S", "P1Y ", "p1y", "P1DT1H1H", "P1Y1Y", "PT1.5.5S", "PT1S2",
        ];
        for bad in bad {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(&format!("P{}Y", "9".repeat(MAX_DIGITS))).is_some());
        assert!(parse(&format!("P{}Y", "9".repeat(MAX_DIGITS + 1))).is_none());
    }

    #[test]
    fn the_order_of_3_2_6_2() {
        let of = |a: &str, b: &str| parse(a).unwrap().compare(&parse(b).unwrap());
        let (less, equal, greater) =
            (Some(Ordering::Less), Some(Ordering::Equal), Some(Ordering::Greater));
        // The table of 3.2.6.2.
        for (days, order) in [(364, greater), (365, None), (366, None), (367, less)] {
            assert_eq!(of("P1Y", &format!("P{days}D")), order, "{days}");
        }
        for (days, order) in [(27, greater), (28, None), (31, None), (32, less)] {
            assert_eq!(of("P1M", &format!("P{days}D")), order, "{days}");
        }
        for (days, order) in [(149, greater), (150, None), (153, None), (154, less)] {
            assert_eq!(of("P5M", &format!("P{days}D")), order, "{days}");
        }
        assert_eq!(of("P1Y", "P12M"), equal);
        assert_eq!(of("P1D", "PT86400.0S"), equal);
        assert_eq!(of("-P1D", "PT0S"), less);
        assert_eq!(of("-PT0S", "PT0S"), equal);
        assert_eq!(of("-PT0.5S", "PT0.5S"), less);
        assert_eq!(of("-PT0.5S", "-PT0.25S"), less);
        assert_eq!(of("PT1.5S", "PT1.25S"), greater);
        assert_eq!(of("-P1M", "-P32D"), greater);
    }
}
