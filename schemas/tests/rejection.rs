//! Business rejections: made from the template of the author's version, valid against it or not
//! made at all, without a value of the content (P7), and never of a rejection.

#[path = "support/own.rs"]
mod own;
#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;
#[path = "rejection/templates.rs"]
mod templates;

use std::fs;
use std::process::Command;

use amtsbote_schemas::header::{HeaderFacts, HeaderSink, MAX_BYTES};
use amtsbote_schemas::pack::{Cause, MAX_REJECTION_BYTES, NoRejection, PackSet, Rejection};
use amtsbote_schemas::validate::{Checked, Verdict};
use amtsbote_schemas::xml::{Event, EventSink, Limits, drive};
use jiff::Timestamp;
use own::{ARRIVAL, VERSIONS, at, check, folder, load, packs};
use proptest::prelude::*;

const ID: &str = "0b6f3a52-7d1e-4c88-9a40-5f2e8d7c1b36";
/// Version 1.0 ended on 30 April 2027.
const AFTER: &str = "2027-05-03T08:00:00Z";

fn sample(version: &str, name: &str) -> String {
    fs::read_to_string(folder(version).join("samples").join(name)).expect("a sample")
}

fn samples(version: &str, kind: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder(version).join("samples").join(kind)).expect("samples");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> =
        names.map(|name| format!("{kind}/{}", name.to_string_lossy())).collect();
    names.sort();
    names.into_iter().map(|name| (sample(version, &name), name)).map(|(a, b)| (b, a)).collect()
}

/// The header of a document, and the texts of all elements by path from the root.
#[derive(Default)]
struct Read {
    header: HeaderSink,
    way: Vec<String>,
    texts: Vec<(String, String)>,
}

