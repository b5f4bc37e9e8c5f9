//! Time stamps beside the tool `openssl ts`, which makes and verifies them too.

mod tool;

use super::*;

use std::fs;
use std::path::Path as File;
use std::process::Command;

use openssl::sha::sha256;

use crate::der::{BOOLEAN, Value, value};
use crate::pem::Certificate;
use crate::testca::{Issued, KeyKind, Purpose as Use, Span, TestCa};

use tool::{FROM, Tool, UNTIL, at, digest};

fn stamp(tool: &Tool, question: &Question) -> Result<Stamp, Refused> {
    let answer = tool.answer(&question.to_der());
    let now = tool.answered_at();
    Stamp::answered(&answer, question, &tool.anchors(), Floors::default(), now)
}

fn question() -> Question {
    Question::about(digest()).expect("a nonce")
}

fn tool_verifies(authority: &Tool, folder: &File) {
    let answer = folder.join("a.tsr");
    let hex = digest().0.map(|octet| format!("{octet:02x}")).concat();
    let answer = answer.to_str().expect("UTF-8");
    let output = authority.ts(&["-verify", "-digest", &hex, "-in", answer, "-CAfile", "root.pem"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_stamp_says_when_and_is_verified_again_from_its_token() {
    for kind in [KeyKind::EcP256, KeyKind::Rsa3072] {
        let authority = Tool::new(kind);
        let stamp = stamp(&authority, &question()).expect("a stamp");
        tool_verifies(&authority, authority.folder.path());
        assert_eq!(stamp.policy(), "1.3.6.1.4.1.4146.2.3");
        assert_eq!(stamp.accuracy(), Some(Duration::from_micros(1_500_005)));
        assert_eq!(stamp.serial(), "02");
        assert_eq!(stamp.path().leaf(), authority.issued.certificate());
        assert_eq!(stamp.path().anchor(), &authority.root);
        assert_eq!(authority.verify(stamp.token()), Ok(stamp.clone()));
        let other = Digest(sha256(b"something else"));
        let judged = Stamp::verify(stamp.token(), other, &authority.anchors(), Floors::default());
        assert_eq!(judged, Err(Refused::OtherDigest));
        let nobody = Stamp::verify(stamp.token(), digest(), &Anchors::default(), Floors::default());
        assert!(matches!(nobody, Err(Refused::Path(_))), "{nobody:?}");
    }
}

#[test]
fn the_tool_reads_the_question() {
    let authority = Tool::new(KeyKind::EcP256);
    fs::write(authority.path("q.tsq"), question().to_der()).expect("written");
    let output = authority.ts(&["-query", "-in", "q.tsq", "-text"]);
    let text = String::from_utf8(output.stdout).expect("text");
    for line in ["Hash Algorithm: sha256", "Certificate required: yes", "Nonce: 0x", "Version: 1"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn an_answer_belongs_to_its_question_and_its_hour() {
    let authority = Tool::new(KeyKind::EcP256);
    let (one, other) = (question(), question());
    let answer = authority.answer(&one.to_der());
    let (anchors, now) = (authority.anchors(), authority.answered_at());
    let read = |question, at| Stamp::answered(&answer, question, &anchors, Floors::default(), at);
    assert!(read(&one, now).is_ok());
    assert_eq!(read(&other, now), Err(Refused::Nonce));
    for far in [now + MAX_SKEW * 2, now - MAX_SKEW * 2] {
        assert_eq!(read(&one, far), Err(Refused::Skew));
    }
    // The certificate must have been valid when it stamped.
    let before = Span { from: at(FROM), until: at("2021-01-01T00:00:00Z") };
    let root = TestCa::new("root", KeyKind::EcP256, before).expect("a CA");
    let over = Anchors::builder().trust(Purpose::TimeStamping, &[root.certificate().clone()]);
    let over = over.build().expect("few");
    let judged = Stamp::answered(&answer, &one, &over, Floors::default(), now);
    assert!(matches!(judged, Err(Refused::Path(_))), "{judged:?}");
}

#[test]
fn what_the_tool_denies_is_denied() {
    // The nonce of another length is fine; a digest that is no SHA-256 is not.
    let authority = Tool::with(KeyKind::EcP256, Use::TimeStamping, "sha256", "digests = sha512");
    let answer = authority.answer(&question().to_der());
    let judged = Stamp::answered(
        &answer,
        &question(),
        &authority.anchors(),
        Floors::default(),
        authority.answered_at(),
    );
    assert_eq!(judged, Err(Refused::Denied));
}

#[test]
fn algorithms_that_do_not_count_are_refused() {
    let authority = Tool::with(KeyKind::EcP256, Use::TimeStamping, "sha1", "");
    assert_eq!(stamp(&authority, &question()), Err(Refused::Algorithm));
    let authority =
        Tool::with(KeyKind::EcP256, Use::TimeStamping, "sha512", "ess_cert_id_alg = sha512");
    assert!(stamp(&authority, &question()).is_ok());
}

/// A copy of a token in which one value, found by its whole octets, is another.
fn replaced(token: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "lengths around it stay");
    let place = token.windows(old.len()).position(|window| window == old).expect("it occurs");
    let mut copy = token.to_vec();
    copy[place..place + new.len()].copy_from_slice(new);
    copy
}

#[test]
fn a_token_holds_together() {
    let authority = Tool::new(KeyKind::EcP256);
    let stamp = stamp(&authority, &question()).expect("a stamp");
    let token = stamp.token();
    // Another digest inside: what is signed is the digest of the content.
    let other = sha256(b"something else");
    let forged = replaced(token, &digest().0, &other);
    let judged = Stamp::verify(&forged, Digest(other), &authority.anchors(), Floors::default());
    assert_eq!(judged, Err(Refused::Signature));
    // Each octet counts, or nothing of what is stated depends on it.
    let mut unseen = 0;
    for n in 0..token.len() {
        let mut copy = token.to_vec();
        copy[n] ^= 1;
        match authority.verify(&copy) {
            Ok(read) => {
                unseen += 1;
                assert_eq!(
                    (read.at(), read.policy(), read.serial(), read.path()),
                    (stamp.at(), stamp.policy(), stamp.serial(), stamp.path())
                );
            }
            Err(Refused::Engine) => panic!("at {n}"),
            Err(_) => {}
        }
    }
    // Versions, the set of digest algorithms, and certificates that no path needs.
    assert!(unseen < 40 + authority.root.der().len(), "{unseen}");
    for end in 0..token.len() {
        assert_eq!(authority.verify(&token[..end]), Err(Refused::Malformed), "{end}");
    }
    let longer = [token, &[0]].concat();
    assert_eq!(authority.verify(&longer), Err(Refused::Malformed));
    assert_eq!(authority.verify(&vec![0; MAX_ANSWER_BYTES + 1]), Err(Refused::TooLarge));
}

#[test]
fn only_certificates_for_time_stamps_stamp() {
    // The tool refuses to stamp with another certificate, so its token gets one with the same key.
    let span = Span { from: at(FROM), until: at(UNTIL) };
    let ca = TestCa::new("root", KeyKind::EcP256, span).expect("a CA");
    for purpose in [Use::Signature, Use::Client, Use::OcspSigner] {
        let other = ca.issue("signs", purpose, KeyKind::EcP256, span).expect("issued");
        let parsed = der::certificate::Parsed::read(other.certificate().der());
        let judged = signed::is_for_stamps(&parsed.expect("read"));
        assert_eq!(judged, Err(Refused::Usage));
    }
}

#[test]
fn a_token_without_certificates_is_of_nobody() {
    let authority = Tool::new(KeyKind::EcP256);
    let answer = authority.answer(&question().to_der());
    let mut fields = Reader::only(&answer, SEQUENCE).expect("an answer");
    fields.any().expect("a status");
    let token = fields.any().expect("a token").whole;
    let bare = without_certificates(token);
    assert_eq!(authority.verify(&bare), Err(Refused::NoCertificate));
}

/// What the authority states, with these octets behind it.
fn stated(token: &[u8], more: &[u8]) -> Vec<u8> {
    let mut fields = Reader::only(token, SEQUENCE).expect("a token");
    fields.any().expect("its type");
    let mut data = fields.inside(constructed(0)).and_then(|mut data| data.inside(SEQUENCE));
    let data = data.as_mut().expect("signed data");
    data.any().and_then(|_| data.any()).expect("version and algorithms");
    let mut content = data.inside(SEQUENCE).expect("content");
    content.any().expect("its type");
    let octets = content.inside(constructed(0)).and_then(|mut inner| inner.read(OCTET_STRING));
    let info = Reader::new(octets.expect("octets")).read(SEQUENCE).expect("TSTInfo");
    value(SEQUENCE, &[info, more])
}

/// One extension: what it is, and whether it must be understood.
fn extension(oid: u8, critical: Option<u8>) -> Vec<u8> {
    let critical = critical.map(|octet| value(BOOLEAN, &[&[octet]])).unwrap_or_default();
    let oid = value(OID, &[&[0x2a, oid]]);
    value(SEQUENCE, &[&oid, &critical, &value(OCTET_STRING, &[&[NULL, 0]])])
}

fn listed(extensions: &[Vec<u8>]) -> Vec<u8> {
    value(constructed(1), &[&extensions.concat()])
}

/// A token over the statement in a file, made with the tool for signed data (RFC 5652): the
/// certificate is named by it (RFC 5816).
fn signed(authority: &Tool, statement: &str) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(["cms", "-sign", "-binary", "-nodetach", "-cades", "-nosmimecap", "-md", "sha256"])
        .args(["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", "tsa.pem"])
        .args(["-inkey", "key.pem", "-in", statement, "-outform", "DER", "-out", "token.der"])
        .current_dir(authority.folder.path())
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(authority.path("token.der")).expect("a token")
}

/// `openssl ts` states no extensions, so `openssl cms` signs what says more; the tool takes it for a
/// stamp.
#[test]
fn an_extension_that_need_not_be_understood_takes_nothing_away() {
    let authority = Tool::new(KeyKind::EcP256);
    let plain = stamp(&authority, &question()).expect("a stamp");
    let sign = |more: &[u8]| {
        fs::write(authority.path("info"), stated(plain.token(), more)).expect("written");
        signed(&authority, "info")
    };
    assert_eq!(authority.verify(&sign(&[])).expect("the same").at(), plain.at());
    let more = sign(&listed(&[extension(3, None), extension(4, Some(0))]));
    let stamped = authority.verify(&more).expect("more is said");
    assert_eq!((stamped.at(), stamped.serial()), (plain.at(), plain.serial()));
    fs::write(authority.path("token"), &more).expect("written");
    let hex = digest().0.map(|octet| format!("{octet:02x}")).concat();
    let verify = ["-verify", "-digest", &hex, "-token_in", "-in", "token", "-CAfile", "root.pem"];
    let output = authority.ts(&verify);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let critical = sign(&listed(&[extension(3, None), extension(4, Some(0xff))]));
    assert_eq!(authority.verify(&critical), Err(Refused::Critical));
}

#[test]
fn extensions_are_read_as_strictly_as_everything_else() {
    let authority = Tool::new(KeyKind::EcP256);
    let plain = stamp(&authority, &question()).expect("a stamp");
    let read = |more: &[u8]| Info::read(&stated(plain.token(), more)).map(|info| info.at);
    assert_eq!(read(&[]), Ok(plain.at()));
    assert_eq!(read(&listed(&[extension(3, None)])), Ok(plain.at()));
    let one = extension(3, None);
    let many: Vec<Vec<u8>> = (0..=64).map(|oid| extension(oid, None)).collect();
    assert_eq!(read(&listed(&many[..64])), Ok(plain.at()));
    for (what, bad) in [
        ("none", listed(&[])),
        ("one twice", listed(&[one.clone(), one.clone()])),
        ("one twice, once critical", listed(&[one.clone(), extension(3, Some(0xff))])),
        ("too many", listed(&many)),
        ("not quite critical", listed(&[extension(3, Some(1))])),
        ("cut off", listed(&[one[..one.len() - 1].to_vec()])),
        ("no value", listed(&[value(SEQUENCE, &[&value(OID, &[&[0x2a, 3]])])])),
        ("more behind", listed(std::slice::from_ref(&one)).repeat(2)),
        ("in another form", value(constructed(1), &[&value(SEQUENCE, &[&one])])),
    ] {
        assert_eq!(read(&bad), Err(Refused::Malformed), "{what}");
    }
}

/// The same token without the certificates that came along.
fn without_certificates(token: &[u8]) -> Vec<u8> {
    let all = |octets| -> Vec<Value<'_>> {
        let mut reader = Reader::new(octets);
        let mut found = Vec::new();
        while !reader.is_empty() {
            found.push(reader.any().expect("DER"));
        }
        found
    };
    let outer = all(all(token)[0].content);
    let data = all(outer[1].content)[0];
    let fields = all(data.content);
    let kept: Vec<&[u8]> = fields
        .iter()
        .filter(|field| field.tag != constructed(0))
        .map(|field| field.whole)
        .collect();
    assert_eq!(kept.len() + 1, fields.len());
    let data = value(SEQUENCE, &kept);
    value(SEQUENCE, &[outer[0].whole, &value(constructed(0), &[&data])])
}

#[test]
fn identifiers_are_shown_in_dots() {
    for (content, text) in [
        (&[0x2a, 0x86, 0x48][..], Some("1.2.840")),
        (&[0x00], Some("0.0")),
        (&[0x88, 0x37, 0x03], Some("2.999.3")),
        (&[], None),
        (&[0x2a, 0x86], None),
        (&[0x2a, 0x80, 0x01], None),
        (&[0xff; 12], None),
    ] {
        assert_eq!(dotted(content).ok().as_deref(), text, "{content:02x?}");
    }
}
