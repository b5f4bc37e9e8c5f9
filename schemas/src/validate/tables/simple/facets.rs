//! Constraining facets (Datatypes 4.3), compiled.

use std::cmp::Ordering;

use super::Broken;
use super::atomic::{Limit, Value};
use super::codes::Codes;
use super::pattern::{PatternId, Patterns};

/// All facets of a type but white space.
#[derive(Debug, Default)]
pub(super) struct Facets {
    pub(super) length: Lengths,
    pub(super) digits: Option<Digits>,
    pub(super) bounds: Box<[Bound]>,
    /// For each step of derivation, alternatives one of which must match.
    pub(super) patterns: Box<[Box<[PatternId]>]>,
    pub(super) enumeration: Option<Enumeration>,
}

/// `length`, `minLength`, `maxLength`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) exact: Option<u64>,
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { exact: None, min: 0, max: u64::MAX }
    }
}

/// `totalDigits`, `fractionDigits`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    pub(super) total: usize,
    pub(super) fraction: usize,
}

/// `minInclusive` and the three others.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) side: Side,
    pub(super) limit: Limit,
}

/// Which of the four.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    MinInclusive,
    MaxInclusive,
    MinExclusive,
    MaxExclusive,
}

/// `enumeration`.
#[derive(Debug)]
pub(super) struct Enumeration {
    /// Normalized texts that are among the values whatever they mean; asked first.
    pub(super) texts: Codes,
    /// Equality keys; none where equal values have equal texts.
    pub(super) keys: Option<Codes>,
}

impl Facets {
    /// The facets that look at a value by itself: digits and range.
    #[inline]
    pub(super) fn check_value(&self, value: &Value<'_>) -> Result<(), Broken> {
        if let (Some(digits), Value::Decimal(value)) = (&self.digits, value) {
            if value.total_digits() > digits.total {
                return Err(Broken::new("cvc-totalDigits-valid"));
            }
            if value.fraction_digits() > digits.fraction {
                return Err(Broken::new("cvc-fractionDigits-valid"));
            }
        }
        self.bounds.iter().try_for_each(|bound| bound.check(value))
    }

    /// The patterns, on the normalized value.
    #[inline]
    pub(super) fn check_patterns(&self, text: &str, patterns: &Patterns) -> Result<(), Broken> {
        let good = |step: &[PatternId]| step.iter().any(|id| patterns.matches(*id, text));
        match self.patterns.iter().all(|step| good(step)) {
            true => Ok(()),
            false => Err(Broken::new("cvc-pattern-valid")),
        }
    }
}

impl Lengths {
    /// Whether anything is asked of the length.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.min > 0 || self.max < u64::MAX || self.exact.is_some()
    }

    /// Judges so many units.
    #[inline]
    pub(super) fn check(&self, length: usize) -> Result<(), Broken> {
        let length = length as u64;
        if self.exact.is_some_and(|exact| exact != length) {
            Err(Broken::new("cvc-length-valid"))
        } else if length < self.min {
            Err(Broken::new("cvc-minLength-valid"))
        } else if length > self.max {
            Err(Broken::new("cvc-maxLength-valid"))
        } else {
            Ok(())
        }
    }

    /// Judges the characters of a text; they are counted only where octets do not tell.
    #[inline]
    pub(super) fn check_text(&self, text: &str) -> Result<(), Broken> {
        // A character has one octet to four.
        let octets = text.len() as u64;
        if self.exact.is_none() && octets <= self.max && octets.div_ceil(4) >= self.min {
            return Ok(());
        }
        self.check(text.chars().count())
    }
}

impl Bound {
    #[inline]
    fn check(&self, value: &Value<'_>) -> Result<(), Broken> {
        use Ordering::{Equal, Greater, Less};
        let order = value.compare(&self.limit);
        // What cannot be compared is outside.
        let (good, rule) = match self.side {
            Side::MinInclusive => {
                (matches!(order, Some(Greater | Equal)), "cvc-minInclusive-valid")
            }
            Side::MaxInclusive => (matches!(order, Some(Less | Equal)), "cvc-maxInclusive-valid"),
            Side::MinExclusive => (order == Some(Greater), "cvc-minExclusive-valid"),
            Side::MaxExclusive => (order == Some(Less), "cvc-maxExclusive-valid"),
        };
        if good { Ok(()) } else { Err(Broken::new(rule)) }
    }
}

impl Enumeration {
    /// Whether a value is among those listed: by its text, or else by its key.
    #[inline]
    pub(super) fn check(
        &self,
        text: &str,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        if self.texts.holds(text.as_bytes()) {
            return Ok(());
        }
        if let Some(keys) = &self.keys {
            let mut octets = Vec::new();
            // None of the schema's is too long.
            if key(&mut octets).is_ok() && keys.holds(&octets) {
                return Ok(());
            }
        }
        Err(Broken::new("cvc-enumeration-valid"))
    }
}
