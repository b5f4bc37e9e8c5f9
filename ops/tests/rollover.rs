//! The node's own certificate changes from end to end: request, the real `openssl ca`, acceptance,
//! and a hub at work that shows the new one to new connections.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{amtsbote, exits, objects, stdout};
use serving::{Region, Serving};

const SERVER: [&str; 11] = [
    "cert",
    "request",
    "tls-2",
    "--for",
    "server",
    "--dns",
    "localhost",
    "--ip",
    "127.0.0.1",
    "--subject",
    "CN=TEST localhost,O=TEST Rechenzentrum",
];
/// What `openssl ca` needs to know.
const AUTHORITY: &str = "[ca]\ndefault_ca = test\n[test]\ndatabase = index.txt\nserial = serial\n\
                         new_certs_dir = .\ndefault_md = sha256\ndefault_days = 365\n\
                         unique_subject = no\npolicy = any\ncopy_extensions = copyall\n\
                         x509_extensions = none\n[any]\ncommonName = supplied\n\
                         organizationName = optional\n[none]\n";

/// A node of the example region, and its test CA in the hands of OpenSSL.
struct Node {
    dir: PathBuf,
    _region: Region,
}

impl Node {
    fn new() -> Self {
        let region = Region::new();
        let dir = region.dir.clone();
        for (file, text) in [("index.txt", ""), ("serial", "1001\n"), ("ca.cnf", AUTHORITY)] {
            fs::write(dir.join(file), text).expect("written");
        }
        Self { dir, _region: region }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = amtsbote(&self.dir);
        command.args(arguments).args(["--config", "amtsbote.toml"]).output().expect("it runs")
    }

    #[track_caller]
    fn runs(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.run(arguments);
        exits(&output, code);
        output
    }

    /// Has the test CA issue what the request of this name asks for.
    fn issue(&self, name: &str, to: &str, more: &[&str]) {
        let request = format!("keys/{name}.csr.pem");
        let arguments = ["ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem"];
        let files = ["-keyfile", "ca/ca.key.pem", "-in", &request, "-out", to];
        openssl(&self.dir, &[&arguments[..], &files, more].concat());
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).expect("there")
    }

    fn has(&self, file: &str) -> bool {
        self.dir.join(file).exists()
    }

    /// Names the TLS identity in the configuration.
    fn identity(&self, name: &str) {
        let text = self.read("amtsbote.toml");
        let kept = text.lines().filter(|line| !line.starts_with("identity = "));
        let text: String = kept.map(|line| format!("{line}\n")).collect();
        let head = format!("[tls]\nidentity = \"{name}\"");
        assert!(text.contains("[tls]"));
        fs::write(self.dir.join("amtsbote.toml"), text.replacen("[tls]", &head, 1))
            .expect("written");
    }
}

/// Runs OpenSSL; what it printed on stdout.
#[track_caller]
fn openssl(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {stderr}");
    stdout(&output)
}

/// SHA-256 over the certificate of a file, as OpenSSL reckons it, in small digits.
fn fingerprint(dir: &Path, file: &str) -> String {
    let said = openssl(dir, &["x509", "-noout", "-fingerprint", "-sha256", "-in", file]);
    let digits = said.trim().rsplit('=').next().unwrap_or_default().replace(':', "");
    digits.to_ascii_lowercase()
}

/// A hub at work.
struct Hub(Serving);

impl Hub {
    fn reload(&self) -> Output {
        self.0.run("operator", &["reload", "-o", "json"])
    }

    /// What a new connection to a listener is shown, verified by OpenSSL against the test CA.
    fn shows(&self, node: &Node, listener: &str) -> String {
        let shown = openssl(
            &node.dir,
            &[
                &["s_client", "-connect", self.0.address(listener), "-CAfile", "ca.pem"],
                &["-verify_return_error", "-verify_hostname", "localhost"][..],
                &["-cert", "clients/05766044-tls.cert.pem"],
                &["-key", "clients/05766044-tls.key.pem"],
            ]
            .concat(),
        );
        let at = shown.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
        fs::write(node.dir.join("shown.pem"), &shown[at..]).expect("written");
        fingerprint(&node.dir, "shown.pem")
    }
}

