//! The certificate fleet from end to end: a node of the example region, its inventory, its check, a
//! change of certificates. Every step is the built binary.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{amtsbote, exits, objects, stdout};
use serde_json::Value;
use serving::{Region, Serving};

const LEMGO: &str = "ags:05766044";
const ACCOUNT: &str = "verfahren-05766044";
/// What a node of the example region names: 39 members with two certificates each; node, log, master
/// key, operator; the authority three times: for clients, and as anchor of both purposes; what the node signs with,
/// in its key store and in the directory.
const ALL: usize = 39 * 2 + 4 + 3 + 2;

/// A node of the example region.
struct Node {
    dir: PathBuf,
    _region: Region,
}

impl Node {
    fn new() -> Self {
        let region = Region::new();
        Self { dir: region.dir.clone(), _region: region }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = amtsbote(&self.dir);
        command.args(arguments).args(["--config", "amtsbote.toml"]).output().expect("it runs")
    }

    fn directory(&self) -> String {
        fs::read_to_string(self.dir.join("directory.toml")).expect("there")
    }

    /// Changes the directory; the text must be there.
    fn change(&self, from: &str, to: &str) {
        let text = self.directory();
        assert!(text.contains(from), "{from}");
        fs::write(self.dir.join("directory.toml"), text.replacen(from, to, 1)).expect("written");
    }

    /// A new certificate of the test CA; its file.
    fn issue(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["cert", "issue", "-o", "json"], arguments].concat());
        exits(&output, 0);
        let file = self.dir.join(objects(&output)[0]["certificate"].as_str().expect("a path"));
        file.to_str().expect("UTF-8").to_owned()
    }

    /// What `cert check` says of Lemgo, as urgency by purpose.
    fn urgencies(&self, owner: &str) -> Vec<String> {
        let output = self.run(&["cert", "check", "-o", "json", "--owner", owner]);
        objects(&output)
            .iter()
            .map(|line| line["urgency"].as_str().expect("a word").to_owned())
            .collect()
    }

    /// Makes the certificate the only one of Lemgo.
    fn only(&self, file: &str) {
        fs::copy(file, self.dir.join("certs/05766044-sig.pem")).expect("copied");
    }
}

fn of<'a>(lines: &'a [Value], purpose: &str, owner: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["purpose"] == purpose && line["owner"] == owner);
    found.unwrap_or_else(|| panic!("no {purpose} of {owner}"))
}

#[test]
fn the_inventory_knows_every_key_and_certificate() {
    let node = Node::new();
    let output = node.run(&["cert", "inventory", "-o", "json"]);
    exits(&output, 0);
    let lines = objects(&output);
    assert_eq!(lines.len(), ALL);
    assert!(lines.iter().all(|line| line["judgement"] == "good"), "a new node conforms");
    let sig = of(&lines, "content-signature", LEMGO);
    assert_eq!((&sig["algorithm"], &sig["bits"]), (&"EC P-256".into(), &256.into()));
    assert_eq!((&sig["curve"], &sig["signed_with"]), (&"P-256".into(), &"ecdsa-sha256".into()));
    assert_eq!((&sig["key_here"], &sig["owner_name"]), (&false.into(), &"Stadt Lemgo".into()));
    assert_eq!(sig["sha256"].as_str().map(str::len), Some(64));
    assert!(sig["days_left"].as_i64().is_some_and(|days| days > 700), "{sig}");
    assert!(sig["place"].as_str().is_some_and(|place| place.ends_with("05766044-sig.pem")));
    let tls = of(&lines, "tls-identity", "beispiel");
    assert_eq!((&tls["key_here"], &tls["software"]), (&true.into(), &"OpenSSL, file".into()));
    assert_eq!(of(&lines, "master-key", "beispiel")["bits"], 256);
    assert_eq!(of(&lines, "evidence-log", "beispiel")["algorithm"], "Ed25519");
    for purpose in ["tls-client", "operator", "client-authority"] {
        assert!(lines.iter().any(|line| line["purpose"] == purpose), "{purpose}");
    }
    let anchors: Vec<&Value> = lines.iter().filter(|line| line["purpose"] == "anchor").collect();
    let names: Vec<_> = anchors.iter().map(|line| line["owner_name"].as_str()).collect();
    assert_eq!(names, ["content", "tls-client"].map(Some));
    let shown = node.run(&["cert", "inventory"]);
    exits(&shown, 0);
    for line in ["content signature: ags:05766044 Stadt Lemgo\n", "  algorithm      EC P-256\n"] {
        assert!(stdout(&shown).contains(line), "{line}");
    }
    let german = node.run(&["cert", "inventory", "--lang", "de", "--owner", LEMGO]);
    assert!(stdout(&german).contains("Inhaltssignatur: ags:05766044 Stadt Lemgo"));
    assert!(!stdout(&german).contains("05766020"));
    for secret in ["PRIVATE", "BEGIN"] {
        assert!(!stdout(&shown).contains(secret));
    }
}

