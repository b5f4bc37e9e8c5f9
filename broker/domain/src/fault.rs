//! Refusals that explain themselves (P7): code, place, rule, what to do; German and English.
//!
//! Codes are never reused. `docs/codes.md` is generated from the table in this file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// Whether sending the same again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Never: it will be refused again.
    Never,
    /// Later, unchanged, with the same id.
    Later,
    /// After the message, the permission or the directory was put right.
    AfterFix,
}

impl Retry {
    /// The word used in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Later => "later",
            Self::AfterFix => "after-fix",
        }
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $retry:ident
        de $title_de:literal $advice_de:literal
        en $title_en:literal $advice_en:literal;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title_en] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code as people and scripts see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Code::$name => $status,)* }
            }

            /// Whether sending again can help.
            pub fn retry(self) -> Retry {
                match self { $(Code::$name => Retry::$retry,)* }
            }

            /// What is wrong.
            pub fn title(self) -> Text {
                match self { $(Code::$name => Text { de: $title_de, en: $title_en },)* }
            }

            /// What to do.
            pub fn advice(self) -> Text {
                match self { $(Code::$name => Text { de: $advice_de, en: $advice_en },)* }
            }
        }
    };
}

codes! {
    MalformedRequest "AB1001" 400 AfterFix
        de "Die Anfrage ist nicht so aufgebaut, wie die Schnittstelle es verlangt."
           "Aufbau der Anfrage mit der Schnittstellenbeschreibung (/v1/openapi.json) vergleichen."
        en "The request is not built as the interface demands."
           "Compare the request with the interface description (/v1/openapi.json).";
    EnvelopeNotWellFormed "AB1002" 400 AfterFix
        de "Der Umschlag ist kein wohlgeformtes XML."
           "Umschlag an der genannten Stelle berichtigen, neu signieren und erneut senden."
        en "The envelope is not well-formed XML."
           "Correct the envelope at the place named, sign again and send again.";
    EnvelopeInvalid "AB1003" 400 AfterFix
        de "Der Umschlag entspricht nicht seinem Schema."
           "Umschlag nach schemas/envelope.xsd berichtigen, neu signieren und erneut senden."
        en "The envelope does not follow its schema."
           "Correct the envelope after schemas/envelope.xsd, sign again and send again.";
    UnsupportedMediaType "AB1004" 415 AfterFix
        de "Dieser Medientyp wird hier nicht angenommen."
           "Nachricht als multipart/related mit dem Umschlag als erstem Teil senden."
        en "This media type is not accepted here."
           "Send the message as multipart/related with the envelope as its first part.";
    PartMismatch "AB1005" 422 Never
        de "Ein Teil der Nachricht stimmt nicht mit dem signierten Umschlag überein."
           "Die Nachricht wurde nach dem Signieren verändert. Im sendenden System neu erzeugen; bei Wiederholung den Übertragungsweg prüfen."
        en "A part of the message does not agree with the signed envelope."
           "The message was changed after it was signed. Make it anew in the sending system; if it happens again, check the way it takes.";
    PartMissing "AB1006" 400 AfterFix
        de "Ein im Umschlag genannter Teil fehlt, oder ein nicht genannter ist vorhanden."
           "Genau die im Umschlag genannten Teile in dieser Reihenfolge senden."
        en "A part named in the envelope is missing, or one not named is present."
           "Send exactly the parts named in the envelope, in that order.";
    Truncated "AB1007" 400 Later
        de "Die Anfrage endete, bevor sie vollständig war."
           "Erneut senden, mit derselben Kennung."
        en "The request ended before it was complete."
           "Send it again under the same id.";
    XmlLimit "AB1008" 422 AfterFix
        de "Das XML überschreitet eine Grenze (Tiefe, Anzahl oder Länge) oder enthält eine DTD."
           "Grenzen unter /v1/limits nachlesen; DTD und Entitäten sind nicht zugelassen."
        en "The XML exceeds a limit (depth, count or length) or holds a DTD."
           "Read the limits at /v1/limits; DTD and entities are not allowed.";

    UnknownAccount "AB2001" 403 AfterFix
        de "Das Client-Zertifikat gehört zu keinem Konto dieses Knotens."
           "Zertifikat beim Betreiber anmelden oder das angemeldete verwenden."
        en "The client certificate belongs to no account of this hub."
           "Have the operator register the certificate, or use the registered one.";
    SignatureMissing "AB2002" 422 AfterFix
        de "Die Signatur des Autors fehlt oder steht nicht an der vorgeschriebenen Stelle."
           "Umschlag mit genau einer Signatur als letztem Kind des Wurzelelements senden."
        en "The Author's signature is missing or not at the place prescribed."
           "Send the envelope with exactly one signature as the last child of its root.";
    SignatureInvalid "AB2003" 422 Never
        de "Die Signatur passt nicht zum Inhalt."
           "Die Nachricht wurde nach dem Signieren verändert oder falsch signiert. Im sendenden System neu erzeugen."
        en "The signature does not fit the content."
           "The message was changed after it was signed, or signed wrongly. Make it anew in the sending system.";
    SignatureCoverage "AB2004" 422 Never
        de "Die Signatur deckt nicht das ab, was sie abdecken muss."
           "Verdacht auf eine untergeschobene Signatur: Vorfall melden. Sonst den Umschlag als Ganzes signieren."
        en "The signature does not cover what it must cover."
           "A wrapped signature is suspected: report it. Otherwise sign the whole envelope.";
    SignerNotTrusted "AB2005" 403 AfterFix
        de "Das Zertifikat der Signatur ist für den Autor nicht hinterlegt."
           "Zertifikat im Verzeichnis hinterlegen lassen oder mit dem hinterlegten signieren."
        en "The signing certificate is not registered for the Author."
           "Have the certificate registered in the directory, or sign with the registered one.";
    CertificateNotValid "AB2006" 403 AfterFix
        de "Das Zertifikat ist zum Zeitpunkt des Eingangs nicht gültig."
           "Zertifikat erneuern und neu hinterlegen lassen."
        en "The certificate is not valid at the time of arrival."
           "Renew the certificate and have it registered again.";
    AccountNotForAuthor "AB2007" 403 AfterFix
        de "Das Konto darf nicht für diese Behörde senden oder abholen."
           "Zuordnung des Kontos beim Betreiber ändern lassen oder das richtige Konto verwenden."
        en "The account may not send or collect for this authority."
           "Have the operator change the account, or use the right one.";
    AlgorithmNotAllowed "AB2008" 422 AfterFix
        de "Ein Verfahren oder Schlüssel der Signatur oder des Zertifikats ist nicht zugelassen."
           "Ein zugelassenes Verfahren verwenden (/v1/limits nennt sie)."
        en "An algorithm or key of the signature or the certificate is not allowed."
           "Use an allowed algorithm (/v1/limits lists them).";
    OperatorOnly "AB2009" 403 AfterFix
        de "Dafür ist ein persönliches Betreiberzertifikat nötig."
           "Mit dem eigenen Betreiberzertifikat anmelden."
        en "This needs a personal operator certificate."
           "Connect with your own operator certificate.";
    CertificateRevoked "AB2010" 403 AfterFix
        de "Das Zertifikat wurde gesperrt."
           "Neues Zertifikat beschaffen und hinterlegen lassen; prüfen, ob der Schlüssel in falsche Hände kam."
        en "The certificate was revoked."
           "Get a new certificate and have it registered; find out whether the key fell into wrong hands.";
    CertificateStatusUnknown "AB2011" 503 Later
        de "Ob das Zertifikat gesperrt ist, lässt sich derzeit nicht feststellen, und die Übergangsfrist ist abgelaufen."
           "Später unverändert wiederholen; der Betreiber prüft die Erreichbarkeit der Sperrauskunft."
        en "Whether the certificate is revoked cannot be found out now, and the time of grace is over."
           "Repeat later, unchanged; the operator checks whether the source of revocation can be reached.";
    NotDecryptable "AB2012" 422 AfterFix
        de "Der verschlüsselte Inhalt lässt sich nicht öffnen."
           "Mit dem im Verzeichnis hinterlegten Verschlüsselungszertifikat und einem zugelassenen Verfahren neu verschlüsseln."
        en "The encrypted content cannot be opened."
           "Encrypt it again for the encryption certificate in the directory, with an allowed algorithm.";
    EncryptionDemanded "AB2013" 422 AfterFix
        de "Nachrichten dieses Kontos werden nur verschlüsselt angenommen."
           "Die Nachricht für das Verschlüsselungszertifikat des Intermediärs verschlüsseln."
        en "Messages of this account are taken encrypted only."
           "Encrypt the message for the encryption certificate of the Intermediary.";

    NotPermitted "AB3001" 403 AfterFix
        de "Keine Regel erlaubt diesem Autor diesen Dienst an diesen Leser."
           "Freigabe beim Betreiber beantragen (permissions.toml); 'amtsbote route explain' zeigt die Prüfung."
        en "No rule allows this Author this Service to this Reader."
           "Ask the operator for a rule (permissions.toml); 'amtsbote route explain' shows the check.";
    UnknownReader "AB3002" 422 AfterFix
        de "Der Leser ist nicht im Verzeichnis."
           "Kennung prüfen; bei zusammengelegten Behörden gilt die neue Kennung."
        en "The Reader is not in the directory."
           "Check the key; authorities that were merged have a new one.";
    ServiceNotOffered "AB3003" 422 AfterFix
        de "Der Leser bietet diesen Dienst nicht an."
           "Dienst-URI prüfen oder den Leser auf anderem Weg erreichen."
        en "The Reader does not offer this Service."
           "Check the service URI, or reach the Reader another way.";
    ServiceNotNow "AB3004" 422 AfterFix
        de "Der Leser bietet diesen Dienst zu diesem Zeitpunkt nicht an."
           "Gültigkeit des Dienstes im Verzeichnis prüfen."
        en "The Reader does not offer this Service at this time."
           "Check the validity of the service in the directory.";
    TestAndProduction "AB3005" 422 AfterFix
        de "Testnachrichten gehen nur an Testsysteme, echte nur an echte."
           "Kennzeichnung als Test und Empfänger in Übereinstimmung bringen."
        en "Test messages go to test systems only, real ones to real ones only."
           "Make the test mark and the recipient agree.";
    NoSuchWay "AB3006" 422 AfterFix
        de "Diesen Weg gibt es hier nicht."
           "Gegenstellen stehen in amtsbote.toml ([[peer]]); über das Postfach geht es nur, wenn ein Konto für den Leser abholt."
        en "There is no such way here."
           "Peers are in amtsbote.toml ([[peer]]); the inbox is one only where an account collects for the Reader.";

    ContentNotWellFormed "AB4001" 422 Never
        de "Der Inhalt ist kein wohlgeformtes XML."
           "Inhalt an der genannten Stelle im Fachverfahren berichtigen; unter neuer Kennung senden."
        en "The content is not well-formed XML."
           "Correct the content at the place named in the procedure system; send under a new id.";
    ContentInvalid "AB4002" 422 Never
        de "Der Inhalt entspricht nicht dem Schema seines Standards."
           "Befunde im Fachverfahren beheben; die berichtigte Nachricht erhält eine neue Kennung."
        en "The content does not follow the schema of its standard."
           "Mend the findings in the procedure system; the corrected message gets a new id.";
    UnknownStandard "AB4003" 422 AfterFix
        de "Zu diesem Inhalt ist kein Standard eingerichtet."
           "Namensraum und Version prüfen; fehlt das Paket, den Betreiber bitten, es einzurichten."
        en "No standard is set up for this content."
           "Check namespace and version; if the pack is missing, ask the operator to set it up.";
    StandardNotInForce "AB4004" 422 AfterFix
        de "Diese Version des Standards gilt zum maßgeblichen Zeitpunkt nicht."
           "In der gültigen Version erzeugen; die Stichtage stehen in 'amtsbote pack list'."
        en "This version of the standard is not in force at the time that counts."
           "Make the message in the version in force; 'amtsbote pack list' shows the dates.";
    HeaderContradiction "AB4005" 422 AfterFix
        de "Der Nachrichtenkopf widerspricht dem Umschlag."
           "Autor, Leser und Nachrichtentyp in Umschlag und Nachrichtenkopf in Übereinstimmung bringen."
        en "The message header contradicts the envelope."
           "Make Author, Reader and message type agree in envelope and message header.";
    ValidationGaveUp "AB4006" 422 AfterFix
        de "Die Prüfung wurde an einer Grenze abgebrochen."
           "Die Nachricht überschreitet eine Grenze der Prüfung (/v1/limits); verkleinern oder den Betreiber fragen."
        en "Validation ended at a limit."
           "The message exceeds a limit of validation (/v1/limits); make it smaller or ask the operator.";

    SameIdOtherContent "AB5001" 409 Never
        de "Unter dieser Kennung wurde bereits ein anderer Inhalt angenommen."
           "Für neuen Inhalt eine neue Kennung verwenden."
        en "Other content was accepted under this id before."
           "Use a new id for new content.";
    ExpiredAtArrival "AB5002" 422 Never
        de "Die Nachricht war beim Eingang bereits abgelaufen."
           "Falls noch gewollt, mit neuer Frist und neuer Kennung senden; Uhr des Absenders prüfen."
        en "The message had expired when it arrived."
           "If still wanted, send it with a new expiry and a new id; check the sender's clock.";
    NotFound "AB5003" 404 Never
        de "Das gibt es hier nicht, oder es gehört nicht Ihnen."
           "Kennung prüfen und das Konto, mit dem gefragt wird."
        en "There is no such thing here, or it is not yours."
           "Check the id, and the account that asks.";
    DigestMismatch "AB5004" 409 AfterFix
        de "Der bestätigte Hashwert ist nicht der des zugestellten Inhalts."
           "Inhalt erneut abholen und nicht weiterverarbeiten, bis die Hashwerte übereinstimmen."
        en "The digest confirmed is not that of the content delivered."
           "Fetch the content again and do not process it until the digests agree.";
    StateForbids "AB5005" 409 Never
        de "Der Zustand der Zustellung lässt das nicht zu."
           "'amtsbote why' zeigt den Zustand und die erlaubten Schritte."
        en "The state of the delivery does not allow this."
           "'amtsbote why' shows the state and the steps allowed.";

    CaseTaken "AB5006" 409 AfterFix
        de "Jemand anders bearbeitet diesen Klärungsfall."
           "Absprechen; mit 'clearing take --over' und einem Grund lässt er sich übernehmen."
        en "Somebody else has taken this case."
           "Talk to them; 'clearing take --over' takes it over, with a reason.";
    CaseNotTaken "AB5007" 409 AfterFix
        de "Dieser Klärungsfall ist nicht von Ihnen übernommen."
           "Zuerst 'clearing take'."
        en "This case is not taken by you."
           "'clearing take' first.";
    NotInClearing "AB5008" 409 Never
        de "Diese Zustellung ist nicht in der Klärung."
           "'amtsbote why' zeigt, was aus ihr wurde."
        en "This delivery is not in clearing."
           "'amtsbote why' shows what became of it.";
    SamePerson "AB5009" 403 AfterFix
        de "Wer eine Handlung vorschlägt, kann sie nicht selbst freigeben."
           "Eine zweite Person mit eigenem Zertifikat um die Freigabe bitten."
        en "Who proposes an act cannot grant it."
           "Ask a second person with a certificate of their own.";
    ProposalNotOpen "AB5010" 409 Never
        de "Über diesen Vorschlag ist schon entschieden, oder seine Frist ist abgelaufen."
           "'approval list --all' zeigt die Entscheidung; sonst neu vorschlagen."
        en "This proposal was decided already, or its time has run out."
           "'approval list --all' shows the decision; else propose anew.";
    OtherSelection "AB5011" 409 AfterFix
        de "Die Auswahl ist nicht mehr die, die gezeigt wurde."
           "Auswahl neu ansehen (--dry-run) und dann entscheiden."
        en "The selection is not the one that was shown."
           "Look at the selection again (--dry-run), then decide.";
    IdNotIssued "AB5012" 422 AfterFix
        de "Diese Kennung hat der Knoten diesem Konto nicht vergeben, oder ihre Frist ist abgelaufen."
           "Eine neue Kennung anfordern und damit erneut senden."
        en "The hub gave this id to this account never, or for a time that is over."
           "Ask for a new id and send again under it.";
    IdUsed "AB5013" 409 Never
        de "Diese Kennung ist schon verbraucht; sie gilt nur einmal, auch für denselben Inhalt."
           "Über den Verbleib der ersten Nachricht Auskunft einholen; für eine neue eine neue Kennung anfordern."
        en "This id is used up; it is good for once, also for the same content."
           "Ask what became of the first message; for a new one, ask for a new id.";

    TooLarge "AB6001" 413 AfterFix
        de "Die Nachricht oder ein Teil ist größer als zugelassen."
           "Grenzen unter /v1/limits nachlesen."
        en "The message or a part is larger than allowed."
           "Read the limits at /v1/limits.";
    TooSlow "AB6002" 408 Later
        de "Die Anfrage kam zu langsam."
           "Verbindung prüfen und erneut senden, mit derselben Kennung."
        en "The request came too slowly."
           "Check the connection and send again under the same id.";
    TooMany "AB6003" 429 Later
        de "Zu viele Anfragen dieses Kontos."
           "Nach der genannten Wartezeit erneut senden."
        en "Too many requests of this account."
           "Send again after the time named.";
    Unavailable "AB6004" 503 Later
        de "Der Knoten nimmt zurzeit nichts an."
           "Später erneut senden, mit derselben Kennung."
        en "The hub accepts nothing at present."
           "Send again later under the same id.";
    DiskFull "AB6005" 507 Later
        de "Der Speicher des Knotens ist voll; Angenommenes ist sicher."
           "Später erneut senden, mit derselben Kennung. Betreiber: Speicher schaffen, 'amtsbote doctor' zeigt den Bedarf."
        en "The hub's storage is full; what was accepted is safe."
           "Send again later under the same id. Operators: make room, 'amtsbote doctor' shows how much.";
    Internal "AB6006" 500 Later
        de "Im Knoten ist ein Fehler aufgetreten; über die Annahme ist nichts gesagt."
           "Mit derselben Kennung wiederholen und dem Betreiber die Fehlernummer nennen."
        en "An error occurred in the hub; it says nothing about acceptance."
           "Repeat under the same id and tell the operator the error id.";
}