#[test]
fn a_hub_at_work_gets_a_new_tls_identity() {
    let node = Node::new();
    let hub = Hub(Serving::start(&node.dir));
    let old = fingerprint(&node.dir, "keys/tls.cert.pem");
    assert_eq!(hub.shows(&node, "native"), old);

    let requested = node.runs(&[&SERVER[..], &["--kind", "p-256"]].concat(), 0);
    let pem = stdout(&requested);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{pem}");
    assert_eq!(pem, node.read("keys/tls-2.csr.pem"));
    let shown =
        openssl(&node.dir, &["req", "-verify", "-noout", "-text", "-in", "keys/tls-2.csr.pem"]);
    for text in ["TEST Rechenzentrum", "DNS:localhost, IP Address:127.0.0.1", "prime256v1"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let key = fs::metadata(node.dir.join("keys/tls-2.key.pem")).expect("there");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    // A key that waits is no alarm, and the node does not mind it.
    let check = objects(&node.runs(&["cert", "check", "-o", "json"], 0));
    let waiting = check.iter().find(|line| line["urgency"] == "pending").expect("it is told");
    assert_eq!(
        waiting["advice_en"],
        "take the issued certificate: amtsbote cert accept tls-2 FILE"
    );
    exits(&hub.reload(), 0);
    node.identity("tls-2");
    let early = hub.reload();
    exits(&early, 1);
    let reason = objects(&early)[0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(
        reason.contains("amtsbote.toml, line") && reason.contains("no certificate"),
        "{reason}"
    );

    node.issue("tls-2", "issued.pem", &[]);
    let accepted = objects(&node.runs(&["cert", "accept", "tls-2", "issued.pem", "-o", "json"], 0));
    let new = fingerprint(&node.dir, "issued.pem");
    assert_eq!(accepted[0]["sha256"], new.as_str());
    assert_eq!(accepted[0]["usable_for"], serde_json::json!(["server", "client"]));
    assert_eq!(accepted[0]["already_there"], false);
    // Nothing changes by itself.
    assert_eq!(hub.shows(&node, "native"), old);
    exits(&hub.reload(), 0);
    for listener in ["native", "operations"] {
        assert_eq!(hub.shows(&node, listener), new, "{listener}");
    }
    // The commands of the operator go on; a name that is wrong changes nothing.
    exits(&hub.reload(), 0);
    for wrong in ["absent", "../keys/tls", "log"] {
        node.identity(wrong);
        exits(&hub.reload(), 1);
        assert_eq!(hub.shows(&node, "native"), new);
    }
    node.identity("tls-2");

    let listed = objects(&node.runs(&["cert", "list", "-o", "json", "--owner", "beispiel"], 0));
    let own: Vec<_> = listed.iter().filter(|l| l["purpose"] == "tls-identity").collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["sha256"], new.as_str());
    assert!(listed.iter().any(|l| l["purpose"] == "key-store" && l["sha256"] == old.as_str()));
    let again = objects(&node.runs(&["cert", "accept", "tls-2", "issued.pem", "-o", "json"], 0));
    assert_eq!(again[0]["already_there"], true);
}

#[test]
fn what_is_no_certificate_for_the_key_is_not_kept() {
    let node = Node::new();
    node.runs(&[&SERVER[..], &["--kind", "p-256", "-q"]].concat(), 0);
    node.issue("tls-2", "good.pem", &[]);
    let over = ["-startdate", "20260101000000Z", "-enddate", "20260201000000Z"];
    node.issue("tls-2", "over.pem", &over);
    node.issue("tls-2", "weak.pem", &["-md", "sha1"]);
    let (good, key) = (node.read("good.pem"), node.read("keys/tls-2.key.pem"));
    fs::write(node.dir.join("both.pem"), format!("{good}{key}")).expect("written");
    fs::write(node.dir.join("junk.pem"), good.replace("MII", "MIJ")).expect("written");

    for (file, code, word) in [
        ("ca.pem", 1, "does not belong to this key"),
        ("clients/05766044-tls.cert.pem", 1, "does not belong to this key"),
        ("over.pem", 1, "has ended"),
        ("weak.pem", 1, "policy refuses"),
        ("keys/tls-2.key.pem", 2, "private key"),
        ("both.pem", 2, "private key"),
        ("junk.pem", 2, "damaged"),
        ("keys/tls-2.csr.pem", 2, "damaged"),
        ("absent.pem", 2, "absent.pem"),
    ] {
        let refused = node.runs(&["cert", "accept", "tls-2", file], code);
        let said = format!("{}{}", stdout(&refused), String::from_utf8_lossy(&refused.stderr));
        assert!(said.contains(word), "{file}: {said}");
        assert!(!node.has("keys/tls-2.cert.pem"), "{file}");
    }
    let refused = objects(&node.runs(&["cert", "accept", "tls-2", "over.pem", "-o", "json"], 1));
    assert!(refused[0]["refused"].as_str().is_some_and(|text| text.contains("ended")));
    node.runs(&["cert", "accept", "absent", "good.pem"], 2);
    node.runs(&["cert", "accept", "../tls-2", "good.pem"], 2);

    node.runs(&["cert", "accept", "tls-2", "good.pem"], 0);
    let kept = node.read("keys/tls-2.cert.pem");
    // Another one for the same key, afterwards.
    node.issue("tls-2", "second.pem", &[]);
    node.runs(&["cert", "accept", "tls-2", "second.pem"], 2);
    assert_eq!(node.read("keys/tls-2.cert.pem"), kept);
}

#[test]
fn issuers_are_put_in_order_and_what_is_strange_is_told() {
    let node = Node::new();
    let request =
        ["cert", "request", "sig-2", "--for", "content", "--kind", "p-384", "--lang", "de"];
    let output =
        node.runs(&[&request[..], &["--subject", "CN=TEST Amt", "--to", "out.pem"]].concat(), 0);
    assert!(stdout(&output).contains("Antrag: out.pem"), "{}", stdout(&output));
    assert_eq!(node.read("out.pem"), node.read("keys/sig-2.csr.pem"));
    let odd = ["cert", "request", "odd", "--for", "client", "--kind", "brainpool-p256r1"];
    let odd = node.runs(&[&odd[..], &["--subject", "CN=TEST Amt"]].concat(), 0);
    assert!(String::from_utf8_lossy(&odd.stderr).contains("switched on"));
    // A key under a passphrase is known to wait, whoever asks.
    let locked = ["cert", "request", "locked", "--for", "encryption", "--kind", "rsa-3072"];
    let mut command = amtsbote(&node.dir);
    command.args(locked).args(["--subject", "CN=TEST Amt", "-o", "json"]);
    let locked = command.env("AMTSBOTE_KEY_PASSPHRASE", "a passphrase for tests").output();
    let locked = objects(&locked.expect("it runs"));
    assert_eq!((&locked[0]["encrypted"], &locked[0]["for"]), (&true.into(), &"encryption".into()));
    let check = objects(&node.runs(&["cert", "check", "-o", "json"], 0));
    assert_eq!(check.iter().filter(|line| line["urgency"] == "pending").count(), 3);
    let begin = ["-startdate", "20990101000000Z", "-enddate", "20990201000000Z"];
    node.issue("sig-2", "leaf.pem", &begin);
    let (leaf, authority) = (node.read("leaf.pem"), node.read("ca.pem"));
    let stranger = node.read("keys/tls.cert.pem");
    let first = stranger.find("-----END CERTIFICATE-----").expect("PEM") + 26;
    let file = format!("{authority}{leaf}{}", &stranger[..first]);
    fs::write(node.dir.join("chain.pem"), file).expect("written");
    let output = node.runs(&["cert", "accept", "sig-2", "chain.pem", "--lang", "de"], 0);
    let text = stdout(&output);
    for part in ["übernommen für sig-2", "Inhaltssignatur", "noch nicht gültig", "weggelassen"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let next = String::from_utf8_lossy(&output.stderr);
    assert!(next.contains("signing_certificate") && !next.contains("[tls]"), "{next}");
    assert_eq!(node.read("keys/sig-2.cert.pem").matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(fingerprint(&node.dir, "keys/sig-2.cert.pem"), fingerprint(&node.dir, "leaf.pem"));
}

#[test]
fn a_request_that_cannot_be_makes_no_key() {
    let node = Node::new();
    let count = || fs::read_dir(node.dir.join("keys")).expect("there").count();
    let before = count();
    let with = |more: &[&str], code| node.runs(&[&SERVER[..], more].concat(), code);
    let refused = with(&["--kind", "ed25519", "-o", "json"], 1);
    assert!(objects(&refused)[0]["refused"].as_str().is_some_and(|text| text.contains("TLS")));
    with(&["--kind", "rsa-2048"], 2);
    with(&["--kind", "p-256", "--to", "ca.pem"], 2);
    with(&["--kind", "p-256", "--dns", "a,DNS:b"], 2);
    let other = |name: &str, subject: &str, more: &[&str]| {
        let all = ["cert", "request", name, "--kind", "p-256", "--subject", subject];
        node.runs(&[&all[..], more].concat(), 2);
    };
    other("a", "CN=a", &["--for", "server"]);
    other("a", "CN=a", &["--for", "content", "--dns", "a"]);
    other("a", "O=a", &["--for", "content"]);
    other("a", "CN=a,C=Deutschland", &["--for", "content", "--to", "new.pem"]);
    other("../a", "CN=a", &["--for", "content"]);
    // Names that are taken: the TLS identity, the key of the log.
    other("tls", "CN=a", &["--for", "client"]);
    other("log", "CN=a", &["--for", "client"]);
    assert!(!node.has("new.pem"));

    // A policy of the node's own that has no elliptic curves for TLS any more.
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/trust/src/policy/tr-02102.toml");
    let text = fs::read_to_string(policy).expect("there");
    let (from, to) =
        ("purpose = \"tls\"\nkeys = [\"rsa\", \"ec\", ", "purpose = \"tls\"\nkeys = [\"rsa\", ");
    assert!(text.contains(from));
    fs::write(node.dir.join("policy.toml"), text.replacen(from, to, 1)).expect("written");
    let config = node.read("amtsbote.toml");
    let config = config.replacen("[tls]", "[policy]\nfile = \"policy.toml\"\n\n[tls]", 1);
    fs::write(node.dir.join("amtsbote.toml"), config).expect("written");
    let refused = with(&["--kind", "p-256", "--lang", "de"], 1);
    assert!(stdout(&refused).contains("Die Richtlinie lehnt"), "{}", stdout(&refused));
    assert_eq!(count(), before);
    with(&["--kind", "rsa-3072"], 0);
    assert_eq!(count(), before + 2);
}
