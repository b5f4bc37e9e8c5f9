//! Paths, revocation and grace of the certificates of a directory, with a test authority and a book
//! that is written by hand.

use amtsbote_domain::identity::AccountId;
use amtsbote_domain::party::PartyId;
use amtsbote_trust::policy::{AlgorithmPolicy, BUILT_IN};
use amtsbote_trust::testca::{Entry, Issued, KeyKind, List, Purpose as Use, Sources, Span, TestCa};

use super::*;

mod days;
mod policies;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Noon of the day on which everything happens, and hours after it.
fn noon(hours: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
    noon + HOUR * i32::try_from(hours).expect("few")
}

fn span() -> Span {
    Span { from: noon(-1000), until: noon(1000) }
}

/// Root, authority in between, and whoever that one has issued.
struct World {
    root: TestCa,
    middle: TestCa,
    book: Arc<Book>,
}

impl World {
    fn new() -> Self {
        Self::ending(span())
    }

    /// The authority in between is valid for this long.
    fn ending(middle: Span) -> Self {
        let root = TestCa::with_depth("root", KeyKind::EcP256, span(), 1).expect("a CA");
        let none = Sources::default();
        let middle = root.intermediate("middle", KeyKind::EcP256, middle, 0, &none);
        Self { root, middle: middle.expect("a CA"), book: Arc::default() }
    }

    fn issue(&self, usage: Use) -> Issued {
        self.middle.issue("x", usage, KeyKind::EcP256, span()).expect("issued")
    }

    /// The same; it names a list.
    fn listed(&self, usage: Use) -> Issued {
        let lists = vec!["http://crl.example.test/".to_owned()];
        let sources = Sources { lists, ..Sources::default() };
        self.middle.issue_with("x", usage, KeyKind::EcP256, span(), &sources).expect("issued")
    }

    /// Rules with the root as anchor for both purposes.
    fn rules(&self) -> TrustRules {
        let mut builder = Anchors::builder();
        for purpose in [Purpose::Content, Purpose::TlsClient] {
            builder = builder
                .trust(purpose, std::slice::from_ref(self.root.certificate()))
                .intermediates(purpose, std::slice::from_ref(self.middle.certificate()));
        }
        TrustRules { anchors: builder.build().expect("anchors"), ..TrustRules::default() }
    }

    fn standings(&self, rules: TrustRules) -> Standings {
        self.under(rules, BUILT_IN)
    }

    /// Under this policy.
    fn under(&self, rules: TrustRules, policy: &str) -> Standings {
        let policy = AlgorithmPolicy::read(policy).expect("a policy");
        Standings::new(rules, Arc::new(policy), self.book.clone())
    }

    /// The book learns a list, fresh for so many hours from noon.
    fn list(&self, ca: &TestCa, hours: i64, revoked: &[(&Issued, u8)]) {
        let mut list = List::new(noon(0), noon(hours));
        for (gone, reason) in revoked {
            list.entries.push(Entry::new(gone.certificate(), noon(0), Some(*reason)));
        }
        let list = ca.sign_list(&list).expect("signed");
        self.book.take_list(&list, ca.certificate(), noon(0)).expect("taken");
    }
}

fn party(certificates: &[&Issued], grace: Option<SignedDuration>) -> Party {
    Party {
        id: PartyId::parse("ags:05766044").expect("a party"),
        name: "TEST".to_owned(),
        services: vec![],
        certificates: certificates.iter().map(|issued| issued.certificate().trusted()).collect(),
        legacy: None,
        grace,
    }
}

fn account(issued: &Issued, grace: Option<SignedDuration>) -> Account {
    Account {
        id: AccountId::parse("lemgo").expect("an account"),
        certificates: vec![issued.certificate().trusted()],
        parties: vec![],
        relay: false,
        legacy: None,
        grace,
    }
}

fn author(
    standings: &Standings,
    issued: &Issued,
    at: Timestamp,
) -> Result<Option<UnderGrace>, Fault> {
    standings.author(&party(&[issued], None), &issued.certificate().fingerprint(), at)
}

fn code(judged: Result<Option<UnderGrace>, Fault>) -> Code {
    judged.expect_err("refused").code
}

