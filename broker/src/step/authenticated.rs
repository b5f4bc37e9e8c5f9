//! Step two: the Author signed it, may send it, and the octets are those it signed.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Party};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::Scope;
use amtsbote_domain::message::{Metadata, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::RoutePermit;
use amtsbote_domain::ports::{ENVELOPE_CID, Intake, Sent, StoreError};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::{Algorithm, AlgorithmPolicy, CertificateFacts, Judgement, Purpose};
use amtsbote_wire::native::digest::content_digest;
use amtsbote_wire::native::envelope::VerifiedEnvelope;
use amtsbote_wire::signature::Allowed;

use crate::hub::Hub;
use crate::quota::Turn;
use crate::step::accepted::Answer;
use crate::step::received::{Door, Inbound, Received, in_envelope};
use crate::step::refused::{Seen, store_fault};
use crate::step::repeat::answered;
use crate::tables::InForce;

/// A message whose Author is proven: the whole envelope is signed, and every part has the size
/// and digest that the envelope states.
pub(crate) struct Authenticated {
    pub(crate) sent: Sent,
    pub(super) account_certificate: Digest,
    pub(super) arrival: Timestamp,
    pub(super) metadata: Metadata,
    pub(super) parts: Vec<Part>,
    pub(super) signature: SignatureFacts,
    pub(super) envelope_sha256: Digest,
    pub(super) permit: RoutePermit,
    pub(super) under_grace: Vec<UnderGrace>,
    pub(super) intake: Box<dyn Intake>,
    /// Held until the message is accepted or refused.
    pub(super) _turn: Turn,
}

/// What authentication finds.
pub(crate) enum Arrived {
    /// A message not seen before.
    New(Box<Authenticated>),
    /// An identical repeat: the answer it got the first time.
    Again(Answer),
}

/// Verifies the envelope, then permission, then takes the parts in and compares them.
pub(crate) async fn authenticate(
    hub: &Hub,
    received: Received<'_>,
    seen: &mut Seen,
) -> Result<Arrived, Fault> {
    let Received { door, envelope, octets, turn } = received;
    let tables = hub.tables();
    let (verified, author) = verify(&tables, &door, envelope, &octets)?;
    seen.metadata(verified.metadata());
    if !door.account.may_send_for(&verified.metadata().author) {
        return Err(Fault::new(Code::AccountNotForAuthor));
    }
    let sent = Sent {
        account: door.account.id.clone(),
        transport: door.transport,
        id: verified.metadata().transport_id.clone(),
        scope: scope(door.account, door.sender, &verified.metadata().author),
        content_digest: content_digest(verified.metadata(), verified.parts()),
    };

    // A repeat is answered as the first time, whatever has changed since: permissions may be
    // withdrawn, expiry may have passed, the signer's certificate may be revoked or nothing known
    // of it. Its octets are compared all the same.
    let admitted = admit(hub, &tables, &door, &verified, author, &octets);
    if !admitted.as_ref().is_ok_and(|admitted| admitted.keeper.small)
        && let Some(answer) = answered(hub, &sent).await?
    {
        take_parts(hub, door.inbound, verified.parts(), None).await?;
        return Ok(Arrived::Again(answer));
    }
    let Admitted { permit, author_grace, mut keeper } = admitted?;
    let envelope_sha256 = keeper.envelope(&octets)?;
    if let Err(fault) = take_parts(hub, door.inbound, verified.parts(), Some(&mut keeper)).await {
        // A small one was not looked for before its parts. That its id is used up counts for more than
        // what is wrong with them: putting that right would not help.
        if keeper.small {
            answered(hub, &sent).await?;
        }
        return Err(fault);
    }

    let (metadata, parts, signature) = verified.into_parts();
    Ok(Arrived::New(Box::new(Authenticated {
        sent,
        account_certificate: door.certificate,
        arrival: door.arrival,
        metadata,
        parts,
        signature,
        envelope_sha256,
        permit,
        under_grace: door.under_grace.into_iter().chain(author_grace).collect(),
        intake: keeper.intake,
        _turn: turn,
    })))
}

/// Within what the transport id is one: systems number their own messages; what another hub relays comes
/// from many (P3).
fn scope(account: &Account, sender: Option<Digest>, author: &PartyId) -> Scope {
    match account.relay {
        false => Scope::Account,
        true => Scope::Relayed { author: author.clone(), sender },
    }
}

/// What speaks for a message, and where its octets go.
struct Admitted {
    permit: RoutePermit,
    author_grace: Option<UnderGrace>,
    keeper: Keeper,
}

/// Judges what the Author signed by the hour of arrival; nothing of the parts is read yet.
fn admit(
    hub: &Hub,
    tables: &InForce,
    door: &Door<'_>,
    verified: &VerifiedEnvelope,
    author: &Party,
    octets: &[u8],
) -> Result<Admitted, Fault> {
    let signer = &verified.signature().certificate;
    let author_grace =
        tables.standings.author(author, signer, door.arrival).map_err(in_envelope)?;
    let permit = tables
        .permissions
        .permit(verified.metadata(), door.arrival)
        .ok_or_else(|| Fault::new(Code::NotPermitted))?;
    if verified.metadata().expires.is_some_and(|expires| expires <= door.arrival) {
        return Err(Fault::new(Code::ExpiredAtArrival));
    }
    let keeper = Keeper::new(hub, octets.len() as u64, verified.parts())?;
    Ok(Admitted { permit, author_grace, keeper })
}

/// The signature of the author that the envelope claims, by a certificate that the directory
/// holds for that author. KeyInfo only chooses among those; policy says by which algorithms and
/// with which keys, by the hour of arrival.
fn verify<'t>(
    tables: &'t InForce,
    door: &Door<'_>,
    envelope: amtsbote_wire::native::envelope::UnverifiedEnvelope,
    octets: &[u8],
) -> Result<(VerifiedEnvelope, &'t Party), Fault> {
    let party = tables.directory.party(envelope.claimed_author());
    let trusted = party.map(|party| party.certificates.as_slice()).unwrap_or_default();
    let legacy = party.is_some_and(|party| party.is_legacy(door.arrival));
    let allowed = tables.standings.allowed(legacy, door.arrival);
    let verified = envelope.verify(octets, trusted, &allowed, door.arrival).map_err(|fault| {
        let reason = fault.to_string();
        match in_envelope(fault) {
            fault if fault.code == Code::AlgorithmNotAllowed => {
                fault.because(not_allowed(&reason, &tables.policy, &allowed))
            }
            fault => fault,
        }
    })?;
    // Without a party there was no certificate to trust, and it was not verified.
    let Some(party) = party else { return Err(Fault::new(Code::SignerNotTrusted)) };
    remark(&tables.policy, party, verified.signature(), door.arrival);
    Ok((verified, party))
}

