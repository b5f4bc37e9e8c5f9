//! The policy in the program, asked about everything, before and after each of its days.

use super::*;

const BEFORE: &str = "2023-12-31T22:59:59Z";
pub(super) const TODAY: &str = "2026-11-23T12:00:00Z";
const Y2030: &str = "2029-12-31T23:00:00Z";
const Y2034: &str = "2033-12-31T23:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn rsa(bits: u32) -> Key {
    Key { kind: KeyKind::Rsa, bits, curve: None }
}

fn ec(bits: u32) -> Key {
    Key { kind: KeyKind::Ec, bits, curve: None }
}

fn key(kind: KeyKind) -> Key {
    Key { kind, bits: 256, curve: None }
}

/// `good`, or word and rule.
fn said(judgement: Judgement<'_>) -> String {
    match judgement.rule() {
        None => "good".to_owned(),
        Some(rule) => format!("{} {}", judgement.word(), rule.id),
    }
}

fn judged(purpose: Purpose, subject: impl Into<Subject>, when: &str, legacy: bool) -> String {
    said(AlgorithmPolicy::built_in().judge(purpose, subject, at(when), legacy))
}

const SIGNING: [Purpose; 2] = [Purpose::ContentSignature, Purpose::TransportSignature];
const KEYED: [Purpose; 5] = [
    Purpose::ContentSignature,
    Purpose::TransportSignature,
    Purpose::CertificateSignature,
    Purpose::KeyTransport,
    Purpose::Tls,
];

/// What today says of an algorithm for a purpose, written down a second time and independently of
/// the file: without and with the legacy profile.
fn expected(purpose: Purpose, algorithm: Algorithm) -> (&'static str, &'static str) {
    const UNLISTED: (&str, &str) = ("refuse not-listed", "refuse not-listed");
    const GOOD: (&str, &str) = ("good", "good");
    let name = algorithm.name();
    let old_hash = name.contains("sha1") || name.contains("sha224");
    let sha3 = name.contains("sha3-");
    if name.contains("sha3-224") || name == "x448" {
        return UNLISTED;
    }
    match (purpose, algorithm.family()) {
        (
            Purpose::ContentSignature | Purpose::TransportSignature,
            Family::Signature(_) | Family::Digest,
        ) => match name {
            _ if name.contains("sha1") => ("refuse sha-1", "warn sha-1"),
            _ if old_hash => ("refuse sha-224", "warn sha-224"),
            _ => GOOD,
        },
        (Purpose::CertificateSignature, Family::Signature(_)) if !old_hash && !sha3 => GOOD,
        (Purpose::Tls, Family::Signature(kind))
            if !old_hash && !sha3 && kind != KeyKind::Ed25519 =>
        {
            GOOD
        }
        (Purpose::Tls, Family::Group) => GOOD,
        (Purpose::DataEncryption, Family::Cipher) if name.ends_with("-gcm") => GOOD,
        (Purpose::DataEncryption, Family::Cipher) => {
            ("refuse unauthenticated-encryption", "warn unauthenticated-encryption")
        }
        (Purpose::KeyTransport, Family::KeyTransport) => match name {
            "rsa-1_5" | "kw-tripledes" => ("refuse rsa-1_5", "warn rsa-1_5"),
            "rsa-oaep-mgf1p" => ("warn oaep-mgf1-sha-1", "warn oaep-mgf1-sha-1"),
            _ => GOOD,
        },
        (Purpose::KeyTransport, Family::Digest) => match name {
            "sha1" => ("refuse oaep-sha-1", "warn oaep-sha-1"),
            _ if old_hash => UNLISTED,
            _ => GOOD,
        },
        _ => UNLISTED,
    }
}

#[test]
fn every_algorithm_is_judged_for_every_purpose() {
    for purpose in Purpose::ALL {
        for algorithm in Algorithm::all() {
            let (plain, legacy) = expected(*purpose, algorithm);
            let name = format!("{} {}", purpose.name(), algorithm.name());
            assert_eq!(judged(*purpose, algorithm, TODAY, false), plain, "{name}");
            assert_eq!(judged(*purpose, algorithm, TODAY, true), legacy, "{name} legacy");
        }
    }
}

