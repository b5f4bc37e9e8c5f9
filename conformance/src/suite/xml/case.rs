//! The table of cases, and what each asks of a reader without document type declarations.

use anyhow::{Result, bail};

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its name.
    pub id: String,
    /// Its document, from the folder of the suite.
    pub path: String,
    kind: String,
    version: String,
    editions: String,
}

/// What must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is read to its end.
    Read,
    /// It is refused.
    Refused,
    /// The suite leaves it open, or speaks of rules that do not concern this reader.
    Open(&'static str),
}

impl Case {
    /// All cases.
    pub(super) fn read_all(table: &str) -> Result<Vec<Self>> {
        table.lines().map(Self::read).collect()
    }

    fn read(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [kind, _, version, _, editions, id, path] = cells[..] else {
            bail!("seven columns expected: {line}");
        };
        Ok(Self {
            id: id.to_owned(),
            path: path.to_owned(),
            kind: kind.to_owned(),
            version: version.to_owned(),
            editions: editions.to_owned(),
        })
    }

    /// What must come out, for this document.
    pub(super) fn expected(&self, octets: &[u8]) -> Expected {
        if self.version == "1.1" && self.kind != "not-wf" {
            return Expected::Open("XML 1.1");
        }
        if !self.editions.is_empty() && !self.editions.contains('5') {
            return Expected::Open("an edition before the fifth");
        }
        if self.kind == "not-wf" || has_document_type(octets) {
            return Expected::Refused;
        }
        if self.kind == "error" {
            return Expected::Open("an error that a processor need not report");
        }
        let declaration = octets.split(|b| *b == b'>').next().unwrap_or_default();
        let declaration = String::from_utf8_lossy(declaration).to_ascii_lowercase();
        let other_encoding = declaration.contains("encoding")
            && !declaration.contains("utf-8")
            && !declaration.contains("us-ascii");
        if str::from_utf8(octets).is_err() || octets.contains(&0) || other_encoding {
            return Expected::Refused;
        }
        Expected::Read
    }
}

/// Whether a document type declaration stands before the root element.
fn has_document_type(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some(start) = rest.iter().position(|b| *b == b'<') {
        rest = &rest[start..];
        let end: &[u8] = match rest {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'?', ..] => b"?>",
            _ => return rest.starts_with(b"<!DOCTYPE"),
        };
        let Some(length) = rest.windows(end.len()).position(|w| w == end) else { return false };
        rest = &rest[length + end.len()..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(row: &str, document: &str) -> Expected {
        Case::read_all(row).expect("a row")[0].expected(document.as_bytes())
    }

    #[test]
    fn the_table_and_the_document_say_what_must_come_out() {
        let row = "valid\tnone\t\tXML1.0\t\tid\ta.xml";
        assert_eq!(expected(row, "<!-- <!DOCTYPE --><a/>"), Expected::Read);
        assert_eq!(expected(row, "<?xml version='1.0'?><!DOCTYPE a><a/>"), Expected::Refused);
        let latin = "<?xml version='1.0' encoding='ISO-8859-1'?><a/>";
        assert_eq!(expected(row, latin), Expected::Refused);
        let row = row.replace("valid", "not-wf");
        assert_eq!(expected(&row, "<a>"), Expected::Refused);
        assert!(matches!(
            expected(&row.replace("XML1.0\t", "XML1.0\t1 2"), "<a>"),
            Expected::Open(_)
        ));
        assert!(Case::read_all("valid\tnone").is_err());
    }
}
