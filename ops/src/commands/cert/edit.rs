//! Enters a certificate in the text of `directory.toml`: everything else, comments and order
//! included, stays octet for octet.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where to enter it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// `[[party]]`.
    Party,
    /// `[[account]]`.
    Account,
}

impl Entry {
    /// The name of the table.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Party => "party",
            Self::Account => "account",
        }
    }
}

/// Why the text was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotEdited {
    /// There is no entry with this id.
    NoEntry,
    /// The text is written in a way that this cannot change safely.
    Unsafe,
}

impl fmt::Display for NotEdited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntry => "there is no such entry",
            Self::Unsafe => "the text cannot be changed safely",
        })
    }
}

/// The text with `path` as one more of the `certificates` of the entry with this id.
pub(super) fn add(text: &str, entry: Entry, id: &str, path: &str) -> Result<String, NotEdited> {
    let document = DeTable::parse(text).map_err(|_| NotEdited::Unsafe)?;
    let entries = document.get_ref().get(entry.table()).map(Spanned::get_ref);
    let entries = entries.and_then(DeValue::as_array).ok_or(NotEdited::NoEntry)?;
    let tables = entries.iter().filter_map(|item| item.get_ref().as_table());
    let mut found = tables.filter_map(|table| {
        let value = table.get("id")?;
        (value.get_ref().as_str() == Some(id)).then_some((table, value))
    });
    let (table, id) = found.next().ok_or(NotEdited::NoEntry)?;
    let quoted = toml::Value::String(path.to_owned()).to_string();
    let (at, insert) = match table.get("certificates") {
        Some(list) => beside(text, list, &quoted)?,
        None => {
            let rest = &text[id.span().end..];
            let end = rest.find('\n').map_or(text.len(), |line| id.span().end + line);
            let end = end - usize::from(text[..end].ends_with('\r'));
            (end, format!("{}certificates = [{quoted}]", newline(text)))
        }
    };
    Ok(format!("{}{insert}{}", &text[..at], &text[at..]))
}

/// Where to insert what into a list: behind its last element, on a line of its own where that has
/// one.
fn beside(
    text: &str,
    list: &Spanned<DeValue<'_>>,
    quoted: &str,
) -> Result<(usize, String), NotEdited> {
    let items = list.get_ref().as_array().ok_or(NotEdited::Unsafe)?;
    let Some(last) = items.iter().last() else {
        let start = list.span().start;
        // The span of a list begins with its bracket.
        let open = text.as_bytes().get(start) == Some(&b'[');
        return if open { Ok((start + 1, quoted.to_owned())) } else { Err(NotEdited::Unsafe) };
    };
    let span = last.span();
    let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..span.start];
    let own_line = line > list.span().start && before.chars().all(char::is_whitespace);
    let between = if own_line { format!(",{}{before}", newline(text)) } else { ", ".to_owned() };
    Ok((span.end, format!("{between}{quoted}")))
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> String {
        add(text, Entry::Party, "ags:1", "certs/new.pem").expect("it can be changed")
    }

    const HEAD: &str = "# A comment.\n[[party]]\nid = \"ags:0\"\ncertificates = [\"z\"]\n\n[[party]]\n\
                        id = \"ags:1\" # town\nname = \"x\"\n";

    #[test]
    fn it_stands_beside_the_old_one_and_nothing_else_changes() {
        for (list, expected) in [
            ("[\"a.pem\"]", "[\"a.pem\", \"certs/new.pem\"]"),
            ("[\"a.pem\",] # why", "[\"a.pem\", \"certs/new.pem\",] # why"),
            ("[]", "[\"certs/new.pem\"]"),
            ("[ # none\n]", "[\"certs/new.pem\" # none\n]"),
            (
                "[\n  \"a.pem\", # old ]\n  # \"no.pem\"\n]",
                "[\n  \"a.pem\",\n  \"certs/new.pem\", # old ]\n  # \"no.pem\"\n]",
            ),
            ("['a,]\"', 'b']", "['a,]\"', 'b', \"certs/new.pem\"]"),
        ] {
            let tail = "\n[[party.service]]\nuri = \"u\"\ncertificates = [\"s\"]\n# end";
            let text = format!("{HEAD}certificates = {list}{tail}");
            assert_eq!(added(&text), format!("{HEAD}certificates = {expected}{tail}"));
        }
    }

    #[test]
    fn where_there_is_no_list_one_is_made() {
        let made = added(HEAD);
        assert!(made.contains("id = \"ags:1\" # town\ncertificates = [\"certs/new.pem\"]\nname"));
        let windows = added(&HEAD.replace('\n', "\r\n"));
        assert!(windows.contains("# town\r\ncertificates = [\"certs/new.pem\"]\r\nname"));
        let short = add("[[party]]\nid = \"ags:1\"", Entry::Party, "ags:1", "n").expect("changed");
        assert_eq!(short, "[[party]]\nid = \"ags:1\"\ncertificates = [\"n\"]");
    }

    #[test]
    fn accounts_are_told_from_parties() {
        let text = "[[party]]\nid = \"a\"\n[[account]]\nid = \"a\"\ncertificates = [\"x\"]\n";
        let changed = add(text, Entry::Account, "a", "y").expect("changed");
        assert!(changed.ends_with("certificates = [\"x\", \"y\"]\n"), "{changed}");
        assert_eq!(add(text, Entry::Account, "b", "y"), Err(NotEdited::NoEntry));
        assert_eq!(add("", Entry::Party, "b", "y"), Err(NotEdited::NoEntry));
        assert_eq!(add("[[party]", Entry::Party, "b", "y"), Err(NotEdited::Unsafe));
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let text = "[[party]]\nid = \"a\"\ncertificates = []\n";
        let path = "c\"]\nname = \"x";
        let changed = add(text, Entry::Party, "a", path).expect("changed");
        let value: toml::Table = toml::from_str(&changed).expect("TOML");
        assert_eq!(value["party"][0]["certificates"][0].as_str(), Some(path));
        assert!(value["party"][0].get("name").is_none());
    }
}
