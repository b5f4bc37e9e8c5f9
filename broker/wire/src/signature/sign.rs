//! Making signatures. What is written is canonical already, so the same document, key and options
//! give the same octets, but for the value of algorithms that draw lots (ECDSA, RSASSA-PSS).

use std::fmt::Write;

use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, drive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::DigestAlgorithm;
use super::fault::SignatureFault;
use super::hasher::Hasher;
use super::key_info_form::KeyInfoForm;
use super::parts::{self, NoDigest, NoParts, Parts};
use super::signed_info::DSIG;
use super::signer::{SignError, Signer};
use super::survey::Survey;
use super::transforms::{BASE64, ENVELOPED, EXC_C14N, Step, is_plain_id};
use super::tree::{Builder, Element};
use crate::c14n::{Method, Mode, Scope};

/// Where the signature is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// As the last child of the root element.
    LastInRoot,
    /// As the last child of the one element at this path of namespaces and local names.
    LastIn(Vec<(String, String)>),
}

/// What a reference names inside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The identifier of an element; none for the whole document.
    pub id: Option<String>,
    /// Prefixes to treat as in Canonical XML; the empty one is `#default`. Exclusive only.
    pub prefix_list: Vec<String>,
}

impl Target {
    /// The whole document but for the signature.
    pub const DOCUMENT: Self = Self { id: None, prefix_list: Vec::new() };
}

/// What a reference names outside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTarget {
    /// Its URI: `cid:...`, or the name of something detached.
    pub uri: String,
    /// The part is Base64 text, and what that stands for is signed.
    pub base64: bool,
}

/// How a signature is built.
#[derive(Clone)]
pub struct Signing<'a> {
    /// For `SignedInfo` and for what is signed in the document; without comments.
    pub canonicalization: Mode,
    /// For what is signed; no legacy one.
    pub digest: DigestAlgorithm,
    /// How it points at its certificate.
    pub key_info: KeyInfoForm,
    /// What is signed outside the document.
    pub part_targets: &'a [PartTarget],
    /// Where that is found.
    pub parts: &'a dyn Parts,
}

impl Default for Signing<'_> {
    /// Exclusive canonicalization, SHA-256, the certificate in `KeyInfo`, no parts.
    fn default() -> Self {
        Self {
            canonicalization: Mode::Exclusive,
            digest: DigestAlgorithm::Sha256,
            key_info: KeyInfoForm::Certificate,
            part_targets: &[],
            parts: &NoParts,
        }
    }
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
    sign_with(document, signer, place, targets, &Signing::default())
}

/// The same, built as `signing` says.
pub fn sign_with(
    document: &[u8],
    signer: &dyn Signer,
    place: &Place,
    targets: &[Target],
    signing: &Signing<'_>,
) -> Result<Vec<u8>, SignError> {
    if signing.digest.is_legacy() || signer.algorithm().is_legacy() {
        return Err(SignError::UnsuitableAlgorithm);
    }
    if targets.is_empty() && signing.part_targets.is_empty() {
        return Err(no("there is nothing to sign"));
    }
    for target in targets {
        if target.id.as_deref().is_some_and(|id| !is_plain_id(id)) {
            return Err(no("an Id to sign has characters that a URI must not have"));
        }
        if signing.canonicalization != Mode::Exclusive && !target.prefix_list.is_empty() {
            return Err(no("a prefix list goes with exclusive canonicalization only"));
        }
    }
    let mut survey = Survey::new(place, targets, signing);
    drive(document, &Limits::default(), &mut survey).map_err(|error| match error {
        DriveError::Xml(error) => SignError::Document(error.to_string()),
        DriveError::Sink(rule) => SignError::Document(rule.to_owned()),
    })?;
    let site = survey.site.ok_or_else(|| no("no element at the place for the signature"))?;
    let mut references = String::new();
    for digested in survey.targets {
        references.push_str(&digested.reference(site.node, signing)?);
    }
    for part in signing.part_targets {
        references.push_str(&part_reference(part, signing)?);
    }
    let signature = signature(&references, signer, signing, site.scope)?;
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

/// The element `Signature`, in canonical form. `scope` is what is declared where it will stand.
fn signature(
    references: &str,
    signer: &dyn Signer,
    signing: &Signing<'_>,
    scope: Scope,
) -> Result<String, SignError> {
    let method = Method::new(signing.canonicalization, false);
    let inner = format!(
        "<CanonicalizationMethod Algorithm=\"{}\"></CanonicalizationMethod>\
         <SignatureMethod Algorithm=\"{}\"></SignatureMethod>{references}</SignedInfo>",
        method.uri(),
        signer.algorithm().uri(),
    );
    let value = if signing.canonicalization == Mode::Exclusive {
        // Taken out of the signature, SignedInfo declares the namespace itself.
        signer.sign(format!("<SignedInfo xmlns=\"{DSIG}\">{inner}").as_bytes())?
    } else {
        signer.sign(&in_scope(&inner, scope, method)?)?
    };
    Ok(format!(
        "<Signature xmlns=\"{DSIG}\"><SignedInfo>{inner}\
         <SignatureValue>{}</SignatureValue>{}</Signature>",
        STANDARD.encode(value),
        signing.key_info.element(signer.certificate_der())?,
    ))
}

/// The canonical form of `SignedInfo` with all that is in scope.
fn in_scope(inner: &str, mut scope: Scope, method: Method) -> Result<Vec<u8>, SignError> {
    let text = format!("<Signature xmlns=\"{DSIG}\"><SignedInfo>{inner}</Signature>");
    let mut part = SignedInfoTree { scope: &mut scope, builder: None, element: None };
    drive(text.as_bytes(), &Limits::default(), &mut part)
        .map_err(|_| no("the references are too many, or too long"))?;
    let element = part.element.ok_or_else(|| no("the references are too many, or too long"))?;
    Ok(element.canonical(scope, method))
}

/// Takes `SignedInfo` out of a signature.
struct SignedInfoTree<'a> {
    scope: &'a mut Scope,
    builder: Option<Builder>,
    element: Option<Element>,
}

