//! One look at a document that is to be signed: the digests of what is signed, and the place.

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, StartTag};

use super::hasher::Hasher;
use super::sign::{Place, Signing, Target, no, reference_to};
use super::signer::SignError;
use crate::c14n::{Apex, Canonicalizer, Method, Mode, Scope};

/// Digests the targets of a document that is not signed yet, and finds the site.
pub(super) struct Survey<'a> {
    place: &'a Place,
    pub(super) targets: Vec<Digested<'a>>,
    /// Namespace and local name of the open elements.
    path: Vec<(String, String)>,
    /// What they declared, kept where the signature needs it.
    scope: Option<Scope>,
    pub(super) site: Option<Site>,
}

pub(super) struct Digested<'a> {
    target: &'a Target,
    method: Method,
    canonicalizer: Canonicalizer<Hasher>,
}

/// Where the signature goes.
pub(super) struct Site {
    pub(super) node: NodeNumber,
    pub(super) name: String,
    /// Octets before it; what follows is the end tag, or the `/>` of an empty-element tag.
    pub(super) offset: usize,
    /// What is declared there.
    pub(super) scope: Scope,
}

impl<'a> Survey<'a> {
    pub(super) fn new(place: &'a Place, targets: &'a [Target], signing: &Signing<'_>) -> Self {
        let digested = |target: &'a Target| {
            let mut method = Method::new(signing.canonicalization, false);
            method.prefix_list.clone_from(&target.prefix_list);
            let apex = target.id.clone().map_or(Apex::Document, Apex::Id);
            let hasher = Hasher::new(signing.digest);
            let canonicalizer = Canonicalizer::new(method.clone(), apex, hasher);
            Digested { target, method, canonicalizer }
        };
        Self {
            place,
            targets: targets.iter().map(digested).collect(),
            path: Vec::new(),
            scope: (signing.canonicalization != Mode::Exclusive).then(Scope::default),
            site: None,
        }
    }

    fn is_place(&self) -> bool {
        match self.place {
            Place::LastInRoot => self.path.len() == 1,
            Place::LastIn(path) => self.path == *path,
        }
    }

    fn start(&mut self, tag: &StartTag) {
        self.path.push((tag.namespace.clone(), tag.local.clone()));
        if let Some(scope) = &mut self.scope {
            scope.open(tag);
        }
    }

    fn end(&mut self, tag: &StartTag, offset: u64) -> Result<(), &'static str> {
        if self.is_place() {
            let offset = offset as usize;
            let name = match tag.prefix.as_str() {
                "" => tag.local.clone(),
                prefix => format!("{prefix}:{}", tag.local),
            };
            let scope = self.scope.clone().unwrap_or_default();
            if self.site.replace(Site { node: tag.node, name, offset, scope }).is_some() {
                return Err("several elements at the place for the signature");
            }
        }
        self.path.pop();
        if let Some(scope) = &mut self.scope {
            scope.close();
        }
        Ok(())
    }
}

impl EventSink for Survey<'_> {
    type Error = &'static str;

    fn event(&mut self, event: &Event<'_>) -> Result<(), &'static str> {
        for target in &mut self.targets {
            let Ok(()) = target.canonicalizer.event(event);
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, position) => self.end(tag, position.offset)?,
            Event::Text(..)
            | Event::Comment(..)
            | Event::ProcessingInstruction(..)
            | Event::EndOfDocument => {}
        }
        Ok(())
    }
}

impl Digested<'_> {
    /// The reference, once the parent of the signature is known.
    pub(super) fn reference(
        self,
        parent: NodeNumber,
        signing: &Signing<'_>,
    ) -> Result<String, SignError> {
        let Some((first, last)) = self.canonicalizer.covered() else {
            return Err(no("no element has the Id to sign"));
        };
        if self.canonicalizer.matches() != 1 {
            return Err(no("the Id to sign must belong to exactly one element"));
        }
        let digest = self.canonicalizer.finish().finish()?;
        let id = self.target.id.as_deref();
        let enveloped = id.is_none() || (first <= parent && parent <= last);
        Ok(reference_to(id, enveloped, &self.method, signing.digest, &digest))
    }
}
