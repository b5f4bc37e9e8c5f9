//! Why a document is not read: a stable code, a place, and a text in two languages.
//!
//! No text holds a value of the document (P7); names of elements, attributes and prefixes may
//! appear, shortened.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::event::Position;
use super::limits::Limit;

/// Longest name shown in a text, in characters.
const SHOWN_CHARS: usize = 64;

/// Why the reading ended, and where.
#[derive(Clone, Debug)]
pub struct XmlError {
    /// What is wrong.
    pub kind: XmlErrorKind,
    /// Where it is wrong; for something that never ends, where it began.
    pub position: Position,
    input: Option<Arc<io::Error>>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlErrorKind {
    /// The input could not be read; the error itself is the `source()`.
    Input(io::ErrorKind),
    /// A limit was exceeded.
    Limit(Limit),
    /// A document type declaration. There are none in messages between authorities.
    Dtd,
    /// The document is UTF-16 (or UTF-32).
    Utf16,
    /// The XML declaration names another encoding than UTF-8.
    Encoding,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// The XML declaration names a version other than 1.x, or 1.1.
    Version,
    /// The XML declaration is not written as XML 1.0, 2.8 demands.
    BadDeclaration,
    /// The XML declaration does not stand at the very beginning.
    MisplacedDeclaration,
    /// The document has no root element.
    NoRoot,
    /// A second element beside the root element.
    SecondRoot,
    /// Something other than white space, comments and processing instructions outside the root.
    ContentOutsideRoot,
    /// The document ended inside this element.
    UnclosedElement(String),
    /// An end tag that belongs to another element than the one that is open.
    MismatchedEndTag {
        /// The element that is open.
        expected: String,
        /// The name in the end tag.
        found: String,
    },
    /// An end tag where no element is open.
    UnexpectedEndTag,
    /// An end tag with more in it than a name.
    BadEndTag,
    /// A tag that never ends.
    UnclosedTag,
    /// A comment that never ends.
    UnclosedComment,
    /// A CDATA section that never ends.
    UnclosedCData,
    /// A processing instruction that never ends, or one without a target.
    UnclosedProcessingInstruction,
    /// `<!` with something behind it that does not exist.
    UnknownMarkup,
    /// Something that is no name where a name must stand.
    BadName,
    /// A name with a colon at the wrong place, or with two.
    BadQualifiedName,
    /// The target of a processing instruction holds a colon or is the reserved `xml`, or no white
    /// space follows it.
    BadTarget,
    /// A character that XML forbids.
    ForbiddenCharacter,
    /// A reference to a character that XML forbids.
    ForbiddenCharacterReference,
    /// `&` that begins no reference.
    BadReference,
    /// A reference to an entity; without a DTD there are only the five predefined ones.
    UndefinedEntity,
    /// White space missing between attributes.
    MissingSpace,
    /// `=` missing behind the name of an attribute.
    MissingEquals,
    /// The value of an attribute without quotation marks.
    UnquotedValue,
    /// `<` in the value of an attribute.
    LessThanInValue,
    /// Two attributes of one element with one name, also where only the prefixes differ.
    DuplicateAttribute(String),
    /// Two declarations of one prefix (empty: the default namespace) at one element.
    DuplicateDeclaration(String),
    /// A prefix that is not declared here.
    UnboundPrefix(String),
    /// A prefix declared as the empty namespace, which Namespaces 1.0 does not know.
    EmptyNamespace(String),
    /// The prefixes `xml` and `xmlns` or their namespaces used otherwise than as reserved.
    ReservedNamespace,
    /// `--` inside a comment.
    DoubleHyphen,
    /// `]]>` in text.
    CDataEndInText,
}

/// An error on its way through the reader: small, so that what goes well is quick.
pub(super) type Refused = Box<XmlError>;

impl XmlError {
    pub(super) fn new(kind: XmlErrorKind, position: Position) -> Refused {
        Box::new(Self { kind, position, input: None })
    }

    pub(super) fn input(error: Arc<io::Error>, position: Position) -> Refused {
        let kind = XmlErrorKind::Input(error.kind());
        Box::new(Self { kind, position, input: Some(error) })
    }

    /// The code of the kind; never changes.
    pub fn code(&self) -> &'static str {
        self.kind.row().0
    }

    /// What is wrong, in English, without the position.
    pub fn english(&self) -> String {
        let names = match &self.kind {
            XmlErrorKind::MismatchedEndTag { expected, found } => {
                format!(": {} stands where {} must end", short(found), short(expected))
            }
            kind => kind.names(),
        };
        format!("{}{names}", self.kind.row().1)
    }

