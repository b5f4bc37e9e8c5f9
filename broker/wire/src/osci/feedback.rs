//! Feedback: what became of an order, as four digits and a text in each language asked for.
//!
//! The first digit is the class: `0` done, `3` done with a warning, `9` not done. Some codes
//! concern the message as such and travel as a SOAP fault ([`super::fault`]), the others stand in
//! the answer to the order. The codes are those of OSCI-Transport 1.2 with its supplement for large
//! messages; the sentences are ours.

use std::fmt;
use std::str::FromStr;

use amtsbote_domain::text::{Language, Text};

use super::values;

/// What became of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It was done.
    Done,
    /// It was done, and there is something to know.
    Warning,
    /// It was not done.
    NotExecuted,
}

/// Where a code is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The message: a SOAP fault, and no answer beside it.
    Message(Side),
    /// The order: `Feedback` in its answer.
    Order,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `soap:Client`.
    Client,
    /// `soap:Server`.
    Server,
}

macro_rules! codes {
    ($($name:ident $number:literal de $de:literal en $en:literal;)*) => {
        /// A feedback code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $number, "`: ", $en)] $name,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The four digits.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }

            /// The number.
            pub fn number(self) -> Number {
                match self { $(Code::$name => const { Number::of_digits($number) },)* }
            }

            /// The text for people.
            pub fn text(self) -> Text {
                match self { $(Code::$name => Text { de: $de, en: $en },)* }
            }
        }
    };
}

