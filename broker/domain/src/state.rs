//! The one table of states (P2).
//!
//! A delivery is one message on its way to one Reader. After acceptance its state changes through
//! [`next`] and nowhere else; the store refuses to write what `next` did not say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// The hub has it and nothing is under way.
    Waiting {
        /// For what.
        #[serde(rename = "for")]
        on: WaitingFor,
    },
    /// An attempt is recorded and not yet settled: octets may be leaving.
    InDelivery {
        /// An earlier attempt may have arrived; this one repeats it under the same id.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        repeated: bool,
    },
    /// The next node has confirmed it.
    Delivered,
    /// The Reader has confirmed it with the digest of what it received. Nothing better can happen.
    Acknowledged,
    /// It may or may not have arrived. Neither expiry nor cancellation applies, and nothing is
    /// sent again unless the peer is idempotent by declared capability, can be asked, or a person
    /// decides.
    Uncertain,
    /// A person must decide.
    InClearing {
        /// Why.
        cause: ClearingCause,
    },
    /// Sent back to the Author.
    RejectedBack,
    /// Its time ran out before anything left.
    Expired,
    /// The Author withdrew it before anything left.
    Cancelled,
}

/// What a waiting delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitingFor {
    /// A worker: it is, or will be at its due time, the hub's turn to send.
    Turn,
    /// A worker, as before, but an earlier attempt may have arrived: the next one repeats it under
    /// the same id. Neither expiry nor cancellation applies, for the peer may have the message; nor
    /// can it be held, for what is held can be cancelled.
    Repeat,
    /// The Reader, who has not begun to collect it.
    Collection,
    /// The Reader, who has begun to collect it and has not confirmed. What left cannot be called
    /// back: from here neither expiry nor cancellation ends it, a passed expiry makes it uncertain.
    Acknowledgement,
    /// A person's release (hold).
    Release {
        /// What to go back to: collection by the Reader instead of the hub's turn.
        collection: bool,
    },
}

/// Why a delivery is in clearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClearingCause {
    /// The next node refused it for good.
    Refused,
    /// The next node refused a repetition for good, which says nothing about the attempt before: that
    /// one may have arrived.
    RepeatRefused,
    /// All attempts failed before anything left.
    AttemptsExhausted,
    /// Nobody can be asked whether it arrived.
    OutcomeUnknown,
    /// The octets at rest no longer have the digest taken at the door (P4).
    DigestMismatch,
    /// The way it was accepted for is gone.
    NoWay,
}

/// What can happen to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A worker has leased it and recorded an attempt.
    AttemptBegun,
    /// The peer confirmed.
    AttemptConfirmed,
    /// The attempt failed before the first byte left, or the peer said that it kept nothing. That
    /// says nothing about an earlier one that may have arrived.
    AttemptFailed {
        /// When to try again.
        retry_at: Timestamp,
    },
    /// As before, and that was the last try. A repetition ends as [`Event::AttemptLost`] instead.
    AttemptsExhausted,
    /// The peer refused for good.
    AttemptRefused,
    /// Octets left and no answer came, or the lease ended with the attempt open.
    AttemptLost,
    /// An uncertain delivery may be sent again: the peer is idempotent by declared capability.
    ResendAllowed {
        /// When.
        retry_at: Timestamp,
    },
    /// The peer, asked, has it.
    FoundAtPeer,
    /// The peer, asked, does not have it.
    NotFoundAtPeer {
        /// When to try again.
        retry_at: Timestamp,
    },
    /// Nobody can tell; a person must.
    OutcomeUnknowable,
    /// The Reader begins to collect.
    CollectionBegun,
    /// The Reader confirms with the right digest.
    Acknowledge,
    /// The expiry has passed.
    ExpiryReached,
    /// The Author cancels.
    Cancel,
    /// A person stops it.
    Hold,
    /// A person lets it go on.
    Release,
    /// The octets at rest changed.
    DigestMismatch,
    /// The directory has no way any more.
    WayLost,
    /// A rule sends it by another way, for the one it was on is out.
    Detour {
        /// The Reader collects it, instead of the hub sending it.
        collection: bool,
    },
    /// A person sends it (again), or puts it into the inbox again.
    Resubmit {
        /// The Reader collects it, instead of the hub sending it.
        collection: bool,
    },
    /// A person rejects it back to the Author.
    Reject,
    /// A person knows that it arrived.
    CloseAsDelivered,
}

/// What [`next`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The new state.
    pub state: State,
    /// When the hub must look at it again at the earliest; none where it need not.
    pub due: Option<Timestamp>,
}

