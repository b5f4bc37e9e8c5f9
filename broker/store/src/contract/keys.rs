//! Wrapping keys for tests of a store: made from a master key and their names, so that a store
//! opened again finds them without a key store. How keys lie in files is tested where they lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::wrapping::{KeyError, KeyId, Period, Tenant, WrappingKeys};
use jiff::Timestamp;
use openssl::rand::rand_bytes;
use openssl::sha::Sha256;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

/// They.
pub struct DerivedKeys {
    master: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    adopted: HashMap<KeyId, [u8; 32]>,
    destroyed: Vec<KeyId>,
    missing: Vec<KeyId>,
}

impl DerivedKeys {
    /// All that come from one master key.
    pub fn new(master: [u8; 32]) -> Arc<Self> {
        Arc::new(Self { master, state: Mutex::default() })
    }

    /// The key is gone on purpose.
    pub fn destroy(&self, id: KeyId) {
        self.state().destroyed.push(id);
    }

    /// The key is gone, and nobody knows why.
    pub fn lose(&self, id: KeyId) {
        self.state().missing.push(id);
    }

    /// Keys taken over from older stores.
    pub fn adopted(&self) -> Vec<KeyId> {
        let mut ids: Vec<KeyId> = self.state().adopted.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// The octets of a key.
    pub fn key(&self, id: &KeyId) -> Result<[u8; 32], KeyError> {
        let state = self.state();
        if state.destroyed.contains(id) {
            return Err(KeyError::Destroyed(id.clone()));
        }
        if state.missing.contains(id) {
            return Err(KeyError::Missing(id.clone()));
        }
        if let Some(key) = state.adopted.get(id) {
            return Ok(*key);
        }
        let key = self.derive(id.tenant(), id.period());
        match fingerprint(&key) == *id.fingerprint() {
            true => Ok(key),
            false if id.tenant() == &Tenant::shared() => Err(KeyError::Missing(id.clone())),
            false => Err(KeyError::OtherMaster(id.clone())),
        }
    }

    fn derive(&self, tenant: &Tenant, period: &Period) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(&self.master);
        hash.update(format!("{tenant}/{period}").as_bytes());
        hash.finish()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprint(key: &[u8; 32]) -> [u8; KeyId::FINGERPRINT_BYTES] {
    let mut print = [0; KeyId::FINGERPRINT_BYTES];
    print.copy_from_slice(&openssl::sha::sha256(key)[..KeyId::FINGERPRINT_BYTES]);
    print
}

/// As the key store seals: nonce, sealed key, tag.
pub fn wrap(under: &[u8; 32], context: &[u8], key: &[u8; 32]) -> Vec<u8> {
    let (mut nonce, mut tag) = ([0; 12], [0; 16]);
    rand_bytes(&mut nonce).expect("random octets");
    let cipher = Cipher::aes_256_gcm();
    let sealed = encrypt_aead(cipher, under, Some(&nonce), context, key, &mut tag).expect("seals");
    [&nonce[..], &sealed, &tag].concat()
}

fn unwrap(under: &[u8; 32], context: &[u8], wrapped: &[u8]) -> Option<[u8; 32]> {
    let (nonce, rest) = wrapped.split_at_checked(12)?;
    let (sealed, tag) = rest.split_at_checked(32).filter(|(_, tag)| tag.len() == 16)?;
    let cipher = Cipher::aes_256_gcm();
    let key = decrypt_aead(cipher, under, Some(nonce), context, sealed, tag).ok()?;
    key.try_into().ok()
}

impl WrappingKeys for DerivedKeys {
    fn wrap(
        &self,
        tenant: &Tenant,
        at: Timestamp,
        context: &[u8],
        key: &[u8; 32],
    ) -> Result<(KeyId, Vec<u8>), KeyError> {
        let period = Period::of(at);
        let under = self.derive(tenant, &period);
        let id = KeyId::new(tenant.clone(), period, 1, fingerprint(&under));
        Ok((id, wrap(&under, context, key)))
    }

    fn unwrap(
        &self,
        id: &KeyId,
        context: &[u8],
        wrapped: &[u8],
        key: &mut [u8; 32],
    ) -> Result<(), KeyError> {
        *key = unwrap(&self.key(id)?, context, wrapped).ok_or(KeyError::Changed)?;
        Ok(())
    }

    fn check(&self, id: &KeyId) -> Result<(), KeyError> {
        self.key(id).map(drop)
    }

    fn adopt(&self, period: &Period, wrapped: &[u8]) -> Result<KeyId, KeyError> {
        let key = unwrap(&self.master, period.as_str().as_bytes(), wrapped);
        let key = key.ok_or(KeyError::NotOurs)?;
        let id = KeyId::new(Tenant::shared(), period.clone(), 1, fingerprint(&key));
        self.state().adopted.insert(id.clone(), key);
        Ok(id)
    }
}
