//! Our own packs: every sample judged as its name says (what others say of them: `agreement.rs`);
//! switch dates; code lists. That no value comes out is in `canary.rs`.

#[path = "support/own.rs"]
mod own;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use amtsbote_schemas::genericode::CodeList;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, MAX_FINDINGS, Verdict};
use amtsbote_schemas::xml::Limits;
use own::{ARRIVAL, VERSIONS, at, check, folder, load};

fn samples(version: &str, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(version).join("samples").join(kind)).expect("samples");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        files.filter(|p| p.extension().is_some_and(|e| e == "xml")).collect();
    files.sort();
    files
}

fn sample(version: &str, name: &str) -> String {
    fs::read_to_string(folder(version).join("samples/valid").join(name)).expect("a sample")
}

#[test]
fn valid_samples_are_valid() {
    let packs = load();
    for version in VERSIONS {
        let files = samples(version, "valid");
        assert!(files.len() >= 4, "{version}: {}", files.len());
        for file in files {
            let checked = check(&packs, &fs::read(&file).expect("read"), ARRIVAL);
            assert_eq!(checked.verdict, Verdict::Valid, "{file:?}: {:?}", checked.findings);
            assert_eq!(checked.standard.as_deref(), Some("XUmmeldung"));
            assert_eq!(checked.version.as_deref(), Some(version));
            assert!(checked.findings.is_empty() && checked.header.is_some(), "{file:?}");
        }
    }
}

#[test]
fn each_invalid_sample_has_the_one_finding_its_table_says() {
    let packs = load();
    for version in VERSIONS {
        let table = folder(version).join("samples/expected.tsv");
        let table = fs::read_to_string(table).expect("the table");
        let mut named = BTreeSet::new();
        for row in table.lines().filter(|row| !row.starts_with('#')) {
            let [name, code, line] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{row}");
            };
            named.insert(name.to_owned());
            let file = folder(version).join("samples/invalid").join(name);
            let checked = check(&packs, &fs::read(file).expect("read"), ARRIVAL);
            assert_eq!(checked.verdict, Verdict::Invalid, "{version} {name}");
            let found: Vec<_> =
                checked.findings.iter().map(|f| (f.code, f.line.to_string())).collect();
            assert_eq!(
                found,
                [(code, line.to_owned())],
                "{version} {name}: {:?}",
                checked.findings
            );
        }
        let present: BTreeSet<_> = samples(version, "invalid")
            .iter()
            .map(|file| file.file_name().expect("a name").to_string_lossy().into_owned())
            .collect();
        assert_eq!(named, present, "{version}: table and folder");
        assert!(present.len() >= 8);
    }
}

/// A pack in a folder of its own.
fn copy(version: &str) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().expect("a folder");
    let (from, pack) = (folder(version), scratch.path().join("pack"));
    fs::create_dir_all(pack.join("codelists")).expect("a folder");
    for part in ["", "codelists"] {
        for entry in fs::read_dir(from.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                fs::copy(&path, pack.join(part).join(name)).expect("copied");
            }
        }
    }
    scratch
}

/// A version and its lists end together: then it is the version that a late message gets wrong.
#[test]
fn a_version_that_is_over_is_said_and_not_that_its_lists_are() {
    let scratch = copy("1.0");
    let file = scratch.path().join("pack/pack.toml");
    let text = fs::read_to_string(&file).expect("a manifest");
    let list = "\"codelists/nachrichtentyp_1.xml\"";
    let ends = |day: &str| {
        let entry = format!("{{ file = {list}, valid_until = {day} }}");
        assert!(text.contains(list));
        fs::write(&file, text.replace(list, &entry)).expect("written");
        PackSet::load(scratch.path()).expect("it loads")
    };
    let late = sample("1.0", "antwort.xml")
        .replace("2026-10-26T09:14:03.127+01:00", "2027-05-02T09:14:03.127+02:00");
    let codes = |checked: &Checked| checked.findings.iter().map(|f| f.code).collect::<Vec<_>>();
    let checked = check(&ends("2027-04-30"), late.as_bytes(), "2027-05-02T09:00:00Z");
    assert_eq!(checked.verdict, Verdict::NotInForce, "{:?}", checked.findings);
    assert_eq!(codes(&checked), ["standard-not-in-force"]);
    let message = sample("1.0", "antwort.xml");
    let checked = check(&ends("2026-10-01"), message.as_bytes(), ARRIVAL);
    assert_eq!(checked.verdict, Verdict::Invalid);
    assert_eq!(codes(&checked), ["codelist-version-not-in-force"]);
}

