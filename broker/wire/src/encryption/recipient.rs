//! Whom something is encrypted for, and how the key of the data reaches them.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::hash;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::Padding;
use openssl::sha::sha256;
use openssl::x509::X509;

use super::algorithm::{AgreementAlgorithm, DerivationAlgorithm, KeyAlgorithm};
use super::derive::{aes_wrap, concat_kdf};
use super::key_info::CURVES;
use super::method::{DSIG, DSIG11, XENC11};
use super::secret::{NoRandomness, Random, random_key};
use crate::signature::DigestAlgorithm;

/// Why nothing was encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    /// The certificate cannot be read, or its key is none that is encrypted for.
    #[error("the certificate's key must be RSA of at least 2048 bits, or of a curve on the list")]
    UnsuitableKey,
    /// Nobody could read it.
    #[error("there is no recipient")]
    NoRecipient,
    /// The document cannot be encrypted as asked.
    #[error("the document cannot be encrypted: {0}")]
    Document(String),
    /// More than one key and initialization vector may encrypt.
    #[error("more than 64 GiB in one piece")]
    TooLong,
    /// The plaintext could not be read, or the ciphertext not be written.
    #[error("reading the plaintext or writing the ciphertext: {0}")]
    Io(#[from] std::io::Error),
    /// The source of randomness failed.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The library failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
}

/// Somebody with a certificate. Whether it may be encrypted for is policy, and decided before.
#[derive(Clone, Debug)]
pub struct Recipient {
    certificate: Vec<u8>,
    key: PKey<Public>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    Curve(usize),
    X25519,
}

impl Recipient {
    /// The holder of the certificate with this DER.
    pub fn new(certificate_der: &[u8]) -> Result<Self, EncryptError> {
        let certificate = X509::from_der(certificate_der)?;
        let key = certificate.public_key()?;
        let kind = match key.id() {
            Id::RSA if key.bits() >= 2048 => Kind::Rsa,
            Id::EC => {
                let curve = key.ec_key()?.group().curve_name();
                let known = CURVES.iter().position(|(_, nid)| Some(*nid) == curve);
                Kind::Curve(known.ok_or(EncryptError::UnsuitableKey)?)
            }
            Id::X25519 => Kind::X25519,
            _ => return Err(EncryptError::UnsuitableKey),
        };
        Ok(Self { certificate: certificate_der.to_vec(), key, kind })
    }

