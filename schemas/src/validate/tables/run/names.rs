//! Where in the document the run is: names of the open elements, their places among siblings, and
//! the namespaces in scope.

use std::fmt::Write;

use crate::xml::{Namespaces, StartTag};

use super::super::{Symbol, simple};

/// Different names of children that are counted for one parent; children with yet another name are
/// shown without their place among their siblings. So wide content costs no time (P8).
const MAX_COUNTED_NAMES: usize = 64;

/// A way with longer names, in bytes, or with more names counted, does not keep its memory.
const KEPT_NAME_BYTES: usize = 8 * 1024;
const KEPT_COUNTED: usize = 1024;

/// The way from the root to where the run is. One buffer for all names: nothing is allocated for an
/// element once the buffer is as long as the deepest way.
#[derive(Debug)]
pub(super) struct Way {
    names: String,
    steps: Vec<Step>,
    /// A name to count by, and how often it came: see [`counted`].
    counted: Vec<(u64, u32)>,
}

impl Default for Way {
    /// With room for the ways of most messages.
    fn default() -> Self {
        Self {
            names: String::with_capacity(256),
            steps: Vec::with_capacity(12),
            counted: Vec::with_capacity(32),
        }
    }
}

#[derive(Debug)]
struct Step {
    /// Where its name begins in `names`.
    name: usize,
    /// Which of its siblings of the same name it is, from 1; 0: not counted.
    place: u32,
    /// Where the counts of its children begin.
    children: usize,
    /// Bytes of its path.
    path: usize,
}

impl Way {
    /// Forgets the way; one that was very long is given back.
    pub(super) fn forget(&mut self) {
        if self.names.capacity() > KEPT_NAME_BYTES || self.counted.capacity() > KEPT_COUNTED {
            *self = Self::default();
        }
        self.names.clear();
        self.steps.clear();
        self.counted.clear();
    }

    /// Steps into an element.
    pub(super) fn enter(&mut self, tag: &StartTag, symbol: Option<Symbol>) {
        let place = match self.steps.last() {
            None => 1,
            Some(parent) => count(&mut self.counted, parent.children, counted(tag, symbol)),
        };
        let digits = place.checked_ilog10().filter(|_| place > 1).map_or(0, |n| n as usize + 3);
        let path = self.path_bytes() + 1 + tag.local.len() + digits;
        self.steps.push(Step { name: self.names.len(), place, children: self.counted.len(), path });
        self.names.push_str(&tag.local);
    }

    /// Steps out of it.
    pub(super) fn leave(&mut self) {
        if let Some(step) = self.steps.pop() {
            self.names.truncate(step.name);
            self.counted.truncate(step.children);
        }
    }

    /// The local name of the innermost element.
    pub(super) fn name(&self) -> &str {
        self.steps.last().map_or("", |step| &self.names[step.name..])
    }

    /// The local names from the root to the innermost element.
    pub(super) fn names(&self) -> Vec<&str> {
        let ends = self.steps.iter().skip(1).map(|next| next.name).chain([self.names.len()]);
        self.steps.iter().zip(ends).map(|(step, end)| &self.names[step.name..end]).collect()
    }

    /// The path of the innermost element: `/a/b[2]`.
    pub(super) fn path(&self) -> String {
        self.path_to(self.steps.len())
    }

    /// The path of one of the open elements; 1 is the root.
    pub(super) fn path_to(&self, depth: usize) -> String {
        let mut path = String::new();
        self.write_path(depth, &mut path);
        path
    }

    /// Bytes of the path of the innermost element, told without making it: a way may be hundreds
    /// of kilobytes long (P8).
    pub(super) fn path_bytes(&self) -> usize {
        self.steps.last().map_or(0, |step| step.path)
    }

    /// Writes the path of the innermost element behind what `into` holds.
    pub(super) fn add_path(&self, into: &mut String) {
        self.write_path(self.steps.len(), into);
    }

    fn write_path(&self, depth: usize, path: &mut String) {
        for (n, step) in self.steps.iter().enumerate().take(depth) {
            let end = self.steps.get(n + 1).map_or(self.names.len(), |next| next.name);
            path.push('/');
            path.push_str(&self.names[step.name..end]);
            if step.place > 1 {
                // Writing into a text does not fail.
                let _written = write!(path, "[{}]", step.place);
            }
        }
    }
}

/// A name to count by: the number of one that the schemas know, or the hash of another.
#[inline]
fn counted(tag: &StartTag, symbol: Option<Symbol>) -> u64 {
    symbol.map_or_else(|| hash(tag) | 1 << 63, |symbol| symbol.index() as u64)
}

