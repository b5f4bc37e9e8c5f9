//! Rule files of a pack: asked when the schemas are content, and part of the verdict.

use std::fs;
use std::path::Path;

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Severity, Verdict};
use amtsbote_schemas::xml::Limits;
use tempfile::TempDir;

const SCHEMA: &str =
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'
    elementFormDefault='qualified'><xs:element name='m'><xs:complexType><xs:sequence>
    <xs:element name='von' type='xs:date'/><xs:element name='bis' type='xs:date'/>
    <xs:element name='grund' type='xs:string' minOccurs='0'/>
    </xs:sequence></xs:complexType></xs:element></xs:schema>";
const RULES: &str = "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'>
    <ns prefix='t' uri='urn:t'/><pattern><rule context='t:m'>
    <assert id='R1' test='xs:date(t:von) le xs:date(t:bis)'>Von liegt vor bis.</assert>
    <assert id='R2' role='warning' test='t:grund'>Ein Grund ist üblich.</assert>
    </rule></pattern></schema>";

fn pack(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("p");
    fs::create_dir(&pack).expect("made");
    let manifest = "standard = \"T\"\nversion = \"1\"\nvalid_from = 2026-01-01\n\
        decided_by = \"arrived\"\nheader = \"none\"\nentry = [\"s.xsd\"]\nnamespace = \"urn:t\"\n\
        harmless = []\n[[rules]]\nfile = \"r.sch\"\n[[message]]\nroot = \"m\"\ntype = \"1\"\n\
        name = \"m\"\n";
    for (name, text) in [("pack.toml", manifest), ("s.xsd", SCHEMA), ("r.sch", rules)] {
        fs::write(pack.join(name), text).expect("written");
    }
    folder
}

fn check(folder: &Path, von: &str, bis: &str, more: &str) -> Checked {
    let packs = PackSet::load(folder).expect("loads");
    let message = format!("<m xmlns='urn:t'><von>{von}</von><bis>{bis}</bis>{more}</m>");
    let arrival = "2026-11-23T12:00:00Z".parse().expect("an instant");
    packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false)
}

#[test]
fn a_broken_rule_makes_a_message_invalid_and_a_warning_does_not() {
    let folder = pack(RULES);
    let grund = "<grund>Umzug</grund>";
    let good = check(folder.path(), "2026-01-01", "2026-02-01", grund);
    assert_eq!((good.verdict, good.findings.len()), (Verdict::Valid, 0));
    let bad = check(folder.path(), "2026-03-01", "2026-02-01", grund);
    assert_eq!(bad.verdict, Verdict::Invalid);
    let finding = &bad.findings[0];
    let told = (finding.code, &*finding.rule, finding.line, &*finding.path);
    assert_eq!(told, ("rule-broken", "R1", 1, "/m"));
    let warned = check(folder.path(), "2026-01-01", "2026-02-01", "");
    assert_eq!(warned.verdict, Verdict::Valid);
    assert_eq!((warned.findings[0].severity, &*warned.findings[0].rule), (Severity::Warning, "R2"));
}

#[test]
fn what_the_schema_refuses_is_not_asked_about_by_rules() {
    let folder = pack(RULES);
    let checked = check(folder.path(), "2026-03-01", "2026-02-31", "");
    assert_eq!(checked.verdict, Verdict::Invalid);
    let codes: Vec<&str> = checked.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["value-wrong-type"]);
}

#[test]
fn rules_that_cannot_be_used_are_refused_with_their_place() {
    let folder = pack(&RULES.replace("xs:date(t:von)", "document(&quot;x&quot;)"));
    let error = PackSet::load(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("r.sch:3:") && error.contains("document"), "{error}");
    fs::remove_file(folder.path().join("p/r.sch")).expect("removed");
    assert!(PackSet::load(folder.path()).is_err());
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("p/r.sch")).expect("linked");
    let error = PackSet::load(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("outside the pack"), "{error}");
}

