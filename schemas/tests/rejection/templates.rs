//! Templates that packs bring: what is refused, the one of the handbook, one for a real standard.

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::import::{Options, import};
use amtsbote_schemas::pack::{Cause, NoRejection, PackSet};
use amtsbote_schemas::validate::Verdict;

use super::{ARRIVAL, ID, at, check, folder, load, packs, read, sample, skipped};

/// A copy of the pack with another template or description.
pub(super) fn altered(file: &str, from: &str, to: &str) -> Result<PackSet, String> {
    let scratch = tempfile::tempdir().expect("a folder");
    let (source, pack) = (folder("1.1"), scratch.path().join("pack"));
    fs::create_dir_all(pack.join("codelists")).expect("a folder");
    for part in ["", "codelists"] {
        for entry in fs::read_dir(source.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                fs::copy(&path, pack.join(part).join(name)).expect("copied");
            }
        }
    }
    let text = fs::read_to_string(pack.join(file)).expect("a file");
    assert!(text.contains(from), "{from}");
    fs::write(pack.join(file), text.replace(from, to)).expect("written");
    PackSet::load(scratch.path()).map_err(|error| error.to_string())
}

#[test]
fn a_pack_whose_rejections_would_fail_is_refused() {
    let (toml, xml) = ("pack.toml", "rejection.xml");
    for (file, from, to, part) in [
        (toml, "template = \"rejection.xml\"", "template = \"weg.xml\"", "weg.xml: No such file"),
        (toml, "\"rejection.xml\"", "\"../rejection.xml\"", "inside the folder"),
        (toml, "types = [\"0199\"]", "types = []", "which messages"),
        (toml, "types = [\"0199\"]", "types = [\"0188\"]", "'0188' is the type of no message"),
        (toml, "types = [\"0199\"]", "types = [\"0101\"]", "gives no rejection"),
        (toml, "types = [\"0199\"]", "types = [\"0100\", \"0101\", \"0199\"]", "every message"),
        (toml, ", other = \"R99\"", "", "'other' must be given"),
        (toml, "other = \"R99\"", "others = \"R99\"", "did you mean 'other'"),
        (toml, "types = [\"0199\"]", "type = [\"0199\"]", "did you mean 'types'"),
        (toml, "\"R99\"", "\"R77\"", "filled with specimen values (invalid, all values)"),
        (toml, "\"R05\"", "\"\"", "1 to 200 bytes"),
        (
            toml,
            "[rejection]",
            "[rejection]\nspecimen = { id = \"1\" }",
            "'id' is no value of the original's header",
        ),
        (
            toml,
            "[rejection]",
            "[rejection]\nspecimen = { original-author = \"ohne\" }",
            "gives no rejection",
        ),
        (xml, "<?amtsbote cause-code?>", "<?amtsbote cause-cod?>", "line 27: unknown value"),
        (xml, "<?amtsbote cause-code?>", "", "gives no rejection"),
        (xml, "<?amtsbote cause-code?>", "<?amtsbote test?>", "needs the value test"),
        (xml, " test=\"{test}\"", "", "(other, a test message)"),
        (xml, "test=\"{test}\"", "test=\"immer\"", "marked as test"),
        (xml, "original-author-name original-author", "original-author-name", "names"),
        (xml, "<code>0199</code>", "<code>0100</code>", "Nachrichtenkopf|does not fit the root"),
        (xml, "um:ummeldung.rueckweisung.0199", "um:neu", "no rejection of the pack"),
        (xml, "</leser>", "", "rejection.xml: "),
    ] {
        let Err(error) = altered(file, from, to) else { panic!("{to} was accepted") };
        assert!(part.split('|').any(|part| error.contains(part)), "{from} -> {to}: {error}");
        assert!(error.starts_with("pack pack: "), "{error}");
    }
    altered(toml, "[rejection]", "[rejection]\nspecimen = { original-author = \"bul:1\" }")
        .expect("a specimen of one's own");
}

/// `[rejection]` of our packs.
fn description() -> String {
    let toml = fs::read_to_string(folder("1.1").join("pack.toml")).expect("a manifest");
    let from = toml.find("[rejection]").expect("a table");
    let length = toml[from..].find("[[").expect("another");
    toml[from..from + length].to_owned()
}

#[test]
fn a_pack_without_a_template_says_so() {
    let packs = altered("pack.toml", &description(), "").expect("it loads");
    assert!(packs.list()[0].rejections.is_empty());
    let checked = check(&packs, sample("1.1", "valid/antwort.xml").as_bytes(), ARRIVAL);
    let answer = packs.rejection(&checked, Cause::Other, ID, at(ARRIVAL));
    assert_eq!(answer, Err(NoRejection::NotDefined));
    let mut own = load().list().into_iter().filter(|pack| pack.standard == "XUmmeldung");
    assert!(own.all(|pack| pack.rejections == ["0199"]));
}

