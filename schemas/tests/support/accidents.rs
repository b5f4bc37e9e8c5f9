//! What may befall a message: seeded accidents, the same in every run. A message stays well-formed
//! whatever befalls it; whether it stays valid is for others to say.

mod outline;

use std::fs;
use std::ops::Range;
use std::path::Path;

use outline::{Attribute, Element, Outline, is_well_formed};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// How often another accident is tried where one is not possible.
const TRIES: usize = 40;

/// A sequence of numbers that follows from its seed.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// The sequence that belongs to a name, so that it does not depend on what ran before.
    pub(crate) fn by(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// Yes once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The high bits are the better ones.
        ((self.0 >> 16) % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        if among.is_empty() { None } else { Some(&among[self.below(among.len())]) }
    }
}

/// Kinds of accidents, for whoever counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An element is gone.
    Delete,
    /// An element is there twice.
    Repeat,
    /// Two elements have changed places.
    Swap,
    /// A copy of an element stands elsewhere, too.
    Graft,
    /// An element has another's name.
    Rename,
    /// An element's text is another.
    Value,
    /// A namespace is another.
    Namespace,
    /// An attribute is gone, changed or new.
    Attribute,
    /// An element has lost its content.
    Empty,
    /// `xsi:type` is gone, changed or new.
    InstanceType,
    /// `xsi:nil` is there.
    Nil,
    /// Text, a comment or a processing instruction stands where nobody expects it.
    Between,
    /// A hint where schemas may be found.
    Hint,
}

/// All kinds.
pub(crate) const KINDS: [Kind; 13] = [
    Kind::Delete,
    Kind::Repeat,
    Kind::Swap,
    Kind::Graft,
    Kind::Rename,
    Kind::Value,
    Kind::Namespace,
    Kind::Attribute,
    Kind::Empty,
    Kind::InstanceType,
    Kind::Nil,
    Kind::Between,
    Kind::Hint,
];

/// Names of types for `xsi:type`: namespace and local name.
pub(crate) struct Types(Vec<(String, String)>);

impl Types {
    /// Those that the schema documents of a folder define, and a few that every schema has.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut all = Vec::new();
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("a folder of schemas")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "xsd"))
            .collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(file).expect("a schema");
            let quoted = |text: &str| text.split('"').next().unwrap_or_default().to_owned();
            let Some((_, namespace)) = text.split_once("targetNamespace=\"") else { continue };
            for before in ["complexType name=\"", "simpleType name=\""] {
                let names = text.split(before).skip(1);
                all.extend(names.map(|name| (quoted(namespace), quoted(name))));
            }
        }
        for local in ["anyType", "anySimpleType", "string", "token", "integer", "date", "ID"] {
            for _ in 0..1 + all.len() / 40 {
                all.push((XSD.to_owned(), local.to_owned()));
            }
        }
        Self(all)
    }
}

/// Values that lie at the edge of some type, as they stand in a document.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "", " ", "x", "-1", "0", "00", "+1", "-0", "1.0", ".5", "5.", ".", "1e3", "INF", "+INF", "-INF",
    "NaN", "999999999999999999999", "9999999999999999999999999999999999999999",
    "0.0000000000000000000000000000000001", "true", "TRUE", "1", "2024-02-30", "2024-02-29",
    "2023-02-29", "2024-02-29Z", "2024-02-29+14:00", "2024-02-29+14:01", "0000-01-01",
    "-0001-01-01", "12024-01-01", "02024-01-01", "2024-01-01T24:00:00", "2024-01-01T24:00:01",
    "2024-01-01T23:59:60", "2024-01-01T00:00:00.000000000001Z", "2024-01-01T00:00:00.Z",
    "12:00:00", "2024", "2024-13", "--02-29", "--02-30", "---31", "P1Y", "PT", "P",
    "-P1Y2M3DT4H5M6.7S", "P1.5Y", "ß", "\u{a0}", "\u{2003}", "\u{1F426}", "e\u{301}", "Ａ", "١",
    "a b", "a  b", " a ", "\ta\n", "&#9;a&#10;", "a:b", ":a", "a:", "1a", "_a", "-a", "a.b", "de",
    "de-DE", "deutschland1", "a_b", "http://x/y", "http://x y", "%", "%zz", "::", "urn:a:b", "#a#b",
    "[", "<![CDATA[x]]>", "<![CDATA[]]>", "x<!--c-->y", "x<?p?>y", "&#65;", "&amp;", "YQ==", "YQ=",
    "Y Q = =", "YR==", "AB", "ABC", "ab", "A B",
];

