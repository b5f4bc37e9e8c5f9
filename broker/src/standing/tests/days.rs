//! What is watched, and that it follows the calendar.

use amtsbote_domain::directory::Directory;
use amtsbote_domain::policy::Permissions;
use amtsbote_trust::revocation::Settings;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::X509;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectKeyIdentifier,
};

use super::*;
use crate::outlet::Outlets;
use crate::tables::{InForce, Tables};

fn in_force(
    world: &World,
    trust: TrustRules,
    own: &Issued,
    directory: Directory,
    operators: Vec<Operator>,
) -> InForce {
    let tables = Tables {
        identity: own.identity().clone(),
        client_authorities: vec![],
        trust,
        revocation: Settings::default(),
        directory,
        permissions: Permissions::default(),
        delivery: Arc::default(),
        packs: Arc::default(),
        operators,
        peers: vec![],
        writes_as: None,
        intermediary: None,
        policy: Arc::new(AlgorithmPolicy::built_in()),
        digest: Digest([0; 32]),
    };
    InForce::new(tables, Outlets::default(), world.book.clone())
}

/// The authority in between once more: the same name and key, another time.
fn renewed(world: &World, span: Span) -> Certificate {
    let (root, before) = (world.root.identity(), world.middle.certificate().x509());
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("set");
    let serial = BigNum::from_u32(77).and_then(|serial| serial.to_asn1_integer()).expect("77");
    builder.set_serial_number(&serial).expect("set");
    builder.set_subject_name(before.subject_name()).expect("set");
    builder.set_issuer_name(before.issuer_name()).expect("set");
    builder.set_pubkey(&before.public_key().expect("a key")).expect("set");
    let time = |at: Timestamp| Asn1Time::from_unix(at.as_second()).expect("a time");
    builder.set_not_before(&time(span.from)).expect("set");
    builder.set_not_after(&time(span.until)).expect("set");
    let basic = BasicConstraints::new().critical().ca().pathlen(0).build().expect("built");
    let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().expect("built");
    builder.append_extension(basic).expect("set");
    builder.append_extension(usage).expect("set");
    let context = builder.x509v3_context(Some(root.certificate().x509()), None);
    let own = SubjectKeyIdentifier::new().build(&context).expect("built");
    let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context).expect("built");
    builder.append_extension(own).expect("set");
    builder.append_extension(issuer).expect("set");
    let key = world.root.key_pem().expect("PEM");
    let key = PKey::private_key_from_pem(&key).expect("a key");
    builder.sign(&key, MessageDigest::sha256()).expect("signed");
    Certificate::new(builder.build()).expect("a certificate")
}

/// A directory with one party that signs with this.
fn signed_by(issued: &Issued) -> Directory {
    Directory::new(vec![party(&[issued], None)], vec![]).expect("consistent")
}

#[test]
fn every_link_is_watched_once_and_our_own_is_stapled() {
    let world = World::new();
    let (signs, connects) = (world.issue(Use::Signature), world.issue(Use::Client));
    let own = world.issue(Use::local_hub());
    let directory = Directory::new(
        vec![party(&[&signs], None)],
        vec![account(&connects, None), {
            let id = AccountId::parse("ourselves").expect("an account");
            Account { id, ..account(&own, None) }
        }],
    )
    .expect("consistent");
    let operator = Operator {
        name: "TEST".to_owned(),
        certificate: world.issue(Use::Operator).certificate().trusted(),
    };
    let in_force = in_force(&world, world.rules(), &own, directory, vec![operator]);
    let watch = in_force.standings.watched(&in_force, noon(0));
    let watched = watch.list();
    // Four leaves and the authority in between.
    assert_eq!(watched.len(), 5);
    let stapled: Vec<_> = watched.iter().filter(|w| w.staple).collect();
    assert_eq!(stapled.len(), 1);
    assert_eq!(&stapled[0].certificate, own.certificate());
    assert_eq!(&stapled[0].issuer, world.middle.certificate());

    // What doctor sees: one revoked, one whose issuers are gone.
    world.list(&world.middle, 24, &[(&signs, 1)]);
    let surveyed = in_force.standings.survey(&in_force, noon(0));
    let refused: Vec<_> = surveyed.iter().filter_map(|s| s.refused).collect();
    assert_eq!((surveyed.len(), refused), (4, vec![Code::CertificateRevoked]));
    let late = in_force.standings.survey(&in_force, noon(1000));
    assert!(late.is_empty(), "what has ended is told elsewhere");
}

