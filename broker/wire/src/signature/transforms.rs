//! What a reference names, and what becomes of it before it is digested.
//!
//! Transforms are a language in which a message could say anything; only this much of it is
//! understood, and everything else refused (XSLT first of all):
//!
//! 1. something is left out: nothing, the signature itself, or every signature;
//! 2. what is left becomes octets: by canonicalization, by decoding Base64, or, where it is a part
//!    and not XML, as it is.
//!
//! In this order, each step at most once. XPath is not evaluated. A few expressions that say the
//! same as step 1 are known by their text, whatever the prefix, and mapped to it:
//!
//! | transform | expression | leaves out |
//! |---|---|---|
//! | `enveloped-signature` | | the signature itself |
//! | XPath | `not(ancestor-or-self::ds:Signature)` | every signature |
//! | XPath | `count(ancestor-or-self::ds:Signature \| here()/ancestor::ds:Signature[1]) > count(ancestor-or-self::ds:Signature)` | the signature itself (XML Signature 1.1, 6.6.4) |
//! | XPath Filter 2, `subtract` | `here()/ancestor::ds:Signature[1]` | the signature itself |
//! | XPath Filter 2, `subtract` | `//ds:Signature`, `/descendant::ds:Signature` | every signature |
//!
//! They are sound here because all of them take out whole elements: what is left is a tree with
//! holes, the holes are known by their nodes, and nothing in a hole counts as signed.

use amtsbote_schemas::xml::{Position, StartTag};

use super::fault::SignatureFault;
use super::signed_info::{Children, DSIG, algorithm_of, invalid, not_allowed};
use super::tree::Element;
use crate::c14n::{Method, Mode, Scope};

/// The transform that leaves the signature itself out.
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// The transform that decodes Base64.
pub(super) const BASE64: &str = "http://www.w3.org/2000/09/xmldsig#base64";
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
/// The transform XPath Filter 2, and the namespace of its elements.
const FILTER2: &str = "http://www.w3.org/2002/06/xmldsig-filter2";
/// The namespace of `InclusiveNamespaces`.
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Most transforms of one reference.
const MAX_TRANSFORMS: usize = 4;
/// Most prefixes in one `PrefixList`.
const MAX_PREFIXES: usize = 64;

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The document that holds the signature.
    Document,
    /// The element of it with this identifier.
    Id(String),
    /// Something else, which the caller has or has not.
    Part(String),
}

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Omit {
    Nothing,
    Own,
    All,
}

/// How the rest becomes octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nodes(Method),
    Base64,
    /// As they are; parts only.
    Octets,
}

/// What a URI names, and whether comments belong to it (XML Signature 1.1, 4.4.3.3).
pub(super) fn named(tag: &StartTag) -> Result<(Named, bool), SignatureFault> {
    let place = tag.position;
    let Some(uri) = tag.attribute("URI") else {
        return invalid(place, "Reference: URI is missing");
    };
    let Some(fragment) = uri.strip_prefix('#') else {
        return match uri {
            "" => Ok((Named::Document, false)),
            uri => Ok((Named::Part(uri.to_owned()), true)),
        };
    };
    if fragment == "xpointer(/)" {
        return Ok((Named::Document, true));
    }
    let (id, comments) = match fragment.strip_prefix("xpointer(id(") {
        Some(rest) => (rest.strip_suffix("))").and_then(unquoted), true),
        None => (Some(fragment), false),
    };
    match id {
        Some(id) if is_plain_id(id) => Ok((Named::Id(id.to_owned()), comments)),
        _ => invalid(place, "Reference: after # stands an Id, xpointer(/) or xpointer(id('...'))"),
    }
}

/// Whether an Id can stand in a URI as it is.
pub(crate) fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && !id.contains(['(', ')', '#', '%', '\'', '"', ' '])
}

fn unquoted(text: &str) -> Option<&str> {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"'))
}

