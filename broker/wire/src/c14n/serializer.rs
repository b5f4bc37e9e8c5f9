//! Writes nodes in canonical form.

use std::cmp::Ordering;

use amtsbote_schemas::xml::{Attribute, StartTag, XML_NAMESPACE};

use super::base;
use super::scope::{Bindings, Scope};
use super::{Method, Mode, Output};

/// Octets collected before they are handed over: hashing small pieces one by one is slow.
const BUFFER: usize = 8 * 1024;
/// As many octets are looked at together.
const STRIDE: usize = 16;

pub(super) struct Serializer<W> {
    pub(super) scope: Scope,
    pub(super) method: Method,
    /// Namespaces written on the open elements of the output.
    rendered: Bindings,
    /// How many elements of the output are open.
    depth: u32,
    /// Places of the attributes of one element, in the order in which they are written.
    order: Vec<usize>,
    buffer: Vec<u8>,
    pub(super) out: W,
}

impl<W: Output> Serializer<W> {
    pub(super) fn new(scope: Scope, method: Method, out: W) -> Self {
        Self {
            scope,
            method,
            rendered: Bindings::default(),
            depth: 0,
            order: Vec::new(),
            buffer: Vec::with_capacity(BUFFER),
            out,
        }
    }

    pub(super) fn start(&mut self, tag: &StartTag) {
        let is_apex = self.depth == 0;
        self.depth += 1;
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
        self.rendered.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.escaped(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
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
        let Self { scope, method, rendered, depth, .. } = self;
        let before = rendered.len();
        let mut render = |prefix: &str, uri: &str| render(rendered, prefix, uri, *depth);
        match method.mode {
            Mode::Exclusive => {
                render(&tag.prefix, &tag.namespace);
                for attribute in tag.attributes.iter().filter(|a| !a.prefix.is_empty()) {
                    render(&attribute.prefix, &attribute.namespace);
                }
                for prefix in &method.prefix_list {
                    render(prefix, scope.namespace(prefix));
                }
            }
            Mode::Inclusive | Mode::Inclusive11 if is_apex => {
                for (prefix, _) in scope.namespaces() {
                    render(prefix, scope.namespace(prefix));
                }
            }
            Mode::Inclusive | Mode::Inclusive11 => {
                for declaration in &tag.declarations {
                    render(&declaration.prefix, &declaration.uri);
                }
            }
        }
        if rendered.len() == before {
            return;
        }
        rendered.sort_from(before);
        // Written from a list that stays where it is.
        let rendered = std::mem::take(rendered);
        for (prefix, uri) in rendered.from(before) {
            if prefix.is_empty() {
                self.raw(" xmlns=\"");
            } else {
                self.raw(" xmlns:");
                self.raw(prefix);
                self.raw("=\"");
            }
            self.value(uri);
            self.raw("\"");
        }
        self.rendered = rendered;
    }

    fn attributes(&mut self, tag: &StartTag, is_apex: bool) {
        if is_apex && self.method.mode != Mode::Exclusive {
            return self.attributes_of_apex(tag);
        }
        let all = &tag.attributes;
        if all.is_sorted_by(|a, b| compare(a, b).is_le()) {
            return all.iter().for_each(|a| self.attribute(&a.prefix, &a.local, &a.value));
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(0..all.len());
        order.sort_unstable_by(|a, b| compare(&all[*a], &all[*b]));
        for place in &order {
            let a = &all[*place];
            self.attribute(&a.prefix, &a.local, &a.value);
        }
        self.order = order;
    }

    /// The apex of a part of a document takes over `xml:` attributes of its ancestors. Canonical
    /// XML 1.0, 2.4: all of them; 1.1, 2.4: `xml:lang` and `xml:space`, and what their `xml:base`
    /// make together. The scope holds those of the apex as well.
    fn attributes_of_apex(&mut self, tag: &StartTag) {
        let own = |a: &&Attribute| a.namespace != XML_NAMESPACE;
        let mut sorted: Vec<[String; 4]> = tag
            .attributes
            .iter()
            .filter(own)
            .map(|a| [&a.namespace, &a.local, &a.prefix, &a.value].map(String::clone))
            .collect();
        let mut add = |local: &str, value: &str| {
            if !sorted.iter().any(|a| a[0] == XML_NAMESPACE && a[1] == local) {
                sorted.push([XML_NAMESPACE, local, "xml", value].map(str::to_owned));
            }
        };
        let is_11 = self.method.mode == Mode::Inclusive11;
        if is_11 && self.scope.inherits("base") {
            let values = self.scope.xml_attributes().filter(|(local, _)| *local == "base");
            // Nothing is written where they come to nothing; their own value counts no more.
            match base::joined(values.map(|(_, value)| value)) {
                Some(base) => add("base", &base),
                None => add("base", ""),
            }
        }
        for attribute in tag.attributes.iter().filter(|a| !own(a)) {
            add(&attribute.local, &attribute.value);
        }
        for (local, value) in self.scope.xml_attributes() {
            if !is_11 || matches!(local, "lang" | "space") {
                add(local, value);
            }
        }
        if is_11 && self.scope.inherits("base") {
            sorted.retain(|a| a[0] != XML_NAMESPACE || a[1] != "base" || !a[3].is_empty());
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

    #[inline]
    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.raw(prefix);
            self.raw(":");
        }
        self.raw(local);
    }

    /// An attribute's value.
    fn value(&mut self, value: &str) {
        self.escaped(value, |byte| matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r'));
    }

    /// Writes text with a reference for each of its special octets.
    #[inline]
    fn escaped(&mut self, text: &str, special: impl Fn(u8) -> bool) {
        let bytes = text.as_bytes();
        // Mostly there is none, and one look at many octets is quick.
        let any = |bytes: &[u8]| bytes.iter().fold(false, |any, b| any | special(*b));
        let (strides, rest) = bytes.as_chunks::<STRIDE>();
        if !strides.iter().any(|stride| any(stride)) && !any(rest) {
            return self.bytes(bytes);
        }
        let mut clean = 0;
        for (n, &byte) in bytes.iter().enumerate() {
            if special(byte) {
                self.bytes(&bytes[clean..n]);
                self.raw(reference(byte));
                clean = n + 1;
            }
        }
        self.bytes(&bytes[clean..]);
    }

    #[inline]
    pub(super) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    #[inline]
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

/// Notes that the output needs this namespace here, unless it has it already. An empty namespace is
/// written only to undo one that was written (`xmlns=""`), and that of `xml` never.
#[inline]
fn render(rendered: &mut Bindings, prefix: &str, uri: &str, depth: u32) {
    if prefix != "xml" && !rendered.holds(prefix, uri) {
        rendered.push(prefix, uri, depth);
    }
}

/// The order of attributes: by namespace, then by local name.
fn compare(a: &Attribute, b: &Attribute) -> Ordering {
    // Attributes without namespace are the most, and nothing to compare.
    match (a.namespace.is_empty(), b.namespace.is_empty()) {
        (true, true) => a.local.cmp(&b.local),
        (false, false) => (&a.namespace, &a.local).cmp(&(&b.namespace, &b.local)),
        (first, second) => second.cmp(&first),
    }
}

/// What is written for a special octet.
fn reference(byte: u8) -> &'static str {
    match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\t' => "&#x9;",
        b'\n' => "&#xA;",
        _ => "&#xD;",
    }
}
