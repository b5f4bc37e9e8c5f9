//! The header of XÖV messages as typed facts.
//!
//! Read is `nachrichtenkopf.g2g` (xoev-basisnachricht g2g 1.1) where it is a child of the root
//! element, with its elements in the namespaces of the base message or in none, and the attributes
//! of the root. Nothing deeper in the document can pass for it. Whether the header is valid is the
//! business of validation; the facts are what stands there, and only valid documents should be
//! believed. Headers of other shape (XJustiz, xdomea, XRechnung) are not read here.

use std::convert::Infallible;
use std::mem;

use crate::xml::{Event, EventSink, NodeNumber, Position, StartTag};

/// The element that is the header.
pub const HEADER: &str = "nachrichtenkopf.g2g";

/// Most bytes that are collected from one header.
pub const MAX_BYTES: usize = 64 * 1024;

/// Longest name of an authority in bytes; a longer one is not told.
pub const MAX_NAME_BYTES: usize = 2_000;

/// What the root element and the header say. A fact that is absent or empty is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// Namespace of the root element; empty for none.
    pub root_namespace: String,
    /// Local name of the root element: in XÖV the name of the message.
    pub root_local: String,
    /// Namespace of the header element, empty for none; `None` where there is no header.
    pub header_namespace: Option<String>,
    /// Name of the standard: root attribute `standard`.
    pub standard: Option<String>,
    /// Version of the standard: root attribute `version`.
    pub version: Option<String>,
    /// The root has the attribute `test`. Whatever its value, and even if it is empty: its
    /// presence makes the message a test message (P11).
    pub test: bool,
    /// `identifikation.nachricht/nachrichtenUUID`.
    pub message_uuid: Option<String>,
    /// `identifikation.nachricht/nachrichtentyp/code`.
    pub message_type: Option<String>,
    /// `identifikation.nachricht/erstellungszeitpunkt`, as written.
    pub created: Option<String>,
    /// `autor/kennung`; in the DVDV this is prefix and key, e.g. `ags:05766044`.
    pub author: Option<String>,
    /// `autor/name`, at most [`MAX_NAME_BYTES`] and there once; only to be shown.
    pub author_name: Option<String>,
    /// `autor/verzeichnisdienst/code`: the directory that the key is from, e.g. `DVDV`.
    pub author_directory: Option<String>,
    /// `leser/kennung`.
    pub reader: Option<String>,
    /// `leser/name`, at most [`MAX_NAME_BYTES`] and there once; only to be shown.
    pub reader_name: Option<String>,
    /// `leser/verzeichnisdienst/code`.
    pub reader_directory: Option<String>,
    /// Where the facts stand.
    pub places: HeaderPlaces,
    /// The header, or a part of it that holds facts, is there more than once. Then no fact of the
    /// header is told, for nobody could say which counts.
    pub repeated: bool,
    /// More than [`MAX_BYTES`] would have had to be collected; what did not fit is not told.
    pub oversized: bool,
}

/// Where the facts of [`HeaderFacts`] stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderPlaces {
    /// The start tag of the root element.
    pub root: Place,
    /// The header element, up to its last node.
    pub header: Option<Place>,
    /// See [`HeaderFacts::standard`].
    pub standard: Option<Place>,
    /// See [`HeaderFacts::version`].
    pub version: Option<Place>,
    /// See [`HeaderFacts::test`].
    pub test: Option<Place>,
    /// See [`HeaderFacts::message_uuid`].
    pub message_uuid: Option<Place>,
    /// See [`HeaderFacts::message_type`].
    pub message_type: Option<Place>,
    /// See [`HeaderFacts::created`].
    pub created: Option<Place>,
    /// See [`HeaderFacts::author`].
    pub author: Option<Place>,
    /// See [`HeaderFacts::author_name`].
    pub author_name: Option<Place>,
    /// See [`HeaderFacts::author_directory`].
    pub author_directory: Option<Place>,
    /// See [`HeaderFacts::reader`].
    pub reader: Option<Place>,
    /// See [`HeaderFacts::reader_name`].
    pub reader_name: Option<Place>,
    /// See [`HeaderFacts::reader_directory`].
    pub reader_directory: Option<Place>,
}

/// The nodes that make up a fact: all from `first` to `last`, the element and its text or the
/// attribute. A signature that covers the fact covers every one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The element or attribute.
    pub first: NodeNumber,
    /// The last node inside it; the same where it has none.
    pub last: NodeNumber,
    /// Where it begins.
    pub position: Position,
}

