//! Sealing: the envelope, and the inner message as ciphertext behind it while it is written.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::mime::{
    Boundary, Leading, PartHead, WriteFault, Writer, XML_DECLARATION, message_length,
};
use super::super::names::{DS, OSCI128, SOAP, XENC, XENC11, XSI};
use super::{CIPHERTEXT_CONTENT_ID, SCHEMA_LOCATION};
use crate::encryption::{
    EncryptError, KeyOctets, NoRandomness, Random, Recipient, Sealer, transport_key,
};

/// Characters in a line of Base64, as the reference library breaks it.
const LINE: usize = 76;

/// How long the initialization vector is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IvOctets {
    /// 12 octets, and `osci128:IvLength` says so: for everybody who has the feature
    /// `Support96Bit12ByteIV`.
    #[default]
    Twelve,
    /// 16 octets, and nothing says so: for clients without that feature.
    Sixteen,
}

impl IvOctets {
    fn octets(self) -> usize {
        match self {
            Self::Twelve => 12,
            Self::Sixteen => 16,
        }
    }
}

/// Why a message was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// It could not be encrypted.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteFault),
    /// There is no boundary without randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// A key and the envelope that holds it, for one message to one recipient.
#[derive(Debug)]
pub struct Sealing {
    key: KeyOctets,
    iv: IvOctets,
    boundary: Boundary,
    envelope: Vec<u8>,
}

impl Sealing {
    /// Draws key and boundary. The recipient's key must be RSA.
    pub fn new(
        recipient: &Recipient,
        iv: IvOctets,
        random: &mut dyn Random,
    ) -> Result<Self, SealFault> {
        let (key, wrapped) = transport_key(recipient, random)?;
        let envelope = envelope(recipient.certificate_der(), &wrapped, iv).into_bytes();
        let boundary = Boundary::draw_beside(random, &[&envelope])?;
        Ok(Self { key, iv, boundary, envelope })
    }

    fn heads(&self) -> [PartHead; 2] {
        [
            PartHead::encrypted_root(self.envelope.len() as u64),
            PartHead::ciphertext(CIPHERTEXT_CONTENT_ID),
        ]
    }

    /// Octets of the whole outer message, for an inner one of so many: the Content-Length of HTTP.
    pub fn length(&self, inner: u64) -> Result<u64, SealFault> {
        let more = self.iv.octets() + Sealer::<io::Sink>::TAG_OCTETS;
        let ciphertext = inner.checked_add(more as u64).ok_or(WriteFault::TooLong)?;
        let [root, part] = self.heads();
        let parts = [(root, self.envelope.len() as u64), (part, ciphertext)];
        Ok(message_length(Leading::Nothing, &self.boundary, &parts)?)
    }

    /// Writes headers, envelope and initialization vector. The inner message follows, octet by
    /// octet; nothing of it is kept.
    pub fn begin<W: Write>(
        self,
        out: W,
        random: &mut dyn Random,
    ) -> Result<SealingWriter<W>, SealFault> {
        let [root, part] = self.heads();
        let mut writer = Writer::new(out, Leading::Nothing, self.boundary)?;
        writer.begin(&root)?;
        writer.data(&self.envelope)?;
        writer.begin(&part)?;
        Ok(SealingWriter { sealer: Sealer::new(&self.key, self.iv.octets(), random, writer)? })
    }
}

/// Takes the inner message. Without [`SealingWriter::finish`] nobody can open what was written.
#[derive(Debug)]
pub struct SealingWriter<W> {
    sealer: Sealer<Writer<W>>,
}

impl<W: Write> SealingWriter<W> {
    /// Writes tag and closing delimiter, and gives back where it was written to.
    pub fn finish(self) -> Result<W, SealFault> {
        Ok(self.sealer.finish()?.finish()?)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.sealer.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealer.flush()
    }
}

/// The envelope, octet for octet as the reference library writes it, the line break at its end
/// included.
pub(super) fn envelope(certificate: &[u8], wrapped: &[u8], iv: IvOctets) -> String {
    let iv_length = match iv {
        IvOctets::Twelve => format!(
            "<osci128:IvLength xmlns:osci128=\"{OSCI128}\" Value=\"12\"></osci128:IvLength>"
        ),
        IvOctets::Sixteen => String::new(),
    };
    let (certificate, wrapped) = (lines(certificate), lines(wrapped));
    format!(
        "{XML_DECLARATION}<soap:Envelope xmlns:ds=\"{DS}\" xmlns:soap=\"{SOAP}\" \
         xmlns:xenc=\"{XENC}\" xmlns:xsi=\"{XSI}\" \
         xsi:schemaLocation=\"{SCHEMA_LOCATION}\"><soap:Body>\
         <xenc:EncryptedData MimeType=\"Multipart/Related\">\
         <xenc:EncryptionMethod Algorithm=\"{XENC11}aes256-gcm\">{iv_length}\
         </xenc:EncryptionMethod><ds:KeyInfo><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{XENC11}rsa-oaep\"><xenc11:MGF \
         xmlns:xenc11=\"{XENC11}\" Algorithm=\"{XENC11}mgf1sha256\"></xenc11:MGF>\
         <ds:DigestMethod Algorithm=\"{XENC}sha256\"></ds:DigestMethod></xenc:EncryptionMethod>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>\
         </ds:X509Data></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{wrapped}\
         </xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherReference URI=\"cid:{CIPHERTEXT_CONTENT_ID}\">\
         <xenc:Transforms><ds:Transform Algorithm=\"{DS}base64\"></ds:Transform>\
         </xenc:Transforms></xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>\
         </soap:Body></soap:Envelope>\r\n"
    )
}

/// Base64, a line feed behind every full line, the last one too.
fn lines(octets: &[u8]) -> String {
    let text = STANDARD.encode(octets);
    let mut broken = String::with_capacity(text.len() + text.len() / LINE);
    let mut rest = text.as_str();
    while rest.len() >= LINE {
        let (line, after) = rest.split_at(LINE);
        broken.push_str(line);
        broken.push('\n');
        rest = after;
    }
    broken.push_str(rest);
    broken
}
