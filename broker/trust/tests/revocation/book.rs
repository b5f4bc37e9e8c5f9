//! What the book answers from lists and answers, as time goes by.

use amtsbote_domain::Timestamp;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::book::MAX_LISTS_OF_ONE;
use amtsbote_trust::revocation::{Book, Grace, Question, Reason, Refused, Standing, Unknown};
use amtsbote_trust::testca::{Entry, Issued, KeyKind, List, Purpose, Sources, TestCa};
use jiff::SignedDuration;

use crate::peer::{Peer, Signer, at, peers_now, span};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn authority() -> TestCa {
    TestCa::with_depth("root", KeyKind::EcP256, span(), 1).expect("a CA")
}

fn issue(ca: &TestCa, sources: &Sources) -> Issued {
    ca.issue_with("x", Purpose::Client, KeyKind::EcP256, span(), sources).expect("issued")
}

fn from() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

/// A list of one hour, some hours after the first.
fn list(ca: &TestCa, hour: i32, revoked: &[(&Certificate, u8)]) -> Vec<u8> {
    let from = from() + HOUR * hour;
    let mut list = List::new(from, from + HOUR);
    let entries = revoked.iter().map(|(gone, reason)| Entry::new(gone, from, Some(*reason)));
    list.entries.extend(entries);
    ca.sign_list(&list).expect("signed")
}

#[test]
fn good_then_grace_then_unknown() {
    let (ca, book) = (authority(), Book::new());
    let leaf = issue(&ca, &Sources::default());
    let until = from() + HOUR;
    book.take_list(&list(&ca, 0, &[]), ca.certificate(), from()).expect("taken");
    let grace = Grace::new(HOUR * 2).expect("a grace");
    let standing = |at| book.standing(leaf.certificate(), ca.certificate(), at, &grace);
    let ends = until + HOUR * 2;
    let under_grace = Standing::Grace { fresh_until: until, ends };
    assert_eq!(standing(from()), Standing::Good { as_of: from() });
    assert_eq!(standing(until), Standing::Good { as_of: from() });
    assert_eq!(standing(until + SECOND), under_grace);
    assert_eq!(standing(ends - SECOND), under_grace);
    let over = Standing::Unknown(Unknown::GraceOver { fresh_until: until });
    assert_eq!(standing(ends), over);
    let none = |at| book.standing(leaf.certificate(), ca.certificate(), at, &Grace::NONE);
    assert_eq!(none(until), Standing::Good { as_of: from() });
    assert_eq!(none(until + SECOND), over);
    assert_eq!(Grace::new(Grace::MAX + SECOND), None);
    assert_eq!(Grace::new(-SECOND), None);
}

#[test]
fn without_knowledge_it_matters_whether_there_is_a_source() {
    let (ca, book) = (authority(), Book::new());
    let grace = Grace::default();
    let standing = |sources: &Sources| {
        let leaf = issue(&ca, sources);
        book.standing(leaf.certificate(), ca.certificate(), from(), &grace)
    };
    assert_eq!(standing(&Sources::default()), Standing::NoSource);
    let named = |text: &str| vec![text.to_owned()];
    let never = Standing::Unknown(Unknown::NeverObtained);
    let lists = Sources { lists: named("http://crl.example.test/"), ..Sources::default() };
    assert_eq!(standing(&lists), never);
    let directory = Sources { lists: named("ldap://crl.example.test/"), ..Sources::default() };
    assert_eq!(standing(&directory), never);
    let ocsp = Sources { ocsp: named("http://ocsp.example.test/"), ..Sources::default() };
    assert_eq!(standing(&ocsp), never);
    let issuers = Sources { issuers: named("http://ca.example.test/"), ..Sources::default() };
    assert_eq!(standing(&issuers), Standing::NoSource);
}

#[test]
fn a_revocation_once_seen_stays() {
    let (ca, book) = (authority(), Book::new());
    let (gone, good) = (issue(&ca, &Sources::default()), issue(&ca, &Sources::default()));
    let now = from() + HOUR;
    book.take_list(&list(&ca, 1, &[(gone.certificate(), 1)]), ca.certificate(), now)
        .expect("taken");
    let grace = Grace::default();
    let standing = |of: &Issued, at| book.standing(of.certificate(), ca.certificate(), at, &grace);
    let revoked = Standing::Revoked { at: now, reason: Reason::KeyCompromise };
    assert_eq!(standing(&gone, now), revoked);
    assert_eq!(standing(&good, now), Standing::Good { as_of: now });
    // The next list has forgotten it, as lists do with certificates that have expired.
    book.take_list(&list(&ca, 2, &[]), ca.certificate(), now + HOUR).expect("taken");
    assert_eq!(standing(&gone, now + HOUR * 1000), revoked);
    let seen = book.revoked_since(now);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].seen, seen[0].at, seen[0].reason), (now, now, Reason::KeyCompromise));
    assert_eq!(seen[0].fingerprint, gone.certificate().fingerprint());
    assert_eq!(seen[0].issuer, gone.certificate().issuer());
    assert!(book.revoked_since(now + SECOND).is_empty());
}

