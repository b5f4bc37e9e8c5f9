//! P7: canary values in every field of the samples come out nowhere, neither in findings nor in what
//! `Debug` tells of an answer, but where the pack marks the element as harmless.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding, MAX_FINDINGS, Verdict};
use amtsbote_schemas::xml::Limits;

const VERSIONS: [&str; 2] = ["1.0", "1.1"];
/// Both versions are in force.
const ARRIVAL: &str = "2026-11-18T08:00:00Z";
const CANARY: &str = "kanarie";

fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs")
}

fn samples(version: &str, kind: &str) -> Vec<(PathBuf, String)> {
    let folder = packs().join(format!("xummeldung-{version}/samples/{kind}"));
    let entries = fs::read_dir(folder).expect("samples");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "xml"));
    files.map(|path| (path.clone(), fs::read_to_string(path).expect("read"))).collect()
}

/// The packs, and what they mark as harmless.
struct Probe {
    packs: PackSet,
    harmless: BTreeSet<String>,
}

impl Probe {
    fn new() -> Self {
        let packs = PackSet::load(&packs()).expect("our packs load");
        let harmless = packs.list().into_iter().flat_map(|pack| pack.harmless).collect();
        Self { packs, harmless }
    }

    /// Whether a path ends with a mark.
    fn marks(&self, path: &str) -> bool {
        let steps = path.split('/').map(|step| step.split('[').next().unwrap_or_default());
        let plain = format!("/{}", steps.collect::<Vec<_>>().join("/"));
        self.harmless.iter().any(|mark| plain.ends_with(&format!("/{mark}")))
    }

    /// Checks a message and finds that the canary is told where it may be at most: those findings.
    fn told(&self, message: &str, place: &Path) -> (Checked, Vec<Finding>) {
        let arrival = ARRIVAL.parse().expect("an instant");
        let mut checked =
            self.packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false);
        assert!(checked.findings.len() <= MAX_FINDINGS);
        let all = checked.clone();
        let told = checked.findings.extract_if(.., |one| {
            let texts = format!("{}{}", one.message_de, one.message_en).to_lowercase();
            texts.contains(CANARY) && self.marks(&one.path)
        });
        let told: Vec<Finding> = told.collect();
        let rest = serde_json::to_string(&checked.findings).expect("json");
        assert!(!rest.to_lowercase().contains(CANARY), "{place:?}: {rest}\n{message}");
        let rest = format!("{checked:?}");
        assert!(!rest.to_lowercase().contains(CANARY), "{place:?}: {rest}\n{message}");
        (all, told)
    }
}

#[test]
fn canaries_everywhere_at_once() {
    let probe = Probe::new();
    let mut seen = BTreeSet::new();
    for version in VERSIONS {
        for (file, text) in samples(version, "valid").into_iter().chain(samples(version, "invalid"))
        {
            for message in poisoned(&text) {
                let (checked, _) = probe.told(&message, &file);
                assert_eq!(checked.verdict, Verdict::Invalid, "{file:?}");
                seen.extend(checked.findings.iter().map(|finding| finding.code));
            }
        }
    }
    for code in [
        "pattern-mismatch",
        "value-not-in-list",
        "value-wrong-type",
        "value-not-fixed",
        "type-unknown",
        "reference-dangling",
        "value-too-long",
    ] {
        assert!(seen.contains(code), "{code} was not provoked: {seen:?}");
    }
}

/// One after the other, in messages that are right otherwise: so the canary is in its place as far
/// as the rest can tell.
#[test]
fn canaries_one_by_one() {
    let probe = Probe::new();
    let (mut messages, mut told) = (0, BTreeSet::new());
    for version in VERSIONS {
        for (file, text) in samples(version, "valid") {
            for canary in ["KANARIE 4711", "um:Kanarie\u{1F426}"] {
                for slot in 0..slots(&text) {
                    let message = with(&text, slot, canary);
                    messages += 1;
                    for finding in probe.told(&message, &file).1 {
                        let last = finding.path.rsplit('/').next().expect("a step");
                        told.insert(last.split('[').next().unwrap_or_default().to_owned());
                    }
                }
            }
        }
    }
    assert!(messages > 500, "{messages}");
    let shown: Vec<&str> = told.iter().map(String::as_str).collect();
    // What is wrong in `@produktversion` is a character, and that tells no value.
    let attributes = ["@listURI", "@listVersionID", "@standard", "@version"];
    let elements = ["bezug", "code", "erstellungszeitpunkt", "nachrichtenUUID"];
    assert_eq!(shown, [&attributes[..], &elements[..]].concat());
}

