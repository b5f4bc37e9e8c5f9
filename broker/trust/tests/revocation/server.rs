//! A server on loopback that answers well or badly, as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is answered under a path.
#[derive(Clone)]
pub(crate) enum Reply {
    Octets(Vec<u8>),
    Status(u16),
    /// To this address.
    Redirect(String),
    /// Announces so many bytes, and sends them without an end otherwise.
    Endless {
        announced: Option<u64>,
    },
    /// Takes the request and says nothing.
    Silent,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    requests: AtomicUsize,
    stop: AtomicBool,
}

pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if serving.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = serving.clone();
                // A client that goes away is no error of the server.
                thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { shared, address, thread: Some(thread) }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn set(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().expect("not poisoned").insert(path.to_owned(), reply);
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let reply = shared.replies.lock().expect("not poisoned").get(path).cloned();
    let head = |status: u16, more: String| {
        format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{more}\r\n").into_bytes()
    };
    match reply.unwrap_or(Reply::Status(404)) {
        Reply::Octets(octets) => {
            stream.write_all(&head(200, format!("Content-Length: {}\r\n", octets.len())))?;
            stream.write_all(&octets)
        }
        Reply::Status(status) => stream.write_all(&head(status, "Content-Length: 0\r\n".into())),
        Reply::Redirect(to) => {
            stream.write_all(&head(302, format!("Location: {to}\r\nContent-Length: 0\r\n")))
        }
        Reply::Endless { announced } => {
            let more = announced.map(|length| format!("Content-Length: {length}\r\n"));
            stream.write_all(&head(200, more.unwrap_or_default()))?;
            loop {
                stream.write_all(&[0x30; 64 * 1024])?;
            }
        }
        Reply::Silent => {
            while !shared.stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}