#[test]
fn a_hold_is_lifted_by_a_later_list_and_becomes_a_revocation() {
    let (ca, book) = (authority(), Book::new());
    let held = issue(&ca, &Sources::default());
    let take = |hour, revoked: &[(&Certificate, u8)]| {
        let now = from() + HOUR * hour;
        book.take_list(&list(&ca, hour, revoked), ca.certificate(), now).expect("taken");
        book.standing(held.certificate(), ca.certificate(), now, &Grace::NONE)
    };
    let since = |hour: i32| from() + HOUR * hour;
    let reason = Reason::CertificateHold;
    assert_eq!(take(0, &[(held.certificate(), 6)]), Standing::Revoked { at: since(0), reason });
    assert_eq!(take(1, &[]), Standing::Good { as_of: since(1) });
    assert!(book.revoked_since(from()).is_empty());
    assert!(matches!(take(2, &[(held.certificate(), 6)]), Standing::Revoked { .. }));
    let for_good = Standing::Revoked { at: since(3), reason: Reason::KeyCompromise };
    assert_eq!(take(3, &[(held.certificate(), 1)]), for_good);
    assert_eq!(take(4, &[]), for_good);
}

#[test]
fn older_statements_do_not_replace_newer_ones_and_stale_ones_are_not_good() {
    let (ca, book) = (authority(), Book::new());
    let (gone, good) = (issue(&ca, &Sources::default()), issue(&ca, &Sources::default()));
    let now = from() + HOUR * 2;
    let first = list(&ca, 0, &[]);
    let second = list(&ca, 1, &[(gone.certificate(), 1)]);
    assert_eq!(book.take_list(&first, ca.certificate(), now), Err(Refused::Stale));
    let standing =
        |of: &Issued, at| book.standing(of.certificate(), ca.certificate(), at, &Grace::NONE);
    assert!(matches!(standing(&good, now), Standing::Unknown(Unknown::GraceOver { .. })));
    book.take_list(&second, ca.certificate(), now).expect("taken");
    assert_eq!(book.take_list(&first, ca.certificate(), now), Err(Refused::Older));
    assert!(matches!(standing(&gone, now), Standing::Revoked { .. }));
    // What a stale list revokes is revoked all the same.
    let book = Book::new();
    assert_eq!(book.take_list(&second, ca.certificate(), now + HOUR), Err(Refused::Stale));
    let standing = book.standing(gone.certificate(), ca.certificate(), now + HOUR, &Grace::NONE);
    assert!(matches!(standing, Standing::Revoked { .. }));
}

#[test]
fn a_path_stands_as_its_worst_link_does() {
    let (root, book) = (authority(), Book::new());
    let below = root.intermediate("below", KeyKind::EcP256, span(), 0, &Sources::default());
    let below = below.expect("a CA");
    let leaf = issue(&below, &Sources::default());
    let path = leaf.identity().chain().to_vec();
    assert_eq!(path.len(), 3);
    let now = from();
    let grace = Grace::default();
    let worst = |at| book.path_standing(&path, at, &grace).worst();
    assert_eq!(worst(now), Standing::NoSource);
    book.take_list(&list(&below, 0, &[]), below.certificate(), now).expect("taken");
    let standing = book.path_standing(&path, now, &grace);
    assert_eq!(standing.links, [Standing::Good { as_of: now }, Standing::NoSource]);
    assert_eq!(standing.worst(), Standing::NoSource);
    let mut long = List::new(now, now + HOUR * 100);
    book.take_list(&root.sign_list(&long).expect("signed"), root.certificate(), now)
        .expect("taken");
    assert_eq!(worst(now), Standing::Good { as_of: now });
    let later = now + HOUR * 2;
    assert!(matches!(worst(later), Standing::Grace { .. }));
    assert!(book.path_standing(&path, later, &grace).under_grace());
    (long.from, long.until) = (later, Some(later + HOUR));
    long.entries.push(Entry::new(below.certificate(), later, Some(2)));
    book.take_list(&root.sign_list(&long).expect("signed"), root.certificate(), later)
        .expect("taken");
    assert_eq!(worst(later), Standing::Revoked { at: later, reason: Reason::CaCompromise });
    assert_eq!(book.path_standing(&path[2..], now, &grace).worst(), Standing::NoSource);
}

