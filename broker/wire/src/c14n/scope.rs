//! What the open elements declared.

use amtsbote_schemas::xml::StartTag;

/// Namespaces and `xml:` attributes in scope; grows with the depth of the document only.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Bindings,
    xml_attributes: Bindings,
    /// How many elements are open.
    depth: u32,
}

impl Scope {
    /// Enters an element.
    #[inline]
    pub fn open(&mut self, tag: &StartTag) {
        self.depth += 1;
        for declaration in &tag.declarations {
            self.namespaces.push(&declaration.prefix, &declaration.uri, self.depth);
        }
        // No other prefix than `xml` has its namespace (Namespaces in XML, 3).
        for attribute in tag.attributes.iter().filter(|a| a.prefix == "xml") {
            self.xml_attributes.push(&attribute.local, &attribute.value, self.depth);
        }
    }

    /// Leaves the element entered last.
    #[inline]
    pub fn close(&mut self) {
        self.namespaces.leave(self.depth);
        self.xml_attributes.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
    }

    /// The namespace of a prefix; empty where it is undeclared.
    pub fn namespace(&self, prefix: &str) -> &str {
        self.namespaces.find(prefix)
    }

    /// All prefixes in scope with their namespaces. A prefix may occur again: the first counts.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.namespaces.from(0).rev()
    }

    /// The `xml:` attributes of the open elements, innermost first.
    pub(super) fn xml_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.xml_attributes.from(0).rev()
    }

    /// Whether an element around the one entered last has this `xml:` attribute.
    pub(super) fn inherits(&self, local: &str) -> bool {
        self.xml_attributes.before(self.depth).any(|(l, _)| l == local)
    }
}

/// Names and what they stand for, the innermost last. Keeps its memory when it gets shorter.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    /// The first `count` are there.
    bindings: Vec<Binding>,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Binding {
    name: String,
    value: String,
    /// That of the element it was entered for.
    depth: u32,
}

impl Bindings {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Enters a name for the element at `depth`, the innermost one.
    pub(super) fn push(&mut self, name: &str, value: &str, depth: u32) {
        if self.count == self.bindings.len() {
            self.bindings.push(Binding::default());
        }
        let binding = &mut self.bindings[self.count];
        binding.name.clear();
        binding.name.push_str(name);
        binding.value.clear();
        binding.value.push_str(value);
        binding.depth = depth;
        self.count += 1;
    }

    /// Forgets what was entered for the element at `depth`, the innermost one.
    #[inline]
    pub(super) fn leave(&mut self, depth: u32) {
        while self.bindings[..self.count].last().is_some_and(|binding| binding.depth >= depth) {
            self.count -= 1;
        }
    }

    /// What was entered last for `name`; empty where nothing was.
    #[inline]
    pub(super) fn find(&self, name: &str) -> &str {
        self.bindings[..self.count]
            .iter()
            .rev()
            .find(|binding| same(&binding.name, name))
            .map_or("", |binding| &binding.value)
    }

    /// Whether `value` is what was entered last for `name`.
    #[inline]
    pub(super) fn holds(&self, name: &str, value: &str) -> bool {
        same(self.find(name), value)
    }

    /// Those from the place `first` on, in the order entered.
    pub(super) fn from(&self, first: usize) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.bindings[first..self.count].iter().map(|b| (b.name.as_str(), b.value.as_str()))
    }

    /// Those entered for elements around the one at `depth`.
    fn before(&self, depth: u32) -> impl Iterator<Item = (&str, &str)> {
        let own = self.bindings[..self.count].iter().rev().take_while(|b| b.depth >= depth);
        self.from(0).take(self.count - own.count())
    }

    /// Orders those from the place `first` on by their names.
    pub(super) fn sort_from(&mut self, first: usize) {
        self.bindings[first..self.count].sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Whether two names are the same. Empty ones are not compared octet by octet: an empty string lies
/// nowhere, and looking there is slow.
#[inline]
fn same(a: &str, b: &str) -> bool {
    match (a.as_bytes(), b.as_bytes()) {
        ([], []) => true,
        // Many prefixes have one letter, and no call is needed for that.
        ([a], [b]) => a == b,
        (a, b) => a.len() == b.len() && a == b,
    }
}
