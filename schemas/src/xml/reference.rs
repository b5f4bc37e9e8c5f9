//! References: the five predefined entities and character references (XML 1.0, 4.1 and 4.6).

use super::chars::{is_char, is_name};
use super::error::XmlErrorKind;

/// The character that `&body;` stands for.
pub(super) fn resolve(body: &str) -> Result<char, XmlErrorKind> {
    if let Some(number) = body.strip_prefix('#') {
        return character(number);
    }
    match body {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ if is_name(body) => Err(XmlErrorKind::UndefinedEntity),
        _ => Err(XmlErrorKind::BadReference),
    }
}

fn character(number: &str) -> Result<char, XmlErrorKind> {
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (number, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|d| char::from(d).is_digit(radix)) {
        return Err(XmlErrorKind::BadReference);
    }
    // Any number of leading zeros is allowed; what overflows is beyond Unicode anyway.
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|c| is_char(*c))
        .ok_or(XmlErrorKind::ForbiddenCharacterReference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_or_refused() {
        for (body, expected) in [
            ("lt", Ok('<')),
            ("gt", Ok('>')),
            ("amp", Ok('&')),
            ("apos", Ok('\'')),
            ("quot", Ok('"')),
            ("#65", Ok('A')),
            ("#x41", Ok('A')),
            ("#x0000000000000000000041", Ok('A')),
            ("#x10FFFF", Ok('\u{10FFFF}')),
            ("#xfFfD", Ok('\u{FFFD}')),
            ("#13", Ok('\r')),
            ("#0", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#x1F", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#xD800", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#xFFFE", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#x110000", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#99999999999", Err(XmlErrorKind::ForbiddenCharacterReference)),
            ("#", Err(XmlErrorKind::BadReference)),
            ("#x", Err(XmlErrorKind::BadReference)),
            ("#X41", Err(XmlErrorKind::BadReference)),
            ("#+5", Err(XmlErrorKind::BadReference)),
            ("#x4G", Err(XmlErrorKind::BadReference)),
            ("", Err(XmlErrorKind::BadReference)),
            ("1", Err(XmlErrorKind::BadReference)),
            ("nbsp", Err(XmlErrorKind::UndefinedEntity)),
            ("LT", Err(XmlErrorKind::UndefinedEntity)),
        ] {
            assert_eq!(resolve(body), expected, "{body}");
        }
    }
}
