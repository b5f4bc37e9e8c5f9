//! Making signatures: exclusive canonicalization, SHA-256, the signer's certificate in `KeyInfo`.

use std::fmt::Write;

use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, NodeNumber, StartTag, drive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::Sha256;

use super::algorithm::DigestAlgorithm;
use super::signed_info::{DSIG, ENVELOPED, EXC_C14N};
use super::signer::{SignError, Signer};
use crate::c14n::{Apex, Canonicalizer, Method, Output};

/// Where the signature is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// As the last child of the root element.
    LastInRoot,
    /// As the last child of the one element at this path of namespaces and local names.
    LastIn(Vec<(String, String)>),
}

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The identifier of an element; none for the whole document.
    pub id: Option<String>,
    /// Prefixes to treat as in Canonical XML; the empty one is `#default`.
    pub prefix_list: Vec<String>,
}

impl Target {
    /// The whole document but for the signature.
    pub const DOCUMENT: Self = Self { id: None, prefix_list: Vec::new() };
}

/// Signs the whole document; the signature is put at `place`. Nothing else in it changes.
pub fn sign_enveloped(
    document: &[u8],
    signer: &dyn Signer,
    place: &Place,
) -> Result<Vec<u8>, SignError> {
    sign(document, signer, place, &[Target::DOCUMENT])
}

/// Signs all of `targets`; the signature is put at `place` and left out where it lies in a target.
pub fn sign(
    document: &[u8],
    signer: &dyn Signer,
    place: &Place,
    targets: &[Target],
) -> Result<Vec<u8>, SignError> {
    let mut survey = Survey::new(place, targets);
    drive(document, &Limits::default(), &mut survey).map_err(|error| match error {
        DriveError::Xml(error) => SignError::Document(error.to_string()),
        DriveError::Sink(rule) => SignError::Document(rule.to_owned()),
    })?;
    let site = survey.site.ok_or_else(|| no("no element at the place for the signature"))?;
    let mut references = String::new();
    for digested in survey.targets {
        references.push_str(&digested.reference(site.node)?);
    }
    let signature = signature(&references, signer)?;
    let (before, after) = document.split_at(site.offset);
    let mut signed = Vec::with_capacity(document.len() + signature.len() + 64);
    signed.extend_from_slice(before);
    match after.strip_prefix(b"/>") {
        None => {
            signed.extend_from_slice(signature.as_bytes());
            signed.extend_from_slice(after);
        }
        // An empty-element tag makes room; its canonical form is the same.
        Some(rest) => {
            signed.extend_from_slice(format!(">{signature}</{}>", site.name).as_bytes());
            signed.extend_from_slice(rest);
        }
    }
    Ok(signed)
}

/// The element `Signature`, in canonical form.
pub(super) fn signature(references: &str, signer: &dyn Signer) -> Result<String, SignError> {
    let inner = format!(
        "<CanonicalizationMethod Algorithm=\"{}\"></CanonicalizationMethod>\
         <SignatureMethod Algorithm=\"{}\"></SignatureMethod>{references}</SignedInfo>",
        Method::EXCLUSIVE.uri(),
        signer.algorithm().uri(),
    );
    // Taken out of the signature, SignedInfo declares the namespace itself.
    let value = signer.sign(format!("<SignedInfo xmlns=\"{DSIG}\">{inner}").as_bytes())?;
    Ok(format!(
        "<Signature xmlns=\"{DSIG}\"><SignedInfo>{inner}\
         <SignatureValue>{}</SignatureValue><KeyInfo><X509Data><X509Certificate>{}\
         </X509Certificate></X509Data></KeyInfo></Signature>",
        STANDARD.encode(value),
        STANDARD.encode(signer.certificate_der()),
    ))
}

