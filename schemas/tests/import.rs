//! Published standards become packs: what is taken, what is asked, what is refused.

use std::fs::{self, File};
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::pack::import::{ImportError, Imported, MAX_FILES, Options, Refusal, import};
use amtsbote_schemas::validate::{Amendment, Verdict};
use amtsbote_schemas::xml::Limits;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

type Files<'a> = &'a [(&'a str, &'a str)];

/// A schema document.
fn xsd(namespace: &str, version: &str, body: &str) -> String {
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='{namespace}' \
         targetNamespace='{namespace}' version='{version}' elementFormDefault='qualified'>\n\
         {body}</xs:schema>"
    )
}

/// Our invented standard: an entry that includes its messages, which import a base module from the
/// publisher's address.
fn standard(version: &str) -> Vec<(String, String)> {
    let namespace = format!("https://standards.example/probe/{version}");
    let messages = format!(
        "<xs:import namespace='urn:example:base' schemaLocation='https://base.example/base.xsd'/>\n\
         <xs:element name='probe.anfrage.0101'><xs:annotation><xs:appinfo><title>Anfrage</title>\
         </xs:appinfo></xs:annotation><xs:complexType><xs:sequence>\
         <xs:element name='wert' type='b:Wert' xmlns:b='urn:example:base'/></xs:sequence>\
         <xs:attribute name='standard' fixed='XProbe'/>\
         <xs:attribute name='version' fixed='{version}' use='required'/></xs:complexType>\
         </xs:element><xs:element name='teil' type='xs:token'/>"
    );
    vec![
        (
            "xsd/probe.xsd".to_owned(),
            xsd(&namespace, version, "<xs:include schemaLocation='n.xsd'/>"),
        ),
        ("xsd/n.xsd".to_owned(), xsd(&namespace, version, &messages)),
    ]
}

/// What it builds on, with a document type declaration as W3C's old schemas have one.
fn base() -> Vec<(String, String)> {
    let body = "<xs:simpleType name='Wert'><xs:restriction base='xs:token'>\
                <xs:maxLength value='3'/></xs:restriction></xs:simpleType>";
    let text =
        format!("<!DOCTYPE xs:schema [<!ENTITY p ''>]>{}", xsd("urn:example:base", "1", body));
    vec![("base.xsd".to_owned(), text), ("unused.xsd".to_owned(), xsd("urn:unused", "1", ""))]
}

const LIST: &str = "<gc:CodeList \
    xmlns:gc='http://docs.oasis-open.org/codelist/ns/genericode/1.0/'><Identification>\
    <ShortName>Farbe</ShortName><Version>1</Version><CanonicalUri>urn:example:farbe</CanonicalUri>\
    <CanonicalVersionUri>urn:example:farbe_1</CanonicalVersionUri></Identification><ColumnSet>\
    <Column Id='code' Use='required'><ShortName>Code</ShortName><Data Type='string'/></Column>\
    <Key Id='k'><ShortName>K</ShortName><ColumnRef Ref='code'/></Key></ColumnSet><SimpleCodeList>\
    <Row><Value ColumnRef='code'><SimpleValue>rot</SimpleValue></Value></Row>\
    </SimpleCodeList></gc:CodeList>";

