//! Digests that are made before it is known whether a signature wants them, so that one pass is
//! enough.

use amtsbote_schemas::xml::StartTag;

use super::algorithm::DigestAlgorithm;
use super::profile::{Fixed, Name, Profile};
use super::run::Plan;
use super::scan::Found;
use super::signed_info::Reference;
use super::transforms::{Named, Omit, Step};
use crate::c14n::Method;

/// The elements that are digested before any reference is known.
pub(super) struct Speculation {
    fixed: Fixed,
    signature: &'static [Name],
    /// Most elements.
    max: usize,
    /// Elements met.
    met: usize,
    /// Other digests than the fixed one that the signature may turn out to state.
    others: Vec<DigestAlgorithm>,
    /// For so many elements before the signature.
    ahead: usize,
    /// What the signature states, once it has ended, by Id.
    stated: Option<Vec<(String, DigestAlgorithm)>>,
}

/// More elements than a signature may refer to.
pub(super) struct TooMany;

impl Speculation {
    pub(super) fn new(profile: &Profile<'_>, fixed: Fixed) -> Self {
        Self {
            fixed,
            signature: profile.signature,
            max: profile.allowed.max_references,
            met: 0,
            others: Vec::new(),
            ahead: 0,
            stated: None,
        }
    }

    /// The first `ahead` elements are digested by all of `digests`.
    pub(super) fn trying(&mut self, digests: &[DigestAlgorithm], ahead: usize) {
        let fixed = self.fixed.digest;
        self.others = digests.iter().copied().filter(|one| *one != fixed).collect();
        self.ahead = ahead;
    }

    /// From here on what the signature says is digested and nothing else. The first one counts.
    pub(super) fn settle(&mut self, found: Option<&Found>) {
        self.stated.get_or_insert_with(|| {
            let content = found.and_then(|found| found.content.as_ref().ok());
            let references = content.into_iter().flat_map(|content| &content.info.references);
            let by_id = |reference: &Reference| match &reference.named {
                Named::Id(id) => Some((id.clone(), reference.digest)),
                Named::Document | Named::Part(_) => None,
            };
            references.filter_map(by_id).collect()
        });
    }

    /// How the element with this Id is digested, which stands at the path `names`, or is a child of
    /// what stands there.
    pub(super) fn plans(
        &mut self,
        tag: &StartTag,
        id: &str,
        (names, child): (&'static [Name], bool),
    ) -> Result<Vec<Plan>, TooMany> {
        let around_signature = self.signature.starts_with(names);
        let holds = |next: &Name| tag.is(next.namespace, next.local);
        // The child of a header in which the signature stands is not signed.
        if child && around_signature && self.signature.get(names.len()).is_some_and(holds) {
            return Ok(Vec::new());
        }
        if self.met >= self.max {
            return Err(TooMany);
        }
        self.met += 1;
        let digests = match &self.stated {
            Some(stated) => {
                let own = stated.iter().find(|(own, _)| own == id);
                own.map(|(_, digest)| *digest).into_iter().collect()
            }
            None if self.met > self.ahead => vec![self.fixed.digest],
            None => std::iter::once(self.fixed.digest).chain(self.others.iter().copied()).collect(),
        };
        let omit = if around_signature && !child { Omit::Own } else { Omit::Nothing };
        let step = Step::Nodes(Method::new(self.fixed.canonicalization, false));
        let plan = |digest| Plan { omit, step: step.clone(), digest };
        Ok(digests.into_iter().map(plan).collect())
    }
}
