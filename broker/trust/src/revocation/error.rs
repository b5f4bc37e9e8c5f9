//! Why a list, an answer or a source does not count, in two languages.

use std::fmt;

use amtsbote_domain::text::{Language, Text};

/// Why something about revocation does not count. Holds nothing of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The certificate asked about cannot be read here (e.g. a serial number that is too long).
    Certificate,
    /// Not DER, or not of the form of RFC 5280 or RFC 6960.
    Malformed,
    /// Longer than it may be.
    TooLarge,
    /// More entries than may be.
    TooManyEntries,
    /// Signed with an algorithm that does not count (SHA-1, or unknown).
    Algorithm,
    /// Not signed by the issuer, or by a responder that the issuer has appointed.
    Signature,
    /// Of another issuer.
    OtherIssuer,
    /// The issuer's certificate may not sign lists (key usage without cRLSign).
    MayNotSign,
    /// From the future.
    NotYet,
    /// Its next update is overdue: it is kept for grace, but nothing is good by it.
    Stale,
    /// Without a next update (CRL).
    NoNextUpdate,
    /// Without a number (CRL; RFC 5280, 5.2.3).
    NoNumber,
    /// Older than what is known already.
    Older,
    /// With a critical extension that is not known here.
    CriticalExtension,
    /// A delta list.
    Delta,
    /// A list that speaks for other issuers.
    Indirect,
    /// A list of some reasons, or of attribute certificates, only.
    Partial,
    /// A list with an entry that takes certificates off again, which belongs into delta lists only.
    Removal,
    /// The responder answers that it cannot or will not.
    Responder,
    /// The answer is about another certificate.
    OtherCertificate,
    /// The answer does not carry the nonce of the question.
    Nonce,
    /// The certificate of the responder was revoked.
    ResponderRevoked,
    /// No room for more.
    Full,
    /// The address cannot be used.
    Address,
    /// The configuration does not allow this host.
    Host,
    /// The host lies where no source may be: this machine, or link-local.
    Inside,
    /// More redirections than one, or one that is not allowed.
    Redirect,
    /// The server answers with this status.
    Status(u16),
    /// Too slow.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// The file cannot be read or written.
    File,
    /// OpenSSL failed.
    Engine,
}

impl Refused {
    fn words(self) -> Text {
        match self {
            Self::Certificate => Text {
                de: "das Zertifikat ist für die Sperrprüfung nicht lesbar",
                en: "the certificate cannot be read for a check of revocation",
            },
            Self::Malformed => Text {
                de: "keine Sperrliste oder OCSP-Antwort in gültiger Form (RFC 5280, RFC 6960)",
                en: "no CRL or OCSP answer of valid form (RFC 5280, RFC 6960)",
            },
            Self::TooLarge => Text { de: "größer als zugelassen", en: "larger than allowed" },
            Self::TooManyEntries => {
                Text { de: "mehr Einträge als zugelassen", en: "more entries than allowed" }
            }
            Self::Algorithm => Text {
                de: "mit einem Verfahren signiert, das nicht zugelassen ist",
                en: "signed with an algorithm that is not allowed",
            },
            Self::Signature => Text {
                de: "nicht vom Aussteller oder einem von ihm beauftragten Dienst signiert",
                en: "not signed by the issuer or a responder that it has appointed",
            },
            Self::OtherIssuer => {
                Text { de: "von einem anderen Aussteller", en: "of another issuer" }
            }
            Self::MayNotSign => Text {
                de: "das Zertifikat des Ausstellers erlaubt keine Sperrlisten (cRLSign fehlt)",
                en: "the issuer's certificate does not allow CRLs (no cRLSign)",
            },
            Self::NotYet => Text { de: "aus der Zukunft", en: "from the future" },
            Self::Stale => Text {
                de: "veraltet: die nächste Ausgabe ist überfällig",
                en: "stale: its next update is overdue",
            },
            Self::NoNextUpdate => Text {
                de: "ohne Angabe der nächsten Ausgabe (nextUpdate)",
                en: "without a next update",
            },
            Self::NoNumber => {
                Text { de: "Sperrliste ohne Nummer (cRLNumber)", en: "a CRL without a number" }
            }
            Self::Older => {
                Text { de: "älter als der bekannte Stand", en: "older than what is known" }
            }
            Self::CriticalExtension => Text {
                de: "mit einer kritischen Erweiterung, die hier nicht bekannt ist",
                en: "with a critical extension that is not known here",
            },
            Self::Delta => Text {
                de: "Delta-Sperrlisten werden nicht verwendet",
                en: "delta CRLs are not used",
            },
            Self::Indirect => Text {
                de: "indirekte Sperrlisten werden nicht verwendet",
                en: "indirect CRLs are not used",
            },
            Self::Partial => Text {
                de: "Sperrlisten nur einzelner Gründe oder für Attributzertifikate werden nicht \
                     verwendet",
                en: "CRLs of some reasons only, or of attribute certificates, are not used",
            },
            Self::Removal => Text {
                de: "removeFromCRL gehört nur in Delta-Sperrlisten",
                en: "removeFromCRL belongs into delta CRLs only",
            },
            Self::Responder => Text {
                de: "der OCSP-Dienst gibt keine Auskunft",
                en: "the OCSP responder gives no answer",
            },
            Self::OtherCertificate => Text {
                de: "die OCSP-Antwort betrifft ein anderes Zertifikat",
                en: "the OCSP answer is about another certificate",
            },
            Self::Nonce => Text {
                de: "die OCSP-Antwort trägt nicht die Nonce der Anfrage",
                en: "the OCSP answer does not carry the nonce of the request",
            },
            Self::ResponderRevoked => Text {
                de: "das Zertifikat des OCSP-Dienstes ist gesperrt",
                en: "the certificate of the OCSP responder was revoked",
            },
            Self::Full => Text { de: "kein Platz für mehr", en: "no room for more" },
            Self::Address => {
                Text { de: "die Adresse ist nicht verwendbar", en: "the address cannot be used" }
            }
            Self::Host => Text {
                de: "der Rechner ist nicht zugelassen; ihn in die Liste der Sperrquellen aufnehmen",
                en: "the host is not allowed; add it to the list of revocation hosts",
            },
            Self::Inside => Text {
                de: "die Adresse liegt auf diesem Rechner oder im lokalen Anschluss",
                en: "the address is of this machine or link-local",
            },
            Self::Redirect => Text {
                de: "nicht zugelassene oder zu viele Weiterleitungen",
                en: "a redirection that is not allowed, or too many",
            },
            Self::Status(_) => {
                Text { de: "der Server antwortet mit Status", en: "the server answers with status" }
            }
            Self::Timeout => Text { de: "zu langsam", en: "too slow" },
            Self::Unreachable => {
                Text { de: "keine Verbindung, oder sie brach ab", en: "no connection, or it broke" }
            }
            Self::File => Text {
                de: "die Datei ist nicht lesbar oder nicht schreibbar",
                en: "the file cannot be read or written",
            },
            Self::Engine => Text { de: "OpenSSL meldet einen Fehler", en: "OpenSSL failed" },
        }
    }

    /// The text for people.
    pub fn text(self, language: Language) -> String {
        let words = self.words().get(language);
        match self {
            Self::Status(status) => format!("{words} {status}"),
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

impl From<openssl::error::ErrorStack> for Refused {
    fn from(_: openssl::error::ErrorStack) -> Self {
        Self::Engine
    }
}
