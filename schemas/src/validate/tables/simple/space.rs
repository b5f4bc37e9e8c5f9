//! White space (Datatypes 4.3.6).

use std::borrow::Cow;

/// What becomes of white space before a value is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Space {
    /// Nothing.
    Preserve,
    /// Each becomes a space.
    Replace,
    /// Runs become one space, and none stands at the ends.
    Collapse,
    /// Only the ends are cut. Stands for `Collapse` where white space inside makes the value
    /// invalid anyhow, and is much quicker.
    Trim,
}

/// White space as XML knows it (production S).
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Without white space at the ends.
#[inline]
pub(super) fn trim(raw: &str) -> &str {
    let bytes = raw.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) if is_space(*first) || is_space(*last) => {
            raw.trim_matches([' ', '\t', '\n', '\r'])
        }
        _ => raw,
    }
}

/// The items of a list.
pub(super) fn items(raw: &str) -> impl Iterator<Item = &str> {
    raw.split([' ', '\t', '\n', '\r']).filter(|item| !item.is_empty())
}

impl Space {
    /// The same for values that may be anything.
    pub(super) fn full(self) -> Self {
        if self == Self::Trim { Self::Collapse } else { self }
    }

    /// The normalized value; borrowed where it is normal already.
    #[inline]
    pub(super) fn normal(self, raw: &str) -> Cow<'_, str> {
        match self {
            Self::Preserve => Cow::Borrowed(raw),
            Self::Replace if raw.bytes().any(|b| is_space(b) && b != b' ') => {
                Cow::Owned(raw.replace(['\t', '\n', '\r'], " "))
            }
            Self::Replace => Cow::Borrowed(raw),
            Self::Trim => Cow::Borrowed(trim(raw)),
            Self::Collapse => collapse(trim(raw)),
        }
    }
}

/// `trimmed` with single spaces inside.
fn collapse(trimmed: &str) -> Cow<'_, str> {
    // Two in a row, or one that is no space. Other control characters only cost a closer look.
    let bytes = trimmed.as_bytes();
    let next = bytes.get(1..).unwrap_or_default();
    let odd = bytes
        .iter()
        .zip(next)
        .fold(false, |odd, (this, next)| odd | (*this <= b' ' && *next <= b' ') | (*next < b' '));
    if !odd {
        return Cow::Borrowed(trimmed);
    }
    let mut out = String::with_capacity(trimmed.len());
    for item in items(trimmed) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(item);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms() {
        let raw = " a\t b\r\n c ";
        assert_eq!(Space::Preserve.normal(raw), raw);
        assert_eq!(Space::Replace.normal(raw), " a  b   c ");
        assert_eq!(Space::Collapse.normal(raw), "a b c");
        assert_eq!(Space::Collapse.normal("\u{a0}a\u{2003}"), "\u{a0}a\u{2003}");
    }

    #[test]
    fn a_normal_value_is_borrowed() {
        for space in [Space::Preserve, Space::Replace, Space::Collapse, Space::Trim] {
            assert!(matches!(space.normal("a b"), Cow::Borrowed(_)), "{space:?}");
        }
    }
}
