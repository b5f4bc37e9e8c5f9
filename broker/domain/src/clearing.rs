//! Clearing: what people decide about deliveries, alone or by two.
//!
//! A decision names the deliveries it was made for as they were seen: each with its revision. What
//! has changed meanwhile is left alone and said. An act that is grave, or large, is a [`Proposal`]
//! and takes effect when another person grants it. Large is also what one person does bit by bit: what
//! they did alone of the same act lately counts ([`Alone`]).

use std::fmt;
use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::identity::{HubId, ProposalId};
use crate::state::{ClearingCause, Event, State, next};
use crate::text::Text;

/// Most deliveries that one act may be about.
pub const MAX_TARGETS: usize = 10_000;
/// From more deliveries than these on an act needs two people, however harmless it is; within
/// [`ALONE_HOURS`] all that one person does alone of it counts.
pub const LARGE: usize = 20;
/// Over how many hours what one person did alone of one act is summed up, if nothing else is set.
pub const ALONE_HOURS: u32 = 24;
/// The hours that may be set.
pub const ALONE_HOURS_ALLOWED: RangeInclusive<u32> = 1..=168;
/// Longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// Most proposals that may be open at the same time.
pub const MAX_OPEN_PROPOSALS: u32 = 200;
/// How long a proposal waits for another person.
pub const PROPOSAL_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A person under a certificate of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name as the node's configuration has it.
    pub name: String,
    /// SHA-256 over the DER of the personal certificate.
    pub certificate: Digest,
}

impl Person {
    /// Whether both are one person: a second certificate of the same person is no second person.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name || self.certificate == other.certificate
    }
}

/// Why a person acts, in their own words. It becomes evidence: operators see it, and with the receipt
/// over a change of state the parties of the message do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// A text that is no [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason has 1 to {MAX_REASON} characters and no control characters")]
pub struct BadReason;