/// What stands beside a value and is none of a field.
#[test]
fn canaries_between_the_values() {
    let probe = Probe::new();
    let beside = [
        ("<!-- Kanarie -->", ""),
        ("<?kanarie Kanarie?>", ""),
        ("<![CDATA[Kanarie]]>", ""),
        ("<unbekannt>Kanarie</unbekannt>", ""),
        ("<unbekannt wert='Kanarie'><nachrichtenUUID>Kanarie</nachrichtenUUID></unbekannt>", ""),
        ("<nachrichtenUUID>Kanarie</nachrichtenUUID>", ""),
        ("<gr:code xmlns:gr='urn:kanarie'>Kanarie</gr:code>", ""),
        ("", " unbekannt='Kanarie'"),
        ("", " version='Kanarie'"),
        ("", " xmlns:k='urn:kanarie' k:version='Kanarie'"),
        ("", " xmlns:xs='http://www.w3.org/2001/XMLSchema' xs:listURI='Kanarie'"),
    ];
    let mut told = 0;
    // One version is enough: nothing of this depends on what they declare.
    for (file, text) in samples("1.1", "valid") {
        let places = starts(&text);
        for ((content, attribute), place) in
            beside.iter().flat_map(|one| places.iter().map(move |place| (one, *place)))
        {
            let at = text[place..].find('>').expect("it ends") + place;
            let at = if text[..at].ends_with('/') { at - 1 } else { at };
            let (tag, rest) = text.split_at(at);
            let twice = tag[place..].contains(" version=") && attribute.starts_with(" version");
            let childless = rest.starts_with('/') && attribute.is_empty();
            if twice || childless {
                continue;
            }
            let message = match attribute.is_empty() {
                true => format!("{tag}>{content}{}", &rest[1..]),
                false => format!("{tag}{attribute}{rest}"),
            };
            told += probe.told(&message, &file).1.len();
        }
    }
    // CDATA inside a harmless element is its value.
    assert!(told > 0);
}

/// Where elements start: the offsets of their `<`.
fn starts(message: &str) -> Vec<usize> {
    let tags = message.match_indices('<').map(|(at, _)| at);
    tags.filter(|at| !message[at + 1..].starts_with(['?', '!', '/'])).collect()
}

/// How many values a message has that can be replaced.
fn slots(message: &str) -> usize {
    let mut count = 0;
    replaced(message, &mut |value| {
        count += 1;
        value.to_owned()
    });
    count
}

fn with(message: &str, slot: usize, canary: &str) -> String {
    let mut count = 0;
    replaced(message, &mut |value| {
        count += 1;
        if count == slot + 1 { canary.to_owned() } else { value.to_owned() }
    })
}

/// The message with a canary in every value: as text, as a name, as a number, very long.
fn poisoned(message: &str) -> Vec<String> {
    let canaries = [
        "KANARIE 4711".to_owned(),
        "KANARIE_4711".to_owned(),
        "um:KANARIE4711".to_owned(),
        format!("KANARIE{}", "4".repeat(9_000)),
        "kanarie\u{1F426}".to_owned(),
    ];
    let same = canaries.iter().map(|canary| replaced(message, &mut |_| canary.clone()));
    let mut count = 0;
    let each = replaced(message, &mut |value| {
        count += 1;
        if value.ends_with("PersonType") { value.to_owned() } else { format!("KANARIE_{count}") }
    });
    same.chain([each]).collect()
}

/// The message with every text and every attribute's value replaced. Namespaces stay, so that the
/// message is recognised and `xsi:type` is one.
fn replaced(message: &str, with: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some(open) = rest.find('<') {
        let close = open + rest[open..].find('>').expect("a tag ends");
        let text = &rest[..open];
        out.push_str(&if text.trim().is_empty() { text.to_owned() } else { with(text) });
        let tag = &rest[open..=close];
        if tag.starts_with("<?") || tag.starts_with("</") {
            out.push_str(tag);
        } else {
            let mut parts = tag.split('"');
            out.push_str(parts.next().unwrap_or_default());
            while let Some(value) = parts.next() {
                let keep =
                    value.starts_with("urn:amtsbote:standard") || value.contains("XMLSchema");
                out.push_str(&format!("\"{}\"", if keep { value.to_owned() } else { with(value) }));
                out.push_str(parts.next().unwrap_or_default());
            }
        }
        rest = &rest[close + 1..];
    }
    out + rest
}
