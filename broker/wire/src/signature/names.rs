//! Distinguished names as `KeyInfo` writes them, to be compared with those of certificates.

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use openssl::x509::X509NameRef;

/// Most attributes of one name.
const MAX_ATTRIBUTES: usize = 32;

/// A name as a list of attribute type and value: the most specific first, as RFC 4514 writes it.
/// Values are folded, since producers differ in case and spaces. It only selects among certificates
/// that are known already; a name that fits too many costs a check of the signature each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DistinguishedName(Vec<(String, String)>);

impl DistinguishedName {
    /// Reads a name of RFC 4514 or its predecessors; none where it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut attributes = Vec::new();
        for attribute in split(text)? {
            let (kind, value) = attribute.split_once('=')?;
            if attributes.len() == MAX_ATTRIBUTES {
                return None;
            }
            attributes.push((type_of(kind.trim())?, folded(&unescaped(value.trim())?)));
        }
        (!attributes.is_empty()).then_some(Self(attributes))
    }

    /// The name of a subject or issuer.
    pub(crate) fn of(name: &X509NameRef) -> Self {
        let mut attributes: Vec<_> = name
            .entries()
            .map(|entry| {
                let value = entry.data().to_string().map(|text| folded(&text));
                (entry.object().to_string_id(), value.unwrap_or_default())
            })
            .collect();
        attributes.reverse();
        Self(attributes)
    }
}

trait StringId {
    /// What identifies the type whatever it is called: its number in OpenSSL, else its OID.
    fn to_string_id(&self) -> String;
}

impl StringId for openssl::asn1::Asn1ObjectRef {
    fn to_string_id(&self) -> String {
        match self.nid() {
            Nid::UNDEF => self.to_string(),
            nid => nid.as_raw().to_string(),
        }
    }
}

fn type_of(kind: &str) -> Option<String> {
    // OpenSSL takes a C string, which must not hold a zero.
    if kind.is_empty()
        || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
    {
        return None;
    }
    let upper = kind.to_ascii_uppercase();
    let known = match upper.strip_prefix("OID.").unwrap_or(&upper) {
        "E" | "EMAIL" | "EMAILADDRESS" => "emailAddress",
        "S" | "ST" => "ST",
        "SN" | "SURNAME" => "SN",
        "G" | "GN" | "GIVENNAME" => "GN",
        "T" | "TITLE" => "title",
        "SERIALNUMBER" => "serialNumber",
        "STREET" => "street",
        other => return Asn1Object::from_str(other).ok().map(|object| object.to_string_id()),
    };
    Asn1Object::from_str(known).ok().map(|object| object.to_string_id())
}

/// Parts a name at its commas, semicolons and plus signs, none of them escaped or quoted.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' | '+' if !quoted => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!escaped && !quoted).then_some(parts)
}

/// RFC 4514, 2.4, and the quotes of RFC 2253. A value in hexadecimal (`#04...`) is not read.
fn unescaped(value: &str) -> Option<String> {
    if value.starts_with('#') {
        return None;
    }
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let (mut octets, mut bytes) = (Vec::with_capacity(value.len()), value.bytes());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        let first = bytes.next()?;
        match (first as char).to_digit(16) {
            Some(high) => {
                let low = (bytes.next()? as char).to_digit(16)?;
                octets.push((high * 16 + low) as u8);
            }
            None => octets.push(first),
        }
    }
    String::from_utf8(octets).ok()
}

fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::rfc4514;
    use crate::testing::{EC, RSA};

    #[test]
    fn names_are_found_again_however_they_are_written() {
        let subject = EC.certificate.subject_name();
        let name = DistinguishedName::of(subject);
        let other = DistinguishedName::of(RSA.certificate.subject_name());
        for text in [
            rfc4514(subject),
            "CN=Kreis Beispiel,O=Probe\\, \\\"Amt\\\",C=DE".to_owned(),
            "cn = kreis  beispiel ; O=\"Probe, \\22Amt\\\"\" , 2.5.4.6=DE".to_owned(),
        ] {
            let parsed = DistinguishedName::parse(&text).expect("a name");
            assert_eq!(parsed, name, "{text}");
            assert_ne!(parsed, other, "{text}");
        }
        for text in ["", "CN", "CN=a\\", "CN=\"a", "X-NOT-A-TYPE=a", "CN=#0402", "CN=\\zz\\C3"] {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_order_and_every_attribute_count() {
        let name = |text: &str| DistinguishedName::parse(text).expect("a name");
        assert_eq!(name("E=a@b,CN=x"), name("1.2.840.113549.1.9.1=a@b,CN=X"));
        assert_ne!(name("CN=x,C=DE"), name("C=DE,CN=x"));
        assert_ne!(name("CN=x,C=DE"), name("CN=x"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,60}") {
            let _ = DistinguishedName::parse(&text);
        }
    }
}
