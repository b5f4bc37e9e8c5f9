//! Keys at rest: the data key of a message is wrapped by the key of the period in which it was
//! accepted, that one by the master key. Destroying a key is erasing what it sealed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::ports::StoreError;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{cipher_error, database_error};
use crate::secret::{MasterKey, Secret};

const NONCE: usize = 12;
const TAG: usize = 16;
/// Octets of a wrapped key: nonce, sealed key, tag.
const WRAPPED: usize = NONCE + 32 + TAG;

/// A period key with its number in the table.
#[derive(Clone)]
pub(crate) struct PeriodKey {
    pub(crate) id: i64,
    pub(crate) key: Arc<Secret>,
}

/// The master key, and the period keys unwrapped so far. Shared by the writer and all readers.
pub(crate) struct KeyRing {
    master: MasterKey,
    unwrapped: Mutex<HashMap<i64, Arc<Secret>>>,
}

impl KeyRing {
    pub(crate) fn new(master: MasterKey) -> Self {
        Self { master, unwrapped: Mutex::default() }
    }

    /// The key of the period that `at` lies in; made and stored if it is the first of its period.
    /// A key just made is not remembered here: its transaction may still fail.
    pub(crate) fn of_period(
        &self,
        db: &Connection,
        at: Timestamp,
    ) -> Result<PeriodKey, StoreError> {
        let period = at.strftime("%Y-%m").to_string();
        let known = db
            .prepare_cached("SELECT id FROM period_key WHERE period = ?1")
            .and_then(|mut sql| sql.query_row([&period], |row| row.get::<_, i64>(0)).optional())
            .map_err(database_error)?;
        if let Some(id) = known {
            return Ok(PeriodKey { id, key: self.period_key(db, id)? });
        }
        let key = Secret::random().map_err(cipher_error)?;
        let wrapped = wrap(self.master.secret(), period.as_bytes(), &key).map_err(cipher_error)?;
        db.execute(
            "INSERT INTO period_key (period, wrapped, made_at) VALUES (?1, ?2, ?3)",
            params![period, wrapped, at.as_microsecond()],
        )
        .map_err(database_error)?;
        Ok(PeriodKey { id: db.last_insert_rowid(), key: Arc::new(key) })
    }

    /// The data key of a message.
    pub(crate) fn data_key(
        &self,
        db: &Connection,
        period: i64,
        hub_id: &str,
        wrapped: &[u8],
    ) -> Result<Secret, StoreError> {
        let period = self.period_key(db, period)?;
        unwrap(&period, hub_id.as_bytes(), wrapped)
            .ok_or_else(|| StoreError::Corrupt("a data key".to_owned()))
    }

    /// Forgets the unwrapped keys: a transaction that made one of them may have failed.
    pub(crate) fn forget(&self) {
        self.remembered().clear();
    }

    /// A value to recognise the master key by, sealed with it.
    pub(crate) fn check_value(&self) -> Result<Vec<u8>, ErrorStack> {
        wrap(self.master.secret(), b"amtsbote master key", &Secret::new([0; 32]))
    }

    /// Whether the value was sealed with this master key.
    pub(crate) fn recognises(&self, value: &[u8]) -> bool {
        unwrap(self.master.secret(), b"amtsbote master key", value).is_some()
    }

    fn period_key(&self, db: &Connection, id: i64) -> Result<Arc<Secret>, StoreError> {
        if let Some(key) = self.remembered().get(&id) {
            return Ok(Arc::clone(key));
        }
        let (period, wrapped): (String, Vec<u8>) = db
            .prepare_cached("SELECT period, wrapped FROM period_key WHERE id = ?1")
            .and_then(|mut sql| sql.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(database_error)?;
        let key = unwrap(self.master.secret(), period.as_bytes(), &wrapped)
            .map(Arc::new)
            .ok_or_else(|| StoreError::Corrupt("a period key".to_owned()))?;
        self.remembered().insert(id, Arc::clone(&key));
        Ok(key)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<i64, Arc<Secret>>> {
        // A panic elsewhere cannot leave the map half changed.
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seals a key under another (AES-256-GCM, random nonce), bound to `context`.
pub(crate) fn wrap(under: &Secret, context: &[u8], key: &Secret) -> Result<Vec<u8>, ErrorStack> {
    let mut nonce = [0; NONCE];
    rand_bytes(&mut nonce)?;
    let mut tag = [0; TAG];
    let cipher = Cipher::aes_256_gcm();
    let sealed =
        encrypt_aead(cipher, under.octets(), Some(&nonce), context, key.octets(), &mut tag)?;
    Ok([&nonce[..], &sealed, &tag].concat())
}

/// The key sealed by [`wrap`]; none when anything about it was changed.
pub(crate) fn unwrap(under: &Secret, context: &[u8], wrapped: &[u8]) -> Option<Secret> {
    if wrapped.len() != WRAPPED {
        return None;
    }
    let (nonce, rest) = wrapped.split_at(NONCE);
    let (sealed, tag) = rest.split_at(32);
    let cipher = Cipher::aes_256_gcm();
    let mut plain = decrypt_aead(cipher, under.octets(), Some(nonce), context, sealed, tag).ok()?;
    let key = <[u8; 32]>::try_from(&plain[..]).ok().map(Secret::new);
    plain.fill(0);
    std::hint::black_box(&mut plain);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wrapped_key_opens_in_its_context_only() {
        let (under, key) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let wrapped = wrap(&under, b"here", &key).expect("wraps");
        let opened = unwrap(&under, b"here", &wrapped).expect("unwraps");
        assert_eq!(opened.octets(), key.octets());
        assert!(unwrap(&under, b"there", &wrapped).is_none());
        assert!(unwrap(&Secret::new([3; 32]), b"here", &wrapped).is_none());
        let mut changed = wrapped.clone();
        changed[20] ^= 1;
        assert!(unwrap(&under, b"here", &changed).is_none());
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(unwrap(&Secret::new([1; 32]), b"", &octets).is_none());
        }
    }
}
