//! What was found in a dossier, in types for programs and in words for people.

use crate::note::VerifierKey;
use crate::receipt::ReceiptError;
use crate::wording::Wording;

/// The outcome of checking a dossier.
#[derive(Debug)]
pub struct DossierReport {
    /// The message.
    pub hub_id: String,
    /// The keys the dossier names, to be compared by a person.
    pub keys: Vec<VerifierKey>,
    /// The first thing a dossier can prove.
    pub unaltered: Unaltered,
    /// The second thing.
    pub history: History,
    /// The receipts that verified.
    pub receipts: Vec<ReceiptLine>,
    /// The dossier contains the signed envelope.
    pub envelope: bool,
    /// Number of parts listed.
    pub parts: usize,
    /// Everything that contradicts.
    pub faults: Vec<Fault>,
}

/// One verified receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptLine {
    /// Place in the dossier, from 1.
    pub number: usize,
    /// The kind of act the record states.
    pub kind: String,
    /// When, as the record states it.
    pub time: Option<String>,
    /// The log.
    pub log: String,
    /// The record's place in it.
    pub index: u64,
    /// Size of the head that covers it.
    pub size: u64,
}

/// Whether everything is as the hub recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaltered {
    /// Proven by a key the checker gave.
    Proven,
    /// Consistent in itself, under a key that only the dossier names.
    SelfAsserted,
    /// Something contradicts.
    Failed,
}

/// Whether the hub can have shown others another history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// No: a head from outside covers every receipt.
    Proven,
    /// The heads the dossier says were anchored cover every receipt; whoever keeps them was not
    /// asked.
    Uncompared,
    /// The anchored heads do not cover these receipts (numbers from 1), or none could be verified.
    NotCovered {
        /// The receipts.
        receipts: Vec<usize>,
    },
    /// No anchored head at all.
    NoAnchor,
    /// An anchored head and a receipt belong to two histories, or the anchored head is false.
    Contradicted,
}

/// Something that contradicts.
#[derive(Debug)]
pub enum Fault {
    /// The dossier has no receipt.
    NoReceipt,
    /// The dossier names another key than the one given.
    OtherKey,
    /// There is no key for a receipt's log.
    NoKey {
        /// The receipt, from 1.
        number: usize,
    },
    /// A receipt does not verify.
    Receipt {
        /// The receipt, from 1.
        number: usize,
        /// Why.
        error: ReceiptError,
    },
    /// A receipt is about another message.
    OtherMessage {
        /// The receipt, from 1.
        number: usize,
    },
    /// Envelope or parts, but no acceptance that records them.
    NoAcceptance,
    /// More than one acceptance of one message.
    TwoAcceptances,
    /// The envelope is not the one that was accepted.
    Envelope,
    /// The list of parts is not the accepted one.
    Parts,
    /// Two signed heads of one size differ: the hub kept two histories.
    SplitView,
    /// An anchored head is not one of this hub.
    Anchor {
        /// The head, from 1.
        number: usize,
    },
    /// A receipt's head and an anchored head are not one history.
    Inconsistent {
        /// The receipt, from 1.
        number: usize,
    },
}

impl DossierReport {
    /// Nothing contradicts. What that proves, [`DossierReport::unaltered`] and
    /// [`DossierReport::history`] say.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The report in sentences: faults first, then what is proven and what is not.
    pub fn statements(&self) -> Vec<Wording> {
        let mut all: Vec<_> = self.faults.iter().map(Fault::wording).collect();
        all.push(self.unaltered_wording());
        if self.unaltered == Unaltered::SelfAsserted {
            all.extend(self.keys.iter().map(compare_key));
        }
        all.push(self.history_wording());
        if self.envelope {
            all.push(Wording::new(
                "author-signature-unchecked",
                "The Author's signature inside the envelope was not checked here; amtsbote \
                 signature verify does that.",
                "Die Signatur des Autors im Umschlag wurde hier nicht geprüft; das leistet \
                 amtsbote signature verify.",
            ));
        }
        all
    }

    fn unaltered_wording(&self) -> Wording {
        match self.unaltered {
            Unaltered::Proven => Wording::new(
                "unaltered-proven",
                "Proven by the key given: everything in the dossier is as the hub recorded it.",
                "Mit dem angegebenen Schlüssel nachgewiesen: Alle Angaben des Dossiers sind \
                 unverändert so, wie die Vermittlungsstelle sie vermerkt hat.",
            ),
            Unaltered::SelfAsserted => Wording::new(
                "unaltered-self-asserted",
                "The dossier agrees with itself, but its key comes from the dossier alone. This \
                 proves something only after the key has been compared with the hub's.",
                "Das Dossier ist in sich stimmig, der Schlüssel stammt aber nur aus dem Dossier \
                 selbst. Beweiskraft hat dies erst, wenn der Schlüssel mit dem der \
                 Vermittlungsstelle verglichen wurde.",
            ),
            Unaltered::Failed => Wording::new(
                "unaltered-failed",
                "The dossier does not prove that everything is unaltered.",
                "Das Dossier weist die Unverändertheit nicht nach.",
            ),
        }
    }

