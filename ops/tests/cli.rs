//! The commands from end to end: a node is written, served, used by its clients, asked by its
//! operator, stopped and checked. Every step is the built binary.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{amtsbote, exits, objects, stdout};
use serde_json::Value;

const SERVICE: &str = "urn:amtsbote:service:xummeldung";

/// A running hub of the example region.
struct Hub {
    dir: PathBuf,
    process: Child,
    native: String,
    operations: String,
    /// Dropped last.
    _folder: tempfile::TempDir,
}

impl Hub {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        let output =
            amtsbote(folder.path()).args(["init", "--dev"]).arg(&dir).output().expect("it runs");
        exits(&output, 0);
        let (process, ready) = serve(&dir);
        let address = |key: &str| format!("https://{}", ready[key].as_str().expect("an address"));
        Self {
            process,
            native: address("native"),
            operations: address("operations"),
            dir,
            _folder: folder,
        }
    }

    /// A command of a client of this hub.
    fn client(&self, name: &str) -> Command {
        let mut command = amtsbote(&self.dir);
        command
            .env("AMTSBOTE_CLIENT", self.dir.join("clients").join(format!("{name}.toml")))
            .env("AMTSBOTE_URL", &self.native)
            .env("AMTSBOTE_OPERATIONS_URL", &self.operations);
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.client(name).args(arguments).output().expect("it runs")
    }

    fn send(&self, file: &Path, more: &[&str]) -> Output {
        let mut command = self.client("05766044");
        command.arg("send").arg(file).args(["-o", "json", "--service", SERVICE]);
        command.args(["--from", "ags:05766044", "--to", "ags:05766020"]);
        command.args(more).output().expect("it runs")
    }

    /// SIGTERM; the exit code.
    fn stop(&mut self) -> Option<i32> {
        let killed = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(killed.expect("kill runs (Debian package procps)").success());
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Already gone in the good case.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Starts `serve` on free ports and waits until it is ready.
fn serve(dir: &Path) -> (Child, Value) {
    let ready = dir.join("ready.json");
    let mut process = amtsbote(dir)
        .args(["serve", "-q", "--config"])
        .arg(dir.join("amtsbote.toml"))
        .args(["--native", "127.0.0.1:0", "--operations", "127.0.0.1:0", "--ready-file"])
        .arg(&ready)
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let begun = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(&ready) {
            return (process, serde_json::from_str(&text).expect("whole, or not there"));
        }
        let ended = process.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "serve ended early: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "serve is not ready after 60 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A message of our own pack, with this day and these ids.
fn message(dir: &Path, uuid: &str) -> PathBuf {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schemas/packs/xummeldung-1.0/samples/valid/mitteilung-familie.xml");
    let text = fs::read_to_string(sample).expect("the pack has samples");
    let begin = text.find("<nachrichtenUUID>").expect("it has an id") + "<nachrichtenUUID>".len();
    let text = format!("{}{uuid}{}", &text[..begin], &text[begin + 36..]);
    let path = dir.join(format!("{uuid}.xml"));
    fs::write(&path, text).expect("it can be written");
    path
}

const UUID: &str = "7d1e4a86-0b9c-4f52-9f03-5e2c8d41a7b6";

#[test]
fn a_message_goes_from_town_to_town_and_is_proven() {
    let mut hub = Hub::start();
    let file = message(&hub.dir, UUID);

    // Sent, and sent again under the same id: one acceptance, one receipt.
    let sent = hub.send(&file, &["--id", "lemgo-1", "--receipt", "receipt.json"]);
    exits(&sent, 0);
    let first = objects(&sent).remove(0);
    assert_eq!((&first["accepted"], &first["repeated"]), (&true.into(), &false.into()));
    let id = first["id"].as_str().expect("an id").to_owned();
    let again = hub.send(&file, &["--id", "lemgo-1"]);
    exits(&again, 0);
    let second = objects(&again).remove(0);
    assert_eq!(second["repeated"], true);
    assert_eq!(second["receipt"], first["receipt"]);
    let kept: Value =
        serde_json::from_slice(&fs::read(hub.dir.join("receipt.json")).expect("kept"))
            .expect("JSON");
    assert_eq!(kept, first["receipt"]);

    // Another content under the same id, and a broken one: refused, in words.
    let other = message(&hub.dir, "7d1e4a86-0b9c-4f52-9f03-5e2c8d41a7b7");
    let refused = hub.send(&other, &["--id", "lemgo-1"]);
    exits(&refused, 1);
    assert_eq!(objects(&refused)[0]["code"], "AB5001");
    fs::write(&other, "<a><b></a>").expect("it can be written");
    let refused = hub.send(&other, &["--lang", "de"]);
    exits(&refused, 1);
    let refused = objects(&refused).remove(0);
    assert_eq!(refused["code"], "AB4001");
    assert_eq!(refused["title"], "Der Inhalt ist kein wohlgeformtes XML.");

    // The Reader sees it, fetches it, confirms it; others see nothing.
    let reader = |arguments: &[&str]| hub.run("05766020", arguments);
    let listed = reader(&["inbox", "list", "-o", "json"]);
    exits(&listed, 0);
    assert_eq!(objects(&listed)[0]["id"], id.as_str());
    let foreign = hub.run("05766044", &["inbox", "list", "--as", "ags:05766020"]);
    exits(&foreign, 1);
    let fetched = reader(&["inbox", "fetch", "--as", "ags:05766020", "--dir", "in", "-o", "json"]);
    exits(&fetched, 0);
    assert_eq!(objects(&fetched)[0]["verified"], true);
    let place = hub.dir.join("in").join(&id);
    assert_eq!(
        fs::read(place.join("01-payload")).expect("the payload"),
        fs::read(&file).expect("what was sent")
    );
    let why = hub.run("operator", &["why", "lemgo-1"]);
    assert!(stdout(&why).contains("waiting for the Reader's acknowledgement"), "{}", stdout(&why));
    exits(&reader(&["inbox", "acknowledge", &id, "--dir", "in"]), 0);
    exits(&reader(&["inbox", "acknowledge", &id, "--dir", "in"]), 0);
    exits(&reader(&["inbox", "fetch", &id, "--dir", "in"]), 1);

    // The operator: why, lists, checks.
    let operator = |arguments: &[&str]| hub.run("operator", arguments);
    for name in ["lemgo-1", &id, UUID] {
        let why = operator(&["why", name, "-o", "json"]);
        exits(&why, 0);
        let story = objects(&why).remove(0);
        assert_eq!(story["status"]["state"], "acknowledged", "{name}");
        let kinds: Vec<&str> = story["timeline"]
            .as_array()
            .expect("entries")
            .iter()
            .filter_map(|entry| entry["evidence"]["kind"].as_str())
            .collect();
        assert_eq!(kinds[..3], ["accepted", "handed-out", "operator"], "{name}");
        assert!(kinds.contains(&"changed"), "{kinds:?}");
    }
    let german = operator(&["why", "lemgo-1", "--lang", "de"]);
    assert!(stdout(&german).contains("vom Leser bestätigt"), "{}", stdout(&german));
    exits(&operator(&["why", "nobody-knows"]), 1);
    // A town is no operator: it knows no address to ask, and with one it is refused.
    exits(&hub.run("05766044", &["why", "lemgo-1"]), 1);
    let mut without = hub.client("05766044");
    without.env_remove("AMTSBOTE_OPERATIONS_URL").args(["why", "lemgo-1"]);
    exits(&without.output().expect("it runs"), 2);
    let listed = operator(&["message", "list", "--state", "acknowledged", "-o", "json"]);
    assert_eq!(objects(&listed).len(), 1);
    let shown = operator(&["message", "show", "lemgo-1", "-o", "json"]);
    assert_eq!(objects(&shown)[0]["record"]["account"], "verfahren-05766044");
    let parties = operator(&["directory", "list", "-o", "json"]);
    assert_eq!(objects(&parties).len(), 43);
    exits(&operator(&["directory", "show", "ags:05766044"]), 0);
    exits(&operator(&["pack", "list"]), 0);
    let route = ["route", "explain", "--from", "ags:05766044", "--service", SERVICE, "--to"];
    exits(&operator(&[&route[..], &["ags:05766020"]].concat()), 0);
    exits(&operator(&[&route[..], &["ebb:05766"]].concat()), 1);
    exits(&operator(&["doctor"]), 0);
    // Nothing to warn of: there are anchors, and a backup of the master key.
    exits(&operator(&["doctor", "--monitor"]), 0);
    exits(&operator(&["archive", "verify"]), 0);

    // Proof that needs no hub.
    exits(&operator(&["archive", "prove", "lemgo-1", "--to", "dossier.json"]), 0);
    exits(&operator(&["archive", "prove", "lemgo-1", "--to", "dossier.json"]), 2);
    assert_eq!(hub.stop(), Some(0));
    check_dossier(&hub.dir, &file);
    let envelope = place.join("envelope.xml");
    let verified = amtsbote(&hub.dir)
        .args(["signature", "verify", "-o", "json", "--trust", "ca.pem", "--part"])
        .arg(format!("payload={}", file.display()))
        .arg(&envelope)
        .output()
        .expect("it runs");
    exits(&verified, 0);
    let lines = objects(&verified);
    assert_eq!((&lines[0]["trust"], &lines[1]["ok"]), (&"trusted".into(), &true.into()));

    // The stopped node: its files alone, and a hub that does not answer.
    let unknown = hub.run("operator", &["doctor", "--monitor"]);
    exits(&unknown, 3);
    assert!(stdout(&unknown).starts_with("AMTSBOTE UNKNOWN - "), "{}", stdout(&unknown));
    exits(&hub.send(&file, &[]), 3);
    let node = |arguments: &[&str]| {
        let config = ["--config", "amtsbote.toml"];
        amtsbote(&hub.dir).args(arguments).args(config).output().expect("it runs")
    };
    exits(&node(&["archive", "verify", "--offline"]), 0);
    exits(&node(&["doctor", "--offline"]), 0);
}

/// Under the right key it proves; under another, or changed, it does not.
fn check_dossier(dir: &Path, payload: &Path) {
    let config = fs::read_to_string(dir.join("clients/operator.toml")).expect("there");
    let key = config.lines().find_map(|line| line.strip_prefix("verifier = ")).expect("a key");
    fs::write(dir.join("verifier.txt"), key.trim_matches('"')).expect("it can be written");
    let check = |file: &str, more: &[&str]| {
        let arguments = ["archive", "check-dossier", file, "-o", "json"];
        amtsbote(dir).args(arguments).args(more).output().expect("it runs")
    };
    let part = format!("payload={}", payload.display());
    let good = check("dossier.json", &["--key", "verifier.txt", "--part", &part]);
    exits(&good, 0);
    assert_eq!(objects(&good)[0]["unaltered"], "proven");
    let alone = check("dossier.json", &[]);
    exits(&alone, 0);
    assert_eq!(objects(&alone)[0]["unaltered"], "self-asserted");
    let other = check("dossier.json", &["--key", "verifier.txt", "--part", "payload=verifier.txt"]);
    exits(&other, 1);
    let text = fs::read_to_string(dir.join("dossier.json")).expect("there");
    let forged = text.replace("verfahren-05766044", "verfahren-05766048");
    assert_ne!(text, forged);
    fs::write(dir.join("forged.json"), forged).expect("it can be written");
    exits(&check("forged.json", &["--key", "verifier.txt"]), 1);
}

#[test]
fn a_node_keeps_what_it_accepted_over_a_kill() {
    let mut hub = Hub::start();
    let file = message(&hub.dir, UUID);
    exits(&hub.send(&file, &["--id", "lemgo-1"]), 0);
    hub.process.kill().expect("it is alive");
    hub.process.wait().expect("it ends");
    fs::remove_file(hub.dir.join("ready.json")).expect("it was ready");
    let (process, ready) = serve(&hub.dir);
    hub.process = process;
    hub.native = format!("https://{}", ready["native"].as_str().expect("an address"));
    let again = hub.send(&file, &["--id", "lemgo-1"]);
    exits(&again, 0);
    assert_eq!(objects(&again)[0]["repeated"], true);
    let listed = hub.run("05766020", &["inbox", "list", "-o", "json"]);
    assert_eq!(objects(&listed).len(), 1);
}

#[test]
fn a_new_node_is_empty_closed_and_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let init = |more: &[&str]| {
        amtsbote(folder.path()).arg("init").arg(&dir).args(more).output().expect("it runs")
    };
    exits(&init(&[]), 2);
    exits(&init(&["--name", "Not A Name"]), 2);
    let dir = folder.path().join("second");
    let init = |more: &[&str]| {
        amtsbote(folder.path()).arg("init").arg(&dir).args(more).output().expect("it runs")
    };
    exits(&init(&["--name", "rz-beispiel", "--host", "hub.example"]), 0);
    exits(&init(&["--name", "rz-beispiel"]), 2);
    let (mut process, _) = serve(&dir);
    process.kill().expect("it is alive");
    process.wait().expect("it ends");
}

#[test]
fn a_wrong_configuration_is_refused_with_line_and_nearest_name() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("amtsbote.toml"), "name = \"a\"\n[lissten]\n").expect("written");
    let output = amtsbote(dir.path()).arg("serve").output().expect("it runs");
    exits(&output, 2);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("line 2") && stderr.contains("did you mean \"listen\"?"), "{stderr}");
    let german = amtsbote(dir.path()).args(["serve", "--lang", "de"]).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&german.stderr);
    assert!(stderr.contains("Zeile 2") && stderr.contains("vielleicht \"listen\""), "{stderr}");
}