#[test]
fn the_csv_is_read_by_whoever_follows_rfc_4180() {
    let node = Node::new();
    node.change("name = \"Stadt Lemgo\"", "name = '=HYPERLINK(\"x\"), \"Lemgo\"'");
    let output = node.run(&["cert", "inventory", "--csv"]);
    exits(&output, 0);
    let text = stdout(&output);
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains('\n'));
    let rows = csv(&text);
    assert_eq!(rows.len(), ALL + 1);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let column = |name: &str| rows[0].iter().position(|c| c == name).expect("a column");
    let lemgo = rows
        .iter()
        .find(|row| row[column("purpose")] == "content-signature" && row[column("owner")] == LEMGO)
        .expect("Lemgo");
    // The apostrophe keeps a spreadsheet from taking it for a formula.
    assert_eq!(lemgo[column("owner_name")], "'=HYPERLINK(\"x\"), \"Lemgo\"");
    assert!(lemgo[column("subject")].contains("TEST ags:05766044 sig,"), "{lemgo:?}");
    assert_eq!(lemgo[column("bits")], "256");
}

/// A reader of CSV, written after the grammar of RFC 4180.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty());
    rows
}

#[test]
fn a_change_of_certificates_overlaps() {
    let node = Node::new();
    let before = node.directory();
    let new = node.issue(&["--party", LEMGO, "--days", "800"]);
    let dry = node.run(&["cert", "import", &new, "--party", LEMGO, "--dry-run"]);
    exits(&dry, 0);
    assert_eq!(node.directory(), before);
    let imported = node.run(&["cert", "import", &new, "--party", LEMGO, "-o", "json"]);
    exits(&imported, 0);
    let line = objects(&imported).remove(0);
    assert_eq!((&line["already_there"], &line["dry_run"]), (&false.into(), &false.into()));
    let file = Path::new(line["file"].as_str().expect("a path"));
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    // One line is another, and the file is public: certificates are no secret.
    let list = "certificates = [\"certs/05766044-sig.pem\"";
    let after = node.directory();
    assert_eq!(after, before.replacen(list, &format!("{list}, \"certs/{name}\""), 1));
    assert_ne!(after, before);
    assert!(node.dir.join("certs").join(name).exists());
    let again = node.run(&["cert", "import", &new, "--party", LEMGO, "-o", "json"]);
    exits(&again, 0);
    assert_eq!(objects(&again)[0]["already_there"], true);
    assert_eq!(node.directory(), after);
    let listed = objects(&node.run(&["cert", "list", "-o", "json", "--owner", LEMGO]));
    let replaced: Vec<&Value> = listed.iter().map(|line| &line["replaced"]).collect();
    assert_eq!(listed.len(), 2);
    assert!(replaced.contains(&&true.into()) && replaced.contains(&&false.into()));

    let tls = node.issue(&["--account", ACCOUNT, "--days", "800", "--rsa"]);
    exits(&node.run(&["cert", "import", &tls, "--account", ACCOUNT]), 0);
    let listed = objects(&node.run(&["cert", "list", "-o", "json", "--owner", ACCOUNT]));
    assert!(listed.iter().any(|line| line["algorithm"] == "RSA" && line["bits"] == 3072));
}