/// What the transforms of a reference do. `scope` is what the ancestors of `above` declared, and
/// `above` are the open elements from `SignedInfo` to the reference.
pub(super) fn transforms(
    transforms: Option<&Element>,
    named: &Named,
    comments: bool,
    scope: &Scope,
    above: &[&StartTag],
) -> Result<(Omit, Step), SignatureFault> {
    let (mut omit, mut step) = (Omit::Nothing, None);
    if let Some(transforms) = transforms {
        let mut children = Children::of(transforms, &[])?;
        let mut next = Some(children.next("Transform")?);
        let mut count = 0;
        while let Some(element) = next {
            let place = element.tag.position;
            count += 1;
            if count > MAX_TRANSFORMS {
                return Err(SignatureFault::Limit { place, limit: "transforms of a Reference" });
            }
            if step.is_some() {
                return not_allowed(place, "Transform: none after canonicalization or base64");
            }
            let left_out = match algorithm_of(element)? {
                ENVELOPED if element.children.is_empty() || element.is_blank() => Some(Omit::Own),
                ENVELOPED => return not_allowed(place, "enveloped-signature has no parameter"),
                XPATH => Some(xpath(element, scope, above, transforms)?),
                FILTER2 => Some(filter2(element, scope, above, transforms)?),
                BASE64 if element.is_blank() => {
                    step = Some(Step::Base64);
                    None
                }
                BASE64 => return not_allowed(place, "base64 has no parameter"),
                _ => {
                    let method = canonicalization(element)?;
                    let comments = method.comments && comments;
                    step = Some(Step::Nodes(Method { comments, ..method }));
                    None
                }
            };
            if let Some(left_out) = left_out {
                if matches!(named, Named::Part(_)) {
                    let rule = "Transform: nothing can be left out of a part";
                    return not_allowed(place, rule);
                }
                if left_out <= omit {
                    return not_allowed(place, "Transform: what is left out is said once");
                }
                omit = left_out;
            }
            next = children.optional("Transform");
        }
        children.end()?;
    }
    let step = step.unwrap_or_else(|| match named {
        Named::Part(_) => Step::Octets,
        // XML Signature 1.1, 4.4.3.2: nodes left at the end of the chain become octets by
        // Canonical XML 1.0 without comments.
        Named::Document | Named::Id(_) => Step::Nodes(Method::new(Mode::Inclusive, false)),
    });
    if step == Step::Base64 && (*named == Named::Document || omit != Omit::Nothing) {
        let place = transforms.map_or(Position::default(), |t| t.tag.position);
        return not_allowed(place, "base64: only over the text of one element, or over a part");
    }
    Ok((omit, step))
}

/// An XPath 1.0 filter, if it is one of those that are known.
fn xpath(
    transform: &Element,
    scope: &Scope,
    above: &[&StartTag],
    transforms: &Element,
) -> Result<Omit, SignatureFault> {
    let refused =
        || not_allowed(transform.tag.position, "XPath: not one of the few that are known");
    let Some((expression, element)) = only_child(transform, DSIG, "XPath") else {
        return refused();
    };
    let tags = [&transforms.tag, &transform.tag, &element.tag];
    let Some(prefix) = prefix(&expression) else { return refused() };
    if !is_dsig(prefix, scope, above, &tags) {
        return refused();
    }
    let signature = format!("{prefix}:Signature");
    let all = format!("not(ancestor-or-self::{signature})");
    let own = format!(
        "count(ancestor-or-self::{signature}|here()/ancestor::{signature}[1])\
         >count(ancestor-or-self::{signature})"
    );
    match expression {
        e if e == all => Ok(Omit::All),
        e if e == own => Ok(Omit::Own),
        _ => refused(),
    }
}

/// An XPath Filter 2, if it is one of those that are known.
fn filter2(
    transform: &Element,
    scope: &Scope,
    above: &[&StartTag],
    transforms: &Element,
) -> Result<Omit, SignatureFault> {
    let refused =
        || not_allowed(transform.tag.position, "XPath Filter 2: not one of the few that are known");
    let Some((expression, element)) = only_child(transform, FILTER2, "XPath") else {
        return refused();
    };
    let tags = [&transforms.tag, &transform.tag, &element.tag];
    let Some(prefix) = prefix(&expression) else { return refused() };
    let subtracts = element.tag.attribute("Filter") == Some("subtract");
    if !subtracts || !is_dsig(prefix, scope, above, &tags) {
        return refused();
    }
    let signature = format!("{prefix}:Signature");
    match expression {
        e if e == format!("here()/ancestor::{signature}[1]") => Ok(Omit::Own),
        e if e == format!("//{signature}") || e == format!("/descendant::{signature}") => {
            Ok(Omit::All)
        }
        _ => refused(),
    }
}

/// The text of the one child element, without its white space. None of the known expressions has
/// any that matters, and no other becomes one of them by losing its own.
fn only_child<'a>(
    transform: &'a Element,
    namespace: &str,
    local: &str,
) -> Option<(String, &'a Element)> {
    let mut elements = transform.elements();
    let element = elements.next().filter(|e| e.tag.is(namespace, local))?;
    if elements.next().is_some() || !transform.elements_only() {
        return None;
    }
    let mut text = element.text()?;
    text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    Some((text, element))
}

/// The prefix before the first `:Signature` of an expression.
fn prefix(expression: &str) -> Option<&str> {
    let before = &expression[..expression.find(":Signature")?];
    let from = before.rfind([':', '/']).map_or(0, |at| at + 1);
    Some(&before[from..]).filter(|prefix| !prefix.is_empty())
}

/// Whether a prefix stands for XML signatures in the innermost of `tags`.
fn is_dsig(prefix: &str, scope: &Scope, above: &[&StartTag], tags: &[&StartTag]) -> bool {
    let declared = above.iter().chain(tags).rev().find_map(|tag| {
        let own = tag.declarations.iter().find(|d| d.prefix == prefix);
        own.map(|declaration| declaration.uri.as_str())
    });
    declared.unwrap_or_else(|| scope.namespace(prefix)) == DSIG
}

/// A canonicalization method with its prefix list.
pub(super) fn canonicalization(element: &Element) -> Result<Method, SignatureFault> {
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
