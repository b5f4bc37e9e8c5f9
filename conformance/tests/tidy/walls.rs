//! The walls that run through the sources. What each rule allows, and where, stands at its top.

use crate::source::{Source, in_name, words};

/// The hub itself: everything that must not know by which protocol a message comes and goes.
const HUB: &[&str] = &[
    "schemas/src",
    "broker/src",
    "broker/domain/src",
    "broker/trust/src",
    "broker/archive/src",
    "broker/store/src",
];
/// Where the broker speaks protocols; the client of revocation sources fetches by them, and the
/// store keeps large parts in object stores by that of S3.
const TRANSPORT: &[&str] = &[
    "broker/src/transport",
    "broker/src/transport.rs",
    "broker/trust/src/revocation/fetch.rs",
    "broker/store/src/parts/objects",
    "broker/store/src/tests/parts",
];

const PROTOCOL_WORDS: &[&str] = &[
    "osci",
    "xta",
    "soap",
    "multipart",
    "mime",
    "http",
    "https",
    "axum",
    "hyper",
    "reqwest",
    "amqp",
    "lapin",
];
/// What a protocol says literally. Service URIs of standards (`http://www.osci.de/...`) are names
/// of services and no protocol.
const PROTOCOL_TEXTS: &[&str] =
    &["content-type", "content-digest", "multipart/", "xmlsoap.org", "http/1"];
/// Texts for people, who must be told what to send.
const PROTOCOL_TEXTS_ALLOWED: &[&str] = &["broker/domain/src/fault.rs"];

/// No protocol word outside `broker/wire` and `broker/src/transport`.
pub(crate) fn protocol_words(source: &Source) -> Vec<String> {
    if !source.is_in(HUB) || source.is_in(TRANSPORT) {
        return Vec::new();
    }
    let mut found: Vec<String> = source
        .names()
        .flat_map(|(line, name)| words(name).into_iter().map(move |word| (line, word)))
        .filter(|(_, word)| PROTOCOL_WORDS.contains(&word.as_str()))
        .map(|(line, word)| source.offence(line, &format!("protocol word {word} in the hub")))
        .collect();
    if !source.is_in(PROTOCOL_TEXTS_ALLOWED) {
        for (line, text) in &source.strings {
            let text = text.to_lowercase();
            for word in PROTOCOL_TEXTS.iter().filter(|word| text.contains(**word)) {
                found.push(source.offence(*line, &format!("protocol text {word} in the hub")));
            }
        }
    }
    found
}

/// The steps of a message, which take any form that a transport hands over.
const STEPS: &[&str] = &["broker/src/step", "broker/src/pipeline.rs"];
/// What belongs to one form alone.
const FORMS: &[&str] = &["UnverifiedEnvelope", "VerifiedEnvelope", "Intermediary", "intermediary"];

/// No step asks in which form a message came.
pub(crate) fn forms(source: &Source) -> Vec<String> {
    if !source.is_in(STEPS) {
        return Vec::new();
    }
    source
        .names()
        .filter(|(_, name)| FORMS.contains(name))
        .map(|(line, name)| source.offence(line, &format!("{name} of one form in the steps")))
        .collect()
}

/// SQL of the hub lies in the store, a customer's SQL in the table adapter.
const SQL: &[&str] = &["broker/store", "adapters/src/table", "adapters/src/table.rs"];
const SQL_BEGINNINGS: &[&str] = &[
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "REPLACE INTO ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "WITH RECURSIVE ",
];

/// No SQL, and no library for it, anywhere else. These rules and their samples are not SQL.
pub(crate) fn sql(source: &Source) -> Vec<String> {
    if source.is_in(SQL) || source.is_in(&["conformance/tests/tidy", "conformance/tests/tidy.rs"]) {
        return Vec::new();
    }
    let library = source
        .names()
        .filter(|(_, name)| ["rusqlite", "sqlx", "tokio_postgres", "diesel"].contains(name))
        .map(|(line, name)| source.offence(line, &format!("{name} outside the store")));
    let text = source
        .strings
        .iter()
        .filter(|(_, text)| {
            let text = text.trim_start();
            SQL_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        })
        .map(|(line, _)| source.offence(*line, "SQL outside the store"));
    library.chain(text).collect()
}

/// What computes, and asks nobody: time, octets and randomness are handed in.
const PURE: &[&str] =
    &["schemas/src", "broker/domain/src", "broker/wire/src", "broker/archive/src"];
