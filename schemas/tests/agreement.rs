//! Tables and library side by side, over the real messages and over what seeded accidents make of
//! them.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::validate::{Checked, Schemas};
use amtsbote_schemas::xml::Limits;

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let there = folder.join("EXPECTED.tsv").is_file();
    if !there {
        skipped::skipped("no corpus of real messages in AMTSBOTE_CORPUS, nor beside the checkout");
    }
    there.then_some(folder)
}

type Told = BTreeSet<(u64, u64, &'static str)>;

fn told(checked: &Checked) -> Told {
    checked.findings.iter().map(|f| (f.line, f.column, f.code)).collect()
}

/// A sequence of numbers that is the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// One accident: a tag or text deleted, repeated, exchanged or changed.
fn accident(message: &str, random: &mut Seeded) -> String {
    let tags: Vec<usize> = message.match_indices('<').map(|(at, _)| at).collect();
    let pick = |random: &mut Seeded| tags[random.below(tags.len())];
    let element = |from: usize| -> Option<std::ops::Range<usize>> {
        let name: String = message[from + 1..]
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/'))
            .collect();
        let close = format!("</{name}>");
        let rest = &message[from..];
        let end = rest.find(&close).map(|at| at + close.len());
        let tag = rest.find('>')? + 1;
        let end = if rest[..tag].ends_with("/>") { Some(tag) } else { end };
        end.filter(|_| !name.is_empty()).map(|end| from..from + end)
    };
    for _ in 0..20 {
        let from = pick(random);
        let Some(range) = element(from) else { continue };
        let text = || {
            let open = message[from..].find('>')? + from + 1;
            let close = message[open..].find('<')? + open;
            (close > open).then_some(open..close)
        };
        match random.below(6) {
            0 => return format!("{}{}", &message[..range.start], &message[range.end..]),
            1 => {
                let copy = &message[range.clone()];
                return format!("{}{copy}{}", &message[..range.end], &message[range.end..]);
            }
            2 => {
                let Some(other) = element(pick(random)).filter(|other| other.start >= range.end)
                else {
                    continue;
                };
                return format!(
                    "{}{}{}{}{}",
                    &message[..range.start],
                    &message[other.clone()],
                    &message[range.end..other.start],
                    &message[range.clone()],
                    &message[other.end..]
                );
            }
            3 => {
                let Some(value) = text() else { continue };
                let values = ["", "x", "-1", "2024-02-30", "999999999999999999999", " ", "ß", "0"];
                let new = values[random.below(values.len())];
                return format!("{}{new}{}", &message[..value.start], &message[value.end..]);
            }
            4 => {
                // Another namespace for all below.
                let Some(end) = message[from..].find(['>', '/', ' ']) else { continue };
                let at = from + end;
                return format!("{} xmlns=\"urn:other\"{}", &message[..at], &message[at..]);
            }
            _ => {
                let Some(value) = message[from..].find('"').map(|at| from + at + 1) else {
                    continue;
                };
                return format!("{}q{}", &message[..value], &message[value..]);
            }
        }
    }
    message.to_owned()
}

#[test]
fn tables_and_library_agree_on_real_messages_and_on_accidents() {
    let Some(corpus) = corpus() else { return };
    let rounds: usize =
        std::env::var("AMTSBOTE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let table = fs::read_to_string(corpus.join("EXPECTED.tsv")).expect("the table");
    let mut sets: BTreeMap<&str, Schemas> = BTreeMap::new();
    let mut random = Seeded(0x5eed);
    let (mut compared, mut verdicts, mut findings) = (0, Vec::new(), 0);
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, schema, _] = columns[..3] else { panic!("{row}") };
        let schemas = sets.entry(schema).or_insert_with(|| {
            let catalog = corpus.join("catalog.xml");
            Schemas::load_single(&corpus.join(schema), Some(&catalog)).expect("loads")
        });
        if let Some(why) = &schemas.facts().by_library {
            println!("{schema}: {why}");
        }
        let Ok(message) = fs::read_to_string(corpus.join(file)) else { continue };
        let mut changed = message.clone();
        for round in 0..=rounds {
            let (ours, theirs) = (
                schemas.check(changed.as_bytes(), &Limits::default(), &|| false),
                schemas.check_by_library(changed.as_bytes(), &Limits::default(), &|| false),
            );
            compared += 1;
            if ours.verdict != theirs.verdict {
                verdicts.push(format!(
                    "{file} round {round}: {:?} {:#?}\nlibrary {:?} {:#?}",
                    ours.verdict, ours.findings, theirs.verdict, theirs.findings
                ));
            } else if told(&ours) != told(&theirs) {
                findings += 1;
                if std::env::var_os("AMTSBOTE_SHOW").is_some() {
                    let (a, b) = (told(&ours), told(&theirs));
                    println!(
                        "{file} {round}: ours {:?} library {:?}",
                        a.difference(&b),
                        b.difference(&a)
                    );
                }
            }
            changed = accident(&message, &mut random);
        }
    }
    println!(
        "{compared} documents, {} verdicts differ, {findings} differ in findings",
        verdicts.len()
    );
    assert!(verdicts.is_empty(), "{}", verdicts.join("\n"));
}
