//! How values are written in an envelope.

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::ENVELOPE_CID;

use crate::native::multipart::is_content_id;

/// Longest media type in bytes.
pub(super) const MAX_MEDIA_TYPE_BYTES: usize = 255;

/// RFC 3339 in UTC, with `T` and `Z` and up to nine decimal places.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    if is_timestamp(text) { text.parse().ok() } else { None }
}

/// What the library reads is wider: offsets, other separators, leap seconds, far years.
fn is_timestamp(text: &str) -> bool {
    let Some((whole, fraction)) = text.split_at_checked(19) else { return false };
    let shape = whole.bytes().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        _ => byte == *shape,
    });
    let fraction = match fraction.strip_suffix('Z') {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        }),
        None => false,
    };
    // 24:00:00 and a 60th second name an instant twice; XML Schema 1.0 has no year 0.
    shape && fraction && &whole[..4] != "0000" && &whole[11..13] < "24" && &whole[17..] < "60"
}

/// A number of octets: decimal digits without a leading zero.
pub(super) fn size(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    // Nineteen digits always fit, and are more than enough.
    if plain && text.len() <= 19 { text.parse().ok() } else { None }
}

/// Whether a part may have this Content-ID: the envelope's own is taken.
pub(super) fn is_part_id(text: &str) -> bool {
    is_content_id(text) && text != ENVELOPE_CID
}

/// Whether this can stand behind `Content-Type:` and names a type and a subtype.
pub(super) fn is_media_type(text: &str) -> bool {
    let clean = |c: char| c.is_ascii_graphic() || c == ' ';
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let (name, _) = text.split_once(';').unwrap_or((text, ""));
    let named = name.trim_end_matches(' ').split_once('/').is_some_and(|(kind, subtype)| {
        [kind, subtype].iter().all(|half| !half.is_empty() && half.chars().all(token))
    });
    named && text.len() <= MAX_MEDIA_TYPE_BYTES && text.chars().all(clean) && !text.ends_with(' ')
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Whether XML 1.0 can hold the text at all.
pub(super) fn is_xml(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..))
}