#[test]
fn keys_are_judged_by_kind_length_and_day() {
    for purpose in KEYED {
        let check = |key: Key, when: &str, plain: &str, legacy: &str| {
            assert_eq!(judged(purpose, key, when, false), plain, "{purpose:?} {key:?} {when}");
            assert_eq!(judged(purpose, key, when, true), legacy, "{purpose:?} {key:?} {when}");
        };
        check(rsa(3000), TODAY, "good", "good");
        check(rsa(4096), TODAY, "good", "good");
        check(rsa(2999), TODAY, "refuse rsa-3000", "warn rsa-3000");
        check(rsa(2048), TODAY, "refuse rsa-3000", "warn rsa-3000");
        check(rsa(2048), BEFORE, "good", "good");
        check(rsa(2047), TODAY, "refuse rsa-3000", "refuse rsa-2048");
        check(rsa(2047), BEFORE, "refuse rsa-2048", "refuse rsa-2048");
        check(ec(250), TODAY, "good", "good");
        check(ec(249), TODAY, "refuse ec-250", "refuse ec-250");
        check(key(KeyKind::Other), TODAY, "refuse not-listed", "refuse not-listed");
        let signs = purpose != Purpose::KeyTransport;
        let (ed, x) =
            if signs { ("good", "refuse not-listed") } else { ("refuse not-listed", "good") };
        check(key(KeyKind::Ed25519), TODAY, ed, ed);
        check(key(KeyKind::X25519), TODAY, x, x);
        let late = if signs { "warn classical-signature" } else { "good" };
        check(rsa(3072), Y2034, late, late);
        check(ec(256), Y2034, late, late);
    }
    for kind in KeyKind::ALL {
        let said = judged(Purpose::DataEncryption, key(*kind), TODAY, true);
        assert_eq!(said, "refuse not-listed", "data is not encrypted under a public key");
    }
}

#[test]
fn a_rule_begins_at_midnight_in_germany() {
    let second = jiff::SignedDuration::from_secs(1);
    let policy = AlgorithmPolicy::built_in();
    let ecdh = Algorithm::from_name("ECDH-ES").expect("known");
    let group = Algorithm::from_name("X25519").expect("known");
    let wrap = Algorithm::from_name("kw-aes256").expect("known");
    for (purpose, algorithm) in [(Purpose::KeyTransport, ecdh), (Purpose::Tls, group)] {
        for legacy in [false, true] {
            let before = policy.judge(purpose, algorithm, at(Y2030) - second, legacy);
            assert_eq!(said(before), "good");
            let after = policy.judge(purpose, algorithm, at(Y2030), legacy);
            assert_eq!(said(after), "warn classical-key-agreement");
            assert!(
                matches!(after, Judgement::Warn { since: Since::From(s), .. } if s == at(Y2030))
            );
        }
    }
    assert_eq!(said(policy.judge(Purpose::KeyTransport, wrap, at(Y2030), false)), "good");
    let before = policy.judge(Purpose::Tls, ec(256), at(Y2034) - second, false);
    assert_eq!(
        (said(before), judged(Purpose::Tls, ec(256), Y2034, false).as_str()),
        ("good".into(), "warn classical-signature")
    );
}

pub(super) fn names(algorithms: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    let fragment = |uri: &'static str| uri.split_once('#').expect("a URI with a fragment").1;
    let mut names: Vec<_> = algorithms.into_iter().map(fragment).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_signatures_may_use_follows_the_judgement() {
    let policy = AlgorithmPolicy::built_in();
    for purpose in SIGNING {
        let now = policy.allowed(purpose, false, at(TODAY));
        assert_eq!((now.min_rsa_bits, now.min_ec_bits), (3000, 250));
        assert_eq!(policy.allowed(purpose, false, at(BEFORE)).min_rsa_bits, 2048);
        let modern = Allowed::default();
        let uris = |allowed: &Allowed| {
            (
                names(allowed.signatures.iter().map(|a| a.uri())),
                names(allowed.digests.iter().map(|a| a.uri())),
            )
        };
        assert_eq!(uris(&now), uris(&modern), "all that is modern, and nothing else");
        assert_eq!(now.canonicalizations, modern.canonicalizations);
        let legacy = policy.allowed(purpose, true, at(TODAY));
        assert_eq!((legacy.min_rsa_bits, legacy.min_ec_bits), (2048, 250));
        let (signatures, digests) = uris(&legacy);
        assert!(signatures.contains(&"rsa-sha1") && digests.contains(&"sha1"));
    }
    // Data are no purpose for a signature: nothing is allowed, by list and by length.
    let none = policy.allowed(Purpose::DataEncryption, true, at(TODAY));
    assert!(none.signatures.is_empty() && none.digests.is_empty());
    assert_eq!((none.min_rsa_bits, none.min_ec_bits), (u32::MAX, u32::MAX));
}

/// The policy in the program without its rules.
fn lists() -> &'static str {
    &BUILT_IN[..BUILT_IN.find("\n[[rule]]\n").expect("rules")]
}

