//! Why octets that nothing in the encryption protects may be believed.

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::NodeNumber;

use super::data::{CipherSource, percent_decoded};
use crate::c14n::Interval;
use crate::signature::Verification;

/// What must be at hand before old algorithms are used.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// A signature that holds over this very document. It must cover the `EncryptedData`, the keys
    /// elsewhere on the way, and the ciphertext, where a `CipherReference` leads to it.
    Signature(&'a Verification),
    /// No signature is asked for: nobody could have changed or chosen these octets, because an
    /// archive vouches for them by its own means, or because they are test vectors. Never for
    /// anything that came from a partner, signed or not.
    TrustedByOtherMeans,
}

pub(super) const NOT_PROVEN: &str =
    "an old algorithm needs a signature over data, key and ciphertext that was verified before";

/// Whether the proof is one for this document and covers all of `nodes`, and the part where the
/// ciphertext is one. Another element is a question for the second pass.
pub(super) fn is_proven<'a>(
    proof: Option<Proof<'_>>,
    document: Digest,
    mut nodes: impl Iterator<Item = &'a Interval>,
    source: &CipherSource,
) -> bool {
    let proof = match proof {
        None => return false,
        Some(Proof::TrustedByOtherMeans) => return true,
        Some(Proof::Signature(proof)) => proof,
    };
    let part = match source {
        CipherSource::Part { cid, .. } => proof.parts().iter().any(|part| {
            let own = part.uri.strip_prefix("cid:").and_then(percent_decoded);
            own.as_ref() == Some(cid)
        }),
        CipherSource::Value | CipherSource::Element(_) => true,
    };
    proof.document() == document && nodes.all(|nodes| proof.covers(*nodes)) && part
}

/// Whether a node lies in one of the stretches.
pub(super) fn covers(stretches: &[Interval], node: NodeNumber) -> bool {
    stretches.iter().any(|(first, last)| (first..=last).contains(&&node))
}