    /// What is wrong, in German, without the position.
    pub fn german(&self) -> String {
        let names = match &self.kind {
            XmlErrorKind::MismatchedEndTag { expected, found } => {
                format!(": {} steht, wo {} enden muss", short(found), short(expected))
            }
            kind => kind.names(),
        };
        format!("{}{names}", self.kind.row().2)
    }

    /// Whether a limit was exceeded; the document may well be well-formed.
    pub fn is_limit(&self) -> bool {
        matches!(self.kind, XmlErrorKind::Limit(_))
    }

    /// Whether the input failed; nothing is said about the document.
    pub fn is_input(&self) -> bool {
        matches!(self.kind, XmlErrorKind::Input(_))
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.english())
    }
}

impl std::error::Error for XmlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.input.as_deref().map(|error| error as _)
    }
}

impl PartialEq for XmlError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.position == other.position
    }
}

impl Eq for XmlError {}

impl XmlErrorKind {
    fn names(&self) -> String {
        match self {
            Self::UnclosedElement(name)
            | Self::DuplicateAttribute(name)
            | Self::DuplicateDeclaration(name)
            | Self::UnboundPrefix(name)
            | Self::EmptyNamespace(name)
                if !name.is_empty() =>
            {
                format!(": {}", short(name))
            }
            _ => String::new(),
        }
    }

    /// Code, English, German.
    fn row(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Input(_) => (
                "input",
                "the document could not be read to its end",
                "Das Dokument konnte nicht bis zum Ende gelesen werden",
            ),
            Self::Limit(limit) => limit.row(),
            Self::Dtd => (
                "dtd",
                "document type declarations (DTD) are not allowed",
                "Dokumenttyp-Deklarationen (DTD) sind nicht zugelassen",
            ),
            Self::Utf16 => (
                "utf-16",
                "the document is UTF-16; only UTF-8 is read",
                "Das Dokument ist in UTF-16 kodiert; gelesen wird nur UTF-8",
            ),
            Self::Encoding => (
                "encoding",
                "the XML declaration names an encoding other than UTF-8",
                "Die XML-Deklaration nennt eine andere Zeichenkodierung als UTF-8",
            ),
            Self::NotUtf8 => {
                ("not-utf-8", "these bytes are no UTF-8", "Diese Bytes sind kein gültiges UTF-8")
            }
            Self::Version => (
                "version",
                "this version of XML is not read; only 1.0",
                "Diese XML-Version wird nicht gelesen; zugelassen ist nur 1.0",
            ),
            Self::BadDeclaration => (
                "bad-declaration",
                "the XML declaration is malformed",
                "Die XML-Deklaration ist fehlerhaft",
            ),
            Self::MisplacedDeclaration => (
                "misplaced-declaration",
                "the XML declaration must stand at the very beginning",
                "Die XML-Deklaration muss ganz am Anfang stehen",
            ),
            Self::NoRoot => (
                "no-root",
                "the document has no root element",
                "Das Dokument hat kein Wurzelelement",
            ),
            Self::SecondRoot => (
                "second-root",
                "a second element stands beside the root element",
                "Neben dem Wurzelelement steht ein zweites Element",
            ),
            Self::ContentOutsideRoot => (
                "content-outside-root",
                "text stands outside the root element",
                "Außerhalb des Wurzelelements steht Text",
            ),
            Self::UnclosedElement(_) => (
                "unclosed-element",
                "the document ends before this element does",
                "Das Dokument endet, bevor dieses Element endet",
            ),
            Self::MismatchedEndTag { .. } => (
                "mismatched-end-tag",
                "the end tag does not belong to the open element",
                "Das End-Tag gehört nicht zum geöffneten Element",
            ),
            Self::UnexpectedEndTag => (
                "unexpected-end-tag",
                "an end tag stands where no element is open",
                "Ein End-Tag steht, wo kein Element geöffnet ist",
            ),
            Self::BadEndTag => (
                "bad-end-tag",
                "an end tag holds a name and nothing else",
                "Ein End-Tag enthält einen Namen und sonst nichts",
            ),
            Self::UnclosedTag => {
                ("unclosed-tag", "the tag never ends", "Das Tag wird nicht geschlossen")
            }
            Self::UnclosedComment => (
                "unclosed-comment",
                "the comment never ends",
                "Der Kommentar wird nicht geschlossen",
            ),
            Self::UnclosedCData => (
                "unclosed-cdata",
                "the CDATA section never ends",
                "Der CDATA-Abschnitt wird nicht geschlossen",
            ),
            Self::UnclosedProcessingInstruction => (
                "unclosed-processing-instruction",
                "the processing instruction never ends or has no target",
                "Die Verarbeitungsanweisung wird nicht geschlossen oder hat kein Ziel",
            ),
            Self::UnknownMarkup => (
                "unknown-markup",
                "neither comment nor CDATA section follows <!",
                "Auf <! folgt weder ein Kommentar noch ein CDATA-Abschnitt",
            ),
            Self::BadName => ("bad-name", "this is no name", "Hier steht kein gültiger Name"),
            Self::BadQualifiedName => (
                "bad-qualified-name",
                "a name holds at most one colon, between prefix and local part",
                "Ein Name enthält höchstens einen Doppelpunkt, zwischen Präfix und lokalem Teil",
            ),
            Self::BadTarget => (
                "bad-target",
                "the target of the processing instruction is malformed or reserved",
                "Das Ziel der Verarbeitungsanweisung ist fehlerhaft oder reserviert",
            ),
            Self::ForbiddenCharacter => (
                "forbidden-character",
                "XML forbids this character",
                "Dieses Zeichen ist in XML nicht zugelassen",
            ),
            Self::ForbiddenCharacterReference => (
                "forbidden-character-reference",
                "the reference stands for a character that XML forbids",
                "Der Verweis steht für ein Zeichen, das in XML nicht zugelassen ist",
            ),
            Self::BadReference => (
                "bad-reference",
                "& begins no reference here",
                "Das Zeichen & leitet hier keinen Verweis ein",
            ),
            Self::UndefinedEntity => (
                "undefined-entity",
                "a reference to an entity that is not predefined",
                "Verweis auf eine Entität, die nicht vordefiniert ist",
            ),
            Self::MissingSpace => (
                "missing-space",
                "white space is missing before this attribute",
                "Vor diesem Attribut fehlt ein Leerzeichen",
            ),
            Self::MissingEquals => (
                "missing-equals",
                "an equals sign is missing behind the name of the attribute",
                "Hinter dem Namen des Attributs fehlt das Gleichheitszeichen",
            ),
            Self::UnquotedValue => (
                "unquoted-value",
                "the value of the attribute is not quoted",
                "Der Wert des Attributs steht nicht in Anführungszeichen",
            ),
            Self::LessThanInValue => (
                "less-than-in-value",
                "< stands in the value of an attribute",
                "Im Wert eines Attributs steht das Zeichen <",
            ),
            Self::DuplicateAttribute(_) => (
                "duplicate-attribute",
                "the element has this attribute twice",
                "Das Element hat dieses Attribut zweimal",
            ),
            Self::DuplicateDeclaration(_) => (
                "duplicate-declaration",
                "the element declares a namespace prefix twice",
                "Das Element deklariert ein Namensraum-Präfix zweimal",
            ),
            Self::UnboundPrefix(_) => (
                "unbound-prefix",
                "the namespace prefix is not declared",
                "Das Namensraum-Präfix ist nicht deklariert",
            ),
            Self::EmptyNamespace(_) => (
                "empty-namespace",
                "a namespace prefix may not stand for the empty namespace",
                "Ein Namensraum-Präfix darf nicht für den leeren Namensraum stehen",
            ),
            Self::ReservedNamespace => (
                "reserved-namespace",
                "the prefixes xml and xmlns and their namespaces are reserved",
                "Die Präfixe xml und xmlns und ihre Namensräume sind reserviert",
            ),
            Self::DoubleHyphen => (
                "double-hyphen",
                "-- stands inside a comment",
                "In einem Kommentar steht die Zeichenfolge --",
            ),
            Self::CDataEndInText => {
                ("cdata-end-in-text", "]]> stands in text", "Im Text steht die Zeichenfolge ]]>")
            }
        }
    }
}

