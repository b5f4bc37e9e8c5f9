//! What the open elements declared.

use amtsbote_schemas::xml::{StartTag, XML_NAMESPACE};

/// Namespaces and `xml:` attributes in scope; grows with the depth of the document only.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Vec<(String, String)>,
    xml_attributes: Vec<(String, String)>,
    /// Lengths of the two lists before each open element.
    marks: Vec<(usize, usize)>,
}

impl Scope {
    /// Enters an element.
    pub fn open(&mut self, tag: &StartTag) {
        self.marks.push((self.namespaces.len(), self.xml_attributes.len()));
        for declaration in &tag.declarations {
            self.namespaces.push((declaration.prefix.clone(), declaration.uri.clone()));
        }
        for attribute in tag.attributes.iter().filter(|a| a.namespace == XML_NAMESPACE) {
            self.xml_attributes.push((attribute.local.clone(), attribute.value.clone()));
        }
    }

    /// Leaves the element entered last.
    pub fn close(&mut self) {
        if let Some((namespaces, attributes)) = self.marks.pop() {
            self.namespaces.truncate(namespaces);
            self.xml_attributes.truncate(attributes);
        }
    }

    /// The namespace of a prefix; empty where it is undeclared.
    pub fn namespace(&self, prefix: &str) -> &str {
        find(&self.namespaces, prefix).unwrap_or("")
    }

    /// All prefixes in scope with their namespaces. A prefix may occur again: the first counts.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.namespaces.iter().rev().map(|(prefix, uri)| (prefix.as_str(), uri.as_str()))
    }

    /// The `xml:` attributes of the open elements, innermost first.
    pub(super) fn xml_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.xml_attributes.iter().rev().map(|(local, value)| (local.as_str(), value.as_str()))
    }
}

/// The value entered last for `key`.
pub(super) fn find<'a>(list: &'a [(String, String)], key: &str) -> Option<&'a str> {
    list.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}
