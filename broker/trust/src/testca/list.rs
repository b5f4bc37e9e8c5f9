//! CRLs of the test authority, good and bad ones: it writes what it is told.

use amtsbote_domain::Timestamp;
use openssl::asn1::Asn1Object;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::sign::Signer;

use super::TestCa;
use crate::der::{self, SEQUENCE, constructed};
use crate::error::TrustError;
use crate::pem::Certificate;

/// What a CRL says.
#[derive(Clone, Debug)]
pub struct List {
    /// thisUpdate.
    pub from: Timestamp,
    /// nextUpdate.
    pub until: Option<Timestamp>,
    /// cRLNumber.
    pub number: Option<u8>,
    /// The revoked certificates.
    pub entries: Vec<Entry>,
    /// Further extensions: OID, critical, DER.
    pub extensions: Vec<(&'static str, bool, Vec<u8>)>,
}

/// One revoked certificate.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The content of the serial number.
    pub serial: Vec<u8>,
    /// revocationDate.
    pub at: Timestamp,
    /// reasonCode.
    pub reason: Option<u8>,
    /// Further extensions: OID, critical, DER.
    pub extensions: Vec<(&'static str, bool, Vec<u8>)>,
}

impl Entry {
    /// An entry for a certificate.
    pub fn new(certificate: &Certificate, at: Timestamp, reason: Option<u8>) -> Self {
        let serial = certificate.x509().serial_number().to_bn().map(|serial| serial.to_vec());
        // Serial numbers that need a sign octet have one in DER.
        let mut serial = serial.unwrap_or_default();
        if serial.first().is_none_or(|first| *first >= 0x80) {
            serial.insert(0, 0);
        }
        Self { serial, at, reason, extensions: Vec::new() }
    }
}

impl List {
    /// A list without entries.
    pub fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from,
            until: Some(until),
            number: Some(1),
            entries: Vec::new(),
            extensions: Vec::new(),
        }
    }
}

impl TestCa {
    /// Writes and signs a list, in DER.
    pub fn sign_list(&self, list: &List) -> Result<Vec<u8>, TrustError> {
        let key = self.identity().key();
        let algorithm = match key.id() {
            Id::RSA => [oid("1.2.840.113549.1.1.11")?, der::value(der::NULL, &[])].concat(),
            _ => oid("1.2.840.10045.4.3.2")?,
        };
        let algorithm = der::value(SEQUENCE, &[&algorithm]);
        let mut revoked = Vec::new();
        for entry in &list.entries {
            let mut extensions = Vec::new();
            if let Some(reason) = entry.reason {
                let code = der::value(der::ENUMERATED, &[&[reason]]);
                extensions.extend(extension(&("2.5.29.21", false, code))?);
            }
            for more in &entry.extensions {
                extensions.extend(extension(more)?);
            }
            let extensions = match extensions.is_empty() {
                true => Vec::new(),
                false => der::value(SEQUENCE, &[&extensions]),
            };
            let serial = der::value(der::INTEGER, &[&entry.serial]);
            revoked.extend(der::value(SEQUENCE, &[&serial, &time(entry.at), &extensions]));
        }
        let revoked = match revoked.is_empty() {
            true => revoked,
            false => der::value(SEQUENCE, &[&revoked]),
        };
        let mut extensions = Vec::new();
        if let Some(number) = list.number {
            let number = der::value(der::INTEGER, &[&[number & 0x7f]]);
            extensions.extend(extension(&("2.5.29.20", false, number))?);
        }
        for more in &list.extensions {
            extensions.extend(extension(more)?);
        }
        let extensions = der::value(constructed(0), &[&der::value(SEQUENCE, &[&extensions])]);
        let tbs = der::value(
            SEQUENCE,
            &[
                &der::value(der::INTEGER, &[&[1]]),
                &algorithm,
                &self.certificate().x509().subject_name().to_der()?,
                &time(list.from),
                &list.until.map(time).unwrap_or_default(),
                &revoked,
                &extensions,
            ],
        );
        let signature = Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(&tbs)?;
        let signature = der::value(der::BIT_STRING, &[&[0], &signature]);
        Ok(der::value(SEQUENCE, &[&tbs, &algorithm, &signature]))
    }
}

fn oid(text: &str) -> Result<Vec<u8>, TrustError> {
    Ok(der::value(der::OID, &[Asn1Object::from_str(text)?.as_slice()]))
}

fn extension((name, critical, value): &(&str, bool, Vec<u8>)) -> Result<Vec<u8>, TrustError> {
    let critical = if *critical { der::value(der::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    let value = der::value(der::OCTET_STRING, &[value]);
    Ok(der::value(SEQUENCE, &[&oid(name)?, &critical, &value]))
}

/// RFC 5280, 5.1.2.4: UTCTime through 2049.
fn time(at: Timestamp) -> Vec<u8> {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    match at.year() {
        ..2050 => der::value(der::UTC_TIME, &[at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()]),
        _ => {
            let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
            der::value(der::GENERALIZED_TIME, &[text.as_bytes()])
        }
    }
}
