//! Which pack, and which of its messages, a document is for: by its root, by the marks of the packs
//! near its beginning, and where nothing in it tells versions apart, by the date.

use jiff::Timestamp;

use super::loaded::Pack;
use super::manifest::MessageInfo;
use super::mark::{MAX_PREFIX_BYTES, Mark, Told, Twice, Watch};
use super::set::MANIFEST;
use super::validity::instant;
use crate::header::HeaderSink;
use crate::validate::{Finding, Verdict};
use crate::xml::{self, Event, EventSink, Limits, StartTag};

/// What a document is.
pub(super) enum Choice<'p> {
    /// This message of this pack.
    Message(&'p Pack, &'p MessageInfo),
    /// No message: of this pack, if one is known.
    Nobody(Option<&'p Pack>, Verdict, Finding),
}

/// A message that a document may be.
struct Candidate<'p> {
    pack: &'p Pack,
    /// None: the pack has the namespace, but no such root.
    message: Option<&'p MessageInfo>,
    version: Option<Watch<'p>>,
    known_by: Option<Watch<'p>>,
}

impl<'p> Candidate<'p> {
    fn watches(&self) -> impl Iterator<Item = &Watch<'p>> {
        self.version.iter().chain(&self.known_by)
    }

    fn watches_mut(&mut self) -> impl Iterator<Item = &mut Watch<'p>> {
        self.version.iter_mut().chain(&mut self.known_by)
    }

    /// Nothing in the document speaks against it.
    fn stands(&self) -> bool {
        self.watches().all(|watch| watch.told != Told::No)
    }

    /// Everything speaks for it.
    fn is_meant(&self) -> bool {
        self.watches().all(|watch| watch.told == Told::Yes)
    }

    fn name(&self) -> String {
        format!("{} {}", self.pack.manifest.standard, self.pack.manifest.version)
    }
}

/// The messages that a document may be, while its beginning is read.
pub(super) struct Choosing<'p> {
    packs: &'p [Pack],
    root: Option<String>,
    candidates: Vec<Candidate<'p>>,
    header: HeaderSink,
    /// The beginning ended before the document did: what has not come may still come.
    cut: bool,
}

impl<'p> Choosing<'p> {
    pub(super) fn new(packs: &'p [Pack]) -> Self {
        let header = HeaderSink::default();
        Self { packs, root: None, candidates: Vec::new(), header, cut: false }
    }

    /// Reads as much of the beginning as it needs.
    pub(super) fn look(&mut self, input: &mut Twice<'_>, limits: &Limits) {
        // What is wrong with the document is said when it is read again.
        let _ended = xml::drive(&mut *input, limits, self);
        self.cut = input.was_cut();
    }

    /// Whether the root was seen.
    pub(super) fn has_begun(&self) -> bool {
        self.root.is_some()
    }

