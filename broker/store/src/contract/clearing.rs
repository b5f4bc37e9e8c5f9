//! What people decide: cases, decisions, proposals.

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::clearing::{
    ALONE_HOURS, Act, Alone, Decided, Decision, Granted, LARGE, Objection, PROPOSAL_LIFE, Person,
    Reason, Standing, Target,
};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::ProposalId;
use amtsbote_domain::ports::{
    CaseQuery, Clearing, Delivery, MAX_AT_ONCE, Slots, Store, StoreError,
};
use amtsbote_domain::state::{ClearingCause, Event, State, WaitingFor};

use super::{Draft, ManualClock, Subject, digest, proven, state_of};

const MINUTE: Duration = Duration::from_secs(60);
const REFUSED: State = State::InClearing { cause: ClearingCause::Refused };
const UNKNOWN: State = State::InClearing { cause: ClearingCause::OutcomeUnknown };
const TURN: State = State::Waiting { on: WaitingFor::Turn };

fn person(name: &str, octet: u8) -> Person {
    Person { name: name.to_owned(), certificate: Digest([octet; 32]) }
}

fn anna() -> Person {
    person("anna", 1)
}

fn berta() -> Person {
    person("berta", 2)
}

fn reason() -> Reason {
    Reason::parse("Anruf in Lemgo").expect("a reason")
}

fn any() -> CaseQuery {
    CaseQuery { limit: 100, ..CaseQuery::default() }
}

fn objection<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Objection {
    match answer {
        Err(StoreError::Objection(objection)) => objection,
        other => panic!("{other:?}"),
    }
}

/// Accepts messages for a peer and lets their one attempt end so.
async fn stuck(store: &impl Store, numbers: impl Iterator<Item = u32>, event: Event) {
    for number in numbers {
        Draft::peer(number).accepted(store).await;
        let mut leases = store.lease_due(Slots::any(1), MINUTE).await.expect("leases");
        let lease = leases.pop().expect("one is due");
        store.begin_attempt(&lease).await.expect("begins");
        store.settle(&lease, event, None, None).await.expect("settles");
        if event == Event::AttemptLost {
            let hub_id = Draft::peer(number).hub_id();
            store.apply(&hub_id, Event::OutcomeUnknowable, None, None).await.expect("applies");
        }
    }
}

async fn seen(store: &impl Store, number: u32) -> Delivery {
    store.delivery(&Draft::peer(number).hub_id()).await.expect("is there")
}

async fn target(store: &impl Store, number: u32, channel: Option<&str>) -> Target {
    let delivery = seen(store, number).await;
    Target {
        hub_id: delivery.record.hub_id,
        revision: delivery.revision,
        channel: channel.map(str::to_owned),
    }
}

fn decision(act: Act, by: Person, targets: Vec<Target>) -> Decision {
    Decision { act, by, reason: reason(), targets }
}

fn id(text: &str) -> ProposalId {
    ProposalId::parse(text).expect("an id")
}

/// Filters, order, pages; only what is in clearing.
pub async fn cases_are_found_oldest_first<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    Draft::inbox(90).accepted(&store).await;
    for number in 1..=5 {
        let event = if number == 3 { Event::AttemptLost } else { Event::AttemptRefused };
        stuck(&store, number..=number, event).await;
        // The fourth and the fifth come at the same time.
        clock.advance(i64::from(number < 4));
    }
    let numbers = async |query: CaseQuery| -> (Vec<u32>, Option<String>) {
        let page = store.cases(query).await.expect("cases");
        let ids = page.cases.iter().map(|case| case.delivery.record.hub_id.as_str().to_owned());
        (ids.map(|id| u32::from_str_radix(&id[24..], 16).expect("a number")).collect(), page.next)
    };
    assert_eq!(numbers(any()).await, (vec![1, 2, 3, 4, 5], None));
    let cause = Some(ClearingCause::OutcomeUnknown);
    assert_eq!(numbers(CaseQuery { cause, ..any() }).await.0, [3]);
    let since = Some(super::after(2));
    assert_eq!(numbers(CaseQuery { since, ..any() }).await.0, [3, 4, 5]);
    for (channel, count) in [("peer:krz", 5), ("inbox", 0)] {
        let query = CaseQuery { channel: Some(channel.to_owned()), ..any() };
        assert_eq!(numbers(query).await.0.len(), count, "{channel}");
    }
    for (party, count) in [(super::READER, 5), (super::AUTHOR, 5), ("ags:05770032", 0)] {
        let party = Some(amtsbote_domain::party::PartyId::parse(party).expect("a party"));
        assert_eq!(numbers(CaseQuery { party, ..any() }).await.0.len(), count);
    }
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let (found, next) = numbers(CaseQuery { after, limit: 2, ..any() }).await;
        all.extend(found);
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(all, [1, 2, 3, 4, 5]);
    for bad in ["", "x", "1", "-1-1", "1--1", "9999999999999999999999-1"] {
        let page = store.cases(CaseQuery { after: Some(bad.to_owned()), ..any() }).await;
        assert!(matches!(page, Err(StoreError::NotFound)), "{bad}: {page:?}");
    }
    let none = objection(store.case(&Draft::inbox(90).hub_id()).await);
    assert_eq!(none, Objection::NoCase);
}

