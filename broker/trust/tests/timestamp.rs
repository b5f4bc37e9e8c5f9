//! A time-stamping authority over HTTP: the tool `openssl ts` behind a server on loopback.

#[path = "../src/timestamp/tests/tool.rs"]
mod tool;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;
use amtsbote_trust::path::{Anchors, Floors, Purpose};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::Guard;
use amtsbote_trust::testca::{Issued, KeyKind, Purpose as Use, Span, TestCa};
use amtsbote_trust::timestamp::{Authority, Refused, Stamp, Unstamped};

use tool::{Tool, digest};

/// The clock by which the tool wrote its last answer.
struct ClockOf(Arc<Tool>);

impl Clock for ClockOf {
    fn now(&self) -> Timestamp {
        self.0.answered_at()
    }
}

/// Serves the tool's answers, one a connection; says where.
fn serve(tool: &Arc<Tool>, times: usize) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let tool = tool.clone();
    let serving = thread::spawn(move || {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let (mut length, mut typed) = (0, false);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a request");
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                typed |= line == "content-type: application/timestamp-query";
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().expect("a length");
                }
            }
            assert!(typed, "the media type of RFC 3161, 3.4");
            let mut question = vec![0; length];
            reader.read_exact(&mut question).expect("a question");
            let answer = tool.answer(&question);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).expect("a client that listens");
            stream.write_all(&answer).expect("a client that listens");
        }
    });
    (host, serving)
}

#[tokio::test]
async fn an_authority_is_asked_over_http() {
    let tool = Arc::new(Tool::new(KeyKind::EcP256));
    let (host, serving) = serve(&tool, 1);
    let clock: Arc<dyn Clock> = Arc::new(ClockOf(tool.clone()));
    let authority = |hosts: &[&String]| {
        let allowed_hosts = hosts.iter().map(|host| (*host).clone()).collect();
        let trusted = (tool.anchors(), Floors::default());
        let guard = Guard { allowed_hosts, loopback: true };
        let (address, time) = (format!("http://{host}/tsa"), Duration::from_secs(60));
        Authority::new(&address, guard, time, None, trusted, clock.clone())
    };
    assert!(matches!(authority(&[]), Err(Unstamped::Unreached(_))), "no host that is not named");
    let authority = authority(&[&host]).expect("an authority");
    let stamp = authority.stamp(digest()).await.expect("a stamp");
    assert_eq!(stamp.path().leaf(), tool.issued.certificate());
    assert_eq!(tool.verify(stamp.token()), Ok(stamp));
    serving.join().expect("served");
    let gone = authority.stamp(digest()).await;
    assert!(matches!(gone, Err(Unstamped::Unreached(_))), "{gone:?}");
}
