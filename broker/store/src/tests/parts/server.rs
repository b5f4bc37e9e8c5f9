//! A real S3 server of the tests' own: `s3s-fs`, a folder behind the S3 protocol.
//!
//! It checks the signature of every request (SigV4), the digest of its body that is signed, and the
//! checksums it is sent; and what it keeps are files, so that a test can look at rest, and change
//! what rests. For a single object it states SHA-256, for an upload in pieces it states none.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::ObjectOptions;

pub(super) const KEY: &str = "TESTKEY";
pub(super) const SECRET: &str = "canary-of-the-secret";

/// Starts the server, and ends it when nobody holds the other end of its input any more: however the
/// tests end, it does not stay behind.
const KEEPER: &str = r#"
    "$1" --host 127.0.0.1 --port "$3" --access-key "$4" --secret-key "$5" "$2" >/dev/null 2>&1 &
    server=$!
    echo started
    read -r _
    kill -KILL $server
    wait $server
    rm -rf "$2"
"#;

/// A server, with the folder that it keeps everything in.
pub(super) struct Server {
    pub(super) root: PathBuf,
    pub(super) port: u16,
}

/// The one that all tests share; each has a bucket of its own.
pub(super) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a folder").keep();
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(program())
            .arg(&root)
            .args([&port.to_string(), KEY, SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let mut line = String::new();
        let mut output = BufReader::new(keeper.stdout.take().expect("an output"));
        output.read_line(&mut line).expect("it starts");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        // Its input stays open until this process ends.
        std::mem::forget(keeper);
        Self { root, port }
    }

    /// The bucket of a test, made where it is absent.
    pub(super) fn bucket(&self, dir: &Path) -> Bucket {
        let name = dir.file_name().expect("a name").as_encoded_bytes();
        let name: String = name.iter().map(|octet| format!("{octet:02x}")).collect();
        std::fs::create_dir_all(self.root.join(&name)).expect("a bucket");
        Bucket { root: self.root.clone(), port: self.port, name }
    }
}

/// A bucket.
#[derive(Clone)]
pub(super) struct Bucket {
    root: PathBuf,
    pub(super) port: u16,
    pub(super) name: String,
}

impl Bucket {
    /// The way to it.
    pub(super) fn options(&self) -> ObjectOptions {
        self.options_at(self.port)
    }

    /// The same by way of another port, with little patience.
    pub(super) fn options_at(&self, port: u16) -> ObjectOptions {
        let url = format!("http://127.0.0.1:{port}");
        ObjectOptions::new(&url, &self.name, KEY, SECRET).expect("good").impatient(None)
    }

    /// The files of all finished parts.
    pub(super) fn parts(&self) -> Vec<PathBuf> {
        let parts = self.root.join(&self.name).join("amtsbote/parts");
        let entries = std::fs::read_dir(parts).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// The files of uploads to it that have not ended.
    pub(super) fn uploads(&self) -> Vec<PathBuf> {
        let bucket = openssl::base64::encode_block(self.name.as_bytes());
        let ours = format!(".bucket-{}.", bucket.trim_end_matches('='));
        let entries = std::fs::read_dir(&self.root).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let uploads = names.filter_map(|name| {
            let upload = name.to_str()?.strip_prefix(&ours)?.split_once(".upload-")?.1;
            let upload = upload.strip_suffix(".metadata.json")?;
            Some(self.root.join(format!(".upload-{upload}.json")))
        });
        // What describes an upload stays when it has ended.
        uploads.filter(|file| file.exists()).collect()
    }

    /// The file of a part.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        let name = name.strip_prefix("o-").expect("an object");
        self.root.join(&self.name).join("amtsbote/parts").join(name)
    }

    /// Everything in the bucket.
    pub(super) fn everything(&self) -> PathBuf {
        self.root.join(&self.name)
    }
}

/// Where `ops/test tools` puts it, or somewhere in the path.
fn program() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/s3s-fs");
    let named = std::env::var_os("AMTSBOTE_S3_SERVER").map(PathBuf::from);
    let places = std::env::var_os("PATH").unwrap_or_default();
    let somewhere = std::env::split_paths(&places).map(|place| place.join("s3s-fs"));
    let mut found = named.into_iter().chain([beside]).chain(somewhere).filter(|file| file.exists());
    found.next().expect("s3s-fs is installed (`ops/test tools` does that)")
}
