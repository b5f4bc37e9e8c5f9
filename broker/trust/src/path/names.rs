//! Names: of servers, and those in certificates (RFC 5280, 4.2.1.6).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::MAX_NAMES;
use super::fault::{Broken, Reason};
use crate::der::{Malformed, Reader, SEQUENCE, Value};

/// The name under which a server is called: a DNS name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// A DNS name in small letters, without a full stop at its end.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// A text that names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a DNS name (letters, digits, hyphens; IDN in ASCII form) nor an IP address")]
pub struct NotAName;

impl FromStr for ServerName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        // OpenSSL would take a full stop in front as "any name below".
        if !is_dns_name(text.as_bytes()) {
            return Err(NotAName);
        }
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// The preferred name syntax (RFC 1034, 3.5; RFC 1123, 2.1: labels may begin with a digit, but the
/// last is not all digits, so that no address passes for a name).
pub(super) fn is_dns_name(octets: &[u8]) -> bool {
    const MAX_NAME: usize = 253;
    const MAX_LABEL: usize = 63;
    let label = |label: &[u8]| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
            && label.first() != Some(&b'-')
            && label.last() != Some(&b'-')
    };
    let last = octets.rsplit(|octet| *octet == b'.').next().unwrap_or_default();
    octets.len() <= MAX_NAME
        && octets.split(|octet| *octet == b'.').all(label)
        && !last.iter().all(u8::is_ascii_digit)
}

/// `local@host`, where the host is at least free of a second `@` (RFC 5280, 4.2.1.6: a Mailbox).
pub(super) fn is_mailbox(octets: &[u8]) -> bool {
    let mut parts = octets.split(|octet| *octet == b'@');
    let part = |part: Option<&[u8]>| {
        part.is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_graphic))
    };
    part(parts.next()) && part(parts.next()) && parts.next().is_none()
}

/// Tags of GeneralName (RFC 5280, 4.2.1.6).
pub(super) mod general {
    use crate::der::{constructed, primitive};

    pub(in crate::path) const OTHER: u8 = constructed(0);
    pub(in crate::path) const EMAIL: u8 = primitive(1);
    pub(in crate::path) const DNS: u8 = primitive(2);
    pub(in crate::path) const X400: u8 = constructed(3);
    pub(in crate::path) const DIRECTORY: u8 = constructed(4);
    pub(in crate::path) const EDI: u8 = constructed(5);
    pub(in crate::path) const URI: u8 = primitive(6);
    pub(in crate::path) const IP: u8 = primitive(7);
    pub(in crate::path) const REGISTERED: u8 = primitive(8);
}

/// The names of a subjectAltName: at least one, at most [`MAX_NAMES`], each of a form that its kind
/// allows.
pub(super) fn alternative_names(value: &[u8]) -> Result<Vec<Value<'_>>, Broken> {
    const RULE: &str = "RFC 5280, 4.2.1.6: subjectAltName";
    let malformed = Broken::malformed(RULE);
    let mut reader = Reader::only(value, SEQUENCE).map_err(malformed)?;
    let mut names = Vec::new();
    while !reader.is_empty() {
        if names.len() == MAX_NAMES {
            return Err(Broken(Reason::TooLarge, RULE));
        }
        let name = reader.any().map_err(malformed)?;
        if !is_well_formed(&name) {
            return Err(malformed(Malformed));
        }
        names.push(name);
    }
    if names.is_empty() { Err(malformed(Malformed)) } else { Ok(names) }
}

fn is_well_formed(name: &Value<'_>) -> bool {
    let content = name.content;
    match name.tag {
        // One asterisk, for the whole first label, of a name that has at least two more.
        general::DNS => match content.strip_prefix(b"*.") {
            Some(parent) => parent.contains(&b'.') && is_dns_name(parent),
            None => is_dns_name(content),
        },
        general::EMAIL => is_mailbox(content),
        general::IP => matches!(content.len(), 4 | 16),
        general::URI => !content.is_empty() && content.iter().all(u8::is_ascii_graphic),
        general::DIRECTORY => Reader::only(content, SEQUENCE).is_ok(),
        general::REGISTERED => !content.is_empty(),
        general::OTHER | general::X400 | general::EDI => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::value;

    #[test]
    fn names_of_servers_are_read() {
        assert_eq!("Hub.Example.TEST".parse(), Ok(ServerName::Dns("hub.example.test".to_owned())));
        assert_eq!("127.0.0.1".parse(), Ok(ServerName::Ip([127, 0, 0, 1].into())));
        assert!(matches!("::1".parse(), Ok(ServerName::Ip(_))));
        for bad in [
            "",
            ".",
            ".example.test",
            "example.test.",
            "a..b",
            "*.example.test",
            "a_b.example",
            "-a.example",
            "a-.example",
            "1.2.3",
            "1.2.3.4.5",
            "münchen.example",
            "a b",
            "a\0b",
        ] {
            assert_eq!(bad.parse::<ServerName>(), Err(NotAName), "{bad:?}");
        }
        assert!("x".repeat(64).parse::<ServerName>().is_err());
        assert!(["a"; 128].join(".").parse::<ServerName>().is_err());
        assert!(["a"; 127].join(".").parse::<ServerName>().is_ok());
    }

    #[test]
    fn names_in_certificates_have_a_form() {
        let judged = |tag: u8, content: &[u8]| {
            alternative_names(&value(SEQUENCE, &[&value(tag, &[content])])).is_ok()
        };
        for good in ["example.test", "*.example.test", "localhost", "xn--mnchen-3ya.example"] {
            assert!(judged(general::DNS, good.as_bytes()), "{good}");
        }
        for bad in ["*", "*.test", "a*.example.test", "b.*.test", "8.8.8.8", "a_b.test", "", " "] {
            assert!(!judged(general::DNS, bad.as_bytes()), "{bad}");
        }
        assert!(judged(general::EMAIL, b"*@example.test"));
        for bad in ["a", "a@", "@b", "a@b@c", "a b@c", "a\n@c"] {
            assert!(!judged(general::EMAIL, bad.as_bytes()), "{bad}");
        }
        assert!(judged(general::IP, &[0; 4]) && judged(general::IP, &[0; 16]));
        assert!(!judged(general::IP, &[0; 8]) && !judged(general::IP, &[]));
        assert!(judged(general::URI, b"urn:a") && !judged(general::URI, b""));
        assert!(!judged(0x8f, b"x"));
        assert!(alternative_names(&[SEQUENCE, 0]).is_err());
        assert!(alternative_names(&[]).is_err());
    }

    #[test]
    fn names_are_counted() {
        let name = value(general::IP, &[&[10, 0, 0, 1]]);
        let with = |count: usize| value(SEQUENCE, &[&name.repeat(count)]);
        assert_eq!(alternative_names(&with(MAX_NAMES)).map(|names| names.len()), Ok(MAX_NAMES));
        assert_eq!(alternative_names(&with(MAX_NAMES + 1)).map_err(|b| b.0), Err(Reason::TooLarge));
    }
}
