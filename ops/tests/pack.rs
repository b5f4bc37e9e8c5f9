//! Packs at the command line: made of what was published, shown with what is to be looked at.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{amtsbote, exits, objects, stdout};
use serving::{Region, Serving};

const XS: &str = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";

/// An invented standard that imports a base module from an address on the network.
fn published(dir: &Path) {
    let body = "<xs:import namespace='urn:example:base' schemaLocation='https://b.example/b.xsd'/>\
                <xs:element name='probe.0101' type='b:Wert' xmlns:b='urn:example:base'/>";
    let base = "<xs:simpleType name='Wert'><xs:restriction base='xs:token'>\
                <xs:maxLength value='3'/></xs:restriction></xs:simpleType>";
    for (name, namespace, body) in
        [("probe/probe.xsd", "urn:example:probe", body), ("base/b.xsd", "urn:example:base", base)]
    {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        let text =
            format!("<xs:schema {XS} targetNamespace='{namespace}' version='2'>{body}</xs:schema>");
        fs::write(path, text).expect("written");
    }
    fs::create_dir(dir.join("packs")).expect("made");
}

fn pack(dir: &Path, arguments: &[&str]) -> Output {
    amtsbote(dir).arg("pack").args(arguments).output().expect("it runs")
}

#[test]
fn a_published_standard_becomes_a_pack_that_checks_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    published(dir);
    let import = ["import", "probe", "--into", "packs"];

    // What is missing is named, in both languages; nothing is left.
    let missing = pack(dir, &import);
    exits(&missing, 1);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("probe.xsd:1: namespace urn:example:base"), "{said}");
    let german = pack(dir, &[&import[..], &["--lang", "de"]].concat());
    assert!(String::from_utf8_lossy(&german.stderr).contains("Es fehlen Dokumente"));
    assert_eq!(fs::read_dir(dir.join("packs")).expect("there").count(), 0);

    let complete = [&import[..], &["--with", "base", "--standard", "XProbe"]].concat();
    let made = pack(dir, &[&complete[..], &["--valid-from", "2026-01-01", "-o", "json"]].concat());
    exits(&made, 0);
    let object = &objects(&made)[0];
    assert_eq!(object["standard"], "XProbe");
    assert_eq!(object["version"], "2");
    assert_eq!(object["validated_by"], "tables");
    assert_eq!(object["documents"], 2);
    exits(&pack(dir, &complete), 2);

    let show = ["show", "XProbe", "--packs", "packs"];
    let shown = pack(dir, &show);
    exits(&shown, 0);
    let text = stdout(&shown);
    assert!(text.contains("validated by:         tables"), "{text}");
    assert!(text.contains("warning: pack.toml, to be confirmed: decided_by"), "{text}");
    let german = stdout(&pack(dir, &[&show[..], &["--lang", "de"]].concat()));
    assert!(german.contains("geprüft durch:        Tabellen"), "{german}");
    assert!(german.contains("Achtung: pack.toml, noch zu bestätigen: decided_by"), "{german}");
    let object = &objects(&pack(dir, &[&show[..], &["-o", "json"]].concat()))[0];
    assert_eq!(object["by_library"], serde_json::Value::Null);
    exits(&pack(dir, &["show", "XProbe", "3", "--packs", "packs"]), 1);

    let message = |value: &str| {
        let text = format!("<probe.0101 xmlns='urn:example:probe'>{value}</probe.0101>");
        fs::write(dir.join("m.xml"), text).expect("written");
        amtsbote(dir).args(["schema", "check", "--packs", "packs", "m.xml"]).output()
    };
    exits(&message("abc").expect("it runs"), 0);
    exits(&message("abcd").expect("it runs"), 1);
}

