//! The content model of a complex type as the library holds it, and only where that is exact.
//!
//! The library replaces an `xs:all` that is not the whole content by a repeated choice, which
//! admits more than the schema says. Such a model is never taken over here.

use std::collections::HashSet;

use xsd_schema::arenas::ComplexTypeDefData;
use xsd_schema::compiler::{
    AllGroupModel, ContentModelMatcher, NfaTable, compile_content_model_matcher,
};
use xsd_schema::parser::frames::{
    ComplexContentResult, Compositor, DerivationMethod, ModelGroupDefResult, ParticleResult,
    ParticleTerm,
};
use xsd_schema::{ComplexTypeKey, ModelGroupKey, SchemaSet, TypeKey};

/// Most types from one to its last ancestor by extension.
const MAX_EXTENSIONS: usize = 100;
/// Most groups within groups.
const MAX_GROUP_DEPTH: usize = 100;

/// Where a model goes that holds `xs:all` somewhere within something else.
const ALL_WITHIN: &str = "xs:all within another group";

/// A content model, exact.
pub(super) enum Model {
    /// No child elements.
    Empty,
    /// Sequences, choices and repetitions.
    Table(NfaTable),
    /// `xs:all`.
    All(AllGroupModel),
}

/// The content model of a type.
pub(super) fn of(set: &SchemaSet, definition: &ComplexTypeDefData) -> Result<Model, &'static str> {
    within(set, definition, 0)
}

/// A type as findings for operators name it: `{namespace}name`.
pub(super) fn place(set: &SchemaSet, key: ComplexTypeKey) -> String {
    let names = &set.name_table;
    let Some(definition) = set.arenas.complex_types.get(key) else {
        return "a type that is not in the set".to_owned();
    };
    let namespace = definition.target_namespace.map(|id| names.resolve(id)).unwrap_or_default();
    match definition.name {
        Some(name) => format!("{{{namespace}}}{}", names.resolve(name)),
        None => {
            let at = definition.source.as_ref().and_then(|source| set.source_maps.locate(source));
            let line = at.map(|at| format!(", line {}", at.line)).unwrap_or_default();
            format!("an anonymous type in {{{namespace}}}{line}")
        }
    }
}

fn within(
    set: &SchemaSet,
    definition: &ComplexTypeDefData,
    depth: usize,
) -> Result<Model, &'static str> {
    let own = match &definition.content {
        ComplexContentResult::Complex(content) => content.particle.as_ref(),
        // With content of its own, even an extension of a simple one, it has no elements.
        ComplexContentResult::Simple(_) => return Ok(Model::Empty),
        ComplexContentResult::Empty => None,
    };
    let own = own.filter(|particle| particle.max_occurs != Some(0));
    if let Some(particle) = own {
        nested_all(set, particle, 0, &mut HashSet::new())?;
    }
    if let Some(base) = extended(set, definition) {
        if depth >= MAX_EXTENSIONS {
            return Err("a chain of extensions that is too long");
        }
        // Asked for all the ancestors' sake: the library compiles them into this one.
        match (within(set, base, depth + 1)?, own) {
            (Model::All(group), own) if !group.particles.is_empty() => {
                // Structures 3.4.2, complex content, 3.2.1: where the explicit content is empty,
                // the content type is that of the base. An empty xs:sequence is none (2.1).
                if own.is_none_or(says_nothing) {
                    return Ok(Model::All(group));
                }
                return Err(ALL_WITHIN);
            }
            _ => {}
        }
    }
    let matcher = compile_content_model_matcher(set, definition)
        .map_err(|_| "a content model that the library refuses")?;
    match matcher {
        ContentModelMatcher::Nfa(_) if own.is_some_and(|particle| is_all(set, particle)) => {
            Err(ALL_WITHIN)
        }
        ContentModelMatcher::Nfa(table) => Ok(Model::Table(table)),
        ContentModelMatcher::AllGroup(group) => Ok(Model::All(group)),
        ContentModelMatcher::WithOpenContent { .. } => Err("open content"),
    }
}

/// The complex type that this one extends.
fn extended<'a>(
    set: &'a SchemaSet,
    definition: &ComplexTypeDefData,
) -> Option<&'a ComplexTypeDefData> {
    let extends = matches!(definition.derivation_method, Some(DerivationMethod::Extension));
    match definition.resolved_base_type {
        Some(TypeKey::Complex(base)) if extends => set.arenas.complex_types.get(base),
        _ => None,
    }
}

/// Whether a type's explicit content is empty although a group is written (3.4.2, 2.1.2, 2.1.3).
pub(in super::super) fn says_nothing(particle: &ParticleResult) -> bool {
    match &particle.term {
        ParticleTerm::Group(group) if group.ref_name.is_none() && group.particles.is_empty() => {
            group.compositor != Some(Compositor::Choice) || particle.min_occurs == 0
        }
        _ => false,
    }
}

fn is_all(set: &SchemaSet, particle: &ParticleResult) -> bool {
    match &particle.term {
        ParticleTerm::Group(group) => referred(set, group)
            .map_or(group.compositor, |(_, compositor, _)| compositor)
            .is_some_and(|compositor| compositor == Compositor::All),
        _ => false,
    }
}

/// Refuses an `xs:all` below the outermost group.
fn nested_all(
    set: &SchemaSet,
    particle: &ParticleResult,
    depth: usize,
    known: &mut HashSet<ModelGroupKey>,
) -> Result<(), &'static str> {
    let ParticleTerm::Group(group) = &particle.term else { return Ok(()) };
    if depth > 0 && is_all(set, particle) {
        return Err(ALL_WITHIN);
    }
    if depth >= MAX_GROUP_DEPTH {
        return Err("groups nested too deep");
    }
    let particles = match referred(set, group) {
        Some((key, _, particles)) if known.insert(key) => particles,
        Some(_) => return Ok(()),
        None => &group.particles,
    };
    particles.iter().try_for_each(|inner| nested_all(set, inner, depth + 1, known))
}

fn referred<'a>(
    set: &'a SchemaSet,
    group: &ModelGroupDefResult,
) -> Option<(ModelGroupKey, Option<Compositor>, &'a [ParticleResult])> {
    let name = group.ref_name.as_ref()?;
    let key = set.lookup_model_group(name.namespace, name.local_name)?;
    let found = set.arenas.get_model_group(key)?;
    Some((key, found.compositor, &found.particles))
}
