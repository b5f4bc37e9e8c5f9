//! The list of disagreements. Its lines: test, document, published answer, our answer, the
//! library's answer, and the reason.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};

/// The list.
const LIST: &str = include_str!("disagreements.tsv");

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Published answer, our answer, the library's answer.
    pub answers: [String; 3],
    /// Why they differ.
    pub reason: String,
}

/// The list, by test and document.
pub(super) struct Known {
    lines: BTreeMap<(String, String), Line>,
}

impl Known {
    /// The list of this repository.
    pub(super) fn read() -> Result<Self> {
        Self::parse(LIST)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = BTreeMap::new();
        for (number, line) in text.lines().enumerate().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [test, document, expected, ours, library, reason] = cells[..] else {
                bail!("line {}: six columns expected", number + 1);
            };
            ensure!(!reason.is_empty(), "line {}: a reason is missing", number + 1);
            let answers = [expected, ours, library].map(str::to_owned);
            let line = Line { answers, reason: reason.to_owned() };
            let before = lines.insert((test.to_owned(), document.to_owned()), line);
            if before.is_some() {
                return Err(anyhow!("line {}: {test} ({document}) is listed twice", number + 1));
            }
        }
        Ok(Self { lines })
    }

    /// Takes the line of a case off the list.
    pub(super) fn take(&mut self, test: &str, document: &str) -> Option<Line> {
        self.lines.remove(&(test.to_owned(), document.to_owned()))
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Every test and document.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.keys().map(|(test, document)| (test.as_str(), document.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_a_broken_one_cannot() {
        Known::read().expect("the list of this repository");
        let head = "test\tdocument\texpected\tours\tlibrary\treason\n";
        let line = "g/a\ta.xml\tvalid\tinvalid\tvalid\twhy\n";
        let mut known = Known::parse(&format!("{head}{line}")).expect("a list");
        assert_eq!(known.take("g/a", "a.xml").expect("listed").reason, "why");
        assert_eq!(known.len(), 0);
        for bad in [format!("{head}{line}{line}"), format!("{head}g/a\ta.xml\tvalid\n")] {
            assert!(Known::parse(&bad).is_err(), "{bad}");
        }
    }
}
