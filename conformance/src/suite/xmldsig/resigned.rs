//! Vectors whose signature algorithm does not exist here, signed anew: what they refer to, and how
//! it becomes octets, is checked all the same.

use std::convert::Infallible;

use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber, drive};
use amtsbote_wire::c14n::{Apex, Canonicalizer, Method};
use amtsbote_wire::signature::{OpensslSigner, SignatureAlgorithm, Signer};
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::pkey::PKey;

use super::keys;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// The document with the same references, signed by another key, and the certificate of that key.
pub(super) fn resigned(document: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let key = keys::ec_key()?;
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
    let certificate = keys::certificate(&public)?;
    let signer = OpensslSigner::new(key, &certificate)?;
    let text = std::str::from_utf8(document)?;
    let look = Look::at(text)?;
    let algorithm = SignatureAlgorithm::EcdsaSha256.uri();
    let mut text = text.replacen(&look.algorithm, algorithm, 1);
    // Parameters belong to the algorithm that was.
    if let (Some(from), Some(to)) = (find(&text, "SignatureMethod"), end(&text, "SignatureMethod"))
        && let Some(open) = text[from..].find('>')
        && let Some(close) = text[..to].rfind("</")
        && from + open < close
    {
        text.replace_range(from + open + 1..close, "");
    }
    // What points at the key is of no use any more; nothing that is looked at here is in it.
    if let (Some(from), Some(to)) = (find(&text, "KeyInfo"), end(&text, "KeyInfo")) {
        text.replace_range(from..to, "");
    }
    let mut signed = Vec::new();
    let look = Look::at(&text)?;
    let method = Method::from_uri(&look.canonicalization).context("unknown canonicalization")?;
    let out = |piece: &[u8]| signed.extend_from_slice(piece);
    let mut sink = Canonicalizer::new(method, Apex::Element(look.signed_info), out);
    drive(text.as_bytes(), &Limits::default(), &mut sink).map_err(|error| anyhow!("{error}"))?;
    sink.flush();
    let value = STANDARD.encode(signer.sign(&signed)?);
    let from = find(&text, "SignatureValue").context("no SignatureValue")?;
    let from = from + text[from..].find('>').context("no SignatureValue")? + 1;
    let to = from + text[from..].find('<').context("no SignatureValue")?;
    text.replace_range(from..to, &value);
    Ok((text.into_bytes(), certificate.to_der()?))
}

/// Where the start tag of the first element with this local name begins.
fn find(text: &str, local: &str) -> Option<usize> {
    let plain = text.find(&format!("<{local}"));
    let prefixed = text.find(&format!(":{local}")).and_then(|at| text[..at].rfind('<'));
    [plain, prefixed].into_iter().flatten().min()
}

/// Where it ends.
fn end(text: &str, local: &str) -> Option<usize> {
    [format!("</{local}>"), format!(":{local}>")].iter().find_map(|tag| {
        // The last one, which is the end tag where a prefix makes both look alike.
        text.rfind(tag.as_str()).map(|at| at + tag.len())
    })
}

/// What the first signature says.
#[derive(Default)]
struct Look {
    signed_info: NodeNumber,
    canonicalization: String,
    algorithm: String,
}

impl Look {
    fn at(text: &str) -> Result<Self> {
        let mut look = Self::default();
        drive(text.as_bytes(), &Limits::default(), &mut look)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(look)
    }
}

impl EventSink for Look {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        if let Event::Start(tag) = event
            && tag.namespace == DSIG
        {
            let algorithm = || tag.attribute("Algorithm").unwrap_or_default().to_owned();
            match tag.local.as_str() {
                "SignedInfo" if self.signed_info == NodeNumber(0) => self.signed_info = tag.node,
                "CanonicalizationMethod" if self.canonicalization.is_empty() => {
                    self.canonicalization = algorithm();
                }
                "SignatureMethod" if self.algorithm.is_empty() => self.algorithm = algorithm(),
                _ => {}
            }
        }
        Ok(())
    }
}
