//! Which pack a message is for, where several have its root: by a place in the message, by the
//! element that only one kind of message has, else by the date.

use std::fs;
use std::path::Path;

use amtsbote_schemas::pack::{PackFault, PackSet};
use amtsbote_schemas::validate::{Checked, Verdict};
use amtsbote_schemas::xml::Limits;
use tempfile::TempDir;

/// A message of any content whose schema has one element of its own, `only`.
fn schema(only: &str) -> String {
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'
        elementFormDefault='qualified'><xs:element name='m'><xs:complexType><xs:sequence>
        <xs:any minOccurs='0' maxOccurs='unbounded' namespace='##other' processContents='skip'/>
        <xs:element name='head' minOccurs='0'><xs:complexType><xs:sequence>
        <xs:element name='id' type='xs:string' minOccurs='0'/></xs:sequence>
        <xs:attribute name='v' type='xs:string'/></xs:complexType></xs:element>
        <xs:element name='{only}' minOccurs='0'/></xs:sequence>
        <xs:attribute name='version' type='xs:string'/></xs:complexType></xs:element></xs:schema>"
    )
}

const MESSAGE: &str = "[[message]]\nroot = \"m\"\ntype = \"1\"\nname = \"m\"\n";

/// A folder of packs: standard, version, days and what else `pack.toml` says.
fn packs(packs: &[(&str, &str, &str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, (standard, version, days, more)) in packs.iter().enumerate() {
        let pack = folder.path().join(format!("p{index}"));
        fs::create_dir(&pack).expect("made");
        let manifest = format!(
            "standard = \"{standard}\"\nversion = \"{version}\"\n{days}\ndecided_by = \"arrived\"\n\
             header = \"none\"\nentry = [\"s.xsd\"]\nnamespace = \"urn:t\"\n{more}\n{MESSAGE}"
        );
        fs::write(pack.join("pack.toml"), manifest).expect("written");
        let only = format!("only{}", version.replace('.', "_"));
        fs::write(pack.join("s.xsd"), schema(&only)).expect("written");
    }
    folder
}

fn check(folder: &Path, message: &str, arrival: &str) -> Checked {
    let packs = PackSet::load(folder).expect("they load");
    let arrival = format!("{arrival}T12:00:00Z").parse().expect("an instant");
    packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false)
}

/// Version, verdict, first finding.
fn told(folder: &TempDir, inside: &str, arrival: &str) -> (String, Verdict, &'static str) {
    let message = format!("<m xmlns='urn:t'{inside}</m>");
    let checked = check(folder.path(), &message, arrival);
    let code = checked.findings.first().map_or("", |finding| finding.code);
    (checked.version.unwrap_or_default(), checked.verdict, code)
}

fn of(version: &str) -> (String, Verdict, &'static str) {
    (version.to_owned(), Verdict::Valid, "")
}

const NOBODY: &str = "";
const EVER: &str = "valid_from = 2026-01-01";

#[test]
fn an_attribute_in_the_header_tells_versions() {
    let at = "version_at = \"head/@v\"";
    let folder = packs(&[("T", "1.0", EVER, at), ("T", "1.1", EVER, at)]);
    let day = "2026-06-01";
    assert_eq!(told(&folder, "><head v='1.0'/><only1_0/>", day), of("1.0"));
    assert_eq!(told(&folder, "><head v='1.1'/><only1_1/>", day), of("1.1"));
    // The schema of that version is the one that judges.
    assert_eq!(told(&folder, "><head v='1.0'/><only1_1/>", day).1, Verdict::Invalid);
    let unknown = (NOBODY.to_owned(), Verdict::UnknownStandard, "version-unknown");
    assert_eq!(told(&folder, "><head v='2.0'/>", day), unknown);
    // What is deeper, or said of the root, counts for nothing.
    let unclear = (NOBODY.to_owned(), Verdict::Invalid, "version-unclear");
    let deep = "><x xmlns='urn:x'><head v='1.0'/></x><head/>";
    assert_eq!(told(&folder, deep, day), unclear);
    assert_eq!(told(&folder, " version='1.0'><head/>", day), unclear);
}

