//! The table of cases.

use std::fmt;

use anyhow::{Result, bail};

/// What a case asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Do these documents form a schema?
    Schema,
    /// Is this document valid by them?
    Instance,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "schemas",
            Self::Instance => "instances",
        })
    }
}

/// The published answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is known.
    Valid(bool),
    /// The suite leaves it open; why.
    Open(String),
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Who gave it.
    pub contributor: String,
    /// What it asks.
    pub kind: Kind,
    /// The group and the test in it.
    pub name: String,
    /// The schema documents that the case names, from the folder of the suite.
    pub schemas: Vec<String>,
    /// The document to judge.
    pub instance: Option<String>,
    /// The published answer.
    pub expected: Expected,
}

impl Case {
    /// The cases for XSD 1.0.
    pub(super) fn read_all(table: &str) -> Result<Vec<Self>> {
        let rows = table.lines().filter(|line| line.starts_with("1.0\t"));
        rows.map(Self::read).collect()
    }

    fn read(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, contributor, kind, name, schemas, instance, validity, status] = cells[..] else {
            bail!("eight columns expected: {line}");
        };
        let kind = match kind {
            "schema" => Kind::Schema,
            "instance" => Kind::Instance,
            other => bail!("{name}: neither schema nor instance: {other}"),
        };
        let settled = matches!(status, "" | "accepted" | "accepted(rebuilt)" | "stable");
        let expected = match validity {
            _ if !settled => Expected::Open(format!("its answer is {status}")),
            "valid" => Expected::Valid(true),
            "invalid" => Expected::Valid(false),
            other => Expected::Open(format!("its answer is {other}")),
        };
        Ok(Self {
            contributor: contributor.to_owned(),
            kind,
            name: name.to_owned(),
            schemas: schemas.split('|').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
            instance: Some(instance.to_owned()).filter(|file| !file.is_empty()),
            expected,
        })
    }

    /// What tells it from all others: its name, and the document it asks about. Names alone are
    /// given twice.
    pub(super) fn key(&self) -> (&str, &str) {
        let document = match self.kind {
            Kind::Schema => self.schemas.first(),
            Kind::Instance => self.instance.as_ref(),
        };
        (&self.name, document.map_or("", String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let table = "1.1\tx\tschema\tg/a\ta.xsd\t\tvalid\taccepted\n\
                     1.0\tx\tschema\tg/a\ta.xsd|b.xsd\t\tinvalid\taccepted\n\
                     1.0\tx\tinstance\tg/a.v\ta.xsd\ta.xml\tvalid\tqueried\n\
                     1.0\tx\tinstance\tg/a.w\t\ta.xml\tvalid\tstable\n";
        let cases = Case::read_all(table).expect("a table");
        let keys: Vec<_> = cases.iter().map(Case::key).collect();
        assert_eq!(keys, [("g/a", "a.xsd"), ("g/a.v", "a.xml"), ("g/a.w", "a.xml")]);
        assert_eq!(cases[0].schemas, ["a.xsd", "b.xsd"]);
        assert!(cases[2].schemas.is_empty());
        assert_eq!(cases[0].expected, Expected::Valid(false));
        assert!(matches!(cases[1].expected, Expected::Open(_)));
        assert_eq!(cases[2].expected, Expected::Valid(true));
        assert!(Case::read_all("1.0\tx\tschema\n").is_err());
    }
}
