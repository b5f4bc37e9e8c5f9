//! Simple types (XML Schema 1.0, Datatypes, second edition), compiled from the components of a
//! schema set into checks that need the set no more.
//!
//! A value is looked at where it lies: nothing is copied on the good path, unless its white space
//! has to be changed. Numbers, dates and durations are compared exactly, as text where they are
//! long. What a message says never comes out: a broken rule is named, a value is not.

mod atomic;
mod binary;
mod codes;
mod compile;
mod decimal;
mod duration;
mod expected;
mod facets;
mod float;
mod moment;
mod names;
mod pattern;
mod space;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use xsd_schema::{ComplexTypeKey, SimpleTypeKey};

use self::atomic::{Kind, NoValue, Value};
use self::expected::Expected;
use self::facets::Facets;
use self::names::Form;
use self::pattern::Patterns;
pub(crate) use self::pattern::block;
use self::space::Space;
use super::SimpleId;

pub(crate) use self::moment::date_time;
/// Longest equality key of one value, in bytes. The key of a list is longer than its text: ten octets
/// and more for an item of one.
pub(in crate::validate) const MAX_KEY_BYTES: usize = 4 << 20;

/// All simple types of a set, those of complex types with simple content among them.
#[derive(Debug)]
pub(in crate::validate) struct SimpleTypes {
    types: Vec<Simple>,
    patterns: Patterns,
    of_simple: HashMap<SimpleTypeKey, SimpleId>,
    of_complex: HashMap<ComplexTypeKey, SimpleId>,
}

#[derive(Debug)]
struct Simple {
    variety: Variety,
    space: Space,
    facets: Facets,
    /// A value of it may be, or hold, an ID, an IDREF or an ENTITY.
    identifies: bool,
    expected: Expected,
}

#[derive(Clone, Debug)]
enum Variety {
    Atomic(Kind, Identity),
    List(SimpleId),
    Union(Box<[SimpleId]>),
}

/// The rule of the specification that a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) struct Broken {
    /// E.g. `cvc-pattern-valid`.
    pub(in crate::validate) rule: &'static str,
}

impl Broken {
    /// No rule is broken, but the equality key is longer than [`MAX_KEY_BYTES`].
    pub(in crate::validate) const LONG_KEY: Self = Self::new("an equality key that is too long");

    const fn new(rule: &'static str) -> Self {
        Self { rule }
    }
}

/// What an atomic value says about identity in the document (Structures 3.15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Identity {
    /// Nothing.
    None,
    /// It identifies its element.
    Id,
    /// It refers to an element.
    IdRef,
    /// It names an unparsed entity; a message without a DTD has none.
    Entity,
}

/// The namespaces in scope where a value stands.
pub(in crate::validate) trait Scope {
    /// What a prefix is bound to; the empty prefix asks for the default namespace. `None` or, for
    /// the empty prefix, an empty text where it is bound to nothing.
    fn namespace(&self, prefix: &str) -> Option<&str>;
}

/// A place where no prefix is bound.
#[derive(Clone, Copy, Debug)]
pub(in crate::validate) struct Nowhere;

impl Scope for Nowhere {
    fn namespace(&self, _: &str) -> Option<&str> {
        None
    }
}

impl SimpleTypes {
    /// The number of a simple type. None for types that XSD 1.0 does not have.
    pub(in crate::validate) fn id_of(&self, key: SimpleTypeKey) -> Option<SimpleId> {
        self.of_simple.get(&key).copied()
    }

    /// The number of the type that the simple content of a complex type has; none where its
    /// content is not simple.
    pub(in crate::validate) fn id_of_content(&self, key: ComplexTypeKey) -> Option<SimpleId> {
        self.of_complex.get(&key).copied()
    }

    /// Judges a value, white space and all.
    pub(in crate::validate) fn check(
        &self,
        id: SimpleId,
        raw: &str,
        scope: &dyn Scope,
    ) -> Result<(), Broken> {
        self.judge(id, raw, scope).map(|_| ())
    }

    /// Judges a value and writes its equality key behind what `into` holds: two values are equal
    /// just when their keys are. Where the value is not valid, or its key is too long
    /// ([`Broken::LONG_KEY`]), `into` stays as it was.
    pub(in crate::validate) fn value(
        &self,
        id: SimpleId,
        raw: &str,
        scope: &dyn Scope,
        into: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let active = self.judge(id, raw, scope)?;
        let before = into.len();
        let written = self.key(active, raw, scope, into);
        let written = written.and_then(|()| bounded(into.len() - before));
        written.inspect_err(|_| into.truncate(before))
    }

