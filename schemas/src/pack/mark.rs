//! What tells packs, and the schema sets of one pack, apart where their messages have the same
//! root: a place near the beginning of a message, and what stands there.
//!
//! A place is a path below the root element, such as `nachrichtenkopf/@xjustizVersion`,
//! `CustomizationID`, `Header/storeDelivery` or `@version` (an attribute of the root). Steps are
//! local names: what a message really is, its schemas say afterwards. Only the first
//! [`MAX_PREFIX_BYTES`] of a message are looked at, with the same reader that reads it again.

use std::io::{self, BufRead, Read};

use super::words::Reason;
use crate::xml::{Event, StartTag};

/// Bytes at the beginning of a message in which its marks are looked for: a SOAP header with the
/// signatures over some hundred attachments. 256 KiB.
pub(super) const MAX_PREFIX_BYTES: usize = 256 << 10;
/// Steps of one place.
const MAX_STEPS: usize = 16;
/// Longest value that is compared, in bytes.
const MAX_VALUE_BYTES: usize = 1_000;

/// A place and the values that count there; without values it counts that the place is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    steps: Vec<String>,
    attribute: Option<String>,
    values: Vec<String>,
}

impl Mark {
    /// Reads a place, or says what is wrong with it.
    pub(super) fn parse(place: &str, values: Vec<String>) -> Result<Self, Reason> {
        let wrong = || {
            Reason::new(
                "ein Pfad lokaler Namen unterhalb des Wurzelelements, etwa „Header/order“ oder \
                 „head/@version“",
                "a path of local names below the root, such as \"Header/order\" or \
                 \"head/@version\"",
            )
        };
        let (way, attribute) = match place.rsplit_once('@') {
            Some(("", name)) => ("", Some(name)),
            Some((way, name)) => (way.strip_suffix('/').ok_or_else(wrong)?, Some(name)),
            None => (place, None),
        };
        let only_root = way.is_empty() && attribute.is_some();
        let steps: Vec<String> =
            if only_root { Vec::new() } else { way.split('/').map(str::to_owned).collect() };
        let name = |name: &str| {
            !name.is_empty()
                && name.len() <= 200
                && name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c))
        };
        let good = steps.iter().map(String::as_str).chain(attribute).all(name);
        if !good || steps.len() > MAX_STEPS {
            return Err(wrong());
        }
        if values.iter().any(|value| value.is_empty() || value.len() > MAX_VALUE_BYTES) {
            return Err(Reason::new("Werte von 1 bis 1000 Byte", "values of 1 to 1000 bytes"));
        }
        Ok(Self { steps, attribute: attribute.map(str::to_owned), values })
    }

    /// Whether both are about one place, whatever is to stand there.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        (&self.steps, &self.attribute) == (&other.steps, &other.attribute)
    }

    /// Whether no message can be told by the two.
    pub(super) fn same(&self, other: &Self) -> bool {
        let meet = self.values.iter().any(|value| other.values.contains(value));
        self.same_place(other) && (meet || self.values.is_empty() && other.values.is_empty())
    }

    /// Whether one is there, and no later, wherever the other is: the other then tells nothing. For
    /// marks that ask for presence alone.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let hides = |one: &Self, other: &Self| {
            one.attribute.is_none() && other.steps.starts_with(&one.steps)
        };
        self == other || hides(self, other) || hides(other, self)
    }

    /// Whether it is an attribute of the root itself.
    pub(super) fn is_at_root(&self) -> bool {
        self.steps.is_empty()
    }

    fn allows(&self, value: &str) -> Told {
        let value = value.trim();
        let any = self.values.is_empty() || self.values.iter().any(|known| known == value);
        if any { Told::Yes } else { Told::No }
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.steps.join("/"))?;
        match &self.attribute {
            Some(name) if self.steps.is_empty() => write!(f, "@{name}"),
            Some(name) => write!(f, "/@{name}"),
            None => Ok(()),
        }
    }
}

/// What a message says at a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The place may still come.
    Open,
    /// The place did not come, or says nothing.
    Silent,
    /// What the mark wants.
    Yes,
    /// Something else.
    No,
}

/// A mark while a message is read.
#[derive(Debug)]
pub(super) struct Watch<'m> {
    mark: &'m Mark,
    pub(super) told: Told,
    /// Steps of the place that are open elements now.
    way: usize,
    /// Text of the element at the place, while it is open.
    text: Option<String>,
}

