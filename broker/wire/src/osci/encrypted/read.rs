//! Opening: the envelope, the key, the ciphertext into a spool.

use std::io::{Read, Write};

use amtsbote_domain::fault::{Code as Refusal, Fault};
use amtsbote_schemas::xml::{DriveError, Event as XmlEvent, EventSink, Limits, drive};

use super::super::feedback::Code;
use super::super::mime::{self, Event, MimeFault, Reader};
use super::super::names::{SOAP, XENC};
use super::{IvOctets, MAX_ENVELOPE_BYTES};
use crate::encryption::{
    AllowedEncryption, CipherSource, EncryptedData, EncryptionFault, IvRule, KeyAlgorithm, Keys,
    Opening, PartDecipher, PartOctets, Proof, Random, Released, Survey, survey,
};

/// Octets that are read at once.
const PIECE: usize = 64 * 1024;

/// What is opened for partners: AES-GCM under RSA-OAEP with SHA-2 or SHA-3, the key in the envelope.
pub fn policy() -> AllowedEncryption {
    AllowedEncryption {
        keys: vec![KeyAlgorithm::RsaOaep],
        agreements: Vec::new(),
        derivations: Vec::new(),
        iv: IvRule::Osci,
        retrieval: false,
        same_document: false,
        plain_keys: false,
        max_keys: 8,
        ..AllowedEncryption::default()
    }
}