#[test]
fn a_named_place_counts_where_one_version_is_there_and_the_root_attribute_does_not() {
    let named = packs(&[("T", "1.0", EVER, "version_at = \"head/@v\"")]);
    let unknown = (NOBODY.to_owned(), Verdict::UnknownStandard, "version-unknown");
    assert_eq!(told(&named, "><head v='2'/>", "2026-06-01"), unknown);
    assert_eq!(told(&named, "><head/>", "2026-06-01"), of("1.0"));
    let silent = packs(&[("T", "1.0", EVER, "")]);
    assert_eq!(told(&silent, " version='2'>", "2026-06-01"), of("1.0"));
}

#[test]
fn what_a_message_names_goes_before_what_names_nothing() {
    // As an invoice of UBL and one of a national specification of it.
    let at = "version_at = \"head/id\"\nversion_is = [\"urn:spec:3.0\", \"urn:spec:3.0#x\"]";
    let folder = packs(&[("Base", "2.1", EVER, ""), ("Spec", "3.0", EVER, at)]);
    let day = "2026-06-01";
    assert_eq!(told(&folder, "><head><id> urn:spec:3.0#x </id></head><only3_0/>", day), of("3.0"));
    assert_eq!(told(&folder, "><head><id>urn:other</id></head><only2_1/>", day), of("2.1"));
    // Where it says nothing at all, it may be either.
    assert_eq!(told(&folder, "><head/>", day).2, "version-unclear");
}

#[test]
fn where_nothing_tells_versions_apart_the_date_does() {
    let folder = packs(&[
        ("T", "1.0", "valid_from = 2026-01-01\nvalid_until = 2026-06-30", ""),
        ("T", "1.1", "valid_from = 2026-05-01", ""),
    ]);
    assert_eq!(told(&folder, "><only1_0/>", "2026-04-30"), of("1.0"));
    assert_eq!(told(&folder, "><only1_1/>", "2026-07-01"), of("1.1"));
    // In the overlap the message must say it, and can.
    let unclear = (NOBODY.to_owned(), Verdict::Invalid, "version-unclear");
    assert_eq!(told(&folder, ">", "2026-05-02"), unclear);
    assert_eq!(told(&folder, " version='1.0'>", "2026-05-02"), of("1.0"));
    assert_eq!(told(&folder, " version='1.1'>", "2026-05-02"), of("1.1"));
    // A late old one gets the reason that helps; so does one from before all of them.
    let late = ("1.0".to_owned(), Verdict::NotInForce, "standard-not-in-force");
    assert_eq!(told(&folder, " version='1.0'>", "2026-07-01"), late);
    let early = (NOBODY.to_owned(), Verdict::NotInForce, "standard-not-in-force");
    assert_eq!(told(&folder, ">", "2025-12-31"), early);
}

#[test]
fn the_date_in_the_header_counts_within_its_window() {
    let created = "decided_by = \"created\"\nwindow_days = 14\nheader = \"g2g-unqualified\"";
    let folder = packs(&[
        ("T", "1.0", "valid_from = 2026-01-01\nvalid_until = 2026-04-30", ""),
        ("T", "1.1", "valid_from = 2026-05-01", ""),
    ]);
    for pack in ["p0", "p1"] {
        let file = folder.path().join(pack).join("pack.toml");
        let text = fs::read_to_string(&file).expect("there");
        let old = "decided_by = \"arrived\"\nheader = \"none\"";
        assert!(text.contains(old));
        fs::write(&file, text.replace(old, created)).expect("written");
    }
    let message = |day: &str| {
        format!(
            "><h:nachrichtenkopf.g2g xmlns:h='http://xoev.de/schemata/basisnachricht/g2g/1_1'>\
             <identifikation.nachricht xmlns=''><erstellungszeitpunkt>{day}T10:00:00.000+02:00\
             </erstellungszeitpunkt></identifikation.nachricht></h:nachrichtenkopf.g2g>"
        )
    };
    assert_eq!(told(&folder, &message("2026-04-30"), "2026-05-05"), of("1.0"));
    assert_eq!(told(&folder, &message("2026-05-01"), "2026-05-05"), of("1.1"));
    assert_eq!(told(&folder, &message("2026-04-10"), "2026-05-05"), of("1.1"), "out of the window");
    // Every form of xs:dateTime counts; without a zone it is the time in Germany.
    for (created, version) in [
        ("2026-04-30T10:00:00", "1.0"),
        ("2026-04-30T23:59:59.5", "1.0"),
        ("2026-05-01T00:00:00", "1.1"),
        ("2026-04-30T24:00:00", "1.1"),
        ("2026-04-29T24:00:00Z", "1.0"),
        ("2026-04-30T10:00:00.1234567890+02:00", "1.0"),
        (" 2026-04-30T23:59:59.9999999999+02:00\n", "1.0"),
    ] {
        let message = message("@").replace("@T10:00:00.000+02:00", created);
        assert_eq!(told(&folder, &message, "2026-05-05"), of(version), "{created:?}");
    }
}