#[test]
fn without_anchors_the_pinned_certificate_alone_counts() {
    let world = World::new();
    let stranger = TestCa::new("other", KeyKind::EcP256, span()).expect("a CA");
    let leaf = stranger.issue("x", Use::Signature, KeyKind::EcP256, span()).expect("issued");
    let pinned = world.standings(TrustRules::default());
    assert!(!pinned.has_anchors(Purpose::Content));
    assert_eq!(author(&pinned, &leaf, noon(0)), Ok(None));
    assert_eq!(code(author(&pinned, &leaf, noon(1000))), Code::CertificateNotValid);
    // One that the party does not have is none of its own.
    let other = pinned.author(&party(&[], None), &leaf.certificate().fingerprint(), noon(0));
    assert_eq!(code(other), Code::SignerNotTrusted);
    let anchored = world.standings(world.rules());
    assert_eq!(code(author(&anchored, &leaf, noon(0))), Code::SignerNotTrusted);
}

#[test]
fn each_purpose_has_a_path_of_its_own() {
    let world = World::new();
    let standings = world.standings(world.rules());
    let (signs, connects) = (world.issue(Use::Signature), world.issue(Use::Client));
    assert_eq!(author(&standings, &signs, noon(0)), Ok(None));
    let connected = |issued: &Issued| {
        let fingerprint = issued.certificate().fingerprint();
        standings.account(&account(issued, None), &fingerprint, noon(0))
    };
    assert_eq!(connected(&connects), Ok(None));
    // A server's certificate is not for clients.
    assert_eq!(code(connected(&world.issue(Use::localhost()))), Code::SignerNotTrusted);
}

#[test]
fn an_issuer_that_has_ended_is_no_issuer_any_more() {
    let world = World::ending(Span { until: noon(1), ..span() });
    let (leaf, standings) = (world.issue(Use::Signature), world.standings(world.rules()));
    assert_eq!(author(&standings, &leaf, noon(1) - SECOND), Ok(None));
    // What was remembered of the path ends with it.
    assert_eq!(code(author(&standings, &leaf, noon(1))), Code::CertificateNotValid);
}

#[test]
fn what_is_revoked_is_refused_with_the_reason() {
    let world = World::new();
    let (leaf, standings) = (world.listed(Use::Signature), world.standings(world.rules()));
    world.list(&world.middle, 24, &[(&leaf, 1)]);
    let fault = author(&standings, &leaf, noon(0)).expect_err("refused");
    assert_eq!(
        (fault.code, fault.detail.as_deref()),
        (Code::CertificateRevoked, Some("keyCompromise"),)
    );
    assert_eq!(fault.retry_after, None);
    assert_eq!(author(&standings, &world.listed(Use::Signature), noon(0)), Ok(None));
}

#[test]
fn a_revoked_issuer_takes_all_with_it() {
    let world = World::new();
    let (leaf, standings) = (world.listed(Use::Signature), world.standings(world.rules()));
    world.list(&world.middle, 24, &[]);
    assert_eq!(author(&standings, &leaf, noon(0)), Ok(None));
    let mut list = List::new(noon(0), noon(24));
    list.entries.push(Entry::new(world.middle.certificate(), noon(0), Some(2)));
    let list = world.root.sign_list(&list).expect("signed");
    world.book.take_list(&list, world.root.certificate(), noon(0)).expect("taken");
    assert_eq!(code(author(&standings, &leaf, noon(0))), Code::CertificateRevoked);
}

#[test]
fn where_nothing_is_known_one_is_asked_to_come_again() {
    let world = World::new();
    let (leaf, standings) = (world.listed(Use::Signature), world.standings(world.rules()));
    let fault = author(&standings, &leaf, noon(0)).expect_err("refused");
    assert_eq!(fault.code, Code::CertificateStatusUnknown);
    assert_eq!(fault.retry_after, Some(COME_AGAIN));
}

#[test]
fn grace_is_said_with_its_times_even_beside_a_link_without_source() {
    let world = World::new();
    let (leaf, standings) = (world.listed(Use::Signature), world.standings(world.rules()));
    // The authority in between names no source, the leaf's list ends after an hour.
    world.list(&world.middle, 1, &[]);
    assert_eq!(author(&standings, &leaf, noon(1)), Ok(None));
    let grace = UnderGrace {
        certificate: leaf.certificate().fingerprint(),
        purpose: CertificateUse::Content,
        fresh_until: noon(1),
        ends: noon(25),
    };
    assert_eq!(author(&standings, &leaf, noon(1) + SECOND), Ok(Some(grace.clone())));
    assert_eq!(author(&standings, &leaf, noon(25) - SECOND), Ok(Some(grace.clone())));
    let fault = author(&standings, &leaf, noon(25)).expect_err("over");
    assert_eq!(fault.code, Code::CertificateStatusUnknown);
    assert_eq!(fault.retry_after, Some(COME_AGAIN));

    // Of two links the one whose grace ends first counts.
    world.list(&world.root, 2, &[]);
    assert_eq!(author(&standings, &leaf, noon(3)), Ok(Some(grace)));
}