#[test]
fn imports_at_once_are_all_entered() {
    let node = Node::new();
    let owners = [LEMGO, "ags:05766020", "ags:05766048", "ags:05766040"];
    let files = owners.map(|owner| node.issue(&["--party", owner, "--days", "800"]));
    std::thread::scope(|scope| {
        for (owner, file) in owners.iter().zip(&files) {
            let node = &node;
            scope.spawn(move || {
                exits(&node.run(&["cert", "import", file, "--party", owner]), 0);
            });
        }
    });
    for owner in owners {
        let listed = objects(&node.run(&["cert", "list", "-o", "json", "--owner", owner]));
        let of = listed.iter().filter(|line| line["owner"] == owner);
        assert_eq!(of.count(), 2, "{owner}");
    }
    assert!(!node.dir.join("directory.toml.new").exists());
}

#[test]
fn what_must_not_be_entered_is_not() {
    let node = Node::new();
    let before = node.directory();
    let certs = || fs::read_dir(node.dir.join("certs")).expect("there").count();
    let count = certs();
    let new = node.issue(&["--party", LEMGO]);
    let import = |file: &str, more: &[&str]| node.run(&[&["cert", "import", file], more].concat());
    // A private key, alone and behind a certificate.
    let key = new.replace(".cert.pem", ".key.pem");
    let refused = import(&key, &["--party", LEMGO]);
    exits(&refused, 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("private key"));
    let both = node.dir.join("both.pem");
    let octets = [fs::read(&new).expect("there"), fs::read(&key).expect("there")].concat();
    fs::write(&both, octets).expect("written");
    exits(&import(both.to_str().expect("UTF-8"), &["--party", LEMGO]), 2);
    // Nobody, an unknown party, two at once, no certificate.
    exits(&import(&new, &[]), 2);
    exits(&import(&new, &["--party", "ags:00000000"]), 2);
    exits(&import(&new, &["--account", "nobody"]), 2);
    exits(&import(&new, &["--peer", "nobody"]), 2);
    exits(&import(&new, &["--party", LEMGO, "--account", ACCOUNT]), 2);
    exits(&import("directory.toml", &["--party", LEMGO]), 2);
    exits(&import("absent.pem", &["--party", LEMGO]), 2);
    // Over, or too weak.
    let span = ["--from", "2026-01-01", "--until", "2026-02-01"];
    let over = node.issue(&[&["--party", LEMGO], &span[..]].concat());
    exits(&import(&over, &["--party", LEMGO]), 1);
    let weak = weak(&node.dir);
    let refused = import(&weak, &["--party", LEMGO, "-o", "json"]);
    exits(&refused, 1);
    assert!(objects(&refused)[0]["refused"].as_str().is_some_and(|t| t.contains("rsa-3000")));
    assert_eq!((node.directory(), certs()), (before, count));
}

