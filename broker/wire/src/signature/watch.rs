//! Where the elements are that a profile wants covered, and whether a signature covers them.

use amtsbote_schemas::xml::{NodeNumber, Position, StartTag};

use super::checked::without;
use super::fault::SignatureFault;
use super::profile::{Name, PathMatch, Profile};
use super::scan::Found;
use super::verification::Verification;
use crate::c14n::{Interval, identifiers};

/// Most elements that the paths of one profile may name in one document.
const MAX_WATCHED: usize = 10_000;

/// The paths of a profile, followed while the document is read.
#[derive(Default)]
pub(super) struct Watches {
    paths: Vec<Watch>,
    /// Elements met.
    met: usize,
    /// Nothing else may be covered.
    only: bool,
}

/// The elements at one path that a profile names, or their children.
struct Watch {
    names: &'static [Name],
    path: PathMatch,
    children: bool,
    open: Option<NodeNumber>,
    elements: Vec<Interval>,
}

impl Watches {
    pub(super) fn of(profile: &Profile<'_>) -> Self {
        let watch = |names: &'static [Name], children| Watch {
            names,
            path: PathMatch::new(names),
            children,
            open: None,
            elements: Vec::new(),
        };
        let whole = profile.must_cover.iter().map(|path| watch(path, false));
        let children = profile.must_cover_children.iter().map(|path| watch(path, true));
        Self { paths: whole.chain(children).collect(), met: 0, only: profile.only }
    }

    /// Enters an element. If it must be covered: by which path, and whether as a child of what
    /// stands there.
    pub(super) fn start(
        &mut self,
        tag: &StartTag,
    ) -> Result<Option<(&'static [Name], bool)>, SignatureFault> {
        let mut wanted = None;
        for watch in &mut self.paths {
            let at_end = watch.path.start(tag);
            let wants = match watch.children {
                false => at_end,
                true => watch.path.is_parent_of(tag) && identifiers(tag).next().is_some(),
            };
            if wants {
                watch.open = Some(tag.node);
                self.met += 1;
                wanted = Some((watch.names, watch.children));
            }
        }
        if self.met > MAX_WATCHED {
            let limit = "elements that must be covered";
            return Err(SignatureFault::Limit { place: tag.position, limit });
        }
        Ok(wanted)
    }

    /// Leaves an element of which `last` is the last node.
    pub(super) fn end(&mut self, tag: &StartTag, last: NodeNumber) {
        for watch in &mut self.paths {
            let child = watch.children && watch.path.is_parent_of(tag);
            let at_end = watch.path.end(tag) && !watch.children;
            if (child || at_end)
                && let Some(first) = watch.open.take()
            {
                watch.elements.push((first, last));
            }
        }
    }

    /// Whether each reference into the document names one of the elements, as a whole and alone.
    fn nothing_else(
        &self,
        place: Option<Position>,
        verification: &Verification,
    ) -> Result<(), SignatureFault> {
        let mut left: Vec<Interval> =
            self.paths.iter().flat_map(|watch| watch.elements.iter().copied()).collect();
        for covered in verification.nodes() {
            let whole = !covered.text_only && !covered.without_signature;
            let Some(n) = left.iter().position(|element| whole && *element == covered.nodes) else {
                let rule =
                    "a Reference names something that is not to be signed, or names it twice";
                return Err(SignatureFault::Coverage { place, rule });
            };
            left.swap_remove(n);
        }
        Ok(())
    }

    /// Whether everything at the paths is covered.
    pub(super) fn judge(
        self,
        found: &Found,
        verification: &Verification,
    ) -> Result<(), SignatureFault> {
        let place = Some(found.position);
        if self.only {
            self.nothing_else(place, verification)?;
        }
        for watch in self.paths {
            if watch.elements.is_empty() && !watch.children {
                let rule = "an element that must be signed is missing";
                return Err(SignatureFault::Coverage { place, rule });
            }
            for element in watch.elements {
                let signature = (found.node, found.last);
                let inside = element.0 <= found.node && found.last <= element.1;
                if inside && watch.children {
                    continue;
                }
                let hole = inside.then_some(signature);
                if !without(element, hole.as_slice()).all(|stretch| verification.covers(stretch)) {
                    let rule = "an element that must be signed is not, or not as a whole";
                    return Err(SignatureFault::Coverage { place, rule });
                }
            }
        }
        Ok(())
    }
}
