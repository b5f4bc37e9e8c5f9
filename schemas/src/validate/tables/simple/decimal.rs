//! `decimal` and the integers (Datatypes 3.2.3, 3.3.13 to 3.3.25): compared as text, of any length.

use std::cmp::Ordering;

/// A number: `F` holds digits, borrowed from the value or owned by a facet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<F> {
    /// Below zero; never set for zero.
    negative: bool,
    /// Digits before the point without leading zeros; empty for zero.
    whole: F,
    /// Digits behind the point without trailing zeros.
    fraction: F,
}

/// The number written, if it is one; `integer` allows no point.
#[inline]
pub(super) fn parse(text: &str, integer: bool) -> Option<Decimal<&str>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let octets = digits.as_bytes();
    let point = octets.iter().position(|b| !b.is_ascii_digit()).unwrap_or(octets.len());
    let fraction = match &octets[point..] {
        [] => 0..0,
        [b'.', fraction @ ..] if !integer && fraction.iter().all(u8::is_ascii_digit) => {
            point + 1..octets.len()
        }
        _ => return None,
    };
    if point == 0 && fraction.is_empty() {
        return None;
    }
    let counts = |b: &u8| *b != b'0';
    let leading = octets[..point].iter().position(counts).unwrap_or(point);
    let kept = octets[fraction.clone()].iter().rposition(counts).map_or(0, |last| last + 1);
    let whole = &digits[leading..point];
    let fraction = &digits[fraction.start..fraction.start + kept];
    let zero = whole.is_empty() && fraction.is_empty();
    Some(Decimal { negative: negative && !zero, whole, fraction })
}

impl<F: AsRef<str>> Decimal<F> {
    /// The order of numbers.
    pub(super) fn compare<G: AsRef<str>>(&self, other: &Decimal<G>) -> Ordering {
        if self.negative != other.negative {
            return other.negative.cmp(&self.negative);
        }
        let (whole, others) = (self.whole.as_ref(), other.whole.as_ref());
        let order = whole.len().cmp(&others.len()).then_with(|| whole.cmp(others));
        // Without trailing zeros a beginning is the smaller number, as it is the smaller text.
        let order = order.then_with(|| self.fraction.as_ref().cmp(other.fraction.as_ref()));
        if self.negative { order.reverse() } else { order }
    }

    /// Digits behind the point that the value needs (4.3.12).
    pub(super) fn fraction_digits(&self) -> usize {
        self.fraction.as_ref().len()
    }

    /// The least `totalDigits` that admits the value (4.3.11): i / 10^n with |i| < 10^total and
    /// n no greater than total, so 0.05 needs two.
    pub(super) fn total_digits(&self) -> usize {
        let (whole, fraction) = (self.whole.as_ref(), self.fraction.as_ref());
        (whole.len() + fraction.len()).max(1)
    }

    /// The same number with its own digits.
    pub(super) fn owned(&self) -> Decimal<Box<str>> {
        Decimal {
            negative: self.negative,
            whole: self.whole.as_ref().into(),
            fraction: self.fraction.as_ref().into(),
        }
    }

    /// Writes the one text that all spellings of this number share.
    pub(super) fn key(&self, into: &mut Vec<u8>) {
        if self.negative {
            into.push(b'-');
        }
        into.extend_from_slice(self.whole.as_ref().as_bytes());
        into.push(b'.');
        into.extend_from_slice(self.fraction.as_ref().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexical_space() {
        for good in ["0", "-0", "+1.", ".5", "-.5", "00012.3400", &"9".repeat(500)] {
            assert!(parse(good, false).is_some(), "{good}");
        }
        for bad in ["", ".", "+", "-.", "1e5", "1 2", "--1", "+-1", "1.2.3", "٣", "INF", "1_0"] {
            assert!(parse(bad, false).is_none(), "{bad}");
        }
        for bad in ["1.", "1.0", ".0"] {
            assert!(parse(bad, true).is_none(), "{bad}");
        }
    }

    #[test]
    fn numbers_of_any_length_are_ordered_exactly() {
        let big = "1".repeat(60);
        let sorted = [
            format!("-{big}.1"),
            format!("-{big}.05"),
            "-1".to_owned(),
            "-0.10".to_owned(),
            "-0.0".to_owned(),
            "0.0999".to_owned(),
            "0.1".to_owned(),
            "9".to_owned(),
            "+0010.".to_owned(),
            big.clone(),
            format!("{big}.000000000000000000000000000000000000001"),
        ];
        for (n, pair) in sorted.windows(2).enumerate() {
            let [low, high] = [&pair[0], &pair[1]].map(|t| parse(t, false).unwrap());
            assert_eq!(low.compare(&high), Ordering::Less, "{n}");
            assert_eq!(high.compare(&low), Ordering::Greater, "{n}");
        }
    }

    #[test]
    fn digits_are_those_of_the_value() {
        let digits = |text| {
            let value = parse(text, false).unwrap();
            (value.total_digits(), value.fraction_digits())
        };
        assert_eq!(digits("0100.00"), (3, 0));
        assert_eq!(digits("0.05"), (2, 2));
        assert_eq!(digits("0"), (1, 0));
        assert_eq!(digits("-12.340"), (4, 2));
    }
}