/// A certificate of the test CA over an RSA key of 2048 bits.
fn weak(dir: &Path) -> String {
    let openssl = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).current_dir(dir).output();
        let made = made.expect("the tool openssl is needed (Debian package openssl)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    fs::write(dir.join("weak.cnf"), "basicConstraints=critical,CA:FALSE\n").expect("written");
    let key = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "weak.key.pem"];
    openssl(&[&key[..], &["-subj", "/CN=TEST weak", "-out", "weak.csr.pem"]].concat());
    let issue = ["x509", "-req", "-sha256", "-days", "365", "-in", "weak.csr.pem"];
    let authority = ["-CA", "ca.pem", "-CAkey", "ca/ca.key.pem", "-extfile", "weak.cnf"];
    openssl(&[&issue[..], &authority, &["-out", "weak.pem"]].concat());
    dir.join("weak.pem").to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_ends_soon_is_told_in_time() {
    let node = Node::new();
    let check = |more: &[&str]| node.run(&[&["cert", "check"], more].concat());
    exits(&check(&[]), 0);
    exits(&check(&["--monitor"]), 0);
    let well = format!("AMTSBOTE CERT OK - {ALL} ");
    assert!(stdout(&check(&["--monitor"])).starts_with(&well));
    for (days, urgency, code, monitor) in [
        ("89", "90-days", 0, 1),
        ("59", "60-days", 0, 1),
        ("29", "30-days", 0, 1),
        ("6", "7-days", 1, 2),
    ] {
        let file = node.issue(&["--party", LEMGO, "--days", days]);
        node.only(&file);
        assert_eq!(node.urgencies(LEMGO), [urgency]);
        exits(&check(&[]), code);
        exits(&check(&["--monitor"]), monitor);
    }
    let german = stdout(&check(&["--lang", "de"]));
    for text in [
        "läuft in höchstens 7 Tagen ab\n",
        "  Inhaltssignatur: ags:05766044 Stadt Lemgo, gültig bis ",
        "amtsbote cert import DATEI --party ags:05766044",
        &format!("{} von {ALL} in Ordnung", ALL - 1),
    ] {
        assert!(german.contains(text), "{text}: {german}");
    }
    // The successor beside it, and all is well.
    let new = node.issue(&["--party", LEMGO]);
    exits(&node.run(&["cert", "import", &new, "--party", LEMGO]), 0);
    assert_eq!(node.urgencies(LEMGO), ["ok", "ok"]);
    exits(&check(&[]), 0);
    // What has ended: alone it is grave, beside its successor a remark.
    let over = node.issue(&["--party", LEMGO, "--from", "2026-01-01", "--until", "2026-02-01"]);
    node.only(&over);
    assert_eq!(node.urgencies(LEMGO), ["leftover", "ok"]);
    exits(&check(&[]), 0);
    // Without a configuration: wrong use, or unknown to monitoring.
    let nowhere = node.dir.join("certs");
    let nowhere = |more: &[&str]| {
        amtsbote(&nowhere).args(["cert", "check", "--config", "no.toml"]).args(more).output()
    };
    exits(&nowhere(&[]).expect("it runs"), 2);
    let unknown = nowhere(&["--monitor"]).expect("it runs");
    exits(&unknown, 3);
    // Monitoring reads stdout.
    assert!(stdout(&unknown).starts_with("AMTSBOTE CERT UNKNOWN - "), "{}", stdout(&unknown));
    // Nobody of this name is no good news.
    exits(&check(&["--owner", "ags:00000000"]), 2);
    exits(&check(&["--owner", "ags:00000000", "--monitor"]), 3);
}

#[test]
fn policy_and_legacy_profile_are_shown() {
    let node = Node::new();
    fs::copy(weak(&node.dir), node.dir.join("certs/05766044-sig.pem")).expect("copied");
    assert_eq!(node.urgencies(LEMGO), ["refused"]);
    let check = node.run(&["cert", "check"]);
    exits(&check, 1);
    let text = stdout(&check);
    assert!(text.contains("refused by the policy") && text.contains("rule: rsa-3000"), "{text}");
    let doctor = |more: &[&str]| node.run(&[&["doctor", "--offline"], more].concat());
    assert!(!stdout(&doctor(&[])).contains("legacy"));

    node.change(
        "name = \"Stadt Lemgo\"\n",
        "name = \"Stadt Lemgo\"\nlegacy = true\nlegacy_until = 2099-06-30\n",
    );
    assert_eq!(node.urgencies(LEMGO), ["warned"]);
    let text = stdout(&doctor(&[]));
    assert!(text.contains("warning") && text.contains("ags:05766044 Stadt Lemgo"), "{text}");
    assert!(text.contains("up to and including 2099-06-30"), "{text}");
    let german = stdout(&doctor(&["--lang", "de"]));
    assert!(german.contains("veraltete Verfahren") && german.contains("30.06.2099"), "{german}");
    assert_ne!(doctor(&["--monitor"]).status.code(), Some(0));
    // Over by itself.
    node.change("2099-06-30", "2020-06-30");
    assert!(!stdout(&doctor(&[])).contains("legacy"));
    assert_eq!(node.urgencies(LEMGO), ["refused"]);

    // Another policy, which a file brings; a mistake in it is refused with its line.
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/trust/src/policy/tr-02102.toml");
    let text = fs::read_to_string(policy).expect("there");
    let config = fs::read_to_string(node.dir.join("amtsbote.toml")).expect("there");
    let config = config.replacen("[tls]", "[policy]\nfile = \"policy.toml\"\n\n[tls]", 1);
    fs::write(node.dir.join("amtsbote.toml"), config).expect("written");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(node.dir.join("policy.toml"), text.replacen(from, to, 1)).expect("written");
    };
    with("below_bits = 3000", "below_bits = 2048");
    assert_eq!(node.urgencies(LEMGO), ["ok"]);
    with("below_bits = 3000", "bellow_bits = 3000");
    let refused = node.run(&["cert", "check"]);
    exits(&refused, 2);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("policy.toml, line") && stderr.contains("\"below_bits\"?"), "{stderr}");
}

