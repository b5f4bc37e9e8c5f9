//! The next node of a data centre that behaves as a case needs it: a TLS server under the node's own
//! authority that remembers what reached it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod, SslStream};

/// Longest that it waits for octets; longer than an attempt of the node lasts.
const SILENCE: Duration = Duration::from_secs(10);
/// Octets of a request.
const REQUEST_BYTES: usize = 4 << 20;
/// A refusal for good, as a hub writes it.
const REFUSAL: &str = r#"{"type":"urn:amtsbote:problem:AB3001","title":"TEST","status":403,"code":"AB3001","retry":"after-fix"}"#;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// No connection comes about.
    Away,
    /// It takes the octets and never answers.
    Silent,
    /// It refuses for good.
    Refuses,
    /// It is silent about what it sees for the first time, and refuses it when it comes again.
    SilentThenRefuses,
    /// It takes what comes.
    Takes,
}

struct Memory {
    manner: Manner,
    /// How often each transport id came, and how often it was taken.
    seen: BTreeMap<String, (u32, u32)>,
}

/// The partner; it ends with this value.
pub(super) struct Partner {
    /// Where it listens.
    pub(super) port: u16,
    memory: Arc<Mutex<Memory>>,
    ended: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Partner {
    /// Starts it with certificate and key of a server, in PEM.
    pub(super) fn start(certificate: &Path, key: &Path) -> Result<Self> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate_chain_file(certificate)?;
        acceptor.set_private_key_file(key, SslFiletype::PEM)?;
        let context = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let memory = Arc::new(Mutex::new(Memory { manner: Manner::Away, seen: BTreeMap::new() }));
        let ended = Arc::new(AtomicBool::new(false));
        let (ours, over) = (memory.clone(), ended.clone());
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                if lock(&ours).manner == Manner::Away {
                    continue;
                }
                let (memory, context) = (ours.clone(), context.clone());
                // A connection that breaks is the other side's to judge.
                thread::spawn(move || drop(talk(&memory, &context, stream)));
            }
        });
        Ok(Self { port, memory, ended, listening: Some(listening) })
    }

    /// From now on it behaves so.
    pub(super) fn is(&self, manner: Manner) {
        lock(&self.memory).manner = manner;
    }

    /// How often a transport id came, and how often it was taken.
    pub(super) fn seen(&self, transport_id: &str) -> (u32, u32) {
        lock(&self.memory).seen.get(transport_id).copied().unwrap_or_default()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request, one answer.
fn talk(memory: &Mutex<Memory>, acceptor: &SslAcceptor, stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut stream = SslStream::new(Ssl::new(acceptor.context())?, stream)?;
    stream.accept()?;
    let request = read(&mut stream)?;
    let id = transport_id(&request)?;
    let (status, body) = {
        let mut memory = lock(memory);
        let manner = memory.manner;
        let (came, taken) = memory.seen.entry(id).or_default();
        *came += 1;
        match manner {
            Manner::Takes => {
                *taken += 1;
                ("201 Created", "{}")
            }
            Manner::Refuses => ("403 Forbidden", REFUSAL),
            Manner::SilentThenRefuses if *came > 1 => ("403 Forbidden", REFUSAL),
            Manner::Away | Manner::Silent | Manner::SilentThenRefuses => ("", ""),
        }
    };
    if status.is_empty() {
        // Until the node has had enough.
        let mut more = [0];
        return Ok(stream.read_exact(&mut more)?);
    }
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes())?;
    stream.shutdown()?;
    Ok(())
}

fn read(stream: &mut SslStream<TcpStream>) -> Result<Vec<u8>> {
    let (mut request, mut chunk) = (Vec::new(), [0; 16 << 10]);
    let mut whole = usize::MAX;
    while request.len() < whole {
        let read = stream.read(&mut chunk)?;
        ensure!(read > 0 && request.len() < REQUEST_BYTES, "the request broke off");
        request.extend_from_slice(&chunk[..read]);
        if whole == usize::MAX
            && let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            whole = end + 4 + length.context("no length")?.trim().parse::<usize>()?;
        }
    }
    Ok(request)
}

/// The envelope is the first part, and not encoded.
fn transport_id(request: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(request);
    let (_, rest) = text.split_once("TransportId>").context("no transport id")?;
    Ok(rest.split_once('<').context("no end")?.0.to_owned())
}
