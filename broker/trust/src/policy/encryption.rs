//! What an encryption may use: the policy in the words of `wire`.

use amtsbote_domain::Timestamp;
use amtsbote_wire::encryption::{
    AgreementAlgorithm, AllowedEncryption, DataAlgorithm, KeyAlgorithm,
};
use amtsbote_wire::signature::DigestAlgorithm;

use super::{Algorithm, AlgorithmPolicy, KeyKind, Purpose};

impl AlgorithmPolicy {
    /// What an encryption may use at `at`. Its bounds, and how its parts are found, are no matter of
    /// cryptography and stay as the entry point has them.
    pub fn allowed_encryption(&self, legacy: bool, at: Timestamp) -> AllowedEncryption {
        let open = |purpose, uri: &str| {
            Algorithm::from_uri(uri)
                .is_some_and(|algorithm| !self.judge(purpose, algorithm, at, legacy).is_refused())
        };
        let transport = Purpose::KeyTransport;
        let data = DataAlgorithm::ALL.iter().copied();
        let keys = KeyAlgorithm::ALL.iter().copied();
        let agreements = AgreementAlgorithm::ALL.iter().copied();
        let digests = DigestAlgorithm::ALL.iter().copied();
        let digests: Vec<_> = digests.filter(|a| open(transport, a.uri())).collect();
        let floor = |kind| self.floor(transport, kind, legacy, at).unwrap_or(u32::MAX);
        AllowedEncryption {
            data: data.filter(|a| open(Purpose::DataEncryption, a.uri())).collect(),
            keys: keys.filter(|a| open(transport, a.uri())).collect(),
            agreements: agreements.filter(|a| open(transport, a.uri())).collect(),
            masks: digests.clone(),
            digests,
            min_rsa_bits: floor(KeyKind::Rsa),
            min_ec_bits: floor(KeyKind::Ec),
            ..AllowedEncryption::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Family;
    use super::super::tests::{TODAY, at, names};
    use super::*;

    #[test]
    fn whatever_is_implemented_has_a_name() {
        let family = |uri| Algorithm::from_uri(uri).expect(uri).family();
        assert!(DataAlgorithm::ALL.iter().all(|a| family(a.uri()) == Family::Cipher));
        assert!(KeyAlgorithm::ALL.iter().all(|a| family(a.uri()) == Family::KeyTransport));
        assert!(AgreementAlgorithm::ALL.iter().all(|a| family(a.uri()) == Family::KeyTransport));
    }

    #[test]
    fn what_encryption_may_use_follows_the_judgement() {
        let policy = AlgorithmPolicy::built_in();
        let now = policy.allowed_encryption(false, at(TODAY));
        assert_eq!(
            names(now.data.iter().map(|a| a.uri())),
            ["aes128-gcm", "aes192-gcm", "aes256-gcm"]
        );
        let keys = names(now.keys.iter().map(|a| a.uri()));
        assert!(!keys.contains(&"rsa-1_5") && keys.contains(&"rsa-oaep"), "{keys:?}");
        assert!(!names(now.digests.iter().map(|a| a.uri())).contains(&"sha1"));
        assert_eq!(names(now.agreements.iter().map(|a| a.uri())), ["ECDH-ES", "x25519"]);
        assert_eq!((now.min_rsa_bits, now.min_ec_bits), (3000, 250));
        let legacy = policy.allowed_encryption(true, at(TODAY));
        assert_eq!(legacy.data.len(), DataAlgorithm::ALL.len());
        assert!(names(legacy.keys.iter().map(|a| a.uri())).contains(&"rsa-1_5"));
        assert!(names(legacy.masks.iter().map(|a| a.uri())).contains(&"sha1"));
        assert_eq!((legacy.min_rsa_bits, legacy.min_ec_bits), (2048, 250));
    }
}