/// A `Reference`, in canonical form.
pub(super) fn reference(
    id: Option<&str>,
    enveloped: bool,
    prefix_list: &[String],
    digest: &[u8],
) -> String {
    let mut text = match id {
        None => "<Reference URI=\"\"><Transforms>".to_owned(),
        Some(id) => format!("<Reference URI=\"#{}\"><Transforms>", quoted(id)),
    };
    // Writing to a String cannot fail.
    if enveloped {
        let _ = write!(text, "<Transform Algorithm=\"{ENVELOPED}\"></Transform>");
    }
    let _ = write!(text, "<Transform Algorithm=\"{}\">", Method::EXCLUSIVE.uri());
    if !prefix_list.is_empty() {
        let names: Vec<&str> =
            prefix_list.iter().map(|p| if p.is_empty() { "#default" } else { p }).collect();
        let _ = write!(
            text,
            "<InclusiveNamespaces xmlns=\"{EXC_C14N}\" PrefixList=\"{}\"></InclusiveNamespaces>",
            quoted(&names.join(" "))
        );
    }
    let _ = write!(
        text,
        "</Transform></Transforms><DigestMethod Algorithm=\"{}\"></DigestMethod>\
         <DigestValue>{}</DigestValue></Reference>",
        DigestAlgorithm::Sha256.uri(),
        STANDARD.encode(digest),
    );
    text
}

fn quoted(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn no(rule: &str) -> SignError {
    SignError::Document(rule.to_owned())
}

/// A hasher that canonical octets go to.
#[derive(Clone)]
pub(super) struct Sha(pub(super) Sha256);

impl Output for Sha {
    fn write(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }
}

/// Digests the targets of a document that is not signed yet, and finds the site.
struct Survey<'a> {
    place: &'a Place,
    targets: Vec<Digested<'a>>,
    /// Namespace and local name of the open elements.
    path: Vec<(String, String)>,
    site: Option<Site>,
}

struct Digested<'a> {
    target: &'a Target,
    canonicalizer: Canonicalizer<Sha>,
}

/// Where the signature goes.
struct Site {
    node: NodeNumber,
    name: String,
    /// Octets before it; what follows is the end tag, or the `/>` of an empty-element tag.
    offset: usize,
}

impl<'a> Survey<'a> {
    fn new(place: &'a Place, targets: &'a [Target]) -> Self {
        let digested = |target: &'a Target| {
            let mut method = Method::EXCLUSIVE;
            method.prefix_list.clone_from(&target.prefix_list);
            let apex = target.id.clone().map_or(Apex::Document, Apex::Id);
            let canonicalizer = Canonicalizer::new(method, apex, Sha(Sha256::new()));
            Digested { target, canonicalizer }
        };
        Self {
            place,
            targets: targets.iter().map(digested).collect(),
            path: Vec::new(),
            site: None,
        }
    }

    fn is_place(&self) -> bool {
        match self.place {
            Place::LastInRoot => self.path.len() == 1,
            Place::LastIn(path) => self.path == *path,
        }
    }

    fn end(&mut self, tag: &StartTag, offset: u64) -> Result<(), &'static str> {
        if self.is_place() {
            let offset = offset as usize;
            let name = match tag.prefix.as_str() {
                "" => tag.local.clone(),
                prefix => format!("{prefix}:{}", tag.local),
            };
            if self.site.replace(Site { node: tag.node, name, offset }).is_some() {
                return Err("several elements at the place for the signature");
            }
        }
        self.path.pop();
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
            Event::Start(tag) => self.path.push((tag.namespace.clone(), tag.local.clone())),
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
    fn reference(self, parent: NodeNumber) -> Result<String, SignError> {
        let Some((first, last)) = self.canonicalizer.covered() else {
            return Err(no("no element has the Id to sign"));
        };
        if self.canonicalizer.matches() != 1 {
            return Err(no("the Id to sign must belong to exactly one element"));
        }
        let digest = self.canonicalizer.finish().0.finish();
        let enveloped = self.target.id.is_none() || (first <= parent && parent <= last);
        let Target { id, prefix_list } = self.target;
        Ok(reference(id.as_deref(), enveloped, prefix_list, &digest))
    }
}

/// The signature over a whole document given in canonical form, without declaration, in pieces
/// between which the signature will stand.
pub(crate) fn enveloped_signature(
    canonical: &[&[u8]],
    signer: &dyn Signer,
) -> Result<String, SignError> {
    let mut hasher = Sha256::new();
    canonical.iter().for_each(|piece| hasher.update(piece));
    signature(&reference(None, true, &[], &hasher.finish()), signer)
}
