//! Small pure readers of what a hub answers.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;

/// The SHA-256 in a `Content-Digest` header (RFC 9530): a dictionary of byte sequences, e.g.
/// `sha-256=:<base64>:`. None when it is absent or cannot be read.
pub(crate) fn content_digest(header: &str) -> Option<Digest> {
    let mut members = header.split(',').map(str::trim);
    let value = members.find_map(|member| member.strip_prefix("sha-256="))?;
    let base64 = value.strip_prefix(':')?.strip_suffix(':')?;
    if base64.len() != 44 || base64.contains(char::is_whitespace) {
        return None;
    }
    let octets = openssl::base64::decode_block(base64).ok()?;
    octets.try_into().ok().map(Digest)
}

/// The hub id at the end of a `Location` header.
pub(crate) fn location(header: &str) -> Option<HubId> {
    let (_, id) = header.rsplit_once("/v1/messages/")?;
    HubId::parse(id).ok()
}

/// Whether a media type names this type, whatever its parameters.
pub(crate) fn is_media_type(header: &str, wanted: &str) -> bool {
    let essence = header.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_among_others() {
        let base64 = openssl::base64::encode_block(&[7; 32]);
        let good = format!("sha-256=:{base64}:");
        assert_eq!(content_digest(&good), Some(Digest([7; 32])));
        let among = format!("sha-512=:AAAA:, {good}");
        assert_eq!(content_digest(&among), Some(Digest([7; 32])));
        for bad in ["", "sha-256", "sha-256=:AAAA:", &good.replace(':', ""), "sha-256=:\u{e4}:"] {
            assert_eq!(content_digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn locations_are_read_with_and_without_a_host() {
        let id = HubId::parse("0190-ab").expect("an id");
        assert_eq!(location("/v1/messages/0190-ab"), Some(id.clone()));
        assert_eq!(location("https://hub.example.test:8443/v1/messages/0190-ab"), Some(id));
        assert_eq!(location("/v1/messages/"), None);
        assert_eq!(location("/v1/messages/x/y"), None);
    }

    #[test]
    fn parameters_of_a_media_type_do_not_matter() {
        assert!(is_media_type("Application/JSON; charset=utf-8", "application/json"));
        assert!(!is_media_type("application/jsonx", "application/json"));
    }
}
