//! What an attacker can make himself: digests that fit the forged value, and whole signatures by a
//! key of his own.

use std::sync::LazyLock;

use amtsbote_schemas::xml::{Limits, drive};
use amtsbote_wire::c14n::{Apex, Canonicalizer, Method};
use amtsbote_wire::signature::{
    DigestAlgorithm, OpensslSigner, SignatureAlgorithm, Signer as _, rfc4514,
};
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::x509::X509;

use super::ground::Ground;
use super::map::{DSIG, Edit, Map, attribute, edited};
use crate::suite::xmldsig::keys;

/// Whom the forged signature names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyInfo {
    /// The attacker.
    Own,
    /// What stood there.
    Kept,
    /// The attacker and what stood there.
    OwnFirst,
    /// The same the other way round.
    OwnLast,
    /// The certificate of the attacker under issuer and serial number of the signer's.
    SerialOfTheSigner,
}

/// The attacker; none where OpenSSL makes no key.
static ATTACKER: LazyLock<Option<OpensslSigner>> = LazyLock::new(|| attacker().ok());

fn attacker() -> Result<OpensslSigner> {
    let key = keys::ec_key()?;
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
    let certificate = keys::certificate(&public)?;
    Ok(OpensslSigner::new(key, &certificate)?)
}

/// The forged value with digests that fit it; the value of the signature is as it was.
pub(super) fn digests(ground: &Ground<'_>) -> Option<Vec<u8>> {
    digested(&ground.with(vec![ground.forgery()])?, ground.signature)
}

/// The forged value signed by the attacker.
pub(super) fn by_another(ground: &Ground<'_>, form: KeyInfo) -> Option<Vec<u8>> {
    let attacker = ATTACKER.as_ref()?;
    let (map, signature) = (ground.map, ground.signature);
    let serial = match form {
        KeyInfo::SerialOfTheSigner => issuer_serial(&named(ground)?)?,
        _ => String::new(),
    };
    let own = format!(
        "<X509Data xmlns=\"{DSIG}\">{serial}<X509Certificate>{}</X509Certificate></X509Data>",
        STANDARD.encode(attacker.certificate_der())
    );
    let edit = match map.children(signature, "KeyInfo").next() {
        Some(n) => {
            let inner = &map.elements[n].inner;
            match form {
                KeyInfo::Own | KeyInfo::SerialOfTheSigner => Some(Edit::replace(inner, own)),
                KeyInfo::Kept => None,
                KeyInfo::OwnFirst => Some(Edit::insert(inner.start, own)),
                KeyInfo::OwnLast => Some(Edit::insert(inner.end, own)),
            }
        }
        None if form == KeyInfo::Own => {
            let value = map.children(signature, "SignatureValue").next()?;
            let whole = format!("<KeyInfo xmlns=\"{DSIG}\">{own}</KeyInfo>");
            Some(Edit::insert(map.elements[value].whole.end, whole))
        }
        None => return None,
    };
    let algorithm = SignatureAlgorithm::EcdsaSha256.uri();
    resigned(ground, algorithm, edit, &|octets| attacker.sign(octets).ok())
}

/// The forged value under an HMAC of which the key is the public key of the signer, as everybody
/// knows it.
pub(super) fn hmac(ground: &Ground<'_>) -> Option<Vec<u8>> {
    let public = named(ground)?.public_key().ok()?.public_key_to_der().ok()?;
    let key = PKey::hmac(&public).ok()?;
    let algorithm = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
    resigned(ground, algorithm, None, &|octets| {
        Signer::new(MessageDigest::sha256(), &key).ok()?.sign_oneshot_to_vec(octets).ok()
    })
}

/// The certificate that stands in the signature.
fn named(ground: &Ground<'_>) -> Option<X509> {
    let map = ground.map;
    let n =
        map.within(ground.signature).find(|n| map.elements[*n].tag.is(DSIG, "X509Certificate"))?;
    let text: String = map.elements[n].text.split_whitespace().collect();
    X509::from_der(&STANDARD.decode(text).ok()?).ok()
}

fn issuer_serial(certificate: &X509) -> Option<String> {
    let issuer = rfc4514(certificate.issuer_name());
    let serial = certificate.serial_number().to_bn().ok()?.to_dec_str().ok()?;
    Some(format!(
        "<X509IssuerSerial><X509IssuerName>{}</X509IssuerName><X509SerialNumber>{serial}\
         </X509SerialNumber></X509IssuerSerial>",
        issuer.replace('&', "&amp;").replace('<', "&lt;")
    ))
}