#[test]
fn show_says_why_the_library_judges_and_what_is_tolerated() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let place = dir.join("packs/hand");
    fs::create_dir_all(&place).expect("made");
    let schema = format!(
        "<xs:schema {XS} targetNamespace='urn:h'><xs:import namespace='urn:far'/>\
         <xs:element name='a' type='f:T' xmlns:f='urn:far'/></xs:schema>"
    );
    fs::write(place.join("h.xsd"), schema).expect("written");
    let manifest = "standard = 'XHand'\nversion = '1'\nvalid_from = 2026-01-01\n\
        decided_by = 'arrived'\nheader = 'none'\nentry = ['h.xsd']\nnamespace = 'urn:h'\n\
        left_out = ['urn:far']\n[[message]]\nroot = 'a'\ntype = '1'\nname = 'A'\n\
        [[tolerate]]\nfile = 'h.xsd'\nrule = 'src-x'\nreason = 'a test'\n\
        instead_of = \"version='0'\"\nread = ''\n";
    fs::write(place.join("pack.toml"), manifest).expect("written");
    let show = ["show", "XHand", "--packs", "packs"];
    let shown = pack(dir, &show);
    exits(&shown, 3);
    assert!(String::from_utf8_lossy(&shown.stderr).contains("is not there once"));
    let manifest = manifest.replace("\"version='0'\"", "\"targetNamespace='urn:h'\"");
    let manifest = manifest.replace("read = ''", "read = \"targetNamespace='urn:h' version='2'\"");
    fs::write(place.join("pack.toml"), manifest).expect("written");
    let text = stdout(&pack(dir, &show));
    assert!(text.contains("validated by:         library (an element whose type is missing: "));
    assert!(text.contains("warning: left out: urn:far"), "{text}");
    assert!(text.contains("warning: faulty schema tolerated: h.xsd (src-x): a test"), "{text}");
    let german = stdout(&pack(dir, &[&show[..], &["--lang", "de"]].concat()));
    assert!(german.contains("geprüft durch:        Bibliothek ("), "{german}");
    let object = &objects(&pack(dir, &[&show[..], &["-o", "json"]].concat()))[0];
    assert_eq!(object["validated_by"], "library");
    assert!(object["by_library"].as_str().is_some_and(|why| why.contains("missing")));
    assert_eq!(object["tolerated"][0]["rule"], "src-x");
}

#[test]
fn wrong_use_and_hostile_sources_have_their_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    published(dir);
    for arguments in [
        &["import", "no-such", "--into", "packs"][..],
        &["import", "probe", "--into", "no-such"],
        &["import", "probe"],
        &["import", "probe", "--into", "packs", "--valid-until", "2026-01-01"],
        &["import", "probe", "--into", "packs", "--valid-from", "tomorrow"],
        &["import", "probe", "--into", "packs", "--choose", "urn:x"],
        &["import", "probe", "--into", "packs", "--tolerate", "probe/probe.xsd"],
        &["import", "probe", "--into", "packs", "--entry", "other.xsd"],
    ] {
        exits(&pack(dir, arguments), 2);
    }
    fs::write(dir.join("no.zip"), "no archive").expect("written");
    exits(&pack(dir, &["import", "no.zip", "--into", "packs"]), 1);
    let leave_out = ["--leave-out", "urn:example:base"];
    exits(&pack(dir, &[&["import", "probe", "--into", "packs"][..], &leave_out].concat()), 3);
    assert_eq!(fs::read_dir(dir.join("packs")).expect("there").count(), 0);
}

#[test]
fn the_new_commands_have_help_with_an_example() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["show", "import"] {
        let output = pack(folder.path(), &[command, "--help"]);
        exits(&output, 0);
        assert!(stdout(&output).contains("amtsbote pack"), "{command}");
    }
}

#[test]
fn a_broken_pack_changes_nothing_at_a_hub_at_work() {
    let region = Region::new();
    let hub = Serving::start(&region.dir);
    let list = || {
        let listed = hub.run("operator", &["pack", "list", "-o", "json"]);
        exits(&listed, 0);
        objects(&listed)
    };
    let before = list();
    assert!(!before.is_empty());

    let packs = region.dir.join("packs");
    let folder = packs.join(before[0]["folder"].as_str().expect("a folder"));
    let manifest = folder.join("pack.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let schema = fs::read_dir(&folder)
        .expect("there")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "xsd"))
        .expect("a schema");
    let whole = fs::read(&schema).expect("there");
    let half = &whole[..whole.len() / 2];
    // Neither a manifest with an unknown key nor half a schema takes the place of what is in force.
    for (file, broken, good) in [
        (&manifest, format!("{text}\nunknown_key = 1\n").into_bytes(), text.clone().into_bytes()),
        (&schema, half.to_vec(), whole.clone()),
    ] {
        fs::write(file, broken).expect("written");
        let refused = hub.run("operator", &["reload", "-o", "json"]);
        exits(&refused, 1);
        let reason = objects(&refused)[0]["reason"].as_str().unwrap_or_default().to_owned();
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(reason.contains(name), "{reason}");
        assert_eq!(list(), before);
        exits(&hub.send(), 0);
        fs::write(file, good).expect("written");
        exits(&hub.run("operator", &["reload"]), 0);
    }
    fs::remove_dir_all(&folder).expect("removed");
    exits(&hub.run("operator", &["reload"]), 0);
    assert_eq!(list().len(), before.len() - 1);
}
