//! An authority that the tool `openssl` runs: an index of certificates, lists, a responder.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use amtsbote_domain::Timestamp;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::testca::{Issued, KeyKind, Purpose, Sources, Span, TestCa};
use openssl::asn1::Asn1Time;
use tempfile::TempDir;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn span() -> Span {
    Span { from: at("2020-01-01T00:00:00Z"), until: at("2080-01-01T00:00:00Z") }
}

/// The machine's time, to the second: the tool dates its answers by it.
pub(crate) fn peers_now() -> Timestamp {
    let epoch = Asn1Time::from_unix(0).expect("a time");
    let since = epoch.diff(&Asn1Time::days_from_now(0).expect("a time")).expect("a difference");
    let seconds = i64::from(since.days) * 24 * 60 * 60 + i64::from(since.secs);
    Timestamp::from_second(seconds).expect("an instant")
}

/// The authority and its folder.
pub(crate) struct Peer {
    pub(crate) ca: TestCa,
    folder: TempDir,
}

impl Peer {
    pub(crate) fn new(kind: KeyKind) -> Self {
        Self::of(TestCa::with_depth("root", kind, span(), 1).expect("a CA"))
    }

    pub(crate) fn of(ca: TestCa) -> Self {
        let peer = Self { ca, folder: tempfile::tempdir().expect("a folder") };
        peer.write("ca.pem", &peer.ca.certificate().to_pem().expect("pem"));
        peer.write("ca.key", &peer.ca.key_pem().expect("pem"));
        peer.write("index.txt", b"");
        peer.write("number", b"01\n");
        let configuration = format!(
            "[ca]\ndefault_ca = here\n[here]\ndatabase = {}\ncrlnumber = {}\n\
             certificate = {}\nprivate_key = {}\ndefault_md = sha256\nunique_subject = no\n\
             crl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid:always\n",
            peer.path("index.txt"),
            peer.path("number"),
            peer.path("ca.pem"),
            peer.path("ca.key"),
        );
        peer.write("ca.cnf", configuration.as_bytes());
        peer
    }

    /// A certificate that the index has as valid.
    pub(crate) fn issue(&self, purpose: Purpose, sources: &Sources) -> Issued {
        let issued = self.ca.issue_with("x", purpose, KeyKind::EcP256, span(), sources);
        let issued = issued.expect("issued");
        self.write("new.pem", &issued.certificate().to_pem().expect("pem"));
        self.ca_tool(&["-valid", &self.path("new.pem")]);
        issued
    }

    pub(crate) fn revoke(&self, certificate: &Certificate, reason: &str) {
        self.write("gone.pem", &certificate.to_pem().expect("pem"));
        self.ca_tool(&["-revoke", &self.path("gone.pem"), "-crl_reason", reason]);
    }

    /// A list as the tool makes it, in PEM.
    pub(crate) fn list(&self, from: Timestamp, until: Timestamp, more: &[&str]) -> Vec<u8> {
        let time = |at: Timestamp| at.strftime("%Y%m%d%H%M%SZ").to_string();
        let out = self.path("list.pem");
        let dates = ["-crl_lastupdate", &time(from), "-crl_nextupdate", &time(until)];
        self.ca_tool(&[&["-gencrl", "-out", &out], &dates[..], more].concat());
        fs::read(out).expect("a list")
    }

    /// An answer as the tool makes it, without a socket.
    pub(crate) fn answer(&self, question: &[u8], signer: Signer<'_>, more: &[&str]) -> Vec<u8> {
        self.write("question.der", question);
        let out = self.path("answer.der");
        let (question, signer) = (self.path("question.der"), self.signer(signer));
        let mut arguments = vec!["ocsp", "-reqin", &question, "-respout", &out];
        arguments.extend(signer.iter().map(String::as_str));
        run(&[&arguments, more].concat());
        fs::read(out).expect("an answer")
    }

    /// A question as the tool asks it, with an id made with this digest.
    pub(crate) fn question(&self, about: &Certificate, digest: &str) -> Vec<u8> {
        self.question_under(self.ca.certificate(), about, digest)
    }