/// A text that is no code of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a refusal code")]
pub struct NotACode;

impl FromStr for Code {
    type Err = NotACode;
    fn from_str(text: &str) -> Result<Self, NotACode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(NotACode)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One thing found in content; never holds a value of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The code of the finding, e.g. `cvc-datatype-valid`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// Names of the elements from the root to the place.
    pub path: String,
    /// The clause or rule that was broken.
    pub rule: String,
    /// In German.
    pub message_de: String,
    /// In English.
    pub message_en: String,
}

/// A refusal on its way to whoever must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub code: Code,
    /// Where: part, line, path, or the name of a limit. Never a value from a message.
    pub place: Option<String>,
    /// Which limit, clause or algorithm; for the answer as well. Never a value from a message.
    pub detail: Option<String>,
    /// What validation found.
    pub findings: Vec<Finding>,
    /// For `retry: later`: after how many seconds.
    pub retry_after: Option<u32>,
    /// The answer in the Author's standard, where it has one.
    pub rejection: Option<Box<BusinessRejection>>,
}

/// A standard's own rejection of a message (Rückweisung), for the system of its Author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessRejection {
    /// The standard.
    pub standard: String,
    /// Its version: the Author's.
    pub version: String,
    /// The type of the rejection in the standard.
    #[serde(rename = "type")]
    pub message_type: String,
    /// The message, XML in UTF-8, valid against its standard.
    pub content: String,
}

impl Fault {
    /// The bare refusal.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            place: None,
            detail: None,
            findings: Vec::new(),
            retry_after: None,
            rejection: None,
        }
    }

    /// Names the place.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Names the clause, limit or algorithm.
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Adds what validation found.
    pub fn with(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Adds the answer in the Author's standard.
    pub fn rejecting(mut self, rejection: Option<BusinessRejection>) -> Self {
        self.rejection = rejection.map(Box::new);
        self
    }

    /// Says when to come again, in seconds.
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.code.title().en)?;
        if let Some(place) = &self.place {
            write!(f, " At {place}.")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_read_back() {
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!("AB9999".parse::<Code>(), Err(NotACode));
    }

    #[test]
    fn a_refusal_never_claims_success_and_speaks_both_languages() {
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()), "{code}");
            for text in [code.title(), code.advice()] {
                assert!(text.de.ends_with('.') && text.en.ends_with('.'), "{code}");
                assert_ne!(text.de, text.en, "{code}");
            }
        }
    }
}