/// Who has taken a case acts on it, nobody else, until it is given back or changes hands on record.
pub async fn two_people_cannot_act_on_one_case<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    stuck(&store, 1..=1, Event::AttemptRefused).await;
    let hub_id = Draft::peer(1).hub_id();
    let case = store.take(&hub_id, &anna(), None).await.expect("takes");
    assert_eq!(case.taken.expect("taken").by, anna());
    let leaves = store.figures().await.expect("figures").leaves;
    store.take(&hub_id, &person("anna", 7), None).await.expect("changes nothing");
    assert_eq!(store.figures().await.expect("figures").leaves, leaves);
    let taken = Objection::TakenBy("anna".to_owned());
    assert_eq!(objection(store.take(&hub_id, &berta(), None).await), taken);
    assert_eq!(objection(store.hand_back(&hub_id, &berta()).await), taken);

    let reject = decision(Act::Reject, berta(), vec![target(&store, 1, None).await]);
    let decided = store.decide(reject.clone()).await.expect("decides");
    assert_eq!(decided, [Decided::TakenBy { name: "anna".to_owned() }]);
    assert_eq!(state_of(&store, &Draft::peer(1)).await, REFUSED);

    let case = store.take(&hub_id, &berta(), Some(&reason())).await.expect("changes hands");
    assert_eq!(case.taken.expect("taken").by, berta());
    let mine = CaseQuery { taken_by: Some(berta().certificate), ..any() };
    assert_eq!(store.cases(mine).await.expect("cases").cases.len(), 1);
    let case = store.hand_back(&hub_id, &berta()).await.expect("gives back");
    assert_eq!(case.taken, None);
    assert_eq!(objection(store.hand_back(&hub_id, &berta()).await), Objection::NotTaken);
    let last = store.timeline(&hub_id).await.expect("a timeline").pop().expect("an entry");
    let operator = |act: &str, reason| Evidence::Operator {
        certificate: berta().certificate,
        name: Some(berta().name),
        act: act.to_owned(),
        hub_id: Some(hub_id.clone()),
        reason,
    };
    assert_eq!(last.evidence, operator("clearing release", None));
    let over = operator("clearing take", Some(reason()));
    let timeline = store.timeline(&hub_id).await.expect("a timeline");
    assert!(timeline.iter().any(|entry| entry.evidence == over), "with its reason");

    store.take(&hub_id, &berta(), None).await.expect("takes");
    assert_eq!(
        store.decide(reject).await.expect("decides"),
        [Decided::Done { state: State::RejectedBack }]
    );
    assert_eq!(objection(store.take(&hub_id, &berta(), None).await), Objection::NoCase);
}

