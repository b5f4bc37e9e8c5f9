//! Records for the tests of the judge.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{AccountId, HubId, Scope, ServiceUri, TransportId};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, Part, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::state::{Event, State};

/// An acceptance for a channel: `inbox`, or `peer:` and a name.
pub(crate) fn accepted(hub_id: HubId, channel: &str, payload: Digest) -> Evidence {
    let party = |text| PartyId::parse(text).expect("a party");
    Evidence::Accepted(Box::new(Accepted {
        hub_id,
        account: AccountId::parse("lemgo").expect("an account"),
        account_certificate: None,
        scope: Scope::Account,
        metadata: Metadata {
            author: party("ags:05766044"),
            reader: party("ags:05766020"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:a").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("t").expect("an id"),
            business_id: None,
            created: Timestamp::UNIX_EPOCH,
            not_before: None,
            expires: None,
            test: false,
        },
        business_id: None,
        content_digest: Digest([1; 32]),
        envelope_sha256: Digest([2; 32]),
        parts: vec![Part {
            cid: "payload".to_owned(),
            media_type: "application/xml".to_owned(),
            size: 3,
            sha256: payload,
        }],
        signature: SignatureFacts {
            certificate: Digest([3; 32]),
            subject: "CN=TEST".to_owned(),
            algorithm: "urn:a".to_owned(),
        },
        verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
        rule: "permissions.toml:1".to_owned(),
        channel: channel.to_owned(),
        test: false,
        applied: vec![],
        under_grace: vec![],
        same_business_id: vec![],
        siblings: vec![],
        about: None,
        came_by: None,
    }))
}

/// A change of a state by the hub itself.
pub(crate) fn changed(
    hub_id: HubId,
    from: State,
    event: Event,
    to: State,
    digest: Option<Digest>,
) -> Evidence {
    let (by, code, grounds, detour) = (None, None, None, None);
    Evidence::Changed { hub_id, from, event, to, by, code, digest, grounds, detour }
}
