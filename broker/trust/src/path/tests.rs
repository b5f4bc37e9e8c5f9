//! Paths as they occur, judged here and by the tool `openssl` as the peer.

mod effort;
mod usage;

use std::process::Command;
use std::sync::Arc;

use openssl::hash::MessageDigest;

use super::testing::{Authority, Shape, at, dns_constraints, today};
use super::*;
use crate::pem::Certificate;

fn anchors(trusted: &[&Authority]) -> Arc<Anchors> {
    let all: Vec<Certificate> = trusted.iter().map(|a| a.certificate.clone()).collect();
    let builder = Purpose::ALL
        .iter()
        .fold(Anchors::builder(), |builder, purpose| builder.trust(*purpose, &all));
    builder.build().expect("few")
}

fn certificates(authorities: &[&Authority]) -> Vec<Certificate> {
    authorities.iter().map(|authority| authority.certificate.clone()).collect()
}

/// What the tool says: `-x509_strict`, at the same time.
fn openssl_verifies(
    trusted: &[&Authority],
    untrusted: &[&Authority],
    leaf: &Authority,
    more: &[&str],
) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, certificates: &[&Authority]| {
        let pem = certificates.iter().map(|a| a.certificate.to_pem().expect("pem"));
        let path = folder.path().join(name);
        std::fs::write(&path, pem.collect::<Vec<_>>().concat()).expect("written");
        path
    };
    let time = today().as_second().to_string();
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-auth_level", "2", "-no-CApath", "-no-CAstore"]);
    command.args(["-attime", &time]).args(more);
    command.arg("-CAfile").arg(write("trusted.pem", trusted));
    if !untrusted.is_empty() {
        command.arg("-untrusted").arg(write("untrusted.pem", untrusted));
    }
    command.arg(write("leaf.pem", &[leaf]));
    let output = command.output().expect("the tool openssl is needed (Debian package openssl)");
    output.status.success()
}

/// Judges here and there; both must say the same, here for this reason.
#[track_caller]
fn both(
    trusted: &[&Authority],
    untrusted: &[&Authority],
    leaf: &Authority,
    wanted: Result<usize, (Reason, usize)>,
) {
    let path = ours(trusted, untrusted, leaf);
    let said = path.as_ref().map(|path| path.certificates().len());
    assert_eq!(said.map_err(|fault| (fault.reason, fault.depth)), wanted);
    let peer = openssl_verifies(trusted, untrusted, leaf, &[]);
    assert_eq!(peer, wanted.is_ok(), "the peer says otherwise");
}

fn ours(
    trusted: &[&Authority],
    untrusted: &[&Authority],
    leaf: &Authority,
) -> Result<Path, PathFault> {
    let untrusted = certificates(untrusted);
    anchors(trusted).validate(&leaf.certificate, &untrusted, Purpose::Content, today())
}

#[test]
fn a_path_holds_and_says_who_issued_what_and_until_when() {
    let root = Authority::root("TEST root");
    let sub = root
        .issue(&Shape::authority("TEST sub").valid("2021-01-01T00:00:00Z", "2030-01-01T00:00:00Z"));
    let leaf = sub.issue(&Shape::leaf("TEST a"));
    both(&[&root], &[&sub], &leaf, Ok(3));
    let path = ours(&[&root], &[&sub], &leaf).expect("a path");
    assert_eq!((path.leaf(), path.anchor()), (&leaf.certificate, &root.certificate));
    let links: Vec<_> = path.links().collect();
    let wanted = [(&leaf.certificate, &sub.certificate), (&sub.certificate, &root.certificate)];
    assert_eq!(links, wanted);
    assert_eq!(path.validity().from, Some(at("2021-01-01T00:00:00Z")));
    assert_eq!(path.validity().until, Some(at("2030-01-01T00:00:01Z")));
}

