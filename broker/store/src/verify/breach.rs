//! How an act of people can lack the second person it needed.

use amtsbote_domain::text::Text;

/// One rule of acts by two that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The act needed another person, and no grant is named.
    Alone,
    /// Bit by bit one person did alone what needed another person's approval.
    Split,
    /// What only people may do, and may need two for, has no grounds.
    NoGrounds,
    /// The grant that the act names is not on record before the act.
    NoGrant,
    /// A proposal was judged, or is stored, that was not on record before.
    NoProposal,
    /// Who proposed granted.
    SamePerson,
    /// Judged when its time had run out.
    Late,
    /// Judged was another digest than the one proposed.
    OtherDigest,
    /// The set stored is not the one that the digest was taken over.
    OtherSet,
    /// The act, its reason or its people are not those of the proposal and its grant.
    OtherAct,
    /// The delivery, as it stood, or its way is not in the set that was granted.
    OutsideSet,
    /// Proposed, or judged, twice.
    Repeated,
    /// What is stored about the proposal is not what is on record.
    Row,
    /// More proposals than this check keeps: the act could not be looked at.
    TooMany,
}

impl Breach {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Alone,
        Self::Split,
        Self::NoGrounds,
        Self::NoGrant,
        Self::NoProposal,
        Self::SamePerson,
        Self::Late,
        Self::OtherDigest,
        Self::OtherSet,
        Self::OtherAct,
        Self::OutsideSet,
        Self::Repeated,
        Self::Row,
        Self::TooMany,
    ];

    /// A stable word for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Split => "split",
            Self::NoGrounds => "no-grounds",
            Self::NoGrant => "no-grant",
            Self::NoProposal => "no-proposal",
            Self::SamePerson => "same-person",
            Self::Late => "late",
            Self::OtherDigest => "other-digest",
            Self::OtherSet => "other-set",
            Self::OtherAct => "other-act",
            Self::OutsideSet => "outside-set",
            Self::Repeated => "repeated",
            Self::Row => "row",
            Self::TooMany => "too-many",
        }
    }

    /// What an auditor reads.
    pub fn text(self) -> Text {
        match self {
            Self::Alone => Text {
                de: "Dieser Eingriff brauchte die Freigabe einer zweiten Person und nennt keine.",
                en: "This act needed the approval of another person and names none.",
            },
            Self::Split => Text {
                de: "Eine Person allein hat in kurzer Zeit so viel davon getan, wie die Freigabe einer zweiten brauchte.",
                en: "One person alone did so much of this in a short time that it needed the approval of another.",
            },
            Self::NoGrounds => Text {
                de: "Ein Eingriff, der eine zweite Person brauchen kann, nennt weder Person noch Grund.",
                en: "An act that may need two people names neither a person nor a reason.",
            },
            Self::NoGrant => Text {
                de: "Die genannte Freigabe ist vor dem Eingriff nicht nachgewiesen.",
                en: "The approval named is not on record before the act.",
            },
            Self::NoProposal => Text {
                de: "Der Vorschlag, über den entschieden wurde, ist vorher nicht nachgewiesen.",
                en: "The proposal that was judged is not on record before.",
            },
            Self::SamePerson => Text {
                de: "Freigegeben hat dieselbe Person oder dasselbe Zertifikat wie vorgeschlagen.",
                en: "The person, or the certificate, that approved is the one that proposed.",
            },
            Self::Late => Text {
                de: "Über den Vorschlag wurde erst nach Ablauf seiner Frist entschieden.",
                en: "The proposal was judged after its time had run out.",
            },
            Self::OtherDigest => Text {
                de: "Entschieden wurde über eine andere Prüfsumme als die des Vorschlags.",
                en: "What was judged has another digest than the proposal.",
            },
            Self::OtherSet => Text {
                de: "Die gespeicherte Auswahl ist nicht die, über die die Prüfsumme des Vorschlags gebildet ist.",
                en: "The selection stored is not the one that the digest of the proposal is over.",
            },
            Self::OtherAct => Text {
                de: "Handlung, Grund oder Personen sind nicht die des Vorschlags und seiner Freigabe.",
                en: "Act, reason or people are not those of the proposal and its approval.",
            },
            Self::OutsideSet => Text {
                de: "Die Zustellung, wie sie stand, oder ihr Weg gehört nicht zur freigegebenen Auswahl.",
                en: "The delivery as it stood, or its way, is not in the selection approved.",
            },
            Self::Repeated => Text {
                de: "Derselbe Vorschlag ist zweimal gemacht oder zweimal entschieden.",
                en: "The same proposal was made twice, or judged twice.",
            },
            Self::Row => Text {
                de: "Die gespeicherten Angaben zum Vorschlag weichen von den Nachweisen ab.",
                en: "What is stored about the proposal differs from the records.",
            },
            Self::TooMany => Text {
                de: "Es gibt mehr Vorschläge, als diese Prüfung fassen kann.",
                en: "There are more proposals than this check can hold.",
            },
        }
    }
}
