//! `SignedInfo`: what the signature says it signs, and how.

use amtsbote_schemas::xml::{Position, StartTag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use super::fault::SignatureFault;
use super::profile::Allowed;
use super::tree::Element;
use crate::c14n::{Apex, Method, Mode};

/// The namespace of XML signatures.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// The transform that leaves the signature itself out.
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// The namespace of `InclusiveNamespaces`.
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// Most prefixes in one `PrefixList`.
const MAX_PREFIXES: usize = 64;

/// A `SignedInfo` that follows the rules and uses known algorithms only.
#[derive(Debug)]
pub(super) struct SignedInfo {
    pub(super) canonicalization: Method,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) references: Vec<Reference>,
    place: Position,
    algorithm_place: Position,
}

/// One `Reference`.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) place: Position,
    /// [`Apex::Document`] or [`Apex::Id`].
    pub(super) target: Apex,
    pub(super) enveloped: bool,
    pub(super) method: Method,
    pub(super) digest: DigestAlgorithm,
    pub(super) value: Vec<u8>,
}

pub(super) fn invalid<T>(place: Position, rule: &'static str) -> Result<T, SignatureFault> {
    Err(SignatureFault::Invalid { place, rule })
}

fn not_allowed<T>(place: Position, rule: &'static str) -> Result<T, SignatureFault> {
    Err(SignatureFault::AlgorithmNotAllowed { place: Some(place), rule })
}

impl SignedInfo {
    pub(super) fn parse(element: &Element) -> Result<Self, SignatureFault> {
        let mut children = Children::of(element, &["Id"])?;
        let c14n = children.next("CanonicalizationMethod")?;
        let canonicalization = canonicalization(c14n)?;
        let method = children.next("SignatureMethod")?;
        let algorithm = SignatureAlgorithm::from_uri(algorithm_of(method)?);
        let Some(algorithm) = algorithm.filter(|_| method.elements().next().is_none()) else {
            return not_allowed(method.tag.position, "SignatureMethod: not on the list");
        };
        let mut references = vec![Reference::parse(children.next("Reference")?)?];
        while let Some(child) = children.optional("Reference") {
            references.push(Reference::parse(child)?);
        }
        children.end()?;
        Ok(Self {
            canonicalization,
            algorithm,
            references,
            place: element.tag.position,
            algorithm_place: method.tag.position,
        })
    }

    /// Compares with what policy allows.
    pub(super) fn check(&self, allowed: &Allowed) -> Result<(), SignatureFault> {
        if !allowed.signatures.contains(&self.algorithm) {
            return not_allowed(self.algorithm_place, "SignatureMethod: not in this profile");
        }
        if !allowed.canonicalizes(&self.canonicalization) {
            return not_allowed(self.place, "CanonicalizationMethod: not in this profile");
        }
        if self.references.len() > allowed.max_references {
            return Err(SignatureFault::Limit {
                place: self.place,
                limit: "references of a signature",
            });
        }
        for reference in &self.references {
            if !allowed.digests.contains(&reference.digest) {
                return not_allowed(reference.place, "DigestMethod: not in this profile");
            }
            if !allowed.canonicalizes(&reference.method) {
                return not_allowed(reference.place, "Transform: not in this profile");
            }
        }
        Ok(())
    }
}

impl Reference {
    fn parse(element: &Element) -> Result<Self, SignatureFault> {
        let place = element.tag.position;
        let mut children = Children::of(element, &["Id", "URI", "Type"])?;
        let target = target(&element.tag)?;
        let transforms = children.optional("Transforms");
        let (enveloped, method) = match transforms {
            Some(transforms) => transforms_of(transforms)?,
            None => (false, None),
        };
        let digest = children.next("DigestMethod")?;
        let Some(algorithm) = DigestAlgorithm::from_uri(algorithm_of(digest)?)
            .filter(|_| digest.elements().next().is_none())
        else {
            return not_allowed(digest.tag.position, "DigestMethod: not on the list");
        };
        let value = octets(children.next("DigestValue")?)?;
        children.end()?;
        // XML Signature 1.1, 4.4.3.2: nodes left at the end of the chain become octets by
        // Canonical XML 1.0 without comments.
        let method = method.unwrap_or(Method::new(Mode::Inclusive, false));
        Ok(Self { place, target, enveloped, method, digest: algorithm, value })
    }
}

/// What a reference points at: the document or one element of it, never anything outside.
fn target(tag: &StartTag) -> Result<Apex, SignatureFault> {
    match tag.attribute("URI") {
        Some("") => Ok(Apex::Document),
        Some(uri) => match uri.strip_prefix('#') {
            Some(id) if !id.is_empty() && !id.contains(['(', '#', '%']) => {
                Ok(Apex::Id(id.to_owned()))
            }
            _ => invalid(tag.position, "Reference: URI must be empty or # and an Id"),
        },
        None => invalid(tag.position, "Reference: URI is missing"),
    }
}