impl Reason {
    /// Reads it; white space around it is left away.
    pub fn parse(text: &str) -> Result<Self, BadReason> {
        let text = text.trim();
        let good = !text.is_empty()
            && text.chars().count() <= MAX_REASON
            && !text.chars().any(char::is_control);
        if good { Ok(Self(text.to_owned())) } else { Err(BadReason) }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = BadReason;
    fn try_from(text: String) -> Result<Self, BadReason> {
        Self::parse(&text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person does with deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Send it again under the same id, by the way that the directory has now.
    Resubmit,
    /// Send it again under the same id, by a way that the person names.
    Reroute,
    /// Back to the Author: it will not be delivered.
    Reject,
    /// It arrived: the person knows what no machine could find out.
    Close,
    /// Stop it before anything leaves.
    Hold,
    /// Let what is held go on.
    Release,
    /// Withdraw it for the Author before anything leaves.
    Cancel,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Resubmit,
        Self::Reroute,
        Self::Reject,
        Self::Close,
        Self::Hold,
        Self::Release,
        Self::Cancel,
    ];

    /// Its word, on the command line and in evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resubmit => "resubmit",
            Self::Reroute => "reroute",
            Self::Reject => "reject",
            Self::Close => "close",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }

    /// What it is in the table of states. `collection`: the Reader collects it.
    pub fn event(self, collection: bool) -> Event {
        match self {
            Self::Resubmit | Self::Reroute => Event::Resubmit { collection },
            Self::Reject => Event::Reject,
            Self::Close => Event::CloseAsDelivered,
            Self::Hold => Event::Hold,
            Self::Release => Event::Release,
            Self::Cancel => Event::Cancel,
        }
    }

    /// Whether the delivery goes somewhere by it, so that a way must be named.
    pub fn needs_way(self) -> bool {
        matches!(self, Self::Resubmit | Self::Reroute)
    }

    /// Whether the table of states allows it.
    pub fn applies(self, state: State) -> bool {
        next(state, self.event(false), Timestamp::UNIX_EPOCH).is_ok()
    }

    /// Whether one person alone must not do it: a person's word takes the place of a machine's, or
    /// the message may come to the Reader twice, or goes where the directory does not send it, or
    /// its Author is told that it was rejected although it may have arrived.
    pub fn is_grave(self, state: State) -> bool {
        // Octets that changed at rest may have been collected, or sent, before they did.
        let unknown = matches!(
            state,
            State::InClearing {
                cause: ClearingCause::OutcomeUnknown
                    | ClearingCause::RepeatRefused
                    | ClearingCause::DigestMismatch
            }
        );
        match self {
            Self::Close | Self::Reroute => true,
            Self::Resubmit | Self::Reject => unknown,
            Self::Hold | Self::Release | Self::Cancel => false,
        }
    }

    /// What it does, in words.
    pub fn effect(self) -> Text {
        match self {
            Self::Resubmit => Text {
                de: "wird unter derselben Kennung auf dem Weg gesendet, den das Verzeichnis jetzt nennt",
                en: "is sent under the same id by the way that the directory has now",
            },
            Self::Reroute => Text {
                de: "wird unter derselben Kennung auf dem genannten Weg gesendet",
                en: "is sent under the same id by the way named",
            },
            Self::Reject => Text {
                de: "geht an den Autor zurück und wird nicht zugestellt",
                en: "goes back to its Author and is not delivered",
            },
            Self::Close => Text {
                de: "gilt als zugestellt; gesendet wird nichts",
                en: "counts as delivered; nothing is sent",
            },
            Self::Hold => Text {
                de: "wird angehalten, bis jemand sie freigibt",
                en: "is stopped until somebody releases it",
            },
            Self::Release => Text { de: "geht weiter", en: "goes on" },
            Self::Cancel => Text {
                de: "wird zurückgezogen und nicht zugestellt",
                en: "is withdrawn and not delivered",
            },
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ClearingCause {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::RepeatRefused => "repeat-refused",
            Self::AttemptsExhausted => "attempts-exhausted",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::DigestMismatch => "digest-mismatch",
            Self::NoWay => "no-way",
        }
    }

    /// What a person should look at before deciding.
    pub fn advice(self) -> Text {
        match self {
            Self::Refused => Text {
                de: "Der nächste Knoten hat die Nachricht endgültig abgelehnt. Ablehnungscode in der Historie lesen; \
                     ist die Ursache dort behoben, erneut senden, sonst an den Autor zurückgeben.",
                en: "The next node refused the message for good. Read its code in the timeline; send again when \
                     the cause is mended there, else reject it back to the Author.",
            },
            Self::RepeatRefused => Text {
                de: "Eine Wiederholung wurde abgelehnt; der Versuch davor kann angekommen sein. Erst beim Empfänger \
                     nach der Kennung fragen, dann abschließen oder erneut senden.",
                en: "A repetition was refused; the attempt before may have arrived. Ask the recipient for the id \
                     first, then close it or send again.",
            },
            Self::AttemptsExhausted => Text {
                de: "Kein Versuch hat den nächsten Knoten erreicht, angekommen ist nichts. Ist er wieder erreichbar, \
                     erneut senden.",
                en: "No attempt reached the next node, nothing arrived. Send again when it can be reached.",
            },
            Self::OutcomeUnknown => Text {
                de: "Ob die Nachricht ankam, ist unbekannt und lässt sich nicht abfragen. Beim Empfänger nach der \
                     Kennung fragen: angekommen – abschließen; nicht angekommen – erneut senden.",
                en: "Whether the message arrived is unknown and cannot be asked by machine. Ask the recipient for \
                     the id: arrived, close it; not arrived, send again.",
            },
            Self::DigestMismatch => Text {
                de: "Die gespeicherten Bytes sind nicht mehr die angenommenen. Nicht senden: Speicher prüfen \
                     (doctor, archive verify), an den Autor zurückgeben und um erneute Sendung bitten.",
                en: "The octets at rest are no longer those accepted. Do not send: check the storage (doctor, \
                     archive verify), reject it back and ask the Author to send it anew.",
            },
            Self::NoWay => Text {
                de: "Das Verzeichnis kennt keinen Weg mehr zum Leser. Verzeichnis berichtigen und erneut senden, \
                     oder einen anderen Weg nennen, oder an den Autor zurückgeben.",
                en: "The directory has no way to the Reader any more. Put the directory right and send again, or \
                     name another way, or reject it back.",
            },
        }
    }

    /// The cause of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Refused,
            Self::RepeatRefused,
            Self::AttemptsExhausted,
            Self::OutcomeUnknown,
            Self::DigestMismatch,
            Self::NoWay,
        ]
        .into_iter()
        .find(|cause| cause.as_str() == word)
    }
}

