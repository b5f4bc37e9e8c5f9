//! Puts the certificates that lie beside a key in order.

use crate::error::TrustError;
use crate::pem::Certificate;

/// Most issuers that are followed.
const MAX_ISSUERS: usize = 8;

/// The leaf, then its issuers as far as they are among the others, up to the root. What belongs to
/// another chain is left out. A link counts where the issuer's key made the signature; whether the
/// chain is to be trusted is not asked here.
pub(super) fn in_order(
    leaf: Certificate,
    others: &[Certificate],
) -> Result<Vec<Certificate>, TrustError> {
    let mut chain = vec![leaf];
    while chain.len() <= MAX_ISSUERS {
        let last = &chain[chain.len() - 1];
        let mut next = None;
        for other in others.iter().filter(|other| !chain.contains(other)) {
            if other.subject() == last.issuer()
                && last.x509().verify(&*other.x509().public_key()?)?
            {
                next = Some(other.clone());
                break;
            }
        }
        match next {
            Some(issuer) => chain.push(issuer),
            None => break,
        }
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::tests::{ca, issue};
    use crate::testca::{KeyKind, Purpose, TestCa};

    #[test]
    fn only_its_own_issuers_follow() {
        let root = ca(KeyKind::EcP256).certificate().clone();
        let leaf = issue("TEST a", Purpose::Client).certificate().clone();
        // The same name, another key.
        let double = TestCa::new("TEST root EC", KeyKind::EcP256, ca(KeyKind::EcP256).span());
        let double = double.expect("a CA").certificate().clone();
        assert_eq!(double.subject(), root.subject());
        let other = issue("TEST b", Purpose::Client).certificate().clone();
        let chain = in_order(leaf.clone(), &[other, double.clone(), leaf.clone(), root.clone()]);
        assert_eq!(chain.expect("in order"), [leaf.clone(), root.clone()]);
        assert_eq!(in_order(leaf.clone(), &[double]).expect("alone"), [leaf]);
        assert_eq!(in_order(root.clone(), std::slice::from_ref(&root)).expect("alone"), [root]);
    }
}