/// What `schemas/packs/README.md` shows is what works.
#[test]
fn the_example_of_the_handbook_works() {
    let handbook = fs::read_to_string(packs().join("README.md")).expect("the handbook");
    let block = |kind: &str, with: &str| {
        let mut blocks = handbook.split("```").filter_map(|block| block.strip_prefix(kind));
        blocks.find(|block| block.contains(with)).expect("an example").to_owned()
    };
    let own = fs::read_to_string(folder("1.1").join("rejection.xml")).expect("a template");
    altered("rejection.xml", &own, &block("xml\n", "<?amtsbote")).expect("the template");
    altered("pack.toml", &description(), &block("toml\n", "[rejection]")).expect("the keys");
}

const XWASSER: &str = r#"<x:administration.rueckweisung.0010
    xmlns:x="https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0"
    produkt="Amtsbote" produkthersteller="Projekt Amtsbote"
    standard="{standard}" version="{version}" test="{test}">
  <nachrichtenkopf.g2g>
    <identifikation.nachricht>
      <nachrichtenUUID><?amtsbote id?></nachrichtenUUID>
      <nachrichtentyp listURI="urn:xoev-de:xwasser:codeliste:nachrichtentyp" listVersionID="1">
        <code>0010</code>
      </nachrichtentyp>
      <erstellungszeitpunkt><?amtsbote created?></erstellungszeitpunkt>
    </identifikation.nachricht>
    <leser>
      <verzeichnisdienst listVersionID="3">
        <code><?amtsbote original-author-directory ''?></code>
      </verzeichnisdienst>
      <kennung><?amtsbote original-author?></kennung>
      <name><?amtsbote original-author-name original-author?></name>
    </leser>
    <autor>
      <verzeichnisdienst listVersionID="3">
        <code><?amtsbote original-reader-directory ''?></code>
      </verzeichnisdienst>
      <kennung><?amtsbote original-reader?></kennung>
      <name><?amtsbote original-reader-name original-reader?></name>
    </autor>
    <referenzUUID><?amtsbote original-id?></referenzUUID>
  </nachrichtenkopf.g2g>
  <x:rueckweisung>
    <x:rueckweisungsgrund>
      <x:grund><code><?amtsbote cause-code?></code></x:grund>
      <x:grundSpezifisch><?amtsbote each finding?>
        <x:fehlerbeschreibung><?amtsbote finding?></x:fehlerbeschreibung>
      </x:grundSpezifisch>
    </x:rueckweisungsgrund>
    <x:transportinformationen>
      <x:nachrichtenId><?amtsbote original-id?></x:nachrichtenId>
      <x:ergaenzendeHinweise><?amtsbote cause-text 500?></x:ergaenzendeHinweise>
    </x:transportinformationen>
  </x:rueckweisung>
</x:administration.rueckweisung.0010>
"#;

/// A real standard, and real messages as they are: the header type of one is not that of its root,
/// and none names a directory.
#[test]
fn a_real_standard_rejects() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("AMTSBOTE_CORPUS").map_or(beside, PathBuf::from);
    if !corpus.is_dir() {
        return skipped::skipped("the corpus is not there");
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let with =
        ["xoev-basis/basisnachricht-1.1", "xoev-basis/datentypen", "osci-transport/1.2/extern"];
    let options = Options {
        with: with.map(|path| corpus.join(path)).to_vec(),
        valid_from: Some(jiff::civil::date(2000, 1, 1)),
        ..Options::default()
    };
    let made = import(&corpus.join("xwasser/1.0.0/xsd"), scratch.path(), &options);
    let pack = made.expect("it is imported").path;
    let toml = fs::read_to_string(pack.join("pack.toml")).expect("a manifest");
    let rejection = "\n[rejection]\ntemplate = \"rejection.xml\"\ntypes = [\"0010\"]\n\
                     causes = { other = \"99\" }\n";
    fs::write(pack.join("pack.toml"), toml + rejection).expect("written");
    fs::write(pack.join("rejection.xml"), XWASSER).expect("written");
    let packs = PackSet::load(scratch.path()).expect("it loads");
    let mut made = 0;
    for entry in fs::read_dir(corpus.join("xwasser/1.0.0/messages")).expect("messages") {
        let path = entry.expect("an entry").path();
        let checked = check(&packs, &fs::read(&path).expect("a message"), ARRIVAL);
        let cause = Cause::of(&checked).unwrap_or(Cause::Undeliverable);
        let rejection = packs.rejection(&checked, cause, ID, at(ARRIVAL));
        let told = checked.header.as_ref().is_some_and(|header| {
            let needed = [&header.message_uuid, &header.author, &header.reader];
            needed.iter().all(|fact| fact.is_some())
        });
        let Ok(rejection) = rejection else {
            let why = rejection.expect_err("none");
            assert!(!told, "{}: {why}", path.display());
            assert_eq!(why.code(), "rejection-value-missing");
            continue;
        };
        assert_eq!(rejection.message_type, "0010");
        let answered = check(&packs, rejection.xml.as_bytes(), ARRIVAL);
        assert_eq!(answered.verdict, Verdict::Valid, "{:?}", answered.findings);
        let (theirs, ours) = (checked.header.expect("a header"), read(rejection.xml.as_bytes()).0);
        assert_eq!((&ours.author, &ours.reader), (&theirs.reader, &theirs.author));
        assert_eq!(ours.test, theirs.test);
        made += 1;
    }
    println!("{made} rejections");
    assert!(made >= 2, "{made}");
}
