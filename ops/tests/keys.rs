//! Keys at rest from end to end: what the commands refuse while the hub runs, how a master key is
//! rotated and backed up, and what a node needs to start again.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::process::{Command, Output};

use common::{amtsbote, exits, objects, stdout};
use serving::{Region, Serving};

/// A node of the example region with one message in it.
struct Node(Region);

/// Ends it as a service manager does.
fn stop(mut hub: Serving) {
    let process = hub.process();
    let killed = Command::new("kill").arg(process.id().to_string()).status();
    assert!(killed.expect("kill runs (Debian package procps)").success());
    assert!(process.wait().expect("it ends").success());
}

impl Node {
    fn new() -> Self {
        Self(Region::new())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.dir.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = amtsbote(&self.0.dir);
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

    fn serve(&self) -> Serving {
        Serving::start(&self.0.dir)
    }

    /// What the inbox gives out is opened with the keys at rest.
    fn fetch(&self, hub: &Serving, to: &str) {
        let arguments = ["inbox", "fetch", "--as", "ags:05766020", "--dir", to];
        exits(&hub.run("05766020", &arguments), 0);
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
    exits(&hub.send(), 0);
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
    let doctor = hub.run("operator", &["doctor", "-o", "json"]);
    assert_eq!(check(&doctor, "wrapping-keys"), "ok");
    assert_eq!(check(&doctor, "master-key-backup"), "ok", "a node to try things on has one");
    stop(hub);

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
    stop(hub);
    node.run(&["key", "rotate", "master", "--retire-old"], 0);
    let doctor = node.run(&offline, 0);
    assert_eq!(check(&doctor, "wrapping-keys"), "ok");
    let made = node.run(&["key", "rotate", "period"], 0);
    assert!(stdout(&made).contains("/2-"), "{}", stdout(&made));
    let hub = node.serve();
    node.fetch(&hub, "fetched-again");
    exits(&hub.send(), 0);
    stop(hub);
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
    exits(&hub.send(), 0);
    stop(hub);
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
    stop(hub);

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
    stop(hub);
    node.run(&["archive", "verify", "--offline"], 0);

    // A backup never goes over another master key.
    let other = Node::new();
    let refused = other.run(&["key", "rotate", "master"], 3);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no database"));
    let safe = node.path("safe.backup");
    other.run(&["key", "restore", safe.to_str().expect("UTF-8")], 2);
}
