//! Attribute uses and attribute wildcards of complex types, with all that they inherit.

use xsd_schema::SchemaSet;
use xsd_schema::arenas::{ComplexTypeDefData, ResolvedAttributeUse};
use xsd_schema::ids::{AttributeGroupKey, AttributeKey, ComplexTypeKey, NameId, TypeKey};
use xsd_schema::parser::frames::{
    AttributeUseKind, AttributeUseResult, ComplexContentResult, DerivationMethod, WildcardResult,
};
use xsd_schema::parser::location::SourceRef;

use super::Wildcard;

/// Deepest chain of base types or nested attribute groups that is followed.
const MAX_DEPTH: usize = 100;

/// An expanded name of the library.
pub(super) type Name = (Option<NameId>, NameId);

/// An attribute use as the components have it.
pub(super) struct Use {
    pub(super) name: Name,
    pub(super) kind: Option<TypeKey>,
    pub(super) required: bool,
    /// `fixed` or not, and the text.
    pub(super) value: Option<(bool, String)>,
}

/// {attribute uses} of a complex type (Structures 3.4.2): its own, those of its groups, then what it
/// inherits. A restriction keeps out what it names again or prohibits; the prohibition of an
/// extension, or in a group, is no use at all.
pub(super) fn uses(set: &SchemaSet, key: ComplexTypeKey) -> Vec<Use> {
    let mut uses: Vec<Use> = Vec::new();
    let mut kept_out: Vec<Name> = Vec::new();
    let mut next = Some(key);
    for _ in 0..MAX_DEPTH {
        let Some(level) = next
            .filter(|key| *key != set.any_type_key())
            .and_then(|key| set.arenas.complex_types.get(key))
        else {
            break;
        };
        let restricts = level.derivation_method != Some(DerivationMethod::Extension);
        let mut own: Vec<Name> = Vec::new();
        let mut prohibited = Vec::new();
        let written = level.attributes.iter().zip(resolved(&level.resolved_attributes));
        for (written, resolved) in written {
            let name = name(set, written, resolved, level.target_namespace);
            let value = value(set, written, resolved);
            let barred = written.use_kind == AttributeUseKind::Prohibited;
            // Prohibited with a fixed value means, in 1.0, that it may stand there with that value.
            if barred && !value.as_ref().is_some_and(|(fixed, _)| *fixed) {
                prohibited.push(name);
            } else if !kept_out.contains(&name) && !own.contains(&name) {
                own.push(name);
                uses.push(one(set, name, written, resolved, value));
            }
        }
        let mut seen = Vec::new();
        for group in &level.resolved_attribute_groups {
            of_group(set, *group, &mut seen, &mut |name, written, resolved| {
                if written.use_kind != AttributeUseKind::Prohibited
                    && !kept_out.contains(&name)
                    && !own.contains(&name)
                {
                    own.push(name);
                    uses.push(one(set, name, written, resolved, value(set, written, resolved)));
                }
            });
        }
        kept_out.append(&mut own);
        if restricts {
            kept_out.append(&mut prohibited);
        }
        next = match level.resolved_base_type {
            Some(TypeKey::Complex(base)) => Some(base),
            _ => None,
        };
    }
    uses
}

/// {attribute wildcard} of a complex type (Structures 3.4.2): its own and its groups' together, for
/// an extension united with its base type's.
pub(super) fn wildcard(set: &SchemaSet, key: ComplexTypeKey, depth: usize) -> Option<Wildcard> {
    let level = set.arenas.complex_types.get(key).filter(|_| depth < MAX_DEPTH)?;
    let own = complete(set, own_wildcard(level), level.target_namespace, {
        &level.resolved_attribute_groups
    });
    let base = match (level.derivation_method, level.resolved_base_type) {
        (Some(DerivationMethod::Extension), Some(TypeKey::Complex(base))) if base != key => {
            wildcard(set, base, depth + 1)
        }
        _ => None,
    };
    match (own, base) {
        (Some(own), Some(base)) => Some(own.unite(&base)),
        (own, base) => own.or(base),
    }
}

/// The wildcard written in a type or group together with those of the groups it refers to.
fn complete(
    set: &SchemaSet,
    written: Option<&WildcardResult>,
    target: Option<NameId>,
    groups: &[AttributeGroupKey],
) -> Option<Wildcard> {
    let mut all = Vec::new();
    if let Some(written) = written {
        let target = target.map(|id| set.name_table.resolve(id)).unwrap_or_default();
        all.push(Wildcard::written(set, written, &target));
    }
    all.extend(groups.iter().filter_map(|group| group_wildcard(set, *group, 0)));
    let mut all = all.into_iter();
    let first = all.next()?;
    Some(all.fold(first, |one, other| one.intersect(&other)))
}