/// A decision is about what the person saw; each target stands for itself, and what was done is
/// evidence with its grounds and a receipt.
pub async fn a_decision_leaves_alone_what_has_changed<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    stuck(&store, 1..=3, Event::AttemptRefused).await;
    Draft::peer(4).accepted(&store).await;
    let mut targets = Vec::new();
    for number in 1..=4 {
        targets.push(target(&store, number, None).await);
    }
    targets.push(Target { hub_id: Draft::peer(9).hub_id(), revision: 1, channel: None });
    targets[1].revision -= 1;
    let decided = store.decide(decision(Act::Reject, anna(), targets)).await.expect("decides");
    let done = Decided::Done { state: State::RejectedBack };
    assert_eq!(
        decided,
        [done.clone(), Decided::ChangedMeanwhile, done, Decided::NotApplicable, Decided::NotFound]
    );
    assert_eq!(state_of(&store, &Draft::peer(2)).await, REFUSED);
    assert_eq!(state_of(&store, &Draft::peer(4)).await, TURN);
    let receipt = store.receipt(&Draft::peer(1).hub_id(), "rejected-back").await.expect("stored");
    match proven(&receipt, &S::verifier()) {
        Evidence::Changed { grounds: Some(grounds), to, .. } => {
            assert_eq!((grounds.by, grounds.reason, grounds.act), (anna(), reason(), Act::Reject));
            assert_eq!((grounds.granted, to), (None, State::RejectedBack));
        }
        other => panic!("{other:?}"),
    }
    let way = vec![target(&store, 2, Some("inbox")).await];
    let misuse = store.decide(decision(Act::Reject, anna(), way)).await;
    assert!(misuse.is_err(), "an act that needs no way");
    let none = vec![target(&store, 2, None).await];
    assert!(store.decide(decision(Act::Resubmit, anna(), none)).await.is_err(), "one that does");
    let many = vec![target(&store, 2, None).await; MAX_AT_ONCE + 1];
    assert!(store.decide(decision(Act::Reject, anna(), many)).await.is_err(), "too many");
    assert_eq!(state_of(&store, &Draft::peer(2)).await, REFUSED);
}

/// A large act needs two people bit by bit as well: what one person did alone of it counts until the span
/// is over, under whatever certificate, also after reopening. What another did, another act, what was not
/// done and what was granted does not.
pub async fn one_person_does_not_split_a_large_act<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let large = LARGE as u32;
    stuck(&store, 1..=large + 6, Event::AttemptRefused).await;
    let alone = async |store: &S::Store, person: &Person, act| -> u32 {
        let alone = store.alone(person, act).await.expect("a sum");
        assert_eq!(alone.hours, ALONE_HOURS);
        alone.count
    };
    let mut most = Vec::new();
    for number in 1..=large - 1 {
        most.push(target(&store, number, None).await);
    }
    let mut stale = target(&store, large, None).await;
    stale.revision -= 1;
    let many = [most.clone(), vec![stale.clone(), stale.clone()]].concat();
    let one = |number| {
        let store = &store;
        async move { vec![target(store, number, None).await] }
    };
    let sum = objection(store.decide(decision(Act::Reject, anna(), many)).await);
    assert_eq!(sum, Objection::Sum(Alone { count: 0, hours: ALONE_HOURS }), "at once");
    assert_eq!(state_of(&store, &Draft::peer(1)).await, REFUSED, "nothing was begun");
    store.decide(decision(Act::Reject, anna(), most)).await.expect("decides");
    let nothing = store.decide(decision(Act::Reject, anna(), vec![stale])).await.expect("decides");
    assert_eq!(nothing, [Decided::ChangedMeanwhile]);
    assert_eq!(alone(&store, &anna(), Act::Reject).await, large - 1);
    store.decide(decision(Act::Reject, anna(), one(large).await)).await.expect("the last alone");
    let record = store.receipt(&Draft::peer(large).hub_id(), "rejected-back").await;
    match proven(&record.expect("stored"), &S::verifier()) {
        Evidence::Changed { grounds: Some(grounds), .. } => {
            assert_eq!(grounds.alone, Some(Alone { count: large, hours: ALONE_HOURS }));
        }
        other => panic!("{other:?}"),
    }
    let next = one(large + 1).await;
    let too_much = Objection::Sum(Alone { count: large, hours: ALONE_HOURS });
    for same in [anna(), person("anna", 9), person("other", 1)] {
        assert_eq!(alone(&store, &same, Act::Reject).await, large);
        let refused = store.decide(decision(Act::Reject, same, next.clone())).await;
        assert_eq!(objection(refused), too_much);
    }
    assert_eq!(alone(&store, &berta(), Act::Reject).await, 0);
    assert_eq!(alone(&store, &anna(), Act::Resubmit).await, 0);
    store.decide(decision(Act::Reject, berta(), next)).await.expect("another person");
    let again = vec![target(&store, large + 2, Some("peer:krz")).await];
    store.decide(decision(Act::Resubmit, anna(), again)).await.expect("another act");
    // What two decide is no act of one.
    let granted = decision(Act::Reject, berta(), one(large + 3).await);
    let over = digest(&granted.canonical());
    store.propose(id("two"), granted, over).await.expect("proposes");
    store.judge(&id("two"), &anna(), true, over, &reason()).await.expect("grants");
    while store.carry_out().await.expect("carries out") {}
    assert_eq!(alone(&store, &berta(), Act::Reject).await, 1);
    assert_eq!(alone(&store, &anna(), Act::Reject).await, large);

    clock.advance(i64::from(ALONE_HOURS) * 3600 - 1);
    drop(store);
    let store = S::open(dir, clock.clone());
    let next = vec![target(&store, large + 4, None).await];
    let refused = store.decide(decision(Act::Reject, anna(), next.clone())).await;
    assert_eq!(objection(refused), too_much);
    clock.advance(1);
    assert_eq!(alone(&store, &anna(), Act::Reject).await, 0);
    store.decide(decision(Act::Reject, anna(), next)).await.expect("the span is over");
    assert_eq!(alone(&store, &anna(), Act::Reject).await, 1);
}