/// One accident, and what the message is after it. None where nothing could befall it.
pub(crate) fn accident(
    message: &str,
    types: &Types,
    random: &mut Seeded,
) -> Option<(Kind, String)> {
    let outline = Outline::of(message);
    for _ in 0..TRIES {
        // Values, attributes and types most often: they may change and the message stay valid.
        let subtle = [Kind::Value, Kind::Value, Kind::Attribute, Kind::InstanceType];
        let kind = if random.one_in(2) { random.pick(&subtle) } else { random.pick(&KINDS) };
        let kind = *kind?;
        let Some(changed) = outline.befall(kind, types, random) else { continue };
        if changed != message && is_well_formed(&changed) {
            return Some((kind, changed));
        }
    }
    None
}

impl Outline<'_> {
    fn befall(&self, kind: Kind, types: &Types, random: &mut Seeded) -> Option<String> {
        let one = random.pick(&self.elements)?;
        match kind {
            Kind::Delete => one.parent.and_then(|_| self.splice(one.whole.clone(), "")),
            Kind::Repeat => {
                one.parent.and_then(|_| self.insert(one.whole.end, self.text(&one.whole)))
            }
            Kind::Swap => self.swap(one, random),
            Kind::Graft => {
                let other = random.pick(&self.elements)?;
                one.parent.and(other.parent)?;
                let at = [other.whole.end, other.whole.start];
                self.insert(*random.pick(&at)?, self.text(&one.whole))
            }
            Kind::Rename => {
                let other = random.pick(&self.elements)?;
                self.renamed(one, &other.name)
            }
            Kind::Value => {
                let leaves: Vec<&Element> = self
                    .elements
                    .iter()
                    .filter(|one| !one.has_children && one.content.is_some())
                    .collect();
                let leaf = random.pick(&leaves)?;
                let content = leaf.content.clone()?;
                let other = random.pick(&leaves)?.content.clone()?;
                self.splice(
                    content.clone(),
                    &changed(self.text(&content), self.text(&other), random),
                )
            }
            Kind::Namespace => self.namespace(one, random),
            Kind::Attribute => self.attribute(one, random),
            Kind::Empty => {
                let content = one.content.clone()?;
                let with = ["", " ", "\n", "<!--c-->", "<?p q?>", "<![CDATA[]]>"];
                match random.below(with.len() + 1).checked_sub(1) {
                    Some(n) => self.splice(content, with[n]),
                    None => self.splice(content.start - 1..one.whole.end, "/>"),
                }
            }
            Kind::InstanceType => self.instance_type(one, types, random),
            Kind::Nil => {
                let value = random.pick(&["true", "1", "true", "false", " true ", "0", "x", ""])?;
                self.add_to_tag(one, &format!(" xmlns:i9=\"{XSI}\" i9:nil=\"{value}\""))
            }
            Kind::Between => {
                let at = [one.content.clone()?.start, one.content.clone()?.end];
                let with =
                    ["x", "\u{a0}", " ", "&#32;", "<!--c-->", "<![CDATA[ ]]>", "<?p?>", "<q9/>"];
                self.insert(*random.pick(&at)?, random.pick(&with)?)
            }
            Kind::Hint => {
                let hint = random.pick(&[
                    "schemaLocation=\"urn:a a.xsd\"",
                    "schemaLocation=\"urn:a\"",
                    "schemaLocation=\"\"",
                    "noNamespaceSchemaLocation=\"a.xsd\"",
                    "noNamespaceSchemaLocation=\"a b.xsd\"",
                    "other=\"a\"",
                ])?;
                self.add_to_tag(one, &format!(" xmlns:i9=\"{XSI}\" i9:{hint}"))
            }
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.message[range.clone()]
    }

    fn splice(&self, range: Range<usize>, with: &str) -> Option<String> {
        Some(format!("{}{with}{}", &self.message[..range.start], &self.message[range.end..]))
    }

    fn insert(&self, at: usize, with: &str) -> Option<String> {
        self.splice(at..at, with)
    }

    /// Adds to a start tag, behind the name.
    fn add_to_tag(&self, one: &Element, with: &str) -> Option<String> {
        self.insert(one.start_tag.start + 1 + one.name.len(), with)
    }

    fn swap(&self, one: &Element, random: &mut Seeded) -> Option<String> {
        let behind: Vec<&Element> = self
            .elements
            .iter()
            .filter(|other| other.whole.start >= one.whole.end && other.parent.is_some())
            .collect();
        let siblings: Vec<&Element> =
            behind.iter().copied().filter(|other| other.parent == one.parent).collect();
        let other =
            if random.below(4) == 0 { random.pick(&behind)? } else { random.pick(&siblings)? };
        Some(format!(
            "{}{}{}{}{}",
            &self.message[..one.whole.start],
            self.text(&other.whole),
            &self.message[one.whole.end..other.whole.start],
            self.text(&one.whole),
            &self.message[other.whole.end..]
        ))
    }

    fn renamed(&self, one: &Element, name: &str) -> Option<String> {
        let from = one.start_tag.start + 1;
        let rest = match &one.content {
            Some(content) => {
                let close = content.end + 2..content.end + 2 + one.name.len();
                let until = &self.message[from + one.name.len()..close.start];
                format!("{until}{name}{}", &self.message[close.end..])
            }
            None => self.message[from + one.name.len()..].to_owned(),
        };
        Some(format!("{}{name}{rest}", &self.message[..from]))
    }

    fn namespace(&self, one: &Element, random: &mut Seeded) -> Option<String> {
        let declared: Vec<&Attribute> =
            self.elements.iter().flat_map(|e| &e.attributes).filter(|a| a.declares()).collect();
        let own_default = one.attributes.iter().any(|a| a.name == "xmlns");
        match random.below(5) {
            0 if !own_default => self.add_to_tag(one, " xmlns=\"urn:other\""),
            1 if !own_default => self.add_to_tag(one, " xmlns=\"\""),
            // Another name for the namespace; a namespace exchanged for another.
            2 => self.insert(random.pick(&declared)?.value.end, "x"),
            3 => {
                let with = self.text(&random.pick(&declared)?.value);
                self.splice(random.pick(&declared)?.value.clone(), with)
            }
            _ => {
                let local = one.name.rsplit(':').next()?;
                let prefix = random.pick(&declared)?.name.strip_prefix("xmlns")?;
                let name = match prefix.strip_prefix(':') {
                    Some(prefix) if one.name == local => format!("{prefix}:{local}"),
                    _ => local.to_owned(),
                };
                self.renamed(one, &name)
            }
        }
    }

    fn attribute(&self, one: &Element, random: &mut Seeded) -> Option<String> {
        let written: Vec<&Attribute> =
            self.elements.iter().flat_map(|e| &e.attributes).filter(|a| !a.declares()).collect();
        match random.below(8) {
            0 => self.add_to_tag(one, " unbekannt=\"x\""),
            1 => {
                let value = random.pick(&["de", "", "x y", "deutschland1"])?;
                self.add_to_tag(one, &format!(" xml:lang=\"{value}\""))
            }
            2 => self.add_to_tag(one, " xmlns:q9=\"urn:q\" q9:a=\"x\""),
            3 => self.splice(random.pick(&written)?.whole.clone(), ""),
            4 => self
                .add_to_tag(one, &format!(" {}", self.text(&random.pick(&written)?.whole).trim())),
            _ => {
                let attribute = random.pick(&written)?;
                let other = self.text(&random.pick(&written)?.value);
                let value = self.text(&attribute.value);
                let new = changed(value, other, random);
                if new.contains(['<', '"', '\'']) {
                    return None;
                }
                self.splice(attribute.value.clone(), &new)
            }
        }
    }

    fn instance_type(&self, one: &Element, types: &Types, random: &mut Seeded) -> Option<String> {
        let written: Vec<&Attribute> = self
            .elements
            .iter()
            .flat_map(|e| &e.attributes)
            .filter(|a| a.name.ends_with(":type"))
            .collect();
        let own = one.attributes.iter().find(|a| a.name.ends_with(":type"));
        match random.below(6) {
            0 => self.splice(random.pick(&written)?.whole.clone(), ""),
            1 | 2 => {
                let other = self.text(&random.pick(&written)?.value);
                self.splice(random.pick(&written)?.value.clone(), other)
            }
            _ if own.is_none() => {
                let (namespace, local) = random.pick(&types.0)?;
                let bound = format!(" xmlns:t9=\"{namespace}\" xmlns:i9=\"{XSI}\"");
                let gap = *random.pick(&["", "", "", " "])?;
                self.add_to_tag(one, &format!("{bound} i9:type=\"{gap}t9:{local}{gap}\""))
            }
            _ => None,
        }
    }
}

/// Another value in the place of this one.
fn changed(value: &str, other: &str, random: &mut Seeded) -> String {
    let letters: Vec<char> = value.chars().collect();
    let at = random.below(letters.len());
    let with = |letter: Option<char>| {
        let before = letters.iter().take(at);
        before.copied().chain(letter).chain(letters.iter().skip(at + 1).copied()).collect()
    };
    match random.below(10) {
        0 | 1 => other.to_owned(),
        2 => with(None),
        3 => with(Some(*random.pick(&['x', '0', '9', '-', ' ', '|', 'É', '.']).expect("one"))),
        4 => format!("{value}{}", letters.last().copied().unwrap_or('0')),
        5 => format!(" {value}\n"),
        _ => (*random.pick(VALUES).expect("one")).to_owned(),
    }
}