#[test]
fn answers_count_are_stapled_and_taken_from_peers() {
    let peer = Peer::new(KeyKind::EcP256);
    let leaf = peer.issue(Purpose::local_hub(), &Sources::default());
    let (certificate, issuer) = (leaf.certificate(), peer.ca.certificate());
    let question = Question::about(certificate, issuer);
    let der = question.to_der().expect("DER");
    let answer = peer.answer(&der, Signer::Authority, &["-resp_no_certs"]);
    let (ours, theirs) = (Book::new(), Book::new());
    let now = peers_now();
    assert_eq!(ours.staple(certificate, issuer, now), None);
    let taken = ours.take_answer(&answer, &question, now).expect("taken");
    let stapled = ours.staple(certificate, issuer, now).expect("a staple");
    assert_eq!(&*stapled, &answer[..]);
    assert_eq!(ours.staple(certificate, issuer, taken.fresh_until + SECOND), None);
    theirs.take_staple(&stapled, certificate, issuer, now).expect("taken");
    let standing = |book: &Book| book.standing(certificate, issuer, now, &Grace::NONE);
    assert_eq!(standing(&theirs), Standing::Good { as_of: taken.as_of });
    peer.revoke(certificate, "cessationOfOperation");
    let revoked = peer.answer(&der, Signer::Authority, &[]);
    ours.take_answer(&revoked, &question, peers_now()).expect("taken");
    assert_eq!(ours.staple(certificate, issuer, now), None);
    assert!(matches!(
        standing(&ours),
        Standing::Revoked { reason: Reason::CessationOfOperation, .. }
    ));
    let mut tampered = answer.clone();
    tampered[answer.len() / 2] ^= 1;
    assert!(Book::new().take_staple(&tampered, certificate, issuer, now).is_err());
    // The one who was revoked plays the good answer of before again.
    let _either_way = ours.take_answer(&answer, &question, now);
    assert!(matches!(standing(&ours), Standing::Revoked { .. }));
}