/// Sent again, a delivery goes where the decision says, and says so; also after reopening.
pub async fn a_way_that_people_name_is_kept<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    stuck(&store, 1..=2, Event::AttemptRefused).await;
    let again = vec![target(&store, 1, Some("peer:d-nrw")).await];
    let decided = store.decide(decision(Act::Resubmit, anna(), again)).await.expect("decides");
    assert_eq!(decided, [Decided::Done { state: TURN }]);
    let inbox = vec![target(&store, 2, Some("inbox")).await];
    let decided = store.decide(decision(Act::Reroute, anna(), inbox)).await.expect("decides");
    let collection = State::Waiting { on: WaitingFor::Collection };
    assert_eq!(decided, [Decided::Done { state: collection }]);
    drop(store);
    let store = S::open(dir, clock);
    let (first, second) = (seen(&store, 1).await, seen(&store, 2).await);
    assert_eq!((first.channel.as_str(), first.by_hand), ("peer:d-nrw", false));
    assert_eq!((second.channel.as_str(), second.by_hand), ("inbox", true));
    assert_eq!(first.record.channel, "peer:krz", "what was recorded stays");
    assert_eq!((first.attempts, second.attempts), (0, 0), "attempts are counted anew");
    let leases = store.lease_due(Slots::any(5), MINUTE).await.expect("leases");
    let peers: Vec<&str> = leases.iter().map(|lease| lease.peer.as_str()).collect();
    assert_eq!(peers, ["d-nrw"]);
    let reader = amtsbote_domain::party::PartyId::parse(super::READER).expect("a party");
    let page = store.inbox(&reader, None, 10).await.expect("an inbox");
    assert_eq!(page.deliveries.len(), 1);
}

/// Who proposes cannot grant, and who grants names what is granted.
pub async fn a_proposal_needs_another_person<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    stuck(&store, 1..=1, Event::AttemptLost).await;
    assert_eq!(state_of(&store, &Draft::peer(1)).await, UNKNOWN);
    let close = decision(Act::Close, anna(), vec![target(&store, 1, None).await]);
    let over = digest(&close.canonical());
    let proposal = store.propose(id("p-1"), close.clone(), over).await.expect("proposes");
    assert_eq!((proposal.standing, proposal.count, proposal.settled), (Standing::Open, 1, 0));
    let judge = async |person: &Person, granted, digest| {
        store.judge(&id("p-1"), person, granted, digest, &reason()).await
    };
    for same in [anna(), person("anna", 9), person("other", 1)] {
        assert_eq!(objection(judge(&same, true, over).await), Objection::SamePerson);
    }
    let other = judge(&berta(), true, Digest([0; 32])).await;
    assert_eq!(objection(other), Objection::OtherDigest);
    assert!(!store.carry_out().await.expect("nothing is granted"));
    assert_eq!(state_of(&store, &Draft::peer(1)).await, UNKNOWN);

    let granted = judge(&berta(), true, over).await.expect("grants");
    assert_eq!(granted.standing, Standing::Granted);
    assert_eq!(granted.judged.expect("judged").by, berta());
    while store.carry_out().await.expect("carries out") {}
    assert_eq!(state_of(&store, &Draft::peer(1)).await, State::Delivered);
    let receipt = store.receipt(&Draft::peer(1).hub_id(), "delivered").await.expect("stored");
    match proven(&receipt, &S::verifier()) {
        Evidence::Changed { grounds: Some(grounds), .. } => {
            let both = Some(Granted { proposal: id("p-1"), by: berta() });
            assert_eq!((grounds.by, grounds.granted), (anna(), both));
        }
        other => panic!("{other:?}"),
    }
    let (proposal, targets) = store.proposal(&id("p-1"), 0, 10).await.expect("is there");
    assert_eq!((proposal.standing, proposal.settled), (Standing::Granted, 1));
    assert_eq!(targets[0].decided, Some(Decided::Done { state: State::Delivered }));
    let unknown = store.proposal(&id("p-2"), 0, 10).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}

