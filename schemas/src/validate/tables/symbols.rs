//! Expanded names that the schemas know, as small numbers.

use std::collections::HashMap;

/// An expanded name of the schemas: an element, an attribute or a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct Symbol(u32);

impl Symbol {
    /// Its number, from 0 without gaps: an index into a table.
    pub(in crate::validate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All names of one schema set. Built while compiling, only asked afterwards: a message teaches it
/// nothing.
#[derive(Debug, Default)]
pub(in crate::validate) struct Symbols {
    names: Vec<Name>,
    /// By local name, then by namespace: few names have several namespaces.
    by_local: HashMap<Box<str>, Vec<Symbol>>,
}

#[derive(Debug)]
struct Name {
    namespace: Box<str>,
    local: Box<str>,
}

impl Symbols {
    /// The symbol of a name, which is known from now on. The empty namespace is none.
    pub(in crate::validate) fn add(&mut self, namespace: &str, local: &str) -> Symbol {
        if let Some(known) = self.find(namespace, local) {
            return known;
        }
        // A set has at most MAX_SCHEMA_BYTES of text, so far less than 2^32 names.
        let symbol = Symbol(self.names.len() as u32);
        self.names.push(Name { namespace: namespace.into(), local: local.into() });
        self.by_local.entry(local.into()).or_default().push(symbol);
        symbol
    }

    /// The symbol of a name, if the schemas know it.
    pub(in crate::validate) fn find(&self, namespace: &str, local: &str) -> Option<Symbol> {
        let same = self.by_local.get(local)?;
        same.iter().copied().find(|symbol| &*self.names[symbol.index()].namespace == namespace)
    }

    /// The local name.
    pub(in crate::validate) fn local(&self, symbol: Symbol) -> &str {
        &self.names[symbol.index()].local
    }

    /// The namespace; empty for none.
    pub(in crate::validate) fn namespace(&self, symbol: Symbol) -> &str {
        &self.names[symbol.index()].namespace
    }

    /// How many there are.
    pub(in crate::validate) fn len(&self) -> usize {
        self.names.len()
    }
}