#[test]
fn an_older_answer_does_not_replace_a_newer_one() {
    let peer = Peer::new(KeyKind::EcP256);
    let leaf = peer.issue(Purpose::Client, &Sources::default());
    let question = Question::about(leaf.certificate(), peer.ca.certificate());
    let der = question.to_der().expect("DER");
    let first = peer.answer(&der, Signer::Authority, &[]);
    // Answers are dated to the second.
    let made = peers_now();
    while peers_now() <= made {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let second = peer.answer(&der, Signer::Authority, &[]);
    let (book, now) = (Book::new(), peers_now());
    let before = book.take_answer(&first, &question, now).expect("taken");
    let after = book.take_answer(&second, &question, now).expect("taken");
    assert!(before.as_of < after.as_of);
    assert_eq!(book.take_answer(&first, &question, now), Err(Refused::Older));
    assert!(book.take_answer(&second, &question, now).is_ok());
}

#[test]
fn a_list_of_part_of_the_certificates_says_nothing_about_the_others() {
    let (ca, book) = (authority(), Book::new());
    let (leaf, held) = (issue(&ca, &Sources::default()), issue(&ca, &Sources::default()));
    // IssuingDistributionPoint: onlyContainsUserCerts, onlyContainsCACerts.
    let users = vec![0x30, 3, 0x81, 1, 0xff];
    let authorities = vec![0x30, 3, 0x82, 1, 0xff];
    let take = |hour: i32, point: Option<&Vec<u8>>, revoked: &[(&Certificate, u8)]| {
        let from = from() + HOUR * hour;
        let mut list = List::new(from, from + HOUR * 10);
        list.extensions.extend(point.map(|point| ("2.5.29.28", true, point.clone())));
        let entries = revoked.iter().map(|(gone, reason)| Entry::new(gone, from, Some(*reason)));
        list.entries.extend(entries);
        let signed = ca.sign_list(&list).expect("signed");
        book.take_list(&signed, ca.certificate(), from).expect("taken");
    };
    let standing = |of: &Issued, hour: i32| {
        let at = from() + HOUR * hour;
        book.standing(of.certificate(), ca.certificate(), at, &Grace::NONE)
    };
    take(0, Some(&authorities), &[]);
    assert_eq!(standing(&leaf, 0), Standing::NoSource);
    take(0, Some(&users), &[]);
    assert_eq!(standing(&leaf, 0), Standing::Good { as_of: from() });
    assert_eq!(book.sizes().lists, 2);
    // What one list has put on hold, only a list of all certificates takes off again.
    take(1, None, &[(held.certificate(), 6)]);
    assert!(matches!(standing(&held, 1), Standing::Revoked { .. }));
    take(2, Some(&users), &[]);
    assert!(matches!(standing(&held, 2), Standing::Revoked { .. }));
    take(3, None, &[]);
    assert_eq!(standing(&held, 3), Standing::Good { as_of: from() + HOUR * 3 });
}

/// Whoever stands between hub and source can hand over every list that the issuer has ever made.
#[test]
fn the_lists_of_one_issuer_leave_room_for_others() {
    let (ca, other, book) = (authority(), authority(), Book::new());
    let take = |ca: &TestCa, n: usize| {
        let mut list = List::new(from(), from() + HOUR);
        let name = format!("http://crl.example.test/{n:03}");
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
        let name = wrap(0xa0, &wrap(0xa0, &wrap(0x86, name.as_bytes())));
        list.extensions.push(("2.5.29.28", true, wrap(0x30, &name)));
        let signed = ca.sign_list(&list).expect("signed");
        book.take_list(&signed, ca.certificate(), from()).map(drop)
    };
    assert!((0..MAX_LISTS_OF_ONE).all(|n| take(&ca, n).is_ok()));
    assert_eq!(take(&ca, MAX_LISTS_OF_ONE), Err(Refused::Full));
    assert_eq!((take(&ca, 0), take(&other, 0)), (Ok(()), Ok(())));
}

#[test]
fn a_responder_that_was_revoked_does_not_count() {
    let peer = Peer::new(KeyKind::EcP256);
    let leaf = peer.issue(Purpose::Client, &Sources::default());
    let responder = peer.issue(Purpose::OcspSigner, &Sources::default());
    let question = Question::about(leaf.certificate(), peer.ca.certificate());
    let signer = Signer::Appointed(&responder);
    let answer = peer.answer(&question.to_der().expect("DER"), signer, &[]);
    let (book, now) = (Book::new(), peers_now());
    book.take_answer(&answer, &question, now).expect("taken");
    peer.revoke(responder.certificate(), "keyCompromise");
    let list = peer.list(now - HOUR, now + HOUR, &[]);
    // What it has said before does not count any more either.
    assert_eq!(book.sizes().answers, 1);
    book.take_list(&list, peer.ca.certificate(), now).expect("taken");
    assert_eq!(book.sizes().answers, 0);
    let book = Book::new();
    book.take_list(&list, peer.ca.certificate(), now).expect("taken");
    assert_eq!(book.take_answer(&answer, &question, now), Err(Refused::ResponderRevoked));
}

#[test]
fn an_unknown_certificate_is_good_only_by_a_list() {
    let peer = Peer::new(KeyKind::EcP256);
    let leaf = issue(&peer.ca, &Sources::default());
    let question = Question::about(leaf.certificate(), peer.ca.certificate());
    let answer = peer.answer(&question.to_der().expect("DER"), Signer::Authority, &[]);
    let (book, now) = (Book::new(), peers_now());
    book.take_answer(&answer, &question, now).expect("taken");
    let standing =
        || book.standing(leaf.certificate(), peer.ca.certificate(), now, &Grace::default());
    assert_eq!(standing(), Standing::Unknown(Unknown::NotKnownToResponder));
    let list = peer.list(now - HOUR, now + HOUR, &[]);
    book.take_list(&list, peer.ca.certificate(), now).expect("taken");
    assert_eq!(standing(), Standing::Good { as_of: now - HOUR });
}

#[test]
fn lists_of_the_tool_signed_with_rsa_and_pss_count() {
    let peer = Peer::new(KeyKind::Rsa3072);
    let gone = peer.issue(Purpose::Client, &Sources::default());
    peer.revoke(gone.certificate(), "affiliationChanged");
    let now = from();
    for (hour, more) in [
        (0, &[][..]),
        (1, &["-md", "sha512"]),
        (2, &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]),
    ] {
        let from = now + HOUR * hour;
        let list = peer.list(from, from + HOUR, more);
        let book = Book::new();
        let taken = book.take_list(&list, peer.ca.certificate(), from).expect("taken");
        assert_eq!((taken.as_of, taken.fresh_until, taken.entries), (from, from + HOUR, 1));
        let standing = book.standing(gone.certificate(), peer.ca.certificate(), from, &Grace::NONE);
        let reason = Reason::AffiliationChanged;
        assert!(matches!(standing, Standing::Revoked { reason: r, .. } if r == reason));
    }
    let old = peer.list(now, now + HOUR, &["-md", "sha1"]);
    let refused = Book::new().take_list(&old, peer.ca.certificate(), now);
    assert_eq!(refused, Err(Refused::Algorithm));
}
