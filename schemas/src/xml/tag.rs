//! What stands inside a start tag: names, attributes, declarations (XML 1.0, 3.1; Namespaces 3-6).

use super::chars::{self, CONTROL, CR, Classes, EF, HIGH, LF, NameRun, STOP, TAB};
use super::cursor::Cursor;
use super::error::{Refused, XmlError, XmlErrorKind as Kind};
use super::event::{Attribute, NamespaceDeclaration, NodeNumber, Position, StartTag};
use super::limits::{Limit, Limits};
use super::namespaces::{Namespaces, same};
use super::reader::wipe;
use super::{XML_NAMESPACE, XMLNS_NAMESPACE, reference};

/// Memory of earlier tags, kept so that reading a tag needs none of its own.
#[derive(Default)]
pub(super) struct Spare {
    attributes: Vec<Attribute>,
    declarations: Vec<NamespaceDeclaration>,
}

impl Spare {
    /// Forgets the contents; gives the bytes of memory that remain.
    pub(super) fn forget(&mut self) -> usize {
        forget(&mut self.attributes, &self.declarations)
    }

    /// The values kept.
    #[cfg(test)]
    pub(super) fn values(&mut self) -> impl Iterator<Item = &mut String> {
        self.attributes.iter_mut().map(|attribute| &mut attribute.value)
    }
}

/// Forgets the contents of attributes; gives the bytes of memory that remain.
pub(super) fn forget(attributes: &mut [Attribute], declarations: &[NamespaceDeclaration]) -> usize {
    let mut bytes = size_of_val(attributes);
    for attribute in attributes {
        wipe(&mut attribute.value);
        bytes += attribute.prefix.capacity() + attribute.local.capacity();
        bytes += attribute.namespace.capacity() + attribute.value.capacity();
    }
    let declared = declarations.iter().map(|one| one.prefix.capacity() + one.uri.capacity());
    bytes + declared.sum::<usize>()
}

/// Reads `content`, what stands between `<` and `>` (or `/>`) and begins with `name`, into `tag`:
/// all but namespaces and numbers. `cursor` stands at its beginning, and afterwards at its end.
pub(super) fn read(
    content: &str,
    name: NameRun,
    cursor: &mut Cursor,
    limits: &Limits,
    tag: &mut StartTag,
    spare: &mut Spare,
) -> Result<(), Refused> {
    let mut scan = Scan { text: content, at: 0, cursor: *cursor, mark: 0, seen: 0 };
    let (prefix, local) = scan.name(name, limits)?;
    if prefix == "xmlns" {
        return Err(scan.error(Kind::ReservedNamespace, 0));
    }
    set(&mut tag.prefix, prefix);
    set(&mut tag.local, local);
    if scan.at_end() {
        put_back(&mut tag.attributes, 0, &mut spare.attributes, limits.attributes);
        put_back(&mut tag.declarations, 0, &mut spare.declarations, limits.declarations);
    } else {
        scan.seen = chars::classes_of(content.as_bytes());
        attributes(&mut scan, limits, tag, spare)?;
    }
    scan.position(content.len());
    *cursor = scan.cursor;
    Ok(())
}

