//! The native form: one envelope, signed by the Author, that states every part.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Party};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::Scope;
use amtsbote_domain::message::{Metadata, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::{Algorithm, AlgorithmPolicy, CertificateFacts, Judgement, Purpose};
use amtsbote_wire::native::envelope::{self, UnverifiedEnvelope, VerifiedEnvelope};
use amtsbote_wire::signature::Allowed;

use crate::step::form::{Claim, Form, Ground};

/// A message whose envelope its Author signed.
#[derive(Default)]
pub(crate) struct Signed {
    /// Within what its transport id was one at the hub that relays it, as that hub says; of any other
    /// account it counts for nothing.
    sender: Option<Digest>,
    /// For which of the Readers that the envelope names that hub brings it; none: for all.
    reader: Option<PartyId>,
    envelope: Option<UnverifiedEnvelope>,
}

impl Signed {
    /// Relayed by a hub that says this of the sender's id, and for which of several Readers it is.
    pub(crate) fn relayed(sender: Option<Digest>, reader: Option<PartyId>) -> Self {
        Self { sender, reader, envelope: None }
    }
}

impl Form for Signed {
    fn read(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.envelope = Some(envelope::read(octets).map_err(in_envelope)?);
        Ok(())
    }

    /// A certificate of the Author signed the whole envelope; which parts there are, it says.
    fn claim(&mut self, octets: &[u8], ground: &Ground<'_>) -> Result<Claim, Fault> {
        // Nobody asks twice, or before it was read.
        let envelope = self.envelope.take().ok_or_else(|| Fault::new(Code::Internal))?;
        let (verified, author) = verify(ground, envelope, octets)?;
        let signer = &verified.signature().certificate;
        let standing =
            ground.tables.standings.author(author, signer, ground.arrival).map_err(in_envelope);
        let (metadata, parts, signature) = verified.into_parts();
        let alone = alone(ground.account, self.reader.take(), &metadata)?;
        let scope = scope(ground.account, self.sender, &metadata.author);
        Ok(Claim {
            scope: match &alone {
                Some(reader) => scope.of_reader(reader.clone()),
                None => scope,
            },
            alone,
            metadata,
            parts,
            issued: false,
            signature,
            standing,
            came_by: None,
            closed: None,
        })
    }
}

/// A fault of the envelope says in which part its place is.
fn in_envelope(fault: impl Into<Fault>) -> Fault {
    let fault = fault.into();
    let place = match &fault.place {
        Some(place) => format!("part 1, {place}"),
        None => "part 1".to_owned(),
    };
    fault.at(place)
}

/// Within what the transport id is one: systems number their own messages; what another hub relays comes
/// from many (P3).
fn scope(account: &Account, sender: Option<Digest>, author: &PartyId) -> Scope {
    match account.relay {
        false => Scope::Account,
        true => Scope::Relayed { author: author.clone(), sender },
    }
}

/// The one of several Readers that another hub brings the message for. Where the envelope names one alone, there
/// is nothing to choose.
fn alone(
    account: &Account,
    reader: Option<PartyId>,
    metadata: &Metadata,
) -> Result<Option<PartyId>, Fault> {
    let Some(reader) = reader.filter(|_| !metadata.other_readers.is_empty()) else {
        return Ok(None);
    };
    let bad = |why| Err(Fault::new(Code::MalformedRequest).at("Amtsbote-Reader").because(why));
    // Taken for all Readers it would be delivered twice to some, and who sends it has no such right.
    if !account.relay {
        return bad("only another hub says for which Reader");
    }
    match metadata.readers().any(|named| *named == reader) {
        true => Ok(Some(reader)),
        false => bad("no Reader of the envelope"),
    }
}

/// The signature of the author that the envelope claims, by a certificate that the directory
/// holds for that author. KeyInfo only chooses among those; policy says by which algorithms and
/// with which keys, by the hour of arrival.
fn verify<'t>(
    ground: &Ground<'t>,
    envelope: UnverifiedEnvelope,
    octets: &[u8],
) -> Result<(VerifiedEnvelope, &'t Party), Fault> {
    let Ground { tables, arrival, .. } = *ground;
    let party = tables.directory.party(envelope.claimed_author());
    let trusted = party.map(|party| party.certificates.as_slice()).unwrap_or_default();
    let legacy = party.is_some_and(|party| party.is_legacy(arrival));
    let allowed = tables.standings.allowed(legacy, arrival);
    let verified = envelope.verify(octets, trusted, &allowed, arrival).map_err(|fault| {
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
    remark(&tables.policy, party, verified.signature(), arrival);
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

    fn account(relay: bool) -> Account {
        Account {
            id: AccountId::parse("krz").expect("an account"),
            certificates: vec![],
            parties: vec![],
            relay,
            legacy: None,
            grace: None,
        }
    }

    /// The message of the tests as it is for these Readers.
    fn to(readers: &[&str]) -> Metadata {
        let party = |text: &&str| PartyId::parse(text).expect("a party");
        Metadata {
            reader: party(&readers[0]),
            other_readers: readers[1..].iter().map(party).collect(),
            ..crate::testing::metadata()
        }
    }

    #[test]
    fn only_a_hub_that_relays_brings_a_message_for_one_of_several() {
        let (one, several) = (to(&["ags:1"]), to(&["ags:1", "ags:2"]));
        let said = |relay, reader: Option<&str>, metadata: &Metadata| {
            let reader = reader.map(|text| PartyId::parse(text).expect("a party"));
            alone(&account(relay), reader, metadata)
                .map(|alone| alone.map(|reader| reader.to_string()))
                .map_err(|fault| fault.code)
        };
        for relay in [false, true] {
            assert_eq!(said(relay, None, &several), Ok(None), "for all of them");
            assert_eq!(said(relay, Some("ags:1"), &one), Ok(None), "there is one");
            assert_eq!(said(relay, Some("ags:3"), &several), Err(Code::MalformedRequest));
        }
        for reader in ["ags:1", "ags:2"] {
            let alone = Ok(Some(reader.to_owned()));
            assert_eq!(said(true, Some(reader), &several), alone);
            assert_eq!(said(false, Some(reader), &several), Err(Code::MalformedRequest));
        }
    }

    #[test]
    fn only_what_is_relayed_has_a_scope_of_its_own() {
        let author = PartyId::parse("ags:05766044").expect("a party");
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
