//! Header blocks with certificates: of the intermediary, and of everybody else.

use super::element::{Children, Element};
use super::limits::Limits;
use super::message_type::MessageType as T;
use super::refusal::Refusal;
use super::writing::{Writing, Xml};

/// A certificate (`CertificateType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its identifier, to which signatures and encrypted keys refer. The reference library writes
    /// `<role>_cipher_` or `<role>_signature_` and the SHA-256 of the certificate in hexadecimal.
    pub id: Option<String>,
    /// X.509 in DER; not looked into.
    pub der: Vec<u8>,
}

impl Certificate {
    fn read(element: Element, name: &'static str, limits: &Limits) -> Result<Self, Refusal> {
        let id = element.attribute("Id").map(str::to_owned);
        let mut children = element.into_children(name)?;
        let data = children.required_ds("X509Data", "X509Data is missing")?;
        children.end()?;
        let mut children = data.into_children("X509Data")?;
        let text = children.required_ds("X509Certificate", "X509Certificate is missing")?;
        children.end()?;
        let der = text.base64("X509Certificate", limits.certificate_bytes)?;
        if der.is_empty() {
            return Err(text.refusal("X509Certificate", "is not empty"));
        }
        Ok(Self { id, der })
    }

    fn write(&self, xml: &mut Xml, name: &'static str) {
        let id = self.id.as_deref().map(|id| ("Id", id));
        xml.element(name, id.as_slice(), |xml| {
            xml.element("ds:X509Data", &[], |xml| {
                xml.base64_lines("ds:X509Certificate", &[], &self.der);
            });
        });
    }
}

fn one(
    children: &mut Children,
    name: &'static str,
    limits: &Limits,
) -> Result<Option<Certificate>, Refusal> {
    children.optional(name).map(|found| Certificate::read(found, name, limits)).transpose()
}

fn many(
    children: &mut Children,
    name: &'static str,
    limits: &Limits,
) -> Result<Vec<Certificate>, Refusal> {
    let bound = (limits.certificates, "certificates");
    children.many(name, bound, |found| Certificate::read(found, name, limits))
}

/// The certificates of Originator, Addressee, Authors and Readers
/// (`NonIntermediaryCertificatesTemplate`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NonIntermediaryCertificates {
    /// CipherCertificateOriginator: for whom an answer is encrypted.
    pub cipher_originator: Option<Certificate>,
    /// CipherCertificateOtherAuthor.
    pub cipher_other_authors: Vec<Certificate>,
    /// CipherCertificateAddressee: for whom it is delivered.
    pub cipher_addressee: Option<Certificate>,
    /// CipherCertificateOtherReader.
    pub cipher_other_readers: Vec<Certificate>,
    /// SignatureCertificateOriginator: who signed the order.
    pub signature_originator: Option<Certificate>,
    /// SignatureCertificateOtherAuthor: who signed content.
    pub signature_other_authors: Vec<Certificate>,
    /// SignatureCertificateAddressee: who signed the answer of a passive recipient.
    pub signature_addressee: Option<Certificate>,
}