fn group_wildcard(set: &SchemaSet, key: AttributeGroupKey, depth: usize) -> Option<Wildcard> {
    let group = set.arenas.attribute_groups.get(key).filter(|_| depth < MAX_DEPTH)?;
    if let Some(meant) = group.resolved_ref {
        return group_wildcard(set, meant, depth + 1);
    }
    let target = group.target_namespace.map(|id| set.name_table.resolve(id)).unwrap_or_default();
    let own = group.attribute_wildcard.as_ref().map(|w| Wildcard::written(set, w, &target));
    let nested = group.resolved_attribute_groups.iter();
    let nested = nested.filter_map(|nested| group_wildcard(set, *nested, depth + 1));
    own.into_iter().chain(nested).reduce(|one, other| one.intersect(&other))
}

fn own_wildcard(level: &ComplexTypeDefData) -> Option<&WildcardResult> {
    level.attribute_wildcard.as_ref().or(match &level.content {
        ComplexContentResult::Empty => None,
        ComplexContentResult::Simple(content) => content.attribute_wildcard.as_ref(),
        ComplexContentResult::Complex(content) => content.attribute_wildcard.as_ref(),
    })
}

fn of_group(
    set: &SchemaSet,
    key: AttributeGroupKey,
    seen: &mut Vec<AttributeGroupKey>,
    visit: &mut impl FnMut(Name, &AttributeUseResult, Option<&ResolvedAttributeUse>),
) {
    if seen.contains(&key) {
        return;
    }
    seen.push(key);
    let Some(group) = set.arenas.attribute_groups.get(key) else { return };
    for (written, resolved) in group.attributes.iter().zip(resolved(&group.resolved_attributes)) {
        visit(name(set, written, resolved, group.target_namespace), written, resolved);
    }
    for nested in group.resolved_attribute_groups.iter().chain(&group.resolved_ref) {
        of_group(set, *nested, seen, visit);
    }
}

/// What was resolved for each written attribute, which may be less than all of them.
fn resolved(list: &[ResolvedAttributeUse]) -> impl Iterator<Item = Option<&ResolvedAttributeUse>> {
    list.iter().map(Some).chain(std::iter::repeat(None))
}

fn one(
    set: &SchemaSet,
    name: Name,
    written: &AttributeUseResult,
    resolved: Option<&ResolvedAttributeUse>,
    value: Option<(bool, String)>,
) -> Use {
    let declared = reference(resolved).and_then(|key| set.arenas.attributes.get(key));
    let kind = resolved.and_then(|resolved| resolved.resolved_type);
    Use {
        name,
        kind: kind.or_else(|| declared.and_then(|declared| declared.resolved_type)),
        required: written.use_kind == AttributeUseKind::Required,
        value,
    }
}

fn reference(resolved: Option<&ResolvedAttributeUse>) -> Option<AttributeKey> {
    resolved.and_then(|resolved| resolved.resolved_ref)
}

fn name(
    set: &SchemaSet,
    written: &AttributeUseResult,
    resolved: Option<&ResolvedAttributeUse>,
    target: Option<NameId>,
) -> Name {
    let attribute = &written.attribute;
    if let Some(name) = attribute.name.filter(|_| attribute.ref_name.is_none()) {
        let source: Option<&SourceRef> = attribute.source.as_ref();
        let form = attribute.form.as_deref();
        let namespace = set.effective_local_attribute_namespace(
            attribute.target_namespace,
            form,
            source,
            target,
        );
        return (namespace, name);
    }
    let declared = reference(resolved).and_then(|key| set.arenas.attributes.get(key));
    let by_reference =
        declared.and_then(|declared| Some((declared.target_namespace, declared.name?)));
    let written = attribute.ref_name.as_ref().map(|name| (name.namespace, name.local_name));
    by_reference.or(written).unwrap_or((None, NameId(0)))
}

/// The effective value constraint (Structures 3.5.1): the use's, or else the declaration's.
fn value(
    set: &SchemaSet,
    written: &AttributeUseResult,
    resolved: Option<&ResolvedAttributeUse>,
) -> Option<(bool, String)> {
    let own = &written.attribute;
    let either = |fixed: &Option<String>, default: &Option<String>| {
        let fixed = fixed.clone().map(|text| (true, text));
        fixed.or_else(|| default.clone().map(|text| (false, text)))
    };
    either(&own.fixed_value, &own.default_value).or_else(|| {
        let declared = set.arenas.attributes.get(reference(resolved)?)?;
        either(&declared.fixed_value, &declared.default_value)
    })
}
