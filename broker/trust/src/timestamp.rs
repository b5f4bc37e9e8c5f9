//! Time stamps (RFC 3161): the question to an authority, and its answer, verified.
//!
//! A stamp says that a digest existed at an instant, in the word of somebody else. What is kept is the
//! token as it came; it is verified again from its octets, offline, whenever it is shown.

mod authority;
mod error;
mod signed;
mod token;

#[cfg(test)]
mod tests;

use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;

pub use self::authority::{Authority, Unstamped};
pub use self::error::Refused;
use self::signed::Signed;
use self::token::Info;
use crate::der::{self, INTEGER, NULL, OCTET_STRING, OID, Reader, SEQUENCE, constructed};
use crate::path::{Anchors, Demands, Floors, Path, Purpose};

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Most certificates that a token may bring along.
pub const MAX_CERTIFICATES: usize = 16;
/// Length of a nonce, in bytes.
pub const NONCE_BYTES: usize = 16;
/// How far the clocks of authority and hub may be apart when an answer comes in.
pub const MAX_SKEW: Duration = Duration::from_secs(300);

/// Content octets of id-sha256.
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// A question about a SHA-256 digest (RFC 3161, 2.4.1): with a nonce, and the wish for the
/// authority's certificate.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    digest: Digest,
    nonce: [u8; NONCE_BYTES],
}

impl Question {
    /// A question with a nonce of its own.
    pub fn about(digest: Digest) -> Result<Self, Refused> {
        let mut nonce = [0; NONCE_BYTES];
        openssl::rand::rand_bytes(&mut nonce)?;
        // A positive INTEGER in its shortest form, whatever follows.
        nonce[0] = nonce[0] & 0x7f | 0x40;
        Ok(Self { digest, nonce })
    }

    /// TimeStampReq in DER.
    pub fn to_der(&self) -> Vec<u8> {
        const VERSION_1: &[u8] = &[1];
        const TRUE: &[u8] = &[0xff];
        let algorithm =
            der::value(SEQUENCE, &[&der::value(OID, &[SHA_256]), &der::value(NULL, &[])]);
        let imprint =
            der::value(SEQUENCE, &[&algorithm, &der::value(OCTET_STRING, &[&self.digest.0])]);
        let version = der::value(INTEGER, &[VERSION_1]);
        let nonce = der::value(INTEGER, &[&self.nonce]);
        let certificates = der::value(der::BOOLEAN, &[TRUE]);
        der::value(SEQUENCE, &[&version, &imprint, &nonce, &certificates])
    }
}

/// A stamp that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    token: Vec<u8>,
    at: Timestamp,
    accuracy: Option<Duration>,
    policy: String,
    serial: String,
    path: Path,
}

impl Stamp {
    /// Reads and verifies the answer (TimeStampResp, RFC 3161, 2.4.2) to a question, at `now` by the
    /// hub's clock.
    pub fn answered(
        answer: &[u8],
        question: &Question,
        anchors: &Anchors,
        floors: Floors,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(Refused::TooLarge);
        }
        let mut fields = Reader::only(answer, SEQUENCE)?;
        let mut status = fields.inside(SEQUENCE)?;
        // granted, or granted with changes, which are seen in the token.
        if !matches!(status.integer()?, [0 | 1]) {
            return Err(Refused::Denied);
        }
        let token = fields.value(SEQUENCE)?.whole;
        fields.end()?;
        let (stamp, info) = Self::judge(token, question.digest, anchors, floors)?;
        if info.nonce != Some(&question.nonce[..]) {
            return Err(Refused::Nonce);
        }
        // An authority whose clock is wrong proves nothing, nor does a hub's whose is.
        if stamp.at.duration_since(now).unsigned_abs() > MAX_SKEW {
            return Err(Refused::Skew);
        }
        Ok(stamp)
    }

    /// Verifies a token that was kept: that it stamps this digest, by an authority whose certificate
    /// was valid when it did.
    pub fn verify(
        token: &[u8],
        digest: Digest,
        anchors: &Anchors,
        floors: Floors,
    ) -> Result<Self, Refused> {
        if token.len() > MAX_ANSWER_BYTES {
            return Err(Refused::TooLarge);
        }
        Self::judge(token, digest, anchors, floors).map(|(stamp, _)| stamp)
    }

    fn judge<'t>(
        token: &'t [u8],
        digest: Digest,
        anchors: &Anchors,
        floors: Floors,
    ) -> Result<(Self, Info<'t>), Refused> {
        let signed = Signed::read(token)?;
        let info = Info::read(signed.content)?;
        if info.digest != digest.0 {
            return Err(Refused::OtherDigest);
        }
        let signer = signed.verify()?;
        let demands = Demands { floors, ..Demands::new(Purpose::TimeStamping, info.at) };
        let path = anchors
            .judge(&signer.certificate, &signer.others, &demands)
            .map_err(|fault| Refused::Path(fault.to_string()))?;
        let stamp = Self {
            token: token.to_vec(),
            at: info.at,
            accuracy: info.accuracy,
            policy: info.policy.clone(),
            serial: info.serial.clone(),
            path,
        };
        Ok((stamp, info))
    }

    /// The token (TimeStampToken, a ContentInfo in DER), as it came.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// When the digest existed, by the authority's clock.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// How far off that may be, if the authority says so.
    pub fn accuracy(&self) -> Option<Duration> {
        self.accuracy
    }

    /// Under which policy it was made, in dotted form.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The authority's number of it, in hexadecimal digits.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// From the authority's certificate to an anchor. Whether one of them was revoked is asked
    /// elsewhere.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The arcs of an object identifier (X.690, 8.19), for people.
fn dotted(content: &[u8]) -> Result<String, Refused> {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for (n, octet) in content.iter().enumerate() {
        let first = n == 0 || content[n - 1] & 0x80 == 0;
        if (first && *octet == 0x80) || arc > u64::MAX >> 7 {
            return Err(Refused::Malformed);
        }
        arc = arc << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    match (arcs.split_first(), content.last()) {
        (Some((first, rest)), Some(last)) if last & 0x80 == 0 => {
            let top = (*first / 40).min(2);
            let mut text = format!("{top}.{}", first - top * 40);
            rest.iter().for_each(|arc| text.push_str(&format!(".{arc}")));
            Ok(text)
        }
        _ => Err(Refused::Malformed),
    }
}

/// The only value in an EXPLICIT tag, if the tag comes next.
fn explicit<'a>(fields: &mut Reader<'a>, number: u8) -> Result<Option<der::Value<'a>>, Refused> {
    let Some(inside) = fields.optional(constructed(number))? else { return Ok(None) };
    Ok(Some(der::only(inside, Reader::any)?))
}