#[inline]
fn count(counted: &mut Vec<(u64, u32)>, from: usize, name: u64) -> u32 {
    let known = &mut counted[from..];
    // Runs of one name are the most frequent case, so the last one counted is moved to the front.
    if let Some((first, count)) = known.first_mut()
        && *first == name
    {
        *count = count.saturating_add(1);
        return *count;
    }
    if let Some(n) = known.iter().position(|(known, _)| *known == name) {
        known[n].1 = known[n].1.saturating_add(1);
        known.swap(0, n);
        return known[0].1;
    }
    if known.len() >= MAX_COUNTED_NAMES {
        return 0;
    }
    counted.push((name, 1));
    1
}

/// Tells unknown names apart well enough for a place in a path: nothing is decided by it.
fn hash(tag: &StartTag) -> u64 {
    let octets = tag.namespace.bytes().chain([0]).chain(tag.local.bytes());
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The namespaces in scope, for names in values.
#[derive(Default)]
pub(in crate::validate) struct Scope(Namespaces);

impl Scope {
    /// Takes over what a start tag declares.
    pub(super) fn enter(&mut self, tag: &StartTag) {
        self.0.enter(&tag.declarations, tag.depth as usize);
    }

    /// Forgets what the element at this depth declared.
    pub(super) fn leave(&mut self, depth: u32) {
        self.0.leave(depth as usize);
    }

    /// The namespace of a prefix; the empty one asks for the default namespace.
    pub(in crate::validate) fn resolve(&self, prefix: &str) -> Option<&str> {
        self.0.resolve(prefix)
    }

    /// The namespace and local name that a QName in a value means; white space around it does not
    /// count. None where it is no QName, or its prefix is not bound.
    pub(super) fn name<'a>(&'a self, value: &'a str) -> Option<(&'a str, &'a str)> {
        let value = value.trim_matches(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        match value.split_once(':') {
            Some((prefix, local)) if !prefix.is_empty() => (!local.is_empty()
                && !local.contains(':'))
            .then(|| self.resolve(prefix))
            .flatten()
            .map(|namespace| (namespace, local)),
            Some(_) => None,
            None => (!value.is_empty()).then(|| (self.resolve("").unwrap_or_default(), value)),
        }
    }
}

impl simple::Scope for Scope {
    fn namespace(&self, prefix: &str) -> Option<&str> {
        self.resolve(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::NamespaceDeclaration;

    fn tag(local: &str) -> StartTag {
        StartTag { local: local.to_owned(), ..StartTag::default() }
    }

    #[test]
    fn a_path_counts_siblings_of_one_name() {
        let mut way = Way::default();
        way.enter(&tag("r"), None);
        for local in ["a", "b", "a"] {
            way.enter(&tag(local), None);
            way.enter(&tag("x"), None);
            way.leave();
            way.leave();
        }
        way.enter(&tag("a"), None);
        way.enter(&tag("c"), None);
        assert_eq!(way.path(), "/r/a[3]/c");
        assert_eq!(way.path_bytes(), "/r/a[3]/c".len());
        assert_eq!(way.path_to(1), "/r");
        assert_eq!(way.name(), "c");
        assert_eq!(way.names(), ["r", "a", "c"]);
    }

    #[test]
    fn names_without_end_are_not_counted() {
        let mut way = Way::default();
        way.enter(&tag("r"), None);
        for n in 0..1_000 {
            way.enter(&tag(&format!("n{n}")), None);
            way.leave();
        }
        assert_eq!(way.counted.len(), MAX_COUNTED_NAMES);
        way.enter(&tag("n999"), None);
        assert_eq!(way.path(), "/r/n999");
        way.leave();
        for n in 1..=12 {
            way.enter(&tag("n0"), None);
            assert_eq!(way.path_bytes(), way.path().len(), "{n}: {}", way.path());
            way.leave();
        }
    }

    #[test]
    fn names_in_values_are_resolved_where_they_stand() {
        let mut scope = Scope::default();
        let declare = |depth, prefix: &str, uri: &str| StartTag {
            depth,
            declarations: vec![NamespaceDeclaration { prefix: prefix.into(), uri: uri.into() }],
            ..StartTag::default()
        };
        scope.enter(&declare(1, "p", "urn:p"));
        scope.enter(&declare(2, "", "urn:d"));
        assert_eq!(scope.name(" p:a\n"), Some(("urn:p", "a")));
        assert_eq!(scope.name("a"), Some(("urn:d", "a")));
        scope.leave(2);
        assert_eq!(scope.name("a"), Some(("", "a")));
        for bad in ["q:a", "p:", ":a", "", "p:a:b"] {
            assert_eq!(scope.name(bad), None, "{bad}");
        }
    }
}