#[test]
fn no_value_of_a_message_comes_out_of_a_rule() {
    let told = RULES.replace("Von liegt vor bis.", "Von <value-of select='t:von'/> liegt vor bis.");
    let folder = pack(&told);
    let checked = check(folder.path(), "2026-03-17", "2026-02-01", "");
    for finding in &checked.findings {
        assert!(!format!("{finding:?}").contains("2026-03-17"), "{finding:?}");
    }
    assert_eq!(checked.verdict, Verdict::Invalid);
}

/// A message with a date and many reasons, under rules of our own.
fn many(patterns: &str, reasons: &[&str]) -> Checked {
    let rules = format!(
        "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'>
        <ns prefix='t' uri='urn:t'/>{patterns}</schema>"
    );
    let folder = pack(&rules);
    let wide = SCHEMA.replace("minOccurs='0'", "minOccurs='0' maxOccurs='unbounded'");
    fs::write(folder.path().join("p/s.xsd"), wide).expect("written");
    let all: String = reasons.iter().map(|one| format!("<grund>{one}</grund>")).collect();
    check(folder.path(), "2026-01-01", "2026-02-01", &all)
}

const WARNS: &str = "<pattern><rule context='t:grund'><report id='W' role='warning' test='true()'/>
    </rule></pattern>";

#[test]
fn many_warnings_do_not_hide_an_error() {
    let forbids = format!(
        "{WARNS}<pattern><rule context='t:m'><assert id='E' test=\"not(t:grund = 'x')\"/></rule></pattern>"
    );
    let checked = many(&forbids, &["x"; 1_000]);
    assert_eq!((checked.verdict, checked.truncated), (Verdict::Invalid, true));
    assert_eq!((checked.findings.len(), &*checked.findings[0].rule), (100, "E"));
    assert!(checked.findings[1..].iter().all(|one| one.rule == "W"));
    // However many warnings there are, without an error the message is good.
    let checked = many(&forbids, &["y"; 1_500]);
    assert_eq!((checked.verdict, checked.truncated), (Verdict::Valid, true));
    // The error comes last in the document.
    let last = "<pattern><rule context='t:grund'><report id='W' role='warning' test='true()'/>
        <assert id='E' test=\". != 'x'\"/></rule></pattern>";
    let mut reasons = ["y"; 201];
    reasons[200] = "x";
    let checked = many(last, &reasons);
    let first = &checked.findings[0];
    assert_eq!(
        (checked.verdict, &*first.rule, &*first.path),
        (Verdict::Invalid, "E", "/m/grund[201]")
    );
    let rest: Vec<&str> = checked.findings[1..4].iter().map(|one| &*one.path).collect();
    assert_eq!(rest, ["/m/grund", "/m/grund[2]", "/m/grund[3]"]);
}

#[test]
fn what_was_not_answered_is_said_first() {
    let errors =
        "<pattern><rule context='t:grund'><assert id='E' test='false()'/></rule></pattern>";
    let gives_up = "<pattern><rule context='t:m'><assert id='G' test='count(1 to 100000000) = 0'/>
        </rule></pattern>";
    let checked = many(&format!("{errors}{gives_up}"), &["x"; 200]);
    assert_eq!((checked.verdict, checked.findings[0].code), (Verdict::Error, "rules-gave-up"));
    // What we lack is no fault of the message.
    let lacks = "<pattern><rule context='t:m'><assert id='L' test='matches(t:von, t:grund[1])'/>
        </rule></pattern>";
    let checked = many(&format!("{WARNS}{lacks}"), &["(a)\\1"; 200]);
    let first = &checked.findings[0];
    assert_eq!(
        (checked.verdict, first.code, &*first.rule),
        (Verdict::Error, "rule-not-supported", "L")
    );
    // A pattern that is none is.
    let checked = many(lacks, &["(a"]);
    assert_eq!((checked.verdict, checked.findings[0].code), (Verdict::Invalid, "rule-error"));
}