codes! {
    DoneDialogueEnded "0800"
        de "Der Auftrag ist erledigt; der Dialog ist damit abgeschlossen."
        en "The order is done, and the dialogue with it.";
    DoneDialogueOpen "0801"
        de "Der Auftrag ist erledigt; der Dialog kann fortgesetzt werden."
        en "The order is done; the dialogue can go on.";
    ClientCipherCertificateOutsideValidity "3500"
        de "Ihr Verschlüsselungszertifikat ist noch nicht oder nicht mehr gültig. Bitte erneuern Sie es."
        en "Your encryption certificate is not valid yet, or no longer. Please renew it.";
    ClientCipherCertificateNotFullyChecked "3501"
        de "Ihr Verschlüsselungszertifikat konnte nicht in allen Punkten geprüft werden."
        en "Your encryption certificate could not be checked in every respect.";
    ClientSigningCertificateOutsideValidity "3700"
        de "Ihr Signaturzertifikat ist noch nicht oder nicht mehr gültig. Bitte erneuern Sie es."
        en "Your signing certificate is not valid yet, or no longer. Please renew it.";
    AuthorSigningCertificateOutsideValidity "3701"
        de "Das Signaturzertifikat eines Autors ist noch nicht oder nicht mehr gültig."
        en "The signing certificate of an author is not valid yet, or no longer.";
    AuthorSigningCertificateNotGenuine "3702"
        de "Das Signaturzertifikat eines Autors ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "The signing certificate of an author is not genuine: its issuer's signature does not hold.";
    AuthorSigningCertificateRevoked "3703"
        de "Das Signaturzertifikat eines Autors wurde gesperrt."
        en "The signing certificate of an author was revoked.";
    AuthorCipherCertificateOutsideValidity "3704"
        de "Das Verschlüsselungszertifikat eines Autors ist noch nicht oder nicht mehr gültig."
        en "The encryption certificate of an author is not valid yet, or no longer.";
    RecipientCipherCertificateOutsideValidity "3705"
        de "Das Verschlüsselungszertifikat des Empfängers ist noch nicht oder nicht mehr gültig."
        en "The encryption certificate of the recipient is not valid yet, or no longer.";
    ReaderCipherCertificateOutsideValidity "3706"
        de "Das Verschlüsselungszertifikat eines Lesers ist noch nicht oder nicht mehr gültig."
        en "The encryption certificate of a reader is not valid yet, or no longer.";
    CertificateNotFullyChecked "3707"
        de "Ein Zertifikat konnte nicht in allen Punkten geprüft werden; Näheres steht im Laufzettel."
        en "A certificate could not be checked in every respect; the process card says more.";
    RecipientSigningCertificateOutsideValidity "3708"
        de "Das Signaturzertifikat des Empfängers ist noch nicht oder nicht mehr gültig."
        en "The signing certificate of the recipient is not valid yet, or no longer.";
    MoreDeliveries "3800"
        de "Für Sie sind weitere Zustellungen vorhanden. Bitte holen Sie auch diese ab."
        en "There are more deliveries for you. Please fetch them as well.";
    MoreProcessCards "3801"
        de "Zu Ihrer Auswahl gibt es weitere Laufzettel."
        en "There are more process cards for your selection.";
    RecipientAnswerUnsigned "3802"
        de "Der Empfänger hat seine Antwort nicht signiert."
        en "The recipient has not signed its answer.";
    RecipientAnswerUnencrypted "3803"
        de "Der Empfänger hat seine Antwort nicht verschlüsselt."
        en "The recipient has not encrypted its answer.";
    WholeMessageHasFeedback "3950"
        de "Die zusammengesetzte Nachricht wurde bearbeitet; ihre eigenen Rückmeldungen liegen bei."
        en "The message put together was dealt with; its own feedback is enclosed.";
    WholeMessageTakesTooLong "3951"
        de "Die zusammengesetzte Nachricht wurde in der vorgesehenen Zeit nicht fertig bearbeitet. Bitte fragen Sie später nach."
        en "The message put together was not dealt with in the time set. Please ask again later.";
    WholeMessageInProgress "3952"
        de "Die enthaltene Nachricht wird noch bearbeitet. Bitte fragen Sie später nach."
        en "The message inside is still being dealt with. Please ask again later.";
    SupplierError "9000"
        de "Hier ist ein Fehler aufgetreten, der nicht an Ihrer Nachricht liegt. Bitte senden Sie sie später erneut."
        en "Something failed here for which your message is not the cause. Please send it again later.";
    NotAnOsciMessage "9100"
        de "Die Nachricht ist nicht so aufgebaut, wie OSCI-Transport 1.2 es verlangt."
        en "The message is not built as OSCI-Transport 1.2 demands.";
    NoPrivateKey "9200"
        de "Die Nachricht ist für ein Zertifikat verschlüsselt, dessen Schlüssel hier nicht vorliegt. Bitte verwenden Sie das aktuelle Verschlüsselungszertifikat."
        en "The message is encrypted for a certificate whose key is not here. Please use the current encryption certificate.";
    MessageCipherCertificateRevoked "9201"
        de "Das Zertifikat, für das die Nachricht verschlüsselt ist, wurde gesperrt. Bitte verwenden Sie das aktuelle."
        en "The certificate that the message is encrypted for was revoked. Please use the current one.";
    Undecryptable "9202"
        de "Die Nachricht ließ sich nicht entschlüsseln."
        en "The message could not be decrypted.";
    NotAnOrder "9300"
        de "Die Nachricht enthält keinen Auftrag, der hier ausgeführt werden kann."
        en "The message holds no order that can be carried out here.";
    DialogueMismatch "9400"
        de "Die Angaben zum Dialog passen nicht zusammen: Kennung, laufende Nummer oder Antwort auf die Challenge."
        en "What the message says about the dialogue does not fit: its id, its running number, or the answer to the challenge.";
    ClientCipherCertificateMissing "9500"
        de "Ihrem Auftrag fehlt das Zertifikat, für das die Antwort zu verschlüsseln wäre."
        en "Your order lacks the certificate for which the answer would be encrypted.";
    ClientCipherCertificateNotGenuine "9501"
        de "Ihr Verschlüsselungszertifikat ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "Your encryption certificate is not genuine: its issuer's signature does not hold.";
    ClientCipherCertificateRevoked "9502"
        de "Ihr Verschlüsselungszertifikat wurde gesperrt."
        en "Your encryption certificate was revoked.";
    ClientCipherCertificateCheckFailed "9503"
        de "Ihr Verschlüsselungszertifikat konnte wegen eines Fehlers in unserem System nicht ermittelt oder geprüft werden."
        en "Your encryption certificate could not be found or checked, because something failed here.";
    OrderUnsigned "9600"
        de "Für diesen Auftrag wird eine Signatur verlangt; er trägt keine."
        en "This order must be signed, and is not.";
    OrderSignatureWrong "9601"
        de "Die Signatur des Auftrags passt nicht zu seinem Inhalt."
        en "The signature of the order does not fit what it signs.";
    OrderNotFullySigned "9602"
        de "Die Signatur des Auftrags erfasst nicht alles, was sie erfassen muss."
        en "The signature of the order does not cover all that it must cover.";
    SignatureCheckFailed "9603"
        de "Die Signatur des Auftrags konnte wegen eines Fehlers in unserem System nicht geprüft werden."
        en "The signature of the order could not be checked, because something failed here.";
    ClientSigningCertificateNotGenuine "9700"
        de "Ihr Signaturzertifikat ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "Your signing certificate is not genuine: its issuer's signature does not hold.";
    ClientSigningCertificateRevoked "9701"
        de "Ihr Signaturzertifikat wurde gesperrt."
        en "Your signing certificate was revoked.";
    AuthorCipherCertificateNotGenuine "9704"
        de "Das Verschlüsselungszertifikat eines Autors ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "The encryption certificate of an author is not genuine: its issuer's signature does not hold.";
    AuthorCipherCertificateRevoked "9705"
        de "Das Verschlüsselungszertifikat eines Autors wurde gesperrt."
        en "The encryption certificate of an author was revoked.";
    RecipientCipherCertificateNotGenuine "9706"
        de "Das Verschlüsselungszertifikat des Empfängers ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "The encryption certificate of the recipient is not genuine: its issuer's signature does not hold.";
    RecipientCipherCertificateRevoked "9707"
        de "Das Verschlüsselungszertifikat des Empfängers wurde gesperrt."
        en "The encryption certificate of the recipient was revoked.";
    ReaderCipherCertificateNotGenuine "9708"
        de "Das Verschlüsselungszertifikat eines Lesers ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "The encryption certificate of a reader is not genuine: its issuer's signature does not hold.";
    ReaderCipherCertificateRevoked "9709"
        de "Das Verschlüsselungszertifikat eines Lesers wurde gesperrt."
        en "The encryption certificate of a reader was revoked.";
    CertificateCheckFailed "9710"
        de "Ein Zertifikat konnte wegen eines Fehlers in unserem System nicht geprüft werden."
        en "A certificate could not be checked, because something failed here.";
    RecipientSigningCertificateNotGenuine "9711"
        de "Das Signaturzertifikat des Empfängers ist nicht echt: Die Unterschrift seines Ausstellers stimmt nicht."
        en "The signing certificate of the recipient is not genuine: its issuer's signature does not hold.";
    RecipientSigningCertificateRevoked "9712"
        de "Das Signaturzertifikat des Empfängers wurde gesperrt."
        en "The signing certificate of the recipient was revoked.";
    MessageIdMissing "9800"
        de "Die Zustellung hat keine Nachrichtenkennung. Bitte fordern Sie vorher eine an."
        en "The delivery has no message id. Please ask for one before.";
    MessageIdIllegal "9801"
        de "Die Nachrichtenkennung wurde nicht hier vergeben oder ist schon verbraucht. Bitte fordern Sie eine neue an."
        en "The message id was not issued here, or is used up. Please ask for a new one.";
    ExplicitDialogueRequired "9802"
        de "Dieser Auftrag ist nur in einem zuvor eröffneten Dialog möglich."
        en "This order is possible only in a dialogue that was opened before.";
    NoDelivery "9803"
        de "Zu Ihrer Auswahl liegt keine Zustellung vor."
        en "There is no delivery for your selection.";
    NoProcessCard "9804"
        de "Zu Ihrer Auswahl liegt kein Laufzettel vor."
        en "There is no process card for your selection.";
    RecipientRefused "9805"
        de "Der Empfänger hat die Annahme abgelehnt."
        en "The recipient refused the delivery.";
    RecipientAnswerWithoutDelivery "9806"
        de "Der Empfänger hat die Zustellung angenommen, aber keine für Sie bestimmte Antwort mitgegeben."
        en "The recipient took the delivery, but gave no answer for you.";
    RecipientAnswerSignatureWrong "9807"
        de "Die Signatur in der Antwort des Empfängers stimmt nicht."
        en "The signature in the recipient's answer does not hold.";
    RecipientError "9808"
        de "Beim Empfänger ist ein Fehler aufgetreten."
        en "Something failed at the recipient.";
    IntermediaryErrorNotReached "9809"
        de "Bei der Weitergabe ist hier ein Fehler aufgetreten. Der Empfänger hat die Zustellung nicht erhalten."
        en "Something failed here while passing it on. The recipient did not get the delivery.";
    IntermediaryErrorReached "9810"
        de "Bei der Weitergabe ist hier ein Fehler aufgetreten. Der Empfänger hat die Zustellung trotzdem erhalten; senden Sie sie nicht noch einmal."
        en "Something failed here while passing it on. The recipient has the delivery all the same; do not send it again.";
    ExecutionError "9811"
        de "Der Auftrag konnte wegen eines Fehlers in unserem System nicht ausgeführt werden."
        en "The order could not be carried out, because something failed here.";
    ChunkRepeated "9900"
        de "Dieser Abschnitt der Nachricht ist schon eingegangen."
        en "This piece of the message has arrived before.";
    ChunkNumberWrong "9901"
        de "Die Nummer des Abschnitts passt nicht zu den bisherigen Angaben."
        en "The number of the piece does not fit what was said before.";
    ChunkTooLarge "9902"
        de "Der Abschnitt ist größer, als hier zugelassen ist."
        en "The piece is larger than is allowed here.";
    ChunkTooSmall "9903"
        de "Der Abschnitt ist kleiner, als hier verlangt wird."
        en "The piece is smaller than is demanded here.";
    MessageTooLarge "9904"
        de "Die Nachricht ist insgesamt größer, als hier zugelassen ist."
        en "The message as a whole is larger than is allowed here.";
    ChunkInformationWrong "9905"
        de "Die Angaben zur Aufteilung der Nachricht stimmen nicht."
        en "What is said about the pieces of the message is not right.";
}