    /// Looks at the root.
    pub(super) fn begin(&mut self, root: &StartTag) {
        self.root = Some(root.local.clone());
        let candidate = |pack: &'p Pack, message| Candidate {
            pack,
            message,
            version: Some(Watch::new(&pack.manifest.version_mark)),
            known_by: None,
        };
        for pack in self.packs {
            self.candidates.extend(pack.messages(root).map(|(message, mark)| Candidate {
                known_by: mark.map(Watch::new),
                ..candidate(pack, Some(message))
            }));
        }
        if self.candidates.is_empty() {
            let packs = self.packs.iter().filter(|pack| pack.knows(&root.namespace));
            self.candidates = packs.map(|pack| candidate(pack, None)).collect();
        }
        // Where one version has the root, its schemas know whether the message agrees; unless the
        // pack names the place itself.
        let first = self.candidates.first().map(|one| one.pack);
        let one = |pack: &Pack| first.is_some_and(|first| std::ptr::eq(first, pack));
        if self.candidates.iter().all(|candidate| one(candidate.pack)) {
            for candidate in &mut self.candidates {
                candidate.version.take_if(|_| !candidate.pack.manifest.version_named);
            }
        }
    }

    fn watch(&mut self, event: &Event<'_>) {
        for candidate in &mut self.candidates {
            candidate.watches_mut().for_each(|watch| watch.event(event));
        }
        let found = |candidate: &Candidate<'_>| {
            candidate.known_by.as_ref().is_some_and(|watch| watch.told == Told::Yes)
        };
        // The first message that is found is the one; what comes later is its content.
        if self.candidates.iter().any(found) {
            self.close_messages();
        }
    }

    fn close_messages(&mut self) {
        let watches = self.candidates.iter_mut().filter_map(|one| one.known_by.as_mut());
        for watch in watches.filter(|watch| watch.told == Told::Open) {
            watch.told = Told::No;
        }
    }

    fn is_settled(&self) -> bool {
        let standing = || self.candidates.iter().filter(|candidate| candidate.stands());
        let open = |watch: &Watch<'_>| watch.told == Told::Open;
        let meant = standing().filter(|candidate| candidate.is_meant()).count();
        !standing().flat_map(Candidate::watches).any(open) && (standing().count() < 2 || meant == 1)
    }

    /// The places of versions that lie beyond the beginning, if one of them would have to say what
    /// the document is: nothing that was read names a message in all its places.
    fn too_far(&self) -> Option<Places<'p>> {
        let standing = || self.candidates.iter().filter(|candidate| candidate.stands());
        let versions = || standing().filter_map(|candidate| candidate.version.as_ref());
        let open = versions().filter(|watch| watch.told == Told::Open);
        let meant = standing().any(Candidate::is_meant);
        let places = Places::of(open.map(Watch::place));
        (self.cut && !meant && !places.0.is_empty()).then_some(places)
    }

    /// What the document is, as far as it was read.
    pub(super) fn choose(mut self, arrival: Timestamp) -> Choice<'p> {
        if let Some(places) = self.too_far() {
            return Choice::Nobody(None, Verdict::Invalid, version_too_far(&places));
        }
        // What has not come does not come; a message that none of its places tells is none.
        self.close_messages();
        for watch in self.candidates.iter_mut().flat_map(Candidate::watches_mut) {
            if watch.told == Told::Open {
                watch.told = Told::Silent;
            }
        }
        let header = self.header.into_facts();
        let created = header.and_then(|header| instant(header.created.as_deref()?));
        let root = self.root.unwrap_or_default();
        let version = |candidate: &&Candidate<'_>| {
            candidate.version.as_ref().is_none_or(|watch| watch.told != Told::No)
        };
        if self.candidates.is_empty() {
            return Choice::Nobody(None, Verdict::UnknownStandard, unknown_standard());
        }
        let of_version: Vec<&Candidate<'_>> = self.candidates.iter().filter(version).collect();
        let Some(some) = of_version.first() else {
            let places = self.candidates.iter().filter_map(|one| one.version.as_ref());
            let finding = unknown_version(
                &Places::of(places.map(Watch::place)),
                &first(self.candidates.iter().map(Candidate::name)),
            );
            return Choice::Nobody(None, Verdict::UnknownStandard, finding);
        };
        let mut left: Vec<&Candidate<'_>> =
            of_version.iter().copied().filter(|candidate| candidate.stands()).collect();
        if left.is_empty() {
            let places = of_version.iter().filter_map(|one| one.known_by.as_ref());
            let places = Places::of(places.map(Watch::place));
            let finding = untold_message(&root, &places);
            return Choice::Nobody(Some(some.pack), Verdict::Invalid, finding);
        }
        if left.iter().any(|candidate| candidate.is_meant()) {
            left.retain(|candidate| candidate.is_meant());
        }
        let in_force = |candidate: &&Candidate<'_>| candidate.pack.is_in_force(created, arrival);
        if left.len() > 1 {
            let dated: Vec<&Candidate<'_>> = left.iter().copied().filter(in_force).collect();
            if dated.len() != 1 {
                let names =
                    |all: &[&Candidate<'_>]| first(all.iter().map(|candidate| candidate.name()));
                return match dated.as_slice() {
                    [] => Choice::Nobody(None, Verdict::NotInForce, none_in_force(&names(&left))),
                    _ => Choice::Nobody(None, Verdict::Invalid, unclear_version(&names(&dated))),
                };
            }
            left = dated;
        }
        match left.first() {
            Some(Candidate { pack, message: Some(message), .. }) => Choice::Message(pack, message),
            _ => {
                let finding = unknown_message(&root);
                Choice::Nobody(left.first().map(|one| one.pack), Verdict::Invalid, finding)
            }
        }
    }
}

/// Enough was read.
pub(super) struct Enough;

impl EventSink for Choosing<'_> {
    type Error = Enough;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Enough> {
        if let (Event::Start(root), None) = (event, &self.root) {
            self.begin(root);
        }
        self.header.take(event);
        self.watch(event);
        if self.has_begun() && self.is_settled() { Err(Enough) } else { Ok(()) }
    }
}

fn unknown_standard() -> Finding {
    Finding::error(
        "standard-unknown",
        MANIFEST,
        "Der Namensraum des Wurzelelements gehört zu keinem eingerichteten Standard. \
         Namensraum prüfen oder das Paket einrichten lassen.",
        "The namespace of the root element belongs to no standard that is set up. \
         Check the namespace, or have the pack set up.",
    )
}

