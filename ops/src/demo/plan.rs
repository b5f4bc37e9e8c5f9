//! What is sent in the demo, and how each message must end.

use amtsbote_adapters::probe::Flaw;
use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::{Language, Text};
use uuid::Uuid;

use super::content::{Story, Version};
use crate::node::region::{SERVICE, Town};
use crate::outcome::{Context, Failure};

/// Fewest messages: every case occurs at least once.
pub(crate) const MIN_MESSAGES: usize = 60;

/// A kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// A notice, as it should be.
    Notice,
    /// An answer, as it should be.
    Answer,
    /// A notice with a part beside it.
    Attachment,
    /// The same message twice: one acceptance, one receipt.
    Repeat,
    /// Not to be handed over before tomorrow.
    NotBefore,
    /// Withdrawn before anything left.
    Cancelled,
    /// A second message under the id of a first.
    OtherContent,
    /// Signed with the key of another town.
    ForeignKey,
    /// Handed in by another town's account.
    ForeignAccount,
    /// A test message for a real system.
    TestMark,
    /// Wrong in one known point.
    Flawed(Flaw),
}

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In this state.
    State(&'static str),
    /// Refused with this code.
    Refused(Code),
}

impl Ending {
    /// The word in output: a state or a code.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::State(word) => word,
            Self::Refused(code) => code.as_str(),
        }
    }
}

/// Those that are wrong in a way of their own, or right in one.
const SPECIAL: [Case; 9] = [
    Case::Answer,
    Case::Attachment,
    Case::Repeat,
    Case::NotBefore,
    Case::Cancelled,
    Case::OtherContent,
    Case::ForeignKey,
    Case::ForeignAccount,
    Case::TestMark,
];

impl Case {
    /// Every case but the plain one, in the order in which the report shows them.
    pub(crate) fn special() -> impl Iterator<Item = Self> {
        SPECIAL.into_iter().chain(Flaw::ALL.iter().copied().map(Self::Flawed))
    }

    /// Its name, for scripts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Answer => "answer",
            Self::Attachment => "attachment",
            Self::Repeat => "identical-repeat",
            Self::NotBefore => "not-before",
            Self::Cancelled => "cancelled",
            Self::OtherContent => "same-id-other-content",
            Self::ForeignKey => "foreign-key",
            Self::ForeignAccount => "foreign-account",
            Self::TestMark => "test-to-production",
            Self::Flawed(flaw) => flaw.name(),
        }
    }

    /// How it must end.
    pub(crate) fn expected(self) -> Ending {
        match self {
            Self::Notice | Self::Answer | Self::Attachment | Self::Repeat => {
                Ending::State("acknowledged")
            }
            Self::NotBefore => Ending::State("waiting"),
            Self::Cancelled => Ending::State("cancelled"),
            Self::OtherContent => Ending::Refused(Code::SameIdOtherContent),
            Self::ForeignKey => Ending::Refused(Code::SignerNotTrusted),
            Self::ForeignAccount => Ending::Refused(Code::AccountNotForAuthor),
            Self::TestMark => Ending::Refused(Code::TestAndProduction),
            Self::Flawed(flaw) => Ending::Refused(refusal(flaw)),
        }
    }

    /// What it is, in words.
    pub(crate) fn title(self, language: Language) -> &'static str {
        self.text().get(language)
    }

    fn text(self) -> Text {
        match self {
            Self::Notice => Text { de: "Mitteilung", en: "notice" },
            Self::Answer => Text { de: "Antwort", en: "answer" },
            Self::Attachment => Text { de: "mit Anlage", en: "with attachment" },
            Self::Repeat => Text { de: "unverändert wiederholt", en: "identical repeat" },
            Self::NotBefore => Text { de: "erst ab morgen zuzustellen", en: "not before tomorrow" },
            Self::Cancelled => {
                Text { de: "vom Autor zurückgezogen", en: "withdrawn by the Author" }
            }
            Self::OtherContent => {
                Text { de: "gleiche Kennung, anderer Inhalt", en: "same id, other content" }
            }
            Self::ForeignKey => {
                Text { de: "mit fremdem Schlüssel signiert", en: "signed with a foreign key" }
            }
            Self::ForeignAccount => {
                Text { de: "über ein fremdes Konto", en: "through a foreign account" }
            }
            Self::TestMark => {
                Text { de: "Test an ein echtes System", en: "test message to a real system" }
            }
            Self::Flawed(flaw) => flaw_text(flaw),
        }
    }
}

fn flaw_text(flaw: Flaw) -> Text {
    match flaw {
        Flaw::NotWellFormed => Text { de: "nicht wohlgeformt", en: "not well-formed" },
        Flaw::SchemaInvalid => Text { de: "verletzt das Schema", en: "breaks the schema" },
        Flaw::Entity => Text { de: "DTD mit Entität", en: "DTD with an entity" },
        Flaw::DeeplyNested => Text { de: "viel zu tief geschachtelt", en: "nested far too deep" },
        Flaw::WrongEncoding => Text { de: "falsche Zeichenkodierung", en: "wrong encoding" },
        Flaw::UnknownStandard => Text { de: "unbekannter Standard", en: "unknown standard" },
        Flaw::BadSignature => Text { de: "Signaturwert verändert", en: "signature value changed" },
        Flaw::WrappedSignature => Text { de: "untergeschobene Signatur", en: "wrapped signature" },
        Flaw::TamperedEnvelope => Text { de: "Umschlag verändert", en: "envelope changed" },
        Flaw::TamperedPayload => Text { de: "Inhalt verändert", en: "payload changed" },
        Flaw::Unsigned => Text { de: "ohne Signatur", en: "without signature" },
        Flaw::BrokenEnvelope => Text { de: "Umschlag abgebrochen", en: "envelope breaks off" },
        Flaw::NotPermitted => Text { de: "nicht erlaubt", en: "not permitted" },
        Flaw::UnknownReader => Text { de: "unbekannter Leser", en: "unknown recipient" },
        Flaw::Expired => Text { de: "Frist abgelaufen", en: "expired" },
        Flaw::PartMissing => Text { de: "Teil fehlt", en: "a part is missing" },
        Flaw::PartTooMany => Text { de: "Teil zu viel", en: "a part too many" },
    }
}