/// The policy in the program with this rule in the place of all others.
fn with_rule(rule: &str) -> AlgorithmPolicy {
    let lists = lists();
    let texts = "clause = \"c\"\nde = \"d\"\nen = \"e\"\n";
    AlgorithmPolicy::read(&format!("{lists}\n[[rule]]\nid = \"x\"\n{rule}\n{texts}"))
        .expect("a policy")
}

#[test]
fn a_kind_of_key_refused_as_a_whole_takes_its_algorithms_along() {
    let policy = with_rule(
        "purposes = [\"content-signature\"]\nkeys = [\"ed25519\", \"rsa\"]\n\
         refuse_from = 2036-01-01\nwarn_from = 2034-01-01\nlegacy = true",
    );
    let (purpose, late) = (Purpose::ContentSignature, at("2036-01-01T00:00:00+01:00"));
    assert!(policy.warns(purpose, false, at(Y2034)) && !policy.warns(purpose, false, at(TODAY)));
    let allowed = policy.allowed(purpose, false, late);
    assert_eq!(allowed.min_rsa_bits, u32::MAX);
    assert!(allowed.signatures.iter().all(|a| a.uri().contains("ecdsa")), "{allowed:?}");
    assert_eq!(policy.floor(purpose, KeyKind::Ed25519, false, late), None);
    assert_eq!(policy.floor(purpose, KeyKind::Ed25519, true, late), Some(0));
    assert_eq!(said(policy.judge(purpose, rsa(4096), late, true)), "warn x");
    assert_eq!(said(policy.judge(Purpose::Tls, rsa(4096), late, false)), "good");
}

#[test]
fn the_graver_judgement_wins() {
    let policy = AlgorithmPolicy::built_in();
    let now = at(TODAY);
    let sha1 = Algorithm::from_name("rsa-sha1").expect("known");
    let warn = policy.judge(Purpose::ContentSignature, sha1, now, true);
    let refuse = policy.judge(Purpose::ContentSignature, rsa(1024), now, true);
    for (a, b) in [(warn, refuse), (refuse, warn)] {
        assert_eq!(said(a.worse(b)), "refuse rsa-2048");
    }
    assert_eq!(Judgement::Good.worse(warn), warn);
    assert_eq!(warn.worse(Judgement::Good), warn);
}

fn refused(text: &str) -> PolicyError {
    AlgorithmPolicy::read(text).expect_err("it is wrong")
}

#[test]
fn a_wrong_policy_is_refused_at_its_line() {
    let change = |from: &str, to: &str| {
        assert!(BUILT_IN.contains(from), "{from}");
        let changed = BUILT_IN.replacen(from, to, 1);
        let error = refused(&changed);
        let line = 1 + changed[..changed.find(to).expect("there")].matches('\n').count();
        (error, line)
    };
    for (from, to, hint) in [
        ("\"rsa-sha256\"", "\"rsa-sha265\"", Some("rsa-sha256")),
        ("\"content-signature\"", "\"contents-signature\"", Some("content-signature")),
        ("keys = [\"rsa\", ", "keys = [\"rssa\", ", Some("rsa")),
        ("refuse_from = 2024-01-01", "refuse_from = 2024-01-01T00:00:00Z", None),
        ("refuse_from = 2024-01-01", "refuse_from = \"never\"", None),
        ("id = \"sha-224\"", "id = \"sha-1\" # again", None),
        ("id = \"sha-224\"", "id = \"not-listed\"", None),
        ("id = \"sha-224\"", "id = \"a b\"", None),
        ("id = \"sha-224\"", "id = \"\"", None),
        ("clause = \"BSI", "clause = \"\\nBSI", None),
    ] {
        let (error, line) = change(from, to);
        let at = BUILT_IN.replacen(from, to, 1)[error.span.clone()].to_owned();
        if hint.is_some() {
            assert_eq!(error.line, line, "{error}: {at}");
        }
        let known = error
            .unknown
            .as_ref()
            .is_some_and(|(_, known)| hint.is_some_and(|hint| known.contains(&hint)));
        assert_eq!(known, hint.is_some(), "{error}");
        assert_ne!(error.reason(Language::De), error.reason(Language::En), "{error}");
    }
}

