//! What the Author of a message is told when it ends badly after it was accepted.
//!
//! Which change asks for a notice is decided here and nowhere else; the store writes the intent into the
//! transaction of the change. A notice is a message of its own. Nobody is told about a notice, so
//! nothing can go in circles.

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::directory::NoWay;
use crate::identity::{HubId, ServiceUri, Transport};
use crate::state::{Event, State, next};

/// The service of a notice that is not in the standard of the message it is about; also the
/// namespace of its content, which `schemas/packs/amtsbote-notice-1` describes.
pub const SERVICE: &str = "urn:amtsbote:notice:1";

/// What happened, as its Author is told. One message has at most one notice of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A person sent it back: it will not be delivered.
    RejectedBack,
    /// Its time ran out before anything left.
    Expired,
    /// A person on the operator's side withdrew it.
    Cancelled,
    /// Only to know: it is in clearing, a person must decide.
    InClearing,
    /// Only to know: it still waits, and its time is nearly over.
    ExpiresSoon,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::RejectedBack, Self::Expired, Self::Cancelled, Self::InClearing, Self::ExpiresSoon];

    /// Its word: in tables, evidence and the notice itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RejectedBack => "rejected-back",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::InClearing => "in-clearing",
            Self::ExpiresSoon => "expires-soon",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Which notice a change to this state asks for. `by_people`: on the operator's side; an Author who
    /// withdraws a message itself has its answer already.
    pub fn of_change(to: State, by_people: bool) -> Option<Self> {
        match to {
            State::RejectedBack => Some(Self::RejectedBack),
            State::Expired => Some(Self::Expired),
            State::Cancelled => by_people.then_some(Self::Cancelled),
            State::InClearing { .. } => Some(Self::InClearing),
            State::Waiting { .. }
            | State::InDelivery { .. }
            | State::Delivered
            | State::Acknowledged
            | State::Uncertain => None,
        }
    }

    /// Whether it is still true of a delivery in this state. What is not is not told.
    pub fn holds(self, state: State) -> bool {
        match self {
            Self::RejectedBack => state == State::RejectedBack,
            Self::Expired => state == State::Expired,
            Self::Cancelled => state == State::Cancelled,
            Self::InClearing => matches!(state, State::InClearing { .. }),
            // The time decides when it ends, not what it becomes.
            Self::ExpiresSoon => next(state, Event::ExpiryReached, Timestamp::UNIX_EPOCH)
                .is_ok_and(|next| next.state == State::Expired),
        }
    }
}

/// Whether this is a notice itself: nobody is told about those, be they our own or another hub's.
pub fn is_notice(transport: &str, service: &str) -> bool {
    transport == Transport::Hub.as_str() || service == SERVICE
}

/// The service of generic notices.
pub fn service() -> ServiceUri {
    ServiceUri::parse(SERVICE).expect("the constant is a service")
}

/// What a notice is about: part of the record of its acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The message.
    pub hub_id: HubId,
    /// What its Author is told.
    pub notice: Kind,
}

/// In which form the Author is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The business rejection of the standard, in the Author's version.
    BusinessRejection,
    /// Ours.
    Generic,
}

/// What became of the intent to tell the Author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    /// A notice was accepted.
    Sent {
        /// Under this hub id.
        by: HubId,
        /// In this form.
        form: Form,
    },
    /// There is no way to the Author; nobody tries again.
    Withheld {
        /// Why.
        why: Withheld,
    },
}

/// Why an Author cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// The directory does not know the Author, and no account collects for it.
    UnknownAuthor,
    /// The Author offers neither the service of the message nor that of notices.
    ServiceNotOffered,
    /// It did or will, but not now.
    NotAtThisTime,
    /// A test message of an Author who has no test system, or the other way round (P11).
    TestAndProduction,
    /// What the Author is to be told cannot be read in the store any more.
    Unreadable,
}

impl Withheld {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAuthor => "unknown-author",
            Self::ServiceNotOffered => "service-not-offered",
            Self::NotAtThisTime => "not-at-this-time",
            Self::TestAndProduction => "test-and-production",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<NoWay> for Withheld {
    fn from(reason: NoWay) -> Self {
        match reason {
            NoWay::UnknownReader => Self::UnknownAuthor,
            NoWay::ServiceNotOffered => Self::ServiceNotOffered,
            NoWay::NotAtThisTime => Self::NotAtThisTime,
            NoWay::TestAndProduction => Self::TestAndProduction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{ClearingCause, WaitingFor};

    const CLEARING: State = State::InClearing { cause: ClearingCause::NoWay };

    fn states() -> Vec<State> {
        let mut states = vec![
            State::InDelivery { repeated: false },
            State::InDelivery { repeated: true },
            State::Delivered,
            State::Acknowledged,
            State::Uncertain,
            CLEARING,
            State::RejectedBack,
            State::Expired,
            State::Cancelled,
        ];
        states.extend(
            [
                WaitingFor::Turn,
                WaitingFor::Repeat,
                WaitingFor::Collection,
                WaitingFor::Acknowledgement,
                WaitingFor::Release { collection: false },
                WaitingFor::Release { collection: true },
            ]
            .map(|on| State::Waiting { on }),
        );
        states
    }

    #[test]
    fn bad_endings_are_told_and_good_ones_are_not() {
        for to in states() {
            for by_people in [false, true] {
                let wanted = match to {
                    State::RejectedBack => Some(Kind::RejectedBack),
                    State::Expired => Some(Kind::Expired),
                    State::Cancelled if by_people => Some(Kind::Cancelled),
                    State::InClearing { .. } => Some(Kind::InClearing),
                    _ => None,
                };
                assert_eq!(Kind::of_change(to, by_people), wanted, "{to:?} {by_people}");
            }
        }
    }

    #[test]
    fn what_is_told_is_true_when_it_is_told() {
        for state in states() {
            let told: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.holds(state)).collect();
            let wanted = match state {
                State::RejectedBack => vec![Kind::RejectedBack],
                State::Expired => vec![Kind::Expired],
                State::Cancelled => vec![Kind::Cancelled],
                State::InClearing { .. } => vec![Kind::InClearing],
                State::Waiting {
                    on: WaitingFor::Turn | WaitingFor::Collection | WaitingFor::Release { .. },
                } => vec![Kind::ExpiresSoon],
                // What may have left cannot expire any more.
                _ => vec![],
            };
            assert_eq!(told, wanted, "{state:?}");
        }
    }

    #[test]
    fn nobody_is_told_about_a_notice() {
        assert!(is_notice("hub", "urn:example:register"));
        assert!(is_notice("native", SERVICE));
        assert!(!is_notice("native", "urn:example:register"));
        assert_eq!(service().as_str(), SERVICE);
    }

    #[test]
    fn words_are_the_same_everywhere() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(
                serde_json::to_string(&kind).expect("json"),
                format!("\"{}\"", kind.as_str())
            );
        }
        assert_eq!(Kind::parse("because"), None);
        for why in [
            Withheld::UnknownAuthor,
            Withheld::ServiceNotOffered,
            Withheld::NotAtThisTime,
            Withheld::TestAndProduction,
            Withheld::Unreadable,
        ] {
            assert_eq!(serde_json::to_string(&why).expect("json"), format!("\"{}\"", why.as_str()));
        }
    }
}