#[test]
fn a_missing_issuer_is_named() {
    let root = Authority::root("TEST root");
    let (sub, other) = (root.sub("TEST sub"), Authority::root("TEST other"));
    let leaf = sub.issue(&Shape::leaf("TEST a"));
    both(&[&root], &[], &leaf, Err((Reason::NoAnchor, 0)));
    both(&[&other], &[&sub], &leaf, Err((Reason::NoAnchor, 1)));
    both(&[&other], &[&sub, &root], &leaf, Err((Reason::NoAnchor, 2)));
    both(&[], &[&sub, &root], &leaf, Err((Reason::NoAnchor, 2)));
    // Who is known for another purpose is not known for this one.
    let tls_only = Anchors::builder()
        .trust(Purpose::TlsServer, &certificates(&[&root]))
        .intermediates(Purpose::TlsServer, &certificates(&[&sub]))
        .build()
        .expect("few");
    let judged = |purpose| tls_only.validate(&leaf.certificate, &[], purpose, today());
    assert_eq!(judged(Purpose::Content).map_err(|f| f.reason), Err(Reason::NoAnchor));
    assert!(judged(Purpose::TlsServer).is_ok());
    assert!(tls_only.any(Purpose::TlsServer) && !tls_only.any(Purpose::Content));
}

#[test]
fn times_of_all_certificates_count() {
    let (past, future) = ("2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let span = ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z");
    let root = Authority::root("TEST root");
    let over = root.issue(&Shape::authority("TEST sub").valid(span.0, past));
    both(&[&root], &[&over], &over.issue(&Shape::leaf("TEST a")), Err((Reason::Expired, 1)));
    let early = root.issue(&Shape::authority("TEST sub").valid(future, span.1));
    both(&[&root], &[&early], &early.issue(&Shape::leaf("TEST a")), Err((Reason::NotYetValid, 1)));
    both(
        &[&root],
        &[],
        &root.issue(&Shape::leaf("TEST a").valid(span.0, past)),
        Err((Reason::Expired, 0)),
    );
    // Both dates of a certificate belong to it.
    let span = ("2026-06-01T00:00:00Z", "2026-06-01T00:00:10Z");
    let leaf = root.issue(&Shape::leaf("TEST a").valid(span.0, span.1));
    for (instant, holds) in [
        ("2026-05-31T23:59:59.999Z", false),
        ("2026-06-01T00:00:00Z", true),
        ("2026-06-01T00:00:10Z", true),
        ("2026-06-01T00:00:10.999Z", true),
        ("2026-06-01T00:00:11Z", false),
    ] {
        let judged =
            anchors(&[&root]).validate(&leaf.certificate, &[], Purpose::Content, at(instant));
        assert_eq!(judged.is_ok(), holds, "{instant}");
    }
    let span = ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z");
    let old_root = Authority::root_of(&Shape::authority("TEST root").valid(span.0, past));
    both(&[&old_root], &[], &old_root.issue(&Shape::leaf("TEST a")), Err((Reason::Expired, 1)));
}

#[test]
fn the_old_and_the_new_certificate_of_an_authority_stand_side_by_side() {
    let now = ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let next = ("2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z");
    let shape = |span: (&str, &str), serial| {
        Shape::authority("TEST root").valid(span.0, span.1).serial(serial)
    };
    let old = Authority::root_of(&shape(now, 1));
    let new = old.again(&shape(next, 2));
    let leaf = old.issue(&Shape::leaf("TEST a"));
    for trusted in [[&old, &new], [&new, &old]] {
        let judged = |at| anchors(&trusted).validate(&leaf.certificate, &[], Purpose::Content, at);
        let anchor = |at| judged(at).map(|path| path.anchor().clone());
        assert_eq!(anchor(at("2022-06-01T00:00:00Z")).as_ref(), Ok(&old.certificate));
        assert_eq!(anchor(at("2025-06-01T00:00:00Z")).as_ref(), Ok(&new.certificate), "the longer");
        both(&trusted, &[], &leaf, Ok(2));
    }
    // The same with intermediates, which come along in any order.
    let root = Authority::root("TEST top");
    let old = root.issue(&shape(now, 3));
    let new = root.cross(&shape(next, 4), &old);
    let leaf = old.issue(&Shape::leaf("TEST b"));
    for untrusted in [[&old, &new], [&new, &old]] {
        both(&[&root], &untrusted, &leaf, Ok(3));
    }
    // And with a new key under the old name, signed by the old one (RFC 4210, 4.4).
    let new = Authority::root("TEST root");
    let old = Authority::root("TEST root");
    let new_with_old = old.cross(&Shape::authority("TEST root"), &new);
    both(&[&old], &[&new_with_old], &new.issue(&Shape::leaf("TEST c")), Ok(3));
}

