//! Writes nodes in canonical form.

use amtsbote_schemas::xml::{StartTag, XML_NAMESPACE};

use super::scope::{Scope, find};
use super::{Method, Mode, Output};

/// Octets collected before they are handed over: hashing small pieces one by one is slow.
const BUFFER: usize = 8 * 1024;

pub(super) struct Serializer<W> {
    pub(super) scope: Scope,
    pub(super) method: Method,
    /// Namespaces written on the open elements of the output.
    rendered: Vec<(String, String)>,
    /// Length of `rendered` before each of them.
    marks: Vec<usize>,
    buffer: Vec<u8>,
    pub(super) out: W,
}

impl<W: Output> Serializer<W> {
    pub(super) fn new(scope: Scope, method: Method, out: W) -> Self {
        let buffer = Vec::with_capacity(BUFFER);
        Self { scope, method, rendered: Vec::new(), marks: Vec::new(), buffer, out }
    }

    pub(super) fn start(&mut self, tag: &StartTag) {
        let is_apex = self.marks.is_empty();
        self.marks.push(self.rendered.len());
        self.raw("<");
        self.name(&tag.prefix, &tag.local);
        self.namespaces(tag, is_apex);
        self.attributes(tag, is_apex);
        self.raw(">");
    }

    pub(super) fn end(&mut self, tag: &StartTag) {
        self.raw("</");
        self.name(&tag.prefix, &tag.local);
        self.raw(">");
        if let Some(mark) = self.marks.pop() {
            self.rendered.truncate(mark);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.escaped(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.raw("<!--");
        self.raw(text);
        self.raw("-->");
    }

    pub(super) fn instruction(&mut self, target: &str, data: &str) {
        self.raw("<?");
        self.raw(target);
        if !data.is_empty() {
            self.raw(" ");
            self.raw(data);
        }
        self.raw("?>");
    }

    /// The namespace nodes of an element that must be written: those the rules ask for, less those
    /// that the nearest element of the output has already (Exclusive C14N, 3; Canonical XML, 2.3).
    fn namespaces(&mut self, tag: &StartTag, is_apex: bool) {
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        match self.method.mode {
            Mode::Exclusive => {
                wanted.push((&tag.prefix, &tag.namespace));
                let prefixed = tag.attributes.iter().filter(|a| !a.prefix.is_empty());
                wanted.extend(prefixed.map(|a| (a.prefix.as_str(), a.namespace.as_str())));
                for prefix in &self.method.prefix_list {
                    wanted.push((prefix, self.scope.namespace(prefix)));
                }
            }
            Mode::Inclusive if is_apex => {
                for (prefix, uri) in self.scope.namespaces() {
                    if wanted.iter().all(|(p, _)| *p != prefix) {
                        wanted.push((prefix, uri));
                    }
                }
            }
            Mode::Inclusive => {
                let own = tag.declarations.iter();
                wanted.extend(own.map(|d| (d.prefix.as_str(), d.uri.as_str())));
            }
        }
        // An empty namespace is written only to undo one that was written (`xmlns=""`).
        wanted.retain(|(prefix, uri)| {
            *prefix != "xml" && find(&self.rendered, prefix).unwrap_or("") != *uri
        });
        wanted.sort_unstable();
        wanted.dedup();
        let wanted: Vec<(String, String)> =
            wanted.into_iter().map(|(p, u)| (p.to_owned(), u.to_owned())).collect();
        for (prefix, uri) in wanted {
            if prefix.is_empty() {
                self.raw(" xmlns=\"");
            } else {
                self.raw(" xmlns:");
                self.raw(&prefix);
                self.raw("=\"");
            }
            self.value(&uri);
            self.raw("\"");
            self.rendered.push((prefix, uri));
        }
    }

    fn attributes(&mut self, tag: &StartTag, is_apex: bool) {
        if is_apex && self.method.mode == Mode::Inclusive {
            return self.attributes_with_inherited(tag);
        }
        let mut sorted: Vec<_> = tag.attributes.iter().collect();
        sorted.sort_by(|a, b| (&a.namespace, &a.local).cmp(&(&b.namespace, &b.local)));
        for a in sorted {
            self.attribute(&a.prefix, &a.local, &a.value);
        }
    }

    /// Canonical XML 1.0, 2.4: the apex of a part of a document takes over the `xml:` attributes
    /// of its ancestors. The scope holds its own as well.
    fn attributes_with_inherited(&mut self, tag: &StartTag) {
        let own = tag.attributes.iter().filter(|a| a.namespace != XML_NAMESPACE);
        let mut sorted: Vec<[String; 4]> =
            own.map(|a| [&a.namespace, &a.local, &a.prefix, &a.value].map(String::clone)).collect();
        for (local, value) in self.scope.xml_attributes() {
            let known = |a: &[String; 4]| a[0] == XML_NAMESPACE && a[1] == local;
            if !sorted.iter().any(known) {
                sorted.push([XML_NAMESPACE, local, "xml", value].map(str::to_owned));
            }
        }
        sorted.sort_unstable();
        for [_, local, prefix, value] in sorted {
            self.attribute(&prefix, &local, &value);
        }
    }

    fn attribute(&mut self, prefix: &str, local: &str, value: &str) {
        self.raw(" ");
        self.name(prefix, local);
        self.raw("=\"");
        self.value(value);
        self.raw("\"");
    }

    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.raw(prefix);
            self.raw(":");
        }
        self.raw(local);
    }

    /// An attribute's value.
    fn value(&mut self, value: &str) {
        self.escaped(value, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    fn escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
        let bytes = text.as_bytes();
        let mut clean = 0;
        for (n, &byte) in bytes.iter().enumerate() {
            if let Some(reference) = escape(byte) {
                self.bytes(&bytes[clean..n]);
                self.raw(reference);
                clean = n + 1;
            }
        }
        self.bytes(&bytes[clean..]);
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush();
            if bytes.len() > BUFFER {
                return self.out.write(bytes);
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.out.write(&self.buffer);
            self.buffer.clear();
        }
    }
}