impl Code {
    /// What became of the order.
    pub fn class(self) -> Class {
        match self.as_str().as_bytes().first() {
            Some(b'0') => Class::Done,
            Some(b'3') => Class::Warning,
            _ => Class::NotExecuted,
        }
    }

    /// Where it is told.
    pub fn level(self) -> Level {
        match self {
            Self::NotAnOsciMessage
            | Self::NoPrivateKey
            | Self::MessageCipherCertificateRevoked
            | Self::Undecryptable
            | Self::NotAnOrder
            | Self::DialogueMismatch
            | Self::ClientCipherCertificateMissing
            | Self::ClientCipherCertificateNotGenuine
            | Self::ClientCipherCertificateRevoked
            | Self::SupplierError
            | Self::ClientCipherCertificateCheckFailed => Level::Message(self.side()),
            _ => Level::Order,
        }
    }

    /// Whose fault it is, where a fault is told.
    pub fn side(self) -> Side {
        match self {
            Self::SupplierError
            | Self::ClientCipherCertificateCheckFailed
            | Self::SignatureCheckFailed
            | Self::CertificateCheckFailed
            | Self::RecipientError
            | Self::IntermediaryErrorNotReached
            | Self::IntermediaryErrorReached
            | Self::ExecutionError => Side::Server,
            _ => Side::Client,
        }
    }