/// Why an algorithm or a key is refused, and what would be taken instead. Only names of algorithms
/// and lengths: nothing from the message.
fn not_allowed(reason: &str, policy: &AlgorithmPolicy, allowed: &Allowed) -> String {
    let short = |uri: &'static str| uri.split_once('#').map_or(uri, |(_, name)| name);
    let signatures: Vec<_> = allowed.signatures.iter().map(|a| short(a.uri())).collect();
    let digests: Vec<_> = allowed.digests.iter().map(|a| short(a.uri())).collect();
    format!(
        "{reason}; policy {} {}: signatures {}; digests {}; RSA from {} bits, curves from {} bits",
        policy.name(),
        policy.edition(),
        signatures.join(", "),
        digests.join(", "),
        allowed.min_rsa_bits,
        allowed.min_ec_bits
    )
}

/// Logs what policy has against a signature that was accepted all the same: because it only warns
/// yet, or because the party is under the legacy profile.
fn remark(
    policy: &AlgorithmPolicy,
    party: &Party,
    signature: &SignatureFacts,
    at: Timestamp,
) -> Option<String> {
    let (purpose, legacy) = (Purpose::ContentSignature, party.is_legacy(at));
    if !legacy && !policy.warns(purpose, false, at) {
        return None;
    }
    let signer = party.certificates.iter().find(|c| c.fingerprint == signature.certificate);
    let key = signer.and_then(|signer| Certificate::from_der(&signer.der).ok());
    let key = key.map(|certificate| CertificateFacts::of(certificate.x509()).key);
    let algorithm = Algorithm::from_uri(&signature.algorithm);
    // As if there were no profile: what only the profile lets in is what must be told.
    let by_algorithm = algorithm.map(|a| policy.judge(purpose, a, at, false));
    let by_key = key.map(|key| policy.judge(purpose, key, at, false));
    let judged = by_algorithm.into_iter().chain(by_key).fold(Judgement::Good, Judgement::worse);
    let rule = judged.rule()?;
    if judged.is_refused() {
        tracing::warn!(
            party = %party.id, rule = rule.id,
            "accepted under the legacy profile of the party; the policy refuses it otherwise"
        );
    } else {
        tracing::warn!(party = %party.id, rule = rule.id, "accepted, but the policy warns");
    }
    Some(rule.id.clone())
}