/// Collects the facts while a document is read.
#[derive(Debug, Default)]
pub struct HeaderSink {
    facts: Option<HeaderFacts>,
    /// Where the reader is: inside the header, ...
    in_header: bool,
    /// ... inside one of its sections, ...
    section: Option<Section>,
    /// ... and inside a code of that section.
    code_of: Option<Field>,
    /// The fact being read.
    open: Option<Open>,
    /// The parts met so far; none may come twice.
    met: Vec<Part>,
    collected: usize,
    last_node: NodeNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Identification,
    Author,
    Reader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    MessageUuid,
    MessageType,
    Created,
    Author,
    AuthorName,
    AuthorDirectory,
    Reader,
    ReaderName,
    ReaderDirectory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Header,
    Section(Section),
    CodeOf(Field),
    Field(Field),
}

#[derive(Debug)]
struct Open {
    field: Field,
    depth: u32,
    text: String,
    place: Place,
    /// It holds an element, so it is no fact.
    spoilt: bool,
}

impl Field {
    fn is_name(self) -> bool {
        matches!(self, Self::AuthorName | Self::ReaderName)
    }
}

impl HeaderSink {
    /// Looks at one event. Most of a document is outside the header, and nothing is done there.
    #[inline]
    pub fn take(&mut self, event: &Event<'_>) {
        // Behind the header hardly anything concerns it.
        let concerns = match event {
            Event::Start(tag) => self.in_header || tag.depth <= 2,
            Event::Comment(..) | Event::ProcessingInstruction(..) => true,
            _ => self.in_header,
        };
        if concerns {
            self.take_in(event);
        }
    }

