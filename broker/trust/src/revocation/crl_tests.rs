//! CRLs: what is read, and what is refused why.

use super::*;
use crate::revocation::certificate::MAX_PLACES;
use crate::testca::{self, Issued, KeyKind, List, Purpose, Span, TestCa};

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn now() -> Timestamp {
    at("2026-06-01T12:00:00Z")
}

fn authority(name: &str) -> TestCa {
    let span = Span { from: at("2020-01-01T00:00:00Z"), until: at("2080-01-01T00:00:00Z") };
    TestCa::new(name, KeyKind::EcP256, span).expect("a CA")
}

fn issue(ca: &TestCa) -> Issued {
    ca.issue("x", Purpose::Client, KeyKind::EcP256, ca.span()).expect("issued")
}

fn list() -> List {
    List::new(at("2026-06-01T00:00:00Z"), at("2026-06-08T00:00:00Z"))
}

fn read(ca: &TestCa, list: &List) -> Result<Crl, Refused> {
    Crl::read(&ca.sign_list(list).expect("signed"), ca.certificate(), Some(now()))
}

fn serial(issued: &Issued) -> Serial {
    Facts::read(issued.certificate()).expect("facts").serial
}

/// IssuingDistributionPoint with these fields.
fn point(fields: &[u8]) -> List {
    let mut list = list();
    list.extensions.push(("2.5.29.28", true, der::value(SEQUENCE, &[fields])));
    list
}

#[test]
fn revoked_certificates_are_found_by_their_serial_number() {
    let ca = authority("ca");
    let (gone, good) = (issue(&ca), issue(&ca));
    let when = at("2026-05-01T08:00:00Z");
    let mut list = list();
    for _ in 0..100 {
        list.entries.push(testca::Entry::new(issue(&ca).certificate(), when, None));
    }
    list.entries.push(testca::Entry::new(gone.certificate(), when, Some(4)));
    let crl = read(&ca, &list).expect("read");
    assert_eq!(crl.len(), 101);
    assert_eq!(crl.revokes(&serial(&gone)), Some((when, Reason::Superseded)));
    assert_eq!(crl.revokes(&serial(&good)), None);
    assert_eq!((crl.this_update(), crl.next_update()), (list.from, list.until.expect("one")));
    assert!(crl.speaks_of_all());
}

#[test]
fn pem_is_read_like_der() {
    let ca = authority("ca");
    let der = ca.sign_list(&list()).expect("signed");
    let pem = openssl::x509::X509Crl::from_der(&der).expect("a list").to_pem().expect("pem");
    let text = [b"a comment\n", &pem[..]].concat();
    assert!(Crl::read(&text, ca.certificate(), Some(now())).is_ok());
    for bad in [&pem[..pem.len() - 30], b"", b"-----BEGIN X509 CRL-----", b"x"] {
        let refused = Crl::read(bad, ca.certificate(), Some(now())).map(drop);
        assert_eq!(refused, Err(Refused::Malformed));
    }
}

#[test]
fn only_the_issuer_signs() {
    let (ca, stranger) = (authority("ca"), authority("other"));
    let same_name = authority("ca");
    let signed = ca.sign_list(&list()).expect("signed");
    let by = |issuer: &TestCa| Crl::read(&signed, issuer.certificate(), Some(now())).map(drop);
    assert_eq!(by(&ca), Ok(()));
    assert_eq!(by(&stranger), Err(Refused::OtherIssuer));
    assert_eq!(by(&same_name), Err(Refused::Signature));
    let leaf = issue(&ca);
    let pretender = TestCa::from_identity(leaf.identity().clone()).expect("an identity");
    assert_eq!(read(&pretender, &list()).map(drop), Err(Refused::MayNotSign));
}

#[test]
fn times_count() {
    let ca = authority("ca");
    let with = |from, until| {
        let list = List { from, until, ..list() };
        read(&ca, &list).map(drop)
    };
    let until = Some(at("2026-06-08T00:00:00Z"));
    assert_eq!(with(now() + SKEW, until), Ok(()));
    let second = jiff::SignedDuration::from_secs(1);
    assert_eq!(with(now() + SKEW + second, until), Err(Refused::NotYet));
    assert_eq!(with(now(), None), Err(Refused::NoNextUpdate));
    assert_eq!(with(now(), Some(now() - second)), Err(Refused::Malformed));
}

