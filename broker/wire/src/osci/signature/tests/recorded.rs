//! The recorded messages of the reference library: each signature holds, and no changed copy does.

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::validity::Validity;
use openssl::pkcs12::Pkcs12;
use openssl::sha::sha256;
use openssl::x509::X509;

use super::*;
use crate::osci::MessageType;
use crate::signature::OpensslSigner;
use crate::testing::material;

/// What the recorded key stores are locked with: they are test material.
const PASSWORD: &str = "123456";

/// A recorded message.
struct Message {
    name: String,
    document: Vec<u8>,
    parts: Vec<(String, Vec<u8>)>,
}

impl Message {
    fn side(&self) -> Side {
        let answer = b"</osci:SupplierSignature>";
        let answers = self.document.windows(answer.len()).any(|window| window == answer);
        if answers { Side::Supplier } else { Side::Client }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.document).expect("UTF-8")
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

/// Takes a message apart that the reference library wrote.
fn take_apart(name: String, octets: &[u8]) -> Message {
    let from = find(octets, b"boundary=").expect("a boundary") + b"boundary=".len();
    let length = octets[from..].iter().position(|b| b";\r\n".contains(b)).expect("its end");
    let delimiter = [b"\r\n--", &octets[from..from + length]].concat();
    let mut rest = octets;
    let mut pieces = Vec::new();
    while let Some(at) = find(rest, &delimiter) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    let mut parts = pieces.into_iter().skip(1).map(|piece| {
        let blank = find(piece, b"\r\n\r\n").expect("a blank line");
        let head = String::from_utf8_lossy(&piece[..blank]).into_owned();
        let id = head.split("Content-ID: <").nth(1).and_then(|rest| rest.split('>').next());
        (id.expect("an id").to_owned(), piece[blank + 4..].to_vec())
    });
    let (_, document) = parts.next().expect("a message");
    Message { name, document, parts: parts.collect() }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|own| own == extension)).collect();
    files.sort();
    files
}

/// The messages of a folder, and the certificates of another one, trusted.
fn recorded(
    messages: &str,
    extension: &str,
    certificates: &str,
) -> Option<(Vec<Message>, Vec<TrustedCertificate>)> {
    let corpus = material("AMTSBOTE_CORPUS", "shared/corpus")?.join("osci-transport");
    let messages = files(&corpus.join(messages), extension).into_iter().map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        take_apart(name, &fs::read(path).expect("octets"))
    });
    let certificates = files(&corpus.join(certificates), "cer").into_iter().map(|path| {
        let octets = fs::read(path).expect("octets");
        let certificate = X509::from_der(&octets).or_else(|_| X509::from_pem(&octets));
        let der = certificate.expect("a certificate").to_der().expect("DER");
        let validity = Validity {
            from: Some("2000-01-01T00:00:00Z".parse().expect("a time")),
            until: Some("2100-01-01T00:00:00Z".parse().expect("a time")),
        };
        TrustedCertificate { fingerprint: Digest(sha256(&der)), der, validity }
    });
    Some((messages.collect(), certificates.collect()))
}

/// The folders with messages that are not encrypted for transport.
const FOLDERS: [(&str, &str, &str); 3] = [
    ("golden/sig", "mime", "golden/certs"),
    ("golden/opened", "mime", "golden/certs"),
    ("wire", "http-body", "demo-pki"),
];

fn verify(
    message: &Message,
    document: &[u8],
    trusted: &[TrustedCertificate],
) -> Result<Seal, SignatureFault> {
    judge_with(document, message.side(), &message.parts, trusted, &Allowed::default())
}