impl EventSink for SignedInfoTree<'_> {
    type Error = ();

    fn event(&mut self, event: &Event<'_>) -> Result<(), ()> {
        match *event {
            Event::Start(tag) if tag.depth == 1 => self.scope.open(tag),
            Event::Start(tag) => match &mut self.builder {
                None => self.builder = Some(Builder::new(tag).map_err(|_| ())?),
                Some(builder) => builder.start(tag).map_err(|_| ())?,
            },
            Event::Text(_, text, _) => {
                if let Some(builder) = &mut self.builder {
                    builder.text(text).map_err(|_| ())?;
                }
            }
            Event::End(..) => {
                if let Some(element) = self.builder.as_mut().and_then(Builder::end) {
                    self.element = Some(element);
                    self.builder = None;
                }
            }
            Event::Comment(..) | Event::ProcessingInstruction(..) | Event::EndOfDocument => {}
        }
        Ok(())
    }
}

/// A `Reference`, in canonical form, with these elements `Transform`.
fn reference(uri: &str, transforms: &str, algorithm: DigestAlgorithm, digest: &[u8]) -> String {
    let transforms = if transforms.is_empty() {
        String::new()
    } else {
        format!("<Transforms>{transforms}</Transforms>")
    };
    format!(
        "<Reference URI=\"{}\">{transforms}<DigestMethod Algorithm=\"{}\"></DigestMethod>\
         <DigestValue>{}</DigestValue></Reference>",
        quoted(uri),
        algorithm.uri(),
        STANDARD.encode(digest),
    )
}

/// A `Reference` into the document.
pub(super) fn reference_to(
    id: Option<&str>,
    enveloped: bool,
    method: &Method,
    algorithm: DigestAlgorithm,
    digest: &[u8],
) -> String {
    let uri = id.map_or_else(String::new, |id| format!("#{id}"));
    let mut transforms = String::new();
    // Writing to a String cannot fail.
    if enveloped {
        let _ = write!(transforms, "<Transform Algorithm=\"{ENVELOPED}\"></Transform>");
    }
    let _ = write!(transforms, "<Transform Algorithm=\"{}\">", method.uri());
    if !method.prefix_list.is_empty() {
        let name = |prefix: &String| match prefix.as_str() {
            "" => "#default".to_owned(),
            prefix => prefix.to_owned(),
        };
        let names: Vec<String> = method.prefix_list.iter().map(name).collect();
        let _ = write!(
            transforms,
            "<InclusiveNamespaces xmlns=\"{EXC_C14N}\" PrefixList=\"{}\"></InclusiveNamespaces>",
            quoted(&names.join(" "))
        );
    }
    transforms.push_str("</Transform>");
    reference(&uri, &transforms, algorithm, digest)
}

fn part_reference(part: &PartTarget, signing: &Signing<'_>) -> Result<String, SignError> {
    if part.uri.is_empty() || part.uri.starts_with('#') {
        return Err(no("the URI of a part names the document"));
    }
    let (step, transforms) = match part.base64 {
        true => (Step::Base64, format!("<Transform Algorithm=\"{BASE64}\"></Transform>")),
        false => (Step::Octets, String::new()),
    };
    let limits = Limits::default();
    let digest = parts::digest(signing.parts, &part.uri, &step, signing.digest, &limits);
    let (digest, _) = digest.map_err(|error| match error {
        NoDigest::Rule(rule) => no(rule),
        NoDigest::Fault(SignatureFault::Read(error)) => SignError::Document(error.to_string()),
        NoDigest::Fault(fault) => SignError::Document(fault.to_string()),
    })?;
    Ok(reference(&part.uri, &transforms, signing.digest, &digest))
}

/// The value of an attribute, in canonical form.
pub(crate) fn quoted(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\t', "&#x9;")
        .replace('\n', "&#xA;")
        .replace('\r', "&#xD;")
}

/// Text, in canonical form.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

pub(super) fn no(rule: &str) -> SignError {
    SignError::Document(rule.to_owned())
}

/// The signature over a whole document given in canonical form, without declaration, in pieces
/// between which the signature will stand.
pub(crate) fn enveloped_signature(
    canonical: &[&[u8]],
    signer: &dyn Signer,
) -> Result<String, SignError> {
    let signing = Signing::default();
    let mut hasher = Hasher::new(signing.digest);
    canonical.iter().for_each(|piece| hasher.update(piece));
    let digest = hasher.finish()?;
    let reference = reference_to(None, true, &Method::EXCLUSIVE, signing.digest, &digest);
    signature(&reference, signer, &signing, Scope::default())
}