/// A delivery as the person who decides saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which.
    pub hub_id: HubId,
    /// Its revision then. One that has another now is left alone.
    pub revision: u64,
    /// Where it goes, if the act needs a way: `inbox`, or `peer:` and a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// A decision about deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub act: Act,
    /// By whom.
    pub by: Person,
    /// Why.
    pub reason: Reason,
    /// To which; at most [`MAX_TARGETS`].
    pub targets: Vec<Target>,
}

impl Decision {
    /// What a proposal's digest is taken over; see [`canonical`].
    pub fn canonical(&self) -> Vec<u8> {
        canonical(self.act, &self.targets)
    }
}

/// Act and targets, one line each: what a proposal's digest is taken over. Who grants a proposal names
/// the digest, so that nothing else can be slipped under the grant.
pub fn canonical(act: Act, targets: &[Target]) -> Vec<u8> {
    let mut text = format!("amtsbote decision 1\n{act}\n");
    for Target { hub_id, revision, channel } in targets {
        let channel = channel.as_deref().unwrap_or("-");
        text.push_str(&format!("{hub_id} {revision} {channel}\n"));
    }
    text.into_bytes()
}

/// What one person did alone of one act within a span that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alone {
    /// To how many deliveries.
    pub count: u32,
    /// The span, in hours.
    pub hours: u32,
}

/// Why an act needs two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsTwo {
    /// It is grave for at least one of its deliveries; see [`Act::is_grave`].
    Grave,
    /// It is about more than [`LARGE`] deliveries.
    Large,
    /// It would be, with what the person did alone of it before.
    Sum(Alone),
}

impl NeedsTwo {
    /// Whether a number of deliveries is one too many for one person who did so much before.
    pub fn by_count(count: usize, before: Alone) -> Option<Self> {
        match count.saturating_add(before.count as usize) > LARGE {
            false => None,
            true if count > LARGE => Some(Self::Large),
            true => Some(Self::Sum(before)),
        }
    }

    /// Its word for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grave => "grave",
            Self::Large => "large",
            Self::Sum(_) => "sum",
        }
    }

    /// What a person reads, in German and in English.
    pub fn told(self) -> (String, String) {
        match self {
            Self::Grave => (
                "Eine zweite Person muss das freigeben: Der Eingriff ist schwerwiegend.".to_owned(),
                "A second person must grant this: the act is grave.".to_owned(),
            ),
            Self::Large => (
                format!(
                    "Eine zweite Person muss das freigeben: Es sind mehr als {LARGE} Zustellungen."
                ),
                format!("A second person must grant this: it is more than {LARGE} deliveries."),
            ),
            Self::Sum(Alone { count, hours }) => (
                format!(
                    "Eine zweite Person muss das freigeben: Zusammen mit dem, was Sie davon innerhalb \
                     von {hours} h allein getan haben ({count}), sind es mehr als {LARGE} Zustellungen."
                ),
                format!(
                    "A second person must grant this: with what you did of it alone within {hours} h \
                     ({count}), it is more than {LARGE} deliveries."
                ),
            ),
        }
    }
}

/// What became of one delivery that a decision named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Decided {
    /// Done; its state now.
    Done {
        /// The state.
        state: State,
    },
    /// It had changed since the person saw it; nothing was done.
    ChangedMeanwhile,
    /// The table of states does not allow it; nothing was done.
    NotApplicable,
    /// Another person has taken the case; nothing was done.
    TakenBy {
        /// Who.
        name: String,
    },
    /// There is no such delivery.
    NotFound,
}

