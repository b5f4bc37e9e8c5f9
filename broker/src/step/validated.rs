//! Step three: the content is what its standard says, or it is opaque for a stated reason.

use std::io::BufReader;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::{BusinessRejection, Code, Fault, Finding};
use amtsbote_domain::identity::MessageUuid;
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};
use amtsbote_domain::party::PartyId;
use amtsbote_schemas::pack::{Cause, PackSet, Rejection};
use amtsbote_schemas::validate::{self, Checked as PackVerdict, Verdict};
use amtsbote_schemas::xml;
use tokio::time::Instant;
use uuid::Uuid;

use crate::hub::Hub;
use crate::step::authenticated::Authenticated;
use crate::step::refused::store_fault;

/// Content that was read and is valid.
pub(crate) struct Checked {
    message: Authenticated,
    verdict: ContentVerdict,
    facts: ContentFacts,
}

/// Content that was not read.
pub(crate) struct Opaque {
    message: Authenticated,
    reason: OpaqueReason,
}

/// What validation leaves behind.
pub(crate) enum Content {
    /// Read and valid.
    Checked(Box<Checked>),
    /// Not read; whether that is admitted is the service's policy.
    Opaque(Box<Opaque>),
}

/// What the content says about itself, from events that were validated.
#[derive(Default)]
pub(crate) struct ContentFacts {
    /// `nachrichtenUUID`.
    pub(super) uuid: Option<MessageUuid>,
    /// The content is marked as test.
    pub(super) test: bool,
}

impl Checked {
    /// The message, the verdict and the facts.
    pub(super) fn into_parts(self) -> (Authenticated, ContentVerdict, ContentFacts) {
        (self.message, self.verdict, self.facts)
    }
}

impl Opaque {
    /// The message and the reason.
    pub(super) fn into_parts(self) -> (Authenticated, OpaqueReason) {
        (self.message, self.reason)
    }
}

/// Reads the payload through the one reader, with every limit, away from the threads that serve
/// connections.
pub(crate) async fn validate(hub: &Hub, message: Authenticated) -> Result<Content, Fault> {
    if let Some(reason) = message.closed {
        return Ok(Content::Opaque(Box::new(Opaque { message, reason })));
    }
    let opaque =
        |message| Content::Opaque(Box::new(Opaque { message, reason: OpaqueReason::NoStandard }));
    if !is_xml(&message.parts[0].media_type) {
        return Ok(opaque(message));
    }
    let (message, checked, rejection) = check(hub, message).await?;
    let refusal = |code, checked| Err(refusal(code, checked).rejecting(rejection));
    let facts = match checked.verdict {
        Verdict::Valid => agree(&message, &checked)?,
        Verdict::UnknownStandard => return Ok(opaque(message)),
        Verdict::NotWellFormed => return refusal(unreadable(&checked), checked),
        Verdict::Invalid => return refusal(Code::ContentInvalid, checked),
        Verdict::NotInForce => return refusal(Code::StandardNotInForce, checked),
        Verdict::Error => return refusal(Code::ValidationGaveUp, checked),
    };
    let verdict = valid(checked);
    Ok(Content::Checked(Box::new(Checked { message, verdict, facts })))
}

/// As evidence names a valid message. Whatever judged it as valid knows all three.
pub(crate) fn valid(checked: PackVerdict) -> ContentVerdict {
    ContentVerdict::Valid {
        standard: checked.standard.unwrap_or_default(),
        version: checked.version.unwrap_or_default(),
        message_type: checked.message_type.unwrap_or_default(),
    }
}

/// Whether the media type says XML (RFC 7303).
fn is_xml(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/xml" || essence == "text/xml" || essence.ends_with("+xml")
}

/// A message, what was found, and the rejection in its Author's standard where it is refused and
/// there is one.
type Judged = (Authenticated, PackVerdict, Option<BusinessRejection>);

/// Octets of a payload up to which validation is tried where it is.
const SMALL_PAYLOAD: u64 = 16 << 10;
/// How long that may take: what is not through by then is no small matter. Between two threads a
/// message loses a tenth of what it costs in all.
const GLANCE: Duration = Duration::from_millis(2);

/// One pass over the payload, within `validation_ms`: on a thread that may block, but for what is
/// small and where the packs hold nothing that could take long.
async fn check(hub: &Hub, message: Authenticated) -> Result<Judged, Fault> {
    let packs = hub.tables().packs.clone();
    let limits = xml::Limits { document_bytes: hub.limits.payload_bytes, ..xml::Limits::default() };
    let time = Duration::from_millis(hub.limits.validation_ms);
    if message.parts[0].size <= SMALL_PAYLOAD && packs.is_linear() {
        let (checked, rejection) = judge(&packs, &message, &limits, time.min(GLANCE))?;
        if checked.verdict != Verdict::Error {
            return Ok((message, checked, rejection));
        }
    }
    let _place = hub.validations.place(message.parts[0].size).await;
    let work = tokio::task::spawn_blocking(move || {
        // The message's own time; that others were before it is not its fault.
        let judged = judge(&packs, &message, &limits, time);
        judged.map(|(checked, rejection)| (message, checked, rejection))
    });
    // A panic inside validation is caught there; one here is a fault of the program.
    work.await.map_err(|_| Fault::new(Code::Internal))?
}

