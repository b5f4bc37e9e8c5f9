//! Conversations of transports: found by their own account, won by one step, over in time, bounded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::identity::Transport;
use amtsbote_domain::ports::{
    Bound, Closing, MAX_SESSION_LIFE, MAX_SESSION_OCTETS, MAX_SESSIONS_OF_ACCOUNT, Remember,
    Session, SessionId, SessionKey, Sessions, Store, StoreError, Turn,
};

use super::{ManualClock, Subject, account, after, octets};

/// The key of a session of an account.
pub fn key(of: &str, id: &[u8]) -> SessionKey {
    let id = SessionId::new(id).expect("an id");
    SessionKey { account: account(of), transport: Transport::Native, id }
}

/// These octets, for a minute.
pub fn remember(octets: &[u8]) -> Remember {
    Remember { octets: octets.to_vec(), lasts: Duration::from_secs(60) }
}

async fn found(store: &impl Store, key: &SessionKey) -> Option<Session> {
    store.session(key).await.expect("answers")
}

/// What is remembered comes back, at one revision after the other, and to nobody else.
pub async fn a_session_goes_on_step_by_step<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let ours = key("lemgo", b"\x00\xff one");
    assert_eq!(found(&store, &ours).await, None);
    let ends = store.open_session(&ours, remember(b"first")).await.expect("is opened");
    assert_eq!(ends, after(60));
    let first = Session { revision: 1, octets: b"first".to_vec(), ends };
    assert_eq!(found(&store, &ours).await, Some(first.clone()));
    let again = store.open_session(&ours, remember(b"other")).await;
    assert!(matches!(again, Err(StoreError::IdUsed)), "{again:?}");

    let others = [
        key("lage", b"\x00\xff one"),
        key("lemgo", b"\x00\xff two"),
        SessionKey { transport: Transport::Hub, ..ours.clone() },
    ];
    for other in &others {
        assert_eq!(found(&store, other).await, None);
        let turned = store.turn_session(other, 1, remember(b"theirs")).await.expect("answers");
        assert_eq!(turned, Turn::Gone);
        assert_eq!(store.end_session(other, 1).await.expect("answers"), Closing::Gone);
        store.open_session(other, remember(b"theirs")).await.expect("is one of its own");
    }
    assert_eq!(found(&store, &ours).await, Some(first));
    assert_eq!(store.open_sessions().await.expect("answers"), 4);

    // Revisions count the steps; a step from any other revision changes nothing.
    for (revision, length) in [(1, 0), (2, 1), (3, MAX_SESSION_OCTETS)] {
        let next = octets(revision as u32, length);
        let turned = store.turn_session(&ours, revision, remember(&next)).await.expect("answers");
        assert_eq!(turned, Turn::Turned(revision + 1));
        for stale in [0, revision, revision + 2] {
            let late = store.turn_session(&ours, stale, remember(b"late")).await;
            assert_eq!(late.expect("answers"), Turn::Overtaken);
            assert_eq!(store.end_session(&ours, stale).await.expect("answers"), Closing::Overtaken);
        }
        let session = found(&store, &ours).await.expect("is open");
        assert_eq!(session.revision, revision + 1);
        assert!(session.octets == next, "{length} octets");
    }
    assert_eq!(store.end_session(&ours, 4).await.expect("answers"), Closing::Closed);
    assert_eq!(found(&store, &ours).await, None);
    assert_eq!(store.end_session(&ours, 4).await.expect("answers"), Closing::Gone);
    let late = store.turn_session(&ours, 4, remember(b"late")).await.expect("answers");
    assert_eq!(late, Turn::Gone);
    store.open_session(&ours, remember(b"anew")).await.expect("is opened anew");
    assert_eq!(found(&store, &ours).await.expect("is open").revision, 1);
    assert_eq!(found(&store, &others[0]).await.expect("is open").octets, b"theirs");
}