    /// The DER of the certificate.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The key encrypted with RSAES-OAEP, SHA-256 twice, where the recipient's key is RSA.
    pub(super) fn transported(
        &self,
        key: &[u8],
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, EncryptError> {
        match self.kind {
            Kind::Rsa => self.oaep(key, random),
            Kind::Curve(_) | Kind::X25519 => Err(EncryptError::UnsuitableKey),
        }
    }

    /// `EncryptedKey` for this recipient.
    pub(super) fn encrypted_key(
        &self,
        key: &[u8],
        random: &mut dyn Random,
    ) -> Result<String, EncryptError> {
        let certificate = format!(
            "<ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>",
            STANDARD.encode(&self.certificate)
        );
        let (method, key_info, value) = match self.kind {
            Kind::Rsa => {
                let method = format!(
                    "<xenc:EncryptionMethod Algorithm=\"{}\"><ds:DigestMethod Algorithm=\"{}\"/>\
                     <xenc11:MGF xmlns:xenc11=\"{XENC11}\" Algorithm=\"{XENC11}mgf1sha256\"/>\
                     </xenc:EncryptionMethod>",
                    KeyAlgorithm::RsaOaep.uri(),
                    DigestAlgorithm::Sha256.uri(),
                );
                (method, certificate, self.oaep(key, random)?)
            }
            Kind::Curve(_) | Kind::X25519 => self.agreed(key, &certificate, random)?,
        };
        Ok(format!(
            "<xenc:EncryptedKey>{method}<ds:KeyInfo>{key_info}</ds:KeyInfo><xenc:CipherData>\
             <xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>",
            STANDARD.encode(value),
        ))
    }

    fn oaep(&self, key: &[u8], random: &mut dyn Random) -> Result<Vec<u8>, EncryptError> {
        let rsa = self.key.rsa()?;
        let block = oaep_encode(key, rsa.size() as usize, DigestAlgorithm::Sha256, random)?;
        let mut value = vec![0; rsa.size() as usize];
        rsa.public_encrypt(&block, &mut value, Padding::NONE)?;
        Ok(value)
    }

    /// ECDH-ES with ConcatKDF, then AES key wrap.
    fn agreed(
        &self,
        key: &[u8],
        certificate: &str,
        random: &mut dyn Random,
    ) -> Result<(String, String, Vec<u8>), EncryptError> {
        let wrap = KeyAlgorithm::AesWrap256;
        let (ephemeral, algorithm, originator) = match self.kind {
            Kind::Curve(index) => {
                let (key, value) = ephemeral(index, random)?;
                (key, AgreementAlgorithm::EcdhEs, value)
            }
            Kind::X25519 | Kind::Rsa => {
                let secret = random_key(random, 32)?;
                let key = PKey::private_key_from_raw_bytes(secret.octets(), Id::X25519)?;
                let value = format!(
                    "<dsig11:DEREncodedKeyValue xmlns:dsig11=\"{DSIG11}\">{}\
                     </dsig11:DEREncodedKeyValue>",
                    STANDARD.encode(key.public_key_to_der()?)
                );
                (key, AgreementAlgorithm::X25519, value)
            }
        };
        let mut deriver = Deriver::new(&ephemeral)?;
        deriver.set_peer(&self.key)?;
        let secret = deriver.derive_to_vec()?;
        // Binds the derived key to its use and to the certificate it is meant for.
        let (use_of_key, party) = (wrap.uri().as_bytes(), sha256(&self.certificate));
        let info = [use_of_key, &party].concat();
        let wrapping = concat_kdf(DigestAlgorithm::Sha256, &secret, &info, 32)?;
        let value = aes_wrap(wrapping.octets(), key).ok_or(EncryptError::UnsuitableKey)?;
        let key_info = format!(
            "<xenc:AgreementMethod Algorithm=\"{}\"><xenc11:KeyDerivationMethod \
             xmlns:xenc11=\"{XENC11}\" Algorithm=\"{}\"><xenc11:ConcatKDFParams \
             AlgorithmID=\"00{}\" PartyVInfo=\"00{}\"><ds:DigestMethod Algorithm=\"{}\"/>\
             </xenc11:ConcatKDFParams></xenc11:KeyDerivationMethod><xenc:OriginatorKeyInfo>\
             {originator}</xenc:OriginatorKeyInfo><xenc:RecipientKeyInfo>{certificate}\
             </xenc:RecipientKeyInfo></xenc:AgreementMethod>",
            algorithm.uri(),
            DerivationAlgorithm::ConcatKdf.uri(),
            hexadecimal(use_of_key),
            hexadecimal(&party),
            DigestAlgorithm::Sha256.uri(),
        );
        let method = format!("<xenc:EncryptionMethod Algorithm=\"{}\"/>", wrap.uri());
        Ok((method, key_info, value))
    }
}

/// A key of its own for one message, and its public half as XML.
fn ephemeral(
    curve: usize,
    random: &mut dyn Random,
) -> Result<(PKey<Private>, String), EncryptError> {
    let (uri, nid) = CURVES[curve];
    let group = EcGroup::from_curve_name(nid)?;
    let mut context = BigNumContext::new()?;
    // NIST SP 800-56A, 5.6.1.2.1: eight octets more than the order has leave no bias that counts.
    let octets = random_key(random, (group.order_bits() as usize).div_ceil(8) + 8)?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut context)?;
    order.sub_word(1)?;
    let mut scalar = BigNum::new()?;
    scalar.nnmod(&*BigNum::from_slice(octets.octets())?, &order, &mut context)?;
    scalar.add_word(1)?;
    let mut point = EcPoint::new(&group)?;
    point.mul_generator2(&group, &scalar, &mut context)?;
    let public = point.to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
    let key = PKey::from_ec_key(EcKey::from_private_components(&group, &scalar, &point)?)?;
    let value = format!(
        "<ds:KeyValue xmlns:ds=\"{DSIG}\"><dsig11:ECKeyValue xmlns:dsig11=\"{DSIG11}\">\
         <dsig11:NamedCurve URI=\"{uri}\"/><dsig11:PublicKey>{}</dsig11:PublicKey>\
         </dsig11:ECKeyValue></ds:KeyValue>",
        STANDARD.encode(public)
    );
    Ok((key, value))
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// RFC 8017, 7.1.1, step 2, with an empty label. OpenSSL can do it, but with randomness of its own.
fn oaep_encode(
    key: &[u8],
    size: usize,
    digest: DigestAlgorithm,
    random: &mut dyn Random,
) -> Result<Vec<u8>, EncryptError> {
    let label = hash(digest.message_digest(), &[])?;
    let room = size.checked_sub(2 * label.len() + 2 + key.len());
    let padding = vec![0; room.ok_or(EncryptError::UnsuitableKey)?];
    let mut data = [&label[..], &padding, &[1], key].concat();
    let mut seed = vec![0; label.len()];
    random.fill(&mut seed)?;
    mask(&seed, &mut data, digest)?;
    mask(&data, &mut seed, digest)?;
    Ok([&[0], &seed[..], &data].concat())
}

/// RFC 8017, B.2.1: MGF1, added to `octets`.
fn mask(seed: &[u8], octets: &mut [u8], digest: DigestAlgorithm) -> Result<(), ErrorStack> {
    let block = digest.message_digest().size();
    for (counter, piece) in (0_u32..).zip(octets.chunks_mut(block)) {
        let mask = hash(digest.message_digest(), &[seed, &counter.to_be_bytes()].concat())?;
        piece.iter_mut().zip(mask.iter()).for_each(|(octet, mask)| *octet ^= mask);
    }
    Ok(())
}