#[test]
fn documents_are_checked_without_a_hub() {
    let dir = tempfile::tempdir().expect("a folder");
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/packs");
    let sample = |name: &str| packs.join("xummeldung-1.0/samples").join(name);
    let check = |files: &[&Path]| {
        let mut command = amtsbote(dir.path());
        command.args(["schema", "check", "-o", "json", "--packs"]).arg(&packs).args(files);
        command.output().expect("it runs")
    };
    let good = sample("valid/antwort.xml");
    let output = check(&[&good]);
    exits(&output, 0);
    let line = objects(&output).remove(0);
    assert_eq!(line["file"], good.display().to_string());
    assert_eq!((&line["verdict"], &line["message_type"]), (&"valid".into(), &"0101".into()));

    fs::write(dir.path().join("broken.xml"), "<a>").expect("written");
    fs::write(dir.path().join("unknown.xml"), "<a/>").expect("written");
    let files = [
        good.as_path(),
        &sample("invalid/zuviel.xml"),
        Path::new("broken.xml"),
        Path::new("unknown.xml"),
        Path::new("absent.xml"),
    ];
    let output = check(&files);
    exits(&output, 1);
    let verdicts: Vec<Value> =
        objects(&output).iter().map(|line| line["verdict"].clone()).collect();
    assert_eq!(verdicts, ["valid", "invalid", "not-well-formed", "unknown-standard", "error"]);

    let schema = |xsd: &Path, file: &Path| {
        let mut command = amtsbote(dir.path());
        command.args(["schema", "check", "--schema"]).arg(xsd).arg(file);
        command.output().expect("it runs")
    };
    exits(&schema(&packs.join("xummeldung-1.0/ummeldung.xsd"), &good), 0);
    fs::write(dir.path().join("no.xsd"), "<a/>").expect("written");
    exits(&schema(Path::new("no.xsd"), &good), 3);
    exits(&amtsbote(dir.path()).args(["schema", "check", "a.xml"]).output().expect("it runs"), 2);
}

