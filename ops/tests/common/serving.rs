//! A node of the example region, and a hub at work on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{amtsbote, exits};

/// How long a hub may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// A node of the example region in a folder of its own that goes with it.
pub(crate) struct Region {
    pub(crate) dir: PathBuf,
    _folder: tempfile::TempDir,
}

impl Region {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        let made = amtsbote(folder.path()).args(["init", "--dev"]).arg(&dir).output();
        exits(&made.expect("it runs"), 0);
        Self { dir, _folder: folder }
    }
}

/// A hub at work; killed when dropped.
pub(crate) struct Serving {
    dir: PathBuf,
    process: Child,
    ready: Value,
}

impl Serving {
    /// Starts it on free ports, its log in `hub.log`.
    pub(crate) fn start(dir: &Path) -> Self {
        let said = dir.join("ready.json");
        drop(fs::remove_file(&said));
        let log = fs::File::create(dir.join("hub.log")).expect("it can be written");
        let mut process = amtsbote(dir)
            .args(["serve", "--config", "amtsbote.toml", "--log-format", "text"])
            .args(["--native", "127.0.0.1:0", "--operations", "127.0.0.1:0", "--ready-file"])
            .arg(&said)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it runs");
        let begun = Instant::now();
        let text = loop {
            if let Ok(text) = fs::read_to_string(&said) {
                break text;
            }
            let ended = process.try_wait().expect("it can be asked");
            let log = || fs::read_to_string(dir.join("hub.log")).unwrap_or_default();
            assert!(ended.is_none(), "serve ended early: {ended:?} {}", log());
            assert!(begun.elapsed() < READY, "serve is not ready after {READY:?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let ready = serde_json::from_str(&text).expect("whole, or not there");
        Self { dir: dir.to_owned(), process, ready }
    }

    /// The address of a listener, `native` or `operations`.
    pub(crate) fn address(&self, listener: &str) -> &str {
        self.ready[listener].as_str().expect("an address")
    }

    /// Its process; to be ended by a signal.
    #[allow(dead_code, reason = "not every test that uses this module needs it")]
    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.process
    }

    /// A command of one of the clients that `init --dev` made.
    pub(crate) fn run(&self, client: &str, arguments: &[&str]) -> Output {
        let url = |listener| format!("https://{}", self.address(listener));
        amtsbote(&self.dir)
            .env("AMTSBOTE_CLIENT", self.dir.join(format!("clients/{client}.toml")))
            .env("AMTSBOTE_URL", url("native"))
            .env("AMTSBOTE_OPERATIONS_URL", url("operations"))
            .args(arguments)
            .output()
            .expect("it runs")
    }

    /// Sends a message from Lemgo to Detmold.
    #[allow(dead_code, reason = "not every test that uses this module needs it")]
    pub(crate) fn send(&self) -> Output {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../schemas/packs/xummeldung-1.0/samples/valid/mitteilung-familie.xml");
        let sample = sample.to_str().expect("UTF-8");
        let service = ["--service", "urn:amtsbote:service:xummeldung", "-o", "json"];
        let parties = ["--from", "ags:05766044", "--to", "ags:05766020"];
        self.run("05766044", &[&["send", sample], &service[..], &parties].concat())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already gone in the good case.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