impl<'m> Watch<'m> {
    pub(super) fn new(mark: &'m Mark) -> Self {
        Self { mark, told: Told::Open, way: 0, text: None }
    }

    /// Whether the mark asks for presence alone.
    pub(super) fn is_presence(&self) -> bool {
        self.mark.values.is_empty()
    }

    pub(super) fn place(&self) -> &'m Mark {
        self.mark
    }

    pub(super) fn event(&mut self, event: &Event<'_>) {
        if self.told != Told::Open {
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::Text(_, piece, _) => self.text(piece),
            Event::End(tag, _) => self.end(tag),
            _ => {}
        }
    }

    fn start(&mut self, tag: &StartTag) {
        let steps = &self.mark.steps;
        let depth = tag.depth as usize - 1;
        if self.text.is_some() {
            // A value has no elements inside.
            self.told = Told::No;
            return;
        }
        if depth > 0 && (self.way + 1 != depth || steps.get(depth - 1) != Some(&tag.local)) {
            return;
        }
        self.way = depth;
        if depth < steps.len() {
            return;
        }
        self.told = match &self.mark.attribute {
            Some(name) => match tag.attribute(name) {
                Some(value) => self.mark.allows(value),
                // Another element of the name may have it, where only that counts.
                None if self.is_presence() => Told::Open,
                None => Told::Silent,
            },
            None if self.is_presence() => Told::Yes,
            None => {
                self.text = Some(String::new());
                Told::Open
            }
        };
    }

    fn text(&mut self, piece: &str) {
        if let Some(text) = &mut self.text {
            if text.len() + piece.len() > MAX_VALUE_BYTES * 2 {
                self.told = Told::No;
            } else {
                text.push_str(piece);
            }
        }
    }

    fn end(&mut self, tag: &StartTag) {
        self.way = self.way.min((tag.depth as usize).saturating_sub(2));
        if let Some(text) = self.text.take() {
            self.told = self.mark.allows(&text);
        }
    }
}

/// An input whose beginning is read twice: what is read while it records comes again after
/// [`Self::again`]. While it records, it ends after [`MAX_PREFIX_BYTES`].
pub(super) struct Twice<'r> {
    input: &'r mut dyn BufRead,
    kept: Vec<u8>,
    at: usize,
    recording: bool,
    cut: bool,
    failed: Option<io::Error>,
}

impl<'r> Twice<'r> {
    pub(super) fn new(input: &'r mut dyn BufRead) -> Self {
        Self { input, kept: Vec::new(), at: 0, recording: true, cut: false, failed: None }
    }

    /// Whether there was more than is kept, and somebody wanted it.
    pub(super) fn was_cut(&self) -> bool {
        self.cut
    }

    /// From the beginning, and to the end.
    pub(super) fn again(&mut self) {
        self.recording = false;
    }
}

impl BufRead for Twice<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.recording {
            let left = MAX_PREFIX_BYTES - self.kept.len();
            return match self.input.fill_buf() {
                Ok(octets) => {
                    self.cut |= left == 0 && !octets.is_empty();
                    Ok(&octets[..octets.len().min(left)])
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
                Err(error) => {
                    // Whoever reads again must meet it, too.
                    self.failed = Some(error);
                    Ok(&[])
                }
            };
        }
        if self.at < self.kept.len() {
            return Ok(&self.kept[self.at..]);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.recording {
            // It is in the buffer already: nothing is read, and nothing fails.
            if let Ok(octets) = self.input.fill_buf() {
                self.kept.extend_from_slice(&octets[..count.min(octets.len())]);
            }
            self.input.consume(count);
        } else if self.at < self.kept.len() {
            self.at += count;
        } else {
            self.input.consume(count);
        }
    }
}

