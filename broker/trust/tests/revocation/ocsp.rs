//! Answers that `openssl ocsp` has made: which count, and why the others do not.

use amtsbote_domain::Timestamp;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::ocsp::{Answer, Status};
use amtsbote_trust::revocation::{Nonce, Question, Reason, Refused, SKEW};
use amtsbote_trust::testca::{Issued, KeyKind, Purpose, Sources, Span, TestCa};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::peer::{Peer, Signer, at, peers_now, span};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn client(peer: &Peer) -> Issued {
    peer.issue(Purpose::Client, &Sources::default())
}

/// What a question and its answer by this signer come to, an hour from now at most.
fn ask(
    peer: &Peer,
    of: &Certificate,
    signer: Signer<'_>,
    more: &[&str],
) -> Result<Status, Refused> {
    let question = Question::about(of, peer.ca.certificate());
    let answer = peer.answer(&question.to_der().expect("DER"), signer, more);
    Answer::read(&answer, &question, Some(peers_now())).map(|answer| answer.status())
}

#[test]
fn good_revoked_and_unknown_by_the_issuer_itself() {
    for kind in [KeyKind::EcP256, KeyKind::Rsa3072] {
        let peer = Peer::new(kind);
        let (good, gone) = (client(&peer), client(&peer));
        peer.revoke(gone.certificate(), "keyCompromise");
        let stranger =
            peer.ca.issue("y", Purpose::Client, KeyKind::EcP256, span()).expect("issued");
        let ask = |of: &Issued, more: &[&str]| {
            ask(&peer, of.certificate(), Signer::Authority, more).expect("an answer")
        };
        for more in [&[][..], &["-resp_key_id"], &["-resp_no_certs"], &["-nmin", "5"]] {
            assert_eq!(ask(&good, more), Status::Good, "{more:?}");
        }
        assert_eq!(ask(&stranger, &[]), Status::Unknown);
        match ask(&gone, &[]) {
            Status::Revoked { at, reason: Reason::KeyCompromise } => {
                assert!(at <= peers_now() && at > peers_now() - DAY, "{at}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn ids_made_with_other_digests_are_understood() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let question = Question::about(good.certificate(), peer.ca.certificate());
    for digest in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        let der = peer.question(good.certificate(), digest);
        let answer = peer.answer(&der, Signer::Authority, &[]);
        let read = Answer::read(&answer, &question, None).map(|answer| answer.status());
        assert_eq!(read, Ok(Status::Good), "{digest}");
    }
    let der = peer.question(good.certificate(), "-md5");
    let answer = peer.answer(&der, Signer::Authority, &[]);
    assert_eq!(Answer::read(&answer, &question, None).map(drop), Err(Refused::Algorithm));
}

#[test]
fn a_responder_counts_only_if_the_issuer_has_appointed_it() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let by = |signer: &Issued| ask(&peer, good.certificate(), Signer::Appointed(signer), &[]);
    let appointed = peer.issue(Purpose::OcspSigner, &Sources::default());
    assert_eq!(by(&appointed), Ok(Status::Good));
    let with_key_id = ["-resp_key_id"];
    let by_key_id = ask(&peer, good.certificate(), Signer::Appointed(&appointed), &with_key_id);
    assert_eq!(by_key_id, Ok(Status::Good));
    for purpose in [Purpose::Signature, Purpose::localhost(), Purpose::Encryption] {
        let other = peer.issue(purpose, &Sources::default());
        assert_eq!(by(&other), Err(Refused::Signature));
    }
    let same_name = TestCa::new("root", KeyKind::EcP256, span()).expect("a CA");
    let foreign = same_name.issue("x", Purpose::OcspSigner, KeyKind::EcP256, span());
    assert_eq!(by(&foreign.expect("issued")), Err(Refused::Signature));
    let over = Span { until: at("2021-01-01T00:00:00Z"), ..span() };
    let expired = peer.ca.issue("x", Purpose::OcspSigner, KeyKind::EcP256, over).expect("issued");
    assert_eq!(by(&expired), Err(Refused::Signature));
}

#[test]
fn what_restricts_a_responder_must_be_understood_and_its_key_be_long_enough() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let by = |extensions: &str, key: &[&str]| {
        let usual = "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,OCSPSigning\n";
        peer.make_responder(&format!("{usual}{extensions}"), key);
        ask(&peer, good.certificate(), Signer::Made, &[])
    };
    let p256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    assert_eq!(by("", &p256), Ok(Status::Good));
    assert_eq!(by("1.2.3.4=DER:0500\nnoCheck=yes", &p256), Ok(Status::Good));
    assert_eq!(by("1.2.3.4=critical,DER:0500", &p256), Err(Refused::Signature));
    assert_eq!(by("", &["rsa:2048"]), Ok(Status::Good));
    assert_eq!(by("", &["rsa:1024"]), Err(Refused::Algorithm));
    let p224 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-224"];
    assert_eq!(by("", &p224), Err(Refused::Algorithm));
}

#[test]
fn signatures_with_pss_count_and_with_sha_1_do_not() {
    let peer = Peer::new(KeyKind::Rsa3072);
    let good = client(&peer);
    let by = |more: &[&str]| ask(&peer, good.certificate(), Signer::Authority, more);
    let pss = ["-rsigopt", "rsa_padding_mode:pss", "-rmd", "sha384"];
    assert_eq!(by(&pss), Ok(Status::Good));
    assert_eq!(by(&["-rmd", "sha512"]), Ok(Status::Good));
    assert_eq!(by(&["-rmd", "sha1"]), Err(Refused::Algorithm));
}

#[test]
fn the_nonce_of_the_question_stands_in_the_answer() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let (certificate, issuer) = (good.certificate(), peer.ca.certificate());
    let ask = |rule| Question::new(certificate, issuer, rule).expect("a question");
    let answer = |question: &Question<'_>| {
        peer.answer(&question.to_der().expect("DER"), Signer::Authority, &[])
    };
    let read = |answer: &[u8], question: &Question<'_>| {
        Answer::read(answer, question, Some(peers_now())).map(|answer| answer.status())
    };
    for rule in [Nonce::Offered, Nonce::Required] {
        let (question, other) = (ask(rule), ask(rule));
        let answered = answer(&question);
        assert_eq!(read(&answered, &question), Ok(Status::Good));
        assert_eq!(read(&answered, &other), Err(Refused::Nonce));
        assert_eq!(read(&answered, &Question::about(certificate, issuer)), Ok(Status::Good));
    }
    let without = answer(&Question::about(certificate, issuer));
    assert_eq!(read(&without, &ask(Nonce::Offered)), Ok(Status::Good));
    assert_eq!(read(&without, &ask(Nonce::Required)), Err(Refused::Nonce));
}