/// Names and places that a finding tells at most; they are those of packs, not of messages.
const MAX_TOLD: usize = 20;

/// The first names, each once.
fn first(names: impl Iterator<Item = String>) -> String {
    let mut told: Vec<String> = Vec::new();
    for name in names {
        if !told.contains(&name) {
            told.push(name);
        }
    }
    let more = if told.len() > MAX_TOLD { ", …" } else { "" };
    told.truncate(MAX_TOLD);
    told.join(", ") + more
}

/// Where packs look for something, each place once.
struct Places<'p>(Vec<&'p Mark>);

impl<'p> Places<'p> {
    fn of(marks: impl Iterator<Item = &'p Mark>) -> Self {
        let mut places: Vec<&Mark> = Vec::new();
        for mark in marks {
            if !places.iter().any(|known| known.same_place(mark)) {
                places.push(mark);
            }
        }
        Self(places)
    }

    fn told(&self, at: &str, below: &str) -> String {
        let one = |mark: &&Mark| format!("{}: {mark}", if mark.is_at_root() { at } else { below });
        first(self.0.iter().map(one))
    }

    fn german(&self) -> String {
        self.told("am Wurzelelement", "unterhalb des Wurzelelements")
    }

    fn english(&self) -> String {
        self.told("at the root element", "below the root element")
    }
}

fn unknown_version(places: &Places<'_>, names: &str) -> Finding {
    Finding::error(
        "version-unknown",
        MANIFEST,
        &format!(
            "Der Standard ist eingerichtet, nicht aber die Version, die die Nachricht nennt ({}). \
             Eingerichtet: {names}. Nachricht in einer dieser Versionen erzeugen oder das Paket der \
             anderen einrichten lassen.",
            places.german()
        ),
        &format!(
            "The standard is set up, but not the version that the message names ({}). Set up: \
             {names}. Make the message in one of these versions, or have the pack of the other set \
             up.",
            places.english()
        ),
    )
}

fn version_too_far(places: &Places<'_>) -> Finding {
    const KIB: usize = MAX_PREFIX_BYTES >> 10;
    Finding::error(
        "version-unclear",
        MANIFEST,
        &format!(
            "Welcher Version die Nachricht folgt, ist nicht festzustellen: Die Stelle dafür ({}) \
             liegt nicht in den ersten {KIB} KiB. Version weiter vorn angeben, vor Kommentaren und \
             großen Inhalten.",
            places.german()
        ),
        &format!(
            "Which version the message follows cannot be told: the place for it ({}) is not within \
             the first {KIB} KiB. State the version further ahead, before comments and large \
             content.",
            places.english()
        ),
    )
}

fn unclear_version(names: &str) -> Finding {
    Finding::error(
        "version-unclear",
        MANIFEST,
        &format!(
            "Die Nachricht sagt nicht, welcher Version sie folgt, und zum maßgeblichen Zeitpunkt \
             gelten mehrere: {names}. Version in der Nachricht angeben."
        ),
        &format!(
            "The message does not say which version it follows, and at the time that counts several \
             are in force: {names}. State the version in the message."
        ),
    )
}

fn none_in_force(names: &str) -> Finding {
    Finding::error(
        "standard-not-in-force",
        MANIFEST,
        &format!(
            "Keine der Versionen, denen die Nachricht folgen kann, gilt zum maßgeblichen \
             Zeitpunkt: {names}. Nachricht in der gültigen Version erzeugen."
        ),
        &format!(
            "None of the versions that the message may follow is in force at the time that \
             counts: {names}. Make the message in the version in force."
        ),
    )
}

fn untold_message(root: &str, places: &Places<'_>) -> Finding {
    const KIB: usize = MAX_PREFIX_BYTES >> 10;
    Finding::error(
        "message-type-unknown",
        MANIFEST,
        &format!(
            "Nichts unter „{root}“ sagt in den ersten {KIB} KiB, welche Nachricht dieses Standards \
             es ist. Eine dieser Stellen angeben ({}).",
            places.german()
        ),
        &format!(
            "Nothing below '{root}' says within the first {KIB} KiB which message of this standard \
             it is. Give one of these places ({}).",
            places.english()
        ),
    )
}

fn unknown_message(root: &str) -> Finding {
    Finding::error(
        "message-type-unknown",
        MANIFEST,
        &format!(
            "Element „{root}“ ist keine Nachricht dieses Standards. Wurzelelement und Version der \
             Nachricht prüfen."
        ),
        &format!(
            "Element '{root}' is no message of this standard. Check the root element and the \
             version of the message."
        ),
    )
}
