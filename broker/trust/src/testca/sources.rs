//! Extensions that say where the revocation of a certificate can be asked.

use openssl::asn1::{Asn1Object, Asn1OctetString};
use openssl::x509::X509Extension;

use crate::der::{self, SEQUENCE, constructed, primitive};
use crate::error::TrustError;

/// The addresses that a certificate names; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Of its issuer's CRL, one distribution point each.
    pub lists: Vec<String>,
    /// Of responders.
    pub ocsp: Vec<String>,
    /// Of its issuer's certificate.
    pub issuers: Vec<String>,
}

const OCSP: &str = "1.3.6.1.5.5.7.48.1";
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

impl Sources {
    pub(super) fn extensions(&self) -> Result<Vec<X509Extension>, TrustError> {
        let mut extensions = Vec::new();
        let uri = |address: &String| der::value(primitive(6), &[address.as_bytes()]);
        if !self.lists.is_empty() {
            let point = |address: &String| {
                let names = der::value(constructed(0), &[&uri(address)]);
                der::value(SEQUENCE, &[&der::value(constructed(0), &[&names])])
            };
            let points: Vec<u8> = self.lists.iter().flat_map(point).collect();
            extensions.push(extension("2.5.29.31", &der::value(SEQUENCE, &[&points]))?);
        }
        let of = |method, addresses: &[String]| -> Result<Vec<u8>, TrustError> {
            let method = der::value(der::OID, &[Asn1Object::from_str(method)?.as_slice()]);
            let access = |address| der::value(SEQUENCE, &[&method, &uri(address)]);
            Ok(addresses.iter().flat_map(access).collect())
        };
        let access = [of(OCSP, &self.ocsp)?, of(CA_ISSUERS, &self.issuers)?].concat();
        if !access.is_empty() {
            extensions.push(extension("1.3.6.1.5.5.7.1.1", &der::value(SEQUENCE, &[&access]))?);
        }
        Ok(extensions)
    }
}

fn extension(oid: &str, value: &[u8]) -> Result<X509Extension, TrustError> {
    let oid = Asn1Object::from_str(oid)?;
    Ok(X509Extension::new_from_der(&oid, false, &*Asn1OctetString::new_from_bytes(value)?)?)
}
