//! `cert affected` and `cert refresh` against a node of the example region that reads a list of
//! revoked certificates from a file.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{amtsbote, exits, objects, stdout};
use serde_json::Value;

const SOURCE: &str = "\n[[revocation.source]]\nissuer = \"ca.pem\"\ncrl = [\"ca.crl\"]\n";

/// A running node; killed when dropped.
struct Hub {
    dir: PathBuf,
    process: Child,
    ready: Value,
    _folder: tempfile::TempDir,
}

impl Hub {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        let made = amtsbote(folder.path()).args(["init", "--dev"]).arg(&dir).output();
        exits(&made.expect("it runs"), 0);
        let config = dir.join("amtsbote.toml");
        let text = fs::read_to_string(&config).expect("there");
        fs::write(&config, format!("{text}{SOURCE}")).expect("written");
        fs::write(dir.join("index.txt"), "").expect("written");
        fs::write(dir.join("number"), "01\n").expect("written");
        list(&dir);
        let said = dir.join("ready.json");
        let mut process = amtsbote(&dir)
            .args(["serve", "--config", "amtsbote.toml", "--native", "127.0.0.1:0"])
            .args(["--operations", "127.0.0.1:0", "--ready-file", "ready.json"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("hub.log")).expect("it can be written"))
            .spawn()
            .expect("it runs");
        let begun = Instant::now();
        while !said.exists() {
            let ended = process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "serve ended early: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(60), "serve is not ready after 60 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready = fs::read_to_string(&said).expect("there");
        let ready = serde_json::from_str(&ready).expect("whole, or not there");
        Self { dir, process, ready, _folder: folder }
    }

    fn run(&self, client: &str, arguments: &[&str]) -> Output {
        let address = |key: &str| format!("https://{}", self.ready[key].as_str().expect("text"));
        amtsbote(&self.dir)
            .env("AMTSBOTE_CLIENT", self.dir.join(format!("clients/{client}.toml")))
            .env("AMTSBOTE_URL", address("native"))
            .env("AMTSBOTE_OPERATIONS_URL", address("operations"))
            .args(arguments)
            .output()
            .expect("it runs")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Already gone in the good case.
        drop(self.process.kill());
        drop(self.process.wait());
    }
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
    let hub = Hub::start();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schemas/packs/xummeldung-1.0/samples/valid/mitteilung-familie.xml");
    let service = ["--service", "urn:amtsbote:service:xummeldung", "-o", "json"];
    let parties = ["--from", "ags:05766044", "--to", "ags:05766020"];
    let sample = sample.to_str().expect("UTF-8");
    let sent = hub.run("05766044", &[&["send", sample], &service[..], &parties].concat());
    exits(&sent, 0);

    let none = hub.run("operator", &["cert", "affected", "-o", "json"]);
    exits(&none, 0);
    let sum = objects(&none).remove(0);
    assert_eq!((&sum["affected"], &sum["more"]), (&Value::from(0), &Value::from(false)), "{sum}");
    exits(&hub.run("operator", &["cert", "affected", "no-fingerprint"]), 2);
    exits(&hub.run("operator", &["cert", "affected", &"0a".repeat(32)]), 0);

    authority(&hub.dir, &["-revoke", "certs/05766044-sig.pem"]);
    list(&hub.dir);
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

    fs::remove_file(hub.dir.join("ca.crl")).expect("removed");
    let failing = hub.run("operator", &["cert", "refresh"]);
    exits(&failing, 1);
    assert!(stdout(&failing).contains("ca.crl"), "{}", stdout(&failing));
}