impl Limit {
    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::DocumentBytes => {
                ("limit-document-bytes", "the document is too long", "Das Dokument ist zu lang")
            }
            Self::Depth => (
                "limit-depth",
                "the elements are nested too deeply",
                "Die Elemente sind zu tief geschachtelt",
            ),
            Self::Attributes => (
                "limit-attributes",
                "the element has too many attributes",
                "Das Element hat zu viele Attribute",
            ),
            Self::Declarations => (
                "limit-declarations",
                "the element declares too many namespaces",
                "Das Element deklariert zu viele Namensräume",
            ),
            Self::TokenBytes => (
                "limit-token-bytes",
                "a tag, comment, CDATA section, processing instruction or reference is too long",
                "Ein Tag, Kommentar, CDATA-Abschnitt, Verweis oder eine Verarbeitungsanweisung ist zu lang",
            ),
            Self::OpenTagBytes => (
                "limit-open-tag-bytes",
                "the start tags of the open elements are too long taken together",
                "Die Start-Tags der geöffneten Elemente sind zusammen zu lang",
            ),
            Self::NameBytes => ("limit-name-bytes", "a name is too long", "Ein Name ist zu lang"),
            Self::Nodes => (
                "limit-nodes",
                "the document has too many nodes",
                "Das Dokument hat zu viele Knoten",
            ),
        }
    }
}

fn short(name: &str) -> String {
    match name.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