#[test]
fn what_is_signed_here_verifies_here_and_elsewhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let node = dir.path().join("node");
    exits(&amtsbote(dir.path()).args(["init", "--dev"]).arg(&node).output().expect("it runs"), 0);
    let clients = node.join("clients");
    fs::write(dir.path().join("document.xml"), "<a><b x=\"1\">ö</b></a>").expect("written");
    let signed = amtsbote(dir.path())
        .args(["signature", "sign", "document.xml", "--certificate"])
        .arg(clients.join("05766044-sig.cert.pem"))
        .arg("--key")
        .arg(clients.join("05766044-sig.key.pem"))
        .output()
        .expect("it runs");
    exits(&signed, 0);
    fs::write(dir.path().join("signed.xml"), &signed.stdout).expect("written");
    let verify = |file: &str, trust: &Path| {
        let mut command = amtsbote(dir.path());
        command.args(["signature", "verify", file, "--trust"]).arg(trust);
        command.output().expect("it runs")
    };
    exits(&verify("signed.xml", &node.join("ca.pem")), 0);
    exits(&verify("signed.xml", &node.join("authors/ags_05766020.pem")), 1);
    exits(&verify("document.xml", &node.join("ca.pem")), 1);
    exits(&verify("signed.xml", &clients.join("05766044-sig.key.pem")), 2);
    let changed = stdout(&signed).replace("x=\"1\"", "x=\"2\"");
    fs::write(dir.path().join("changed.xml"), changed).expect("written");
    exits(&verify("changed.xml", &node.join("ca.pem")), 1);

    let peer = Command::new("xmlsec1")
        .args(["--verify", "--enabled-key-data", "x509,ec", "--trusted-pem"])
        .arg(node.join("ca.pem"))
        .arg(dir.path().join("signed.xml"))
        .output()
        .expect("the tool xmlsec1 is needed (Debian package xmlsec1)");
    assert!(peer.status.success(), "{}", String::from_utf8_lossy(&peer.stderr));
}