#[test]
fn who_is_certified_two_ways_needs_one_that_holds() {
    let (a, b) = (Authority::root("TEST a"), Authority::root("TEST b"));
    let by_a = a.issue(&Shape::authority("TEST sub"));
    let by_b = b.cross(&Shape::authority("TEST sub"), &by_a);
    let leaf = by_a.issue(&Shape::leaf("TEST x"));
    // Where one way alone is there, both find it. Where the other is there as well, OpenSSL follows
    // the way that it meets first and does not turn back; here both are tried, whatever their order.
    for (trusted, way) in [(&a, &by_a), (&b, &by_b)] {
        both(&[trusted], &[way], &leaf, Ok(3));
        for untrusted in [[&by_a, &by_b], [&by_b, &by_a]] {
            let path = ours(&[trusted], &untrusted, &leaf).expect("a path");
            assert_eq!(path.certificates()[1], way.certificate);
        }
    }
    // Both lead to an anchor, and one is barred by a constraint.
    let barred = dns_constraints(&["other.test"], &[]);
    let shape = Shape::authority("TEST sub").with("2.5.29.30", true, &barred);
    let by_b = b.cross(&shape, &by_a);
    let leaf = by_a.issue(&Shape::leaf("TEST x").names(&["hub.example.test"]));
    for untrusted in [[&by_a, &by_b], [&by_b, &by_a]] {
        let path = ours(&[&a, &b], &untrusted, &leaf).expect("a path");
        assert_eq!(path.anchor(), &a.certificate);
    }
    both(&[&b], &[&by_b], &leaf, Err((Reason::NameConstraint, 0)));
}

#[test]
fn loops_end() {
    let (a, b) = (Authority::root("TEST a"), Authority::root("TEST b"));
    let a_by_b = b.cross(&Shape::authority("TEST a"), &a);
    let b_by_a = a.cross(&Shape::authority("TEST b"), &b);
    let leaf = a.issue(&Shape::leaf("TEST x"));
    let other = Authority::root("TEST other");
    both(&[&other], &[&a_by_b, &b_by_a], &leaf, Err((Reason::NoAnchor, 2)));
    both(&[&b], &[&b_by_a, &a_by_b], &leaf, Ok(3));
}

#[test]
fn who_must_not_issue_does_not() {
    let root = Authority::root("TEST root");
    let client = root.issue(&Shape::leaf("TEST client"));
    both(
        &[&root],
        &[&client],
        &client.issue(&Shape::leaf("TEST a")),
        Err((Reason::NotAnAuthority, 1)),
    );
    let no_sign = root.issue(&Shape::authority("TEST sub").usage(&["cRLSign"]));
    both(&[&root], &[&no_sign], &no_sign.issue(&Shape::leaf("TEST a")), Err((Reason::KeyUsage, 1)));
    // The name of an authority without its key.
    let sub = root.sub("TEST sub");
    let forged = Authority::root("TEST sub").issue(&Shape::leaf("TEST a"));
    assert!(ours(&[&root], &[&sub], &forged).is_err());
    assert!(!openssl_verifies(&[&root], &[&sub], &forged, &[]));
}

#[test]
fn a_signature_that_was_changed_does_not_hold() {
    let root = Authority::root("TEST root");
    let leaf = root.issue(&Shape::leaf("TEST a"));
    let mut der = leaf.certificate.der().to_vec();
    // The last octet of an ECDSA signature belongs to its number s.
    *der.last_mut().expect("octets") ^= 1;
    let changed = Certificate::from_der(&der).expect("still a certificate");
    let fault = anchors(&[&root]).validate(&changed, &[], Purpose::Content, today());
    assert_eq!(fault.map_err(|f| (f.reason, f.depth)), Err((Reason::Signature, 0)));
}

#[test]
fn an_asterisk_does_not_step_over_a_constraint() {
    let root = Authority::root("TEST root");
    let server = |barred: &[u8], name: &str| {
        let sub = root.issue(&Shape::authority("TEST sub").with("2.5.29.30", true, barred));
        let leaf = sub.issue(&Shape::leaf("TEST s").names(&[name]));
        ours(&[&root], &[&sub], &leaf).map(|_| ()).map_err(|fault| fault.reason)
    };
    let excluded = dns_constraints(&[], &["hub.example.test"]);
    assert_eq!(server(&excluded, "*.example.test"), Err(Reason::NameConstraint));
    assert_eq!(server(&excluded, "other.example.test"), Ok(()));
    let permitted = dns_constraints(&["example.test"], &[]);
    assert_eq!(server(&permitted, "*.example.test"), Ok(()));
    assert_eq!(server(&permitted, "example.org"), Err(Reason::NameConstraint));
    assert_eq!(server(&dns_constraints(&[], &[]), "example.test"), Err(Reason::Malformed));
    assert_eq!(server(&dns_constraints(&["*.test"], &[]), "a.test"), Err(Reason::Malformed));
}