/// Octets of a whole message up to which all of it stays in memory while it comes in.
const SMALL_MESSAGE: u64 = 64 << 10;

/// Hands the octets of a message to the store as they come.
struct Keeper {
    intake: Box<dyn Intake>,
    /// None of it goes to the disk yet, so nothing of it may block.
    small: bool,
}

impl Keeper {
    fn new(hub: &Hub, envelope: u64, parts: &[Part]) -> Result<Self, Fault> {
        let size = parts.iter().fold(envelope, |sum, part| sum.saturating_add(part.size));
        let intake = hub.store.intake().map_err(|error| store_fault(&error))?;
        Ok(Self { intake, small: size <= SMALL_MESSAGE })
    }

    fn envelope(&mut self, octets: &[u8]) -> Result<Digest, Fault> {
        self.keep(|intake| {
            intake.begin(ENVELOPE_CID, "application/xml")?;
            intake.write(octets)?;
            intake.end().map(|part| part.sha256)
        })
    }

    fn keep<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Intake) -> Result<T, StoreError>,
    ) -> Result<T, Fault> {
        let kept = if self.small {
            work(self.intake.as_mut())
        } else {
            tokio::task::block_in_place(|| work(self.intake.as_mut()))
        };
        kept.map_err(|error| store_fault(&error))
    }
}

/// Reads exactly the parts that the envelope names, in that order, and compares size and digest
/// with what it states; keeps them where there is a keeper.
async fn take_parts(
    hub: &Hub,
    inbound: &mut dyn Inbound,
    parts: &[Part],
    mut keeper: Option<&mut Keeper>,
) -> Result<(), Fault> {
    if parts.len() > hub.limits.parts {
        return Err(Fault::new(Code::TooLarge).because("parts"));
    }
    for (n, part) in parts.iter().enumerate() {
        let (limit, name) = if n == 0 {
            (hub.limits.payload_bytes, "payload_bytes")
        } else {
            (hub.limits.attachment_bytes, "attachment_bytes")
        };
        // The envelope is part 1.
        let place = format!("part {}", n + 2);
        if part.size > limit {
            return Err(Fault::new(Code::TooLarge).at(place).because(name));
        }
        let head = inbound.next_part().await?;
        if head.is_none_or(|head| head.cid != part.cid) {
            return Err(Fault::new(Code::PartMissing).at(place));
        }
        take_part(inbound, part, &place, keeper.as_deref_mut()).await?;
    }
    match inbound.next_part().await? {
        None => Ok(()),
        Some(_) => Err(Fault::new(Code::PartMissing).at(format!("part {}", parts.len() + 2))),
    }
}

