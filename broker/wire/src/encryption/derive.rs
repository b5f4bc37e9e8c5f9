//! Keys from secrets: ConcatKDF, HKDF, PBKDF2; and keys in keys: AES key wrap, Triple DES key wrap.

use openssl::aes::{AesKey, unwrap_key, wrap_key};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::hash::Hasher;
use openssl::md::Md;
use openssl::memcmp;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::Id;
use openssl::pkey_ctx::PkeyCtx;
use openssl::sha::sha1;

use super::algorithm::{DerivationAlgorithm, KeyAlgorithm};
use super::method::Derivation;
use super::secret::KeyOctets;
use crate::signature::DigestAlgorithm;

/// A key of `length` octets from `secret`.
pub(super) fn derive(
    derivation: &Derivation,
    secret: &[u8],
    length: usize,
) -> Result<KeyOctets, ErrorStack> {
    let Derivation { digest, salt, info, .. } = derivation;
    let mut key = vec![0; length];
    match derivation.algorithm {
        DerivationAlgorithm::ConcatKdf => return concat_kdf(*digest, secret, info, length),
        DerivationAlgorithm::Hkdf => hkdf(*digest, secret, salt, info, &mut key)?,
        DerivationAlgorithm::Pbkdf2 => {
            let iterations = derivation.iterations as usize;
            pbkdf2_hmac(secret, salt, iterations, digest.message_digest(), &mut key)?;
        }
    }
    Ok(KeyOctets::new(key))
}

/// NIST SP 800-56A, 5.8.1: H(counter || secret || info), counted from 1.
pub(super) fn concat_kdf(
    digest: DigestAlgorithm,
    secret: &[u8],
    info: &[u8],
    length: usize,
) -> Result<KeyOctets, ErrorStack> {
    let mut key = Vec::with_capacity(length + 64);
    let mut counter = 0_u32;
    while key.len() < length {
        counter += 1;
        let mut hasher = Hasher::new(digest.message_digest())?;
        hasher.update(&counter.to_be_bytes())?;
        hasher.update(secret)?;
        hasher.update(info)?;
        key.extend_from_slice(&hasher.finish()?);
    }
    key.truncate(length);
    Ok(KeyOctets::new(key))
}

fn hkdf(
    digest: DigestAlgorithm,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    key: &mut [u8],
) -> Result<(), ErrorStack> {
    let nid = digest.message_digest().type_();
    let mut context = PkeyCtx::new_id(Id::HKDF)?;
    context.derive_init()?;
    context.set_hkdf_md(Md::from_nid(nid).ok_or_else(ErrorStack::get)?)?;
    // RFC 5869, 2.2: no salt is one of zeros, as long as the hash; an empty one is the same.
    if !salt.is_empty() {
        context.set_hkdf_salt(salt)?;
    }
    context.set_hkdf_key(secret)?;
    if !info.is_empty() {
        context.add_hkdf_info(info)?;
    }
    context.derive(Some(key)).map(drop)
}

/// RFC 3394, 2.2.1; for writing.
pub(super) fn aes_wrap(wrapping: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut wrapped = vec![0; key.len() + 8];
    let wrapping = AesKey::new_encrypt(wrapping).ok()?;
    let length = wrap_key(&wrapping, None, &mut wrapped, key).ok()?;
    (length == wrapped.len()).then_some(wrapped)
}

/// The key inside; none where it was not wrapped under this one.
pub(super) fn unwrap(
    algorithm: KeyAlgorithm,
    wrapping: &[u8],
    wrapped: &[u8],
) -> Option<KeyOctets> {
    if !wrapped.len().is_multiple_of(8) || wrapped.len() < 24 {
        return None;
    }
    if algorithm == KeyAlgorithm::TripleDesWrap {
        return triple_des_unwrap(wrapping, wrapped).ok().flatten();
    }
    let mut key = vec![0; wrapped.len() - 8];
    let wrapping = AesKey::new_decrypt(wrapping).ok()?;
    let length = unwrap_key(&wrapping, None, &mut key, wrapped).ok()?;
    key.truncate(length);
    Some(KeyOctets::new(key))
}

/// RFC 3217, 3.2.
fn triple_des_unwrap(wrapping: &[u8], wrapped: &[u8]) -> Result<Option<KeyOctets>, ErrorStack> {
    const IV: [u8; 8] = [0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05];
    let decrypt = |iv: &[u8], octets: &[u8]| {
        let mut cipher = CipherCtx::new()?;
        cipher.decrypt_init(Some(Cipher::des_ede3_cbc()), Some(wrapping), Some(iv))?;
        cipher.set_padding(false);
        let mut plain = Vec::new();
        cipher.cipher_update_vec(octets, &mut plain)?;
        cipher.cipher_final_vec(&mut plain)?;
        Ok::<_, ErrorStack>(plain)
    };
    let mut outer = decrypt(&IV, wrapped)?;
    outer.reverse();
    let (iv, inner) = outer.split_at(8);
    let mut key = decrypt(iv, inner)?;
    let check = key.split_off(key.len().saturating_sub(8));
    let right = check.len() == 8 && memcmp::eq(&sha1(&key)[..8], &check);
    Ok(right.then(|| KeyOctets::new(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn wrapping_follows_rfc_3394() {
        // RFC 3394, 4.6.
        let wrapping = hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
        let key = hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        let wrapped = aes_wrap(&wrapping, &key).expect("wraps");
        assert_eq!(
            wrapped,
            hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21")
        );
        let unwrap = |wrapped: &[u8]| unwrap(KeyAlgorithm::AesWrap256, &wrapping, wrapped);
        assert_eq!(unwrap(&wrapped).expect("unwraps").octets(), key);
        let mut changed = wrapped.clone();
        changed[17] ^= 1;
        assert!(unwrap(&changed).is_none());
        for cut in [0, 8, 16, 39] {
            assert!(unwrap(&wrapped[..cut]).is_none());
        }
    }

    #[test]
    fn triple_des_key_wrap_follows_rfc_3217() {
        // RFC 3217, 4.4.
        let wrapping = hex("255e0d1c07b646dfb3134cc843ba8aa71f025b7c0838251f");
        let wrapped =
            hex("690107618ef092b3b48ca1796b234ae9fa33ebb4159604037db5d6a84eb3aac2768c632775a467d4");
        let key = unwrap(KeyAlgorithm::TripleDesWrap, &wrapping, &wrapped).expect("unwraps");
        assert_eq!(key.octets(), hex("2923bf85e06dd6ae529149f1f1bae9eab3a7da3d860d3e98"));
    }

    #[test]
    fn hkdf_follows_rfc_5869() {
        // RFC 5869, A.1.
        let mut key = [0; 42];
        let salt = hex("000102030405060708090a0b0c");
        let info = hex("f0f1f2f3f4f5f6f7f8f9");
        hkdf(DigestAlgorithm::Sha256, &[0x0b; 22], &salt, &info, &mut key).expect("derives");
        assert_eq!(key[..8], hex("3cb25f25faacd57a"));
    }
}
