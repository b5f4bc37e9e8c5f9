//! `SignedInfo`: what the signature says it signs, and how.

use amtsbote_schemas::xml::{Position, StartTag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{DigestAlgorithm, PssParameters, SignatureAlgorithm};
use super::fault::SignatureFault;
use super::profile::Allowed;
use super::transforms::{self, Named, Omit, Step, canonicalization};
use super::tree::Element;
use crate::c14n::{Method, Scope};

/// The namespace of XML signatures.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// The namespace of the parameters of RSASSA-PSS (RFC 9231, 2.3.9).
const PSS: &str = "http://www.w3.org/2007/05/xmldsig-more#";
const RSA_PSS: &str = "http://www.w3.org/2007/05/xmldsig-more#rsa-pss";
const MGF1: &str = "http://www.w3.org/2007/05/xmldsig-more#MGF1";
/// Fewest and most octets of a salt: some producers take the longest that the key has room for.
const SALT: std::ops::RangeInclusive<u16> = 16..=1024;

/// A `SignedInfo` that follows the rules and uses known algorithms only.
#[derive(Debug)]
pub(super) struct SignedInfo {
    pub(super) canonicalization: Method,
    pub(super) algorithm: SignatureAlgorithm,
    /// For RSASSA-PSS named with its parameters.
    pub(super) pss: Option<PssParameters>,
    pub(super) references: Vec<Reference>,
    place: Position,
    algorithm_place: Position,
}

/// One `Reference`.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) place: Position,
    pub(super) named: Named,
    pub(super) omit: Omit,
    pub(super) step: Step,
    pub(super) digest: DigestAlgorithm,
    pub(super) value: Vec<u8>,
}

pub(super) fn invalid<T>(place: Position, rule: &'static str) -> Result<T, SignatureFault> {
    Err(SignatureFault::Invalid { place, rule })
}

pub(super) fn not_allowed<T>(place: Position, rule: &'static str) -> Result<T, SignatureFault> {
    Err(SignatureFault::AlgorithmNotAllowed { place: Some(place), rule })
}

impl SignedInfo {
    /// Reads it; `scope` is what its ancestors declared.
    pub(super) fn parse(element: &Element, scope: &Scope) -> Result<Self, SignatureFault> {
        let mut children = Children::of(element, &["Id"])?;
        let c14n = children.next("CanonicalizationMethod")?;
        let canonicalization = canonicalization(c14n)?;
        let method = children.next("SignatureMethod")?;
        let (algorithm, pss) = signature_method(method)?;
        let reference = |child| Reference::parse(child, scope, &element.tag);
        let mut references = vec![reference(children.next("Reference")?)?];
        while let Some(child) = children.optional("Reference") {
            references.push(reference(child)?);
        }
        children.end()?;
        Ok(Self {
            canonicalization,
            algorithm,
            pss,
            references,
            place: element.tag.position,
            algorithm_place: method.tag.position,
        })
    }

    /// Compares with what policy allows.
    pub(super) fn check(&self, allowed: &Allowed) -> Result<(), SignatureFault> {
        let mask = self.pss.map(|pss| pss.mask);
        if !allowed.signatures.contains(&self.algorithm)
            || mask.is_some_and(|mask| !allowed.digests.contains(&mask))
        {
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
            if let Step::Nodes(method) = &reference.step
                && !allowed.canonicalizes(method)
            {
                return not_allowed(reference.place, "Transform: not in this profile");
            }
        }
        Ok(())
    }
}

impl Reference {
    fn parse(
        element: &Element,
        scope: &Scope,
        signed_info: &StartTag,
    ) -> Result<Self, SignatureFault> {
        let place = element.tag.position;
        let mut children = Children::of(element, &["Id", "URI", "Type"])?;
        let (named, comments) = transforms::named(&element.tag)?;
        let chain = children.optional("Transforms");
        let above = [signed_info, &element.tag];
        let (omit, step) = transforms::transforms(chain, &named, comments, scope, &above)?;
        let digest = digest_method(children.next("DigestMethod")?)?;
        let value = octets(children.next("DigestValue")?)?;
        children.end()?;
        Ok(Self { place, named, omit, step, digest, value })
    }
}