/// The event does not apply in the state; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not apply to a delivery that is {state:?}")]
pub struct NotApplicable {
    /// The state it was in and stays in.
    pub state: State,
    /// What was tried.
    pub event: Event,
}

impl State {
    /// The words in tables, output and the API: one per state.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::InDelivery { .. } => "in-delivery",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Uncertain => "uncertain",
            Self::InClearing { .. } => "in-clearing",
            Self::RejectedBack => "rejected-back",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it has ended. A delivered one may still be acknowledged.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Delivered
                | Self::Acknowledged
                | Self::RejectedBack
                | Self::Expired
                | Self::Cancelled
        )
    }
}

/// The state after `event` at `now`; the only place where a delivery changes.
pub fn next(state: State, event: Event, now: Timestamp) -> Result<Next, NotApplicable> {
    use State as S;
    use WaitingFor as W;
    const TURN: State = S::Waiting { on: W::Turn };
    const REPEAT: State = S::Waiting { on: W::Repeat };
    let ended = |state| Ok(Next { state, due: None });
    let at = |state, due| Ok(Next { state, due: Some(due) });
    let clearing = |cause| ended(S::InClearing { cause });

    match (state, event) {
        (TURN, Event::AttemptBegun) => ended(S::InDelivery { repeated: false }),
        (REPEAT, Event::AttemptBegun) => ended(S::InDelivery { repeated: true }),

        (S::InDelivery { .. }, Event::AttemptConfirmed) => ended(S::Delivered),
        (S::InDelivery { repeated }, Event::AttemptFailed { retry_at }) => {
            at(if repeated { REPEAT } else { TURN }, retry_at)
        }
        (S::InDelivery { repeated: false }, Event::AttemptsExhausted) => {
            clearing(ClearingCause::AttemptsExhausted)
        }
        (S::InDelivery { repeated }, Event::AttemptRefused) => {
            clearing(if repeated { ClearingCause::RepeatRefused } else { ClearingCause::Refused })
        }
        (S::InDelivery { .. }, Event::AttemptLost) => at(S::Uncertain, now),

        (S::Uncertain, Event::ResendAllowed { retry_at }) => at(REPEAT, retry_at),
        (S::Uncertain, Event::NotFoundAtPeer { retry_at }) => at(TURN, retry_at),
        (S::Uncertain, Event::FoundAtPeer) => ended(S::Delivered),
        (S::Uncertain, Event::OutcomeUnknowable) => clearing(ClearingCause::OutcomeUnknown),

        (S::Waiting { on: W::Collection | W::Acknowledgement }, Event::CollectionBegun) => {
            ended(S::Waiting { on: W::Acknowledgement })
        }
        // A late confirmation is still the truth: it applies after the expiry made it uncertain.
        (
            S::Waiting { on: W::Collection | W::Acknowledgement }
            | S::Delivered
            | S::Acknowledged
            | S::Uncertain
            | S::InClearing { cause: ClearingCause::OutcomeUnknown },
            Event::Acknowledge,
        ) => ended(S::Acknowledged),

        (S::Waiting { on: W::Turn | W::Collection | W::Release { .. } }, Event::ExpiryReached) => {
            ended(S::Expired)
        }
        (S::Waiting { on: W::Acknowledgement }, Event::ExpiryReached) => at(S::Uncertain, now),
        (S::Waiting { on: W::Turn | W::Collection | W::Release { .. } }, Event::Cancel) => {
            ended(S::Cancelled)
        }

        (TURN, Event::Hold) => ended(S::Waiting { on: W::Release { collection: false } }),
        (S::Waiting { on: W::Collection }, Event::Hold) => {
            ended(S::Waiting { on: W::Release { collection: true } })
        }
        (S::Waiting { on: W::Release { collection } }, Event::Release) => {
            if collection {
                ended(S::Waiting { on: W::Collection })
            } else {
                at(TURN, now)
            }
        }

        (
            S::Waiting { on: W::Turn | W::Repeat | W::Collection | W::Acknowledgement }
            | S::InDelivery { .. },
            Event::DigestMismatch,
        ) => clearing(ClearingCause::DigestMismatch),
        (TURN, Event::WayLost) => clearing(ClearingCause::NoWay),
        (REPEAT, Event::WayLost) => clearing(ClearingCause::OutcomeUnknown),
        // Only what cannot have arrived: the same message by two ways would be delivered twice.
        (TURN, Event::Detour { collection: true }) => ended(S::Waiting { on: W::Collection }),
        (TURN, Event::Detour { collection: false }) => at(TURN, now),

        (S::InClearing { cause }, Event::Resubmit { collection })
            if cause != ClearingCause::DigestMismatch =>
        {
            // These causes do not say what became of the attempt before: what goes on from them may
            // have arrived, or may have been collected, already.
            let unknown =
                matches!(cause, ClearingCause::OutcomeUnknown | ClearingCause::RepeatRefused);
            match (collection, unknown) {
                (true, true) => ended(S::Waiting { on: W::Acknowledgement }),
                (true, false) => ended(S::Waiting { on: W::Collection }),
                (false, true) => at(REPEAT, now),
                (false, false) => at(TURN, now),
            }
        }
        (S::InClearing { .. }, Event::Reject) => ended(S::RejectedBack),
        (
            S::InClearing {
                cause:
                    ClearingCause::OutcomeUnknown
                    | ClearingCause::Refused
                    | ClearingCause::RepeatRefused,
            },
            Event::CloseAsDelivered,
        ) => ended(S::Delivered),

        (state, event) => Err(NotApplicable { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn states() -> Vec<(&'static str, State)> {
        use ClearingCause as C;
        let clearing = |cause| State::InClearing { cause };
        let waiting = |on| State::Waiting { on };
        vec![
            ("turn", waiting(WaitingFor::Turn)),
            ("repeat", waiting(WaitingFor::Repeat)),
            ("collection", waiting(WaitingFor::Collection)),
            ("acknowledgement", waiting(WaitingFor::Acknowledgement)),
            ("held-turn", waiting(WaitingFor::Release { collection: false })),
            ("held-collection", waiting(WaitingFor::Release { collection: true })),
            ("in-delivery", State::InDelivery { repeated: false }),
            ("repeating", State::InDelivery { repeated: true }),
            ("delivered", State::Delivered),
            ("acknowledged", State::Acknowledged),
            ("uncertain", State::Uncertain),
            ("refused", clearing(C::Refused)),
            ("repeat-refused", clearing(C::RepeatRefused)),
            ("exhausted", clearing(C::AttemptsExhausted)),
            ("unknown", clearing(C::OutcomeUnknown)),
            ("mismatch", clearing(C::DigestMismatch)),
            ("no-way", clearing(C::NoWay)),
            ("rejected-back", State::RejectedBack),
            ("expired", State::Expired),
            ("cancelled", State::Cancelled),
        ]
    }

    fn events() -> Vec<(&'static str, Event)> {
        let retry_at = Timestamp::MAX;
        vec![
            ("AttemptBegun", Event::AttemptBegun),
            ("AttemptConfirmed", Event::AttemptConfirmed),
            ("AttemptFailed", Event::AttemptFailed { retry_at }),
            ("AttemptsExhausted", Event::AttemptsExhausted),
            ("AttemptRefused", Event::AttemptRefused),
            ("AttemptLost", Event::AttemptLost),
            ("ResendAllowed", Event::ResendAllowed { retry_at }),
            ("FoundAtPeer", Event::FoundAtPeer),
            ("NotFoundAtPeer", Event::NotFoundAtPeer { retry_at }),
            ("OutcomeUnknowable", Event::OutcomeUnknowable),
            ("CollectionBegun", Event::CollectionBegun),
            ("Acknowledge", Event::Acknowledge),
            ("ExpiryReached", Event::ExpiryReached),
            ("Cancel", Event::Cancel),
            ("Hold", Event::Hold),
            ("Release", Event::Release),
            ("DigestMismatch", Event::DigestMismatch),
            ("WayLost", Event::WayLost),
            ("Detour", Event::Detour { collection: false }),
            ("DetourToInbox", Event::Detour { collection: true }),
            ("Resubmit", Event::Resubmit { collection: false }),
            ("ResubmitToInbox", Event::Resubmit { collection: true }),
            ("Reject", Event::Reject),
            ("CloseAsDelivered", Event::CloseAsDelivered),
        ]
    }

    /// Every pair that applies; all others must not. `+` behind the new state: due at once or at
    /// the retry time.
    const TABLE: &str = "
        turn            AttemptBegun       in-delivery
        turn            ExpiryReached      expired
        turn            Cancel             cancelled
        turn            Hold               held-turn
        turn            DigestMismatch     mismatch
        turn            WayLost            no-way
        turn            Detour             turn+
        turn            DetourToInbox      collection
        repeat          AttemptBegun       repeating
        repeat          DigestMismatch     mismatch
        repeat          WayLost            unknown
        collection      CollectionBegun    acknowledgement
        collection      Acknowledge        acknowledged
        collection      ExpiryReached      expired
        collection      Cancel             cancelled
        collection      Hold               held-collection
        collection      DigestMismatch     mismatch
        acknowledgement CollectionBegun    acknowledgement
        acknowledgement Acknowledge        acknowledged
        acknowledgement ExpiryReached      uncertain+
        acknowledgement DigestMismatch     mismatch
        held-turn       ExpiryReached      expired
        held-turn       Cancel             cancelled
        held-turn       Release            turn+
        held-collection ExpiryReached      expired
        held-collection Cancel             cancelled
        held-collection Release            collection
        in-delivery     AttemptConfirmed   delivered
        in-delivery     AttemptFailed      turn+
        in-delivery     AttemptsExhausted  exhausted
        in-delivery     AttemptRefused     refused
        in-delivery     AttemptLost        uncertain+
        in-delivery     DigestMismatch     mismatch
        repeating       AttemptConfirmed   delivered
        repeating       AttemptFailed      repeat+
        repeating       AttemptRefused     repeat-refused
        repeating       AttemptLost        uncertain+
        repeating       DigestMismatch     mismatch
        delivered       Acknowledge        acknowledged
        acknowledged    Acknowledge        acknowledged
        uncertain       ResendAllowed      repeat+
        uncertain       FoundAtPeer        delivered
        uncertain       NotFoundAtPeer     turn+
        uncertain       OutcomeUnknowable  unknown
        uncertain       Acknowledge        acknowledged
        refused         Resubmit           turn+
        refused         ResubmitToInbox    collection
        refused         Reject             rejected-back
        refused         CloseAsDelivered   delivered
        repeat-refused  Resubmit           repeat+
        repeat-refused  ResubmitToInbox    acknowledgement
        repeat-refused  Reject             rejected-back
        repeat-refused  CloseAsDelivered   delivered
        exhausted       Resubmit           turn+
        exhausted       ResubmitToInbox    collection
        exhausted       Reject             rejected-back
        unknown         Acknowledge        acknowledged
        unknown         Resubmit           repeat+
        unknown         ResubmitToInbox    acknowledgement
        unknown         Reject             rejected-back
        unknown         CloseAsDelivered   delivered
        mismatch        Reject             rejected-back
        no-way          Resubmit           turn+
        no-way          ResubmitToInbox    collection
        no-way          Reject             rejected-back
    ";

    #[test]
    fn every_pair_of_state_and_event_is_as_the_table_says() {
        let states = states();
        let mut table: Vec<(&str, &str, &str)> = TABLE
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let mut words = line.split_whitespace();
                let mut word = || words.next().expect("three words a line");
                (word(), word(), word())
            })
            .collect();
        for (name, state) in &states {
            for (event_name, event) in events() {
                let wanted = table.iter().position(|(s, e, _)| s == name && *e == event_name);
                let got = next(*state, event, NOW);
                match wanted {
                    None => assert_eq!(
                        got,
                        Err(NotApplicable { state: *state, event }),
                        "{name} {event_name} must change nothing"
                    ),
                    Some(row) => {
                        let (_, _, target) = table.swap_remove(row);
                        let target_state = states
                            .iter()
                            .find(|(n, _)| *n == target.trim_end_matches('+'))
                            .expect("a state of the table")
                            .1;
                        let got = got.unwrap_or_else(|e| panic!("{name} {event_name}: {e}"));
                        assert_eq!(got.state, target_state, "{name} {event_name}");
                        assert_eq!(got.due.is_some(), target.ends_with('+'), "{name} {event_name}");
                    }
                }
            }
        }
        assert_eq!(table, [], "rows that name no pair");
    }

    #[test]
    fn what_has_ended_stays_ended() {
        for (name, state) in states().into_iter().filter(|(_, s)| s.is_final()) {
            for (event_name, event) in events() {
                if let Ok(next) = next(state, event, NOW) {
                    assert_eq!(next.state, State::Acknowledged, "{name} {event_name}");
                }
            }
        }
    }

    #[test]
    fn what_may_have_arrived_is_never_ended_by_time_or_by_its_author() {
        let repeat = State::Waiting { on: WaitingFor::Repeat };
        for state in [State::Uncertain, repeat, State::InDelivery { repeated: true }] {
            for event in [Event::ExpiryReached, Event::Cancel, Event::Hold] {
                assert!(next(state, event, NOW).is_err(), "{state:?} {event:?}");
            }
        }
    }
}
