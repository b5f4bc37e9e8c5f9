//! What can come of a request, and what a person or a script does about it.

use std::error::Error as StdError;
use std::io;

use amtsbote_domain::fault::{Code, Retry};
use amtsbote_domain::text::{Language, Text};
use amtsbote_wire::native::problem::Problem;

use crate::receipt::ReceiptFault;

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The options of the client contradict themselves or cannot be read.
    #[error("{text}: {0}", text = Self::OPTIONS.en)]
    Options(String),
    /// The hub refused.
    #[error("{text}: {} {} {}", .0.code, .0.detail, .0.advice, text = Self::REFUSED.en)]
    Refused(Box<Problem>),
    /// No connection, or it broke before anything of the message had left: the hub has nothing.
    #[error("{text}: {0}", text = Self::UNREACHABLE.en)]
    Unreachable(String),
    /// Octets of a message had left when the connection was lost, or the answer does not say
    /// whether the hub took it. To be repeated under the same id.
    #[error("{text}: {0}", text = Self::UNKNOWN.en)]
    OutcomeUnknown(String),
    /// A request that changes nothing broke off; asking again is harmless.
    #[error("{text}: {0}", text = Self::INTERRUPTED.en)]
    Interrupted(String),
    /// What answered does not speak as a hub does.
    #[error("{text}: {what} ({status})", text = Self::UNEXPECTED.en)]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// The receipt does not prove what it should.
    #[error("{text}: {0}", text = Self::RECEIPT.en)]
    Receipt(#[from] ReceiptFault),
    /// What was fetched is not what the Author signed.
    #[error("{text}: {0}", text = Self::CONTENT.en)]
    Content(String),
    /// The message cannot be built.
    #[error("{text}: {0}", text = Self::MESSAGE.en)]
    Message(String),
    /// A file here cannot be read or written.
    #[error("{text}: {0}", text = Self::LOCAL.en)]
    Local(#[from] io::Error),
}

impl ClientError {
    const OPTIONS: Text = Text {
        de: "Die Einstellungen des Clients sind nicht brauchbar",
        en: "The client's options cannot be used",
    };
    const REFUSED: Text = Text { de: "Der Knoten hat abgelehnt", en: "The hub refused" };
    const UNREACHABLE: Text = Text {
        de: "Der Knoten ist nicht erreichbar; es wurde nichts übertragen",
        en: "The hub cannot be reached; nothing was sent",
    };
    const UNKNOWN: Text = Text {
        de: "Der Ausgang ist unbekannt; mit derselben Kennung wiederholen",
        en: "The outcome is unknown; repeat under the same id",
    };
    const INTERRUPTED: Text = Text {
        de: "Die Verbindung ist abgebrochen; die Anfrage kann gefahrlos wiederholt werden",
        en: "The connection broke off; the request can safely be repeated",
    };
    const UNEXPECTED: Text = Text {
        de: "Die Gegenstelle antwortet nicht wie ein Knoten",
        en: "What answered does not speak as a hub does",
    };
    const RECEIPT: Text = Text {
        de: "Die Quittung beweist nicht, was sie soll",
        en: "The receipt does not prove what it should",
    };
    const CONTENT: Text = Text {
        de: "Der abgeholte Inhalt ist nicht der, den der Autor signiert hat",
        en: "What was fetched is not what the Author signed",
    };
    const MESSAGE: Text =
        Text { de: "Die Nachricht kann nicht gebildet werden", en: "The message cannot be built" };
    const LOCAL: Text = Text {
        de: "Eine Datei kann nicht gelesen oder geschrieben werden",
        en: "A file cannot be read or written",
    };

    /// The exit code of a command that ends with it: 1 refused, 2 wrong use, 3 not now, 4 unknown.
    pub fn exit_code(&self) -> u8 {
        match self {
            // The code itself says that nothing is known about acceptance.
            Self::Refused(problem) if problem.code() == Some(Code::Internal) => 4,
            Self::Refused(problem) if problem.retry == Retry::Later => 3,
            Self::Refused(_) | Self::Content(_) => 1,
            Self::Options(_) | Self::Message(_) => 2,
            Self::Unreachable(_) | Self::Interrupted(_) | Self::Unexpected { .. } => 3,
            Self::Local(_) => 3,
            Self::OutcomeUnknown(_) | Self::Receipt(_) => 4,
        }
    }

    /// The text for people; a problem of the hub stands in the language it was asked for in.
    pub fn text(&self, language: Language) -> String {
        let (text, more) = match self {
            Self::Options(more) => (Self::OPTIONS, more.clone()),
            Self::Refused(problem) => {
                let more = format!("{} {} {}", problem.code, problem.detail, problem.advice);
                (Self::REFUSED, more)
            }
            Self::Unreachable(more) => (Self::UNREACHABLE, more.clone()),
            Self::OutcomeUnknown(more) => (Self::UNKNOWN, more.clone()),
            Self::Interrupted(more) => (Self::INTERRUPTED, more.clone()),
            Self::Unexpected { status, what } => (Self::UNEXPECTED, format!("{what} ({status})")),
            Self::Receipt(fault) => (Self::RECEIPT, fault.to_string()),
            Self::Content(more) => (Self::CONTENT, more.clone()),
            Self::Message(more) => (Self::MESSAGE, more.clone()),
            Self::Local(error) => (Self::LOCAL, error.to_string()),
        };
        format!("{}: {more}", text.get(language))
    }
}

/// An error and its causes in one line, without addresses that a URL would show.
pub(crate) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// Alerts by which a hub refuses a certificate, or what was agreed so far; the protocol has them for
/// the handshake alone (RFC 8446 section 6.2, RFC 5246 section 7.2.2): handshake_failure,
/// bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
/// certificate_unknown, unknown_ca, access_denied, decrypt_error (the signature in a certificate is not
/// that of the issuer the hub knows), insufficient_security, certificate_required.
const REFUSALS: [i32; 11] = [40, 42, 43, 44, 45, 46, 48, 49, 51, 71, 116];
/// What OpenSSL adds to the number of an alert from the other side to make a reason of it.
const REASON_OF_ALERT: i32 = 1000;

/// Whether the hub broke off the TLS handshake because of our certificate. In TLS 1.3 a client
/// learns that only after it has begun to send; the hub, though, reads nothing before it is
/// content with the certificate.
pub(crate) fn certificate_refused(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = match inner {
            Some(inner) => inner.downcast_ref::<openssl::ssl::Error>(),
            None => cause.downcast_ref::<openssl::ssl::Error>(),
        };
        let reasons = tls.and_then(|error| error.ssl_error()).map(|stack| stack.errors());
        let alert = |error: &openssl::error::Error| error.reason_code() - REASON_OF_ALERT;
        if reasons.unwrap_or_default().iter().any(|error| REFUSALS.contains(&alert(error))) {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::fault::Fault;

    #[test]
    fn exit_codes_follow_what_is_known() {
        let refused = |code: Code| {
            let problem = Problem::new(&Fault::new(code), Language::En, "e");
            ClientError::Refused(Box::new(problem)).exit_code()
        };
        assert_eq!(refused(Code::ContentInvalid), 1);
        assert_eq!(refused(Code::SameIdOtherContent), 1);
        assert_eq!(refused(Code::DiskFull), 3);
        assert_eq!(refused(Code::Truncated), 3);
        assert_eq!(refused(Code::Internal), 4);
        assert_eq!(ClientError::Unreachable(String::new()).exit_code(), 3);
        assert_eq!(ClientError::OutcomeUnknown(String::new()).exit_code(), 4);
        assert_eq!(ClientError::Options(String::new()).exit_code(), 2);
    }

    #[test]
    fn texts_come_in_both_languages() {
        let error = ClientError::Unreachable("x".to_owned());
        assert!(error.text(Language::De).starts_with("Der Knoten ist nicht erreichbar"));
        assert_eq!(error.text(Language::En), error.to_string());
    }
}