#[test]
fn extensions_that_change_the_meaning_are_refused() {
    let ca = authority("ca");
    let refused = |list: &List| read(&ca, list).map(drop);
    let with = |oid, critical, value: &[u8]| {
        let mut list = list();
        list.extensions.push((oid, critical, value.to_vec()));
        refused(&list)
    };
    let number = der::value(der::INTEGER, &[&[1]]);
    assert_eq!(with("1.2.3.4", true, &number), Err(Refused::CriticalExtension));
    assert_eq!(with("1.2.3.4", false, &number), Ok(()));
    assert_eq!(refused(&List { number: None, ..list() }), Err(Refused::NoNumber));
    let mut critical = List { number: None, ..list() };
    critical.extensions.push(("2.5.29.20", true, number.clone()));
    assert_eq!(refused(&critical), Err(Refused::CriticalExtension));
    assert_eq!(with("2.5.29.27", true, &number), Err(Refused::Delta));
    assert_eq!(with("2.5.29.27", false, &number), Err(Refused::Delta));
    let flag = |n| der::value(primitive(n), &[&[0xff]]);
    assert_eq!(refused(&point(&flag(4))), Err(Refused::Indirect));
    assert_eq!(refused(&point(&flag(5))), Err(Refused::Partial));
    assert_eq!(refused(&point(&der::value(primitive(3), &[&[1, 2]]))), Err(Refused::Partial));
    assert_eq!(refused(&point(&[flag(1), flag(2)].concat())), Err(Refused::Malformed));
    let relative = der::value(constructed(0), &[&der::value(constructed(1), &[])]);
    assert_eq!(refused(&point(&relative)), Err(Refused::Partial));
    let entry = |reason, extensions| {
        let mut list = list();
        let gone = issue(&ca);
        let plain = testca::Entry::new(gone.certificate(), now(), reason);
        list.entries.push(testca::Entry { extensions, ..plain });
        refused(&list)
    };
    assert_eq!(entry(Some(8), vec![]), Err(Refused::Removal));
    assert_eq!(entry(None, vec![("2.5.29.29", true, number.clone())]), Err(Refused::Indirect));
    let unknown = vec![("1.2.3.4", true, number.clone())];
    assert_eq!(entry(None, unknown), Err(Refused::CriticalExtension));
    assert_eq!(entry(Some(7), vec![("1.2.3.4", false, number)]), Ok(()));
}

#[test]
fn a_list_speaks_only_of_what_it_says() {
    let ca = authority("ca");
    let address = "http://crl.example.test/1.crl";
    let sources = testca::Sources { lists: vec![address.into()], ..testca::Sources::default() };
    let named =
        ca.issue_with("x", Purpose::Client, KeyKind::EcP256, ca.span(), &sources).expect("issued");
    let plain = issue(&ca);
    let speaks = |list: &List, of: &Certificate| {
        read(&ca, list).expect("read").speaks_of(&Facts::read(of).expect("facts"))
    };
    let flag = |n| der::value(primitive(n), &[&[0xff]]);
    for (list, leaf, authority) in
        [(list(), true, true), (point(&flag(1)), true, false), (point(&flag(2)), false, true)]
    {
        assert_eq!(speaks(&list, plain.certificate()), leaf);
        assert_eq!(speaks(&list, ca.certificate()), authority);
    }
    let partition = |address: &str| {
        let name = der::value(URI, &[address.as_bytes()]);
        point(&der::value(constructed(0), &[&der::value(constructed(0), &[&name])]))
    };
    assert!(speaks(&partition(address), named.certificate()));
    assert!(!speaks(&partition("http://crl.example.test/2.crl"), named.certificate()));
    assert!(!speaks(&partition(address), plain.certificate()));
}

#[test]
fn names_of_a_point_are_counted() {
    let ca = authority("ca");
    let with = |count: usize| {
        let names = der::value(URI, &[b"a:b"]).repeat(count);
        let name = der::value(constructed(0), &[&der::value(constructed(0), &[&names])]);
        read(&ca, &point(&name)).map(drop)
    };
    assert_eq!(with(MAX_PLACES), Ok(()));
    assert_eq!(with(MAX_PLACES + 1), Err(Refused::TooManyEntries));
}

#[test]
fn old_signature_algorithms_do_not_count() {
    let identifier = |oid: &str| {
        let oid = openssl::asn1::Asn1Object::from_str(oid).expect("an OID");
        der::value(SEQUENCE, &[&der::value(der::OID, &[oid.as_slice()])])
    };
    for good in ["1.2.840.113549.1.1.11", "1.2.840.10045.4.3.4", "1.3.101.112"] {
        assert!(Algorithm::read(&identifier(good)).is_ok(), "{good}");
    }
    for old in ["1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.10045.4.1", "1.2.3"] {
        let refused = Algorithm::read(&identifier(old)).map(drop);
        assert_eq!(refused, Err(Refused::Algorithm), "{old}");
    }
}

#[test]
fn no_change_of_any_octet_passes_or_panics() {
    let ca = authority("ca");
    let mut list = list();
    list.entries.push(testca::Entry::new(issue(&ca).certificate(), now(), Some(1)));
    let good = ca.sign_list(&list).expect("signed");
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            assert!(Crl::read(&bad, ca.certificate(), None).is_err(), "octet {at} ^ {change}");
        }
        assert!(Crl::read(&good[..at], ca.certificate(), None).is_err(), "first {at}");
    }
    assert!(Crl::read(&[&good[..], b"\0"].concat(), ca.certificate(), None).is_err());
}

#[test]
fn no_octet_of_the_entries_makes_the_reader_panic() {
    // Behind the signature, where only an issuer could put them.
    let ca = authority("ca");
    let mut list = list();
    list.entries.push(testca::Entry::new(issue(&ca).certificate(), now(), Some(1)));
    let good = ca.sign_list(&list).expect("signed");
    let tbs = Reader::only(&good, SEQUENCE).expect("a list").any().expect("a body").whole;
    for at in 0..tbs.len() {
        for octet in 0..=255 {
            let mut bad = tbs.to_vec();
            bad[at] = octet;
            if let Ok(body) = Body::read(&bad) {
                drop((scope(body.extensions), entries(body.revoked)));
            }
        }
    }
}

#[test]
fn too_large_is_refused_before_it_is_read() {
    let ca = authority("ca");
    let octets = vec![SEQUENCE; MAX_CRL_BYTES + 1];
    let refused = Crl::read(&octets, ca.certificate(), None).map(drop);
    assert_eq!(refused, Err(Refused::TooLarge));
}

#[test]
fn an_entry_takes_32_octets() {
    assert_eq!(size_of::<Entry>(), 32);
}