#[test]
fn a_message_that_hides_its_version_behind_much_else_follows_none() {
    let until = "valid_from = 2026-01-01\nvalid_until = 2026-04-30";
    let folder = packs(&[("T", "1", until, ""), ("T", "2", "valid_from = 2026-05-01", "")]);
    let behind = |version: &str, bytes: usize| {
        let comment = "x".repeat(bytes);
        let message = format!("<!--{comment}--><m xmlns='urn:t' version='{version}'/>");
        let checked = check(folder.path(), &message, "2026-06-01");
        let text = checked.findings.first().map_or("", |finding| &finding.message_en).to_owned();
        (checked.verdict, checked.findings.first().map_or("", |finding| finding.code), text)
    };
    assert_eq!(behind("2", 200 << 10).0, Verdict::Valid);
    assert_eq!(behind("1", 200 << 10).1, "standard-not-in-force");
    for version in ["1", "2", "9"] {
        let (verdict, code, text) = behind(version, 300 << 10);
        assert_eq!((verdict, code), (Verdict::Invalid, "version-unclear"), "{version}");
        assert!(text.contains("256 KiB") && text.contains("@version"), "{text}");
    }
    // So it is where one version is there and names the place itself.
    let named = packs(&[("T", "1.0", EVER, "version_at = \"head/@v\"")]);
    let far = |more: &str| format!("><x xmlns='urn:x'>{}</x>{more}", "x".repeat(300 << 10));
    let unclear = (NOBODY.to_owned(), Verdict::Invalid, "version-unclear");
    assert_eq!(told(&named, &far("<head v='2'/>"), "2026-06-01"), unclear);
    assert_eq!(told(&named, &far("<head/>"), "2026-06-01"), unclear);
    // What was said near enough counts, though another place may come.
    let both = [("A", "1", EVER, ""), ("B", "2", EVER, "version_at = \"head/@v\"")];
    let both = packs(&both);
    let early = format!(" version='1'{}", far(""));
    assert_eq!(told(&both, &early, "2026-06-01"), of("1"));
}

#[test]
fn what_is_unknown_is_told_with_what_there_is_and_what_to_do() {
    let at = "version_at = \"head/@v\"";
    let texts = |folder: &TempDir, inside: &str| {
        let message = format!("<m xmlns='urn:t'{inside}</m>");
        let checked = check(folder.path(), &message, "2026-06-01");
        let finding = checked.findings.first().expect("a finding").clone();
        assert!(!format!("{finding:?}").contains("7.7"), "no value of the message");
        (finding.message_de, finding.message_en)
    };
    let (de, en) =
        texts(&packs(&[("T", "1.0", EVER, at), ("T", "1.1", EVER, at)]), "><head v='7.7'/>");
    assert!(
        de.contains("unterhalb des Wurzelelements: head/@v") && de.contains("T 1.0, T 1.1"),
        "{de}"
    );
    assert!(en.contains("below the root element: head/@v") && en.contains("T 1.0, T 1.1"), "{en}");
    let root = packs(&[("T", "1.0", EVER, ""), ("T", "1.1", EVER, "")]);
    let (de, en) = texts(&root, " version='7.7'>");
    assert!(de.contains("am Wurzelelement: @version") && !de.contains("unterhalb"), "{de}");
    assert!(en.contains("at the root element: @version") && en.contains("T 1.0, T 1.1"), "{en}");
    assert!(de.contains("einrichten lassen") && en.contains("set up"), "{de} {en}");
}

#[test]
fn only_the_beginning_is_looked_at() {
    let at = "version_at = \"head/@v\"";
    let folder = packs(&[("T", "1.0", EVER, at), ("T", "1.1", EVER, at)]);
    let far = |bytes: usize| {
        let far = format!("><x xmlns='urn:x'>{}</x><head v='1.1'/>", "x".repeat(bytes));
        told(&folder, &far, "2026-06-01")
    };
    assert_eq!(far(255 << 10), of("1.1"));
    assert_eq!(far(257 << 10).2, "version-unclear");
    // What is no XML is said once, whatever was looked for.
    let checked = check(folder.path(), "<m xmlns='urn:t'><head v='1.0'/>", "2026-06-01");
    assert_eq!(checked.verdict, Verdict::NotWellFormed);
    assert_eq!(checked.findings.len(), 1);
}

