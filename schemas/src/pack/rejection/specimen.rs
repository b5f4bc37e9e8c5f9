//! Trial of a template when its pack is loaded: for every cause, as test, and with few values.
//!
//! All of a trial happens at one time, on the clock of the rules as well: an hour after the original
//! was made. A rule may ask that what is answered is not of tomorrow.

use jiff::{SignedDuration, Timestamp};

use super::fault::{NoRejection, RejectionFault};
use super::values::{Slot, Values};
use super::{Cause, Rejecting};
use crate::pack::loaded::Pack;
use crate::pack::manifest::HeaderForm;
use crate::pack::validity::instant;
use crate::validate::{Checked, Finding, Verdict};
use crate::xml::Position;

const UUID: &str = "00000000-0000-4000-8000-000000000000";

/// What a header may say; a pack can give others that fit its standard better.
const SPECIMEN: [(Slot, &str); 8] = [
    (Slot::OriginalId, "11111111-1111-4111-8111-111111111111"),
    (Slot::OriginalCreated, "2026-01-15T12:00:00.000+01:00"),
    (Slot::OriginalAuthor, "ags:05766044"),
    (Slot::OriginalAuthorDirectory, "DVDV"),
    (Slot::OriginalAuthorName, "Stadt Lemgo"),
    (Slot::OriginalReader, "ags:05758012"),
    (Slot::OriginalReaderDirectory, "DVDV"),
    (Slot::OriginalReaderName, "Stadt Herford"),
];

impl Pack {
    /// Refuses a template that would fail on a message with a sound header.
    pub(super) fn try_rejection(&self, rejecting: &Rejecting) -> Result<(), RejectionFault> {
        let now = specimen_now(rejecting);
        for cause in Cause::ALL {
            let values = self.specimen(rejecting, cause, false);
            self.reject(rejecting, &values, now).map_err(fault(cause, "all values"))?;
        }
        if self.manifest.header != HeaderForm::None {
            let values = self.specimen(rejecting, Cause::Other, true);
            self.reject(rejecting, &values, now).map_err(fault(Cause::Other, "a test message"))?;
        }
        let mut few = self.specimen(rejecting, Cause::Invalid, false);
        few.simplify();
        let done = self.reject(rejecting, &few, now);
        done.map(drop).map_err(fault(Cause::Invalid, "without findings and names"))
    }

    fn specimen(&self, rejecting: &Rejecting, cause: Cause, test: bool) -> Values {
        let description = &rejecting.description;
        let own = self.manifest.messages.iter().map(|message| &message.message_type);
        let original = own.clone().find(|name| !description.types.contains(name));
        let checked = Checked {
            verdict: Verdict::Invalid,
            standard: None,
            version: None,
            message_type: original.cloned(),
            header: None,
            findings: findings(),
            truncated: false,
        };
        let mut values = self.values(rejecting, &checked, cause, UUID, specimen_now(rejecting));
        values.set(Slot::Test, test.then_some("true"));
        if self.manifest.header != HeaderForm::None {
            for (name, value) in SPECIMEN {
                values.set(name, Some(value));
            }
            for (name, value) in &description.specimen {
                values.set(*name, Some(value));
            }
        }
        values
    }
}

/// The time of a trial, by the time at which the pack, or else we, say that the original was made.
fn specimen_now(rejecting: &Rejecting) -> Timestamp {
    let ours = SPECIMEN.iter().find(|(slot, _)| *slot == Slot::OriginalCreated);
    let own = rejecting.description.specimen.get(&Slot::OriginalCreated);
    let own = own.and_then(|created| instant(created));
    let created = own.or_else(|| ours.and_then(|(_, created)| instant(created)));
    let after = created.and_then(|at| at.checked_add(SignedDuration::from_hours(1)).ok());
    after.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn fault(cause: Cause, case: &'static str) -> impl FnOnce(NoRejection) -> RejectionFault {
    move |reason| RejectionFault::Specimen { case: format!("{}, {case}", cause.as_str()), reason }
}

/// A finding with a place and one without are told alike in each trial.
fn findings() -> Vec<Finding> {
    let one =
        || Finding::error("specimen", "cvc-specimen", "Ein Beispiel: „Befund“.", "A specimen.");
    let position = Position { offset: 1, line: 12, column: 3 };
    vec![one().at(position, "/wurzel/element[2]/@attribut"), one()]
}
