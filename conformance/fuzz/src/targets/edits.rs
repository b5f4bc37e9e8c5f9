//! Edits that a fuzzer can learn: programs of a few octets that change a document.

use std::ops::Range;

/// Most edits of one document.
const EDITS: usize = 64;
/// Most edits of the elements of one document; each looks at all of it.
const RESHAPES: usize = 24;
/// Longest document that edits make, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Edits octets as a program says: each step is a kind, a place of two octets and a length; moving
/// pieces about is what attacks on signatures do.
pub fn apply(original: &[u8], program: &[u8]) -> Vec<u8> {
    let mut document = original.to_vec();
    let mut rest = program;
    for _ in 0..EDITS {
        let [kind, high, low, length, tail @ ..] = rest else { break };
        rest = tail;
        let count = document.len().max(1);
        let at = (usize::from(*high) << 8 | usize::from(*low)) % count;
        let length = usize::from(*length);
        let end = (at + length).min(document.len());
        match kind % 5 {
            0 => drop(document.splice(at..end, [])),
            1 => {
                let taken = length.min(rest.len());
                let (insert, tail) = rest.split_at(taken);
                rest = tail;
                drop(document.splice(at..at, insert.iter().copied()));
            }
            2 => {
                let piece: Vec<u8> = document[at..end].to_vec();
                let to = rest.first().map_or(0, |octet| usize::from(*octet) * 8) % count;
                drop(document.splice(to..to, piece));
            }
            3 => {
                if let (Some(octet), Some(new)) = (document.get_mut(at), rest.first()) {
                    *octet = *new;
                }
            }
            _ => {
                let piece: Vec<u8> =
                    original[at.min(original.len())..end.min(original.len())].into();
                drop(document.splice(at..at, piece));
            }
        }
    }
    document
}

/// Values that say something to a schema or to a value.
const WORDS: &[&str] = &[
    "",
    " ",
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "007",
    "1.50",
    "1e3",
    "17",
    "99",
    "100000",
    "4294967296",
    "NaN",
    "-INF",
    "true",
    "0.5",
    "rot",
    "blau 1",
    "aaa",
    "a b",
    "Stra\u{df}e",
    "e\u{301}",
    "\u{1d11e}",
    "2026-11-23",
    "2000-02-29+14:00",
    "2026-11-23T24:00:00Z",
    "--02-30",
    "P1M",
    "-P30DT1.5S",
    "0aff",
    "QUI=",
    "i1",
    "i1 i2",
    "a:strict",
    "xs:int",
    "urn:all",
    "urn:o",
    "##any",
    "##other",
    "##local",
    "##targetNamespace urn:o",
    "lax",
    "skip",
    "strict",
    "unbounded",
    "required",
    "prohibited",
    "optional",
    "qualified",
    "extension",
    "restriction",
    "substitution",
    "#all",
    "preserve",
    "replace",
    "collapse",
    "xs:string",
    "xs:token",
    "xs:decimal",
    "xs:date",
    "xs:duration",
    "xs:ID",
    "xs:IDREF",
    "xs:QName",
    "xs:anyType",
    "xs:anySimpleType",
    "xs:NOTATION",
    "xs:ENTITY",
    "xs:NMTOKENS",
    "xs:base64Binary",
    "Base",
    "More",
    "Less",
    "Union",
    "List",
    "Token",
    "Wild",
    "Keyed",
    "head",
    "all",
    "key",
    ".",
    ".//*",
    "k|.//k/k",
    "@*",
    "*/@a",
    "child::k",
    "(a+)+$",
    "[\\p{L}-[a-z]]*",
    "(a{1000}){1000}",
    "\\i\\c*",
    "(a|b|\\d{2,})*",
    "[^\\s]{0,100000}",
    "a]]&gt;b",
    "&#xD;&#xA;",
];

/// Edits the elements, attributes and texts of a document as a program says: each step is a kind and
/// two places. What it makes of XML is nearly always well-formed.
pub fn reshape(original: &[u8], program: &[u8]) -> Vec<u8> {
    let mut document = original.to_vec();
    for step in program.chunks_exact(3).take(RESHAPES) {
        let shape = Shape::of(&document);
        let (kind, a, b) = (step[0], usize::from(step[1]), usize::from(step[2]));
        let word = WORDS[b % WORDS.len()].as_bytes();
        let element = |n: usize| pick(&shape.elements, n);
        let edited = match kind % 10 {
            0 => element(a).map(|one| replaced(&document, &one, b"")),
            1 => both(element(a), element(b)).map(|(from, to)| {
                let copy = document[from].to_vec();
                replaced(&document, &(to.start..to.start), &copy)
            }),
            2 => both(element(a), element(b)).and_then(|(one, other)| {
                let (first, second) =
                    if one.start < other.start { (one, other) } else { (other, one) };
                (first.end <= second.start).then(|| {
                    let (x, y) =
                        (document[first.clone()].to_vec(), document[second.clone()].to_vec());
                    replaced(&replaced(&document, &second, &x), &first, &y)
                })
            }),
            3 => pick(&shape.values, a).map(|value| replaced(&document, &value, word)),
            4 => pick(&shape.texts, a).map(|text| replaced(&document, &text, word)),
            5 => both(pick(&shape.values, a), pick(&shape.values, b)).map(|(to, from)| {
                let copy = document[from].to_vec();
                replaced(&document, &to, &copy)
            }),
            6 => both(pick(&shape.names, a), pick(&shape.attributes, b)).map(|(name, from)| {
                let copy = [b" ", &document[from]].concat();
                replaced(&document, &(name.end..name.end), &copy)
            }),
            7 => pick(&shape.attributes, a).map(|one| replaced(&document, &one, b"")),
            8 => both(element(a), pick(&shape.names, b)).map(|(one, name)| {
                let new = document[name].to_vec();
                renamed(&document, &one, &new)
            }),
            _ => both(pick(&shape.texts, a), pick(&shape.values, b)).map(|(to, from)| {
                let copy = document[from].to_vec();
                replaced(&document, &to, &copy)
            }),
        };
        if let Some(edited) = edited.filter(|edited| edited.len() <= MAX_BYTES) {
            document = edited;
        }
    }
    document
}

