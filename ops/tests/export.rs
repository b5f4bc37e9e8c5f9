//! `message export` that does not come to its end: what was read of the message does not stay behind.

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{amtsbote, exits, objects};
use serving::{Region, Serving};

/// Octets of the attachment.
const LARGE: usize = 4 << 20;
/// So many octets of an answer pass before the way is blocked.
const PASS: usize = 1 << 20;
/// Longest wait for what happens beside.
const WHILE: Duration = Duration::from_secs(60);

/// A hub with one message that has a large attachment; its id.
fn with_message(region: &Region) -> (Serving, String) {
    let hub = Serving::start(&region.dir);
    let attachment = region.dir.join("anlage.bin");
    let octets: Vec<u8> = (0..LARGE).map(|n| (n % 251) as u8).collect();
    fs::write(&attachment, octets).expect("written");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schemas/packs/xummeldung-1.0/samples/valid/mitteilung-familie.xml");
    let sent = hub.run(
        "05766044",
        &[
            "send",
            sample.to_str().expect("UTF-8"),
            "--service",
            "urn:amtsbote:service:xummeldung",
            "--from",
            "ags:05766044",
            "--to",
            "ags:05766020",
            "--attachment",
            attachment.to_str().expect("UTF-8"),
            "-o",
            "json",
        ],
    );
    exits(&sent, 0);
    let id = objects(&sent)[0]["id"].as_str().expect("an id").to_owned();
    (hub, id)
}

fn export(region: &Region, address: &str, id: &str) -> Command {
    let mut command = amtsbote(&region.dir);
    command
        .env("AMTSBOTE_CLIENT", region.dir.join("clients/operator.toml"))
        .env("AMTSBOTE_OPERATIONS_URL", format!("https://{address}"))
        .args(["message", "export", id, "--to", "out/fall", "--reason", "TEST Klärung"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A way to the hub on which an answer is held up after [`PASS`] octets, until it is cut.
struct Way {
    address: String,
    cut: Arc<AtomicBool>,
}

impl Way {
    fn to(hub: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (hub, cut) = (hub.to_owned(), Arc::new(AtomicBool::new(false)));
        let way = Self { address, cut: Arc::clone(&cut) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let (hub, cut) = (hub.clone(), Arc::clone(&cut));
                thread::spawn(move || pass(&client, &hub, &cut));
            }
        });
        way
    }
}

fn pass(client: &TcpStream, hub: &str, cut: &AtomicBool) {
    let hub = TcpStream::connect(hub).expect("the hub listens");
    let (mut asking, mut asked) =
        (client.try_clone().expect("a socket"), hub.try_clone().expect("a socket"));
    thread::spawn(move || {
        // It ends with the connection.
        let _ = std::io::copy(&mut asking, &mut asked);
    });
    let (mut client, mut hub) = (client, &hub);
    let (mut passed, mut buffer) = (0, vec![0; 16 << 10]);
    while passed < PASS {
        match hub.read(&mut buffer) {
            Ok(read) if read > 0 && client.write_all(&buffer[..read]).is_ok() => passed += read,
            _ => return,
        }
    }
    while !cut.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    // Whichever side has gone already, both are gone then.
    let _ = client.shutdown(Shutdown::Both);
    let _ = hub.shutdown(Shutdown::Both);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Waits until some of the attachment is on the disk.
fn some_is_written(folder: &Path) {
    let begun = Instant::now();
    let large = |file: &PathBuf| fs::metadata(file).is_ok_and(|file| file.len() > 200_000);
    while !files(folder).iter().any(large) {
        assert!(begun.elapsed() < WHILE, "nothing is written: {:?}", files(folder));
        thread::sleep(Duration::from_millis(20));
    }
}

fn nothing_stays(output: &Output, folder: &Path) {
    exits(output, 3);
    let left = fs::read_dir(folder).expect("a folder").count();
    assert_eq!(left, 0, "{:?}", files(folder));
}

#[test]
fn what_is_broken_off_leaves_no_plaintext() {
    let region = Region::new();
    let (hub, id) = with_message(&region);
    let out = region.dir.join("out");
    fs::create_dir(&out).expect("made");
    for signal in ["TERM", "INT", "HUP"] {
        let way = Way::to(hub.address("operations"));
        let exporting = export(&region, &way.address, &id).spawn().expect("it runs");
        some_is_written(&out);
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &exporting.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        nothing_stays(&exporting.wait_with_output().expect("it ends"), &out);
    }
    // The hub, or the way to it, ends in the middle.
    let way = Way::to(hub.address("operations"));
    let exporting = export(&region, &way.address, &id).spawn().expect("it runs");
    some_is_written(&out);
    way.cut.store(true, Ordering::Relaxed);
    nothing_stays(&exporting.wait_with_output().expect("it ends"), &out);
    // Undisturbed it comes to its end.
    let whole = export(&region, hub.address("operations"), &id).output().expect("it runs");
    exits(&whole, 0);
    let large = files(&out)
        .into_iter()
        .filter(|file| fs::metadata(file).is_ok_and(|file| file.len() == LARGE as u64));
    assert_eq!(large.count(), 1);
}

/// The answer begins before every part is opened; one that cannot be given out whole breaks it off.
#[test]
fn a_part_that_is_missing_breaks_the_answer_off() {
    let region = Region::new();
    let (hub, id) = with_message(&region);
    let out = region.dir.join("out");
    fs::create_dir(&out).expect("made");
    let sealed = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "sealed");
    let stored: Vec<_> = files(&region.dir.join("data")).into_iter().filter(sealed).collect();
    assert_eq!(stored.len(), 1, "the attachment lies in a file: {stored:?}");
    fs::remove_file(&stored[0]).expect("removed");
    let broken = export(&region, hub.address("operations"), &id).output().expect("it runs");
    nothing_stays(&broken, &out);
    let told = String::from_utf8_lossy(&broken.stderr);
    assert!(told.contains("broke off"), "{told}");
}