#[test]
fn every_recorded_signature_holds() {
    let (mut transport, mut authors, mut unsigned) = (0, 0, 0);
    for (folder, extension, certificates) in FOLDERS {
        let Some((messages, trusted)) = recorded(folder, extension, certificates) else { return };
        for message in &messages {
            let name = &message.name;
            let kind = osci::identify(&message.document[..], &osci::Limits::default());
            if matches!(kind, Ok(MessageType::MessageFault | MessageType::MessageEncrypted)) {
                continue;
            }
            let allowed = Allowed::default();
            let means = Means { unsigned: IfUnsigned::Permit, ..means(&trusted, &allowed) };
            let checked = receive_with(&message.document, message.side(), &message.parts, &means);
            let checked = checked.unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            match checked.seal() {
                None => unsigned += 1,
                Some(seal) => {
                    transport += 1;
                    let certificate = seal.certificate().expect("it stands in the header");
                    let role = certificate.id.split('_').next().expect("a role");
                    let id = certificate_id(role, CertificateUse::Signature, seal.signer());
                    assert_eq!(certificate.id, id, "{name}");
                    assert_eq!(seal.verification().parts().len(), message.parts.len());
                }
            }
            let (received, _) = checked.into_parts();
            assert!(received.custom.is_empty() && received.uncovered.is_empty(), "{name}");
            assert_eq!(received.attachments.len(), message.parts.len(), "{name}");
            assert_eq!(received.root, Digest(sha256(&message.document)), "{name}");
            let package = received.package.as_ref();
            for container in package.iter().flat_map(|package| &package.containers) {
                let report = received.container(container).expect("by its node");
                let contents = container.contents.iter().map(|content| &content.element);
                let contents: Vec<_> = contents.chain(&container.encrypted).collect();
                assert_eq!(report.contents, contents.len(), "{name}");
                assert_eq!(report.signatures.len(), container.signatures.len(), "{name}");
                for signature in &report.signatures {
                    authors += 1;
                    let seal = signature.outcome.as_ref();
                    let seal = seal.unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
                    assert!(seal.is_whole(), "{name}");
                    assert!(contents.iter().all(|content| seal.covers_content(content)), "{name}");
                    assert_eq!(seal.author(&trusted, now()), Author::Trusted, "{name}");
                    assert_eq!(seal.author(&[], now()), Author::Unknown, "{name}");
                    let certificates = received.message.certificates().expect("some");
                    let authors = certificates.signature_other_authors.iter();
                    let mut all = authors.chain(&certificates.signature_originator);
                    let names = |id: &Option<String>| {
                        id.as_ref().is_some_and(|id| signature.names.contains(id))
                    };
                    let named = all.find(|certificate| names(&certificate.id)).expect("named");
                    assert_eq!(named.der, seal.certificate(), "{name}");
                }
            }
        }
    }
    // 39 messages in golden/sig (one a fault) and in golden/opened, 33 of another recording.
    assert!(transport > 80 && authors > 15 && unsigned > 10, "{transport} {authors} {unsigned}");
}

/// One bit here and there in what is signed and in the signature; each reference; each attachment.
#[test]
fn no_changed_copy_holds() {
    let Some((messages, trusted)) = recorded("golden/sig", "mime", "golden/certs") else { return };
    let mut copies = 0;
    for (n, message) in messages.iter().enumerate() {
        let text = message.text();
        let Some(begin) = text.find("<osci:ControlBlock ") else { continue };
        let end = text.find("</soap:Body>").expect("a body");
        let block = format!("<osci:{}", message.side().element());
        let open = text.find(&block).expect("a block");
        // The attributes of the block itself are signed by nobody, and mean nothing.
        let tag = open..open + text[open..].find('>').expect("its end");
        let stride = (end - begin) / 40 + 1;
        for at in (begin + n % stride..end).step_by(stride).filter(|at| !tag.contains(at)) {
            let mut copy = message.document.clone();
            copy[at] ^= 1 << (at % 7);
            copies += 1;
            if verify(message, &copy, &trusted).is_ok() {
                panic!("{}: octet {at} does not count", message.name);
            }
        }
        copies += references(message, &trusted) + attachments(message, &trusted);
    }
    assert!(copies > 1_500, "{copies}");
}

/// Each reference taken out, doubled, and given another digest.
fn references(message: &Message, trusted: &[TrustedCertificate]) -> usize {
    let text = message.text();
    let (from, to) = ("<ds:Reference ", "</ds:Reference>\n");
    let signed = text.find("</ds:SignedInfo>").expect("there");
    let mut copies = 0;
    for (at, _) in text.match_indices(from).filter(|(at, _)| *at < signed) {
        let end = at + text[at..].find(to).expect("its end") + to.len();
        let reference = &text[at..end];
        let value = reference.find("<ds:DigestValue>").expect("there") + "<ds:DigestValue>".len();
        let mut other = reference.to_owned();
        let first = if reference.as_bytes()[value] == b'A' { "B" } else { "A" };
        other.replace_range(value..=value, first);
        for instead in ["", &reference.repeat(2), &other] {
            let copy = format!("{}{instead}{}", &text[..at], &text[end..]);
            copies += 1;
            verify(message, copy.as_bytes(), trusted).expect_err("a changed reference");
        }
    }
    copies
}