/// On which grounds a state was changed by people; part of the evidence of the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// What was done.
    pub act: Act,
    /// By whom: for a proposal, who made it.
    pub by: Person,
    /// Why.
    pub reason: Reason,
    /// Who granted the proposal, and which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// To how many deliveries one person did it at once, this one counted; none for one alone, and
    /// under a grant, whose proposal says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<u32>,
    /// For how many deliveries this person decided so alone within the span, these included; none under a
    /// grant, and in records from before this was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Alone>,
    /// Where it goes from here, where that was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// The grant of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Which proposal.
    pub proposal: ProposalId,
    /// By whom.
    pub by: Person,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It waits for another person.
    Open,
    /// Granted: it is being carried out, or was.
    Granted,
    /// Another person denied it, or who made it took it back.
    Denied,
    /// Nobody decided in time.
    Expired,
}

impl Standing {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

/// An act that waits for, or had, a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Which.
    pub id: ProposalId,
    /// What is to be done.
    pub act: Act,
    /// Over act and targets; see [`Decision::canonical`].
    pub digest: Digest,
    /// How many deliveries.
    pub count: u32,
    /// Of these, how many the act was carried out or refused for.
    pub settled: u32,
    /// Who proposes it.
    pub by: Person,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub made_at: Timestamp,
    /// Until when it can be granted.
    pub expires: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// Who granted or denied it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// The word of the second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Whose.
    pub by: Person,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

/// Why an act of a person was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Another person has taken the case.
    #[error("{0} has taken this case")]
    TakenBy(String),
    /// The person has not taken the case.
    #[error("this case is not taken by you")]
    NotTaken,
    /// It is not in clearing.
    #[error("this delivery is not in clearing")]
    NoCase,
    /// Who proposed cannot grant.
    #[error("who proposes an act cannot grant it")]
    SamePerson,
    /// It was granted or denied, or its time has run out.
    #[error("this proposal is not open any more ({})", .0.as_str())]
    NotOpen(Standing),
    /// The digest that was granted is not that of the proposal.
    #[error("the digest is not that of the proposal")]
    OtherDigest,
    /// With what the person did alone before, it is too much for one.
    #[error("with the {} deliveries of the last {} hours it is too much for one person", .0.count, .0.hours)]
    Sum(Alone),
    /// Too many proposals are open.
    #[error("{MAX_OPEN_PROPOSALS} proposals are open already")]
    TooManyOpen,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::WaitingFor;

    fn clearing(cause: ClearingCause) -> State {
        State::InClearing { cause }
    }