#[test]
fn only_a_node_for_trying_things_on_issues() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let made = amtsbote(folder.path()).args(["init", "--name", "rz"]).arg(&dir).output();
    exits(&made.expect("it runs"), 0);
    let run = |arguments: &[&str]| {
        amtsbote(&dir)
            .args(arguments)
            .args(["--config", "amtsbote.toml"])
            .output()
            .expect("it runs")
    };
    exits(&run(&["cert", "issue", "--party", LEMGO]), 2);
    exits(&run(&["cert", "list"]), 0);
    // The certificate a new node makes for itself lasts 90 days: worth a warning from the start.
    exits(&run(&["cert", "check"]), 0);
    exits(&run(&["cert", "check", "--monitor"]), 1);
    // It has no anchors yet, of which the operator is told before it serves; the region has some.
    let anchors = |output: Output| {
        let said = stdout(&output);
        said.lines().find(|line| line.contains("anchors: ")).expect("a check").to_owned()
    };
    let warned = anchors(run(&["doctor", "--offline"]));
    assert!(warned.starts_with("warning") && warned.contains("content_anchors"), "{warned}");
    let node = Node::new();
    assert!(anchors(node.run(&["doctor", "--offline"])).starts_with("ok"));
    exits(&node.run(&["cert", "issue", "--party", "ags:00000000"]), 2);
    exits(&node.run(&["cert", "issue", "--party", LEMGO, "--days", "0"]), 2);
    let turned = ["--from", "2027-01-01", "--until", "2026-01-01"];
    exits(&node.run(&[&["cert", "issue", "--party", LEMGO], &turned[..]].concat()), 2);
}

#[test]
fn the_hub_judges_signatures_by_policy_and_profile() {
    let node = Node::new();
    // Lemgo signs with an RSA key of 2048 bits, and the directory knows it.
    let certificate = weak(&node.dir);
    fs::copy(&certificate, node.dir.join("certs/05766044-sig.pem")).expect("copied");
    fs::copy(&certificate, node.dir.join("clients/05766044-sig.cert.pem")).expect("copied");
    let key = node.dir.join("clients/05766044-sig.key.pem");
    fs::copy(node.dir.join("weak.key.pem"), &key).expect("copied");

    let hub = Serving::start(&node.dir);
    let refused = hub.send();
    exits(&refused, 1);
    let problem = objects(&refused).remove(0);
    assert_eq!(problem["code"], "AB2008");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("TR-02102") && detail.contains("RSA from 3000 bits"), "{problem}");
    drop(hub);

    let party = "name = \"Stadt Lemgo\"\n";
    node.change(party, &format!("{party}legacy = true\nlegacy_until = 2099-06-30\n"));
    let hub = Serving::start(&node.dir);
    exits(&hub.send(), 0);
    drop(hub);
    let log = fs::read_to_string(node.dir.join("hub.log")).expect("there");
    let line = log.lines().find(|line| line.contains("legacy profile")).unwrap_or_default();
    assert!(line.contains("WARN") && line.contains(LEMGO) && line.contains("rsa-3000"), "{log}");

    // The profile ends by itself.
    node.change("2099-06-30", "2020-06-30");
    exits(&Serving::start(&node.dir).send(), 1);
}

