//! What one hub says to the next beside the signed envelope, as a header of the request.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Accepted;
use openssl::sha::Sha256;

/// The header in which a hub that relays says within what the transport id was one at its own door:
/// a digest ([`sender`]), 64 hexadecimal digits. It tells apart systems that chose the same id. A hub looks
/// at it where the account relays, and nowhere else.
pub const SENDER: &str = "amtsbote-sender";

/// The header in which a hub that relays says for which Reader, where the envelope names several: the party
/// as the envelope has it. Each Reader's delivery goes on by itself, under the envelope that all share. It
/// counts from an account that relays alone.
pub const READER: &str = "amtsbote-reader";

/// Begins every encoding. A change of the encoding gets another tag.
const TAG: &[u8] = b"amtsbote-sender-v1\n";

/// Whose id it was at this hub: account, transport and, where that account relays itself, the scope
/// there. Follows from the record, so that a repetition says the same; says no name of an account. All
/// Readers of a message have the same one.
pub fn sender(record: &Accepted) -> Digest {
    let mut hash = Sha256::new();
    hash.update(TAG);
    let scope = record.scope.of_message().to_string();
    // None of them holds a line feed.
    for text in [record.account.as_str(), record.transport().as_str(), &scope] {
        hash.update(text.as_bytes());
        hash.update(b"\n");
    }
    Digest(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::Timestamp;
    use amtsbote_domain::identity::{AccountId, HubId, Scope, ServiceUri, TransportId};
    use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, SignatureFacts};
    use amtsbote_domain::notice::{About, Kind};
    use amtsbote_domain::party::PartyId;

    fn record(account: &str, scope: &str, id: &str) -> Accepted {
        let party = |text| PartyId::parse(text).expect("a party");
        Accepted {
            hub_id: HubId::parse("0197a2c4-0000-7000-8000-000000000001").expect("an id"),
            account: AccountId::parse(account).expect("an account"),
            account_certificate: None,
            scope: Scope::try_from(scope.to_owned()).expect("a scope"),
            metadata: Metadata {
                author: party("ags:05766044"),
                reader: party("ags:05758004"),
                other_readers: vec![],
                service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
                message_type: None,
                transport_id: TransportId::parse(id).expect("an id"),
                business_id: None,
                created: Timestamp::UNIX_EPOCH,
                not_before: None,
                expires: None,
                test: false,
            },
            business_id: None,
            content_digest: Digest([1; 32]),
            envelope_sha256: Digest([2; 32]),
            parts: vec![],
            signature: SignatureFacts {
                certificate: Digest([3; 32]),
                subject: "CN=TEST".to_owned(),
                algorithm: "urn:a".to_owned(),
            },
            verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
            rule: "permissions.toml:1".to_owned(),
            applied: vec![],
            channel: "peer:krz".to_owned(),
            test: false,
            under_grace: vec![],
            same_business_id: vec![],
            siblings: vec![],
            about: None,
            came_by: None,
        }
    }

    #[test]
    fn every_sender_has_a_digest_of_its_own() {
        let other = format!("sender:{}:ags:05766044", Digest([4; 32]));
        let notice = About { hub_id: record("hub", "", "1").hub_id, notice: Kind::Expired };
        let all = [
            record("lemgo", "", "1"),
            record("lage", "", "1"),
            record("krz", "author:ags:05766044", "1"),
            record("krz", "author:ags:05766020", "1"),
            record("krz", &other, "1"),
            record("hub", "", "1"),
            Accepted { about: Some(Box::new(notice)), ..record("hub", "", "1") },
        ];
        let mut digests: Vec<Digest> = all.iter().map(sender).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn readers_of_one_message_have_one_sender() {
        let reader = PartyId::parse("ags:05758004").expect("a party");
        for scope in ["", "author:ags:05766044"] {
            let first = record("lemgo", scope, "1");
            let other =
                Accepted { scope: first.scope.clone().of_reader(reader.clone()), ..first.clone() };
            assert_eq!(sender(&first), sender(&other));
        }
    }

    /// Digests lie in databases: another encoding would tell apart what is one message.
    #[test]
    fn the_digest_is_that_of_the_sender_alone() {
        let first = sender(&record("lemgo", "", "1"));
        assert_eq!(first, sender(&record("lemgo", "", "2")));
        assert_eq!(first, Digest(openssl::sha::sha256(b"amtsbote-sender-v1\nlemgo\nnative\n\n")));
    }
}
