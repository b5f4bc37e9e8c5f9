//! Unions of unions: which types are in them, and how many a value may have to be tried against.
//!
//! The library notes members more than once and follows them one by one, which for unions within
//! unions takes twice as long with every level. So these questions are answered here.

use std::collections::{HashMap, HashSet};

use xsd_schema::parser::frames::SimpleTypeVariety;
use xsd_schema::schema::model::DerivationSet;
use xsd_schema::{SchemaSet, SimpleTypeKey, TypeKey};

/// Most members of a union, those of its members counted as often as they are reached. A value that
/// fits none is tried against all of them, and a few unions within each other can make millions.
pub const MAX_UNION_MEMBERS: u64 = 10_000;

/// The member types of a union, each once, in order; nothing for other types.
pub(super) fn members(set: &SchemaSet, union: SimpleTypeKey) -> Vec<TypeKey> {
    let mut seen = HashSet::new();
    let all = set.arenas.simple_types.get(union).map(|one| one.resolved_member_types.iter());
    all.into_iter().flatten().copied().filter(|member| seen.insert(*member)).collect()
}

/// Which union has too many members, if one has.
pub(super) fn too_large(set: &SchemaSet) -> Option<String> {
    let mut known = HashMap::new();
    for (key, one) in &set.arenas.simple_types {
        if count(set, key, &mut known) > MAX_UNION_MEMBERS {
            let name = one.name.map(|name| set.name_table.resolve(name)).unwrap_or_default();
            return Some(format!("the union '{name}' has more than {MAX_UNION_MEMBERS} members"));
        }
    }
    None
}

/// A circle of unions is refused before, and so is a chain of more than 128 types.
fn count(set: &SchemaSet, key: SimpleTypeKey, known: &mut HashMap<SimpleTypeKey, u64>) -> u64 {
    if let Some(count) = known.get(&key) {
        return *count;
    }
    let mut all = 0_u64;
    for member in members(set, key) {
        if let TypeKey::Simple(member) = member {
            all = all.saturating_add(count(set, member, known).max(1));
        }
    }
    if let Some(TypeKey::Simple(item)) =
        set.arenas.simple_types.get(key).and_then(|one| one.resolved_item_type)
    {
        all = all.max(count(set, item, known));
    }
    known.insert(key, all);
    all
}

/// The types that stand in for a union (Structures 3.14.6, Type Derivation OK (Simple) 2.2.4): the
/// union, its members and theirs, as far as the unions have no facets.
pub(super) fn within(set: &SchemaSet, union: SimpleTypeKey) -> Vec<SimpleTypeKey> {
    let (mut found, mut seen) = (vec![union], HashSet::from([union]));
    let mut next = 0;
    while let Some(key) = found.get(next).copied() {
        next += 1;
        let plain = set.arenas.simple_types.get(key).is_some_and(|one| one.facets.is_empty());
        for member in if plain { members(set, key) } else { Vec::new() } {
            if let TypeKey::Simple(member) = member
                && seen.insert(member)
            {
                found.push(member);
            }
        }
    }
    found
}

/// Whether a type is one of these or restricts one, by ways that are not barred.
pub(super) fn stands_in(
    set: &SchemaSet,
    derived: SimpleTypeKey,
    within: &HashSet<SimpleTypeKey>,
    barred: DerivationSet,
) -> bool {
    let (mut here, mut seen) = (derived, HashSet::new());
    while seen.insert(here) {
        if within.contains(&here) {
            return true;
        }
        let written = set.arenas.simple_types.get(here);
        let way = match written.map(|one| one.variety) {
            Some(SimpleTypeVariety::List) => DerivationSet::LIST,
            Some(SimpleTypeVariety::Union) => DerivationSet::UNION,
            _ => DerivationSet::RESTRICTION,
        };
        if barred.contains(way) {
            return false;
        }
        here = match written.and_then(|one| one.resolved_base_type) {
            Some(TypeKey::Simple(base)) => base,
            _ => match set.builtin_types().get_base_type(here) {
                Some(base) => base,
                None => return false,
            },
        };
    }
    false
}