    fn history_wording(&self) -> Wording {
        match &self.history {
            History::Proven => Wording::new(
                "history-proven",
                "No second history: every receipt is covered by a head from outside the hub.",
                "Kein zweiter Verlauf: Jede Quittung ist von einem außerhalb der \
                 Vermittlungsstelle aufbewahrten Protokollstand gedeckt.",
            ),
            History::Uncompared => Wording::new(
                "history-uncompared",
                "The dossier names an anchored head that covers every receipt. To exclude a second \
                 history, get that head from whoever keeps it and check again.",
                "Das Dossier nennt einen hinterlegten Protokollstand, der jede Quittung deckt. Um \
                 einen zweiten Verlauf auszuschließen, ist dieser Stand bei der verwahrenden \
                 Stelle einzuholen und die Prüfung damit zu wiederholen.",
            ),
            History::NotCovered { receipts } if receipts.is_empty() => Wording::new(
                "history-not-covered",
                "A second history is not excluded: not every receipt could be verified.",
                "Ein zweiter Verlauf ist nicht ausgeschlossen: Nicht jede Quittung konnte \
                 geprüft werden.",
            ),
            History::NotCovered { receipts } => {
                let numbers = receipts.iter().map(ToString::to_string).collect::<Vec<_>>();
                let numbers = numbers.join(", ");
                Wording::new(
                    "history-not-covered",
                    format!(
                        "A second history is not excluded: no anchored head covers receipts \
                         {numbers}, or the proof for it is missing."
                    ),
                    format!(
                        "Ein zweiter Verlauf ist nicht ausgeschlossen: Kein hinterlegter \
                         Protokollstand deckt die Quittungen {numbers}, oder der Beweis dafür fehlt."
                    ),
                )
            }
            History::NoAnchor => Wording::new(
                "history-no-anchor",
                "A second history is not excluded: no head anchored outside was given.",
                "Ein zweiter Verlauf ist nicht ausgeschlossen: Es wurde kein außerhalb hinterlegter \
                 Protokollstand angegeben.",
            ),
            History::Contradicted => Wording::new(
                "history-contradicted",
                "An anchored head contradicts the dossier.",
                "Ein hinterlegter Protokollstand widerspricht dem Dossier.",
            ),
        }
    }
}

fn compare_key(key: &VerifierKey) -> Wording {
    Wording::new(
        "compare-key",
        format!("Compare this key with the hub's published one: {key}"),
        format!(
            "Bitte mit dem veröffentlichten Schlüssel der Vermittlungsstelle vergleichen: {key}"
        ),
    )
}

impl Fault {
    /// The fault in words.
    pub fn wording(&self) -> Wording {
        match self {
            Self::NoReceipt => Wording::new(
                "no-receipt",
                "The dossier contains no receipt.",
                "Das Dossier enthält keine Quittung.",
            ),
            Self::OtherKey => Wording::new(
                "other-key",
                "The dossier names another key than the one given.",
                "Das Dossier nennt einen anderen Schlüssel als den angegebenen.",
            ),
            Self::NoKey { number } => Wording::new(
                "no-key",
                format!("There is no key for the log of receipt {number}."),
                format!("Zum Protokoll der Quittung {number} liegt kein Schlüssel vor."),
            ),
            Self::Receipt { number, error } => Wording::new(
                "receipt-false",
                format!("Receipt {number} is not valid: {error}."),
                format!("Quittung {number} ist nicht gültig: {}.", receipt_in_german(error)),
            ),
            Self::OtherMessage { number } => Wording::new(
                "other-message",
                format!("Receipt {number} is about another message."),
                format!("Quittung {number} betrifft eine andere Nachricht."),
            ),
            Self::NoAcceptance => Wording::new(
                "no-acceptance",
                "The receipt of acceptance is missing, so envelope and parts are not proven.",
                "Die Quittung über die Annahme fehlt; Umschlag und Bestandteile sind daher nicht \
                 nachgewiesen.",
            ),
            Self::TwoAcceptances => Wording::new(
                "two-acceptances",
                "The dossier contains more than one acceptance of the message.",
                "Das Dossier enthält mehr als eine Annahme der Nachricht.",
            ),
            Self::Envelope => Wording::new(
                "envelope-altered",
                "The envelope is not the one that was accepted.",
                "Der Umschlag ist nicht der angenommene.",
            ),
            Self::Parts => Wording::new(
                "parts-altered",
                "The list of parts is not the one that was accepted.",
                "Die Liste der Bestandteile ist nicht die angenommene.",
            ),
            Self::SplitView => Wording::new(
                "split-view",
                "Two signed heads of the same size differ: the hub kept two histories.",
                "Zwei signierte Protokollstände gleicher Größe weichen voneinander ab: Die \
                 Vermittlungsstelle hat zwei Verläufe geführt.",
            ),
            Self::Anchor { number } => Wording::new(
                "anchor-false",
                format!("Anchored head {number} is not a signed head of this hub."),
                format!(
                    "Der hinterlegte Protokollstand {number} ist kein signierter Stand dieser \
                     Vermittlungsstelle."
                ),
            ),
            Self::Inconsistent { number } => Wording::new(
                "history-inconsistent",
                format!("Receipt {number} and an anchored head do not belong to one history."),
                format!(
                    "Quittung {number} und ein hinterlegter Protokollstand gehören nicht zu \
                     demselben Verlauf."
                ),
            ),
        }
    }
}

fn receipt_in_german(error: &ReceiptError) -> &'static str {
    match error {
        ReceiptError::Head(_) => "Der Protokollstand ist nicht mit dem Schlüssel signiert",
        ReceiptError::Proof(_) => "Der Vermerk ist nicht im signierten Protokollstand enthalten",
        ReceiptError::OtherLog => "Vermerk und Protokollstand nennen verschiedene Protokolle",
        ReceiptError::Record(_) => "Der Vermerk hat keine eindeutige Form",
        ReceiptError::TooLarge
        | ReceiptError::Json(_)
        | ReceiptError::Form
        | ReceiptError::Version(_) => "Die Form der Quittung ist falsch",
    }
}