    #[test]
    fn a_reason_is_bounded_and_plain() {
        assert_eq!(Reason::parse("  Anruf in Lemgo ").expect("good").as_str(), "Anruf in Lemgo");
        for bad in ["", "   ", "a\nb", &"ä".repeat(MAX_REASON + 1)] {
            assert_eq!(Reason::parse(bad), Err(BadReason), "{bad:?}");
        }
        assert!(Reason::parse(&"ä".repeat(MAX_REASON)).is_ok());
        assert!(serde_json::from_str::<Reason>(r#""a\u0007""#).is_err());
    }

    #[test]
    fn acts_apply_where_the_table_of_states_says() {
        let held = State::Waiting { on: WaitingFor::Release { collection: false } };
        let turn = State::Waiting { on: WaitingFor::Turn };
        for (act, yes, no) in [
            (
                Act::Resubmit,
                clearing(ClearingCause::NoWay),
                clearing(ClearingCause::DigestMismatch),
            ),
            (Act::Reroute, clearing(ClearingCause::Refused), turn),
            (Act::Reject, clearing(ClearingCause::DigestMismatch), State::Delivered),
            (Act::Close, clearing(ClearingCause::OutcomeUnknown), clearing(ClearingCause::NoWay)),
            (Act::Hold, turn, State::Uncertain),
            (Act::Release, held, turn),
            (Act::Cancel, held, State::Uncertain),
        ] {
            assert!(act.applies(yes), "{act} {yes:?}");
            assert!(!act.applies(no), "{act} {no:?}");
        }
    }

    #[test]
    fn what_could_deliver_twice_or_lie_needs_two() {
        for (act, cause, grave) in [
            (Act::Close, ClearingCause::Refused, true),
            (Act::Reroute, ClearingCause::NoWay, true),
            (Act::Resubmit, ClearingCause::OutcomeUnknown, true),
            (Act::Resubmit, ClearingCause::RepeatRefused, true),
            (Act::Resubmit, ClearingCause::AttemptsExhausted, false),
            (Act::Reject, ClearingCause::OutcomeUnknown, true),
            (Act::Reject, ClearingCause::Refused, false),
            (Act::Reject, ClearingCause::DigestMismatch, true),
        ] {
            assert_eq!(act.is_grave(clearing(cause)), grave, "{act} {cause:?}");
        }
        let held = State::Waiting { on: WaitingFor::Release { collection: true } };
        assert!(!Act::Release.is_grave(held) && !Act::Cancel.is_grave(held));
    }

    #[test]
    fn what_one_did_before_counts() {
        let before = |count| Alone { count, hours: ALONE_HOURS };
        let sum = |count| Some(NeedsTwo::Sum(before(count)));
        for (count, done, needs) in [
            (LARGE, 0, None),
            (LARGE + 1, 0, Some(NeedsTwo::Large)),
            (1, LARGE as u32 - 1, None),
            (1, LARGE as u32, sum(LARGE as u32)),
            (LARGE, 1, sum(1)),
            (LARGE + 1, 7, Some(NeedsTwo::Large)),
            (1, u32::MAX, sum(u32::MAX)),
        ] {
            assert_eq!(NeedsTwo::by_count(count, before(done)), needs, "{count} after {done}");
        }
        assert!(ALONE_HOURS_ALLOWED.contains(&ALONE_HOURS));
        let (de, en) = NeedsTwo::Sum(before(17)).told();
        for text in [de, en] {
            assert!(text.contains("17") && text.contains("24") && text.contains("20"), "{text}");
        }
    }

    #[test]
    fn a_second_certificate_is_no_second_person() {
        let person =
            |name: &str, octet| Person { name: name.to_owned(), certificate: Digest([octet; 32]) };
        assert!(person("anna", 1).is(&person("anna", 2)));
        assert!(person("anna", 1).is(&person("berta", 1)));
        assert!(!person("anna", 1).is(&person("berta", 2)));
    }

    #[test]
    fn causes_and_acts_have_words_of_their_own() {
        for cause in [
            "refused",
            "repeat-refused",
            "attempts-exhausted",
            "outcome-unknown",
            "digest-mismatch",
            "no-way",
        ] {
            let parsed = ClearingCause::parse(cause).expect(cause);
            assert_eq!(parsed.as_str(), cause);
            let json = serde_json::to_string(&parsed).expect("json");
            assert_eq!(json, format!("\"{cause}\""), "one word everywhere");
        }
        assert_eq!(ClearingCause::parse("because"), None);
        for act in Act::ALL {
            let json = serde_json::to_string(&act).expect("json");
            assert_eq!(json, format!("\"{act}\""));
        }
    }

    #[test]
    fn the_digest_is_over_everything_that_takes_effect() {
        let target = |revision, channel: Option<&str>| Target {
            hub_id: HubId::parse("0197a2c4-0000-7000-8000-000000000001").expect("an id"),
            revision,
            channel: channel.map(str::to_owned),
        };
        let by = Person { name: "anna".to_owned(), certificate: Digest([1; 32]) };
        let reason = Reason::parse("x").expect("a reason");
        let decision =
            |act, targets| Decision { act, by: by.clone(), reason: reason.clone(), targets };
        let base = decision(Act::Close, vec![target(3, None)]).canonical();
        for other in [
            decision(Act::Reject, vec![target(3, None)]),
            decision(Act::Close, vec![target(4, None)]),
            decision(Act::Close, vec![target(3, Some("inbox"))]),
            decision(Act::Close, vec![target(3, None), target(3, None)]),
            decision(Act::Close, vec![]),
        ] {
            assert_ne!(other.canonical(), base);
        }
    }
}
