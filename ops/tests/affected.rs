//! `cert affected` and `cert refresh` against a node of the example region that reads a list of
//! revoked certificates from a file.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{exits, objects, stdout};
use serde_json::Value;
use serving::{Region, Serving};

const SOURCE: &str = "\n[[revocation.source]]\nissuer = \"ca.pem\"\ncrl = [\"ca.crl\"]\n";

/// A hub at work that has the authority's list of revoked certificates from a file.
fn start(region: &Region) -> Serving {
    let dir = &region.dir;
    let config = dir.join("amtsbote.toml");
    let text = fs::read_to_string(&config).expect("there");
    fs::write(&config, format!("{text}{SOURCE}")).expect("written");
    fs::write(dir.join("index.txt"), "").expect("written");
    fs::write(dir.join("number"), "01\n").expect("written");
    list(dir);
    Serving::start(dir)
}

/// `openssl ca` with the authority of the node.
fn authority(dir: &Path, arguments: &[&str]) {
    let configuration = "[ca]\ndefault_ca = here\n[here]\ndatabase = index.txt\n\
                         crlnumber = number\ncertificate = ca.pem\n\
                         private_key = ca/ca.key.pem\ndefault_md = sha256\n";
    fs::write(dir.join("ca.cnf"), configuration).expect("written");
    let output = Command::new("openssl")
        .args(["ca", "-config", "ca.cnf"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    exits(&output, 0);
}

fn list(dir: &Path) {
    authority(dir, &["-gencrl", "-crldays", "1", "-out", "ca.crl"]);
}

#[test]
fn what_a_revocation_hits_is_listed() {
    let region = Region::new();
    let hub = start(&region);
    exits(&hub.send(), 0);

    let none = hub.run("operator", &["cert", "affected", "-o", "json"]);
    exits(&none, 0);
    let sum = objects(&none).remove(0);
    assert_eq!((&sum["affected"], &sum["more"]), (&Value::from(0), &Value::from(false)), "{sum}");
    exits(&hub.run("operator", &["cert", "affected", "no-fingerprint"]), 2);
    exits(&hub.run("operator", &["cert", "affected", &"0a".repeat(32)]), 0);

    authority(&region.dir, &["-revoke", "certs/05766044-sig.pem"]);
    list(&region.dir);
    let refreshed = hub.run("operator", &["cert", "refresh", "-o", "json"]);
    exits(&refreshed, 0);
    assert_eq!(objects(&refreshed)[0]["sources"], 1);
    let hit = hub.run("operator", &["cert", "affected", "-o", "json"]);
    exits(&hit, 1);
    let lines = objects(&hit);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["status"]["author"], "ags:05766044");
    assert_eq!(lines[1]["affected"], 1);
    let text = hub.run("operator", &["--lang", "de", "cert", "affected"]);
    exits(&text, 1);
    assert!(stdout(&text).contains("signiert mit"), "{}", stdout(&text));

    fs::remove_file(region.dir.join("ca.crl")).expect("removed");
    let failing = hub.run("operator", &["cert", "refresh"]);
    exits(&failing, 1);
    assert!(stdout(&failing).contains("ca.crl"), "{}", stdout(&failing));
}