fn folder(files: &[(String, String)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn owned(files: Files<'_>) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn zipped(files: &[(String, String)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(name, SimpleFileOptions::default()).expect("begun");
        writer.write_all(text.as_bytes()).expect("written");
    }
    writer.finish().expect("complete").into_inner()
}

/// A target folder and what is tried on it.
struct Target {
    folder: TempDir,
    sources: TempDir,
}

impl Target {
    fn new() -> Self {
        let make = || tempfile::tempdir().expect("a folder");
        Self { folder: make(), sources: make() }
    }

    fn archive(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.sources.path().join(name);
        fs::write(&path, octets).expect("written");
        path
    }

    fn import(&self, source: &Path, options: &Options) -> Result<Imported, ImportError> {
        import(source, self.folder.path(), options)
    }

    /// A refusal; nothing is left of it.
    #[track_caller]
    fn refused(&self, source: &Path, options: &Options) -> ImportError {
        let before = self.names();
        let error = self.import(source, options).expect_err("refused");
        assert_eq!(self.names(), before);
        assert!(!error.message_de.is_empty() && error.to_string() == error.message_en);
        error
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let names = entries.map(|entry| entry.expect("there").file_name());
        let mut names: Vec<String> = names.map(|n| n.into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn verdict(&self, message: &str) -> Verdict {
        let packs = PackSet::load(self.folder.path()).expect("they load");
        let arrival = "2026-06-01T00:00:00Z".parse().expect("an instant");
        packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false).verdict
    }
}

fn message(version: &str, value: &str) -> String {
    format!(
        "<probe.anfrage.0101 version='{version}' xmlns='https://standards.example/probe/{version}'>\
         <wert>{value}</wert></probe.anfrage.0101>"
    )
}

fn with(path: &Path) -> Options {
    let valid_from = Some(jiff::civil::date(2026, 5, 1));
    Options { with: vec![path.to_owned()], valid_from, ..Options::default() }
}

#[test]
fn a_zip_as_published_becomes_a_pack() {
    let target = Target::new();
    let mut files = standard("1.0");
    files.push(("listen/farbe.xml".to_owned(), LIST.to_owned()));
    files.push(("lies.pdf".to_owned(), "%PDF".to_owned()));
    files.push(("regeln/a.sch".to_owned(), rules("1.0", "")));
    files.push(("dienst.xml".to_owned(), "<dienst/>".to_owned()));
    let source = target.archive("xprobe.zip", &zipped(&files));
    let base = target.archive("base.zip", &zipped(&base()));

    let made = target.import(&source, &with(&base)).expect("made");
    assert_eq!(target.names(), ["xprobe-1.0"]);
    let pack = &made.pack;
    assert_eq!((&*pack.standard, &*pack.version, &*pack.folder), ("XProbe", "1.0", "xprobe-1.0"));
    assert_eq!((pack.documents, pack.elements, made.files, made.resolved), (3, 2, 5, 1));
    assert_eq!((pack.sets, pack.rule_checks, pack.version_at.as_deref()), (1, 1, None));
    assert_eq!((pack.validated_by, pack.by_library.as_deref()), ("tables", None));
    let [probe] = pack.messages.as_slice() else { panic!("{:?}", pack.messages) };
    assert_eq!(
        (&*probe.root, &*probe.message_type, &*probe.name),
        ("probe.anfrage.0101", "0101", "Anfrage")
    );
    assert_eq!(pack.code_lists, ["urn:example:farbe_1"]);
    assert_eq!(pack.entry, ["xsd/probe.xsd"]);
    assert_eq!(pack.unconfirmed, ["decided_by", "message", "harmless"]);
    assert_eq!(made.rules, ["regeln/a.sch"]);
    assert_eq!(made.passed_over, ["dienst.xml", "lies.pdf"]);
    assert!(made.path.join("base-1/base.xsd").is_file());
    assert!(!made.path.join("base-1/unused.xsd").exists());
    // Octet for octet as published.
    let copy = fs::read_to_string(made.path.join("xsd/n.xsd")).expect("there");
    assert_eq!(copy, files[1].1);

    assert_eq!(target.verdict(&message("1.0", "abc")), Verdict::Valid);
    assert_eq!(target.verdict(&message("1.0", "abcd")), Verdict::Invalid, "the base module counts");
    // It is there, and stays.
    assert_eq!(target.refused(&source, &with(&base)).kind, Refusal::Exists);
}

/// The reader does not demand a CanonicalVersionUri: what names a list is its URI and its version.
#[test]
fn lists_without_a_version_uri_all_come_along() {
    let other = "<CanonicalVersionUri>urn:example:farbe_1</CanonicalVersionUri>";
    let first = LIST.replace(other, "");
    assert_ne!(first, LIST);
    let second = first.replace("urn:example:farbe", "urn:example:form");
    let import = |lists: &[(&str, &str)], skip: &[&str]| {
        let target = Target::new();
        let mut files: Vec<(String, String)> = standard("1.0").into_iter().chain(base()).collect();
        files.extend(owned(lists));
        let source = folder(&files);
        let skip = skip.iter().map(|name| (*name).to_owned()).collect();
        target.import(source.path(), &Options { skip, ..Options::default() })
    };
    let made = import(&[("a.xml", &first), ("b.xml", &second)], &[]).expect("made");
    assert_eq!(made.pack.code_lists.len(), 2);
    // The same once more is named; another under the same name is refused until somebody chooses.
    let again = format!("<!-- again -->{LIST}");
    let made = import(&[("a.xml", LIST), ("b.xml", &again)], &[]).expect("made");
    assert_eq!((made.pack.code_lists.len(), &made.passed_over[..]), (1, &["b.xml".to_owned()][..]));
    let differs = first.replace("rot", "blau");
    let lists = [("a.xml", &*first), ("b.xml", &*differs)];
    let error = import(&lists, &[]).expect_err("refused");
    assert_eq!(error.kind, Refusal::Ambiguous);
    for part in ["urn:example:farbe", "a.xml", "b.xml", "--skip"] {
        assert!(error.message_de.contains(part) && error.message_en.contains(part), "{error}");
    }
    assert_eq!(import(&lists, &["b.xml"]).expect("made").pack.code_lists.len(), 1);
}

/// A rule file about the messages of a version of the standard.
fn rules(version: &str, more: &str) -> String {
    format!(
        "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'>\
         <ns prefix='p' uri='https://standards.example/probe/{version}'/>{more}\
         <pattern><rule context='p:probe.anfrage.0101'><assert id='R1' \
         test='p:wert ne \"nie\"'>Nie.</assert></rule></pattern></schema>"
    )
}

#[test]
fn rule_files_that_speak_of_its_messages_are_asked() {
    let target = Target::new();
    let include = "<include href='../teile/gemeinsam.sch'/>";
    let part = "<pattern xmlns='http://purl.oclc.org/dsdl/schematron'><rule \
                context='p:probe.anfrage.0101'><assert id='R2' test='p:wert ne \"nein\"'>Nein.\
                </assert></rule></pattern>";
    let mut files: Vec<(String, String)> = standard("1.0").into_iter().chain(base()).collect();
    files.push(("regeln/haupt.sch".to_owned(), rules("1.0", include)));
    files.push(("teile/gemeinsam.sch".to_owned(), part.to_owned()));
    files.push(("regeln/fremd.sch".to_owned(), rules("9.9", "")));
    let source = folder(&files);
    let valid_from = Some(jiff::civil::date(2026, 5, 1));
    let options = Options { valid_from, ..Options::default() };
    let made = target.import(source.path(), &options).expect("made");
    assert_eq!(made.rules, ["regeln/haupt.sch"], "what it includes is none of its own");
    assert_eq!(made.passed_over, ["regeln/fremd.sch"]);
    assert!(made.path.join("teile/gemeinsam.sch").is_file());
    assert_eq!(made.pack.rule_checks, 2);
    let manifest = fs::read_to_string(made.path.join("pack.toml")).expect("there");
    assert!(manifest.contains("[[rules]]\nfile = \"regeln/haupt.sch\"\n"), "{manifest}");
    for (value, verdict) in [("abc", Verdict::Valid), ("nie", Verdict::Invalid)] {
        assert_eq!(target.verdict(&message("1.0", value)), verdict, "{value}");
    }
}

/// As XJustiz has them: a rule file for each part, about elements that all messages have.
#[test]
fn of_several_rule_files_each_is_for_the_messages_of_its_part() {
    let target = Target::new();
    let part = |name: &str| {
        let element = format!(
            "<xs:element name='n.{name}'><xs:complexType><xs:sequence><xs:element name='kopf' \
             type='xs:string'/></xs:sequence></xs:complexType></xs:element>"
        );
        (format!("{name}.xsd"), xsd("urn:n", "1", &element))
    };
    let rules = |id: &str, named: &str| {
        let text = format!(
            "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'><ns \
             prefix='n' uri='urn:n'/><pattern><rule context='//n:kopf'><assert id='{id}' \
             test='. ne \"{id}\"'>x</assert></rule>{named}</pattern></schema>"
        );
        (format!("{id}.sch"), text)
    };
    let names =
        |name: &str| format!("<rule context='n:n.{name}'><assert test='1'>y</assert></rule>");
    let files = [
        part("a.0001"),
        part("b.0002"),
        rules("A", &names("a.0001")),
        rules("B", &names("b.0002")),
        rules("C", ""),
    ];
    let source = folder(&files);
    let options = Options {
        standard: Some("N".to_owned()),
        valid_from: Some(jiff::civil::date(2026, 5, 1)),
        ..Options::default()
    };
    let made = target.import(source.path(), &options).expect("made");
    assert_eq!(made.rules, ["A.sch", "B.sch", "C.sch"]);
    assert!(made.pack.unconfirmed.contains(&"rules".to_owned()));
    let verdict = |name: &str, value: &str| {
        let (open, close) = (format!("n.{name}"), format!("n.{name}"));
        target.verdict(&format!("<{open} xmlns='urn:n'><kopf>{value}</kopf></{close}>"))
    };
    for (name, value, expected) in [
        ("a.0001", "A", Verdict::Invalid),
        ("a.0001", "B", Verdict::Valid),
        ("b.0002", "A", Verdict::Valid),
        ("b.0002", "B", Verdict::Invalid),
        ("a.0001", "C", Verdict::Invalid),
        ("b.0002", "C", Verdict::Invalid),
    ] {
        assert_eq!(verdict(name, value), expected, "{name} {value}");
    }
}

#[test]
fn rules_that_another_source_supplies_are_taken_where_they_speak_of_the_messages() {
    let target = Target::new();
    let files: Vec<(String, String)> = standard("1.0").into_iter().chain(base()).collect();
    let source = folder(&files);
    let beside = folder(&[
        ("a.sch".to_owned(), rules("1.0", "<include href='teil.sch'/>")),
        ("b.sch".to_owned(), rules("9.9", "")),
        ("teil.sch".to_owned(), "<pattern xmlns='http://purl.oclc.org/dsdl/schematron'/>".into()),
    ]);
    let made = target.import(source.path(), &with(beside.path())).expect("made");
    assert_eq!(made.rules, ["base-1/a.sch"]);
    assert!(made.path.join("base-1/teil.sch").is_file());
    assert!(!made.path.join("base-1/b.sch").exists());
    assert_eq!(target.verdict(&message("1.0", "nie")), Verdict::Invalid);
}

#[test]
fn a_rule_file_that_cannot_be_used_is_refused_by_name() {
    let target = Target::new();
    let xslt = "<xsl:template xmlns:xsl='http://www.w3.org/1999/XSL/Transform' match='x'/>";
    let outside = "<include href='../../etc/fremd.sch'/>";
    for (more, reason) in [
        (xslt, "template"),
        (outside, "fremd.sch"),
        ("<let name='x' value='document(\"a\")'/>", "document"),
    ] {
        let mut files: Vec<(String, String)> = standard("1.0").into_iter().chain(base()).collect();
        files.push(("regeln/a.sch".to_owned(), rules("1.0", more)));
        let source = folder(&files);
        let error = target.refused(source.path(), &Options::default());
        assert_eq!(error.kind, Refusal::Rules, "{error}");
        for text in [&error.message_de, &error.message_en] {
            assert!(text.contains("--skip regeln/a.sch") && text.contains(reason), "{text}");
        }
    }
    let files: Vec<(String, String)> = standard("1.0").into_iter().chain(base()).collect();
    let mut with_rules = files;
    with_rules.push(("regeln/a.sch".to_owned(), rules("1.0", xslt)));
    let source = folder(&with_rules);
    let options = Options { skip: vec!["regeln/a.sch".to_owned()], ..Options::default() };
    let made = target.import(source.path(), &options).expect("made without it");
    assert!(made.rules.is_empty());
}

#[test]
fn without_its_first_day_a_pack_is_in_force_on_no_day() {
    let target = Target::new();
    let (source, base) = (folder(&standard("1.0")), folder(&base()));
    let options = Options { valid_from: None, ..with(base.path()) };
    let made = target.import(source.path(), &options).expect("made");
    assert!(made.pack.unconfirmed.contains(&"valid_from".to_owned()));
    assert_eq!(target.verdict(&message("1.0", "abc")), Verdict::NotInForce);
    let text = fs::read_to_string(made.path.join("pack.toml")).expect("there");
    assert!(text.contains("valid_from = 9999-01-01  # CONFIRM"), "{text}");
    let days = Options { valid_until: Some(jiff::civil::date(2026, 4, 30)), ..with(base.path()) };
    assert_eq!(target.refused(source.path(), &days).kind, Refusal::Ambiguous);
}

#[test]
fn what_is_missing_is_named() {
    let target = Target::new();
    let source = folder(&standard("1.0"));
    let error = target.refused(source.path(), &Options::default());
    assert_eq!(error.kind, Refusal::Incomplete);
    for part in ["xsd/n.xsd:2:", "urn:example:base", "https://base.example/base.xsd"] {
        assert!(error.message_en.contains(part) && error.message_de.contains(part), "{error}");
    }
    // What messages need cannot be left out.
    let options = Options { leave_out: vec!["urn:example:base".to_owned()], ..Options::default() };
    assert_eq!(target.refused(source.path(), &options).kind, Refusal::NotLoaded);
    let body = "<xs:import namespace='urn:b'/><xs:element name='a' type='b:T' xmlns:b='urn:b'/>";
    let untyped = folder(&owned(&[("a.xsd", &xsd("urn:a", "1", body))]));
    let options = Options { leave_out: vec!["urn:b".to_owned()], ..Options::default() };
    let error = target.refused(untyped.path(), &options);
    assert!(error.message_en.starts_with("What was left out is needed"), "{error}");
    // An include that leads nowhere is missing too.
    let source = folder(&standard("1.0")[..1]);
    let error = target.refused(source.path(), &Options::default());
    assert!(error.message_en.contains("n.xsd"), "{error}");
}

#[test]
fn what_no_message_needs_may_be_left_out_and_is_said() {
    let target = Target::new();
    let body = "<xs:import namespace='urn:far' schemaLocation='http://far.example/f.xsd'/>\
                <xs:import namespace='urn:near'/><xs:element name='a' type='xs:token'/>";
    let source = folder(&owned(&[
        ("a.xsd", &xsd("urn:a", "1", body)),
        ("n.xsd", &xsd("urn:near", "1", "")),
    ]));
    assert_eq!(target.refused(source.path(), &Options::default()).kind, Refusal::Incomplete);
    let options = Options { leave_out: vec!["urn:far".to_owned()], ..Options::default() };
    let made = target.import(source.path(), &options).expect("made");
    assert_eq!(made.pack.left_out, ["urn:far"]);
    assert_eq!(made.pack.documents, 2);
    assert!(made.pack.unconfirmed.contains(&"standard".to_owned()), "only guessed");
}

#[test]
fn of_two_versions_one_is_chosen_and_both_stand_side_by_side() {
    let target = Target::new();
    let mut files = Vec::new();
    for version in ["1.0", "1.1"] {
        let all = standard(version).into_iter().chain(base());
        files.extend(all.map(|(name, text)| (format!("v{version}/{name}"), text)));
    }
    let source = target.archive("both.zip", &zipped(&files));
    let error = target.refused(&source, &Options::default());
    assert_eq!(error.kind, Refusal::Ambiguous);
    assert!(error.message_en.contains("v1.0/xsd/probe.xsd"), "{error}");
    assert!(error.message_en.contains("v1.1/xsd/probe.xsd"), "{error}");
    for version in ["1.0", "1.1"] {
        let valid_from = Some(jiff::civil::date(2026, 5, 1));
        let entry = vec![format!("v{version}/xsd")];
        let options = Options { entry, valid_from, ..Options::default() };
        let made = target.import(&source, &options).expect("made");
        assert_eq!(made.pack.version, version);
    }
    assert_eq!(target.names(), ["xprobe-1.0", "xprobe-1.1"]);
    for version in ["1.0", "1.1"] {
        assert_eq!(target.verdict(&message(version, "abc")), Verdict::Valid);
        assert_eq!(target.verdict(&message(version, "abcd")), Verdict::Invalid);
    }
    let options = Options { entry: vec!["v2".to_owned()], ..Options::default() };
    assert_eq!(target.refused(&source, &options).kind, Refusal::Ambiguous);
}

#[test]
fn of_several_with_one_namespace_version_or_place_decides_or_the_caller() {
    let import = "<xs:import namespace='urn:b' schemaLocation='http://b.example/2/types.xsd'/>\
                  <xs:element name='a' type='b:T' xmlns:b='urn:b'/>";
    let types = |length: u32| {
        format!(
            "<xs:simpleType name='T'><xs:restriction base='xs:token'><xs:maxLength value='{length}'/>\
             </xs:restriction></xs:simpleType>"
        )
    };
    let (one, two) = (types(1), types(2));
    let made = |first: (&str, &str), second: (&str, &str), choose: &[(&str, &str)]| {
        let target = Target::new();
        let source = folder(&owned(&[
            ("a.xsd", &xsd("urn:a", "7", import)),
            (first.0, &xsd("urn:b", first.1, &one)),
            (second.0, &xsd("urn:b", second.1, &two)),
        ]));
        let choose = choose.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let valid_from = Some(jiff::civil::date(2026, 5, 1));
        let entry = vec!["a.xsd".to_owned()];
        let options = Options { choose, valid_from, entry, ..Options::default() };
        let chosen = target.import(source.path(), &options)?.chosen;
        let long = target.verdict("<a xmlns='urn:a'>xx</a>") == Verdict::Valid;
        Ok::<_, ImportError>((long, chosen.into_values().next()))
    };
    let said = |path: &str| Some(path.to_owned());
    // By location, by version, by the caller; else nobody guesses.
    let by_location = made(("1/types.xsd", "1"), ("2/types.xsd", "1"), &[]).expect("made");
    assert_eq!(by_location, (true, said("2/types.xsd")));
    let by_version = made(("x/one.xsd", "7"), ("y/two.xsd", "1"), &[]).expect("made");
    assert_eq!(by_version, (false, said("x/one.xsd")));
    let error = made(("x/one.xsd", "1"), ("y/two.xsd", "1"), &[]).expect_err("open");
    assert_eq!(error.kind, Refusal::Ambiguous);
    assert!(error.message_en.contains("--choose urn:b=FILE"), "{error}");
    let by_caller = made(("x/one.xsd", "1"), ("y/two.xsd", "1"), &[("urn:b", "y/two.xsd")]);
    assert_eq!(by_caller.expect("made"), (true, None));
    // One that the set holds anyway is meant, whatever other copies are called.
    let target = Target::new();
    let beside = "<xs:import namespace='urn:b' schemaLocation='x/own.xsd'/>\
                  <xs:import namespace='urn:c' schemaLocation='c.xsd'/>\
                  <xs:element name='a' type='b:T' xmlns:b='urn:b'/>";
    let far = "<xs:import namespace='urn:b' schemaLocation='http://b.example/2/types.xsd'/>";
    let source = folder(&owned(&[
        ("a.xsd", &xsd("urn:a", "7", beside)),
        ("c.xsd", &xsd("urn:c", "7", far)),
        ("x/own.xsd", &xsd("urn:b", "1", &one)),
        ("y/other.xsd", &xsd("urn:b", "7", &two)),
    ]));
    let options = Options { entry: vec!["a.xsd".to_owned()], ..Options::default() };
    let held = target.import(source.path(), &options).expect("made");
    assert_eq!((held.pack.documents, &*held.chosen["urn:b"]), (3, "x/own.xsd"));
    let nobody = made(("x/one.xsd", "1"), ("y/two.xsd", "1"), &[("urn:b", "z.xsd")]);
    assert_eq!(nobody.expect_err("no such").kind, Refusal::Ambiguous);
}

#[test]
fn what_is_no_schema_and_no_list_is_refused() {
    let target = Target::new();
    let page = "<html xmlns='http://www.w3.org/1999/xhtml'><body>404</body></html>";
    for (name, text) in [
        ("farbe.xml", page),
        ("farbe.xml", "Not found"),
        ("farbe.xml", "<!DOCTYPE html><html><br></html>"),
        ("farbe.gc", "<liste/>"),
        ("b.xsd", "<a/>"),
        ("b.xsd", ""),
        ("b.xsd", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        (
            "farbe.xml",
            "<gc:CodeList xmlns:gc='http://docs.oasis-open.org/codelist/ns/genericode/1.0/'/>",
        ),
    ] {
        let mut files = standard("1.0");
        files.push((name.to_owned(), text.to_owned()));
        let (source, base) = (folder(&files), folder(&base()));
        let error = target.refused(source.path(), &with(base.path()));
        assert_eq!(error.kind, Refusal::Document, "{text}: {error}");
        assert!(error.message_en.starts_with(name), "{error}");
        let target = Target::new();
        let options = Options { skip: vec![name.to_owned()], ..with(base.path()) };
        target.import(source.path(), &options).expect("passed over");
    }
    let nothing = folder(&owned(&[("a.txt", "")]));
    assert_eq!(target.refused(nothing.path(), &Options::default()).kind, Refusal::NoEntry);
    let types = folder(&owned(&[(
        "a.xsd",
        &xsd(
            "urn:a",
            "1",
            "<xs:simpleType name='T'><xs:restriction base='xs:int'/></xs:simpleType>",
        ),
    )]));
    assert_eq!(target.refused(types.path(), &Options::default()).kind, Refusal::NoEntry);
    let wrong = folder(&owned(&[(
        "a.xsd",
        &xsd("urn:a", "1", "<xs:element name='a' type='x:y' xmlns:x='urn:x'/>"),
    )]));
    assert_eq!(target.refused(wrong.path(), &Options::default()).kind, Refusal::NotLoaded);
    assert_eq!(target.refused(Path::new("/no/such"), &Options::default()).kind, Refusal::Io);
}

#[test]
fn hostile_archives_are_refused() {
    let target = Target::new();
    let one = |name: &str, text: &str| zipped(&owned(&[(name, text)]));
    let good = xsd("urn:a", "1", "<xs:element name='a' type='xs:token'/>");
    for name in [
        "../a.xsd",
        "/etc/a.xsd",
        "a/../../b.xsd",
        "a/./b.xsd",
        "a//b.xsd",
        "C:/a.xsd",
        "a\\..\\b.xsd",
        "../a.pdf",
        "a\u{7}.xsd",
    ] {
        let error =
            target.refused(&target.archive("h.zip", &one(name, &good)), &Options::default());
        assert_eq!(error.kind, Refusal::Hostile, "{name}: {error}");
    }
    for name in ["inner.zip", "a/B.TAR.GZ", "lib.jar"] {
        let error = target.refused(&target.archive("h.zip", &one(name, "")), &Options::default());
        assert_eq!(error.kind, Refusal::Hostile, "{name}");
        assert!(error.message_en.contains("archive inside"), "{error}");
    }
    let hidden = String::from_utf8_lossy(b"PK\x03\x04").into_owned();
    let error =
        target.refused(&target.archive("h.zip", &one("a.xsd", &hidden)), &Options::default());
    assert_eq!(error.kind, Refusal::Hostile, "an archive by another name");

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("a.xsd", "/etc/passwd", SimpleFileOptions::default()).expect("added");
    let link = writer.finish().expect("complete").into_inner();
    let error = target.refused(&target.archive("h.zip", &link), &Options::default());
    assert!(error.kind == Refusal::Hostile && error.message_en.contains("link"), "{error}");

    // The same name twice: what one program sees is not what another sees.
    let twice = zipped(&owned(&[("aa.xsd", &good), ("bb.xsd", "<x/>")]));
    let twice: Vec<u8> = replaced(twice, b"bb.xsd", b"aa.xsd");
    let error = target.refused(&target.archive("h.zip", &twice), &Options::default());
    assert!(error.kind == Refusal::Hostile && error.message_en.contains("twice"), "{error}");
    let cases = zipped(&owned(&[("aa.xsd", &good), ("AA.xsd", &good)]));
    assert_eq!(
        target.refused(&target.archive("h.zip", &cases), &Options::default()).kind,
        Refusal::Hostile
    );

    // A damaged archive, and none.
    let whole = zipped(&standard("1.0"));
    for octets in [&whole[..whole.len() / 2], b"no archive", b""] {
        let error = target.refused(&target.archive("h.zip", octets), &Options::default());
        assert_eq!(error.kind, Refusal::Hostile, "{error}");
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..=MAX_FILES {
        writer.start_file(format!("{n}.txt"), SimpleFileOptions::default()).expect("begun");
    }
    let many = writer.finish().expect("complete").into_inner();
    let error = target.refused(&target.archive("h.zip", &many), &Options::default());
    assert_eq!(error.kind, Refusal::TooLarge, "{error}");
}

fn replaced(mut octets: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut count = 0;
    for at in 0..=octets.len() - old.len() {
        if &octets[at..at + old.len()] == old {
            octets[at..at + old.len()].copy_from_slice(new);
            count += 1;
        }
    }
    assert_eq!(count, 2, "in the local header and in the directory");
    octets
}

#[test]
fn a_bomb_is_stopped_while_it_unpacks() {
    let target = Target::new();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a.xsd", SimpleFileOptions::default()).expect("begun");
    let piece = vec![b' '; 1 << 20];
    (0..65).for_each(|_| writer.write_all(&piece).expect("written"));
    let bomb = writer.finish().expect("complete").into_inner();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let error = target.refused(&target.archive("h.zip", &bomb), &Options::default());
    assert!(error.kind == Refusal::TooLarge && error.message_en.contains("64 MiB"), "{error}");
    // The size that the archive claims is not what counts.
    let claimed = u32::try_from(65 << 20).expect("small").to_le_bytes();
    let small = replaced(bomb, &claimed, &9_u32.to_le_bytes());
    let error = target.refused(&target.archive("h.zip", &small), &Options::default());
    assert!(matches!(error.kind, Refusal::TooLarge | Refusal::Io | Refusal::Hostile), "{error}");
}

#[test]
fn folders_have_the_same_limits() {
    let target = Target::new();
    let source = folder(&standard("1.0"));
    std::os::unix::fs::symlink("/etc/passwd", source.path().join("b.xsd")).expect("linked");
    assert_eq!(target.refused(source.path(), &Options::default()).kind, Refusal::Hostile);
    fs::remove_file(source.path().join("b.xsd")).expect("removed");

    let large = |name: &str, size: u64| {
        File::create(source.path().join(name)).and_then(|file| file.set_len(size)).expect("made");
    };
    large("b.xsd", (64 << 20) + 1);
    let error = target.refused(source.path(), &Options::default());
    assert!(error.kind == Refusal::TooLarge && error.message_en.contains("64 MiB"), "{error}");
    for n in 0..5 {
        large(&format!("c{n}.xsd"), 60 << 20);
    }
    fs::remove_file(source.path().join("b.xsd")).expect("removed");
    let error = target.refused(source.path(), &Options::default());
    assert!(error.kind == Refusal::TooLarge && error.message_en.contains("256 MiB"), "{error}");

    let deep = folder(&[(format!("{}a.xsd", "d/".repeat(30)), String::new())]);
    assert_eq!(target.refused(deep.path(), &Options::default()).kind, Refusal::TooLarge);
}

#[test]
fn a_known_erratum_is_read_otherwise_and_named() {
    let target = Target::new();
    let body = "<xs:element name='a'><xs:complexType><xs:sequence>\n\
                <xs:element ref='o:b'  xmlns:o='urn:o' minOccurs='0'/>\n\
                <xs:any namespace='##other' processContents='lax' minOccurs='0' maxOccurs='9'/>\
                </xs:sequence></xs:complexType></xs:element>";
    let body = format!("<xs:import namespace='urn:o' schemaLocation='o.xsd'/>{body}");
    let other = xsd("urn:o", "1", "<xs:element name='b' type='xs:int'/>");
    let source = folder(&owned(&[("a.xsd", &xsd("urn:a", "1", &body)), ("o.xsd", &other)]));
    let valid_from = Some(jiff::civil::date(2026, 5, 1));
    let mut options = Options { valid_from, ..Options::default() };
    let error = target.refused(source.path(), &options);
    assert!(
        error.kind == Refusal::NotLoaded
            && error.message_en.contains("cos-nonambig")
            && error.message_en.contains(" at a.xsd:"),
        "{error}"
    );
    let erratum = |old: &str| Amendment {
        file: "a.xsd".to_owned(),
        rule: "cos-nonambig".to_owned(),
        reason: "the wildcard allows the element as well".to_owned(),
        instead_of: old.to_owned(),
        read: String::new(),
    };
    let elsewhere = Amendment { file: "z.xsd".to_owned(), ..erratum("x") };
    // Another edition of the document is noticed.
    options.tolerate = vec![erratum("<xs:element ref='o:c' xmlns:o='urn:o'/>")];
    let error = target.refused(source.path(), &options);
    assert!(error.message_en.contains("is not there once"), "{error}");
    options.tolerate =
        vec![erratum("<xs:element ref='o:b' xmlns:o='urn:o' minOccurs='0'/>"), elsewhere];
    let made = target.import(source.path(), &options).expect("made");
    let [told] = made.pack.tolerated.as_slice() else { panic!("{:?}", made.pack.tolerated) };
    assert_eq!((&*told.file, &*told.rule), ("a.xsd", "cos-nonambig"));
    let copy = fs::read_to_string(made.path.join("a.xsd")).expect("there");
    assert!(copy.contains("o:b"), "the document stays as published");
    assert_eq!(target.verdict("<a xmlns='urn:a'><b xmlns='urn:o'>1</b></a>"), Verdict::Valid);
    assert_eq!(target.verdict("<a xmlns='urn:a'><b xmlns='urn:o'>x</b></a>"), Verdict::Invalid);
}

#[test]
fn a_catalog_of_the_source_counts() {
    let target = Target::new();
    let body = "<xs:import namespace='urn:b' schemaLocation='http://b.example/b.xsd'/>\
                <xs:element name='a' type='b:T' xmlns:b='urn:b'/>";
    let types = "<xs:simpleType name='T'><xs:restriction base='xs:int'/></xs:simpleType>";
    let catalog = "<catalog xmlns='urn:oasis:names:tc:entity:xmlns:xml:catalog'>\
        <rewriteURI uriStartString='http://b.example/' rewritePrefix='there/'/></catalog>";
    let files = owned(&[
        ("a.xsd", &xsd("urn:a", "1", body)),
        ("here/b.xsd", &xsd("urn:b", "1", "")),
        ("there/b.xsd", &xsd("urn:b", "1", types)),
        ("catalog.xml", catalog),
    ]);
    let source = folder(&files);
    let options = Options { entry: vec!["a.xsd".to_owned()], ..Options::default() };
    let made = target.import(source.path(), &options).expect("made");
    assert!(made.path.join("there/b.xsd").is_file() && !made.path.join("here").exists());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_archive_is_answered_and_leaves_nothing(changes: Vec<(usize, u8)>, cut: usize) {
        let target = Target::new();
        let mut octets = zipped(&standard("1.0").into_iter().chain(base()).collect::<Vec<_>>());
        for (at, value) in changes {
            let length = octets.len();
            octets[at % length] = value;
        }
        octets.truncate(octets.len() - if cut % 4 == 0 { cut % octets.len() } else { 0 });
        let source = target.archive("d.zip", &octets);
        match target.import(&source, &Options::default()) {
            Ok(made) => assert!(made.path.join("pack.toml").is_file()),
            Err(_) => assert!(target.names().is_empty()),
        }
    }
}
