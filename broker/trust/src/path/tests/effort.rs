//! Limits: long paths, crowds of certificates, damaged ones.

use proptest::prelude::*;

use super::*;
use crate::der::certificate::{AlgorithmIdentifier, Extension, Parsed, oid};
use crate::error::TrustError;

#[test]
fn the_length_of_a_path_is_limited_by_its_authorities_and_by_the_hub() {
    let root = Authority::root("TEST root");
    let first = root.issue(&Shape::authority("TEST 1").path_length(0));
    let second = first.sub("TEST 2");
    both(&[&root], &[&first], &first.issue(&Shape::leaf("TEST a")), Ok(3));
    let leaf = second.issue(&Shape::leaf("TEST a"));
    let fault = ours(&[&root], &[&first, &second], &leaf).expect_err("too long");
    assert_eq!(fault.reason, Reason::PathLength);
    assert!(!openssl_verifies(&[&root], &[&first, &second], &leaf, &[]));

    let mut chain = vec![root.clone()];
    for n in 1..MAX_PATH {
        let next = chain[n - 1].sub(&format!("TEST {n}"));
        chain.push(next);
    }
    let untrusted: Vec<&Authority> = chain[1..].iter().collect();
    let judged = |length: usize| {
        let leaf = chain[length - 2].issue(&Shape::leaf("TEST a"));
        ours(&[&root], &untrusted, &leaf).map(|path| path.certificates().len())
    };
    assert_eq!(judged(MAX_PATH), Ok(MAX_PATH));
    assert_eq!(judged(MAX_PATH + 1).map_err(|fault| fault.reason), Err(Reason::PathLength));

    let leaf = chain[2].issue(&Shape::leaf("TEST a"));
    let most = |max_intermediates| {
        let demands = Demands { max_intermediates, ..Demands::new(Purpose::Content, today()) };
        anchors(&[&root]).judge(&leaf.certificate, &certificates(&untrusted), &demands).is_ok()
    };
    assert!(most(2) && !most(1));
}

#[test]
fn crowds_of_certificates_cost_a_bounded_effort() {
    let root = Authority::root("TEST root");
    let stranger = Authority::root("TEST crowd");
    // All have one name and certify each other without saying with which key.
    let crowd: Vec<Authority> =
        (0..MAX_UNTRUSTED).map(|_| stranger.issue(&Shape::authority("TEST crowd"))).collect();
    let untrusted: Vec<Certificate> = crowd.iter().map(|a| a.certificate.clone()).collect();
    let leaf = crowd[0].issue(&Shape::leaf("TEST a"));
    let known = anchors(&[&root]);
    let judge = |untrusted: &[Certificate]| {
        known.validate(&leaf.certificate, untrusted, Purpose::Content, today())
    };
    assert!(judge(&untrusted).is_err());
    let one_more = [&untrusted[..], &untrusted[..1]].concat();
    assert_eq!(judge(&one_more).map_err(|f| f.reason), Err(Reason::TooManyCertificates));
    let many = vec![root.certificate.clone(); MAX_ANCHORS + 1];
    let same = Anchors::builder().trust(Purpose::Content, &many).build();
    assert!(same.is_ok(), "the same one is one");
}

/// A clique: every authority certified by every other. The number of ways through it grows beyond
/// all measure; the effort does not.
#[test]
fn a_clique_is_not_searched_to_its_end() {
    let root = Authority::root("TEST root");
    let members: Vec<Authority> = (0..8).map(|n| Authority::root(&format!("TEST {n}"))).collect();
    let mut untrusted = Vec::new();
    for (n, issuer) in members.iter().enumerate() {
        for (m, subject) in members.iter().enumerate().filter(|(m, _)| *m != n) {
            untrusted
                .push(issuer.cross(&Shape::authority(&format!("TEST {m}")), subject).certificate);
        }
    }
    let leaf = members[0].issue(&Shape::leaf("TEST a"));
    let fault =
        anchors(&[&root]).validate(&leaf.certificate, &untrusted, Purpose::Content, today());
    assert_eq!(fault.map_err(|f| f.reason), Err(Reason::TooManyCertificates));
}