impl EventSink for Read {
    type Error = std::convert::Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
        self.header.take(event);
        match event {
            Event::Start(tag) => {
                self.way.push(tag.local.clone());
                self.texts.push((self.way[1..].join("/"), String::new()));
            }
            Event::End(..) => drop(self.way.pop()),
            Event::Text(_, piece, _) => {
                let way = self.way[1..].join("/");
                if let Some((_, text)) = self.texts.iter_mut().rev().find(|one| one.0 == way) {
                    text.push_str(piece);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn read(xml: &[u8]) -> (HeaderFacts, Vec<(String, String)>) {
    let mut sink = Read::default();
    drive(xml, &Limits::default(), &mut sink).expect("well-formed");
    (sink.header.into_facts().expect("a root element"), sink.texts)
}

fn texts(xml: &[u8], path: &str) -> Vec<String> {
    read(xml).1.into_iter().filter(|one| one.0 == path).map(|one| one.1).collect()
}

/// What must be true of every rejection, whatever it answers.
fn is_sound(packs: &PackSet, original: &Checked, rejection: &Rejection) {
    assert_eq!(Some(&rejection.standard), original.standard.as_ref());
    assert_eq!(Some(&rejection.version), original.version.as_ref());
    assert_eq!(rejection.message_type, "0199");
    assert!(rejection.xml.len() <= MAX_REJECTION_BYTES);
    let checked = check(packs, rejection.xml.as_bytes(), ARRIVAL);
    let xml = &rejection.xml;
    // The rejection may have been made when its version was over; then that alone is found.
    assert!(
        matches!(checked.verdict, Verdict::Valid | Verdict::NotInForce),
        "{:?}\n{xml}",
        checked.findings
    );
    assert_eq!(checked.message_type.as_deref(), Some("0199"));
    let (theirs, ours) =
        (original.header.as_ref().expect("a header"), read(rejection.xml.as_bytes()).0);
    assert_eq!((&ours.author, &ours.reader), (&theirs.reader, &theirs.author), "roles");
    assert_eq!(ours.test, theirs.test, "P11");
    assert_eq!(ours.message_uuid.as_deref(), Some(ID));
    assert_eq!(
        texts(rejection.xml.as_bytes(), "zurueckgewiesen/nachrichtenUUID"),
        [theirs.message_uuid.clone().expect("an id")]
    );
    // A rejection of it is never made.
    for cause in Cause::ALL {
        let again = packs.rejection(&checked, cause, ID, at(ARRIVAL));
        assert_eq!(again, Err(NoRejection::OfRejection), "{cause:?}");
    }
}

fn libxml2_agrees(version: &str, xml: &[u8]) {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("rejection.xml");
    fs::write(&file, xml).expect("written");
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(folder(version).join("ummeldung.xsd"))
        .arg(&file)
        .output()
        .expect("xmllint is missing: install the Debian package libxml2-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Samples whose header lacks what a rejection must say, and what is then told.
fn has_no_rejection(name: &str) -> Option<&'static str> {
    match name {
        "invalid/uuid-falsch.xml" => Some("rejection-invalid"),
        _ => None,
    }
}

/// The trial of a template happens at one time: the rejection is made after its original, and before
/// the clock of the rules says another day.
#[test]
fn a_rule_about_today_refuses_no_sound_template() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (from, pack) = (folder("1.1"), scratch.path().join("pack"));
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
    let rules = "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'>\
        <pattern><rule context='stelle[1]'>\
        <assert id='R' test='xs:date(substring(., 1, 10)) le current-date()'>x</assert>\
        </rule></pattern></schema>";
    let template = fs::read_to_string(pack.join("rejection.xml")).expect("a template");
    let dated = template.replace("<?amtsbote cause?>", "<?amtsbote original-created?>");
    assert_ne!(dated, template);
    fs::write(pack.join("rejection.xml"), dated).expect("written");
    let manifest = fs::read_to_string(pack.join("pack.toml")).expect("a manifest");
    let at = manifest.find("[[message]]").expect("a table");
    let (head, tail) = manifest.split_at(at);
    fs::write(pack.join("r.sch"), rules).expect("written");
    fs::write(pack.join("pack.toml"), format!("{head}[[rules]]\nfile = \"r.sch\"\n{tail}"))
        .expect("written");
    PackSet::load(scratch.path()).expect("the template is sound");
}

#[test]
fn an_invalid_message_is_rejected_in_its_own_version() {
    let packs = load();
    for version in VERSIONS {
        let (mut made, all) = (0, samples(version, "invalid"));
        for (name, message) in all {
            let checked = check(&packs, message.as_bytes(), ARRIVAL);
            assert_eq!(Cause::of(&checked), Some(Cause::Invalid), "{name}");
            let answer = packs.rejection(&checked, Cause::Invalid, ID, at(ARRIVAL));
            if let Some(code) = has_no_rejection(&name) {
                assert_eq!(answer.expect_err(&name).code(), code, "{name}");
                continue;
            }
            let rejection = answer.unwrap_or_else(|why| panic!("{name}: {why}"));
            is_sound(&packs, &checked, &rejection);
            assert_eq!(texts(rejection.xml.as_bytes(), "grund/code"), ["R99"], "{name}");
            let told = texts(rejection.xml.as_bytes(), "stelle");
            assert_eq!(
                told[0],
                format!("Die Nachricht entspricht nicht den Regeln von XUmmeldung {version}.")
            );
            let finding = &checked.findings[0];
            assert!(told[1].contains(&format!("Zeile {}", finding.line)), "{name}: {told:?}");
            let text = finding.message_de.replace(['„', '“'], "\"");
            let text = text.replace('≤', "<=").replace('≥', ">=");
            assert!(told[1].contains(&text), "{name}: {told:?}");
            assert!(told[1].contains(&format!("(Regel {})", finding.rule)), "{name}: {told:?}");
            made += 1;
        }
        assert!(made >= 15, "{version}: {made}");
    }
}

/// P10: the switch is over, the author has not noticed. The answer is in the version that the
/// author can read, although that is not in force any more.
#[test]
fn a_late_old_version_is_rejected_in_that_version() {
    let packs = load();
    let message = sample("1.0", "valid/mitteilung-familie.xml");
    for (created, verdict) in [
        ("2027-05-02T09:14:03.127+02:00", Verdict::NotInForce),
        // Made in time, and more than 14 days on its way: the arrival decides.
        ("2027-04-12T09:14:03.127+02:00", Verdict::NotInForce),
        ("2027-04-29T09:14:03.127+02:00", Verdict::Valid),
    ] {
        let message = message.replace("2026-10-26T09:14:03.127+01:00", created);
        let checked = check(&packs, message.as_bytes(), AFTER);
        assert_eq!(checked.verdict, verdict, "{created}");
        let answer = packs.rejection(&checked, Cause::VersionNotInForce, ID, at(AFTER));
        if verdict == Verdict::Valid {
            assert_eq!(Cause::of(&checked), None);
            assert_eq!(answer, Err(NoRejection::CauseContradicts));
            continue;
        }
        assert_eq!(Cause::of(&checked), Some(Cause::VersionNotInForce));
        let rejection = answer.expect("a rejection");
        assert_eq!(rejection.version, "1.0");
        is_sound(&packs, &checked, &rejection);
        libxml2_agrees("1.0", rejection.xml.as_bytes());
        assert_eq!(texts(rejection.xml.as_bytes(), "grund/code"), ["R05"]);
        let told = texts(rejection.xml.as_bytes(), "stelle");
        assert_eq!(told[0], "XUmmeldung 1.0 gilt zum maßgeblichen Zeitpunkt nicht.");
        assert!(told[1].contains("bis 2027-04-30"), "{told:?}");
        let (header, _) = read(rejection.xml.as_bytes());
        assert_eq!(header.created.as_deref(), Some("2027-05-03T10:00:00.000+02:00"));
        assert_eq!(header.root_namespace, "urn:amtsbote:standard:xummeldung:1.0");
    }
}

#[test]
fn a_valid_message_can_be_rejected_for_what_lies_outside_of_it() {
    let packs = load();
    for version in VERSIONS {
        for (name, message) in samples(version, "valid") {
            let checked = check(&packs, message.as_bytes(), ARRIVAL);
            for cause in [Cause::Undeliverable, Cause::Expired, Cause::NotPermitted, Cause::Other] {
                let answer = packs.rejection(&checked, cause, ID, at(ARRIVAL));
                if name.contains("rueckweisung") {
                    assert_eq!(answer, Err(NoRejection::OfRejection), "{name}");
                    continue;
                }
                let rejection = answer.unwrap_or_else(|why| panic!("{name}: {why}"));
                is_sound(&packs, &checked, &rejection);
                assert_eq!(
                    texts(rejection.xml.as_bytes(), "stelle").len(),
                    1,
                    "no finding is told"
                );
            }
            for cause in [Cause::Invalid, Cause::VersionNotInForce] {
                assert!(packs.rejection(&checked, cause, ID, at(ARRIVAL)).is_err(), "{name}");
            }
        }
        let checked = check(&packs, sample(version, "valid/antwort.xml").as_bytes(), ARRIVAL);
        let rejection = packs.rejection(&checked, Cause::Undeliverable, ID, at(ARRIVAL));
        libxml2_agrees(version, rejection.expect("a rejection").xml.as_bytes());
    }
}

#[test]
fn a_test_message_gets_a_test_rejection() {
    let packs = load();
    for version in VERSIONS {
        let message = sample(version, "valid/mitteilung-test.xml");
        let checked = check(&packs, message.as_bytes(), ARRIVAL);
        assert!(checked.header.as_ref().is_some_and(|header| header.test));
        let rejection = packs.rejection(&checked, Cause::Undeliverable, ID, at(ARRIVAL));
        let rejection = rejection.expect("a rejection");
        is_sound(&packs, &checked, &rejection);
        assert!(read(rejection.xml.as_bytes()).0.test);
    }
}

#[test]
fn what_is_not_recognised_or_not_read_has_none() {
    let packs = load();
    let good = sample("1.1", "valid/mitteilung-familie.xml");
    let cases = [
        (good.replace("xummeldung:1.1", "xummeldung:9.9"), "rejection-not-recognised"),
        (good.replace("</um:", "</um-:"), "rejection-not-read"),
        (good[..good.len() / 2].to_owned(), "rejection-not-read"),
        (String::new(), "rejection-not-recognised"),
        // Unknown, but its header says that it is a rejection.
        (
            good.replace("ummeldung.mitteilung.0100", "ummeldung.neu")
                .replace("<code>0100</code>", "<code>0199</code>"),
            "rejection-of-rejection",
        ),
    ];
    for (message, code) in cases {
        let checked = check(&packs, message.as_bytes(), ARRIVAL);
        for cause in [Cause::Invalid, Cause::Other] {
            let why = packs.rejection(&checked, cause, ID, at(ARRIVAL)).expect_err(code);
            assert_eq!(why.code(), code, "{:?}", checked.findings);
            assert!(!why.german().is_empty() && why.german() != why.english());
        }
    }
    let gave_up = packs.check(good.as_bytes(), at(ARRIVAL), &Limits::default(), &|| true);
    if gave_up.verdict == Verdict::Error {
        let answer = packs.rejection(&gave_up, Cause::Other, ID, at(ARRIVAL));
        assert_eq!(answer, Err(NoRejection::NotRead));
    }
    let checked = check(&packs, good.as_bytes(), ARRIVAL);
    for bad in ["", "1", "{0b6f3a52-7d1e-4c88-9a40-5f2e8d7c1b3}", "<id>"] {
        let answer = packs.rejection(&checked, Cause::Other, bad, at(ARRIVAL));
        assert_eq!(answer, Err(NoRejection::Id));
    }
    assert_eq!(
        PackSet::default().rejection(&checked, Cause::Other, ID, at(ARRIVAL)),
        Err(NoRejection::NotRecognised)
    );
}

/// A root element that the pack does not know is answered too; the type is then the header's.
#[test]
fn an_unknown_kind_of_message_is_rejected() {
    let packs = load();
    let message = sample("1.1", "valid/antwort.xml").replace("ummeldung.antwort.0101", "neu.0102");
    let checked = check(&packs, message.as_bytes(), ARRIVAL);
    assert_eq!((checked.verdict, &checked.message_type), (Verdict::Invalid, &None));
    let rejection = packs.rejection(&checked, Cause::Invalid, ID, at(ARRIVAL)).expect("one");
    is_sound(&packs, &checked, &rejection);
    assert_eq!(texts(rejection.xml.as_bytes(), "zurueckgewiesen/nachrichtentyp/code"), ["0101"]);
}

/// The sample with another header, judged.
fn with_header(packs: &PackSet, from: &str, to: &str) -> Checked {
    let message = sample("1.1", "valid/antwort.xml");
    assert!(message.contains(from), "{from}");
    check(packs, message.replace(from, to).as_bytes(), ARRIVAL)
}

#[test]
fn odd_headers() {
    let packs = load();
    let message = sample("1.1", "valid/antwort.xml");
    let part = |name: &str| {
        let (from, to) = (format!("<{name}>"), format!("</{name}>"));
        let start = message.find(&from).expect("a start tag");
        let end = message.find(&to).expect("an end tag") + to.len();
        message[start..end].to_owned()
    };
    let (author, reader, name) = (part("autor"), part("leser"), part("name"));
    let (uuid, key, created) =
        (part("nachrichtenUUID"), part("kennung"), part("erstellungszeitpunkt"));
    let head = part("nachrichtenkopf.g2g");
    let long = |count: usize| format!("<name>{}</name>", "x".repeat(count));
    let ok = "";
    for (from, to, code) in [
        (&name, "<name>Amt f&#252;r A &amp; B &lt;C> \"D\" 'E' ]]&gt;</name>".to_owned(), ok),
        (&name, "<name>K\u{131}rk Ag\u{306}\u{300} M\u{302}</name>".to_owned(), ok),
        (&name, "<name><!-- x -->Stadt<![CDATA[ & <Land>]]></name>".to_owned(), ok),
        (&name, "<name>\n  Stadt\n  Land\n</name>".to_owned(), ok),
        (&name, String::new(), ok),
        (&name, "<name/>".to_owned(), ok),
        (&name, format!("{name}{name}"), ok),
        (&name, "<name>\u{416}\u{4e2d}</name>".to_owned(), ok),
        (&name, "<name>e\u{301}</name>".to_owned(), ok),
        (&name, long(501), ok),
        (&name, long(MAX_BYTES + 1), ok),
        (&created, "<erstellungszeitpunkt>gestern</erstellungszeitpunkt>".to_owned(), ok),
        (&created, String::new(), ok),
        (&uuid, String::new(), "rejection-value-missing"),
        (&uuid, "<nachrichtenUUID/>".to_owned(), "rejection-value-missing"),
        (&uuid, format!("{uuid}{uuid}"), "rejection-value-missing"),
        (&uuid, "<nachrichtenUUID>{test}</nachrichtenUUID>".to_owned(), "rejection-invalid"),
        (&key, "<kennung>ags:<b>1</b></kennung>".to_owned(), "rejection-value-missing"),
        (&key, "<kennung>ohne Doppelpunkt</kennung>".to_owned(), "rejection-invalid"),
        (&key, "<kennung>a:&lt;/kennung></kennung>".to_owned(), ok),
        (&author, String::new(), "rejection-value-missing"),
        (&reader, String::new(), "rejection-value-missing"),
        (&author, format!("{author}{author}"), "rejection-value-missing"),
        (&head, String::new(), "rejection-value-missing"),
        (&head, format!("{head}{head}"), "rejection-value-missing"),
        (&head, format!("<x>{head}</x>"), "rejection-value-missing"),
        (&head, head.replace("DVDV", "anderes"), "rejection-invalid"),
        (&head, head.replace("0101", "9999"), ok),
    ] {
        let checked = check(&packs, message.replacen(from.as_str(), &to, 1).as_bytes(), ARRIVAL);
        let cause = Cause::of(&checked).unwrap_or(Cause::Undeliverable);
        match packs.rejection(&checked, cause, ID, at(ARRIVAL)) {
            Ok(rejection) => {
                assert_eq!(ok, code, "{to}");
                is_sound(&packs, &checked, &rejection);
                libxml2_agrees("1.1", rejection.xml.as_bytes());
            }
            Err(why) => assert_eq!(why.code(), code, "{to}: {why}"),
        }
    }
}

#[test]
fn a_name_with_special_characters_comes_back_as_it_was() {
    let packs = load();
    let written = "<name>A &amp; B &lt;C&gt; \"D\" 'E' &#x1E3; M\u{302} {test} {{ }}</name>";
    let from = "<name>Stadt Detmold</name>";
    let message = sample("1.1", "valid/antwort.xml").replace(from, written);
    assert!(message.contains(written));
    let checked = check(&packs, message.as_bytes(), ARRIVAL);
    assert_eq!(checked.verdict, Verdict::Valid, "{:?}", checked.findings);
    let rejection = packs.rejection(&checked, Cause::Other, ID, at(ARRIVAL)).expect("one");
    is_sound(&packs, &checked, &rejection);
    let wanted = "A & B <C> \"D\" 'E' \u{1E3} M\u{302} {test} {{ }}";
    let (ours, _) = read(rejection.xml.as_bytes());
    let theirs = checked.header.expect("a header");
    assert_eq!((ours.author_name, ours.reader_name), (theirs.reader_name, theirs.author_name));
    let names = ["leser", "autor"]
        .map(|who| texts(rejection.xml.as_bytes(), &format!("nachrichtenkopf.g2g/{who}/name")));
    assert!(names.iter().flatten().any(|name| name == wanted), "{names:?}");
}

/// P7: every text and every attribute of the content is a canary; none comes out.
#[test]
fn nothing_of_the_content_comes_out() {
    let packs = load();
    let mut made = 0;
    for version in VERSIONS {
        for (name, message) in
            samples(version, "valid").into_iter().chain(samples(version, "invalid"))
        {
            let Some((head, body)) = message.split_once("</nachrichtenkopf.g2g>") else { continue };
            let (mut canaries, mut bird) = (String::new(), 0);
            let mut inside = None;
            for c in body.chars() {
                // The name of a namespace in a declaration stays; nothing else that has a value.
                match (c, inside) {
                    ('"', None) if canaries.ends_with('=') => {
                        inside = Some('"');
                        bird += 1;
                        canaries.push_str(&format!("\"Kanarie{bird}"));
                    }
                    ('"', Some('"')) | ('<', Some('>')) => {
                        inside = None;
                        canaries.push(c);
                    }
                    (_, Some('"')) => {}
                    ('>', None) => {
                        inside = Some('>');
                        canaries.push(c);
                    }
                    (c, Some(_)) if !c.is_whitespace() => {
                        if !canaries.ends_with(|last: char| last.is_ascii_digit()) {
                            bird += 1;
                            canaries.push_str(&format!("Kanarie{bird}"));
                        }
                    }
                    _ => canaries.push(c),
                }
            }
            let message = format!("{head}</nachrichtenkopf.g2g>{canaries}");
            let checked = check(&packs, message.as_bytes(), ARRIVAL);
            assert!(message.matches("Kanarie").count() >= 1, "{name}");
            let Some(cause) = Cause::of(&checked) else {
                panic!("{name}: {:?} {:?}\n{message}", checked.verdict, checked.findings);
            };
            if let Ok(rejection) = packs.rejection(&checked, cause, ID, at(ARRIVAL)) {
                let xml = &rejection.xml;
                // What the pack marks harmless is told at the end of a finding about it, and nowhere else.
                let harmless = ["bezug: ", "ergebnis/code: ", "kanal/code: ", "/@list"];
                for told in xml.split("Kanarie").collect::<Vec<_>>().split_last().expect("one").1 {
                    let finding = told.rsplit("<stelle>").next().expect("a finding");
                    let end = finding.ends_with("Gefunden: \"");
                    assert!(
                        end && harmless.iter().any(|one| finding.contains(one)),
                        "{name}: {xml}"
                    );
                }
                is_sound(&packs, &checked, &rejection);
                made += 1;
            }
        }
    }
    assert!(made > 30, "{made}");
}

#[test]
fn only_the_first_findings_are_told() {
    let packs = load();
    let checked = with_header(&packs, "</bezug>", &format!("</bezug>{}", "<x/>".repeat(400)));
    assert!(checked.truncated || checked.findings.len() >= 100, "{}", checked.findings.len());
    let rejection = packs.rejection(&checked, Cause::Invalid, ID, at(ARRIVAL)).expect("one");
    is_sound(&packs, &checked, &rejection);
    assert_eq!(texts(rejection.xml.as_bytes(), "stelle").len(), 1 + 10);
}

/// The names of elements come from the message and may hold what the standard does not allow.
#[test]
fn a_path_is_told_in_characters_that_the_standard_allows() {
    let packs = load();
    let checked = with_header(&packs, "</bezug>", "</bezug><\u{416}x\u{e9}/>");
    assert!(checked.findings[0].path.contains('\u{416}'), "{:?}", checked.findings);
    let rejection = packs.rejection(&checked, Cause::Invalid, ID, at(ARRIVAL)).expect("one");
    is_sound(&packs, &checked, &rejection);
    let told = texts(rejection.xml.as_bytes(), "stelle");
    assert!(told[1].contains("/ummeldung.antwort.0101/?x\u{e9}: "), "{told:?}");
}

/// Where the text of findings does not fit, the rejection goes without.
#[test]
fn what_the_standard_has_no_room_for_is_left_out() {
    let from = "<?amtsbote finding?>";
    let packs = templates::altered("rejection.xml", from, &format!("{from}{}", ".".repeat(3_700)));
    let packs = packs.expect("it loads");
    let long = format!("</bezug><{}/>", "x".repeat(900));
    let checked = with_header(&packs, "</bezug>", &long);
    let rejection = packs.rejection(&checked, Cause::Invalid, ID, at(ARRIVAL)).expect("one");
    is_sound(&packs, &checked, &rejection);
    assert_eq!(texts(rejection.xml.as_bytes(), "stelle").len(), 1);
}

/// Values of headers: plausible ones, odd ones, and any characters.
fn value(plausible: &'static str) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        4 => Just(Some(plausible.to_owned())),
        1 => Just(None),
        2 => "[ -~äöüß\u{300}-\u{30f}]{0,30}".prop_map(Some),
        1 => "\\PC{0,40}".prop_map(Some),
        1 => "[a-z]{1,4}:[0-9<&\">' ]{1,8}".prop_map(Some),
        1 => (0usize..6_000).prop_map(|count| Some("x".repeat(count))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever a header says: a rejection that is valid, or none.
    #[test]
    fn any_header_is_answered(
        uuid in value("6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f248"),
        message_type in value("0101"),
        created in value("2026-11-17T09:14:03.127+01:00"),
        author in value("ags:05770032"),
        author_directory in value("DVDV"),
        author_name in value("Stadt Minden"),
        reader in value("ags:05758012"),
        reader_directory in value("lokal"),
        reader_name in value("Stadt Herford"),
        test in prop::option::of("[ -~]{0,9}"),
        cause in prop::sample::select(&Cause::ALL[..]),
        seconds in 0i64..253_402_207_200,
    ) {
        thread_local!(static PACKS: PackSet = load());
        let element = |name: &str, value: &Option<String>| value.as_ref().map_or_else(String::new, |value| {
            let value: String = value.chars().map(|c| match c {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                c => c.to_string(),
            }).collect();
            format!("<{name}>{value}</{name}>")
        });
        let code = |name, value: &Option<String>| format!("<{name}>{}</{name}>", element("code", value));
        let test = test.map_or_else(String::new, |test| {
            format!(" test='{}'", test.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;"))
        });
        let message = format!(
            "<um:ummeldung.antwort.0101 xmlns:um='urn:amtsbote:standard:xummeldung:1.1' produkt='P' \
             produkthersteller='H' standard='XUmmeldung' version='1.1'{test}><nachrichtenkopf.g2g>\
             <identifikation.nachricht>{}{}{}</identifikation.nachricht><leser>{}{}{}</leser>\
             <autor>{}{}{}</autor></nachrichtenkopf.g2g><bezug>{ID}</bezug>\
             <ergebnis><code>01</code></ergebnis></um:ummeldung.antwort.0101>",
            element("nachrichtenUUID", &uuid), code("nachrichtentyp", &message_type),
            element("erstellungszeitpunkt", &created),
            code("verzeichnisdienst", &reader_directory), element("kennung", &reader),
            element("name", &reader_name),
            code("verzeichnisdienst", &author_directory), element("kennung", &author),
            element("name", &author_name),
        );
        PACKS.with(|packs| {
            let checked = check(packs, message.as_bytes(), ARRIVAL);
            let now = Timestamp::from_second(seconds).expect("an instant");
            if let Ok(rejection) = packs.rejection(&checked, cause, ID, now) {
                is_sound(packs, &checked, &rejection);
            } else if checked.verdict == Verdict::Valid && !matches!(cause, Cause::Invalid | Cause::VersionNotInForce) {
                panic!("a valid message must have a rejection");
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