/// Sixteen steps from one revision, at once: one wins, and what it says is remembered.
pub async fn of_sixteen_steps_one_wins<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    let ours = key("lemgo", b"one");
    store.open_session(&ours, remember(b"")).await.expect("is opened");
    let steps: Vec<_> = (0..16u8)
        .map(|n| {
            let (store, ours) = (Arc::clone(&store), ours.clone());
            tokio::spawn(async move { store.turn_session(&ours, 1, remember(&[n])).await })
        })
        .collect();
    let mut won = Vec::new();
    for (n, step) in (0..16u8).zip(steps) {
        match step.await.expect("no panic").expect("answers") {
            Turn::Turned(2) => won.push(n),
            Turn::Overtaken => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    let session = found(&*store, &ours).await.expect("is open");
    assert_eq!((session.revision, session.octets), (2, won));
}

/// From its end on a session is not found, be it swept or not; a step moves the end.
pub async fn a_session_ends_in_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let ours = key("lemgo", b"one");
    store.open_session(&ours, remember(b"first")).await.expect("is opened");
    clock.advance(59);
    let longer = Remember { lasts: MAX_SESSION_LIFE, ..remember(b"second") };
    let turned = store.turn_session(&ours, 1, longer).await.expect("answers");
    assert_eq!(turned, Turn::Turned(2));
    let day = i64::try_from(MAX_SESSION_LIFE.as_secs()).expect("fits");
    clock.advance(day - 1);
    assert_eq!(found(&store, &ours).await.expect("is open").ends, after(59 + day));
    clock.advance(1);
    assert_eq!(found(&store, &ours).await, None);
    assert_eq!(store.open_sessions().await.expect("answers"), 0);
    let late = store.turn_session(&ours, 2, remember(b"late")).await.expect("answers");
    assert_eq!(late, Turn::Gone);
    assert_eq!(store.end_session(&ours, 2).await.expect("answers"), Closing::Gone);
    store.open_session(&ours, remember(b"anew")).await.expect("in the place of one that ended");
    assert_eq!(found(&store, &ours).await.expect("is open").revision, 1);

    for n in 0..5 {
        store.open_session(&key("lage", &[n]), remember(b"")).await.expect("is opened");
    }
    clock.advance(30);
    let last = key("lage", b"last");
    store.open_session(&last, remember(b"")).await.expect("is opened");
    assert_eq!(store.sweep(9).await.expect("sweeps"), 0);
    clock.advance(30);
    for (limit, removed) in [(4, 4), (4, 2), (4, 0)] {
        assert_eq!(store.sweep(limit).await.expect("sweeps"), removed);
    }
    assert!(found(&store, &last).await.is_some());
}

/// So many of one account, and no more: what has ended does not count.
pub async fn sessions_of_an_account_are_bounded<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let numbered = |n: u32| key("lemgo", &n.to_be_bytes());
    for round in 0..2 {
        for n in 0..MAX_SESSIONS_OF_ACCOUNT {
            let n = n + round * 1000;
            store.open_session(&numbered(n), remember(b"")).await.expect("is opened");
        }
        let more = store.open_session(&numbered(9999), remember(b"")).await;
        assert!(
            matches!(more, Err(StoreError::NoRoom(Bound::SessionsOfAccount))),
            "{round}: {more:?}"
        );
        assert_eq!(found(&store, &numbered(9999)).await, None);
        let theirs = key("lage", &round.to_be_bytes());
        store.open_session(&theirs, remember(b"")).await.expect("another account has room");
        let first = numbered(round * 1000);
        assert_eq!(store.end_session(&first, 1).await.expect("answers"), Closing::Closed);
        store.open_session(&first, remember(b"")).await.expect("there is room again");
        clock.advance(60);
    }
}

/// What breaks the contract is refused, and changes nothing.
pub async fn a_session_is_not_misused<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let ours = key("lemgo", b"one");
    let bad = [
        remember(&vec![0; MAX_SESSION_OCTETS + 1]),
        Remember { lasts: Duration::ZERO, ..remember(b"") },
        Remember { lasts: MAX_SESSION_LIFE + Duration::from_nanos(1), ..remember(b"") },
    ];
    for remember in &bad {
        let refused = store.open_session(&ours, remember.clone()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert_eq!(found(&store, &ours).await, None);
    store.open_session(&ours, remember(b"first")).await.expect("is opened");
    for remember in &bad {
        let refused = store.turn_session(&ours, 1, remember.clone()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert_eq!(found(&store, &ours).await.expect("is open").octets, b"first");
}

/// A session outlives the process, and leaves no evidence.
pub async fn sessions_survive_without_evidence<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let ours = key("lemgo", b"one");
    store.open_session(&ours, remember(b"first")).await.expect("is opened");
    store.turn_session(&ours, 1, remember(b"second")).await.expect("answers");
    drop(store);
    let store = S::open(dir, clock);
    let session = found(&store, &ours).await.expect("is open");
    assert_eq!((session.revision, &session.octets[..]), (2, &b"second"[..]));
    assert_eq!(store.end_session(&ours, 2).await.expect("answers"), Closing::Closed);
    assert_eq!(store.figures().await.expect("figures").leaves, 0);
}
