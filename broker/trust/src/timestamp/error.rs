//! Why a time stamp does not count, in two languages.

use std::fmt;

use amtsbote_domain::text::{Language, Text};

use crate::der::Malformed;

/// Why a time stamp does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Not DER, or not of the form of RFC 3161 and RFC 5652.
    Malformed,
    /// Longer than it may be, or with more certificates.
    TooLarge,
    /// It has a critical extension; none is known here (RFC 3161, 2.4.2; RFC 5280, 4.2).
    Critical,
    /// The authority does not stamp this.
    Denied,
    /// Made or digested by an algorithm that does not count.
    Algorithm,
    /// The signature is not that of the certificate it names.
    Signature,
    /// The signed attributes do not name the certificate (RFC 3161, 2.4.2; RFC 5816).
    Unbound,
    /// The certificate of the authority did not come along.
    NoCertificate,
    /// The certificate is not for time stamps alone (RFC 3161, 2.3).
    Usage,
    /// No path to an anchor for time stamps; the reason in English.
    Path(String),
    /// It stamps another digest.
    OtherDigest,
    /// It does not carry the nonce of the question.
    Nonce,
    /// It is further from the hub's clock than may be.
    Skew,
    /// OpenSSL failed.
    Engine,
}

impl Refused {
    fn words(&self) -> Text {
        match self {
            Self::Malformed => Text {
                de: "kein Zeitstempel in gültiger Form (RFC 3161)",
                en: "no time stamp of valid form (RFC 3161)",
            },
            Self::TooLarge => Text { de: "größer als zugelassen", en: "larger than allowed" },
            Self::Critical => Text {
                de: "enthält eine kritische Erweiterung, die hier nicht bekannt ist",
                en: "it has a critical extension that is not known here",
            },
            Self::Denied => Text {
                de: "der Zeitstempeldienst lehnt die Anfrage ab",
                en: "the time-stamping authority denies the request",
            },
            Self::Algorithm => Text {
                de: "mit einem Verfahren gebildet, das nicht zugelassen ist",
                en: "made with an algorithm that is not allowed",
            },
            Self::Signature => Text {
                de: "die Signatur gehört nicht zum genannten Zertifikat",
                en: "the signature is not that of the certificate it names",
            },
            Self::Unbound => Text {
                de: "die Signatur benennt ihr Zertifikat nicht (RFC 5816)",
                en: "the signature does not name its certificate (RFC 5816)",
            },
            Self::NoCertificate => Text {
                de: "das Zertifikat des Zeitstempeldienstes fehlt",
                en: "the certificate of the time-stamping authority is missing",
            },
            Self::Usage => Text {
                de: "das Zertifikat ist nicht allein für Zeitstempel bestimmt (RFC 3161, 2.3)",
                en: "the certificate is not for time stamps alone (RFC 3161, 2.3)",
            },
            Self::Path(_) => Text {
                de: "kein Zertifikatspfad zu einem Anker für Zeitstempel",
                en: "no certificate path to an anchor for time stamps",
            },
            Self::OtherDigest => Text {
                de: "der Zeitstempel gilt für einen anderen Hashwert",
                en: "it stamps another digest",
            },
            Self::Nonce => Text {
                de: "der Zeitstempel trägt nicht die Nonce der Anfrage",
                en: "it does not carry the nonce of the request",
            },
            Self::Skew => Text {
                de: "die Uhren von Zeitstempeldienst und Rechner weichen zu weit voneinander ab",
                en: "the clocks of authority and machine are too far apart",
            },
            Self::Engine => Text { de: "OpenSSL meldet einen Fehler", en: "OpenSSL failed" },
        }
    }

    /// The text for people.
    pub fn text(&self, language: Language) -> String {
        let words = self.words().get(language);
        match self {
            Self::Path(reason) => format!("{words}: {reason}"),
            _ => words.to_owned(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::En))
    }
}

impl std::error::Error for Refused {}

impl From<Malformed> for Refused {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<openssl::error::ErrorStack> for Refused {
    fn from(_: openssl::error::ErrorStack) -> Self {
        Self::Engine
    }
}