#[test]
fn a_certificate_is_watched_from_the_day_it_is_entered() {
    let world = World::new();
    let own = world.issue(Use::local_hub());
    let later = Span { from: noon(100), until: noon(200) };
    let issued = world.middle.issue("x", Use::Signature, KeyKind::EcP256, later).expect("issued");
    let tables = in_force(&world, world.rules(), &own, signed_by(&issued), vec![]);
    let watches = |at| {
        let watch = tables.standings.watched(&tables, at);
        watch.list().iter().any(|watched| watched.certificate == *issued.certificate())
    };
    for at in [noon(0), noon(100) - SECOND, noon(100), noon(199)] {
        assert!(watches(at), "{at}");
    }
    assert!(!watches(noon(200)), "it has ended");
    // That it will have a path gives it none now.
    assert_eq!(code(author(&tables.standings, &issued, noon(0))), Code::CertificateNotValid);
    assert_eq!(author(&tables.standings, &issued, noon(100)), Ok(None));
}

#[test]
fn an_issuer_is_watched_before_it_takes_the_place_of_another() {
    let world = World::ending(Span { until: noon(10), ..span() });
    let next = Span { from: noon(9) + SECOND * 1800, ..span() };
    let next = renewed(&world, next);
    let (own, leaf) = (world.issue(Use::local_hub()), world.issue(Use::Signature));
    let certificates = [world.middle.certificate().clone(), next.clone()];
    let anchors = Anchors::builder()
        .trust(Purpose::Content, std::slice::from_ref(world.root.certificate()))
        .intermediates(Purpose::Content, &certificates);
    let rules = TrustRules { anchors: anchors.build().expect("anchors"), ..TrustRules::default() };
    let tables = in_force(&world, rules, &own, signed_by(&leaf), vec![]);
    let watches = |at, certificate: &Certificate| {
        let watch = tables.standings.watched(&tables, at);
        watch.list().iter().any(|watched| watched.certificate == *certificate)
    };
    assert!(watches(noon(8), &certificates[0]) && !watches(noon(8), &next));
    assert!(watches(noon(9) + SECOND, &certificates[0]) && watches(noon(9) + SECOND, &next));
    assert!(!watches(noon(10), &certificates[0]) && watches(noon(10), &next));
}

#[test]
fn an_issuer_counts_from_its_first_second_on() {
    let world = World::ending(Span { from: noon(1), ..span() });
    let (leaf, standings) = (world.issue(Use::Signature), world.standings(world.rules()));
    for at in [noon(0), noon(1) - SECOND] {
        assert_eq!(code(author(&standings, &leaf, at)), Code::CertificateNotValid);
    }
    assert_eq!(author(&standings, &leaf, noon(1)), Ok(None));
}

#[test]
fn lists_of_watched_certificates_are_put_together_without_repeats() {
    let world = World::new();
    let (own, one, other) =
        (world.issue(Use::local_hub()), world.issue(Use::Signature), world.issue(Use::Signature));
    let watch = |issued: &Issued| {
        let tables = in_force(&world, world.rules(), &own, signed_by(issued), vec![]);
        tables.standings.watched(&tables, noon(0))
    };
    let both = watch(&one).and(watch(&other));
    // Our own, two leaves, the authority in between.
    assert_eq!((watch(&one).list().len(), both.list().len(), both.pairs().len()), (3, 4, 4));
    assert!(both.pairs().is_superset(&watch(&one).pairs()));
    assert!(both.pairs().is_superset(&watch(&other).pairs()));
    assert_eq!(watch(&one).pairs(), watch(&one).pairs());
}