impl NonIntermediaryCertificates {
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let place = element.place();
        let mut children = element.into_children("NonIntermediaryCertificates")?;
        let found = Self {
            cipher_originator: one(&mut children, "CipherCertificateOriginator", limits)?,
            cipher_other_authors: many(&mut children, "CipherCertificateOtherAuthor", limits)?,
            cipher_addressee: one(&mut children, "CipherCertificateAddressee", limits)?,
            cipher_other_readers: many(&mut children, "CipherCertificateOtherReader", limits)?,
            signature_originator: one(&mut children, "SignatureCertificateOriginator", limits)?,
            signature_other_authors: many(
                &mut children,
                "SignatureCertificateOtherAuthor",
                limits,
            )?,
            signature_addressee: one(&mut children, "SignatureCertificateAddressee", limits)?,
        };
        children.end()?;
        if found.all().count() > limits.certificates {
            return Err(Refusal::Limit { place, limit: "certificates" });
        }
        Ok(found)
    }

    pub(super) fn write(&self, out: &mut Writing) {
        if !self.fits(out.kind) {
            let rule = "holds a certificate that the schema does not allow in this message, \
                        or lacks one that it demands";
            out.refuse_form("NonIntermediaryCertificates", rule);
        }
        self.all().filter_map(|(_, own)| own.id.as_deref()).for_each(|id| out.claim(id));
        let name = "osci:NonIntermediaryCertificates";
        out.certificates(name, "nonintermediarycertificates", |xml| {
            for (name, certificate) in self.all() {
                certificate.write(xml, name);
            }
        });
    }

    /// In the order of the schema.
    fn all(&self) -> impl Iterator<Item = (&'static str, &Certificate)> {
        let named = |name: &'static str| move |certificate| (name, certificate);
        let ciphers = self
            .cipher_originator
            .iter()
            .map(named("osci:CipherCertificateOriginator"))
            .chain(self.cipher_other_authors.iter().map(named("osci:CipherCertificateOtherAuthor")))
            .chain(self.cipher_addressee.iter().map(named("osci:CipherCertificateAddressee")))
            .chain(
                self.cipher_other_readers.iter().map(named("osci:CipherCertificateOtherReader")),
            );
        let authors = self.signature_other_authors.iter();
        let signatures = self
            .signature_originator
            .iter()
            .map(named("osci:SignatureCertificateOriginator"))
            .chain(authors.map(named("osci:SignatureCertificateOtherAuthor")))
            .chain(
                self.signature_addressee.iter().map(named("osci:SignatureCertificateAddressee")),
            );
        ciphers.chain(signatures)
    }

    /// Whether `NonIntermediaryCertificatesType` of this message allows it.
    fn fits(&self, kind: T) -> bool {
        let no_others = self.cipher_other_authors.is_empty()
            && self.cipher_other_readers.is_empty()
            && self.signature_other_authors.is_empty();
        let no_addressee = self.cipher_addressee.is_none() && self.signature_addressee.is_none();
        let no_originator = self.cipher_originator.is_none() && self.signature_originator.is_none();
        match kind {
            T::GetMessageId => no_others && no_addressee,
            T::InitDialog => no_others && no_addressee && self.cipher_originator.is_some(),
            T::ExitDialog | T::FetchDelivery | T::FetchProcessCard | T::PartialFetchDelivery => {
                no_others && no_addressee && self.cipher_originator.is_none()
            }
            T::StoreDelivery | T::PartialStoreDelivery => {
                self.cipher_addressee.is_some() && self.signature_addressee.is_none()
            }
            T::ResponseToAcceptDelivery => {
                no_others && no_originator && self.cipher_addressee.is_none()
            }
            _ => true,
        }
    }
}

/// The certificates of the intermediary (`IntermediaryCertificatesTemplate`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntermediaryCertificates {
    /// CipherCertificateIntermediary; only towards a passive recipient.
    pub cipher: Option<Certificate>,
    /// SignatureCertificateIntermediary: who signed this message.
    pub signature: Option<Certificate>,
}

impl IntermediaryCertificates {
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut children = element.into_children("IntermediaryCertificates")?;
        let cipher = one(&mut children, "CipherCertificateIntermediary", limits)?;
        let signature = one(&mut children, "SignatureCertificateIntermediary", limits)?;
        children.end()?;
        Ok(Self { cipher, signature })
    }

    pub(super) fn write(&self, out: &mut Writing) {
        if self.cipher.is_some() && !out.kind.is_with_recipient() {
            let rule = "CipherCertificateIntermediary only towards a passive recipient";
            out.refuse_form("IntermediaryCertificates", rule);
        }
        let own = self.cipher.iter().chain(&self.signature);
        own.filter_map(|own| own.id.as_deref()).for_each(|id| out.claim(id));
        out.certificates("osci:IntermediaryCertificates", "intermediarycertificates", |xml| {
            if let Some(certificate) = &self.cipher {
                certificate.write(xml, "osci:CipherCertificateIntermediary");
            }
            if let Some(certificate) = &self.signature {
                certificate.write(xml, "osci:SignatureCertificateIntermediary");
            }
        });
    }
}
