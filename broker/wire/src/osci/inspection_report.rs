//! Inspection: what an intermediary found when it checked a certificate (`InspectionType`).

use super::element::{Children, Element};
use super::limits::Limits;
use super::process_card::{Stamped, date_time};
use super::refusal::Refusal;
use super::values::{DateTime, words};
use super::writing::Xml;

words! {
    /// The level of a certificate (`CertTypeType`).
    CertType {
        /// Advanced.
        Advanced "advanced",
        /// Qualified.
        Qualified "qualified",
        /// Qualified, of an accredited provider.
        Accredited "accredited",
        /// Not known.
        Unknown "unknown",
    }
}

words! {
    /// Whether the signature of the issuer fits (`MathResultType`).
    MathResult {
        /// It does.
        Ok "ok",
        /// It does not.
        Corrupted "corrupted",
        /// Not known.
        Indeterminate "indeterminate",
    }
}

words! {
    /// Whether the certificate is valid at that time (`OfflineResultType`).
    OfflineResult {
        /// It is.
        Valid "valid",
        /// It is not.
        Invalid "invalid",
        /// Not known.
        Indeterminate "indeterminate",
    }
}

words! {
    /// What the issuer says when asked (`OnlineResultType`).
    OnlineStatus {
        /// Not revoked.
        Ok "ok",
        /// Revoked.
        Revoked "revoked",
    }
}

/// What the issuer says, and how it says so (`OnlineResultType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineResult {
    /// What it says.
    pub result: OnlineStatus,
    /// Its answer over OCSP; the schema calls the element `OSCP`.
    pub ocsp: Option<Vec<u8>>,
    /// When the list was made in which it was looked up.
    pub crl: Option<DateTime>,
    /// What a directory said.
    pub ldap: Option<Vec<u8>>,
}

/// One certificate, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// When.
    pub timestamp: Stamped,
    /// Its subject (RFC 2253).
    pub subject_name: String,
    /// Its issuer (RFC 2253).
    pub issuer_name: String,
    /// Its serial number: decimal digits, perhaps behind a sign.
    pub serial_number: String,
    /// Its level.
    pub cert_type: CertType,
    /// Whether the signature of the issuer fits.
    pub math_result: MathResult,
    /// Whether it is valid at that time.
    pub offline_result: OfflineResult,
    /// What the issuer said, if it was asked and answered.
    pub online_result: Option<OnlineResult>,
}

impl Inspection {
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut children = element.into_children("Inspection")?;
        let timestamp = children.required("Timestamp", "Timestamp is missing")?;
        let timestamp = Stamped::read(timestamp, "Timestamp", limits)?;
        let subject = children.required("X509SubjectName", "X509SubjectName is missing")?;
        let subject_name = subject.string("X509SubjectName", limits.value_bytes)?;
        let issuer = children.required("X509IssuerName", "X509IssuerName is missing")?;
        let issuer_name = issuer.string("X509IssuerName", limits.value_bytes)?;
        let serial = children.required("X509SerialNumber", "X509SerialNumber is missing")?;
        let serial_number = serial.trimmed("X509SerialNumber", limits.value_bytes)?.to_owned();
        if !is_integer(&serial_number) {
            return Err(serial.refusal("X509SerialNumber", "a whole number"));
        }
        let cert_type = {
            let rule = "CertType: advanced, qualified, accredited or unknown";
            word(&mut children, ("CertType", "Type"), rule, CertType::parse)?
        };
        let math_result = {
            let rule = "MathResult: ok, corrupted or indeterminate";
            word(&mut children, ("MathResult", "Result"), rule, MathResult::parse)?
        };
        let offline_result = {
            let rule = "OfflineResult: valid, invalid or indeterminate";
            word(&mut children, ("OfflineResult", "Result"), rule, OfflineResult::parse)?
        };
        let online = children.optional("OnlineResult");
        let online_result = online.map(|found| OnlineResult::read(found, limits)).transpose()?;
        children.end()?;
        Ok(Self {
            timestamp,
            subject_name,
            issuer_name,
            serial_number,
            cert_type,
            math_result,
            offline_result,
            online_result,
        })
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        if !is_integer(&self.serial_number) {
            xml.refuse("X509SerialNumber", "a whole number");
        }
        xml.element("osci:Inspection", &[], |xml| {
            self.timestamp.write(xml, "osci:Timestamp");
            xml.text("osci:X509SubjectName", &self.subject_name);
            xml.text("osci:X509IssuerName", &self.issuer_name);
            xml.text("osci:X509SerialNumber", &self.serial_number);
            xml.empty("osci:CertType", &[("Type", self.cert_type.as_str())]);
            xml.empty("osci:MathResult", &[("Result", self.math_result.as_str())]);
            xml.empty("osci:OfflineResult", &[("Result", self.offline_result.as_str())]);
            if let Some(online) = &self.online_result {
                online.write(xml);
            }
        });
    }
}

impl OnlineResult {
    fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let rule = "Result: ok or revoked";
        let result = element.attribute("Result").and_then(OnlineStatus::parse);
        let result = result.ok_or_else(|| element.refusal("OnlineResult", rule))?;
        let mut children = element.into_children("OnlineResult")?;
        let octets = |children: &mut Children, name| {
            let found = children.optional(name);
            found.map(|found| found.base64(name, limits.token_bytes)).transpose()
        };
        let ocsp = octets(&mut children, "OSCP")?;
        let crl = children.optional("CRL");
        let crl = crl.map(|found| date_time(&found, "CRL", limits)).transpose()?;
        let ldap = octets(&mut children, "LDAP")?;
        children.end()?;
        Ok(Self { result, ocsp, crl, ldap })
    }

    fn write(&self, xml: &mut Xml) {
        xml.element("osci:OnlineResult", &[("Result", self.result.as_str())], |xml| {
            if let Some(ocsp) = &self.ocsp {
                xml.base64_lines("osci:OSCP", &[], ocsp);
            }
            if let Some(crl) = &self.crl {
                xml.text("osci:CRL", crl.as_str());
            }
            if let Some(ldap) = &self.ldap {
                xml.base64_lines("osci:LDAP", &[], ldap);
            }
        });
    }
}

/// An empty element whose one attribute is a word.
fn word<T>(
    children: &mut Children,
    (name, attribute): (&'static str, &str),
    rule: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, Refusal> {
    let element = children.required(name, rule)?;
    let value = element.attribute(attribute).and_then(parse);
    let value = value.ok_or_else(|| element.refusal(name, rule))?;
    element.empty(name)?;
    Ok(value)
}

/// `xsd:integer`.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