/// Why an encrypted message was not opened. Never holds a value from the message.
#[derive(Debug, thiserror::Error)]
pub enum EncryptedFault {
    /// The outer message cannot be read.
    #[error(transparent)]
    Mime(#[from] MimeFault),
    /// The envelope, or what goes with it, is not built as soapMessageEncrypted.xsd and the standard
    /// say.
    #[error("{0}")]
    Structure(&'static str),
    /// It was not decrypted.
    #[error(transparent)]
    Encryption(#[from] EncryptionFault),
    /// The message could not be read from its source.
    #[error("the message could not be read")]
    Read(#[source] std::io::Error),
}

impl EncryptedFault {
    /// What the client is told: a fault on the level of the message.
    pub fn feedback(&self) -> Code {
        match self {
            Self::Mime(_) | Self::Structure(_) => Code::NotAnOsciMessage,
            Self::Encryption(fault) => match fault {
                EncryptionFault::NoKey { .. } => Code::NoPrivateKey,
                EncryptionFault::Undecryptable
                | EncryptionFault::Invalid { .. }
                | EncryptionFault::AlgorithmNotAllowed { .. }
                | EncryptionFault::Limit { .. } => Code::Undecryptable,
                EncryptionFault::Xml(error) if error.is_input() => Code::SupplierError,
                EncryptionFault::Xml(_) => Code::NotAnOsciMessage,
                EncryptionFault::DocumentChanged
                | EncryptionFault::Read(_)
                | EncryptionFault::Spool(_)
                | EncryptionFault::KeyStore
                | EncryptionFault::Library(_) => Code::SupplierError,
            },
            Self::Read(_) => Code::SupplierError,
        }
    }

    /// The code of the refusal.
    pub fn code(&self) -> Refusal {
        match self {
            Self::Mime(fault) => fault.code(),
            Self::Structure(_) => Refusal::MalformedRequest,
            Self::Encryption(fault) => fault.code(),
            Self::Read(_) => Refusal::Internal,
        }
    }
}

impl From<EncryptedFault> for Fault {
    fn from(fault: EncryptedFault) -> Self {
        match fault {
            EncryptedFault::Mime(fault) => fault.into(),
            EncryptedFault::Encryption(fault) => fault.into(),
            fault => Self::new(fault.code()).because(fault),
        }
    }
}

/// The envelope of an encrypted message; nothing is decrypted yet.
#[derive(Debug)]
pub struct SoapMessageEncrypted {
    survey: Survey,
    cid: String,
}

/// Reads the envelope: the first part of the outer message, at most [`MAX_ENVELOPE_BYTES`].
pub fn read(
    envelope: &[u8],
    allowed: &AllowedEncryption,
) -> Result<SoapMessageEncrypted, EncryptedFault> {
    if envelope.len() > MAX_ENVELOPE_BYTES {
        let limit = MAX_ENVELOPE_BYTES as u64;
        return Err(MimeFault::TooLarge { what: "octets of the envelope", limit }.into());
    }
    let limits = Limits { depth: 32, ..Limits::default() };
    let mut form = Form::default();
    drive(envelope, &limits, &mut form).map_err(|error| match error {
        DriveError::Xml(error) => EncryptedFault::Encryption(EncryptionFault::Xml(error)),
        DriveError::Sink(rule) => EncryptedFault::Structure(rule),
    })?;
    if form.data != 1 {
        return Err(EncryptedFault::Structure("soap:Body holds one xenc:EncryptedData"));
    }
    let survey = survey(envelope, &limits, allowed)?;
    let cid = match survey.data() {
        // What is wrong inside is told when it is opened; a cid there must be to begin with.
        [data] => match data.source() {
            Some(CipherSource::Part { cid, .. }) => cid.clone(),
            Some(_) => return Err(EncryptedFault::Structure("the ciphertext is a part, by cid")),
            None => String::new(),
        },
        _ => return Err(EncryptedFault::Structure("soap:Body holds one xenc:EncryptedData")),
    };
    Ok(SoapMessageEncrypted { survey, cid })
}

/// soap:Envelope, soap:Body, xenc:EncryptedData, and nothing beside.
#[derive(Default)]
struct Form {
    bodies: u32,
    data: u32,
    depth: u32,
}

impl EventSink for Form {
    type Error = &'static str;

    fn event(&mut self, event: &XmlEvent<'_>) -> Result<(), Self::Error> {
        match *event {
            XmlEvent::Start(tag) => {
                self.depth = tag.depth;
                match tag.depth {
                    1 if !tag.is(SOAP, "Envelope") => return Err("the root is no soap:Envelope"),
                    2 => {
                        self.bodies += 1;
                        if !tag.is(SOAP, "Body") || self.bodies > 1 {
                            return Err("soap:Envelope holds one soap:Body and nothing else");
                        }
                    }
                    3 => {
                        self.data += 1;
                        if !tag.is(XENC, "EncryptedData") || self.data > 1 {
                            return Err("soap:Body holds one xenc:EncryptedData");
                        }
                    }
                    _ => {}
                }
            }
            XmlEvent::End(tag, _) => self.depth = tag.depth.saturating_sub(1),
            XmlEvent::Text(_, text, _)
                if (1..=2).contains(&self.depth)
                    && text.contains(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')) =>
            {
                return Err("text between the elements of the envelope");
            }
            _ => {}
        }
        Ok(())
    }
}

impl SoapMessageEncrypted {
    /// The DER of the certificates that it is encrypted for, as it says.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8]> {
        self.survey.data().iter().flat_map(EncryptedData::recipients)
    }

    /// How long the initialization vector is said to be. An answer does as the request did.
    pub fn iv(&self) -> IvOctets {
        match self.survey.data().first().and_then(EncryptedData::iv_length) {
            Some(12) => IvOctets::Twelve,
            _ => IvOctets::Sixteen,
        }
    }

    /// Content-ID of the part that holds the ciphertext.
    pub fn cid(&self) -> &str {
        &self.cid
    }

    /// Finds the key. A `proof` is something that only archives have; see the module.
    pub fn open<W: Write>(
        &self,
        keys: Keys<'_>,
        allowed: &AllowedEncryption,
        proof: Option<Proof<'_>>,
        random: &mut dyn Random,
        spool: W,
    ) -> Result<Opener<W>, EncryptedFault> {
        let data = self.survey.data().first();
        let data = data.ok_or(EncryptedFault::Structure("soap:Body holds one EncryptedData"))?;
        let opening: Opening = self.survey.open(data, keys, allowed, proof, random)?;
        // The reader of the message has undone the transfer encoding that the part names.
        let decipher = opening.part_decipher(PartOctets::Decoded, spool)?;
        Ok(Opener { cid: self.cid.clone(), state: State::Waiting, decipher })
    }
}

/// Takes what follows the envelope in the outer message, and decrypts it into the spool.
#[derive(Debug)]
pub struct Opener<W> {
    cid: String,
    state: State,
    decipher: PartDecipher<W>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Open,
    Done,
}

impl<W: Write> Opener<W> {
    /// Takes an event behind the end of the first part.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), EncryptedFault> {
        match event {
            Event::PartBegin(headers) => {
                if self.state != State::Waiting || headers.content_id != self.cid {
                    let rule = "the ciphertext is the only part behind the envelope";
                    return Err(EncryptedFault::Structure(rule));
                }
                self.state = State::Open;
            }
            Event::Data(octets) if self.state == State::Open => self.decipher.update(octets)?,
            Event::PartEnd { .. } if self.state == State::Open => self.state = State::Done,
            _ => {}
        }
        Ok(())
    }

    /// The outer message has ended, completely. Gives the spool back with the inner message in it,
    /// or drops it.
    pub fn finish(self) -> Result<Released<W>, EncryptedFault> {
        if self.state != State::Done {
            return Err(EncryptedFault::Structure("the part with the ciphertext is missing"));
        }
        Ok(self.decipher.finish()?)
    }
}

/// Opens a whole message whose octets can be read at once. `limits` are those of the outer message.
pub fn open_message<W: Write>(
    mut body: impl Read,
    limits: &mime::Limits,
    keys: Keys<'_>,
    allowed: &AllowedEncryption,
    random: &mut dyn Random,
    spool: W,
) -> Result<Released<W>, EncryptedFault> {
    let root_bytes = limits.root_bytes.min(MAX_ENVELOPE_BYTES as u64);
    let mut reader = Reader::new(mime::Limits { root_bytes, ..*limits });
    let (mut envelope, mut opener, mut spool) = (Vec::new(), None::<Opener<W>>, Some(spool));
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(EncryptedFault::Read(error)),
        };
        let mut input = &buffer[..count];
        while let Some(event) = reader.next_event(&mut input)? {
            match (&mut opener, &event) {
                (Some(opener), event) => opener.event(event)?,
                (None, Event::Data(octets)) => envelope.extend_from_slice(octets),
                (None, Event::PartEnd { .. }) => {
                    let message = read(&envelope, allowed)?;
                    if let Some(spool) = spool.take() {
                        opener = Some(message.open(keys, allowed, None, random, spool)?);
                    }
                }
                (None, _) => {}
            }
        }
    }
    reader.finish()?;
    let opener = opener.ok_or(EncryptedFault::Structure("there is no envelope"))?;
    opener.finish()
}