impl Read for Twice<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{EventSink, Limits, drive};
    use std::convert::Infallible;

    fn mark(place: &str, values: &[&str]) -> Mark {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Mark::parse(place, values).expect(place)
    }

    struct One<'m>(Watch<'m>);

    impl EventSink for One<'_> {
        type Error = Infallible;

        fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
            self.0.event(event);
            Ok(())
        }
    }

    fn told(place: &str, values: &[&str], message: &str) -> Told {
        let mark = mark(place, values);
        let mut sink = One(Watch::new(&mark));
        drive(message.as_bytes(), &Limits::default(), &mut sink).expect("well-formed");
        sink.0.told
    }

    #[test]
    fn places_are_paths_of_names() {
        for place in ["@version", "a", "a/b", "a/b/@c", "ä.1-x/@y"] {
            assert_eq!(mark(place, &[]).to_string(), place);
        }
        for place in ["", "/", "a/", "/a", "a//b", "@", "a@b", "a/@", "@a/b", "a:b", "*", "a b"] {
            assert!(Mark::parse(place, vec![]).is_err(), "{place}");
        }
        assert!(Mark::parse(&"a/".repeat(20), vec![]).is_err());
        assert!(Mark::parse("a", vec![String::new()]).is_err());
        assert!(mark("a", &["1", "2"]).same(&mark("a", &["2", "3"])));
        assert!(!mark("a", &["1"]).same(&mark("a", &["2"])));
        assert!(!mark("a", &["1"]).same(&mark("@a", &["1"])));
        assert!(mark("a/b", &[]).same(&mark("a/b", &[])));
        let meets = |one: &str, other: &str| mark(one, &[]).meets(&mark(other, &[]));
        assert!(meets("a", "a") && meets("a", "a/b") && meets("a/@b", "a") && meets("@a", "@a"));
        assert!(!meets("a/b", "a/c") && !meets("a/@b", "a/@c") && !meets("a/@b", "a/b"));
        assert!(!meets("a", "ab") && !meets("@a", "a"));
    }

    #[test]
    fn what_stands_at_the_place_counts_and_nothing_else() {
        let version = |message: &str| told("h/@v", &["1", "1.0"], message);
        assert_eq!(version("<r v='2'><h v='1.0'/></r>"), Told::Yes);
        assert_eq!(version("<r><h v=' 2 '/><h v='1'/></r>"), Told::No);
        assert_eq!(version("<r><h/><h v='1'/></r>"), Told::Silent);
        assert_eq!(version("<r><x><h v='1'/></x></r>"), Told::Open);
        assert_eq!(told("@v", &["1"], "<r v='1'><r v='2'/></r>"), Told::Yes);
        assert_eq!(told("@v", &["1"], "<r><r v='1'/></r>"), Told::Silent);
        let text = |message: &str| told("a/b", &["x"], message);
        assert_eq!(text("<r><b>x</b><a><c>y</c><b> x<!-- --> </b></a></r>"), Told::Yes);
        assert_eq!(text("<r><a/><c><b>x</b></c><a><b>y</b></a></r>"), Told::No);
        assert_eq!(text("<r><a><b>x<c/></b></a></r>"), Told::No);
        assert_eq!(told("a/b", &[], "<r><a><x><b/></x></a><a><b/></a></r>"), Told::Yes);
        assert_eq!(told("a/b", &[], "<r><a><x><b/></x></a><b/></r>"), Told::Open);
    }

    #[test]
    fn the_beginning_is_read_twice_and_the_rest_once() {
        let octets: Vec<u8> = (0..MAX_PREFIX_BYTES * 2 + 7).map(|n| (n % 251) as u8).collect();
        let mut input = io::BufReader::with_capacity(1_000, octets.as_slice());
        let mut twice = Twice::new(&mut input);
        let mut first = Vec::new();
        twice.read_to_end(&mut first).expect("read");
        assert_eq!(first, octets[..MAX_PREFIX_BYTES]);
        assert!(twice.was_cut());
        twice.again();
        let mut all = Vec::new();
        twice.read_to_end(&mut all).expect("read");
        assert!(all == octets);
        let mut input = &octets[..MAX_PREFIX_BYTES];
        let mut twice = Twice::new(&mut input);
        twice.read_to_end(&mut first).expect("read");
        assert!(!twice.was_cut(), "it ends where the beginning does");
    }

    #[test]
    fn an_input_that_fails_fails_again() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut input = io::BufReader::new("<a>".as_bytes().chain(Fails));
        let mut twice = Twice::new(&mut input);
        let mut text = String::new();
        twice.read_to_string(&mut text).expect("as far as it goes");
        twice.again();
        let error = twice.read_to_string(&mut text).expect_err("again").to_string();
        assert_eq!(error, "gone");
    }

    proptest::proptest! {
        #[test]
        fn any_place_is_answered(place: String) {
            if let Ok(mark) = Mark::parse(&place, vec![]) {
                assert_eq!(mark.to_string(), place);
            }
        }
    }
}