    /// What the schema asks for where a value of the type broke a rule; of a union or a list, what
    /// its members or items ask for where it says nothing itself. For findings only.
    pub(in crate::validate) fn expected(&self, id: SimpleId, rule: &str) -> Option<&str> {
        let mut id = id;
        loop {
            let this = self.get(id);
            let own = this.expected.by(rule);
            match &this.variety {
                Variety::List(item) if own.is_empty() => id = *item,
                _ => return (!own.is_empty()).then_some(own),
            }
        }
    }

    /// Whether values of the type may be, or hold, an ID, an IDREF or an ENTITY.
    pub(in crate::validate) fn identifies(&self, id: SimpleId) -> bool {
        self.get(id).identifies
    }

    /// Whether every value of the type identifies its element.
    pub(in crate::validate) fn identifies_element(&self, id: SimpleId) -> bool {
        matches!(self.get(id).variety, Variety::Atomic(_, Identity::Id))
    }

    /// Whether a value of the type may be, or hold, a name with a prefix, which means nothing without
    /// the namespaces in scope.
    pub(in crate::validate) fn holds_names(&self, id: SimpleId) -> bool {
        match &self.get(id).variety {
            Variety::Atomic(kind, _) => matches!(kind, Kind::QName | Kind::Notation),
            Variety::List(item) => self.holds_names(*item),
            Variety::Union(members) => members.iter().any(|member| self.holds_names(*member)),
        }
    }

    /// Tells `note` every ID, IDREF and ENTITY in a valid value; of a union, what its active
    /// member type makes of the value.
    pub(in crate::validate) fn identities(
        &self,
        id: SimpleId,
        raw: &str,
        scope: &dyn Scope,
        note: &mut dyn FnMut(Identity, &str),
    ) {
        let this = self.get(id);
        if !this.identifies {
            return;
        }
        match &this.variety {
            Variety::Atomic(_, identity) => note(*identity, &this.space.normal(raw)),
            Variety::List(item) => {
                space::items(raw).for_each(|text| self.identities(*item, text, scope, note));
            }
            Variety::Union(members) => {
                let active = members.iter().find(|member| self.judge(**member, raw, scope).is_ok());
                if let Some(member) = active {
                    self.identities(*member, raw, scope, note);
                }
            }
        }
    }

    /// The types of the items of a list or of the members of a union; none of other types.
    pub(in crate::validate) fn inside(&self, id: SimpleId) -> &[SimpleId] {
        match &self.get(id).variety {
            Variety::Atomic(..) => &[],
            Variety::List(item) => std::slice::from_ref(item),
            Variety::Union(members) => members,
        }
    }

    /// Whether tabulators and line ends are no part of a value of the type.
    pub(in crate::validate) fn replaces_space(&self, id: SimpleId) -> bool {
        self.get(id).space != Space::Preserve
    }

    /// How many types there are.
    pub(in crate::validate) fn count(&self) -> usize {
        self.types.len()
    }

    /// Tells `deeper` a value and its type, then, as long as it wants that, the items of a list and
    /// what the active member of a union makes of the value.
    pub(in crate::validate) fn parts(
        &self,
        id: SimpleId,
        raw: &str,
        scope: &dyn Scope,
        deeper: &mut dyn FnMut(SimpleId, &str) -> bool,
    ) {
        if !deeper(id, raw) {
            return;
        }
        match &self.get(id).variety {
            Variety::Atomic(..) => {}
            Variety::List(item) => {
                space::items(raw).for_each(|text| self.parts(*item, text, scope, deeper));
            }
            Variety::Union(members) => {
                let active = members.iter().find(|member| self.judge(**member, raw, scope).is_ok());
                if let Some(member) = active {
                    self.parts(*member, raw, scope, deeper);
                }
            }
        }
    }

    fn get(&self, id: SimpleId) -> &Simple {
        &self.types[id.0 as usize]
    }

    /// Judges a value; the answer is the type itself, or the active member of a union.
    fn judge(&self, id: SimpleId, raw: &str, scope: &dyn Scope) -> Result<SimpleId, Broken> {
        let this = self.get(id);
        match &this.variety {
            Variety::Atomic(kind, _) => self.atomic(this, *kind, raw, scope).map(|()| id),
            Variety::List(item) => self.list(this, *item, raw, scope).map(|()| id),
            Variety::Union(members) => self.union(this, members, raw, scope),
        }
    }