/// The forged value signed anew, by another algorithm.
fn resigned(
    ground: &Ground<'_>,
    algorithm: &str,
    key_info: Option<Edit>,
    sign: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let (map, signature) = (ground.map, ground.signature);
    let signed_info = map.children(signature, "SignedInfo").next()?;
    let method = map.children(signed_info, "SignatureMethod").next()?;
    let own = map.elements[method].tag.attributes.iter().find(|a| a.local == "Algorithm")?;
    let (_, place) = attribute(ground.document, own)?;
    let mut edits = vec![ground.forgery(), Edit::replace(&place, algorithm)];
    // Parameters belong to the algorithm that was.
    edits.push(Edit::remove(&map.elements[method].inner));
    edits.extend(key_info);
    let document = digested(&ground.with(edits)?, signature)?;
    let map = Map::of(&document).ok()?;
    let signed_info = map.children(signature, "SignedInfo").next()?;
    let method = method_of(&map, map.children(signed_info, "CanonicalizationMethod").next()?)?;
    let value = sign(&canonical(&document, method, &map, signed_info, None))?;
    let place = &map.elements[map.children(signature, "SignatureValue").next()?].inner;
    let edits = vec![Edit::replace(place, STANDARD.encode(value))];
    edited(&document, 0..document.len(), edits)
}

/// The document with every digest of the signature that names something in it made anew.
fn digested(document: &[u8], signature: usize) -> Option<Vec<u8>> {
    let map = Map::of(document).ok()?;
    let signed_info = map.children(signature, "SignedInfo").next()?;
    let mut edits = Vec::new();
    for reference in map.children(signed_info, "Reference") {
        let Some((digest, place)) = digest(document, &map, signature, reference, None) else {
            continue;
        };
        edits.push(Edit::replace(&place, STANDARD.encode(digest)));
    }
    edited(document, 0..document.len(), edits)
}

/// What a reference should say, by simple rules, and where its value stands. `element` is what it
/// names, where that is known; else the first element with the Id.
pub(super) fn digest(
    document: &[u8],
    map: &Map,
    signature: usize,
    reference: usize,
    element: Option<usize>,
) -> Option<(Vec<u8>, std::ops::Range<usize>)> {
    let uri = map.elements[reference].tag.attribute("URI")?;
    let named = match uri.strip_prefix('#') {
        None if uri.is_empty() => None,
        None => return None,
        Some(id) => Some(element.or_else(|| by_id(map, id).next())?),
    };
    let (mut method, mut omit) = (Method::from_uri(INCLUSIVE)?, None);
    for n in map.within(reference).filter(|n| map.elements[*n].tag.is(DSIG, "Transform")) {
        match method_of(map, n) {
            Some(known) => method = known,
            None => omit = Some(signature),
        }
    }
    let method = Method { comments: false, ..method };
    let canonical = match named {
        Some(n) => canonical(document, method, map, n, omit),
        None => whole(document, method, map, omit),
    };
    let child = |local| map.children(reference, local).next();
    let algorithm = map.elements[child("DigestMethod")?].tag.attribute("Algorithm")?;
    let algorithm = DigestAlgorithm::from_uri(algorithm)?;
    let digest = hash(algorithm.message_digest(), &canonical).ok()?;
    Some((digest.to_vec(), map.elements[child("DigestValue")?].inner.clone()))
}

const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

/// All elements with an attribute that could be an identifier of this value.
pub(super) fn by_id<'a>(map: &'a Map, id: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..map.elements.len()).filter(move |n| {
        let mut own = map.elements[*n].tag.attributes.iter();
        own.any(|a| a.local.eq_ignore_ascii_case("id") && a.value == id)
    })
}

/// The canonicalization that an element names, with its prefix list.
pub(super) fn method_of(map: &Map, n: usize) -> Option<Method> {
    let method = Method::from_uri(map.elements[n].tag.attribute("Algorithm")?)?;
    let list = map.within(n).find(|n| map.elements[*n].tag.local == "InclusiveNamespaces");
    let list = list.and_then(|n| map.elements[n].tag.attribute("PrefixList"));
    Some(match list {
        Some(list) => method.with_prefix_list(list),
        None => method,
    })
}

/// The canonical form of an element.
pub(super) fn canonical(
    document: &[u8],
    method: Method,
    map: &Map,
    n: usize,
    omit: Option<usize>,
) -> Vec<u8> {
    canonicalized(document, method, Apex::Element(map.elements[n].tag.node), map, omit)
}

fn whole(document: &[u8], method: Method, map: &Map, omit: Option<usize>) -> Vec<u8> {
    canonicalized(document, method, Apex::Document, map, omit)
}

fn canonicalized(
    document: &[u8],
    method: Method,
    apex: Apex,
    map: &Map,
    omit: Option<usize>,
) -> Vec<u8> {
    let mut octets = Vec::new();
    let out = |piece: &[u8]| octets.extend_from_slice(piece);
    let mut sink = Canonicalizer::new(method, apex, out);
    if let Some(n) = omit {
        sink = sink.omitting(map.elements[n].tag.node);
    }
    // The document was read before, so this cannot fail.
    let _ = drive(document, &Limits::default(), &mut sink);
    sink.flush();
    drop(sink);
    octets
}
