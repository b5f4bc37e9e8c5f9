//! The profile of RFC 5280 for one certificate, as far as OpenSSL's strict mode lets breaches of it
//! through.

use super::fault::{Broken, Reason};
use super::{MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS, MAX_NAMES, constraints, names};
use crate::der::certificate::{Extension, KeyUsage, Parsed, oid, repeats};
use crate::der::{Malformed, OID, Reader, SEQUENCE};

pub(super) const KEY_USAGE: &str = "RFC 5280, 4.2.1.3: keyUsage";
pub(super) const EXTENDED_KEY_USAGE: &str = "RFC 5280, 4.2.1.12: extKeyUsage";

/// Where in the path a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Depth 0: the certificate that is judged.
    Leaf,
    /// Between leaf and anchor.
    Intermediate,
    /// The end of the path, if it is not the leaf as well.
    Anchor,
}

/// Extensions that are understood here or by OpenSSL, and so may be critical.
pub(crate) const UNDERSTOOD: &[&[u8]] = &[
    oid::KEY_USAGE,
    oid::SUBJECT_NAMES,
    oid::BASIC,
    oid::NAME_CONSTRAINTS,
    oid::CRL_POINTS,
    oid::POLICIES,
    oid::POLICY_MAPPINGS,
    oid::POLICY_CONSTRAINTS,
    oid::EXTENDED_USAGE,
    oid::INHIBIT_ANY,
];

/// Extensions that must be critical.
const MUST_BE_CRITICAL: &[(&[u8], &str)] = &[
    (oid::NAME_CONSTRAINTS, "RFC 5280, 4.2.1.10: nameConstraints is critical"),
    (oid::POLICY_CONSTRAINTS, "RFC 5280, 4.2.1.11: policyConstraints is critical"),
    (oid::INHIBIT_ANY, "RFC 5280, 4.2.1.14: inhibitAnyPolicy is critical"),
];

/// Extensions that must not be critical.
const NEVER_CRITICAL: &[(&[u8], &str)] = &[
    (oid::AUTHORITY_KEY, "RFC 5280, 4.2.1.1: authorityKeyIdentifier is not critical"),
    (oid::SUBJECT_KEY, "RFC 5280, 4.2.1.2: subjectKeyIdentifier is not critical"),
    (oid::DIRECTORY_ATTRIBUTES, "RFC 5280, 4.2.1.8: subjectDirectoryAttributes is not critical"),
    (oid::FRESHEST_CRL, "RFC 5280, 4.2.1.15: freshestCRL is not critical"),
    (oid::AUTHORITY_ACCESS, "RFC 5280, 4.2.2.1: authorityInfoAccess is not critical"),
    (oid::SUBJECT_ACCESS, "RFC 5280, 4.2.2.2: subjectInfoAccess is not critical"),
];

/// Takes a certificate apart.
pub(super) fn read(der: &[u8]) -> Result<Parsed<'_>, Broken> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(Broken(Reason::TooLarge, "largest certificate"));
    }
    let parsed = Parsed::read(der).map_err(Broken::malformed("RFC 5280, 4.1: Certificate"))?;
    if parsed.extensions.len() > MAX_EXTENSIONS {
        return Err(Broken(Reason::TooLarge, "extensions of one certificate"));
    }
    Ok(parsed)
}

/// The uses of its extKeyUsage: at most [`MAX_NAMES`].
pub(super) fn extended_usage<'a>(parsed: &Parsed<'a>) -> Result<Option<Vec<&'a [u8]>>, Broken> {
    let uses = parsed.extended_usage().map_err(Broken::malformed(EXTENDED_KEY_USAGE))?;
    match &uses {
        Some(many) if many.len() > MAX_NAMES => Err(Broken(Reason::TooLarge, EXTENDED_KEY_USAGE)),
        _ => Ok(uses),
    }
}

/// Judges one certificate.
pub(super) fn judge(parsed: &Parsed<'_>, role: Role) -> Result<(), Broken> {
    fields(parsed, role)?;
    extensions(&parsed.extensions)?;
    authority(parsed, role)?;
    subject(parsed)?;
    extended_usage(parsed)?;
    access(parsed)
}

fn fields(parsed: &Parsed<'_>, role: Role) -> Result<(), Broken> {
    const VERSION_3: u8 = 2;
    if parsed.version != VERSION_3 {
        return Err(Broken(Reason::Profile, "RFC 5280, 4.1.2.1: version 3"));
    }
    if !parsed.algorithms_agree {
        return Err(Broken(Reason::Signature, "RFC 5280, 4.1.1.2: signatureAlgorithm"));
    }
    // An anchor's serial number names nothing: no list of revoked certificates speaks of anchors,
    // and old roots have 0.
    if role != Role::Anchor && !is_serial(parsed.serial) {
        return Err(Broken(Reason::SerialNumber, "RFC 5280, 4.1.2.2: serialNumber"));
    }
    if !parsed.has_issuer() {
        return Err(Broken(Reason::Profile, "RFC 5280, 4.1.2.4: issuer"));
    }
    Ok(())
}