    #[inline]
    fn atomic(
        &self,
        this: &Simple,
        kind: Kind,
        raw: &str,
        scope: &dyn Scope,
    ) -> Result<(), Broken> {
        let facets = &this.facets;
        let normal;
        let text = match this.space {
            Space::Preserve => raw,
            Space::Trim => space::trim(raw),
            space => {
                normal = space.normal(raw);
                &normal
            }
        };
        if let Kind::Any | Kind::Uri | Kind::Text(Form::Any) = kind {
            return self.text(facets, kind, text);
        }
        let value = kind.read(text, scope).map_err(NoValue::broken)?;
        if facets.length.any() {
            match value {
                Value::Text(text) => facets.length.check_text(text)?,
                // 4.3.1 to 4.3.3 give a length only to texts, octets and lists.
                _ => value.octets().map_or(Ok(()), |count| facets.length.check(count))?,
            }
        }
        facets.check_value(&value)?;
        if !facets.patterns.is_empty() {
            facets.check_patterns(text, &self.patterns)?;
        }
        match &facets.enumeration {
            Some(enumeration) => enumeration.check(text, |key| {
                kind.key(&value, key);
                Ok(())
            }),
            // 3.2.19: only types that list notations can be used.
            None if kind == Kind::Notation => Err(Broken::new("cvc-datatype-valid")),
            None => Ok(()),
        }
    }

    /// Judges a text that may be anything but for its facets, as most are. It has no digits and no
    /// range.
    #[inline]
    fn text(&self, facets: &Facets, kind: Kind, text: &str) -> Result<(), Broken> {
        if facets.length.any() {
            facets.length.check_text(text)?;
        }
        if !facets.patterns.is_empty() {
            facets.check_patterns(text, &self.patterns)?;
        }
        match &facets.enumeration {
            Some(enumeration) => enumeration.check(text, |key| {
                kind.key(&Value::Text(text), key);
                Ok(())
            }),
            None => Ok(()),
        }
    }

    fn list(
        &self,
        this: &Simple,
        item: SimpleId,
        raw: &str,
        scope: &dyn Scope,
    ) -> Result<(), Broken> {
        let facets = &this.facets;
        let mut count = 0;
        for text in space::items(raw) {
            self.judge(item, text, scope)?;
            count += 1;
        }
        facets.length.check(count)?;
        if facets.patterns.is_empty() && facets.enumeration.is_none() {
            return Ok(());
        }
        let text = Space::Collapse.normal(raw);
        facets.check_patterns(&text, &self.patterns)?;
        match &facets.enumeration {
            Some(enumeration) => {
                enumeration.check(&text, |key| self.list_key(item, &text, scope, key))
            }
            None => Ok(()),
        }
    }

    fn union(
        &self,
        this: &Simple,
        members: &[SimpleId],
        raw: &str,
        scope: &dyn Scope,
    ) -> Result<SimpleId, Broken> {
        let facets = &this.facets;
        let mut unbound = None;
        let active = members.iter().find_map(|member| match self.judge(*member, raw, scope) {
            Ok(active) => Some(active),
            Err(broken) => {
                unbound = unbound.or((broken == PREFIX).then_some(broken));
                None
            }
        });
        let active = active.ok_or(unbound.unwrap_or(Broken::new("cvc-simple-type")))?;
        if facets.patterns.is_empty() && facets.enumeration.is_none() {
            return Ok(active);
        }
        // 4.3.6: the active member type says what becomes of white space.
        let text = self.get(active).space.full().normal(raw);
        facets.check_patterns(&text, &self.patterns)?;
        if let Some(enumeration) = &facets.enumeration {
            enumeration.check(&text, |key| self.key(active, raw, scope, key))?;
        }
        Ok(active)
    }

    /// Writes the key of a value that `active` admits; `active` is no union.
    fn key(
        &self,
        active: SimpleId,
        raw: &str,
        scope: &dyn Scope,
        into: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let this = self.get(active);
        match &this.variety {
            Variety::Atomic(kind, _) => {
                let text = this.space.normal(raw);
                let value = kind.read(&text, scope).map_err(NoValue::broken)?;
                kind.key(&value, into);
                Ok(())
            }
            Variety::List(item) => self.list_key(*item, raw, scope, into),
            Variety::Union(_) => Err(Broken::new("cvc-simple-type")),
        }
    }

    /// Writes the keys of all items, each behind its length.
    fn list_key(
        &self,
        item: SimpleId,
        raw: &str,
        scope: &dyn Scope,
        into: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let before = into.len();
        into.push(b'l');
        for text in space::items(raw) {
            let active = self.judge(item, text, scope)?;
            let place = into.len();
            into.extend_from_slice(&[0; 8]);
            self.key(active, text, scope, into)?;
            let length = (into.len() - place - 8) as u64;
            into[place..place + 8].copy_from_slice(&length.to_be_bytes());
            bounded(into.len() - before)?;
        }
        Ok(())
    }
}

fn bounded(key_bytes: usize) -> Result<(), Broken> {
    if key_bytes > MAX_KEY_BYTES { Err(Broken::LONG_KEY) } else { Ok(()) }
}

/// A name whose prefix is bound to nothing is in no value space (3.2.18).
const PREFIX: Broken = Broken::new("cvc-datatype-valid.1.2.1");

impl NoValue {
    fn broken(self) -> Broken {
        match self {
            Self::Lexical => Broken::new("cvc-datatype-valid"),
            Self::Prefix => PREFIX,
        }
    }
}
