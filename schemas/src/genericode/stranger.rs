//! Files that lie where a code list should, and are none: what they are, and what to do.

use super::{CodeListError, NAMESPACE};
use crate::xml::{StartTag, XmlError};

const FETCH: &str = "where a list is not to be had, XRepository answers with a web page or a \
                     message: fetch the list again";
const OTHER: &str = "name the file of a code list";

fn no_list(found: impl Into<String>, advice: &'static str) -> CodeListError {
    CodeListError::NoCodeList { found: found.into(), advice }
}

/// What no XML begins with, or a web page does. None where it may be a list.
pub(super) fn by_first_octets(octets: &[u8]) -> Option<CodeListError> {
    let known = |start: &[u8]| octets.starts_with(start);
    if known(b"PK\x03\x04") || known(b"PK\x05\x06") {
        return Some(no_list("a zip archive", "unpack it and name the list inside"));
    }
    if known(b"\x1f\x8b") {
        return Some(no_list("a file packed with gzip", "unpack it"));
    }
    if known(b"%PDF") {
        return Some(no_list("a PDF", "fetch the list in genericode"));
    }
    if known(b"\xfe\xff") || known(b"\xff\xfe") || known(b"<\0") || known(b"\0<") {
        return Some(no_list("text in UTF-16", "convert it to UTF-8"));
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let text = octets.trim_ascii_start();
    if text.is_empty() {
        return Some(no_list("an empty file", FETCH));
    }
    let begins =
        |with: &[u8]| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    match text[0] {
        b'<' if begins(b"<!doctype html") || begins(b"<html") => {
            Some(no_list("a web page (HTML)", FETCH))
        }
        b'<' => None,
        b'{' | b'[' => Some(no_list("JSON", FETCH)),
        _ if text.iter().any(|octet| matches!(octet, 0..=8 | 14..=31)) => {
            Some(no_list("no text at all", OTHER))
        }
        _ => Some(no_list("text without XML", FETCH)),
    }
}

/// XML with another root element.
pub(super) fn by_root(root: &StartTag) -> CodeListError {
    let local = root.local.as_str();
    match (root.namespace.as_str(), local) {
        ("http://www.w3.org/2001/XMLSchema", "schema") => {
            no_list("an XML schema", "schemas are found through entry, not code_lists")
        }
        ("http://www.w3.org/1999/xhtml", _) => no_list("a web page (XHTML)", FETCH),
        ("http://purl.oclc.org/dsdl/schematron", _) => {
            no_list("a rule file in Schematron", "name it under rules")
        }
        (NAMESPACE, "ColumnSet" | "CodeListSet") => {
            no_list(format!("a genericode {local}"), "name the code lists themselves")
        }
        _ => no_list(
            format!("XML with the root <{}>", local.chars().take(100).collect::<String>()),
            FETCH,
        ),
    }
}

/// It begins like XML, and the reader did not get to a root element.
pub(super) fn unreadable(error: &XmlError) -> CodeListError {
    no_list(format!("XML that cannot be read ({error})"), FETCH)
}
