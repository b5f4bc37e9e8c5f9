//! The pack of the hub's own notices: every sample judged as its name says. What the hub writes is held
//! against it in `amtsbote-wire`.

#[path = "support/own.rs"]
#[allow(dead_code, reason = "shared with the tests of XUmmeldung")]
mod own;

use std::collections::BTreeSet;
use std::fs;

use amtsbote_schemas::validate::Verdict;
use own::{ARRIVAL, check, load, packs};

#[test]
fn samples_are_judged_as_their_table_says() {
    let (all, samples) = (load(), packs().join("amtsbote-notice-1/samples"));
    let files = |kind: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(samples.join(kind)).expect("samples");
        entries.map(|one| one.expect("an entry").file_name().to_string_lossy().into()).collect()
    };
    let judged = |kind: &str, name: &str| {
        let octets = fs::read(samples.join(kind).join(name)).expect("a sample");
        check(&all, &octets, ARRIVAL)
    };
    for name in files("valid") {
        let checked = judged("valid", &name);
        assert_eq!(checked.verdict, Verdict::Valid, "{name}: {:?}", checked.findings);
    }
    let table = fs::read_to_string(samples.join("expected.tsv")).expect("the table");
    let mut named = BTreeSet::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let [name, code, line] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        named.insert(name.to_owned());
        let checked = judged("invalid", name);
        let found: Vec<_> =
            checked.findings.iter().map(|one| (one.code, one.line.to_string())).collect();
        assert_eq!(found, [(code, line.to_owned())], "{name}: {:?}", checked.findings);
    }
    assert_eq!(named, files("invalid"), "table and folder");
    assert!(named.len() >= 2);
}
