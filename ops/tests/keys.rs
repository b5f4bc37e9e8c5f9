//! Keys at rest from end to end: what the commands refuse while the hub runs, how a master key is
//! rotated and backed up, and what a node needs to start again.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{amtsbote, exits, objects, stdout};

/// A node of the example region with one message in it.
struct Node {
    folder: tempfile::TempDir,
}

/// A running hub; killed when dropped.
struct Hub {
    process: Child,
    native: String,
    operations: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Already gone in the good case.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Hub {
    fn stop(mut self) {
        let killed = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(killed.expect("kill runs (Debian package procps)").success());
        assert!(self.process.wait().expect("it ends").success());
    }
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = amtsbote(folder.path()).args(["init", "--dev", "node"]).output();
        exits(&made.expect("it runs"), 0);
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("node").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = amtsbote(&self.path(""));
        command.args(arguments).env("AMTSBOTE_CONFIG", self.path("amtsbote.toml"));
        command.env("AMTSBOTE_BACKUP_PASSPHRASE", "a passphrase for tests");
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.command(arguments).output().expect("it runs");
        exits(&output, code);
        output
    }

    fn serve(&self) -> Hub {
        let ready = self.path("ready.json");
        drop(fs::remove_file(&ready));
        let mut process = self
            .command(&["serve", "-q", "--native", "127.0.0.1:0", "--operations", "127.0.0.1:0"])
            .arg("--ready-file")
            .arg(&ready)
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        let begun = Instant::now();
        let text = loop {
            if let Ok(text) = fs::read_to_string(&ready) {
                break text;
            }
            let ended = process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "serve ended early: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(60), "serve is not ready after 60 s");
            std::thread::sleep(Duration::from_millis(20));
        };
        let said: serde_json::Value = serde_json::from_str(&text).expect("whole, or not there");
        let url = |key: &str| format!("https://{}", said[key].as_str().expect("an address"));
        Hub { process, native: url("native"), operations: url("operations") }
    }

    fn client(&self, hub: &Hub, name: &str, arguments: &[&str]) -> Output {
        let mut command = amtsbote(&self.path(""));
        command
            .args(arguments)
            .env("AMTSBOTE_CLIENT", self.path("clients").join(format!("{name}.toml")))
            .env("AMTSBOTE_URL", &hub.native)
            .env("AMTSBOTE_OPERATIONS_URL", &hub.operations);
        command.output().expect("it runs")
    }

    fn send(&self, hub: &Hub) {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../schemas/packs/xummeldung-1.0/samples/valid/mitteilung-familie.xml");
        let sample = sample.to_str().expect("UTF-8");
        let sent = self.client(
            hub,
            "05766044",
            &[
                "send",
                sample,
                "--from",
                "ags:05766044",
                "--to",
                "ags:05766020",
                "--service",
                "urn:amtsbote:service:xummeldung",
            ],
        );
        exits(&sent, 0);
    }

    /// What the inbox gives out is opened with the keys at rest.
    fn fetch(&self, hub: &Hub, to: &str) {
        let arguments = ["inbox", "fetch", "--as", "ags:05766020", "--dir", to];
        exits(&self.client(hub, "05766020", &arguments), 0);
        let fetched = fs::read_dir(self.path(to)).expect("a folder").count();
        assert!(fetched > 0, "something was fetched");
    }
}

/// How a check of `doctor` ended.
fn check(output: &Output, name: &str) -> String {
    let found = objects(output).into_iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} in {}", stdout(output)));
    found["status"].as_str().expect("a status").to_owned()
}