/// Whether the signature is left out, and how the rest is canonicalised. In this order, each at
/// most once: anything else has no meaning here.
fn transforms_of(transforms: &Element) -> Result<(bool, Option<Method>), SignatureFault> {
    let mut children = Children::of(transforms, &[])?;
    let mut transform = Some(children.next("Transform")?);
    let mut enveloped = false;
    let mut method = None;
    while let Some(element) = transform {
        let uri = algorithm_of(element)?;
        if method.is_some() {
            return not_allowed(element.tag.position, "Transform: none after canonicalization");
        } else if uri == ENVELOPED {
            if enveloped || element.elements().next().is_some() {
                return not_allowed(element.tag.position, "Transform: enveloped-signature, once");
            }
            enveloped = true;
        } else {
            // The comments of a same-document reference are never part of it (XML Signature
            // 1.1, 4.4.3.3), whatever the transform would do with them.
            method = Some(Method { comments: false, ..canonicalization(element)? });
        }
        transform = children.optional("Transform");
    }
    children.end()?;
    Ok((enveloped, method))
}

/// A canonicalization method with its prefix list.
fn canonicalization(element: &Element) -> Result<Method, SignatureFault> {
    let place = element.tag.position;
    let Some(method) = Method::from_uri(algorithm_of(element)?) else {
        return not_allowed(place, "canonicalization or transform: not on the list");
    };
    let mut children = element.elements();
    let method = match children.next() {
        None => method,
        Some(child)
            if method.mode == Mode::Exclusive
                && child.tag.is(EXC_C14N, "InclusiveNamespaces")
                && child.children.is_empty() =>
        {
            method.with_prefix_list(child.tag.attribute("PrefixList").unwrap_or_default())
        }
        Some(_) => return not_allowed(place, "canonicalization or transform: unknown parameter"),
    };
    if children.next().is_some() || !element.elements_only() {
        return not_allowed(place, "canonicalization or transform: unknown parameter");
    }
    if method.prefix_list.len() > MAX_PREFIXES {
        return Err(SignatureFault::Limit { place, limit: "prefixes of a PrefixList" });
    }
    Ok(method)
}

fn algorithm_of(element: &Element) -> Result<&str, SignatureFault> {
    match element.tag.attributes.as_slice() {
        [a] if a.local == "Algorithm" && a.namespace.is_empty() => Ok(&a.value),
        _ => invalid(element.tag.position, "the one attribute here is Algorithm"),
    }
}

/// The octets that an element holds as Base64; white space is of no account.
pub(super) fn octets(element: &Element) -> Result<Vec<u8>, SignatureFault> {
    let place = element.tag.position;
    let Some(mut text) = element.text() else {
        return invalid(place, "Base64 text must stand here");
    };
    text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    match STANDARD.decode(text) {
        Ok(octets) if !octets.is_empty() => Ok(octets),
        _ => invalid(place, "Base64 text must stand here"),
    }
}

/// The child elements of an element in the order that the schema demands.
pub(super) struct Children<'a> {
    parent: Position,
    rest: Vec<&'a Element>,
}

impl<'a> Children<'a> {
    pub(super) fn of(element: &'a Element, attributes: &[&str]) -> Result<Self, SignatureFault> {
        let parent = element.tag.position;
        if !element.elements_only() {
            return invalid(parent, "text between the elements of a signature");
        }
        let known = |local: &str| attributes.contains(&local);
        if !element.tag.attributes.iter().all(|a| a.namespace.is_empty() && known(&a.local)) {
            return invalid(parent, "unknown attribute in a signature");
        }
        let mut rest: Vec<_> = element.elements().collect();
        rest.reverse();
        Ok(Self { parent, rest })
    }

    fn optional(&mut self, local: &str) -> Option<&'a Element> {
        let next = self.rest.last()?.tag.is(DSIG, local);
        if next { self.rest.pop() } else { None }
    }

    fn next(&mut self, local: &'static str) -> Result<&'a Element, SignatureFault> {
        match self.optional(local) {
            Some(element) => Ok(element),
            None => invalid(self.parent, missing(local)),
        }
    }

    fn end(self) -> Result<(), SignatureFault> {
        match self.rest.last() {
            None => Ok(()),
            Some(element) => invalid(element.tag.position, "unknown element in SignedInfo"),
        }
    }
}

fn missing(local: &'static str) -> &'static str {
    match local {
        "CanonicalizationMethod" => "SignedInfo begins with CanonicalizationMethod",
        "SignatureMethod" => "SignatureMethod follows CanonicalizationMethod",
        "Reference" => "SignedInfo has at least one Reference",
        "Transform" => "Transforms has at least one Transform",
        "DigestMethod" => "Reference has a DigestMethod",
        _ => "Reference has a DigestValue",
    }
}