/// Each attachment changed, taken away, under another name; one more.
fn attachments(message: &Message, trusted: &[TrustedCertificate]) -> usize {
    let judge = |parts: &[(String, Vec<u8>)]| {
        let allowed = Allowed::default();
        judge_with(&message.document, message.side(), parts, trusted, &allowed)
    };
    let mut copies = 1;
    let mut more = message.parts.clone();
    more.push(("more.txt".to_owned(), b"more".to_vec()));
    refused(judge(&more), Code::OrderNotFullySigned);
    for n in 0..message.parts.len() {
        let mut changed = message.parts.clone();
        changed[n].1[0] ^= 1;
        judge(&changed).expect_err("changed");
        let mut longer = message.parts.clone();
        longer[n].1.push(0);
        judge(&longer).expect_err("longer");
        let mut away = message.parts.clone();
        away.remove(n);
        judge(&away).expect_err("taken away");
        let mut renamed = message.parts.clone();
        renamed[n].0.push('x');
        judge(&renamed).expect_err("renamed");
        copies += 4;
    }
    copies
}

/// Under the recorded keys, and with the references in the recorded order, our block is that of the
/// reference library, octet for octet.
#[test]
fn our_block_is_the_recorded_one() {
    let Some((messages, _)) = recorded("golden/sig", "mime", "golden/certs") else { return };
    let corpus = material("AMTSBOTE_CORPUS", "shared/corpus").expect("it was there");
    let keys = files(&corpus.join("osci-transport/golden/certs"), "p12");
    let signers: Vec<_> = keys
        .iter()
        .map(|path| {
            let store = Pkcs12::from_der(&fs::read(path).expect("octets")).expect("PKCS#12");
            let store = store.parse2(PASSWORD).expect("the password");
            let (key, certificate) = (store.pkey.expect("a key"), store.cert.expect("one"));
            OpensslSigner::new(key, &certificate).expect("a signer")
        })
        .collect();
    let mut same = 0;
    for message in messages.iter().filter(|message| message.parts.is_empty()) {
        let text = message.text();
        let side = message.side();
        let (open, close) =
            (format!("<osci:{}", side.element()), format!("</osci:{}>", side.element()));
        let Some(from) = text.find(&open) else { continue };
        let block = &text[from..text.find(&close).expect("its end") + close.len()];
        let uri = |text: &str| {
            text.split("URI=\"#")
                .nth(1)
                .map(|rest| rest[..rest.find('"').expect("it ends")].to_owned())
        };
        let key = uri(&block[block.find("<ds:KeyInfo>").expect("there")..]).expect("a certificate");
        let (role, _) = key.split_once('_').expect("a role");
        let signer = signers.iter().find(|signer| {
            certificate_id(role, CertificateUse::Signature, signer.certificate_der()) == key
        });
        let ids: Vec<_> = block.split("<ds:Reference ").skip(1).filter_map(uri).collect();
        let blocks: Vec<_> = ids
            .iter()
            .map(|id| {
                // The elements of this name do not occur inside one another.
                let at = text.find(&format!(" Id=\"{id}\"")).expect("a block");
                let begin = text[..at].rfind('<').expect("its tag");
                let name = text[begin + 1..].split(' ').next().expect("a name");
                let end = format!("</{name}>");
                let stop = begin + text[begin..].find(&end).expect("its end") + end.len();
                let written = &text.as_bytes()[begin..stop];
                let limits = Limits::default();
                let block = SignedBlock::written(id, written, DigestAlgorithm::Sha256, &limits);
                block.expect("a digest")
            })
            .collect();
        let digest = DigestAlgorithm::Sha256;
        let making = Making { side, role, digest, blocks: &blocks, parts: &[] };
        let ours = signature_block(&making, signer.expect("a recorded key")).expect("signed");
        assert_eq!(ours, block, "{}", message.name);
        same += 1;
    }
    assert!(same > 20, "{same}");
}
