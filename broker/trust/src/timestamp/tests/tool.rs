//! An authority of the tool `openssl ts`. Also part of the tests beside the library, so what it needs of
//! that comes from the file that includes it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use openssl::sha::sha256;
use tempfile::TempDir;

use super::{
    Anchors, Certificate, Floors, Issued, KeyKind, Purpose, Refused, Span, Stamp, TestCa, Use,
};

pub(crate) const FROM: &str = "2020-01-01T00:00:00Z";
pub(crate) const UNTIL: &str = "2090-01-01T00:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn digest() -> Digest {
    Digest(sha256(b"what is stamped"))
}

/// An authority of the tool's: it stamps by the machine's clock.
pub(crate) struct Tool {
    pub(crate) folder: TempDir,
    pub(crate) root: Certificate,
    pub(crate) issued: Issued,
}

impl Tool {
    pub(crate) fn new(kind: KeyKind) -> Self {
        Self::with(kind, Use::TimeStamping, "sha256", "")
    }

    pub(crate) fn with(kind: KeyKind, purpose: Use, digest: &str, more: &str) -> Self {
        let span = Span { from: at(FROM), until: at(UNTIL) };
        let root = TestCa::new("root", kind, span).expect("a CA");
        let issued = root.issue("stamps", purpose, kind, span).expect("issued");
        let root = root.certificate().clone();
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, octets: &[u8]| {
            fs::write(folder.path().join(name), octets).expect("written");
        };
        write("root.pem", &root.to_pem().expect("pem"));
        write("tsa.pem", &issued.certificate().to_pem().expect("pem"));
        write("key.pem", &issued.key_pem().expect("pem"));
        write("serial", b"01\n");
        let settings = format!(
            "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = tsa.pem\n\
             signer_key = key.pem\ncerts = root.pem\nsigner_digest = {digest}\n\
             default_policy = 1.3.6.1.4.1.4146.2.3\ndigests = sha1, sha256, sha512\n\
             accuracy = secs:1, millisecs:500, microsecs:5\nclock_precision_digits = 6\n{more}\n"
        );
        write("tsa.cnf", settings.as_bytes());
        Self { folder, root, issued }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ts(&self, arguments: &[&str]) -> Output {
        Command::new("openssl")
            .arg("ts")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("the tool openssl is needed (Debian package openssl)")
    }

    /// The tool's answer to a question.
    pub(crate) fn answer(&self, question: &[u8]) -> Vec<u8> {
        fs::write(self.path("q.tsq"), question).expect("written");
        let reply = ["-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "a.tsr"];
        let output = self.ts(&reply);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(self.path("a.tsr")).expect("an answer")
    }

    /// When the tool wrote its last answer, by the same clock.
    pub(crate) fn answered_at(&self) -> Timestamp {
        let written = fs::metadata(self.path("a.tsr")).expect("an answer").modified();
        written.expect("a time").try_into().expect("an instant")
    }

    pub(crate) fn anchors(&self) -> Arc<Anchors> {
        let builder =
            Anchors::builder().trust(Purpose::TimeStamping, std::slice::from_ref(&self.root));
        builder.build().expect("few")
    }

    pub(crate) fn verify(&self, token: &[u8]) -> Result<Stamp, Refused> {
        Stamp::verify(token, digest(), &self.anchors(), Floors::default())
    }
}
