//! The namespaces of OSCI-Transport 1.2, and the prefixes under which we write them.

/// Orders, answers and what they hold.
pub(super) const OSCI: &str = "http://www.osci.de/2002/04/osci";
/// FeatureDescription and chunked transfer (`EFFI.xsd`); written as `osci2017`.
pub(super) const OSCI2017: &str = "http://xoev.de/transport/osci12/7";
/// SOAP 1.1.
pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// XML Signature.
pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption.
pub(super) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML Encryption 1.1.
pub(super) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// What Korrigenda 8 brought: `IvLength`.
pub(super) const OSCI128: &str = "http://xoev.de/transport/osci12/8";
/// XML Schema for instances.
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What every block that may be signed declares, in the order of Canonical XML.
pub(super) const DECLARED: [(&str, &str); 5] =
    [("ds", DS), ("osci", OSCI), ("soap", SOAP), ("xenc", XENC), ("xsi", XSI)];

/// SOAP 1.1, 4.2.2: whoever gets it next.
pub(super) const ACTOR_NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";
/// For nobody in particular: blocks with certificates.
pub(super) const ACTOR_NONE: &str = "http://www.w3.org/2001/12/soap-envelope/actor/none";
