//! Names and the other restrictions of `token` (Datatypes 3.3.3 to 3.3.10). Which characters names
//! hold is told by XML 1.0, Fifth Edition, as our reader has it.

/// What a text must look like beyond being a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing more.
    Any,
    /// `language`
    Language,
    /// `NMTOKEN`
    Nmtoken,
    /// `Name`
    Name,
    /// `NCName` and what is made of it.
    NcName,
}

impl Form {
    /// Whether a normal value is of this form.
    #[inline]
    pub(super) fn admits(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Language => is_language(text),
            Self::Nmtoken => !text.is_empty() && text.chars().all(is_name_char),
            Self::Name => text.starts_with(is_name_start) && text.chars().all(is_name_char),
            Self::NcName => is_ncname(text),
        }
    }
}

/// A name without a colon.
pub(super) fn is_ncname(text: &str) -> bool {
    text.starts_with(|c| c != ':' && is_name_start(c))
        && text.chars().all(|c| c != ':' && is_name_char(c))
}

/// Letters, then letters or digits, in groups of one to eight.
fn is_language(text: &str) -> bool {
    text.split('-').enumerate().all(|(n, part)| {
        let good = |b: u8| if n == 0 { b.is_ascii_alphabetic() } else { b.is_ascii_alphanumeric() };
        (1..=8).contains(&part.len()) && part.bytes().all(good)
    })
}

/// Production NameStartChar, as ranges.
pub(super) const NAME_START: [(char, char); 16] = [
    (':', ':'),
    ('A', 'Z'),
    ('_', '_'),
    ('a', 'z'),
    ('\u{C0}', '\u{D6}'),
    ('\u{D8}', '\u{F6}'),
    ('\u{F8}', '\u{2FF}'),
    ('\u{370}', '\u{37D}'),
    ('\u{37F}', '\u{1FFF}'),
    ('\u{200C}', '\u{200D}'),
    ('\u{2070}', '\u{218F}'),
    ('\u{2C00}', '\u{2FEF}'),
    ('\u{3001}', '\u{D7FF}'),
    ('\u{F900}', '\u{FDCF}'),
    ('\u{FDF0}', '\u{FFFD}'),
    ('\u{10000}', '\u{EFFFF}'),
];

/// What production NameChar adds.
pub(super) const NAME_MORE: [(char, char); 5] = [
    ('-', '.'),
    ('0', '9'),
    ('\u{B7}', '\u{B7}'),
    ('\u{300}', '\u{36F}'),
    ('\u{203F}', '\u{2040}'),
];

fn within(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
}

#[inline]
fn is_name_start(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphabetic() || c == '_' || c == ':'
    } else {
        within(&NAME_START, c)
    }
}

#[inline]
fn is_name_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.')
    } else {
        within(&NAME_START, c) || within(&NAME_MORE, c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let admitted = |form: Form, good: &[&str], bad: &[&str]| {
            for text in good {
                assert!(form.admits(text), "{form:?} {text}");
            }
            for text in bad {
                assert!(!form.admits(text), "{form:?} {text}");
            }
        };
        admitted(
            Form::Language,
            &["de", "de-DE-1996", "x-klingon", "abcdefgh"],
            &["", "-", "de-", "d1", "abcdefghi", "de--DE", "de_DE", "dé"],
        );
        admitted(Form::Nmtoken, &["1", "-.:", "ä", "a·"], &["", "a b", "a/b", "×"]);
        admitted(Form::Name, &["a", ":a", "_1", "Ærø"], &["", "1a", "-a", "a b", "·"]);
        admitted(Form::NcName, &["a", "_1.2-3", "Ærø"], &["", "a:b", ":", "1", ".a"]);
    }

    #[test]
    fn the_quick_tests_agree_with_the_ranges() {
        for c in '\0'..'\u{3000}' {
            assert_eq!(is_name_start(c), within(&NAME_START, c), "{c:?}");
            let either = within(&NAME_START, c) || within(&NAME_MORE, c);
            assert_eq!(is_name_char(c), either, "{c:?}");
        }
    }
}