/// Positive, at most 20 octets.
fn is_serial(content: &[u8]) -> bool {
    const MAX_OCTETS: usize = 20;
    let negative = content.first().is_none_or(|octet| octet & 0x80 != 0);
    content.len() <= MAX_OCTETS && !negative && content.iter().any(|octet| *octet != 0)
}

fn extensions(extensions: &[Extension<'_>]) -> Result<(), Broken> {
    if repeats(extensions) {
        return Err(Broken(Reason::DuplicateExtension, "RFC 5280, 4.2"));
    }
    for extension in extensions {
        let named = |list: &[(&[u8], &'static str)]| {
            list.iter().find(|(oid, _)| *oid == extension.oid).map(|(_, rule)| *rule)
        };
        let broken = if extension.critical {
            let unknown = !UNDERSTOOD.contains(&extension.oid);
            named(NEVER_CRITICAL).or(unknown.then_some("RFC 5280, 4.2: unknown and critical"))
        } else {
            named(MUST_BE_CRITICAL)
        };
        if let Some(rule) = broken {
            return Err(Broken(Reason::CriticalExtension, rule));
        }
    }
    Ok(())
}

/// RFC 5280, 4.2.1.3, 4.2.1.9 and 4.2.1.10: what is said about issuing fits together.
fn authority(parsed: &Parsed<'_>, role: Role) -> Result<(), Broken> {
    const RULE: &str = "RFC 5280, 4.2.1.9: basicConstraints";
    let basic = parsed.basic().map_err(Broken::malformed(RULE))?;
    let usage = parsed.key_usage().map_err(Broken::malformed(KEY_USAGE))?;
    let ca = basic.is_some_and(|basic| basic.ca);
    let signs = usage.map(|usage| usage.any(&[KeyUsage::KEY_CERT_SIGN]));
    if role != Role::Leaf {
        if !ca {
            return Err(Broken(Reason::NotAnAuthority, RULE));
        }
        if signs == Some(false) {
            return Err(Broken(Reason::KeyUsage, "RFC 5280, 4.2.1.3: keyCertSign"));
        }
        if basic.is_some_and(|basic| !basic.critical) {
            return Err(Broken(Reason::CriticalExtension, RULE));
        }
        if !parsed.has_subject() {
            return Err(Broken(Reason::Profile, "RFC 5280, 4.1.2.6: subject"));
        }
    }
    if !ca && signs == Some(true) {
        return Err(Broken(Reason::KeyUsage, "RFC 5280, 4.2.1.9: keyCertSign without cA"));
    }
    if !ca && basic.is_some_and(|basic| basic.path_length) {
        return Err(Broken(Reason::Profile, "RFC 5280, 4.2.1.9: pathLenConstraint without cA"));
    }
    let constraints = constraints::read(parsed)?;
    if !ca && constraints.is_some() {
        return Err(Broken(Reason::Profile, "RFC 5280, 4.2.1.10: nameConstraints without cA"));
    }
    Ok(())
}

/// RFC 5280, 4.1.2.6 and 4.2.1.6: there is a name.
fn subject(parsed: &Parsed<'_>) -> Result<(), Broken> {
    const RULE: &str = "RFC 5280, 4.2.1.6: subjectAltName instead of a subject is critical";
    let names = parsed.extension(oid::SUBJECT_NAMES);
    if let Some(names) = names {
        names::alternative_names(names.value)?;
    }
    let named = parsed.has_subject() || names.is_some_and(|names| names.critical);
    if named { Ok(()) } else { Err(Broken(Reason::CriticalExtension, RULE)) }
}

/// RFC 5280, 4.2.2.1: where there is an authorityInfoAccess, it names at least one place.
fn access(parsed: &Parsed<'_>) -> Result<(), Broken> {
    let Some(extension) = parsed.extension(oid::AUTHORITY_ACCESS) else { return Ok(()) };
    let read = || -> Result<(), Malformed> {
        let mut list = Reader::only(extension.value, SEQUENCE)?;
        let mut more = true;
        while more {
            let mut description = list.inside(SEQUENCE)?;
            description.read(OID)?;
            description.any()?;
            description.end()?;
            more = !list.is_empty();
        }
        Ok(())
    };
    read().map_err(Broken::malformed("RFC 5280, 4.2.2.1: authorityInfoAccess"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_positive_and_short() {
        for good in [&[1][..], &[0x7f], &[0, 0x80], &[0x7f; 20]] {
            assert!(is_serial(good), "{good:02x?}");
        }
        for bad in [&[][..], &[0], &[0x80], &[0xff; 20], &[0x7f; 21]] {
            assert!(!is_serial(bad), "{bad:02x?}");
        }
    }
}