/// Names under constraints: every one is compared with every one, on every level. Whoever makes up a
/// path may have both, and no signature has been checked by then.
#[test]
fn names_and_constraints_are_compared_within_bounds() {
    let root = Authority::root("TEST root");
    let judged = |names: usize, subtrees: usize, levels: usize| {
        let names: Vec<String> = (0..names).map(|n| format!("*.{n}.a.test")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let barred: Vec<String> = (0..subtrees).map(|n| format!("{n}.b.test")).collect();
        let barred: Vec<&str> = barred.iter().map(String::as_str).collect();
        let barred = dns_constraints(&[], &barred);
        let mut chain = vec![root.clone()];
        for n in 0..levels {
            let shape = Shape::authority(&format!("TEST {n}")).names(&names);
            let next = chain[n].issue(&shape.with("2.5.29.30", true, &barred));
            chain.push(next);
        }
        let leaf = chain[levels].issue(&Shape::leaf("TEST a").names(&names));
        let untrusted: Vec<&Authority> = chain[1..].iter().collect();
        ours(&[&root], &untrusted, &leaf).map(drop).map_err(|fault| fault.reason)
    };
    assert_eq!(judged(100, 100, 2), Ok(()));
    assert_eq!(judged(MAX_NAMES, MAX_NAMES, 1), Err(Reason::TooLarge));
    assert_eq!(judged(400, 400, 8), Err(Reason::TooLarge));
}

#[test]
fn anchors_are_counted() {
    let root = Authority::root("TEST root");
    let all: Vec<Certificate> = (0..=MAX_ANCHORS)
        .map(|n| root.again(&Shape::authority("TEST root").serial(n as u32 + 1)).certificate)
        .collect();
    let built = |certificates: &[Certificate]| {
        Anchors::builder().trust(Purpose::Content, certificates).build().map(|_| ())
    };
    assert!(built(&all[..MAX_ANCHORS]).is_ok());
    assert!(matches!(built(&all), Err(TrustError::TooMany)));
}

/// Whatever becomes of a certificate's octets on the way: no panic, and no other certificate holds.
#[test]
fn damaged_certificates_are_refused() {
    let root = Authority::root("TEST root");
    let sub = root.issue(&Shape::authority("TEST sub").with(
        "2.5.29.30",
        true,
        &dns_constraints(&["test"], &[]),
    ));
    let shape = Shape::leaf("TEST a").names(&["a.test", "10.0.0.1"]).extended(&["emailProtection"]);
    let leaf = sub.issue(&shape);
    let known = anchors(&[&root]);
    let judge = |leaf: &Certificate, sub: &Certificate| {
        known.validate(leaf, std::slice::from_ref(sub), Purpose::Content, today())
    };
    assert!(judge(&leaf.certificate, &sub.certificate).is_ok());
    let runner = ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() };
    proptest!(runner, |(which: bool, place: prop::sample::Index, octet: u8, cut in 0..20_usize)| {
        let original = if which { &leaf.certificate } else { &sub.certificate };
        let mut der = original.der().to_vec();
        let place = place.index(der.len());
        if cut == 0 {
            der.truncate(place);
        } else {
            der[place] = octet;
        }
        let _parsed = Parsed::read(&der);
        if let Ok(changed) = Certificate::from_der(&der) && changed != *original {
            let judged = if which {
                judge(&changed, &sub.certificate)
            } else {
                judge(&leaf.certificate, &changed)
            };
            prop_assert!(judged.is_err());
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    /// Octets that are no certificate at all.
    #[test]
    fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Parsed::read(&octets);
        let _ = names::alternative_names(&octets);
        let as_extension = Parsed {
            version: 2,
            serial: &octets,
            algorithm: AlgorithmIdentifier { oid: &octets, parameters: &octets },
            algorithms_agree: true,
            issuer: &octets,
            subject: &octets,
            key_info: &octets,
            key_algorithm: AlgorithmIdentifier { oid: &[], parameters: &[] },
            key: &octets,
            extensions: [
                oid::BASIC,
                oid::KEY_USAGE,
                oid::EXTENDED_USAGE,
                oid::SUBJECT_NAMES,
                oid::NAME_CONSTRAINTS,
                oid::AUTHORITY_ACCESS,
            ]
            .map(|oid| Extension { oid, critical: true, value: &octets })
            .to_vec(),
            signed: &octets,
            signature_algorithm: &octets,
            signature: &octets,
        };
        let _ = profile::judge(&as_extension, profile::Role::Leaf);
        let _ = constraints::read(&as_extension);
        let _ = profile::extended_usage(&as_extension);
        let _ = Floors::default().signature(&as_extension.algorithm);
    }
}