/// Denied, granted, expired: each once.
pub async fn a_proposal_is_judged_once_and_in_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    stuck(&store, 1..=1, Event::AttemptLost).await;
    let close = decision(Act::Close, anna(), vec![target(&store, 1, None).await]);
    let over = digest(&close.canonical());
    for name in ["mine", "denied", "late"] {
        store.propose(id(name), close.clone(), over).await.expect("proposes");
    }
    let judge = async |name: &str, person: &Person, granted| {
        store.judge(&id(name), person, granted, over, &reason()).await
    };
    judge("mine", &anna(), false).await.expect("takes it back");
    judge("denied", &berta(), false).await.expect("denies");
    for name in ["mine", "denied"] {
        let again = objection(judge(name, &berta(), true).await);
        assert_eq!(again, Objection::NotOpen(Standing::Denied));
    }
    clock.advance(PROPOSAL_LIFE.as_secs());
    let late = objection(judge("late", &berta(), true).await);
    assert_eq!(late, Objection::NotOpen(Standing::Expired));
    while store.carry_out().await.expect("ends what is over") {}
    let open = store.proposals(true, 10).await.expect("a list");
    assert!(open.is_empty(), "{open:?}");
    let all = store.proposals(false, 10).await.expect("a list");
    let words: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.standing.as_str())).collect();
    assert_eq!(words, [("late", "expired"), ("denied", "denied"), ("mine", "denied")]);
    assert_eq!(state_of(&store, &Draft::peer(1)).await, UNKNOWN);
}

/// A large grant takes many transactions; a stop in between loses and doubles nothing.
pub async fn a_grant_is_carried_out_piece_by_piece<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let count = MAX_AT_ONCE as u32 + 5;
    stuck(&store, 1..=count, Event::AttemptRefused).await;
    let mut targets = Vec::new();
    for number in 1..=count {
        targets.push(target(&store, number, None).await);
    }
    // One is put right by somebody else before the grant.
    let reject = decision(Act::Reject, berta(), vec![targets[2].clone()]);
    let close = decision(Act::Close, anna(), targets);
    let over = digest(&close.canonical());
    store.propose(id("many"), close, over).await.expect("proposes");
    store.decide(reject).await.expect("decides");
    store.judge(&id("many"), &berta(), true, over, &reason()).await.expect("grants");
    assert!(store.carry_out().await.expect("carries out"));
    drop(store);
    let store = S::open(dir, clock);
    let settled = async || store.proposal(&id("many"), 0, 1).await.expect("is there").0.settled;
    assert_eq!(settled().await, MAX_AT_ONCE as u32);
    while store.carry_out().await.expect("carries out") {}
    assert_eq!(settled().await, count);
    let (_, targets) = store.proposal(&id("many"), 0, 3).await.expect("is there");
    assert_eq!(targets[2].decided, Some(Decided::ChangedMeanwhile));
    assert_eq!(state_of(&store, &Draft::peer(3)).await, State::RejectedBack);
    for number in [1, 2, count] {
        assert_eq!(state_of(&store, &Draft::peer(number)).await, State::Delivered, "{number}");
        assert_eq!(seen(&store, number).await.attempts, 1);
    }
}
