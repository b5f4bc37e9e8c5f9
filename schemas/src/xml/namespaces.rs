//! Which prefix means which namespace at the place being read.

use std::collections::HashMap;

use super::XML_NAMESPACE;
use super::event::NamespaceDeclaration;

/// As many bindings are looked through one by one; beyond them a table finds the prefix, so that
/// many declarations cannot make every element slow.
const LINEAR: usize = 16;

/// The bindings in scope, innermost last.
#[derive(Default)]
pub(crate) struct Namespaces {
    /// The first `count` are in scope; the others keep their memory for later.
    bindings: Vec<Binding>,
    count: usize,
    /// For bindings from [`LINEAR`] on: the innermost of each prefix.
    latest: HashMap<String, usize>,
}

#[derive(Default)]
struct Binding {
    prefix: String,
    uri: String,
    depth: usize,
    shadowed: Option<usize>,
}

impl Namespaces {
    /// Takes over what an element at `depth` declares.
    pub(crate) fn enter(&mut self, declarations: &[NamespaceDeclaration], depth: usize) {
        for declaration in declarations {
            let n = self.count;
            if n == self.bindings.len() {
                self.bindings.push(Binding::default());
            }
            let binding = &mut self.bindings[n];
            binding.prefix.clear();
            binding.prefix.push_str(&declaration.prefix);
            binding.uri.clear();
            binding.uri.push_str(&declaration.uri);
            binding.depth = depth;
            binding.shadowed = None;
            if n >= LINEAR {
                binding.shadowed = self.latest.insert(declaration.prefix.clone(), n);
            }
            self.count += 1;
        }
    }

    /// Forgets what the element at `depth` declared.
    pub(crate) fn leave(&mut self, depth: usize) {
        while self.count > 0 && self.bindings[self.count - 1].depth >= depth {
            self.count -= 1;
            if self.count < LINEAR {
                continue;
            }
            let binding = &self.bindings[self.count];
            match binding.shadowed {
                Some(outer) => self.latest.insert(binding.prefix.clone(), outer),
                None => self.latest.remove(&binding.prefix),
            };
        }
    }

    /// Bytes of memory, those of the table as far as its room tells.
    pub(super) fn bytes(&self) -> usize {
        let names = self.bindings.iter().map(|one| one.prefix.capacity() + one.uri.capacity());
        let prefixes = self.latest.keys().map(String::capacity);
        // One octet more tells which places of the table are taken.
        let table = self.latest.capacity() * (size_of::<(String, usize)>() + 1);
        let bindings = self.bindings.capacity() * size_of::<Binding>();
        names.chain(prefixes).sum::<usize>() + bindings + table
    }

    /// The namespace of a prefix. The empty prefix asks for the default namespace, which is empty
    /// where none is declared. `None`: not bound.
    pub(crate) fn resolve(&self, prefix: &str) -> Option<&str> {
        if self.count > LINEAR
            && let Some(n) = self.latest.get(prefix)
        {
            return Some(&self.bindings[*n].uri);
        }
        let near = &self.bindings[..self.count.min(LINEAR)];
        match near.iter().rev().find(|binding| same(&binding.prefix, prefix)) {
            Some(binding) => Some(&binding.uri),
            None if prefix.is_empty() => Some(""),
            None if prefix == "xml" => Some(XML_NAMESPACE),
            None => None,
        }
    }
}

/// Whether two names are the same. Comparing empty ones through the library costs a hundred times
/// as much as it should: they lie nowhere, and where processors compare many octets at once, an
/// address that is none is slow even when nothing is read from it.
#[inline]
pub(crate) fn same(a: &str, b: &str) -> bool {
    match (a.as_bytes(), b.as_bytes()) {
        ([], []) => true,
        // Many prefixes have one letter, and no call is needed for that.
        ([a], [b]) => a == b,
        (a, b) if a.len() != b.len() => false,
        (a, b) => match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
            // Nor for most local names: both ends of them, which may overlap.
            (Some(first), Some(other)) if a.len() <= 16 => {
                first == other && a.last_chunk::<8>() == b.last_chunk::<8>()
            }
            _ => a == b,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(prefix: &str, uri: &str) -> NamespaceDeclaration {
        NamespaceDeclaration { prefix: prefix.into(), uri: uri.into() }
    }

    #[test]
    fn names_are_the_same_in_every_octet() {
        for length in 0..140 {
            let name: String = ('a'..='z').cycle().take(length).collect();
            assert!(same(&name, &name.clone()), "{name}");
            assert!(!same(&name, &format!("{name}a")) && !same(&format!("a{name}"), &name));
            for at in 0..length {
                let mut other = name.clone();
                other.replace_range(at..=at, "_");
                assert!(!same(&name, &other), "{other}");
            }
        }
    }

    #[test]
    fn inner_declarations_hide_outer_ones_until_their_element_ends() {
        let mut scope = Namespaces::default();
        scope.enter(&[declare("", "urn:a"), declare("p", "urn:p")], 0);
        scope.enter(&[declare("", "")], 1);
        let many: Vec<_> =
            (0..40).map(|n| declare(&format!("n{n}"), &format!("urn:n{n}"))).collect();
        scope.enter(&many, 2);
        scope.enter(&[declare("n39", "urn:inner"), declare("p", "urn:p2")], 3);
        assert_eq!(scope.resolve("n39"), Some("urn:inner"));
        assert_eq!(scope.resolve("n3"), Some("urn:n3"));
        assert_eq!(scope.resolve("p"), Some("urn:p2"));
        assert_eq!(scope.resolve(""), Some(""));
        scope.leave(3);
        assert_eq!(scope.resolve("n39"), Some("urn:n39"));
        assert_eq!(scope.resolve("p"), Some("urn:p"));
        scope.leave(2);
        assert_eq!(scope.resolve("n39"), None);
        scope.leave(1);
        assert_eq!(scope.resolve(""), Some("urn:a"));
        assert_eq!(scope.resolve("xml"), Some(XML_NAMESPACE));
        assert!(scope.bytes() > 44 * size_of::<Binding>() + 28 * size_of::<(String, usize)>());
        scope.leave(0);
        assert_eq!(scope.resolve("p"), None);
        assert_eq!(scope.resolve(""), Some(""));
    }
}
