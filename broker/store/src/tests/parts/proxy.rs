//! A way to the server on which anything can go wrong, request by request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// It passes, and its answer does.
    Pass,
    /// The connection ends before it arrives.
    Cut,
    /// It arrives, but its answer does not.
    LoseAnswer,
    /// Half of its answer arrives.
    HalfAnswer,
    /// It arrives with one bit changed.
    Alter,
    /// It passes; a bit of its answer is changed.
    AlterAnswer,
    /// It passes after a while.
    After(Duration),
    /// It passes; this line is put into the head of its answer.
    Head(&'static str),
    /// It is answered here: status, line of the head, body.
    Answer(u16, &'static str, &'static str),
}

/// What decides: asked with method and path of every request.
type Rule = Box<dyn FnMut(&str, &str) -> Act + Send>;

/// A way to the server.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) port: u16,
    rule: Arc<Mutex<Rule>>,
}

impl Proxy {
    /// A way on which nothing goes wrong yet. Ends with the process of the tests.
    pub(super) fn start(server: u16) -> Self {
        Self::start_with(server, None)
    }

    /// The same over TLS, with key and certificate from a folder.
    pub(super) fn with_tls(server: u16, folder: &Path) -> Self {
        let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        tls.set_private_key_file(folder.join("key.pem"), SslFiletype::PEM).expect("a key");
        tls.set_certificate_chain_file(folder.join("certificate.pem")).expect("a certificate");
        Self::start_with(server, Some(tls.build()))
    }

    fn start_with(server: u16, tls: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let pass: Rule = Box::new(|_, _| Act::Pass);
        let proxy = Self { port, rule: Arc::new(Mutex::new(pass)) };
        let rule = Arc::clone(&proxy.rule);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), rule, tls) = (client, Arc::clone(&rule), tls.clone()) else {
                    return;
                };
                thread::spawn(move || match tls {
                    None => {
                        let closed = client.try_clone().expect("a socket");
                        serve(client, server, &rule);
                        let _ = closed.shutdown(Shutdown::Both);
                    }
                    // One that does not trust us ends here.
                    Some(tls) => {
                        if let Ok(client) = tls.accept(client) {
                            serve(client, server, &rule);
                        }
                    }
                });
            }
        });
        proxy
    }

    /// From now on this decides.
    pub(super) fn set(&self, rule: impl FnMut(&str, &str) -> Act + Send + 'static) {
        *self.rule.lock().expect("not poisoned") = Box::new(rule);
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&self) {
        self.set(|_, _| Act::Pass);
    }

    /// The next requests of this method and with this in their path get that; all others pass.
    pub(super) fn next(&self, count: u32, method: &'static str, path: &'static str, act: Act) {
        let mut left = count;
        self.set(move |asked, at| {
            if left == 0 || asked != method || !at.contains(path) {
                return Act::Pass;
            }
            left -= 1;
            act.clone()
        });
    }
}

/// One connection, one request, one answer.
fn serve(mut client: impl Read + Write, server: u16, rule: &Mutex<Rule>) {
    let Some((head, mut body)) = read_request(&mut client) else { return };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let act = rule.lock().expect("not poisoned")(method, path);
    match &act {
        Act::Cut => return,
        Act::Answer(status, line, text) => {
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status} x\r\n{line}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
            );
            let _ = client.write_all(answer.as_bytes());
            return;
        }
        Act::Alter => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        Act::After(time) => thread::sleep(*time),
        _ => {}
    }
    let Some(mut answer) = forward(server, &head, &body) else { return };
    let begin = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
    match &act {
        Act::LoseAnswer => return,
        Act::HalfAnswer => answer.truncate(begin + (answer.len() - begin) / 2),
        Act::AlterAnswer => {
            let middle = begin + (answer.len() - begin) / 2;
            answer[middle] ^= 1;
        }
        Act::Head(line) => {
            let line = format!("\r\n{line}");
            answer.splice(begin - 4..begin - 4, line.bytes());
        }
        _ => {}
    }
    let _ = client.write_all(&answer);
    let _ = client.flush();
}

fn read_request(client: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let (mut octets, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let end = loop {
        if let Some(end) = octets.windows(4).position(|end| end == b"\r\n\r\n") {
            break end;
        }
        match client.read(&mut piece) {
            Ok(count @ 1..) => octets.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8(octets[..end].to_vec()).ok()?;
    let mut body = octets.split_off(end + 4);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while body.len() < length.unwrap_or(0) {
        match client.read(&mut piece) {
            Ok(count @ 1..) => body.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    Some((head, body))
}

/// The whole answer.
fn forward(server: u16, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).ok()?;
    server.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    // One that refuses early does not read all of it.
    let _ = server.write_all(body);
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer);
    Some(answer)
}
