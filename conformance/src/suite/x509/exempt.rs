//! Cases that are not applicable here, each with its reason. Each is judged all the same, and one
//! that agrees fails the suite until it is taken off this list.
//!
//! "Baseline Requirements" are those of the CA/Browser Forum: what they add to RFC 5280 binds the
//! authorities of the public web, and no authority of the administration.

/// The common name is not looked at, so it cannot contradict.
const COMMON_NAME: &str = "Baseline Requirements, 7.1.4.3: the common name repeats a subjectAltName. Here names come from \
     subjectAltName alone; RFC 5280 has no such rule";

/// An anchor's own key identifiers.
const ROOT_AKI: &str = "Baseline Requirements, 7.1.2.1.3: how a root writes its authorityKeyIdentifier. RFC 5280, 4.2.1.1 \
     asks nothing of a self-signed certificate, and it plays no part in a path";

/// Names of registries.
const PUBLIC_SUFFIX: &str = "needs the public suffix list, which is not kept here; anchors for servers are pinned by the \
     operator, not those of the public web";

/// RSA moduli.
const DIVISIBLE: &str = "Baseline Requirements, 6.1.5: a modulus divisible by 8. Neither RFC 5280 nor TR-02102 has such a \
     rule; the key is long enough";

/// A certificate that may only sign certificates, used for TLS.
const CA_KEY_USAGE: &str = "the leaf has keyUsage keyCertSign without digitalSignature: RFC 8446, 4.4.2.2 forbids it in \
     TLS, and the purpose demands it. That the path is valid under RFC 5280 is not in dispute";

/// Identifier and reason.
pub(super) const CASES: &[(&str, &str)] = &[
    (
        "crl::issuer-no-keyusage-extension",
        "RFC 5280, 4.2.1.3: conforming authorities MUST have keyUsage. OpenSSL's strict mode refuses \
         one without, and the list is not even asked",
    ),
    ("pathlen::validation-ignores-pathlen-in-leaf", CA_KEY_USAGE),
    (
        "rfc5280::aki::cross-signed-root-missing-aki",
        "an anchor that another has certified, without authorityKeyIdentifier: it helps to find an \
         issuer, and an anchor's is not looked for. cve::cve-2024-0567 has the same anchor and \
         expects success",
    ),
    ("rfc5280::ca-as-leaf", CA_KEY_USAGE),
    ("webpki::aki::root-with-aki-missing-keyidentifier", ROOT_AKI),
    ("webpki::aki::root-with-aki-authoritycertissuer", ROOT_AKI),
    ("webpki::aki::root-with-aki-authoritycertserialnumber", ROOT_AKI),
    ("webpki::aki::root-with-aki-all-fields", ROOT_AKI),
    ("webpki::aki::root-with-aki-ski-mismatch", ROOT_AKI),
    ("webpki::cn::ipv4-hex-mismatch", COMMON_NAME),
    ("webpki::cn::ipv4-leading-zeros-mismatch", COMMON_NAME),
    ("webpki::cn::ipv6-uppercase-mismatch", COMMON_NAME),
    ("webpki::cn::ipv6-uncompressed-mismatch", COMMON_NAME),
    ("webpki::cn::ipv6-non-rfc5952-mismatch", COMMON_NAME),
    ("webpki::cn::punycode-not-in-san", COMMON_NAME),
    ("webpki::cn::utf8-vs-punycode-mismatch", COMMON_NAME),
    ("webpki::cn::not-in-san", COMMON_NAME),
    ("webpki::cn::case-mismatch", COMMON_NAME),
    (
        "webpki::eku::ee-anyeku",
        "Baseline Requirements, 7.1.2.7.10: no anyExtendedKeyUsage. The leaf names serverAuth as \
         well, which is what RFC 5280, 4.2.1.12 asks for",
    ),
    (
        "webpki::eku::ee-critical-eku",
        "Baseline Requirements, 7.1.2.7.6: extKeyUsage not critical. RFC 5280, 4.2.1.12 lets it be \
         either",
    ),
    (
        "webpki::eku::ee-without-eku",
        "Baseline Requirements demand extKeyUsage. RFC 5280 does not: rfc5280::eku::ee-without-eku \
         expects success",
    ),
    (
        "webpki::eku::root-has-eku",
        "Baseline Requirements, 7.1.2.1.2: no extKeyUsage in a root. RFC 5280 has no such rule; \
         serverAuth is among its uses",
    ),
    (
        "webpki::nc::permitted-dns-match-noncritical",
        "RFC 5280, 4.2.1.10: nameConstraints MUST be critical. rfc5280::nc::\
         permitted-dns-match-noncritical expects failure for the same certificates",
    ),
    ("webpki::san::public-suffix-multi-label-wildcard-san", PUBLIC_SUFFIX),
    ("webpki::san::public-suffix-private-namespace-wildcard-san", PUBLIC_SUFFIX),
    (
        "webpki::san::san-critical-with-nonempty-subject",
        "Baseline Requirements: subjectAltName not critical beside a subject. RFC 5280, 4.2.1.6 says \
         SHOULD",
    ),
    ("webpki::forbidden-rsa-not-divisible-by-8-in-root", DIVISIBLE),
    ("webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf", DIVISIBLE),
    (
        "webpki::ee-basicconstraints-ca",
        "Baseline Requirements, 7.1.2.7.8: a leaf is no authority. RFC 5280 makes no such \
         stipulation",
    ),
];