#[test]
fn every_command_has_help_with_an_example() {
    let dir = tempfile::tempdir().expect("a folder");
    for command in [
        "demo",
        "init",
        "serve",
        "doctor",
        "send",
        "inbox list",
        "inbox fetch",
        "inbox acknowledge",
        "why",
        "message list",
        "message show",
        "schema check",
        "pack list",
        "pack show",
        "pack import",
        "signature verify",
        "signature sign",
        "directory list",
        "directory show",
        "route explain",
        "archive verify",
        "archive prove",
        "archive check-dossier",
        "bench",
        "completion",
        "version",
    ] {
        let output =
            amtsbote(dir.path()).args(command.split(' ')).arg("--help").output().expect("it runs");
        exits(&output, 0);
        let help = stdout(&output);
        assert!(help.contains("Example") && help.contains("amtsbote "), "{command}: {help}");
    }
    exits(&amtsbote(dir.path()).output().expect("it runs"), 2);
    exits(&amtsbote(dir.path()).arg("no-such-command").output().expect("it runs"), 2);
    exits(&amtsbote(dir.path()).args(["version", "-o", "json"]).output().expect("it runs"), 0);
}

#[test]
fn a_closed_pipe_ends_nothing_but_the_output() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut process = amtsbote(dir.path())
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(process.stdout.take());
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