/// What follows the name of the element.
fn attributes(
    scan: &mut Scan<'_>,
    limits: &Limits,
    tag: &mut StartTag,
    spare: &mut Spare,
) -> Result<(), Refused> {
    let (mut attributes, mut declarations) = (0, 0);
    if !scan.at_space() {
        return Err(scan.error(Kind::BadName, scan.at));
    }
    loop {
        let spaced = scan.space();
        if scan.at_end() {
            break;
        }
        let start = scan.at;
        if !spaced {
            return Err(scan.error(Kind::MissingSpace, start));
        }
        let name = chars::name_run(scan.rest());
        let (prefix, local) = scan.name(name, limits)?;
        let position = scan.position(start);
        let declared = match (prefix, local) {
            ("", "xmlns") => Some(""),
            ("xmlns", prefix) => Some(prefix),
            _ => None,
        };
        if let Some(declared) = declared {
            let over = declarations == limits.declarations;
            limit(over, Limit::Declarations, position)?;
            let slot = slot(&mut tag.declarations, declarations, &mut spare.declarations);
            declarations += 1;
            set(&mut slot.prefix, declared);
            slot.uri.clear();
            scan.value(&mut slot.uri)?;
            check_declaration(slot).map_err(|kind| XmlError::new(kind, position))?;
            if tag.declarations[..declarations - 1].iter().any(|d| same(&d.prefix, declared)) {
                return Err(XmlError::new(Kind::DuplicateDeclaration(declared.into()), position));
            }
        } else {
            limit(attributes == limits.attributes, Limit::Attributes, position)?;
            let slot = slot(&mut tag.attributes, attributes, &mut spare.attributes);
            attributes += 1;
            set(&mut slot.prefix, prefix);
            set(&mut slot.local, local);
            slot.position = position;
            slot.value.clear();
            scan.value(&mut slot.value)?;
        }
    }
    put_back(&mut tag.attributes, attributes, &mut spare.attributes, limits.attributes);
    put_back(&mut tag.declarations, declarations, &mut spare.declarations, limits.declarations);
    Ok(())
}

/// Finds the namespaces of the element and its attributes, and attributes that are there twice
/// (Namespaces, 6.3).
pub(super) fn resolve(tag: &mut StartTag, namespaces: &Namespaces) -> Result<(), Refused> {
    let unbound = |prefix: &str, at| XmlError::new(Kind::UnboundPrefix(prefix.into()), at);
    match namespaces.resolve(&tag.prefix) {
        Some(uri) => set(&mut tag.namespace, uri),
        None => return Err(unbound(&tag.prefix, tag.position)),
    }
    for attribute in &mut tag.attributes {
        // The default namespace does not apply to attributes.
        match attribute.prefix.as_str() {
            "" => attribute.namespace.clear(),
            prefix => match namespaces.resolve(prefix) {
                Some(uri) => set(&mut attribute.namespace, uri),
                None => return Err(unbound(prefix, attribute.position)),
            },
        }
    }
    for (n, attribute) in tag.attributes.iter().enumerate().skip(1) {
        let twin = |a: &Attribute| {
            same(&a.local, &attribute.local) && same(&a.namespace, &attribute.namespace)
        };
        if tag.attributes[..n].iter().any(twin) {
            let kind = Kind::DuplicateAttribute(written(&attribute.prefix, &attribute.local));
            return Err(XmlError::new(kind, attribute.position));
        }
    }
    Ok(())
}

/// Numbers the element and its attributes; gives the first number that is free again.
pub(super) fn number(tag: &mut StartTag, first: u64) -> u64 {
    tag.node = NodeNumber(first);
    for (attribute, number) in tag.attributes.iter_mut().zip(first + 1..) {
        attribute.node = NodeNumber(number);
    }
    first + 1 + tag.attributes.len() as u64
}

