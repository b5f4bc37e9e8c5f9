//! What is tried when a store opens with an object store, and how what is wrong with it is told.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use super::proxy::{Act, Proxy};
use super::server::{Bucket, KEY, SECRET, shared};
use super::{Ground, InFolder};
use crate::contract::{Draft, ManualClock, octets};
use crate::tests::{checked, options};
use crate::{LargeParts, ObjectOptions, OpenError, SqliteStore};

fn open(dir: &Path, objects: ObjectOptions) -> Result<SqliteStore, OpenError> {
    let mut options = options(dir, ManualClock::new());
    options.large_parts = LargeParts::Objects(Box::new(objects));
    SqliteStore::open(options)
}

/// Why it does not open, in words that give no secret away.
fn refusal(dir: &Path, objects: ObjectOptions) -> String {
    let refused = open(dir, objects).err().expect("is refused");
    assert!(matches!(refused, OpenError::Objects(_)), "{refused}");
    assert!(refused.text().de.contains("Objektspeicher"), "says what to do");
    let text = refused.to_string();
    assert!(!text.contains("canary"), "{text}");
    text
}

fn large(number: u32) -> Draft {
    Draft { payload: octets(number, 100_000), ..Draft::inbox(number) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_bucket_is_told_before_anything_is_accepted() {
    let dir = tempdir().expect("a folder");
    let (bucket, proxy) = (Bucket::new(dir.path()), Proxy::start(shared().port));
    let url = format!("http://127.0.0.1:{}", shared().port);
    for (key, secret) in [(KEY, "canary-of-another"), ("OTHERKEY", SECRET)] {
        let other = ObjectOptions::new(&url, &bucket.name, key, secret).expect("good");
        assert!(refusal(dir.path(), other).contains("written: the object store refuses the key"));
    }
    proxy.next(1, "PUT", "probe", Act::Answer(404, "x-a: b", "<Code>NoSuchBucket</Code>"));
    let text = refusal(dir.path(), bucket.options_at(proxy.port));
    assert!(text.contains("written: the bucket or the object is missing"), "{text}");
    for (method, path, told) in [
        ("PUT", "probe", "written"),
        ("GET", "probe", "read"),
        ("POST", "uploads", "an upload could not be begun"),
        ("DELETE", "uploadId", "broken off"),
        ("HEAD", "probe", "may not list"),
    ] {
        proxy.next(1, method, path, Act::Answer(403, "x-a: b", ""));
        let text = refusal(dir.path(), bucket.options_at(proxy.port));
        assert!(text.contains(told), "{method} {path}: {text}");
    }
    proxy.set(|method, path| match (method, path.contains("uploadId")) {
        ("DELETE", false) => Act::Answer(403, "x-a: b", ""),
        _ => Act::Pass,
    });
    assert!(refusal(dir.path(), bucket.options_at(proxy.port)).contains("deleted"));
    // Deleted, says the service, and it is still there.
    proxy.set(|method, path| match (method, path.contains("uploadId")) {
        ("DELETE", false) => Act::Answer(204, "x-a: b", ""),
        _ => Act::Pass,
    });
    assert!(refusal(dir.path(), bucket.options_at(proxy.port)).contains("still there"));
    proxy.set(|_, _| Act::Cut);
    assert!(refusal(dir.path(), bucket.options_at(proxy.port)).contains("does not answer"));
    proxy.set(|_, _| Act::Answer(507, "x-a: b", ""));
    let full = open(dir.path(), bucket.options_at(proxy.port)).err();
    assert!(full.expect("is refused").to_string().contains("full"));

    proxy.heal();
    let store = open(dir.path(), bucket.options_at(proxy.port)).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    // A bucket with versions is told of, and used.
    proxy.set(|_, _| Act::Head("x-amz-version-id: 7"));
    let store = open(dir.path(), bucket.options_at(proxy.port)).expect("opens");
    assert_eq!(checked(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_to_its_bucket() {
    let (dir, other_dir) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let (bucket, other) = (Bucket::new(dir.path()), Bucket::new(other_dir.path()));
    drop(open(dir.path(), bucket.options()).expect("opens"));
    // Its mark was lost before any part came in: it is written again.
    let mark = bucket.everything().join("amtsbote/store");
    std::fs::remove_file(&mark).expect("it is marked");
    let store = open(dir.path(), bucket.options()).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    assert!(mark.exists());

    let apart = bucket.options().prefix("elsewhere").expect("good");
    assert!(refusal(dir.path(), other.options()).contains("not the bucket and prefix"));
    assert!(refusal(dir.path(), apart.clone()).contains("not the bucket and prefix"));
    assert!(refusal(other_dir.path(), bucket.options()).contains("another store"));
    let none = SqliteStore::open(InFolder::new(dir.path()).options(dir.path())).err();
    assert!(none.expect("is refused").to_string().contains("none is named"));
    // Two stores share a bucket by prefixes.
    let store = open(other_dir.path(), apart).expect("opens");
    large(2).accepted(&store).await;
    assert_eq!(checked(&open(dir.path(), bucket.options()).expect("opens")).await, 1);
    assert_eq!(checked(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_known_by_the_authority_that_is_named() {
    let dir = tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=TEST object store", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(dir.path())
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bucket = Bucket::new(dir.path());
    let proxy = Proxy::with_tls(shared().port, dir.path());
    let url = format!("https://localhost:{}", proxy.port);
    let objects =
        || ObjectOptions::new(&url, &bucket.name, KEY, SECRET).expect("good").impatient(None);
    assert!(refusal(dir.path(), objects()).contains("does not answer (its certificate)"));
    assert!(refusal(dir.path(), objects().authority(b"no certificate")).contains("authorities"));
    let pem = std::fs::read(dir.path().join("certificate.pem")).expect("reads");
    let store = open(dir.path(), objects().authority(&pem)).expect("opens");
    large(1).accepted(&store).await;
    assert_eq!(checked(&store).await, 1);
}
