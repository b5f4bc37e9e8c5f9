//! Contents of messages: the samples of our own pack with other ids and parties.

use amtsbote_domain::message::Metadata;

const NOTICE: &str =
    include_str!("../../schemas/packs/xummeldung-1.1/samples/valid/mitteilung-familie.xml");

/// A notice under XUmmeldung 1.1 whose header agrees with the metadata.
pub(crate) fn notice(metadata: &Metadata) -> Vec<u8> {
    let uuid = metadata.business_id.as_ref().map_or("", |uuid| uuid.as_str());
    let created = metadata.created.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let text = set(NOTICE, "<nachrichtenUUID>", uuid);
    let text = set(&text, "<erstellungszeitpunkt>", &created);
    let text = set_after(&text, "<leser>", "<kennung>", metadata.reader.as_str());
    set_after(&text, "<autor>", "<kennung>", metadata.author.as_str()).into_bytes()
}

/// Exchanges the text behind the first `tag`.
fn set(text: &str, tag: &str, value: &str) -> String {
    set_after(text, "", tag, value)
}

/// Exchanges the text behind the first `tag` that follows `anchor`.
fn set_after(text: &str, anchor: &str, tag: &str, value: &str) -> String {
    let anchored = text.find(anchor).expect("the sample has the anchor");
    let start = anchored + text[anchored..].find(tag).expect("the sample has the tag") + tag.len();
    let end = start + text[start..].find('<').expect("the element ends");
    format!("{}{value}{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::identity::{MessageUuid, ServiceUri, TransportId};
    use amtsbote_domain::party::PartyId;

    #[test]
    fn a_notice_carries_what_its_metadata_say() {
        let metadata = Metadata {
            author: PartyId::parse("ags:05758012").expect("a party"),
            reader: PartyId::parse("ags:05770032").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:a").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("t").expect("an id"),
            business_id: Some(
                MessageUuid::parse("5b3c6a0e-52a3-4f0e-9a35-1f4c2f7d9b10").expect("an id"),
            ),
            created: "2026-11-23T09:00:00.125Z".parse().expect("an instant"),
            not_before: None,
            expires: None,
            test: false,
        };
        let notice = String::from_utf8(notice(&metadata)).expect("UTF-8");
        for wanted in [
            "<nachrichtenUUID>5b3c6a0e-52a3-4f0e-9a35-1f4c2f7d9b10<",
            "<erstellungszeitpunkt>2026-11-23T09:00:00.125Z<",
        ] {
            assert!(notice.contains(wanted), "{wanted}");
        }
        let author = notice.find("ags:05758012").expect("the author");
        assert!(notice.find("ags:05770032").expect("the reader") < author);
    }
}