fn pick(of: &[Range<usize>], n: usize) -> Option<Range<usize>> {
    of.get(n % of.len().max(1)).cloned()
}

fn both<A, B>(a: Option<A>, b: Option<B>) -> Option<(A, B)> {
    a.zip(b)
}

fn replaced(document: &[u8], at: &Range<usize>, new: &[u8]) -> Vec<u8> {
    [&document[..at.start], new, &document[at.end..]].concat()
}

/// The element with another name in its start and end tag.
fn renamed(document: &[u8], element: &Range<usize>, name: &[u8]) -> Vec<u8> {
    let inside = &document[element.clone()];
    let old = 1 + inside[1..].iter().take_while(|octet| !b" \t\r\n/>".contains(octet)).count();
    let close = [b"</", &inside[1..old], b">"].concat();
    let (tail, end): (&[u8], Vec<u8>) = match inside.strip_suffix(close.as_slice()) {
        Some(tail) => (tail, [b"</", name, b">"].concat()),
        None => (inside, Vec::new()),
    };
    let rest = tail.get(old..).unwrap_or_default();
    let whole = [b"<", name, rest, end.as_slice()].concat();
    replaced(document, element, &whole)
}

/// Where in a document there is what.
#[derive(Default)]
struct Shape {
    /// Elements with all that is in them.
    elements: Vec<Range<usize>>,
    /// Names in start tags.
    names: Vec<Range<usize>>,
    /// Attributes: name and value.
    attributes: Vec<Range<usize>>,
    /// Values of attributes, without quotes.
    values: Vec<Range<usize>>,
    /// Texts with more than white space, and the empty place after each start tag.
    texts: Vec<Range<usize>>,
}

impl Shape {
    fn of(document: &[u8]) -> Self {
        let mut shape = Self::default();
        let mut open = Vec::new();
        let mut at = 0;
        while let Some(start) = find(document, at, b'<') {
            if document[at..start].iter().any(|octet| !octet.is_ascii_whitespace()) {
                shape.texts.push(at..start);
            }
            let Some(end) = shape.tag(document, start) else { break };
            match document[start + 1] {
                b'!' | b'?' => {}
                b'/' => {
                    if let Some((n, from)) = open.pop() {
                        let elements: &mut Vec<Range<usize>> = &mut shape.elements;
                        elements[n] = from..end;
                    }
                }
                _ => {
                    let n = shape.elements.len();
                    shape.elements.push(start..end);
                    if document[end - 2] != b'/' {
                        open.push((n, start));
                        shape.texts.push(end..end);
                    }
                }
            }
            at = end;
        }
        shape
    }

    /// Notes what is in one tag, and says where it ends.
    fn tag(&mut self, document: &[u8], start: usize) -> Option<usize> {
        let end_of_name = |from: usize| {
            let name = document[from..].iter().take_while(|octet| !b" \t\r\n/>=".contains(octet));
            from + name.count()
        };
        let mut at = end_of_name(start + 1);
        if at > start + 1 && !matches!(document[start + 1], b'!' | b'?') {
            self.names.push(start + 1..at);
        }
        loop {
            match document.get(at)? {
                b'>' => return Some(at + 1),
                b' ' | b'\t' | b'\r' | b'\n' | b'/' => at += 1,
                _ => {
                    let name = at;
                    at = end_of_name(at).max(at + 1);
                    if let (Some(b'='), Some(quote @ (b'"' | b'\''))) =
                        (document.get(at), document.get(at + 1))
                    {
                        let close = find(document, at + 2, *quote)?;
                        self.values.push(at + 2..close);
                        self.attributes.push(name..close + 1);
                        at = close + 1;
                    }
                }
            }
        }
    }
}

fn find(document: &[u8], from: usize, octet: u8) -> Option<usize> {
    document.get(from..)?.iter().position(|one| *one == octet).map(|at| from + at)
}