fn judge(
    packs: &PackSet,
    message: &Authenticated,
    limits: &xml::Limits,
    time: Duration,
) -> Result<(PackVerdict, Option<BusinessRejection>), Fault> {
    let end = Instant::now() + time;
    let expired = || Instant::now() >= end;
    let part = &message.parts[0];
    let payload = message.intake.open(&part.cid).map_err(|error| store_fault(&error))?;
    let payload = BufReader::with_capacity(part.size.clamp(512, 64 << 10) as usize, payload);
    let checked = packs.check(payload, message.arrival, limits, &expired);
    let rejection = reject(packs, &checked, message.arrival);
    Ok((checked, rejection))
}

/// Longest rejection in bytes that fits into the answer to a refused message.
const MAX_REJECTION_BYTES: usize = 256 * 1024;

/// The rejection of the standard, in the version of the Author: also where that came too late. A
/// standard without one, or a message that says too little of itself, gets the generic answer alone.
fn reject(packs: &PackSet, checked: &PackVerdict, at: Timestamp) -> Option<BusinessRejection> {
    let cause = Cause::of(checked)?;
    let id = Uuid::new_v4().to_string();
    match packs.rejection(checked, cause, &id, at) {
        Ok(Rejection { standard, version, message_type, xml: content }) => {
            let rejection = BusinessRejection { standard, version, message_type, content };
            Some(rejection).filter(|one| one.content.len() <= MAX_REJECTION_BYTES)
        }
        Err(why) => {
            tracing::debug!(code = why.code(), "no business rejection");
            None
        }
    }
}

/// A limit or a DTD is no mistake of grammar; whoever reads the code must look elsewhere.
fn unreadable(checked: &PackVerdict) -> Code {
    match checked.findings.first() {
        Some(first) if first.rule == "limits" || first.code == "dtd" => Code::XmlLimit,
        _ => Code::ContentNotWellFormed,
    }
}

/// The header must name the same Author as the envelope and one of its Readers, and the type must be the one
/// that permission was asked for.
fn agree(message: &Authenticated, checked: &PackVerdict) -> Result<ContentFacts, Fault> {
    let contradiction = |field| Fault::new(Code::HeaderContradiction).at(field);
    let stated = message.metadata.message_type.as_ref().map(|stated| stated.as_str());
    if stated.is_some()
        && checked.message_type.is_some()
        && stated != checked.message_type.as_deref()
    {
        return Err(contradiction("nachrichtentyp"));
    }
    let Some(header) = &checked.header else { return Ok(ContentFacts::default()) };
    // A header that says something twice, or more than it may, says nothing that can be compared.
    if header.repeated || header.oversized {
        return Err(contradiction("nachrichtenkopf"));
    }
    let differs = |said: &Option<String>, party: &PartyId| {
        said.as_ref().is_some_and(|said| said != party.as_str())
    };
    if differs(&header.author, &message.metadata.author) {
        return Err(contradiction("autor"));
    }
    // A header names one; who else is to read it, the envelope says.
    let reads = |said: &String| message.metadata.readers().any(|reader| said == reader.as_str());
    if header.reader.as_ref().is_some_and(|said| !reads(said)) {
        return Err(contradiction("leser"));
    }
    let uuid = header.message_uuid.as_deref().and_then(|uuid| MessageUuid::parse(uuid).ok());
    let both = uuid.as_ref().zip(message.metadata.business_id.as_ref());
    if both.is_some_and(|(read, stated)| read != stated) {
        return Err(contradiction("nachrichtenUUID"));
    }
    Ok(ContentFacts { uuid, test: header.test })
}

/// A refusal with what was found; the first place stands for all.
fn refusal(code: Code, checked: PackVerdict) -> Fault {
    let findings: Vec<Finding> = checked.findings.into_iter().map(finding).collect();
    let fault = Fault::new(code);
    match findings.first() {
        Some(first) => {
            let place = format!("part 2, line {}, column {}", first.line, first.column);
            fault.at(place).because(&first.code).with(findings)
        }
        None => fault.at("part 2"),
    }
}

fn finding(found: validate::Finding) -> Finding {
    Finding {
        code: found.code.to_owned(),
        severity: match found.severity {
            validate::Severity::Error => "error",
            validate::Severity::Warning => "warning",
            validate::Severity::Information => "information",
        }
        .to_owned(),
        line: found.line,
        column: found.column,
        path: found.path,
        rule: found.rule.into_owned(),
        message_de: found.message_de,
        message_en: found.message_en,
    }
}