    /// The same, and the id names this issuer.
    pub(crate) fn question_under(
        &self,
        issuer: &Certificate,
        about: &Certificate,
        digest: &str,
    ) -> Vec<u8> {
        self.write("about.pem", &about.to_pem().expect("pem"));
        self.write("issuer.pem", &issuer.to_pem().expect("pem"));
        let (about, out) = (self.path("about.pem"), self.path("question.der"));
        let issuer = self.path("issuer.pem");
        run(&["ocsp", "-issuer", &issuer, digest, "-cert", &about, "-reqout", &out]);
        fs::read(out).expect("a question")
    }

    /// A responder on loopback; its answers are fresh for three days.
    pub(crate) fn responder(&self, signer: Signer<'_>) -> Responder {
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-ndays", "3", "-nrequest", "50"])
            .args(self.signer(signer))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("the tool openssl is needed (Debian package openssl)");
        // It says `ACCEPT [::]:PORT PID=..` when it listens.
        let mut line = String::new();
        let said = child.stdout.take().expect("its output");
        BufReader::new(said).read_line(&mut line).expect("a line");
        let port = line.split_whitespace().nth(1).and_then(|address| address.rsplit_once(':'));
        let port = port.and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            child.kill().and_then(|()| child.wait()).expect("it ends");
            panic!("openssl ocsp said {line:?}");
        };
        Responder { child, port }
    }

    /// Makes a responder's certificate with these extensions for a new key, as [`Signer::Made`].
    pub(crate) fn make_responder(&self, extensions: &str, key: &[&str]) {
        self.write("made.cnf", extensions.as_bytes());
        let [request, made, secret] =
            ["made.csr", "made.pem", "made.key"].map(|name| self.path(name));
        let new = ["req", "-new", "-nodes", "-subj", "/CN=TEST responder", "-out", &request];
        run(&[&new[..], &["-keyout", &secret, "-newkey"], key].concat());
        let (ca, ca_key) = (self.path("ca.pem"), self.path("ca.key"));
        let by = ["-CA", &ca, "-CAkey", &ca_key, "-set_serial", "77", "-days", "2"];
        let extensions = ["-extfile", &self.path("made.cnf"), "-out", &made];
        run(&[&["x509", "-req", "-in", &request], &by[..], &extensions].concat());
    }

    fn signer(&self, signer: Signer<'_>) -> Vec<String> {
        let (certificate, key) = match signer {
            Signer::Authority => (self.path("ca.pem"), self.path("ca.key")),
            Signer::Made => (self.path("made.pem"), self.path("made.key")),
            Signer::Appointed(issued) => {
                self.write("signer.pem", &issued.certificate().to_pem().expect("pem"));
                self.write("signer.key", &issued.key_pem().expect("pem"));
                (self.path("signer.pem"), self.path("signer.key"))
            }
        };
        let (index, ca) = (self.path("index.txt"), self.path("ca.pem"));
        ["-index", &index, "-CA", &ca, "-rsigner", &certificate, "-rkey", &key]
            .map(str::to_owned)
            .to_vec()
    }

    fn ca_tool(&self, arguments: &[&str]) {
        run(&[&["ca", "-config", &self.path("ca.cnf")], arguments].concat());
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn write(&self, name: &str, octets: &[u8]) {
        fs::write(self.path(name), octets).expect("written");
    }
}

/// Who signs answers.
#[derive(Clone, Copy)]
pub(crate) enum Signer<'a> {
    Authority,
    Appointed(&'a Issued),
    /// What [`Peer::make_responder`] has made.
    Made,
}

/// A running responder; it ends with its owner.
pub(crate) struct Responder {
    child: Child,
    pub(crate) port: u16,
}

impl Responder {
    /// Has it read its index again: it does so before it waits for the next question. What it says
    /// to this one, it may still say by the old index.
    pub(crate) fn reload(&self, question: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        let length = question.len();
        let head = format!("POST / HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), question].concat()).expect("asked");
        assert!(stream.read_to_end(&mut Vec::new()).expect("an answer") > 0);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if !std::thread::panicking() {
            ended.expect("it ends");
        }
    }
}

fn run(arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
