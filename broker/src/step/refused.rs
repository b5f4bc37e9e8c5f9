//! A refusal: recorded for an authenticated party, explained to whoever asked.

use std::time::Duration;

use amtsbote_domain::clearing::Objection;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{self, Evidence};
use amtsbote_domain::fault::{Code, Fault, Retry};
use amtsbote_domain::identity::{AccountId, HubId, TransportId};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::StoreError;

use crate::hub::Hub;
use crate::step::received::Door;

/// What has become known about a request so far, for the record of a refusal.
pub(crate) struct Seen {
    account: AccountId,
    about: Option<HubId>,
    envelope_sha256: Option<Digest>,
    transport_id: Option<TransportId>,
    parties: Option<(PartyId, PartyId)>,
    other_readers: Vec<PartyId>,
}

impl Seen {
    /// Nothing but who is there.
    pub(crate) fn at(door: &Door<'_>) -> Self {
        Self::of(&door.account.id, None)
    }

    /// Who asked, and about which message, if one.
    pub(crate) fn of(account: &AccountId, about: Option<HubId>) -> Self {
        Self {
            account: account.clone(),
            about,
            envelope_sha256: None,
            transport_id: None,
            parties: None,
            other_readers: Vec::new(),
        }
    }

    /// The envelope is in.
    pub(super) fn envelope(&mut self, octets: &[u8]) {
        self.envelope_sha256 = Some(Digest(openssl::sha::sha256(octets)));
    }

    /// The envelope is verified; what it says is the Author's word.
    pub(super) fn metadata(&mut self, metadata: &Metadata) {
        self.transport_id = Some(metadata.transport_id.clone());
        self.parties = Some((metadata.author.clone(), metadata.reader.clone()));
        self.other_readers.clone_from(&metadata.other_readers);
    }
}

/// A request was refused. Nothing of it is kept but this record, and it used up no id (P3).
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) fault: Fault,
    /// What links log, answer and evidence.
    pub(crate) error_id: String,
}

/// Most finding codes that a record lists.
const RECORDED_FINDINGS: usize = 20;
/// Pause before one more refusal of an account that has had too many in this minute.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes a refusal final: evidence first (P5), then the answer. A refusal that cannot be recorded
/// because storage is full or away is answered all the same, as unavailable: whoever asked loses
/// nothing and comes again. As every refusal is kept for good, an account that heaps them up is
/// slowed down (P8).
pub(crate) async fn refuse(hub: &Hub, seen: Seen, fault: Fault) -> Refused {
    if hub.quotas.one_refusal_too_many(&seen.account, &hub.limits, hub.clock.now()) {
        tokio::time::sleep(PAUSE).await;
    }
    let error_id = hub.new_error_id();
    tracing::info!(
        %error_id, account = %seen.account, code = %fault.code, place = fault.place,
        detail = fault.detail, "request refused"
    );
    let record = Evidence::Refused(Box::new(evidence::Refused {
        error_id: error_id.clone(),
        account: seen.account,
        code: fault.code,
        hub_id: seen.about,
        findings: finding_codes(&fault),
        transport_id: seen.transport_id,
        parties: seen.parties,
        other_readers: seen.other_readers,
        envelope_sha256: seen.envelope_sha256,
    }));
    let fault = match hub.store.record(record).await {
        Ok(_) => fault,
        Err(error) => {
            tracing::error!(%error_id, %error, "a refusal could not be recorded");
            unrecorded(fault, &error)
        }
    };
    Refused { fault, error_id }
}

/// The codes of the findings, each once.
fn finding_codes(fault: &Fault) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for finding in &fault.findings {
        if codes.len() < RECORDED_FINDINGS && !codes.contains(&finding.code) {
            codes.push(finding.code.clone());
        }
    }
    codes
}

/// A final refusal must be evidence; one that says "later" anyway may stand.
fn unrecorded(fault: Fault, error: &StoreError) -> Fault {
    if fault.code.retry() == Retry::Later { fault } else { store_fault(error) }
}

/// What a partner is told of a trouble in the store.
pub(crate) fn store_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Full => Fault::new(Code::DiskFull).after(60),
        StoreError::OtherContent => Fault::new(Code::SameIdOtherContent),
        StoreError::IdNotIssued => Fault::new(Code::IdNotIssued),
        StoreError::IdUsed => Fault::new(Code::IdUsed),
        StoreError::NoRoom(_) => Fault::new(Code::TooMany).after(60),
        StoreError::NotFound => Fault::new(Code::NotFound),
        StoreError::NotApplicable(_) | StoreError::LeaseLost => Fault::new(Code::StateForbids),
        StoreError::Objection(objection) => objected(objection),
        StoreError::DigestMismatch => Fault::new(Code::DigestMismatch),
        StoreError::Unavailable(_) => Fault::new(Code::Unavailable).after(5),
        StoreError::Corrupt(_) | StoreError::OutcomeUnknown(_) => Fault::new(Code::Internal),
    }
}

/// What a person is told whose act was not taken.
fn objected(objection: &Objection) -> Fault {
    match objection {
        Objection::TakenBy(name) => Fault::new(Code::CaseTaken).because(name),
        Objection::NotTaken => Fault::new(Code::CaseNotTaken),
        Objection::NoCase => Fault::new(Code::NotInClearing),
        Objection::SamePerson => Fault::new(Code::SamePerson),
        Objection::NotOpen(standing) => {
            Fault::new(Code::ProposalNotOpen).because(standing.as_str())
        }
        // What was looked at does not hold any more: it needs two people now.
        Objection::Sum(_) => Fault::new(Code::OtherSelection),
        Objection::OtherDigest => Fault::new(Code::OtherSelection),
        Objection::TooManyOpen => Fault::new(Code::TooMany).because("proposals").after(600),
    }
}
