//! The paths of `xs:selector` and `xs:field` (Structures 3.11.6) as automata that walk down the
//! document with the reader.
//!
//! The alternatives of a path lie side by side in one word of bits. A bit stands for a number of
//! steps taken; a start tag moves every bit whose next step it fits by one.

use crate::validate::tables::{Symbol, Symbols};

/// Most positions of one path: the steps of its alternatives, and one more for each.
const MAX_POSITIONS: usize = u128::BITS as usize;

/// What a step asks of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NameTest {
    /// There is no step: the path ends here.
    Never,
    /// `*`
    Any,
    /// `p:*`
    Namespace(Box<str>),
    /// `name`, `p:name`
    Name(Symbol),
}

impl NameTest {
    #[inline]
    fn fits(&self, name: Option<Symbol>, namespace: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Any => true,
            Self::Namespace(this) => **this == *namespace,
            Self::Name(this) => name == Some(*this),
        }
    }
}

/// A path, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// What leads from each position to the next.
    steps: Box<[NameTest]>,
    /// The attribute that the alternative ending at a position names.
    attributes: Box<[(u32, NameTest)]>,
    /// Positions at the element that the path starts from.
    pub(super) start: u128,
    /// Positions that stay wherever one goes down: the starts of `.//`.
    stay: u128,
    /// Positions from which a step leads on.
    moving: u128,
    /// Positions that mean the element itself.
    elements: u128,
    /// Positions that mean attributes of the element.
    owners: u128,
}

impl Path {
    /// The positions at a child, from those at its parent.
    #[inline]
    pub(super) fn step(&self, at: u128, name: Option<Symbol>, namespace: &str) -> u128 {
        let mut next = at & self.stay;
        let mut open = at & self.moving;
        while open != 0 {
            let position = open.trailing_zeros();
            open &= open - 1;
            if self.steps[position as usize].fits(name, namespace) {
                next |= 2 << position;
            }
        }
        next
    }

    /// Whether anything below an element at these positions can still be meant.
    pub(super) fn goes_on(&self, at: u128) -> bool {
        at & (self.moving | self.stay) != 0
    }

    /// Whether the element at these positions is meant.
    pub(super) fn is_element(&self, at: u128) -> bool {
        at & self.elements != 0
    }

    /// Whether attributes of the element at these positions may be meant.
    pub(super) fn may_have_attributes(&self, at: u128) -> bool {
        at & self.owners != 0
    }

    /// Whether this attribute of the element at these positions is meant.
    pub(super) fn is_attribute(&self, at: u128, name: Option<Symbol>, namespace: &str) -> bool {
        self.attributes
            .iter()
            .any(|(position, test)| at & (1 << *position) != 0 && test.fits(name, namespace))
    }

    /// Compiles the text of a path. `field` allows attributes; `namespace` knows the prefixes in
    /// scope where the text stands. Names without prefix have no namespace (XPath 1.0, 2.3).
    pub(super) fn compile(
        text: &str,
        field: bool,
        symbols: &mut Symbols,
        namespace: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let mut path = Self {
            steps: Box::default(),
            attributes: Box::default(),
            start: 0,
            stay: 0,
            moving: 0,
            elements: 0,
            owners: 0,
        };
        let mut steps = Vec::new();
        let mut attributes = Vec::new();
        for alternative in text.split('|') {
            let mut parser = Parser { rest: alternative, symbols, namespace };
            let first = steps.len();
            let below = parser.below();
            loop {
                if parser.eat(".") {
                    // Where it is already.
                } else if field && (parser.eat("@") || parser.axis("attribute")) {
                    attributes.push((steps.len() as u32, parser.name_test()?));
                    if !parser.at_end() {
                        return None;
                    }
                    break;
                } else {
                    parser.axis("child");
                    steps.push(parser.name_test()?);
                }
                if parser.at_end() {
                    break;
                }
                if !parser.eat("/") {
                    return None;
                }
            }
            let last = steps.len();
            steps.push(NameTest::Never);
            if steps.len() > MAX_POSITIONS {
                return None;
            }
            path.start |= 1 << first;
            path.stay |= if below { 1 << first } else { 0 };
            path.moving |= (first..last).fold(0, |bits, position| bits | (1 << position));
            let attribute = attributes.last().is_some_and(|(owner, _)| *owner as usize == last);
            *(if attribute { &mut path.owners } else { &mut path.elements }) |= 1 << last;
        }
        path.steps = steps.into();
        path.attributes = attributes.into();
        Some(path)
    }
}

struct Parser<'t, 's> {
    rest: &'t str,
    symbols: &'s mut Symbols,
    namespace: &'s dyn Fn(&str) -> Option<String>,
}