/// Not every standard demands that the header names the type of the root element, and real messages
/// do otherwise: without `type_agrees` such a message is valid.
#[test]
fn the_type_in_the_header_counts_only_where_the_pack_says_so() {
    let scratch = copy("1.1");
    let (from, pack) = (folder("1.1"), scratch.path().join("pack"));
    let manifest = fs::read_to_string(pack.join("pack.toml")).expect("a manifest");
    assert!(manifest.contains("type_agrees = true\n"));
    fs::write(pack.join("pack.toml"), manifest.replace("type_agrees = true\n", ""))
        .expect("written");
    let packs = PackSet::load(scratch.path()).expect("it loads");
    let sample = from.join("samples/invalid/nachrichtentyp-widerspricht.xml");
    let message = fs::read(sample).expect("a sample");
    assert_eq!(check(&load(), &message, ARRIVAL).verdict, Verdict::Invalid);
    let checked = check(&packs, &message, ARRIVAL);
    assert_eq!(checked.verdict, Verdict::Valid, "{:?}", checked.findings);
}

#[test]
fn the_message_selects_the_version_and_the_clock_says_whether_it_is_in_force() {
    let packs = load();
    let verdict = |version: &str, created: &str, arrival: &str| {
        let text = sample(version, "antwort.xml");
        let old = if version == "1.0" {
            "2026-10-26T09:14:03.127+01:00"
        } else {
            "2026-11-16T10:41:55.902+01:00"
        };
        assert!(text.contains(old), "the sample says when it was made");
        let checked = check(&packs, text.replace(old, created).as_bytes(), arrival);
        let codes: Vec<_> = checked.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(
            codes.contains(&"standard-not-in-force"),
            checked.verdict == Verdict::NotInForce
        );
        checked.verdict
    };
    // Both are in force in November 2026.
    assert_eq!(
        verdict("1.0", "2026-11-20T10:00:00.000+01:00", "2026-11-20T10:00:00Z"),
        Verdict::Valid
    );
    assert_eq!(
        verdict("1.1", "2026-11-20T10:00:00.000+01:00", "2026-11-20T10:00:00Z"),
        Verdict::Valid
    );
    // 1.1 begins at 00:00 in Germany, which is 23:00 UTC of the day before.
    assert_eq!(
        verdict("1.1", "2026-10-31T23:59:59.999+01:00", "2026-11-01T09:00:00Z"),
        Verdict::NotInForce
    );
    assert_eq!(
        verdict("1.1", "2026-11-01T00:00:00.000+01:00", "2026-11-01T09:00:00Z"),
        Verdict::Valid
    );
    // 1.0 ends with 30 April 2027; within 14 days the message's own date decides.
    assert_eq!(
        verdict("1.0", "2027-04-30T23:59:59.999+02:00", "2027-05-14T08:00:00Z"),
        Verdict::Valid
    );
    assert_eq!(
        verdict("1.0", "2027-05-01T00:00:00.000+02:00", "2027-05-01T08:00:00Z"),
        Verdict::NotInForce
    );
    // Beyond the window, and for a date well ahead of the clock, the arrival decides.
    assert_eq!(
        verdict("1.0", "2027-04-30T12:00:00.000+02:00", "2027-05-15T08:00:00Z"),
        Verdict::NotInForce
    );
    assert_eq!(
        verdict("1.1", "2026-11-05T12:00:00.000+01:00", "2026-10-30T08:00:00Z"),
        Verdict::NotInForce
    );
    assert_eq!(
        verdict("1.1", "1999-01-01T00:00:00.000+01:00", "2026-12-01T08:00:00Z"),
        Verdict::Valid
    );
}

#[test]
fn what_no_pack_knows_is_unknown_and_what_is_no_xml_is_not_well_formed() {
    let packs = load();
    let one = |message: &str| {
        let checked = check(&packs, message.as_bytes(), ARRIVAL);
        assert_eq!(checked.findings.len(), 1, "{:?}", checked.findings);
        (checked.verdict, checked.findings[0].code, checked.standard.is_some())
    };
    assert_eq!(one("<a/>"), (Verdict::UnknownStandard, "standard-unknown", false));
    assert_eq!(
        one("<a xmlns='urn:amtsbote:standard:xummeldung:1.0'/>"),
        (Verdict::Invalid, "message-type-unknown", true)
    );
    assert_eq!(one("<a><b></a>").0, Verdict::NotWellFormed);
    assert_eq!(one("").0, Verdict::NotWellFormed);
    let broken = sample("1.1", "antwort.xml").replace("</um:ummeldung.antwort.0101>", "");
    assert_eq!(one(&broken), (Verdict::NotWellFormed, "unclosed-element", true));
    let dtd = sample("1.1", "antwort.xml").replacen("<um:", "<!DOCTYPE a><um:", 1);
    assert_eq!(one(&dtd).0, Verdict::NotWellFormed);
}