#[test]
fn the_grace_of_a_partner_is_its_own() {
    let world = World::new();
    let rules = TrustRules { grace: Grace::new(HOUR * 2).expect("a grace"), ..world.rules() };
    let standings = world.standings(rules);
    let (leaf, client) = (world.listed(Use::Signature), world.listed(Use::Client));
    world.list(&world.middle, 1, &[]);
    let ends = |grace: Option<SignedDuration>| {
        let fingerprint = leaf.certificate().fingerprint();
        let judged = standings.author(&party(&[&leaf], grace), &fingerprint, noon(2));
        judged.map(|under| under.expect("under grace").ends).map_err(|fault| fault.code)
    };
    assert_eq!(ends(None), Ok(noon(3)));
    assert_eq!(ends(Some(HOUR * 9)), Ok(noon(10)));
    assert_eq!(ends(Some(SignedDuration::ZERO)), Err(Code::CertificateStatusUnknown));
    let fingerprint = client.certificate().fingerprint();
    let judged = standings.account(&account(&client, Some(HOUR * 4)), &fingerprint, noon(2));
    let under = judged.expect("accepted").expect("under grace");
    assert_eq!((under.purpose, under.ends), (CertificateUse::TlsClient, noon(5)));
}

#[test]
fn a_source_may_be_demanded() {
    let world = World::new();
    let leaf = world.listed(Use::Signature);
    world.list(&world.middle, 24, &[]);
    let demanding = world.standings(TrustRules { require_source: true, ..world.rules() });
    // The authority in between names none, until there is a list about it.
    let fault = author(&demanding, &leaf, noon(0)).expect_err("refused");
    assert_eq!(fault.code, Code::CertificateStatusUnknown);
    assert!(fault.detail.is_some() && fault.retry_after == Some(COME_AGAIN));
    world.list(&world.root, 24, &[]);
    assert_eq!(author(&demanding, &leaf, noon(0)), Ok(None));
}

#[test]
fn a_path_is_remembered_and_its_absence_for_a_minute() {
    let world = World::new();
    let standings = world.standings(world.rules());
    let memo = |issued: &Issued| {
        let key = (issued.certificate().fingerprint(), Purpose::Content, false);
        let memo = standings.remembered().get(&key).cloned().expect("remembered");
        (memo.found.is_ok(), memo.from, memo.until)
    };
    let leaf = world.issue(Use::Signature);
    author(&standings, &leaf, noon(0)).expect("a path");
    assert_eq!(memo(&leaf), (true, span().from, span().until));
    author(&standings, &leaf, noon(500)).expect("from memory");
    let other = TestCa::new("other", KeyKind::EcP256, span()).expect("a CA");
    let lost = other.issue("x", Use::Signature, KeyKind::EcP256, span()).expect("issued");
    let minute = noon(0) + SECOND * 60;
    let judged = |at| code(author(&standings, &lost, at));
    assert_eq!(judged(noon(0)), Code::SignerNotTrusted);
    assert_eq!(memo(&lost), (false, noon(0), minute));
    assert_eq!(judged(minute - SECOND), Code::SignerNotTrusted);
    assert_eq!(memo(&lost).1, noon(0), "it was not looked for again");
    assert_eq!(judged(minute), Code::SignerNotTrusted);
    assert_eq!(memo(&lost).1, minute, "it was");
}

#[test]
fn new_tables_look_for_paths_anew() {
    let world = World::new();
    let leaf = world.issue(Use::Signature);
    let before = world.standings(world.rules());
    assert_eq!(author(&before, &leaf, noon(0)), Ok(None));
    let other = World { book: world.book.clone(), ..World::new() };
    let after = other.standings(other.rules());
    assert_eq!(code(author(&after, &leaf, noon(0))), Code::SignerNotTrusted);
    assert_eq!(author(&before, &leaf, noon(0)), Ok(None), "whoever holds the old ones goes on");
}