#[test]
fn packs_that_no_message_can_be_told_by_are_refused() {
    let clash = |packs_: &[(&str, &str, &str, &str)]| {
        let folder = packs(packs_);
        PackSet::load(folder.path()).map(|_| ()).map_err(|error| match *error.cause {
            PackFault::Ambiguous(other) => other,
            other => other.to_string(),
        })
    };
    let at = "version_at = \"head/@v\"\nversion_is = [\"x\"]";
    let twice = [("A", "1", EVER, at), ("B", "2", EVER, at)];
    assert_eq!(clash(&twice), Err("p0".to_owned()));
    assert_eq!(clash(&[("A", "1", EVER, ""), ("B", "1", EVER, "")]), Err("p0".to_owned()));
    let apart = "valid_from = 2026-01-01\nvalid_until = 2026-04-30";
    assert_eq!(clash(&[("A", "1", apart, at), ("B", "2", "valid_from = 2026-05-01", at)]), Ok(()));
    // A message may carry the marks of both places; if it does, it is refused as unclear.
    let elsewhere = [("A", "1", EVER, at), ("B", "1", EVER, "")];
    assert_eq!(clash(&elsewhere), Ok(()));
    let both = told(&packs(&elsewhere), " version='1'><head v='x'/>", "2026-06-01");
    assert_eq!(both, (NOBODY.to_owned(), Verdict::Invalid, "version-unclear"));
    // One whose messages have a place of their own, and one that takes any of that root.
    let own = packs(&[("A", "1", EVER, ""), ("B", "1", EVER, "")]);
    let file = own.path().join("p1/pack.toml");
    let text = fs::read_to_string(&file).expect("there") + "known_by = \"only1\"\n";
    fs::write(&file, text).expect("written");
    let error = PackSet::load(own.path()).expect_err("refused");
    assert!(matches!(&*error.cause, PackFault::Ambiguous(other) if other == "p0"), "{error}");
    assert!(error.german().starts_with("Paket p1: Seine Nachrichten"), "{}", error.german());
}

#[test]
fn messages_with_one_root_have_sets_of_their_own() {
    let folder = packs(&[("T", "1.0", EVER, "")]);
    let pack = folder.path().join("p0");
    let message = |kind: &str| {
        format!(
            "[[message]]\nroot = \"m\"\ntype = \"{kind}\"\nname = \"{kind}\"\n\
             known_by = \"only{kind}\"\nentry = [\"{kind}.xsd\"]\n"
        )
    };
    let text = fs::read_to_string(pack.join("pack.toml")).expect("there");
    let text = text.replace("entry = [\"s.xsd\"]\n", "").replace(MESSAGE, "");
    fs::write(pack.join("pack.toml"), format!("{text}{}{}", message("A"), message("B")))
        .expect("written");
    for kind in ["A", "B"] {
        fs::write(pack.join(format!("{kind}.xsd")), schema(&format!("only{kind}")))
            .expect("written");
    }
    let kind = |inside: &str| {
        let message = format!("<m xmlns='urn:t'>{inside}</m>");
        let checked = check(folder.path(), &message, "2026-06-01");
        let code = checked.findings.first().map_or("", |finding| finding.code);
        (checked.message_type.unwrap_or_default(), checked.verdict, code)
    };
    let valid = |kind: &str| (kind.to_owned(), Verdict::Valid, "");
    assert_eq!(kind("<head/><onlyA/>"), valid("A"));
    assert_eq!(kind("<head/><onlyB/>"), valid("B"));
    // The first decides; the other is then one too many.
    let both = kind("<onlyB/><onlyA/>");
    assert_eq!((&*both.0, both.1), ("B", Verdict::Invalid));
    let none = (String::new(), Verdict::Invalid, "message-type-unknown");
    assert_eq!(kind("<head/>"), none);
    let list = PackSet::load(folder.path()).expect("it loads").list();
    assert_eq!((list[0].sets, &*list[0].entry), (2, &["A.xsd".to_owned(), "B.xsd".to_owned()][..]));
}