async fn take_part(
    inbound: &mut dyn Inbound,
    part: &Part,
    place: &str,
    mut keeper: Option<&mut Keeper>,
) -> Result<(), Fault> {
    let mismatch = |what: &str| Fault::new(Code::PartMismatch).at(place).because(what);
    if let Some(keeper) = keeper.as_deref_mut() {
        keeper.keep(|intake| intake.begin(&part.cid, &part.media_type))?;
    }
    let mut hash = openssl::sha::Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = inbound.chunk().await? {
        size += chunk.len() as u64;
        if size > part.size {
            return Err(mismatch("size"));
        }
        hash.update(&chunk);
        if let Some(keeper) = keeper.as_deref_mut() {
            keeper.keep(|intake| intake.write(&chunk))?;
        }
    }
    if size != part.size {
        return Err(mismatch("size"));
    }
    if Digest(hash.finish()) != part.sha256 {
        return Err(mismatch("SHA-256"));
    }
    if let Some(keeper) = keeper {
        let kept = keeper.keep(|intake| intake.end())?;
        // The store counted and hashed what it sealed; P4 begins here.
        if (kept.size, kept.sha256) != (part.size, part.sha256) {
            tracing::error!(cid = part.cid, "the store sealed other octets than it was given");
            return Err(Fault::new(Code::Internal));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::directory::LegacyProfile;
    use amtsbote_domain::identity::AccountId;
    use openssl::asn1::Asn1Time;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    const NOW: &str = "2026-11-23T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    /// A party with one certificate over an RSA key of so many bits.
    fn party(bits: u32, legacy: Option<LegacyProfile>) -> Party {
        let key = PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key");
        let mut builder = openssl::x509::X509::builder().expect("a builder");
        builder.set_pubkey(&key).expect("set");
        builder.set_not_before(&Asn1Time::days_from_now(0).expect("a day")).expect("set");
        builder.set_not_after(&Asn1Time::days_from_now(1).expect("a day")).expect("set");
        builder.sign(&key, openssl::hash::MessageDigest::sha256()).expect("signed");
        let certificate = Certificate::new(builder.build()).expect("a certificate");
        Party {
            id: PartyId::parse("ags:05766044").expect("a party"),
            name: "TEST".to_owned(),
            services: vec![],
            certificates: vec![certificate.trusted()],
            legacy,
            grace: None,
        }
    }

    fn remarked(party: &Party, fragment: &str, when: &str) -> Option<String> {
        let signature = SignatureFacts {
            certificate: party.certificates[0].fingerprint,
            subject: String::new(),
            algorithm: format!("http://www.w3.org/2001/04/xmldsig-more#{fragment}"),
        };
        remark(&AlgorithmPolicy::built_in(), party, &signature, at(when))
    }

    #[test]
    fn only_what_is_relayed_has_a_scope_of_its_own() {
        let author = PartyId::parse("ags:05766044").expect("a party");
        let account = |relay| Account {
            id: AccountId::parse("krz").expect("an account"),
            certificates: vec![],
            parties: vec![author.clone()],
            relay,
            legacy: None,
            grace: None,
        };
        for sender in [None, Some(Digest([7; 32]))] {
            assert_eq!(scope(&account(false), sender, &author), Scope::Account);
            let relayed = Scope::Relayed { author: author.clone(), sender };
            assert_eq!(scope(&account(true), sender, &author), relayed);
        }
    }

    #[test]
    fn what_only_the_profile_lets_in_is_told() {
        let profile = Some(LegacyProfile { until: Some(at("2027-01-01T00:00:00Z")) });
        let weak = party(2048, profile);
        assert_eq!(remarked(&weak, "rsa-sha256", NOW).as_deref(), Some("rsa-3000"));
        assert_eq!(remarked(&weak, "rsa-sha1", NOW).as_deref(), Some("sha-1"));
        // The profile is over; what is refused now does not get here, and nothing warns.
        assert_eq!(remarked(&weak, "rsa-sha256", "2027-01-01T00:00:00Z"), None);
        let strong = party(3072, profile);
        assert_eq!(remarked(&strong, "rsa-sha256", NOW), None);
        let late = remarked(&party(3072, None), "rsa-sha256", "2034-01-01T12:00:00Z");
        assert_eq!(late.as_deref(), Some("classical-signature"));
    }

    #[test]
    fn a_refusal_says_what_would_be_taken() {
        let policy = AlgorithmPolicy::built_in();
        let allowed = policy.allowed(Purpose::ContentSignature, false, at(NOW));
        let text = not_allowed("the reason", &policy, &allowed);
        for part in ["the reason; ", "TR-02102", "rsa-sha256", "RSA from 3000 bits", "250 bits"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("sha1"), "{text}");
    }
}
