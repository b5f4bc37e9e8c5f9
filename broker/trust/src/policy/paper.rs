//! The table in `docs/crypto-policy.md` is what the built-in policy says.
//!
//! `AMTSBOTE_BLESS=1 cargo test -p amtsbote-trust policy::paper` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

const BEGIN: &str = "<!-- begin: written by a test, see above -->\n";
const END: &str = "<!-- end -->\n";

/// The part of the page between the two marks.
fn table(policy: &AlgorithmPolicy) -> String {
    let mut page = format!(
        "\nPolicy: {}, edition {}.\n\n### What is listed\n\n\
         | purpose | kinds of keys | algorithms |\n|---|---|---|\n",
        policy.name(),
        policy.edition()
    );
    for purpose in Purpose::ALL {
        let keys: Vec<_> = policy.keys(*purpose).iter().map(|kind| kind.name()).collect();
        let algorithms: Vec<_> = policy.algorithms(*purpose).iter().map(|a| a.name()).collect();
        let or_none = |words: Vec<&str>| match words[..] {
            [] => "–".to_owned(),
            _ => words.join(", "),
        };
        let row = (purpose.name(), or_none(keys), or_none(algorithms));
        writeln!(page, "| {} | {} | {} |", row.0, row.1, row.2).expect("a string takes it");
    }
    page.push_str("\n### Rules\n");
    for rule in policy.rules() {
        let algorithms = rule.algorithms.iter().map(|algorithm| algorithm.name().to_owned());
        let keys = rule.keys.iter().map(|kind| match rule.below_bits {
            Some(bits) => format!("{} keys below {bits} bits", kind.name()),
            None => format!("{} keys", kind.name()),
        });
        let about: Vec<String> = algorithms.chain(keys).collect();
        let purposes: Vec<&str> = rule.purposes.iter().map(|purpose| purpose.name()).collect();
        write!(
            page,
            "\n#### {}\n\n| about | for | warned | refused | legacy profile | after |\n\
             |---|---|---|---|---|---|\n| {} | {} | {} | {} | {} | {} |\n\n- en: {}\n- de: {}\n",
            rule.id,
            about.join(", "),
            purposes.join(", "),
            since(rule.warn),
            since(rule.refuse),
            if rule.legacy { "warned instead of refused" } else { "the same" },
            rule.clause,
            rule.reason(Language::En),
            rule.reason(Language::De),
        )
        .expect("a string takes it");
    }
    page.push('\n');
    page
}

fn since(since: Option<Since>) -> String {
    match since {
        None => "–".to_owned(),
        Some(Since::Ever) => "always".to_owned(),
        Some(Since::From(at)) => {
            let local = at.in_tz("Europe/Berlin").expect("a time zone");
            local.strftime("from %Y-%m-%d").to_string()
        }
    }
}

fn written(stored: &str, table: &str) -> String {
    let (before, rest) = stored.split_once(BEGIN).expect("the page has its first mark");
    let (_, after) = rest.split_once(END).expect("the page has its second mark");
    format!("{before}{BEGIN}{table}{END}{after}")
}

#[test]
fn the_page_says_what_the_policy_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/crypto-policy.md");
    let stored = fs::read_to_string(&path).expect("docs/crypto-policy.md is there");
    let page = written(&stored, &table(&AlgorithmPolicy::built_in()));
    if std::env::var_os("AMTSBOTE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &page).expect("docs/ is writable");
        return;
    }
    assert!(
        stored == page,
        "docs/crypto-policy.md is not what tr-02102.toml says; write it anew with \
         AMTSBOTE_BLESS=1 cargo test -p amtsbote-trust policy::paper"
    );
}

#[test]
fn another_policy_makes_another_page() {
    let other = BUILT_IN.replacen("below_bits = 3000", "below_bits = 3001", 1);
    let other = AlgorithmPolicy::read(&other).expect("a policy");
    assert_ne!(table(&other), table(&AlgorithmPolicy::built_in()));
}

#[test]
fn every_key_of_the_file_is_explained() {
    let page = include_str!("../../../../docs/crypto-policy.md");
    for key in [POLICY_KEYS, ALLOW_KEYS, RULE_KEYS].concat() {
        assert!(
            page.contains(&format!("`{key}`")) || page.contains(&format!("`[[{key}]]`")),
            "{key}"
        );
    }
}
