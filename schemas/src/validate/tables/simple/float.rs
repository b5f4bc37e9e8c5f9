//! `float` and `double` (Datatypes 3.2.4, 3.2.5).

use std::cmp::Ordering;

/// The 32 bit number written, widened without loss.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    special(text)
        .or_else(|| lexical(text).then(|| text.parse::<f32>().ok()).flatten().map(f64::from))
}

/// The 64 bit number written.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    special(text).or_else(|| lexical(text).then(|| text.parse().ok()).flatten())
}

fn special(text: &str) -> Option<f64> {
    match text {
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => None,
    }
}

/// A decimal, then perhaps `E` and an integer. Rust reads more than that (`inf`, `nan`).
fn lexical(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    super::decimal::parse(mantissa, false).is_some()
        && exponent.is_none_or(|exponent| super::decimal::parse(exponent, true).is_some())
}

/// The order (3.2.4): NaN equals itself and is comparable with nothing else; the two zeros are one.
pub(super) fn compare(a: f64, b: f64) -> Option<Ordering> {
    if a.is_nan() && b.is_nan() { Some(Ordering::Equal) } else { a.partial_cmp(&b) }
}

/// Writes the bits that all spellings of this number share.
pub(super) fn key(value: f64, into: &mut Vec<u8>) {
    let value = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    into.extend_from_slice(&value.to_bits().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexical_space() {
        for good in ["1", "-1.5E3", "1.e-05", ".5e+1", "INF", "-INF", "NaN", "1e400"] {
            assert!(parse_double(good).is_some(), "{good}");
        }
        for bad in ["", "+INF", "inf", "nan", "+NaN", "e5", "1e", "1e5.0", "1e1e1", "0x1", "1d"] {
            assert!(parse_double(bad).is_none(), "{bad}");
            assert!(parse_float(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn floats_are_rounded_to_their_own_width() {
        assert_eq!(parse_float("16777217"), parse_float("16777216"));
        assert_ne!(parse_double("16777217"), parse_double("16777216"));
        assert_eq!(parse_float("1e39"), Some(f64::INFINITY));
    }

    #[test]
    fn order_and_keys() {
        assert_eq!(compare(f64::NAN, f64::NAN), Some(Ordering::Equal));
        assert_eq!(compare(f64::NAN, 1.0), None);
        let of = |value| {
            let mut octets = Vec::new();
            key(value, &mut octets);
            octets
        };
        assert_eq!(of(-0.0), of(0.0));
        assert_eq!(of(f64::NAN), of(-f64::NAN));
        assert_ne!(of(1.0), of(-1.0));
    }
}