/// A name as it is written.
pub(super) fn written(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Stands at `mark`.
    cursor: Cursor,
    mark: usize,
    /// What there is in what was looked at: in the name of the element, then in all.
    seen: Classes,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn at_space(&self) -> bool {
        self.rest().first().is_some_and(|b| chars::is_space(*b))
    }

    /// Skips white space; whether there was any.
    fn space(&mut self) -> bool {
        let start = self.at;
        while self.at_space() {
            self.at += 1;
        }
        self.at > start
    }

    /// The name found to stand here: prefix and local part.
    fn name(&mut self, run: NameRun, limits: &Limits) -> Result<(&'a str, &'a str), Refused> {
        let start = self.at;
        if run.length > limits.name_bytes {
            return Err(self.error(Kind::Limit(Limit::NameBytes), start));
        }
        let name = &self.text[start..start + run.length];
        let good = if run.ascii {
            // The run holds nothing else than characters of names.
            name.starts_with(chars::is_name_start)
        } else {
            self.seen |= HIGH;
            chars::is_name(name)
        };
        if !good {
            return Err(self.error(Kind::BadName, start));
        }
        self.at += run.length;
        chars::split_qname(name, run.colon).ok_or_else(|| self.error(Kind::BadQualifiedName, start))
    }

    /// `= "value"`, normalised (XML 1.0, 3.3.3) and appended to `out`.
    fn value(&mut self, out: &mut String) -> Result<(), Refused> {
        self.space();
        if self.rest().first() != Some(&b'=') {
            return Err(self.error(Kind::MissingEquals, self.at));
        }
        self.at += 1;
        self.space();
        let quote = match self.rest().first() {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => return Err(self.error(Kind::UnquotedValue, self.at)),
        };
        self.at += 1;
        let Some(length) = chars::find(self.rest(), quote) else {
            return Err(self.error(Kind::UnclosedTag, self.at));
        };
        let raw = &self.text[self.at..self.at + length];
        const CHANGED: Classes = STOP | CONTROL | CR | LF | TAB | EF;
        // Where the whole tag has nothing of it, no value has.
        if self.seen & CHANGED == 0 || chars::classes_of(raw.as_bytes()) & CHANGED == 0 {
            out.push_str(raw);
        } else {
            normalise(raw, out).map_err(|(kind, at)| self.error(kind, self.at + at))?;
        }
        self.at += length + 1;
        Ok(())
    }

    /// The position of `at`, which is not before any asked for earlier.
    fn position(&mut self, at: usize) -> Position {
        self.cursor.advance(&self.text.as_bytes()[self.mark..at], self.seen);
        self.mark = at;
        self.cursor.position()
    }

    fn error(&self, kind: Kind, at: usize) -> Refused {
        let mut cursor = self.cursor;
        cursor.advance(&self.text.as_bytes()[self.mark..at], self.seen);
        XmlError::new(kind, cursor.position())
    }
}

fn normalise(raw: &str, out: &mut String) -> Result<(), (Kind, usize)> {
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '<' => return Err((Kind::LessThanInValue, at)),
            '&' => {
                let rest = chars.as_str();
                let end = rest.find(';').ok_or((Kind::BadReference, at))?;
                out.push(reference::resolve(&rest[..end]).map_err(|kind| (kind, at))?);
                chars.nth(rest[..end].chars().count());
            }
            // CR LF is one line end and becomes one space.
            '\n' if raw[..at].ends_with('\r') => {}
            '\t' | '\n' | '\r' => out.push(' '),
            c if chars::is_char(c) => out.push(c),
            _ => return Err((Kind::ForbiddenCharacter, at)),
        }
    }
    Ok(())
}

/// Namespaces, 3 (reserved prefixes and names) and 5 (no undeclaring of prefixes).
fn check_declaration(declaration: &NamespaceDeclaration) -> Result<(), Kind> {
    let NamespaceDeclaration { prefix, uri } = declaration;
    match prefix.as_str() {
        "xmlns" => Err(Kind::ReservedNamespace),
        _ if uri == XMLNS_NAMESPACE => Err(Kind::ReservedNamespace),
        prefix if (prefix == "xml") != (uri == XML_NAMESPACE) => Err(Kind::ReservedNamespace),
        prefix if uri.is_empty() && !prefix.is_empty() => Err(Kind::EmptyNamespace(prefix.into())),
        _ => Ok(()),
    }
}

fn limit(over: bool, limit: Limit, at: Position) -> Result<(), Refused> {
    if over { Err(XmlError::new(Kind::Limit(limit), at)) } else { Ok(()) }
}

fn set(slot: &mut String, text: &str) {
    slot.clear();
    slot.push_str(text);
}

fn slot<'a, T: Default>(list: &'a mut Vec<T>, n: usize, spare: &mut Vec<T>) -> &'a mut T {
    if n == list.len() {
        list.push(spare.pop().unwrap_or_default());
    }
    &mut list[n]
}

fn put_back<T>(list: &mut Vec<T>, used: usize, spare: &mut Vec<T>, most: usize) {
    if used == list.len() {
        return;
    }
    let room = most.saturating_sub(spare.len());
    spare.extend(list.drain(used..).take(room));
}