#[test]
fn findings_end_at_their_limit() {
    let packs = load();
    let (valid, invalid) = (sample("1.1", "rueckweisung.xml"), "<stelle>\u{1F426}</stelle>");
    let place = valid.find("  <stelle>").expect("a place");
    let message = format!("{}{}{}", &valid[..place], invalid.repeat(99), &valid[place..]);
    let checked = check(&packs, message.as_bytes(), ARRIVAL);
    assert_eq!((checked.findings.len(), checked.truncated), (99, false));
    let many = "<grund><code>x</code></grund>".repeat(50) + &invalid.repeat(99);
    let place = valid.find("  <grund>").expect("a place");
    let end = valid.find("  <stelle>").expect("a place");
    let message = format!("{}{many}{}", &valid[..place], &valid[end..]);
    let checked = check(&packs, message.as_bytes(), ARRIVAL);
    assert_eq!((checked.findings.len(), checked.truncated), (MAX_FINDINGS, true));
    // That the version is over is said whatever else is wrong, and first.
    let message = message.replace("xummeldung:1.1", "xummeldung:1.0");
    let checked = check(&packs, message.as_bytes(), "2027-06-01T08:00:00Z");
    assert_eq!((checked.findings.len(), checked.truncated), (MAX_FINDINGS, true));
    assert_eq!(checked.findings[0].code, "standard-not-in-force");
}

#[test]
fn time_that_is_over_ends_the_check() {
    let packs = load();
    let message = sample("1.0", "mitteilung-familie.xml");
    let checked = packs.check(message.as_bytes(), at(ARRIVAL), &Limits::default(), &|| true);
    assert_eq!(checked.verdict, Verdict::Error);
    assert_eq!(checked.findings[0].code, "validation-gave-up");
    // The packs are as good as before.
    assert_eq!(check(&packs, message.as_bytes(), ARRIVAL).verdict, Verdict::Valid);
}

#[test]
fn many_threads_share_the_packs() {
    let packs = load();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let packs = &packs;
            scope.spawn(move || {
                for version in VERSIONS {
                    let kind = if thread % 2 == 0 { "valid" } else { "invalid" };
                    for file in samples(version, kind) {
                        let checked = check(packs, &fs::read(file).expect("read"), ARRIVAL);
                        assert_eq!(checked.verdict == Verdict::Valid, thread % 2 == 0);
                    }
                }
            });
        }
    });
}

#[test]
fn code_lists_and_schemas_say_the_same() {
    let packs = load();
    let mut lists = 0;
    for version in VERSIONS {
        let codes = fs::read_to_string(folder(version).join("ummeldung-codes.xsd")).expect("codes");
        for entry in fs::read_dir(folder(version).join("codelists")).expect("lists") {
            let list = CodeList::load(&entry.expect("an entry").path()).expect("a list");
            let (_, rest) = codes
                .split_once(&format!("<xs:simpleType name=\"Codes.{}\">", list.short_name))
                .unwrap_or_else(|| panic!("no type for {}", list.short_name));
            let (body, rest) = rest.split_once("</xs:simpleType>").expect("an end");
            let in_schema: Vec<&str> = body
                .split("<xs:enumeration value=\"")
                .skip(1)
                .map(|part| part.split('"').next().unwrap_or_default())
                .collect();
            assert_eq!(list.codes().collect::<Vec<_>>(), in_schema, "{}", list.short_name);
            let (fixed, _) = rest.split_once("</xs:complexType>").expect("an end");
            assert!(fixed.contains(&format!("fixed=\"{}\"", list.canonical_uri)));
            assert!(fixed.contains(&format!(
                "name=\"listVersionID\" type=\"xs:normalizedString\" fixed=\"{}\"",
                list.version
            )));
            assert!(packs.code_list(&list.canonical_uri, &list.version).is_some());
            lists += 1;
        }
    }
    assert_eq!(lists, 14);
}

#[test]
fn the_packs_say_what_they_are() {
    let mut list = load().list();
    list.retain(|pack| pack.standard == "XUmmeldung");
    let line = |index: usize| {
        let pack = &list[index];
        (
            pack.standard.as_str(),
            pack.version.as_str(),
            pack.days.valid_from.to_string(),
            pack.days.valid_until.map(|day| day.to_string()),
            pack.messages.len(),
            pack.code_lists.len(),
        )
    };
    assert_eq!(
        line(0),
        ("XUmmeldung", "1.0", "2024-11-01".into(), Some("2027-04-30".into()), 3, 7)
    );
    assert_eq!(line(1), ("XUmmeldung", "1.1", "2026-11-01".into(), None, 3, 7));
    let json = serde_json::to_value(&list[1]).expect("json");
    assert_eq!(json["valid_from"], "2026-11-01");
    assert_eq!(json["messages"][0]["type"], "0100");
}

#[test]
fn any_change_of_a_message_is_answered() {
    use proptest::prelude::*;
    let packs = load();
    let message = sample("1.1", "mitteilung-familie.xml").into_bytes();
    let places = (0..message.len(), 0..message.len(), any::<Vec<u8>>());
    proptest!(ProptestConfig::with_cases(200), |((from, length, with) in places)| {
        let mut changed = message.clone();
        let until = (from + length % 40).min(changed.len());
        changed.splice(from..until, with);
        let checked = check(&packs, &changed, ARRIVAL);
        prop_assert!(checked.verdict != Verdict::Error);
        prop_assert_eq!(checked.verdict == Verdict::Valid, checked.findings.is_empty());
    });
}
