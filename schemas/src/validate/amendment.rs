//! Known errata: official schemas hold errors that other validators pass over. A pack that
//! tolerates one says which text of which document is read as what, and why; the document itself
//! stays as it was published.

use serde::{Deserialize, Serialize};

/// Most amendments of one set.
pub const MAX_AMENDMENTS: usize = 200;

/// One erratum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The document, from the folder of the pack.
    pub file: String,
    /// The rule of XML Schema that it breaks, e.g. `cos-nonambig`.
    pub rule: String,
    /// Why it may be read otherwise.
    pub reason: String,
    /// What stands there: must be there once, so that another edition of the document is noticed.
    /// One white space is as good as another.
    #[serde(skip_serializing)]
    pub instead_of: String,
    /// What is read.
    #[serde(skip_serializing)]
    pub read: String,
}

impl Amendment {
    /// The text as it is read, or none where what it replaces does not stand there once.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let words: Vec<&str> = self.instead_of.split_ascii_whitespace().collect();
        let first = words.first()?;
        let mut found = text
            .match_indices(first)
            .filter_map(|(from, _)| Some((from, from + length(&text[from..], &words)?)));
        let (from, to) = found.next().filter(|_| found.next().is_none())?;
        Some([&text[..from], self.read.trim(), &text[to..]].concat())
    }
}

/// The length of these words at the beginning of a text, white space between them.
fn length(text: &str, words: &[&str]) -> Option<usize> {
    let mut at = 0;
    for (index, word) in words.iter().enumerate() {
        let rest = &text[at..];
        let trimmed = rest.trim_ascii_start();
        if index > 0 && trimmed.len() == rest.len() {
            return None;
        }
        at += rest.len() - trimmed.len();
        at += trimmed.starts_with(word).then_some(word.len())?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_must_be_there_once() {
        let amendment = |old: &str| Amendment {
            file: "a.xsd".to_owned(),
            rule: "cos-nonambig".to_owned(),
            reason: "a test".to_owned(),
            instead_of: old.to_owned(),
            read: "c".to_owned(),
        };
        assert_eq!(amendment("a b").apply("a 1a\r\n\tb2").as_deref(), Some("a 1c2"));
        assert_eq!(amendment(" ä  b ").apply("ä b").as_deref(), Some("c"));
        for old in ["", " ", "x", "a", "a a a", "aa"] {
            assert_eq!(amendment(old).apply("a a"), None, "{old}");
        }
    }
}
