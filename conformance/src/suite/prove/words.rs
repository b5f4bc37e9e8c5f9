//! What was done and what held, in words, in the language of whoever runs it.

use amtsbote_domain::text::Language;

use crate::history::Tally;
use crate::suite::traffic::Extent;

/// Everything that was done to the hubs, and what they said.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    /// Processes killed.
    pub(super) kills: u32,
    /// Stops beyond the lease, and lines that were cut.
    pub(super) outages: u32,
    /// The history in the end.
    pub(super) tally: Tally,
    /// Its extent.
    pub(super) extent: Extent,
    /// Leaves of the archives that verified.
    pub(super) leaves: u64,
    /// The most memory that one hub has had, in MiB.
    pub(super) memory: u64,
    /// What did not hold, in words.
    pub(super) breaches: Vec<String>,
    /// Something could not be judged to its end.
    pub(super) broken: Option<String>,
}

impl Sum {
    /// What other hubs said as well.
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.outages += other.outages;
        self.tally.add(&other.tally);
        let Extent { octets, repeats, timelines, flagged, receipts } = other.extent;
        self.extent.octets += octets;
        self.extent.repeats += repeats;
        self.extent.timelines += timelines;
        self.extent.flagged += flagged;
        self.extent.receipts += receipts;
        self.leaves += other.leaves;
        self.memory = self.memory.max(other.memory);
        self.breaches.extend(other.breaches.iter().cloned());
        self.broken = self.broken.take().or_else(|| other.broken.clone());
    }
}

/// The promises that are told about, with their names in the report.
pub(super) const PROMISES: [(&str, &str); 6] = [
    ("(P1)", "P1-accepted-means-safe"),
    ("(P2)", "P2-one-truthful-state"),
    ("(P3)", "P3-once-on-record"),
    ("(P4)", "P4-nothing-altered-or-mixed-up"),
    ("(P5)", "P5-everything-can-be-proven"),
    ("(P8)", "P8-bounded-everywhere"),
];

/// Texts in one language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// One of two texts.
    pub(super) fn t(self, de: impl Into<String>, en: impl Into<String>) -> String {
        match self.0 {
            Language::De => de.into(),
            Language::En => en.into(),
        }
    }

    /// What held, with figures.
    pub(super) fn promise(self, promise: &str, sum: &Sum) -> String {
        let Sum { kills, outages, tally, extent, leaves, memory, .. } = sum;
        let Tally { accepted, ended, open, again, collected, refused, unknown, .. } = tally;
        match promise {
            "(P1)" => self.t(
                format!(
                    "Angenommen heißt sicher: {accepted} Nachrichten angenommen, {kills}-mal SIGKILL und \
                     {outages} andere Ausfälle; keine ging verloren, {refused} wurden abgelehnt, \
                     {unknown} blieben ohne Antwort"
                ),
                format!(
                    "Accepted means safe: {accepted} messages accepted, {kills} times SIGKILL and \
                     {outages} other outages; none was lost, {refused} were refused, {unknown} stayed \
                     without an answer"
                ),
            ),
            "(P2)" => self.t(
                format!(
                    "Ein wahrer Zustand: {accepted} angenommen = {ended} beendet + {open} offen; {} \
                     Verläufe Satz für Satz verfolgt, je ein Ende; {} wiederholte Versuche, alle als \
                     solche vermerkt",
                    extent.timelines, extent.flagged
                ),
                format!(
                    "One truthful state: {accepted} accepted = {ended} ended + {open} open; {} timelines \
                     followed record by record, one ending each; {} repeated attempts, all on record as \
                     such",
                    extent.timelines, extent.flagged
                ),
            ),
            "(P3)" => self.t(
                format!(
                    "Einmal im Nachweis: {} Wiederholungen erhielten dieselbe Quittung, Byte für Byte; von \
                     {collected} abgeholten kamen {again} ein zweites Mal, alle gekennzeichnet und unter \
                     derselben Kennung",
                    extent.repeats
                ),
                format!(
                    "Once on record: {} repeats got the same receipt, byte for byte; of {collected} \
                     collected, {again} came a second time, all flagged and under the same id",
                    extent.repeats
                ),
            ),
            "(P4)" => self.t(
                format!(
                    "Nichts verändert, nichts vertauscht: {} Bytes beim Leser mit dem Gesendeten \
                     verglichen, keines war anders",
                    extent.octets
                ),
                format!(
                    "Nothing altered, nothing mixed up: {} octets compared at the readers with what was \
                     sent, none was different",
                    extent.octets
                ),
            ),
            "(P5)" => self.t(
                format!(
                    "Alles ist beweisbar: {} Quittungen in der Hand der Absender geprüft, {leaves} Blätter \
                     in den Archiven offline geprüft",
                    extent.receipts
                ),
                format!(
                    "Everything can be proven: {} receipts in the hands of senders verified, {leaves} \
                     leaves of the archives verified offline",
                    extent.receipts
                ),
            ),
            _ => self.t(
                format!("Alles hat Grenzen: kein Knoten brauchte mehr als {memory} MiB Speicher"),
                format!("Bounded everywhere: no hub needed more than {memory} MiB of memory"),
            ),
        }
    }
}