#[test]
fn a_master_key_is_rotated_backed_up_and_the_old_one_retired() {
    let node = Node::new();
    let hub = node.serve();
    node.send(&hub);
    // While the hub runs its keys are not changed; to read them is allowed.
    for arguments in [
        &["key", "rotate", "master"][..],
        &["key", "rotate", "period"],
        &["key", "rotate", "master", "--retire-old"],
    ] {
        let refused = node.run(arguments, 3);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains("in use"), "{text}");
    }
    assert!(stdout(&node.run(&["key", "list"], 0)).contains("ags:05766020/"));
    let doctor = node.client(&hub, "operator", &["doctor", "-o", "json"]);
    assert_eq!(check(&doctor, "wrapping-keys"), "ok");
    assert_eq!(check(&doctor, "master-key-backup"), "ok", "a node to try things on has one");
    hub.stop();

    let offline = ["doctor", "--offline", "-o", "json"];
    node.run(&offline, 0);
    let rotated = node.run(&["key", "rotate", "master", "-o", "json"], 0);
    let rotated = &objects(&rotated)[0];
    assert_eq!((&rotated["keys"], &rotated["wrapped"]), (&1.into(), &1.into()));
    let doctor = node.run(&offline, 1);
    assert_eq!(check(&doctor, "master-key-backup"), "critical");
    node.run(&["key", "rotate", "master", "--retire-old"], 3);
    node.run(&["key", "backup", "--to", "new.backup"], 0);
    node.run(&["key", "backup", "--to", "new.backup"], 2);
    let doctor = node.run(&offline, 0);
    assert_eq!(check(&doctor, "master-key-backup"), "warning", "never verified");
    node.run(&["key", "rotate", "master", "--retire-old"], 3);
    node.run(&["key", "backup", "--verify", "new.backup"], 0);
    let doctor = node.run(&offline, 0);
    assert_eq!(check(&doctor, "master-key-backup"), "ok");
    assert_eq!(check(&doctor, "wrapping-keys"), "warning", "the old one is still there");

    // Old and new at the same time: the node works.
    let hub = node.serve();
    node.fetch(&hub, "fetched");
    hub.stop();
    node.run(&["key", "rotate", "master", "--retire-old"], 0);
    let doctor = node.run(&offline, 0);
    assert_eq!(check(&doctor, "wrapping-keys"), "ok");
    let made = node.run(&["key", "rotate", "period"], 0);
    assert!(stdout(&made).contains("/2-"), "{}", stdout(&made));
    let hub = node.serve();
    node.fetch(&hub, "fetched-again");
    node.send(&hub);
    hub.stop();
    node.run(&["archive", "verify", "--offline"], 0);

    // The backup of the old master key opens nothing here any more.
    let old = ["key", "backup", "--verify", "backup/master-key.backup", "--passphrase-file"];
    let verified = node.run(&[&old[..], &["backup/passphrase", "-o", "json"]].concat(), 1);
    assert_eq!(objects(&verified)[0]["is_present_master"], false);
}

#[test]
fn a_node_without_its_keys_does_not_start_and_is_restored() {
    let node = Node::new();
    let hub = node.serve();
    node.send(&hub);
    hub.stop();
    node.run(&["key", "backup", "--to", "safe.backup"], 0);
    let mut wrong = node.command(&["key", "backup", "--verify", "safe.backup"]);
    let wrong = wrong.env("AMTSBOTE_BACKUP_PASSPHRASE", "another passphrase").output();
    exits(&wrong.expect("it runs"), 1);
    let mut none = node.command(&["key", "backup", "--verify", "safe.backup"]);
    exits(&none.env_remove("AMTSBOTE_BACKUP_PASSPHRASE").output().expect("it runs"), 2);
    let mut short = node.command(&["key", "backup", "--to", "short.backup"]);
    let short = short.env("AMTSBOTE_BACKUP_PASSPHRASE", "short").output();
    exits(&short.expect("it runs"), 2);
    assert!(!node.path("short.backup").exists());

    // Without the master key.
    fs::remove_file(node.path("keys/master.key")).expect("removes");
    node.run(&["serve", "--native", "127.0.0.1:0", "--operations", "127.0.0.1:0"], 2);
    node.run(&["key", "restore", "safe.backup"], 0);
    node.run(&["key", "restore", "safe.backup"], 0);
    let hub = node.serve();
    node.fetch(&hub, "fetched");
    hub.stop();

    // Without a wrapping key.
    let wrapping = node.path("keys/wrapping");
    let away = node.path("away");
    fs::rename(&wrapping, &away).expect("moves");
    let refused = node.run(&["serve", "--native", "127.0.0.1:0", "--operations", "127.0.0.1:0"], 3);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("ags:05766020/"), "names the key: {text}");
    let doctor = node.run(&["doctor", "--offline", "-o", "json"], 1);
    assert_eq!(check(&doctor, "wrapping-keys"), "critical");
    // Nor is a master key changed or removed that could be the only one to open it.
    for retire in [&[][..], &["--retire-old"]] {
        let refused = node.run(&[&["key", "rotate", "master"], retire].concat(), 3);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains("ags:05766020/"), "names the key: {text}");
    }
    fs::remove_dir_all(&wrapping).expect("what the start made");
    fs::rename(&away, &wrapping).expect("moves back");
    let hub = node.serve();
    node.fetch(&hub, "fetched-again");
    hub.stop();
    node.run(&["archive", "verify", "--offline"], 0);

    // A backup never goes over another master key.
    let other = Node::new();
    let refused = other.run(&["key", "rotate", "master"], 3);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no database"));
    let safe = node.path("safe.backup");
    other.run(&["key", "restore", safe.to_str().expect("UTF-8")], 2);
}
