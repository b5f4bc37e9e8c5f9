//! What would have been right in the place of what was found: for findings only.

use super::super::components::{Complex, Content, Derivation};
use super::super::content::Expected;
use super::super::{ComplexId, NamespaceSet, Symbol, TypeId, Wildcard};
use super::{MAX_EXPECTED, Run};

impl Run<'_> {
    /// What may stand where the innermost open element's content has come to.
    pub(super) fn expected(&self, content: Content) -> Vec<String> {
        let (Content::Elements(model) | Content::Mixed(model)) = content else {
            return Vec::new();
        };
        let tables = self.tables;
        let expected = tables.contents.expected(model, &self.open[self.depth - 1].progress);
        let names = expected.iter().map(|one| match one {
            Expected::Element(symbol) => tables.symbols.local(*symbol).to_owned(),
            Expected::Wildcard(id) => wildcard(tables.wildcard(*id)),
        });
        names.take(MAX_EXPECTED).collect()
    }

    /// The types that `xsi:type` may name in place of this one, itself included.
    pub(super) fn types_for(&self, base: Option<TypeId>) -> Vec<String> {
        let tables = self.tables;
        let Some(base) = base else { return Vec::new() };
        let open = &self.open[self.depth - 1];
        let barred = open.declared.map(|id| tables.element(id).block).unwrap_or_default();
        let by_type = match base {
            TypeId::Complex(id) => tables.complex(id).block,
            TypeId::Simple(_) => Default::default(),
        };
        let fits = |kind: TypeId| {
            let concrete = !matches!(kind, TypeId::Complex(id) if tables.complex(id).is_abstract);
            concrete
                && tables.derivations.of(kind, base, barred.and(by_type)) == Derivation::Allowed
        };
        let all = (0..tables.symbols.len()).filter_map(|n| tables.symbols.at(n));
        let named = all.filter(|symbol| tables.global(Some(*symbol)).kind.is_some_and(fits));
        self.locals(named)
    }

    /// The attributes that an element of this type may have.
    pub(super) fn attributes_of(&self, complex: ComplexId) -> Vec<String> {
        let Complex { uses, wildcard: any, .. } = self.tables.complex(complex);
        let mut names = self.locals(uses.iter().map(|one| one.name));
        names.extend(any.map(|id| wildcard(self.tables.wildcard(id))));
        names
    }

    fn locals(&self, symbols: impl Iterator<Item = Symbol>) -> Vec<String> {
        let names = symbols.map(|symbol| self.tables.symbols.local(symbol).to_owned());
        names.take(MAX_EXPECTED).collect()
    }
}

/// A wildcard in the words of the schema language.
fn wildcard(wildcard: &Wildcard) -> String {
    match &wildcard.namespaces {
        NamespaceSet::Any => "##any".to_owned(),
        NamespaceSet::Not(_) => "##other".to_owned(),
        NamespaceSet::These(these) => {
            let name =
                |one: &str| if one.is_empty() { "##local".to_owned() } else { one.to_owned() };
            these.iter().map(|one| name(one)).collect::<Vec<_>>().join(" ")
        }
    }
}