#[test]
fn answers_about_others_from_the_future_or_of_no_use_are_refused() {
    let peer = Peer::new(KeyKind::EcP256);
    let (good, other) = (client(&peer), client(&peer));
    let issuer = peer.ca.certificate();
    let question = Question::about(good.certificate(), issuer);
    let answer = peer.answer(&question.to_der().expect("DER"), Signer::Authority, &[]);
    let read = |question: &Question<'_>, at| Answer::read(&answer, question, at).map(drop);
    let about_another = Question::about(other.certificate(), issuer);
    assert_eq!(read(&about_another, Some(peers_now())), Err(Refused::OtherCertificate));
    let early = peers_now() - SKEW - SignedDuration::from_mins(1);
    assert_eq!(read(&question, Some(early)), Err(Refused::NotYet));
    assert_eq!(read(&question, None), Ok(()));
    let stranger = TestCa::new("other", KeyKind::EcP256, span()).expect("a CA");
    let under_another = Question::about(good.certificate(), stranger.certificate());
    assert_eq!(read(&under_another, Some(peers_now())), Err(Refused::Signature));
    // The id names an issuer of the same name with another key; the answer is genuine.
    let namesake = TestCa::new("root", KeyKind::EcP256, span()).expect("a CA");
    let der = peer.question_under(namesake.certificate(), good.certificate(), "-sha1");
    let of_namesake = peer.answer(&der, Signer::Authority, &[]);
    let read = Answer::read(&of_namesake, &question, None).map(drop);
    assert_eq!(read, Err(Refused::OtherCertificate));
    // tryLater, unauthorized: without a body.
    for status in [3, 6] {
        let answer = [0x30, 3, 0x0a, 1, status];
        let read = Answer::read(&answer, &question, None).map(drop);
        assert_eq!(read, Err(Refused::Responder));
    }
    let long = vec![0x30; 33 * 1024];
    assert_eq!(Answer::read(&long, &question, None).map(drop), Err(Refused::TooLarge));
}