/// A `DigestMethod`, which has no parameters.
pub(super) fn digest_method(element: &Element) -> Result<DigestAlgorithm, SignatureFault> {
    let algorithm = DigestAlgorithm::from_uri(algorithm_of(element)?);
    match algorithm.filter(|_| element.elements().next().is_none()) {
        Some(algorithm) => Ok(algorithm),
        None => not_allowed(element.tag.position, "DigestMethod: not on the list"),
    }
}

/// The algorithm of the signature, with the parameters of RSASSA-PSS where they are spelt out.
fn signature_method(
    method: &Element,
) -> Result<(SignatureAlgorithm, Option<PssParameters>), SignatureFault> {
    let uri = algorithm_of(method)?;
    if uri == RSA_PSS {
        return pss_parameters(method).map(|(algorithm, pss)| (algorithm, Some(pss)));
    }
    // Above all no HMACOutputLength.
    match SignatureAlgorithm::from_uri(uri).filter(|_| method.is_blank()) {
        Some(algorithm) => Ok((algorithm, None)),
        None => not_allowed(method.tag.position, "SignatureMethod: not on the list"),
    }
}

/// RFC 9231, 2.3.9. What is left out has its default: SHA-256, MGF1 with SHA-256, a salt as long as
/// the digest.
fn pss_parameters(method: &Element) -> Result<(SignatureAlgorithm, PssParameters), SignatureFault> {
    let place = method.tag.position;
    fn wrong<T>(place: Position) -> Result<T, SignatureFault> {
        not_allowed(place, "SignatureMethod: parameters of RSASSA-PSS not on the list")
    }
    let mut digest = DigestAlgorithm::Sha256;
    let mut mask = DigestAlgorithm::Sha256;
    let mut salt = None;
    let mut parameters = method.elements();
    if let Some(list) = parameters.next() {
        if !list.tag.is(PSS, "RSAPSSParams") || !list.elements_only() || !method.elements_only() {
            return wrong(place);
        }
        // In the order of the schema, each at most once.
        let mut stage = 0;
        for element in list.elements() {
            let (next, known) = match (element.tag.namespace.as_str(), element.tag.local.as_str()) {
                (DSIG, "DigestMethod") => (1, true),
                (PSS, "MaskGenerationFunction") => (2, true),
                (PSS, "SaltLength") => (3, true),
                (PSS, "TrailerField") => (4, true),
                _ => (0, false),
            };
            if !known || next <= stage {
                return wrong(place);
            }
            stage = next;
            let number = || element.text().and_then(|text| text.trim().parse::<u16>().ok());
            match next {
                1 => digest = digest_method(element)?,
                2 => {
                    let mut inner = element.elements();
                    let own = inner.next();
                    if algorithm_of(element)? != MGF1
                        || inner.next().is_some()
                        || !element.elements_only()
                        || own.is_some_and(|own| !own.tag.is(DSIG, "DigestMethod"))
                    {
                        return wrong(place);
                    }
                    mask = own.map_or(Ok(DigestAlgorithm::Sha256), digest_method)?;
                }
                3 => {
                    salt = Some(
                        number().filter(|n| SALT.contains(n)).map_or_else(|| wrong(place), Ok)?,
                    )
                }
                _ if number() == Some(1) => {}
                _ => return wrong(place),
            }
        }
    }
    let Some(algorithm) = SignatureAlgorithm::pss(digest).filter(|_| parameters.next().is_none())
    else {
        return wrong(place);
    };
    let salt = salt.unwrap_or(PssParameters::of(digest).salt);
    Ok((algorithm, PssParameters { mask, salt }))
}

pub(super) fn algorithm_of(element: &Element) -> Result<&str, SignatureFault> {
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

    pub(super) fn optional(&mut self, local: &str) -> Option<&'a Element> {
        let next = self.rest.last()?.tag.is(DSIG, local);
        if next { self.rest.pop() } else { None }
    }

    pub(super) fn next(&mut self, local: &'static str) -> Result<&'a Element, SignatureFault> {
        match self.optional(local) {
            Some(element) => Ok(element),
            None => invalid(self.parent, missing(local)),
        }
    }

    pub(super) fn end(self) -> Result<(), SignatureFault> {
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
