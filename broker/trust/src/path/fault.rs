//! Why there is no path, in two languages.

use std::fmt;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::text::{Language, Text};

use crate::der::Malformed;
use crate::pem::Certificate;

macro_rules! reasons {
    ($($name:ident $code:ident de $de:literal en $en:literal;)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $en] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The reason for people.
            pub fn text(self) -> Text {
                match self { $(Self::$name => Text { de: $de, en: $en },)* }
            }

            /// The refusal that follows from it.
            pub fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }
        }
    };
}

reasons! {
    NoAnchor SignerNotTrusted
        de "Kein Weg führt zu einem Zertifikat, dem für diesen Zweck vertraut wird: der Aussteller fehlt."
        en "No path leads to a certificate that is trusted for this purpose: the issuer is missing.";
    NotYetValid CertificateNotValid
        de "Das Zertifikat ist noch nicht gültig."
        en "The certificate is not valid yet.";
    Expired CertificateNotValid
        de "Das Zertifikat ist abgelaufen."
        en "The certificate has expired.";
    Signature SignerNotTrusted
        de "Die Signatur des Ausstellers über das Zertifikat ist falsch."
        en "The issuer's signature over the certificate does not hold.";
    NotAnAuthority SignerNotTrusted
        de "Das Zertifikat darf keine anderen ausstellen."
        en "The certificate must not issue others.";
    KeyUsage SignerNotTrusted
        de "Die Schlüsselverwendung erlaubt diesen Zweck nicht."
        en "The key usage does not allow this purpose.";
    ExtendedKeyUsage SignerNotTrusted
        de "Die erweiterte Schlüsselverwendung erlaubt diesen Zweck nicht."
        en "The extended key usage does not allow this purpose.";
    PathLength SignerNotTrusted
        de "Der Weg zum Vertrauensanker ist länger als erlaubt."
        en "The path to the anchor is longer than allowed.";
    NameConstraint SignerNotTrusted
        de "Ein Name liegt außerhalb dessen, was ein Aussteller vergeben darf."
        en "A name is outside of what an issuer may give.";
    CertificatePolicy SignerNotTrusted
        de "Die Zertifikatsrichtlinien des Weges passen nicht zusammen."
        en "The certificate policies of the path do not fit together.";
    CriticalExtension SignerNotTrusted
        de "Eine Erweiterung ist zu Unrecht kritisch, zu Unrecht nicht kritisch oder kritisch und unbekannt."
        en "An extension is wrongly critical, wrongly not critical, or critical and unknown.";
    DuplicateExtension SignerNotTrusted
        de "Eine Erweiterung kommt zweimal vor."
        en "An extension occurs twice.";
    SerialNumber SignerNotTrusted
        de "Die Seriennummer ist nicht positiv oder zu lang."
        en "The serial number is not positive or too long.";
    Profile SignerNotTrusted
        de "Das Zertifikat folgt nicht dem Profil von RFC 5280."
        en "The certificate does not follow the profile of RFC 5280.";
    Malformed SignerNotTrusted
        de "Ein Teil des Zertifikats ist nicht so aufgebaut, wie er es sein muss."
        en "A part of the certificate is not built as it must be.";
    HostName SignerNotTrusted
        de "Das Zertifikat gilt nicht für den erwarteten Namen."
        en "The certificate is not for the name expected.";
    WeakKey AlgorithmNotAllowed
        de "Der Schlüssel ist zu kurz oder von einer Art, die nicht zugelassen ist."
        en "The key is too short, or of a kind that is not allowed.";
    WeakSignature AlgorithmNotAllowed
        de "Das Zertifikat ist mit einem Verfahren signiert, das nicht zugelassen ist."
        en "The certificate is signed with an algorithm that is not allowed.";
    TooLarge SignerNotTrusted
        de "Das Zertifikat ist größer als zugelassen oder enthält zu viele Angaben."
        en "The certificate is larger than allowed, or holds too many items.";
    TooManyCertificates SignerNotTrusted
        de "Es sind mehr Zertifikate als zugelassen, oder sie verweisen zu vielfältig aufeinander."
        en "There are more certificates than allowed, or they refer to each other in too many ways.";
    Refused SignerNotTrusted
        de "OpenSSL weist das Zertifikat ab."
        en "OpenSSL refuses the certificate.";
}

/// A broken rule, before it is known which certificate of the path broke it: why, and the clause or
/// limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub Reason, pub &'static str);

impl Broken {
    /// For octets that do not have the form of this clause.
    pub(super) fn malformed(rule: &'static str) -> impl Fn(Malformed) -> Self + Copy {
        move |Malformed| Self(Reason::Malformed, rule)
    }

    /// Names the certificate.
    pub(super) fn at(self, depth: usize, certificate: &Certificate) -> PathFault {
        let Self(reason, rule) = self;
        PathFault { reason, rule, depth, subject: certificate.subject().to_owned() }
    }
}

/// Why there is no path. It holds nothing of a certificate but a subject, and that is shown by
/// [`PathFault::text`] alone: a certificate that came with a message is not to be quoted to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFault {
    /// What is wrong.
    pub reason: Reason,
    /// The clause or limit, or OpenSSL's words.
    pub rule: &'static str,
    /// Which certificate of the path: 0 is the leaf, 1 its issuer.
    pub depth: usize,
    /// Its subject as RFC 4514 writes it.
    pub subject: String,
}

impl PathFault {
    /// The refusal that follows from it.
    pub fn code(&self) -> Code {
        self.reason.code()
    }

    /// For people who may see the certificates: reason, clause, which certificate.
    pub fn text(&self, language: Language) -> String {
        let Self { reason, rule, depth, subject } = self;
        let reason = reason.text().get(language);
        let which = match language {
            Language::De => "Zertifikat",
            Language::En => "certificate",
        };
        format!("{reason} ({rule}; {which} {depth}: {subject})")
    }
}

/// Without the subject.
impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.text().en;
        write!(f, "{reason} ({}; certificate {} of the path)", self.rule, self.depth)
    }
}

impl std::error::Error for PathFault {}

impl From<PathFault> for Fault {
    fn from(fault: PathFault) -> Self {
        Self::new(fault.code()).because(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_speaks_both_languages() {
        for reason in Reason::ALL {
            let Text { de, en } = reason.text();
            assert!(de.ends_with('.') && en.ends_with('.') && de != en, "{reason:?}");
        }
    }

    #[test]
    fn a_refusal_does_not_quote_the_certificate() {
        let subject = "CN=TEST canary".to_owned();
        let rule = "RFC 5280, 4.1.2.5";
        let fault = PathFault { reason: Reason::Expired, rule, depth: 1, subject };
        for language in [Language::De, Language::En] {
            let text = fault.text(language);
            assert!(text.contains("CN=TEST canary") && text.contains("4.1.2.5"), "{text}");
        }
        let refusal = Fault::from(fault);
        assert_eq!(refusal.code, Code::CertificateNotValid);
        let shown = refusal.to_string();
        assert!(!shown.contains("canary") && shown.contains("certificate 1"), "{shown}");
    }
}