#[test]
fn it_is_fresh_until_its_next_update_and_no_longer_than_allowed() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let question = Question::about(good.certificate(), peer.ca.certificate());
    let der = question.to_der().expect("DER");
    let fresh_for = |more: &[&str], max_age| -> SignedDuration {
        let octets = peer.answer(&der, Signer::Authority, more);
        let answer = Answer::read(&octets, &question, Some(peers_now())).expect("an answer");
        answer.this_update().duration_until(answer.fresh_until(max_age))
    };
    assert_eq!(fresh_for(&[], DAY), SignedDuration::from_hours(1));
    assert_eq!(fresh_for(&["-ndays", "10"], DAY), DAY);
    assert_eq!(fresh_for(&["-nmin", "5"], DAY), SignedDuration::from_mins(5));
}

#[test]
fn no_change_of_any_octet_passes() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let question = Question::about(good.certificate(), peer.ca.certificate());
    let der = question.to_der().expect("DER");
    let answer = peer.answer(&der, Signer::Authority, &["-resp_no_certs"]);
    let read = |octets: &[u8]| Answer::read(octets, &question, None).map(drop);
    assert_eq!(read(&answer), Ok(()));
    for at in 0..answer.len() {
        for change in [1, 0x20, 0x80, 0xff] {
            let mut bad = answer.clone();
            bad[at] ^= change;
            assert!(read(&bad).is_err(), "octet {at} ^ {change}");
        }
        assert!(read(&answer[..at]).is_err(), "first {at}");
    }
    assert!(read(&[&answer[..], b"\0"].concat()).is_err());
}

#[test]
fn no_change_of_what_an_appointed_responder_has_signed_passes() {
    let peer = Peer::new(KeyKind::EcP256);
    let good = client(&peer);
    let responder = peer.issue(Purpose::OcspSigner, &Sources::default());
    let question = Question::about(good.certificate(), peer.ca.certificate());
    let signer = Signer::Appointed(&responder);
    let answer = peer.answer(&question.to_der().expect("DER"), signer, &[]);
    let read = |octets: &[u8]| Answer::read(octets, &question, None).map(drop);
    assert_eq!(read(&answer), Ok(()));
    // The first 150 octets are the frame and the beginning of what is signed; then comes the
    // statement with its times.
    let good_tag = answer.windows(2).position(|at| at == [0x80, 0]).expect("the status good");
    for at in (0..150).chain(good_tag..good_tag + 16) {
        let mut bad = answer.clone();
        bad[at] ^= 1;
        assert!(read(&bad).is_err(), "octet {at}");
    }
}

#[test]
fn several_changes_neither_panic_nor_change_what_is_said() {
    let peer = Peer::new(KeyKind::EcP256);
    let gone = client(&peer);
    peer.revoke(gone.certificate(), "superseded");
    let responder = peer.issue(Purpose::OcspSigner, &Sources::default());
    let question = Question::about(gone.certificate(), peer.ca.certificate());
    let signer = Signer::Appointed(&responder);
    let answer = peer.answer(&question.to_der().expect("DER"), signer, &[]);
    let said = |octets: &[u8]| {
        let at: Option<Timestamp> = None;
        Answer::read(octets, &question, at).map(|answer| answer.status())
    };
    let truth = said(&answer).expect("an answer");
    let changes = prop::collection::vec((0..answer.len(), any::<u8>()), 0..4);
    let cut = 0..=answer.len();
    proptest!(|(changes in changes, from in cut.clone(), to in cut)| {
        let mut bad = answer.clone();
        for (at, octet) in changes {
            bad[at] = octet;
        }
        prop_assert!(said(&bad).is_err() || said(&bad) == Ok(truth));
        bad.drain(from.min(to)..from.max(to));
        prop_assert!(said(&bad).is_err() || said(&bad) == Ok(truth));
    });
}

proptest! {
    #[test]
    fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        let ca = TestCa::new("root", KeyKind::EcP256, span()).expect("a CA");
        let question = Question::about(ca.certificate(), ca.certificate());
        prop_assert!(Answer::read(&octets, &question, None).is_err());
    }
}