#[test]
fn a_rule_without_effect_is_refused() {
    let rule = |text: &str| {
        let lists = lists();
        let rest = "id = \"x\"\nclause = \"c\"\nde = \"d\"\nen = \"e\"";
        AlgorithmPolicy::read(&format!("{lists}\n[[rule]]\n{rest}\n{text}\n"))
    };
    let good = "purposes = [\"tls\"]\nkeys = [\"rsa\"]\nrefuse_from = \"always\"\n";
    assert!(rule(good).is_ok());
    for bad in [
        good.replace("[\"tls\"]", "[]"),
        good.replace("[\"rsa\"]", "[]"),
        good.replace("refuse_from = \"always\"", ""),
        good.replace("keys = [\"rsa\"]", "algorithms = [\"rsa-sha256\"]\nbelow_bits = 1"),
        good.replace("refuse_from = \"always\"", "warn_from = \"always\"\nlegacy = true"),
        format!("{good}more = 1\n"),
    ] {
        assert!(rule(&bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_is_left_out_unseen() {
    let list = "\n[[allow]]\n";
    let first = BUILT_IN.find(list).expect("lists");
    let second = first + 1 + BUILT_IN[first + 1..].find(list).expect("more");
    let without = format!("{}{}", &BUILT_IN[..first], &BUILT_IN[second..]);
    let error = refused(&without);
    assert!(error.reason(Language::En).contains("content-signature"), "{error}");
    let twice = format!("{}{}", &BUILT_IN[..second], &BUILT_IN[first..]);
    assert!(refused(&twice).reason(Language::En).contains("twice"));
    let many = with_rules(MAX_RULES + 1);
    assert!(refused(&many).reason(Language::En).contains("200"));
    assert!(AlgorithmPolicy::read(&with_rules(MAX_RULES)).is_ok());
}

fn with_rules(count: usize) -> String {
    let mut text = lists().to_owned();
    for n in 0..count {
        text.push_str(&format!(
            "\n[[rule]]\nid = \"r{n}\"\npurposes = [\"tls\"]\nkeys = [\"rsa\"]\n\
             warn_from = \"always\"\nclause = \"c\"\nde = \"d\"\nen = \"e\"\n"
        ));
    }
    text
}

proptest::proptest! {
    #[test]
    fn no_text_ends_in_a_panic(text in ".{0,200}", cut in 0usize..2000) {
        drop(AlgorithmPolicy::read(&text));
        let cut = BUILT_IN.floor_char_boundary(cut.min(BUILT_IN.len()));
        drop(AlgorithmPolicy::read(&format!("{}{text}{}", &BUILT_IN[..cut], &BUILT_IN[cut..])));
    }

    #[test]
    fn under_legacy_nothing_is_judged_graver(
        purpose in 0usize..6, algorithm in 0usize..200, bits in 500u32..5000, day in 0i64..30_000,
    ) {
        let policy = AlgorithmPolicy::built_in();
        let when = Timestamp::from_second(day * 86_400).expect("an instant");
        let purpose = Purpose::ALL[purpose];
        let all: Vec<Algorithm> = Algorithm::all().collect();
        let weight = |legacy| {
            let a = policy.judge(purpose, all[algorithm % all.len()], when, legacy);
            let k = policy.judge(purpose, rsa(bits), when, legacy);
            (a.is_refused(), k.is_refused())
        };
        let (plain, legacy) = (weight(false), weight(true));
        proptest::prop_assert!(legacy.0 <= plain.0 && legacy.1 <= plain.1);
        // Judging and the floor that signatures are verified with never part ways.
        let floor = policy.floor(purpose, KeyKind::Rsa, false, when);
        proptest::prop_assert_eq!(plain.1, floor.is_none_or(|floor| bits < floor));
    }
}
