//! The attempts in the history of one message. Pure, so that each rule is shown to be able to fail.
//!
//! A node that stood still beyond its lease may record nothing: what the others concluded stands. So
//! every attempt has one ending, none ends that was not begun, and nothing comes after the end.

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::state::Event;

/// What became of the attempts of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    /// All that were begun.
    pub(super) begun: u32,
    /// Of these, repetitions under the same id, flagged as such.
    pub(super) repeated: u32,
    /// Of these, nobody knows how they ended.
    pub(super) lost: u32,
}

/// Counts them, or says what cannot be.
pub(super) fn check(history: &[Evidence]) -> Result<Attempts, String> {
    let mut found = Attempts::default();
    let (mut open, mut ended) = (false, false);
    for evidence in history {
        match evidence {
            Evidence::Attempt { attempt, repeated, .. } => {
                if open || ended {
                    return Err(format!("attempt {attempt} was begun beside another, or too late"));
                }
                if *attempt != found.begun + 1 {
                    return Err(format!("attempt {attempt} follows {}", found.begun));
                }
                if found.lost > 0 && !*repeated {
                    return Err(format!("attempt {attempt} may be a duplicate and is not flagged"));
                }
                (found.begun, open) = (*attempt, true);
                found.repeated += u32::from(*repeated);
            }
            Evidence::Changed { event, to, .. } => {
                let ends_attempt = matches!(
                    event,
                    Event::AttemptConfirmed
                        | Event::AttemptFailed { .. }
                        | Event::AttemptsExhausted
                        | Event::AttemptRefused
                        | Event::AttemptLost
                );
                if ended {
                    return Err("it changed after its end".to_owned());
                }
                if ends_attempt && !open {
                    return Err("an attempt ended that was not open".to_owned());
                }
                open &= !ends_attempt;
                found.lost += u32::from(*event == Event::AttemptLost);
                ended = to.is_final();
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::identity::HubId;
    use amtsbote_domain::state::State;

    fn id() -> HubId {
        HubId::parse("0190-1").expect("an id")
    }

    fn attempt(attempt: u32, repeated: bool) -> Evidence {
        Evidence::Attempt { hub_id: id(), attempt, peer: "far".into(), repeated, node: None }
    }

    fn changed(event: Event, to: State) -> Evidence {
        let from = State::InDelivery { repeated: false };
        let (hub_id, by, code, digest, grounds) = (id(), None, None, None, None);
        Evidence::Changed { hub_id, from, event, to, by, code, digest, grounds, detour: None }
    }

    #[test]
    fn one_ending_for_each_attempt() {
        let history = [
            attempt(1, false),
            changed(Event::AttemptLost, State::Uncertain),
            attempt(2, true),
            changed(Event::AttemptConfirmed, State::Delivered),
        ];
        let wanted = Attempts { begun: 2, repeated: 1, lost: 1 };
        assert_eq!(check(&history), Ok(wanted));
        assert_eq!(check(&[]), Ok(Attempts::default()));
    }

    #[test]
    fn what_a_stale_node_might_record_is_found() {
        let lost = || changed(Event::AttemptLost, State::Uncertain);
        let confirmed = || changed(Event::AttemptConfirmed, State::Delivered);
        for (history, wanted) in [
            (vec![attempt(1, false), attempt(2, true)], "beside another"),
            (vec![attempt(2, false)], "follows 0"),
            (vec![attempt(1, false), lost(), confirmed()], "was not open"),
            (vec![attempt(1, false), confirmed(), confirmed()], "after its end"),
            (vec![attempt(1, false), confirmed(), attempt(2, true)], "too late"),
            (vec![attempt(1, false), lost(), attempt(2, false)], "not flagged"),
        ] {
            let refused = check(&history).expect_err(wanted);
            assert!(refused.contains(wanted), "{refused}");
        }
    }
}