#[test]
fn what_no_anchor_issued_does_not_count() {
    let node = Node::new();
    // By an authority of the same name; the directory names it, and policy has nothing against it.
    let other = Node::new();
    let stranger = other.issue(&["--party", LEMGO]);
    node.only(&stranger);
    fs::copy(&stranger, node.dir.join("clients/05766044-sig.cert.pem")).expect("copied");
    let key = stranger.replace(".cert.pem", ".key.pem");
    fs::copy(key, node.dir.join("clients/05766044-sig.key.pem")).expect("copied");
    assert_eq!(node.urgencies(LEMGO), ["ok"]);
    let hub = Serving::start(&node.dir);
    let refused = hub.send();
    exits(&refused, 1);
    assert_eq!(objects(&refused)[0]["code"], "AB2005");
    let doctor = hub.run("operator", &["doctor"]);
    exits(&doctor, 1);
    assert!(stdout(&doctor).contains("no path to an anchor: ags:05766044 "), "{}", stdout(&doctor));
}

#[test]
fn certificates_change_without_a_restart() {
    let node = Node::new();
    let hub = Serving::start(&node.dir);
    exits(&hub.send(), 0);
    // Lemgo signs with its new key before the hub knows it, then after, then with the old one.
    let new = node.issue(&["--party", LEMGO, "--days", "800"]);
    let (certificate, key) = ("clients/05766044-sig.cert.pem", "clients/05766044-sig.key.pem");
    let old = [certificate, key].map(|file| fs::read(node.dir.join(file)).expect("there"));
    fs::copy(&new, node.dir.join(certificate)).expect("copied");
    fs::copy(new.replace(".cert.pem", ".key.pem"), node.dir.join(key)).expect("copied");
    let early = hub.send();
    exits(&early, 1);
    assert_eq!(objects(&early)[0]["code"], "AB2005");
    exits(&node.run(&["cert", "import", &new, "--party", LEMGO]), 0);
    exits(&hub.run("operator", &["reload"]), 0);
    exits(&hub.send(), 0);
    fs::write(node.dir.join(certificate), &old[0]).expect("written");
    fs::write(node.dir.join(key), &old[1]).expect("written");
    exits(&hub.send(), 0);
}

#[test]
fn a_peer_gets_a_second_authority() {
    let node = Node::new();
    let config = node.dir.join("amtsbote.toml");
    let text = fs::read_to_string(&config).expect("there");
    let peer = "\n[[peer]]\nname = \"fern\"\nurl = \"https://localhost:1\"\nauthority = \"fern.pem\"\n\
                certificate = \"clients/05766044-tls.cert.pem\"\nkey = \"clients/05766044-tls.key.pem\"\n";
    fs::write(&config, format!("{text}{peer}")).expect("written");
    fs::copy(node.dir.join("ca.pem"), node.dir.join("fern.pem")).expect("copied");
    let other = Node::new();
    let authority = other.dir.join("ca.pem");
    let import = ["cert", "import", authority.to_str().expect("UTF-8"), "--peer", "fern"];
    exits(&node.run(&import), 0);
    let whole = fs::read_to_string(node.dir.join("fern.pem")).expect("there");
    assert_eq!(whole.matches("BEGIN CERTIFICATE").count(), 2);
    exits(&node.run(&import), 0);
    assert_eq!(fs::read_to_string(node.dir.join("fern.pem")).expect("there"), whole);
    let listed = objects(&node.run(&["cert", "list", "-o", "json", "--owner", "fern"]));
    let purposes: Vec<_> = listed.iter().map(|line| line["purpose"].as_str()).collect();
    assert_eq!(purposes, ["peer-authority", "peer-authority", "peer-client"].map(Some));
}