#[test]
fn the_profile_is_kept() {
    let root = Authority::root("TEST root");
    let judged = |shape: Shape| {
        ours(&[&root], &[], &root.issue(&shape)).map(|_| ()).map_err(|fault| fault.reason)
    };
    let leaf = || Shape::leaf("TEST a");
    let null = [5, 0];
    assert_eq!(judged(leaf()), Ok(()));
    assert_eq!(judged(leaf().with("1.3.6.1.4.1.55555.1", false, &null)), Ok(()));
    assert_eq!(
        judged(leaf().with("1.3.6.1.4.1.55555.1", true, &null)),
        Err(Reason::CriticalExtension)
    );
    assert_eq!(
        judged(leaf().with("2.5.29.15", true, &[3, 2, 7, 128])),
        Err(Reason::DuplicateExtension)
    );
    // The seven last bits are not there; whoever reads them all the same sees nonRepudiation.
    let hidden = leaf().usage(&[]).with("2.5.29.15", true, &[3, 2, 7, 0x7f]);
    assert_eq!(judged(hidden), Err(Reason::Malformed));
    assert_eq!(judged(leaf().serial(0)), Err(Reason::SerialNumber));
    let large = vec![0; MAX_CERTIFICATE_BYTES];
    assert_eq!(judged(leaf().with("1.3.6.1.4.1.55555.1", false, &large)), Err(Reason::TooLarge));
    assert_eq!(judged(Shape::leaf("")), Err(Reason::CriticalExtension));
    assert_eq!(judged(leaf().usage(&["keyCertSign"])), Err(Reason::KeyUsage));
    assert_eq!(judged(leaf().digest(MessageDigest::sha1())), Err(Reason::WeakSignature));
}

#[test]
fn old_signatures_count_only_where_the_caller_says_so() {
    let root = Authority::root("TEST root");
    let leaf = root.issue(&Shape::leaf("TEST a").digest(MessageDigest::sha1()));
    let floors = |allow_sha1| Floors { allow_sha1, ..Floors::default() };
    let judged = |floors| {
        let demands = Demands { floors, ..Demands::new(Purpose::Content, today()) };
        anchors(&[&root]).judge(&leaf.certificate, &[], &demands).map_err(|fault| fault.reason)
    };
    assert!(judged(floors(true)).is_ok());
    assert_eq!(judged(floors(false)), Err(Reason::WeakSignature));
    // Short keys alone do not let old digests in.
    let short_keys = Floors { min_rsa_bits: 1024, ..floors(false) };
    assert_eq!(judged(short_keys), Err(Reason::WeakSignature));
    // Nothing rests on an anchor's own signature, but on its key.
    let root = Authority::root_of(&Shape::authority("TEST root").digest(MessageDigest::sha1()));
    both(&[&root], &[], &root.issue(&Shape::leaf("TEST a")), Ok(2));
    let high = Floors { min_ec_bits: 300, ..Floors::default() };
    let demands = Demands { floors: high, ..Demands::new(Purpose::Content, today()) };
    let leaf = root.issue(&Shape::leaf("TEST a"));
    let fault = anchors(&[&root]).judge(&leaf.certificate, &[], &demands);
    assert_eq!(fault.map_err(|f| f.reason), Err(Reason::WeakKey));
}

#[test]
fn a_path_ends_before_the_root_only_where_that_was_said() {
    let root = Authority::root("TEST root");
    let sub = root.sub("TEST sub");
    let leaf = sub.issue(&Shape::leaf("TEST a"));
    for pinned in [&sub, &leaf] {
        both(
            &[pinned],
            &[],
            &leaf,
            Err((Reason::NoAnchor, usize::from(pinned.certificate == sub.certificate))),
        );
        let partial = Anchors::builder()
            .trust(Purpose::Content, &certificates(&[pinned]))
            .partial(Purpose::Content)
            .build()
            .expect("few");
        let path = partial.validate(&leaf.certificate, &[], Purpose::Content, today());
        assert_eq!(path.expect("a path").anchor(), &pinned.certificate);
        assert!(openssl_verifies(&[pinned], &[], &leaf, &["-partial_chain"]));
    }
}