    /// The code with these digits, where it is known.
    pub fn of(number: Number) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Four digits, known here or not: newer intermediaries may know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u16);

/// What is no feedback code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a feedback code has four digits")]
pub struct NotACode;

impl FromStr for Number {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        let digits = text.len() == 4 && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().map(Self).ok_or(NotACode)
    }
}

impl Number {
    /// Fails to compile where the literal has not four digits.
    const fn of_digits(text: &str) -> Self {
        let (octets, mut number, mut at) = (text.as_bytes(), 0, 0);
        assert!(octets.len() == 4, "four digits");
        while at < octets.len() {
            assert!(octets[at].is_ascii_digit(), "digits");
            number = number * 10 + (octets[at] - b'0') as u16;
            at += 1;
        }
        Self(number)
    }

    /// The number of four digits, leading zeros included; none where it has more.
    pub fn new(number: u16) -> Option<Self> {
        (number <= 9999).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The code, where it is known here.
    pub fn known(self) -> Option<Code> {
        Code::of(self)
    }

    /// What became of the order, by the first digit; none where the standard has no such class.
    pub fn class(self) -> Option<Class> {
        match self.0 / 1000 {
            0 => Some(Class::Done),
            3 => Some(Class::Warning),
            9 => Some(Class::NotExecuted),
            _ => None,
        }
    }
}

impl From<Code> for Number {
    fn from(code: Code) -> Self {
        code.number()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// One `osci:Entry` (`FeedbackEntryType`). The same code may stand in several, one for each language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `xml:lang`.
    pub language: Option<values::Language>,
    /// `osci:Code`; none where another intermediary wrote no four digits. Not written without.
    pub code: Option<Number>,
    /// `osci:Text`. Of others it is what they say, cut where it is too long, and nothing is decided by
    /// it.
    pub text: String,
}

impl Entry {
    /// The entry for a code in a language.
    pub fn new(code: Code, language: Language) -> Self {
        let lang = match language {
            Language::De => "de",
            Language::En => "en",
        };
        Self {
            language: values::Language::parse(lang),
            code: Some(code.number()),
            text: code.text().get(language).to_owned(),
        }
    }
}

/// The rows of a `Feedback`: each code in each language, codes in the order given.
pub fn entries(codes: &[Code], languages: &[Language]) -> Vec<Entry> {
    let rows = |code: &Code| languages.iter().map(|lang| Entry::new(*code, *lang)).collect();
    codes.iter().flat_map(|code: &Code| -> Vec<Entry> { rows(code) }).collect()
}

/// Most entries of `LanguagesList` that are looked at.
const MAX_LANGUAGES: usize = 32;

/// The languages of `DesiredLanguages` that are spoken here, in the order of its `LanguagesList`,
/// each once; German where there is none of them.
pub fn languages<'t>(list: impl IntoIterator<Item = &'t str>) -> Vec<Language> {
    let mut found = Vec::new();
    for tag in list.into_iter().take(MAX_LANGUAGES) {
        // RFC 5646: the language comes first, and case does not matter.
        let language = match tag.split('-').next() {
            Some(tag) if tag.eq_ignore_ascii_case("de") => Language::De,
            Some(tag) if tag.eq_ignore_ascii_case("en") => Language::En,
            _ => continue,
        };
        if !found.contains(&language) {
            found.push(language);
        }
    }
    if found.is_empty() { vec![Language::De] } else { found }
}

/// What became of an order, all entries of the answer looked at: the worst there is. None where there
/// is no entry, or one whose code is none or of a class that the standard does not know: then nobody
/// can say.
pub fn outcome(entries: &[Entry]) -> Option<Class> {
    let class = |entry: &Entry| entry.code.and_then(Number::class);
    let classes: Option<Vec<_>> = entries.iter().map(class).collect();
    classes?.into_iter().max()
}

#[cfg(test)]
mod tests;