impl<'t> Parser<'t, '_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn at_end(&mut self) -> bool {
        self.space();
        self.rest.is_empty()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// `.//`, which only stands at the front.
    fn below(&mut self) -> bool {
        let before = self.rest;
        let found = self.eat(".") && self.eat("//");
        if !found {
            self.rest = before;
        }
        found
    }

    /// `child::` or `attribute::`.
    fn axis(&mut self, axis: &str) -> bool {
        let before = self.rest;
        let found = self.eat(axis) && self.eat("::");
        if !found {
            self.rest = before;
        }
        found
    }

    /// `*`, `p:*`, `name` or `p:name`; without space around the colon.
    fn name_test(&mut self) -> Option<NameTest> {
        if self.eat("*") {
            return Some(NameTest::Any);
        }
        let first = self.name()?;
        let Some(rest) = self.rest.strip_prefix(':') else {
            return Some(NameTest::Name(self.symbols.add("", first)));
        };
        self.rest = rest;
        let namespace = (self.namespace)(first)?;
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Some(NameTest::Namespace(namespace.into()));
        }
        let local = self.name()?;
        Some(NameTest::Name(self.symbols.add(&namespace, local)))
    }

    /// A name. Beyond ASCII any character passes: a name that is none is in no document.
    fn name(&mut self) -> Option<&'t str> {
        let inside = |c: char| c.is_alphanumeric() || !c.is_ascii() || "_-.".contains(c);
        let length = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        let first = name.chars().next()?;
        if first.is_ascii() && !first.is_ascii_alphabetic() && first != '_' {
            return None;
        }
        self.rest = rest;
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str, field: bool, symbols: &mut Symbols) -> Option<Path> {
        Path::compile(text, field, symbols, &|prefix| (prefix == "p").then(|| "urn:p".to_owned()))
    }

    /// Whether the path, started at an element, means the element that `names` leads to.
    fn finds(text: &str, names: &[&str]) -> bool {
        let mut symbols = Symbols::default();
        let path = compile(text, false, &mut symbols).expect("a path");
        let at = names.iter().fold(path.start, |at, name| {
            let (namespace, local) = name.split_once(':').unwrap_or(("", name));
            path.step(at, symbols.find(namespace, local), namespace)
        });
        path.is_element(at)
    }

    #[test]
    fn paths_find_what_they_name_and_nothing_else() {
        let found: [(&str, &[&str]); 15] = [
            (".", &[]),
            ("./.", &[]),
            ("a", &["a"]),
            ("./a", &["a"]),
            (" child::a / b ", &["a", "b"]),
            ("a/./b", &["a", "b"]),
            (".//a", &["a"]),
            (".//a", &["x", "y", "a"]),
            (". // a/b", &["a", "a", "b"]),
            (".//.", &["x", "y"]),
            ("*/b", &["x", "b"]),
            ("b|a|c", &["a"]),
            ("child|attribute", &["child"]),
            ("a.b-c", &["a.b-c"]),
            (".//*", &["urn"]),
        ];
        for (text, names) in found {
            assert!(finds(text, names), "{text} finds {names:?}");
        }
        let not: [(&str, &[&str]); 9] = [
            (".", &["a"]),
            ("a", &[]),
            ("a", &["x", "a"]),
            ("a/b", &["a", "x", "b"]),
            (".//a/b", &["a", "x", "b"]),
            (".//a", &[]),
            ("a|b/c", &["b"]),
            ("a|b", &["a", "b"]),
            ("p:a", &["a"]),
        ];
        for (text, names) in not {
            assert!(!finds(text, names), "{text} does not find {names:?}");
        }
    }

    #[test]
    fn prefixes_and_attributes() {
        let mut symbols = Symbols::default();
        let path = compile("p:a/@b | .//@p:* | @c", true, &mut symbols).expect("a path");
        let (a, b, c) = (symbols.find("urn:p", "a"), symbols.find("", "b"), symbols.find("", "c"));
        assert!(path.may_have_attributes(path.start) && !path.is_element(path.start));
        assert!(path.is_attribute(path.start, c, ""));
        assert!(path.is_attribute(path.start, None, "urn:p"), "on the element itself, too");
        assert!(!path.is_attribute(path.start, b, ""));
        let inside = path.step(path.start, a, "urn:p");
        assert!(path.is_attribute(inside, b, "") && path.is_attribute(inside, None, "urn:p"));
        assert!(!path.is_attribute(inside, c, "") && !path.is_attribute(inside, None, "urn:q"));
        assert!(path.goes_on(inside), "for .//");
        let short = compile("@c", true, &mut symbols).expect("a path");
        assert!(!short.goes_on(short.start));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let mut symbols = Symbols::default();
        let bad = [
            "", " ", "/a", "//a", "a/", "a//b", "a|", "|a", "..", "a[1]", "q:a", "p:", "p :a",
            "p: a", "@a", "a/@b", "self::a", "a b", "1a", "*a", "a()", ".a", "a/.//b",
        ];
        for text in bad {
            assert!(compile(text, false, &mut symbols).is_none(), "{text:?}");
        }
        for text in ["@a/b", "@", "@a/", "@a@b", "@.", "attribute::", "@1"] {
            assert!(compile(text, true, &mut symbols).is_none(), "{text:?}");
        }
        let long = vec!["a"; MAX_POSITIONS / 2].join("|");
        assert!(compile(&long, false, &mut symbols).is_some());
        assert!(compile(&format!("{long}|a"), false, &mut symbols).is_none());
    }
}