    fn take_in(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, _) => self.end(tag),
            Event::Text(node, piece, _) => self.text(*node, piece),
            Event::Comment(node, ..) | Event::ProcessingInstruction(node, ..) => {
                self.last_node = *node;
            }
            Event::EndOfDocument => {}
        }
    }

    /// The facts as far as the document was shown; `None` where it had not even a root element.
    pub fn into_facts(self) -> Option<HeaderFacts> {
        let facts = self.facts?;
        if !facts.repeated {
            return Some(facts);
        }
        let HeaderPlaces { root, standard, version, test, .. } = facts.places;
        Some(HeaderFacts {
            places: HeaderPlaces { root, standard, version, test, ..HeaderPlaces::default() },
            message_uuid: None,
            message_type: None,
            created: None,
            author: None,
            author_name: None,
            author_directory: None,
            reader: None,
            reader_name: None,
            reader_directory: None,
            ..facts
        })
    }

    fn start(&mut self, tag: &StartTag) {
        let attributes = tag.attributes.last().map_or(tag.node, |attribute| attribute.node);
        self.last_node = attributes;
        if let Some(open) = &mut self.open {
            open.spoilt = true;
            return;
        }
        match tag.depth {
            1 => self.root(tag),
            2 if tag.local == HEADER => self.header(tag),
            3 if self.in_header => {
                self.section = section(&tag.local);
                if let Some(section) = self.section {
                    self.meet(Part::Section(section));
                }
            }
            4 => match self.section.and_then(|section| member(section, &tag.local)) {
                Some(Part::CodeOf(field)) => {
                    self.code_of = Some(field);
                    self.meet(Part::CodeOf(field));
                }
                Some(Part::Field(field)) => self.open(field, tag),
                _ => {}
            },
            5 if tag.local == "code" => {
                if let Some(field) = self.code_of {
                    self.open(field, tag);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: &StartTag) {
        if let Some(open) = self.open.take_if(|open| open.depth == tag.depth) {
            self.store(open);
        }
        match tag.depth {
            2 => {
                self.in_header = false;
                if let Some(place) = self.facts.as_mut().and_then(|f| f.places.header.as_mut()) {
                    place.last = self.last_node;
                }
            }
            3 => self.section = None,
            4 => self.code_of = None,
            _ => {}
        }
    }

    fn text(&mut self, node: NodeNumber, piece: &str) {
        self.last_node = node;
        // A name is no fact that anything is decided by: one too long spoils nothing but itself.
        if let Some(open) = self.open.as_mut().filter(|open| open.field.is_name()) {
            open.spoilt |= open.text.len() + piece.len() > MAX_NAME_BYTES;
            if !open.spoilt {
                open.text.push_str(piece);
            }
            return;
        }
        if self.open.is_none() || !self.fits(piece.len()) {
            return;
        }
        if let Some(open) = &mut self.open {
            open.text.push_str(piece);
        }
    }

    fn root(&mut self, tag: &StartTag) {
        self.facts = Some(HeaderFacts::default());
        let attribute = |name: &str| {
            tag.attributes.iter().find(|a| a.namespace.is_empty() && a.local == name).map(|a| {
                (a.value.as_str(), Place { first: a.node, last: a.node, position: a.position })
            })
        };
        let root_namespace = self.kept(&tag.namespace).unwrap_or_default();
        let root_local = self.kept(&tag.local).unwrap_or_default();
        let standard = attribute("standard").map(|(value, place)| (self.kept(value), place));
        let version = attribute("version").map(|(value, place)| (self.kept(value), place));
        let test = attribute("test").map(|(_, place)| place);
        let Some(facts) = &mut self.facts else { return };
        facts.root_namespace = root_namespace;
        facts.root_local = root_local;
        facts.test = test.is_some();
        facts.places.test = test;
        facts.places.root = place_of(tag);
        if let Some((Some(value), place)) = standard {
            (facts.standard, facts.places.standard) = (Some(value), Some(place));
        }
        if let Some((Some(value), place)) = version {
            (facts.version, facts.places.version) = (Some(value), Some(place));
        }
    }

    fn header(&mut self, tag: &StartTag) {
        self.in_header = true;
        self.meet(Part::Header);
        let namespace = if self.fits(tag.namespace.len()) { tag.namespace.as_str() } else { "" };
        if let Some(facts) = &mut self.facts {
            facts.header_namespace = Some(namespace.to_owned());
            facts.places.header = Some(place_of(tag));
        }
    }

    fn open(&mut self, field: Field, tag: &StartTag) {
        if field.is_name() && self.met.contains(&Part::Field(field)) {
            self.forget_name(field);
            return;
        }
        self.meet(Part::Field(field));
        let place = place_of(tag);
        self.open =
            Some(Open { field, depth: tag.depth, text: String::new(), place, spoilt: false });
    }

    fn store(&mut self, mut open: Open) {
        let value = trimmed(&open.text);
        let Some(facts) = &mut self.facts else { return };
        if open.spoilt || value.is_empty() || facts.oversized {
            return;
        }
        open.place.last = self.last_node;
        let value = if value.len() == open.text.len() {
            mem::take(&mut open.text)
        } else {
            value.to_owned()
        };
        let places = &mut facts.places;
        let (fact, place) = match open.field {
            Field::MessageUuid => (&mut facts.message_uuid, &mut places.message_uuid),
            Field::MessageType => (&mut facts.message_type, &mut places.message_type),
            Field::Created => (&mut facts.created, &mut places.created),
            Field::Author => (&mut facts.author, &mut places.author),
            Field::AuthorName => (&mut facts.author_name, &mut places.author_name),
            Field::AuthorDirectory => (&mut facts.author_directory, &mut places.author_directory),
            Field::Reader => (&mut facts.reader, &mut places.reader),
            Field::ReaderName => (&mut facts.reader_name, &mut places.reader_name),
            Field::ReaderDirectory => (&mut facts.reader_directory, &mut places.reader_directory),
        };
        (*fact, *place) = (Some(value), Some(open.place));
    }

    /// Of two names none is told.
    fn forget_name(&mut self, field: Field) {
        let Some(facts) = &mut self.facts else { return };
        if field == Field::AuthorName {
            (facts.author_name, facts.places.author_name) = (None, None);
        } else {
            (facts.reader_name, facts.places.reader_name) = (None, None);
        }
    }

    /// Notes a part of the header; the second of its kind spoils the header.
    fn meet(&mut self, part: Part) {
        let again = self.met.contains(&part);
        if !again {
            self.met.push(part);
        } else if let Some(facts) = &mut self.facts {
            facts.repeated = true;
        }
    }

    /// Whether `bytes` more may be collected; if so they count.
    fn fits(&mut self, bytes: usize) -> bool {
        let fits = bytes <= MAX_BYTES - self.collected;
        if fits {
            self.collected += bytes;
        } else if let Some(facts) = &mut self.facts {
            facts.oversized = true;
        }
        fits
    }

    /// A value of the root element, if there is one and it fits.
    fn kept(&mut self, value: &str) -> Option<String> {
        let value = trimmed(value);
        (!value.is_empty() && self.fits(value.len())).then(|| value.to_owned())
    }
}

impl EventSink for HeaderSink {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        self.take(event);
        Ok(())
    }
}

fn section(local: &str) -> Option<Section> {
    match local {
        "identifikation.nachricht" => Some(Section::Identification),
        "autor" => Some(Section::Author),
        "leser" => Some(Section::Reader),
        _ => None,
    }
}

fn member(section: Section, local: &str) -> Option<Part> {
    match (section, local) {
        (Section::Identification, "nachrichtenUUID") => Some(Part::Field(Field::MessageUuid)),
        (Section::Identification, "nachrichtentyp") => Some(Part::CodeOf(Field::MessageType)),
        (Section::Identification, "erstellungszeitpunkt") => Some(Part::Field(Field::Created)),
        (Section::Author, "kennung") => Some(Part::Field(Field::Author)),
        (Section::Author, "name") => Some(Part::Field(Field::AuthorName)),
        (Section::Author, "verzeichnisdienst") => Some(Part::CodeOf(Field::AuthorDirectory)),
        (Section::Reader, "kennung") => Some(Part::Field(Field::Reader)),
        (Section::Reader, "name") => Some(Part::Field(Field::ReaderName)),
        (Section::Reader, "verzeichnisdienst") => Some(Part::CodeOf(Field::ReaderDirectory)),
        _ => None,
    }
}

fn place_of(tag: &StartTag) -> Place {
    let last = tag.attributes.last().map_or(tag.node, |attribute| attribute.node);
    Place { first: tag.node, last, position: tag.position }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Limits, drive};
    use proptest::prelude::*;

    fn facts(document: &str) -> HeaderFacts {
        let mut sink = HeaderSink::default();
        drive(document.as_bytes(), &Limits::default(), &mut sink).expect("well-formed");
        sink.into_facts().expect("a root element")
    }

    const UNQUALIFIED: &str = "<x:ummeldung.0100 xmlns:x='urn:x' standard='XUmmeldung' version='1.1' \
         produkt='P' produkthersteller='H'>\n\
         <nachrichtenkopf.g2g>\n\
          <identifikation.nachricht>\n\
           <nachrichtenUUID>00000000-1111-4222-8333-444444444444</nachrichtenUUID>\n\
           <nachrichtentyp listURI='urn:l' listVersionID='1'><code>0100</code><name>Ummeldung</name></nachrichtentyp>\n\
           <erstellungszeitpunkt>2026-03-01T08:00:00.000+01:00</erstellungszeitpunkt>\n\
          </identifikation.nachricht>\n\
          <leser>\n\
           <verzeichnisdienst listVersionID='3'><code>DVDV</code></verzeichnisdienst>\n\
           <kennung>ags:05758012</kennung><name>Stadt Herford</name>\n\
           <erreichbarkeit><kanal listVersionID='3'><code>02</code></kanal><kennung>tel</kennung></erreichbarkeit>\n\
          </leser>\n\
          <autor>\n\
           <verzeichnisdienst listVersionID='3'><code>DVDV</code></verzeichnisdienst>\n\
           <kennung> ags:05766044\n</kennung><name>Stadt Lemgo</name>\n\
          </autor>\n\
         </nachrichtenkopf.g2g><x:inhalt/></x:ummeldung.0100>";

    fn expected() -> HeaderFacts {
        let some = |text: &str| Some(text.to_owned());
        HeaderFacts {
            root_namespace: "urn:x".into(),
            root_local: "ummeldung.0100".into(),
            header_namespace: some(""),
            standard: some("XUmmeldung"),
            version: some("1.1"),
            test: false,
            message_uuid: some("00000000-1111-4222-8333-444444444444"),
            message_type: some("0100"),
            created: some("2026-03-01T08:00:00.000+01:00"),
            author: some("ags:05766044"),
            author_name: some("Stadt Lemgo"),
            author_directory: some("DVDV"),
            reader: some("ags:05758012"),
            reader_name: some("Stadt Herford"),
            reader_directory: some("DVDV"),
            places: HeaderPlaces::default(),
            repeated: false,
            oversized: false,
        }
    }

    fn without_places(facts: HeaderFacts) -> HeaderFacts {
        HeaderFacts { places: HeaderPlaces::default(), ..facts }
    }

    #[test]
    fn an_unqualified_header_is_read() {
        assert_eq!(without_places(facts(UNQUALIFIED)), expected());
    }

    /// As in standards that take the elements of the base message by reference: three namespaces,
    /// the code itself in none.
    #[test]
    fn a_qualified_header_is_read() {
        let mut document =
            UNQUALIFIED.replace("xmlns:x=", "xmlns:g='urn:g' xmlns:b='urn:b' xmlns:x=");
        for (prefix, names) in [
            (
                "g",
                &[
                    "nachrichtenkopf.g2g",
                    "identifikation.nachricht",
                    "nachrichtenUUID",
                    "nachrichtentyp",
                    "erstellungszeitpunkt",
                    "leser",
                    "autor",
                ][..],
            ),
            ("b", &["verzeichnisdienst", "kennung", "name", "erreichbarkeit", "kanal"]),
        ] {
            for name in names {
                for end in ['>', ' '] {
                    document = document
                        .replace(&format!("<{name}{end}"), &format!("<{prefix}:{name}{end}"))
                        .replace(&format!("</{name}{end}"), &format!("</{prefix}:{name}{end}"));
                }
            }
        }
        let facts = without_places(facts(&document));
        assert_eq!(facts, HeaderFacts { header_namespace: Some("urn:g".into()), ..expected() });
    }

    #[test]
    fn without_a_header_only_the_root_speaks() {
        let found = facts("<rechnung xmlns='urn:r' version=' 2 ' standard=''/>");
        let expected = HeaderFacts {
            root_namespace: "urn:r".into(),
            root_local: "rechnung".into(),
            version: Some("2".into()),
            ..HeaderFacts::default()
        };
        assert_eq!(without_places(found), expected);
    }

    #[test]
    fn the_presence_of_test_counts_not_its_value() {
        for (attribute, expected) in [
            ("test='true'", true),
            ("test='false'", true),
            ("test=''", true),
            ("", false),
            ("xmlns:p='urn:p' p:test='true'", false),
            ("Test='true'", false),
        ] {
            assert_eq!(
                facts(&format!("<a {attribute}><b test='x'/></a>")).test,
                expected,
                "{attribute}"
            );
        }
    }

    /// Whatever stands elsewhere changes nothing.
    #[test]
    fn look_alikes_elsewhere_are_no_header() {
        let start = UNQUALIFIED.find("<nachrichtenkopf").expect("there");
        let end = UNQUALIFIED.find("<x:inhalt").expect("there");
        let header = &UNQUALIFIED[start..end];
        let decoy =
            header.replace("ags:05", "ags:99").replace("0100", "9999").replace("0000", "ffff");
        for (place, with) in [
            ("<x:inhalt/>", format!("<x:inhalt>{decoy}</x:inhalt>")),
            ("<x:inhalt/>", "<x:inhalt><nachrichtentyp><code>9</code></nachrichtentyp><autor><kennung>x</kennung></autor></x:inhalt>".to_owned()),
            ("<nachrichtenkopf", format!("<x:davor>{decoy}</x:davor><nachrichtenkopf")),
            ("<nachrichtenkopf", "<identifikation.nachricht><nachrichtenUUID>x</nachrichtenUUID></identifikation.nachricht><autor><kennung>x</kennung></autor><nachrichtenkopf".to_owned()),
            ("</nachrichtenkopf", format!("<erweiterung>{decoy}</erweiterung></nachrichtenkopf")),
            ("</autor>", format!("<erweiterung><kennung>x</kennung>{decoy}</erweiterung></autor>")),
            ("</nachrichtentyp>", "<anderes><code>9</code></anderes></nachrichtentyp>".to_owned()),
            ("<kennung>ags", "<!-- <kennung>x</kennung> --><kennung>ags".to_owned()),
            ("<x:inhalt/>", format!("<![CDATA[{decoy}]]>")),
        ] {
            let document = UNQUALIFIED.replace(place, &with);
            assert_ne!(document, UNQUALIFIED);
            assert_eq!(without_places(facts(&document)), expected(), "{with}");
        }
    }

    #[test]
    fn of_two_headers_none_is_believed() {
        for (place, with) in [
            ("<x:inhalt/>", "<nachrichtenkopf.g2g/>"),
            (
                "<x:inhalt/>",
                "<x:nachrichtenkopf.g2g><x:autor><kennung>x:1</kennung></x:autor></x:nachrichtenkopf.g2g>",
            ),
            ("</nachrichtenkopf", "<autor/></nachrichtenkopf"),
            ("</autor>", "<x:kennung>x:1</x:kennung></autor>"),
            ("<code>0100</code>", "<code>0100</code><code>0101</code>"),
            ("</identifikation.nachricht>", "<nachrichtentyp/></identifikation.nachricht>"),
        ] {
            let found = facts(&UNQUALIFIED.replace(place, with));
            assert!(found.repeated, "{with}");
            assert_eq!(found.author, None, "{with}");
            assert_eq!(found.message_uuid, None, "{with}");
            assert_eq!(found.message_type, None, "{with}");
            assert_eq!(found.places.author, None, "{with}");
            assert_eq!(found.standard.as_deref(), Some("XUmmeldung"));
        }
    }

    #[test]
    fn a_fact_is_text_and_nothing_else() {
        let found = facts(&UNQUALIFIED.replace("ags:05758012", "ags:05<b>758</b>012"));
        assert_eq!((found.reader, found.author.as_deref()), (None, Some("ags:05766044")));
        let found = facts(&UNQUALIFIED.replace("ags:05758012", "ags:<!--x-->05758<![CDATA[012]]>"));
        assert_eq!(found.reader.as_deref(), Some("ags:05758012"));
        let found = facts(&UNQUALIFIED.replace("<code>0100</code>", "<code> </code>"));
        assert_eq!(found.message_type, None);
    }

    #[test]
    fn places_cover_the_element_and_its_text() {
        let document = "<r test='' version='2'><nachrichtenkopf.g2g><autor><kennung>a<!--b-->c</kennung>\
                        </autor></nachrichtenkopf.g2g></r>";
        let places = facts(document).places;
        let nodes = |place: Option<Place>| place.map(|p| (p.first.0, p.last.0, p.position.column));
        assert_eq!(nodes(Some(places.root)), Some((1, 3, 1)));
        assert_eq!(nodes(places.test), Some((2, 2, 4)));
        assert_eq!(nodes(places.version), Some((3, 3, 12)));
        assert_eq!(nodes(places.header), Some((4, 9, 24)));
        assert_eq!(nodes(places.author), Some((6, 9, 52)));
        assert_eq!(places.reader, None);
    }

    /// Names are only shown; whatever they are, the facts that count are told.
    #[test]
    fn a_bad_name_spoils_nothing_but_itself() {
        let name = "<name>Stadt Lemgo</name>";
        let long = format!("<name>{}</name>", "x".repeat(MAX_NAME_BYTES + 1));
        for bad in [&format!("{name}{name}"), &format!("{name}{name}{name}"), &long, "<name/>"] {
            let found = facts(&UNQUALIFIED.replace(name, bad));
            let wanted = HeaderFacts { author_name: None, ..expected() };
            assert_eq!(without_places(found), without_places(wanted), "{bad}");
        }
        let longest = format!("<name>{}</name>", "x".repeat(MAX_NAME_BYTES));
        let found = facts(&UNQUALIFIED.replace(name, &longest));
        assert_eq!(found.author_name.map(|name| name.len()), Some(MAX_NAME_BYTES));
    }

    #[test]
    fn what_is_collected_is_bounded() {
        let huge = "9".repeat(MAX_BYTES);
        let found = facts(&UNQUALIFIED.replace("ags:05766044", &huge));
        assert!(found.oversized);
        assert_eq!((found.author, found.reader.as_deref()), (None, Some("ags:05758012")));
        let found = facts(&UNQUALIFIED.replace("XUmmeldung", &huge));
        assert!(found.oversized);
        assert_eq!((found.standard, found.version.as_deref()), (None, Some("1.1")));
    }

    proptest! {
        #[test]
        fn any_shuffle_of_the_parts_is_answered(order in prop::collection::vec(0..12usize, 0..40)) {
            const PARTS: [&str; 12] = [
                "<nachrichtenkopf.g2g>", "<identifikation.nachricht>", "<autor>", "<leser>",
                "<kennung>", "<verzeichnisdienst>", "<nachrichtentyp>", "<code>",
                "<nachrichtenUUID>", "</>", "</>", "x",
            ];
            let mut document = String::from("<r>");
            let mut open = vec!["<r>"];
            for n in order {
                match PARTS[n] {
                    "</>" if open.len() > 1 => {
                        document.push_str(&open.pop().expect("open").replace('<', "</"));
                    }
                    "</>" => {}
                    "x" => document.push('x'),
                    tag => {
                        document.push_str(tag);
                        open.push(tag);
                    }
                }
            }
            for tag in open.iter().rev() {
                document.push_str(&tag.replace('<', "</"));
            }
            let found = facts(&document);
            prop_assert!(!found.repeated || found.author.is_none());
            for value in [&found.author, &found.reader, &found.message_type].into_iter().flatten() {
                prop_assert!(value.bytes().all(|b| b == b'x'));
            }
        }
    }
}