const CLOCKS: &[&str] = &["SystemTime", "Instant", "Timestamp::now", "Zoned::now"];
const SOCKETS: &[&str] = &[
    "std::net",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "tokio",
    "reqwest",
    "hyper",
];
const IO: &[&str] = &["std::fs", "std::process", "std::env"];

/// No clock and no socket in `domain`, `wire`, `schemas`, `archive`; in `domain` no I/O at all.
pub(crate) fn clock_and_socket(source: &Source) -> Vec<String> {
    if !source.is_in(PURE) {
        return Vec::new();
    }
    let domain = if source.is_in(&["broker/domain/src"]) { IO } else { &[] };
    let banned = || CLOCKS.iter().chain(SOCKETS).chain(domain);
    found_in_code(source, banned().copied().collect(), "where no clock and no socket belongs")
}

/// One clock for the hub: it is handed in everywhere (P10), and read in one place.
pub(crate) fn one_clock(source: &Source) -> Vec<String> {
    let hub = ["broker", "schemas", "adapters/src"];
    // Measurements and timeouts use `Instant`; they decide nothing about a message.
    let clocks = vec!["SystemTime::now", "Timestamp::now", "Zoned::now"];
    if !source.is_in(&hub) || source.is_in(&["broker/src/clock.rs"]) {
        return Vec::new();
    }
    found_in_code(source, clocks, "beside the one clock, broker/src/clock.rs")
}

/// Libraries that read XML, and where each may be named. A validator gets its events from our
/// reader, so the ways in which `xsd-schema` reads a document by itself are named nowhere.
const XML_LIBRARIES: &[(&str, &[&str])] = &[
    ("quick_xml", &["schemas/src/xml", "schemas/examples", "schemas/tests"]),
    ("xsd_schema", &["schemas"]),
    ("quick_xml_driver", &[]),
    ("drive_quick_xml", &[]),
    ("drive_quick_xml_in", &[]),
    ("drive_quick_xml_with", &[]),
    ("drive_quick_xml_with_in", &[]),
    ("drive_navigator", &[]),
    ("drive_buffer_document", &[]),
    ("WfReader", &[]),
    ("roxmltree", &[]),
    ("libxml", &[]),
    ("xmlparser", &[]),
    ("serde_xml_rs", &[]),
    ("minidom", &[]),
    ("xmltree", &[]),
];

/// The one reader of XML is in `schemas` (P9).
pub(crate) fn one_xml_reader(source: &Source) -> Vec<String> {
    let strange = |name: &str| {
        XML_LIBRARIES.iter().any(|(library, homes)| *library == name && !source.is_in(homes))
    };
    source
        .names()
        .filter(|(_, name)| strange(name))
        .map(|(line, name)| source.offence(line, &format!("{name}: a second reader of XML")))
        .collect()
}

/// No test is ignored, no end left open.
pub(crate) fn unfinished(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (line, dense) in source.dense_lines() {
        for open in ["todo!(", "unimplemented!(", "todo!{", "unimplemented!{"] {
            if dense.match_indices(open).any(|(at, _)| !dense[..at].ends_with(in_name)) {
                found.push(source.offence(line, &format!("{open}) left in the code")));
            }
        }
        let attribute = dense.split_once("#[").map(|(_, rest)| rest).unwrap_or_default();
        let mut names = attribute.split(|c| !in_name(c));
        let first = names.clone().next();
        if first == Some("ignore") || (first == Some("cfg_attr") && names.any(|n| n == "ignore")) {
            found.push(source.offence(line, "an ignored test"));
        }
    }
    found
}

/// Every module opens with `//!`: what it is, and what it deliberately does not do.
pub(crate) fn module_head(source: &Source) -> Vec<String> {
    let opens = source.text.trim_start().starts_with("//!");
    if opens { Vec::new() } else { vec![source.offence(1, "does not open with //!")] }
}

/// The lines of the code on which one of these paths or names stands, as a whole name.
fn found_in_code(source: &Source, banned: Vec<&str>, why: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, dense) in source.dense_lines() {
        for word in &banned {
            let whole = dense.match_indices(word).any(|(at, _)| {
                !dense[..at].ends_with(in_name) && !dense[at + word.len()..].starts_with(in_name)
            });
            if whole {
                found.push(source.offence(line, &format!("{word} {why}")));
            }
        }
    }
    found
}