/// Where a hub has a choice of codes, ours answers with this one.
fn refusal(flaw: Flaw) -> Code {
    match flaw {
        Flaw::PartMissing => Code::PartMissing,
        other => other.codes()[0],
    }
}

/// One message of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Its place in the plan.
    pub(crate) number: usize,
    /// Its kind.
    pub(crate) case: Case,
    /// What it tells.
    pub(crate) story: Story,
    /// What it says about itself.
    pub(crate) metadata: Metadata,
    /// The town whose key or account is misused, by its place in the region.
    pub(crate) other: usize,
    /// The author's place in the region.
    pub(crate) author: usize,
}

/// Plans `count` messages among the towns: every case as often as fits, the rest notices.
pub(crate) fn plan(
    count: usize,
    towns: &[Town],
    versions: &[Version],
    now: Timestamp,
) -> Result<Vec<Planned>, Failure> {
    let special: Vec<Case> = Case::special().collect();
    let rounds = (count / MIN_MESSAGES).max(1);
    let mut cases = vec![Case::Notice; count];
    // Spread over the whole, so that good and broken ones come mixed.
    for (n, case) in special.iter().cycle().take(special.len() * rounds).enumerate() {
        cases[n * count / (special.len() * rounds)] = *case;
    }
    let planned = |(number, case)| planned(number, case, towns, versions, now);
    cases.into_iter().enumerate().map(planned).collect()
}

fn planned(
    number: usize,
    case: Case,
    towns: &[Town],
    versions: &[Version],
    now: Timestamp,
) -> Result<Planned, Failure> {
    let author = number % towns.len();
    // Every town writes to many others: a step that is no divisor, and never to itself.
    let step = 1 + (number / towns.len() * 11 + number * 5) % (towns.len() - 1);
    let reader = (author + step) % towns.len();
    let other = (0..towns.len()).find(|town| *town != author && *town != reader).unwrap_or(reader);
    let uuid = Uuid::new_v4().to_string();
    let id = format!("demo-{number:05}-{}", &uuid[..8]);
    let attachment =
        (case == Case::Attachment).then(|| (ATTACHMENT.0.to_owned(), attachment_digest()));
    let story = Story {
        number,
        version: versions[number % versions.len()],
        author: towns[author].clone(),
        reader: towns[reader].clone(),
        uuid,
        answer: case == Case::Answer,
        attachment,
    };
    let mut metadata = metadata(&towns[author].party(), &towns[reader].party(), &id, now)?;
    metadata.test = case == Case::TestMark;
    if matches!(case, Case::NotBefore | Case::Cancelled) {
        metadata.not_before = now.checked_add(jiff::SignedDuration::from_hours(24)).ok();
    }
    Ok(Planned { number, case, story, metadata, other, author })
}

/// Name and octets of the part beside a notice.
pub(crate) const ATTACHMENT: (&str, &[u8]) = (
    "bestaetigung.txt",
    "Bestätigung des Wohnungsgebers (erfunden, für die Demonstration)\n".as_bytes(),
);

fn attachment_digest() -> String {
    openssl::sha::sha256(ATTACHMENT.1).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn metadata(from: &str, to: &str, id: &str, now: Timestamp) -> Result<Metadata, Failure> {
    let what = ("Beispielregion", "example region");
    Ok(Metadata {
        author: PartyId::parse(from).or_not_now(what.0, what.1)?,
        reader: PartyId::parse(to).or_not_now(what.0, what.1)?,
        other_readers: vec![],
        service: ServiceUri::parse(SERVICE).or_not_now(what.0, what.1)?,
        message_type: None,
        transport_id: TransportId::parse(id).or_not_now(what.0, what.1)?,
        business_id: None,
        created: now,
        not_before: None,
        expires: None,
        test: false,
    })
}

#[cfg(test)]
pub(crate) fn metadata_for_tests(from: &str, to: &str, now: Timestamp) -> Metadata {
    metadata(from, to, "test-1", now).expect("metadata")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::region::Region;

    #[test]
    fn every_case_occurs_even_in_the_smallest_demo() {
        let region = Region::read().expect("it parses");
        let versions = [Version::V1_1, Version::V1_0];
        for count in [MIN_MESSAGES, 240, 601] {
            let plan =
                plan(count, &region.towns, &versions, Timestamp::UNIX_EPOCH).expect("a plan");
            assert_eq!(plan.len(), count);
            for case in Case::special().chain([Case::Notice]) {
                assert!(plan.iter().any(|planned| planned.case == case), "{case:?} in {count}");
            }
            for planned in &plan {
                assert_ne!(planned.metadata.author, planned.metadata.reader);
                assert_ne!(planned.other, planned.author);
            }
        }
    }

    #[test]
    fn expectations_are_among_what_a_hub_may_answer() {
        for flaw in Flaw::ALL {
            assert!(flaw.codes().contains(&refusal(*flaw)), "{}", flaw.name());
        }
    }

    #[test]
    fn names_of_cases_are_unique() {
        let mut names: Vec<_> = Case::special().map(Case::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Case::special().count());
    }
}
