//! Opening: a survey of the document, a key for one `EncryptedData`, and the second pass that
//! decrypts it.

use std::io::{self, BufRead, Read, Write};

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber, Position, StartTag};

use super::algorithm::DataAlgorithm;
use super::allowed::{AllowedEncryption, IvRule};
use super::base64_text::Base64Text;
use super::data::{CipherSource, EncryptedData};
use super::decipher::{Decipher, Released};
use super::fault::EncryptionFault;
use super::key_info::EncryptedKey;
use super::keys::Keys;
use super::method::DataMethod;
use super::proof::{NOT_PROVEN, Proof, covers, is_proven};
use super::scan::{Certificates, Scan};
use super::search::Search;
use super::secret::{KeyOctets, Random};
use crate::c14n::{Interval, identifiers};
use crate::signature::pass;

/// Octets of a part that are read at once.
const PIECE: usize = 64 * 1024;

/// What pass 1 found in a document: every `EncryptedData`, and the keys that belong to them.
#[derive(Debug)]
pub struct Survey {
    data: Vec<EncryptedData>,
    keys: Vec<EncryptedKey>,
    key_nodes: Vec<Interval>,
    certificates: Vec<Certificates>,
    digest: Digest,
}

/// Reads a document and notes what is encrypted in it. Nothing is decrypted yet. What is wrong
/// with one `EncryptedData` is told by [`Survey::open`]; an error here concerns the document.
pub fn survey(
    document: impl BufRead,
    limits: &Limits,
    allowed: &AllowedEncryption,
) -> Result<Survey, EncryptionFault> {
    let mut scan = Scan::new(allowed.max_keys);
    let digest = pass(document, limits, &mut scan)?;
    let Scan { data, keys, key_nodes, certificates, .. } = scan;
    Ok(Survey { data, keys, key_nodes, certificates, digest })
}

impl Survey {
    /// Every `EncryptedData`, in the order of the document.
    pub fn data(&self) -> &[EncryptedData] {
        &self.data
    }

    /// SHA-256 over the octets of the document.
    pub fn document(&self) -> Digest {
        self.digest
    }

    /// Finds the key for one of [`Survey::data`] among `keys`. What is for reading old data only
    /// (chained blocks, Triple DES, RSAES-PKCS1-v1_5) is used only under a `proof`: a signature over
    /// this very document that covers data, key and ciphertext, wherever they stand in it.
    ///
    /// Where the message is at fault in a way that only a private key can tell, there is no error
    /// here: the key is one that opens nothing, and the data do not decrypt.
    pub fn open(
        &self,
        data: &EncryptedData,
        keys: Keys<'_>,
        allowed: &AllowedEncryption,
        proof: Option<Proof<'_>>,
        random: &mut dyn Random,
    ) -> Result<Opening, EncryptionFault> {
        let parts = data.parts.as_ref().map_err(|refused| *refused)?;
        let DataMethod { place, algorithm, .. } = parts.method;
        if !allowed.data.contains(&algorithm) {
            let rule = "EncryptionMethod of the data: not in this profile";
            return Err(EncryptionFault::AlgorithmNotAllowed { place, rule });
        }
        let iv_length = iv_length(&parts.method, allowed.iv)?;
        if matches!(parts.source, CipherSource::Element(_)) && !allowed.same_document {
            let rule = "CipherReference: not in this profile";
            return Err(EncryptionFault::AlgorithmNotAllowed { place, rule });
        }
        let length = algorithm.key_octets();
        let mut search = self.search(keys, allowed);
        let way = search.find(&parts.key_info, length, data.position)?;
        let mut covered = None;
        if algorithm.is_legacy() || way.is_legacy() {
            let elsewhere = search.path().iter().filter_map(|n| self.key_nodes.get(*n));
            let nodes = std::iter::once(&data.nodes).chain(elsewhere);
            if !is_proven(proof, self.digest, nodes, &parts.source) {
                let rule = NOT_PROVEN;
                return Err(EncryptionFault::AlgorithmNotAllowed { place, rule });
            }
            // Where another element is, pass 2 will see.
            if let (Some(Proof::Signature(proof)), CipherSource::Element(_)) =
                (proof, &parts.source)
            {
                covered = Some(proof.covered().to_vec());
            }
        }
        Ok(Opening {
            covered,
            algorithm,
            iv_length,
            key: way.key(length, random)?,
            source: parts.source.clone(),
            value: data.value,
            position: data.position,
            document: self.digest,
            max_octets: allowed.max_octets,
        })
    }

    pub(super) fn search<'a>(
        &'a self,
        keys: Keys<'a>,
        allowed: &'a AllowedEncryption,
    ) -> Search<'a> {
        Search::new(keys, allowed, &self.keys, &self.certificates)
    }
}

fn iv_length(method: &DataMethod, rule: IvRule) -> Result<usize, EncryptionFault> {
    let said = method.iv_length;
    match rule {
        // Octets of a block (XML Encryption 1.1, 5.2).
        _ if method.algorithm.is_legacy() && said.is_none() => {
            Ok(method.algorithm.cipher().iv_length())
        }
        IvRule::Osci if !method.algorithm.is_legacy() => Ok(said.unwrap_or(16)),
        IvRule::Standard if said.is_none() => Ok(12),
        IvRule::Osci | IvRule::Standard => Err(EncryptionFault::AlgorithmNotAllowed {
            place: method.place,
            rule: "IvLength: not in this profile",
        }),
    }
}

/// How the octets of a part come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartOctets {
    /// As the message says: Base64 where it names the transform `#base64`.
    AsReferenced,
    /// The transport has undone all encodings, whatever the message says. OSCI-Transport 1.2 names
    /// `#base64` also where the part comes as it is (`8bit`, `binary`).
    Decoded,
}

/// One `EncryptedData` whose key is at hand.
#[derive(Debug)]
pub struct Opening {
    /// Where the ciphertext in another element must lie, if it must be signed.
    covered: Option<Vec<Interval>>,
    algorithm: DataAlgorithm,
    iv_length: usize,
    key: KeyOctets,
    source: CipherSource,
    value: Option<NodeNumber>,
    position: Position,
    document: Digest,
    max_octets: u64,
}

impl Opening {
    /// Where the ciphertext is.
    pub fn source(&self) -> &CipherSource {
        &self.source
    }

    /// Decrypts what the document itself holds into `spool`: pass 2 over the same octets. The spool
    /// comes back only when all of it may be read, and is dropped otherwise.
    pub fn document<W: Write>(
        self,
        document: impl BufRead,
        limits: &Limits,
        spool: W,
    ) -> Result<Released<W>, EncryptionFault> {
        let place = self.position;
        let target = match (&self.source, self.value) {
            (CipherSource::Value, Some(node)) => Target::Node(node),
            (CipherSource::Element(id), _) => Target::Id(id.clone()),
            _ => {
                let rule = "the ciphertext is in a part";
                return Err(EncryptionFault::Invalid { place, rule });
            }
        };
        let digest = self.document;
        let mut sink = ValuePass {
            target,
            place,
            covered: self.covered.clone(),
            depth: None,
            met: 0,
            text: Some(Base64Text::default()),
            octets: Vec::new(),
            decipher: self.decipher(spool)?,
        };
        if pass(document, limits, &mut sink)? != digest {
            return Err(EncryptionFault::DocumentChanged);
        }
        sink.finish()
    }

    /// Decrypts a part into `spool`. The same holds of the spool. Where a signature was asked for,
    /// these must be the octets that it was verified over.
    pub fn part<W: Write>(
        self,
        mut part: impl Read,
        octets: PartOctets,
        spool: W,
    ) -> Result<Released<W>, EncryptionFault> {
        let mut decipher = self.part_decipher(octets, spool)?;
        let mut buffer = vec![0; PIECE];
        loop {
            match part.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => decipher.update(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(EncryptionFault::Read(error)),
            }
        }
        decipher.finish()
    }

    /// The same for octets that are pushed as they come.
    pub fn part_decipher<W: Write>(
        self,
        octets: PartOctets,
        spool: W,
    ) -> Result<PartDecipher<W>, EncryptionFault> {
        let place = self.position;
        let CipherSource::Part { base64, .. } = self.source else {
            let rule = "the ciphertext is in the document";
            return Err(EncryptionFault::Invalid { place, rule });
        };
        let text = (base64 && octets == PartOctets::AsReferenced).then(Base64Text::default);
        Ok(PartDecipher { text, decoded: Vec::new(), decipher: self.decipher(spool)?, place })
    }

    fn decipher<W: Write>(self, spool: W) -> Result<Decipher<W>, EncryptionFault> {
        let Self { algorithm, key, iv_length, max_octets, .. } = self;
        Ok(Decipher::new(algorithm, key, iv_length, max_octets, spool)?)
    }
}

/// A part on its way through the cipher. What the spool holds may be read after
/// [`PartDecipher::finish`] and not before.
pub struct PartDecipher<W> {
    text: Option<Base64Text>,
    decoded: Vec<u8>,
    decipher: Decipher<W>,
    place: Position,
}

impl<W: Write> PartDecipher<W> {
    /// Takes octets of the part.
    pub fn update(&mut self, octets: &[u8]) -> Result<(), EncryptionFault> {
        for piece in octets.chunks(PIECE) {
            let piece = match &mut self.text {
                None => piece,
                Some(text) => {
                    self.decoded.clear();
                    if text.text(piece, &mut self.decoded).is_err() {
                        self.decipher.spoil();
                    }
                    &self.decoded
                }
            };
            take(&mut self.decipher, piece, self.place)?;
        }
        Ok(())
    }

    /// The part has ended. Gives the spool back, or drops it.
    pub fn finish(mut self) -> Result<Released<W>, EncryptionFault> {
        if let Some(text) = self.text.take() {
            self.decoded.clear();
            if text.finish(&mut self.decoded).is_err() {
                self.decipher.spoil();
            }
            take(&mut self.decipher, &self.decoded, self.place)?;
        }
        self.decipher.finish()
    }
}

impl<W> std::fmt::Debug for PartDecipher<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartDecipher").finish_non_exhaustive()
    }
}

fn take<W: Write>(
    decipher: &mut Decipher<W>,
    octets: &[u8],
    place: Position,
) -> Result<(), EncryptionFault> {
    if decipher.update(octets) {
        Ok(())
    } else {
        Err(EncryptionFault::Limit { place, limit: "octets of a ciphertext" })
    }
}

/// The element whose text is the ciphertext.
enum Target {
    Node(NodeNumber),
    Id(String),
}

/// Pass 2: the text of one element, decoded and decrypted.
struct ValuePass<W> {
    target: Target,
    place: Position,
    /// Outside of these the ciphertext is not signed, and must be.
    covered: Option<Vec<Interval>>,
    /// Of the element, while it is open.
    depth: Option<u32>,
    /// How many elements were the one.
    met: usize,
    text: Option<Base64Text>,
    octets: Vec<u8>,
    decipher: Decipher<W>,
}

impl<W: Write> ValuePass<W> {
    fn is_target(&self, tag: &StartTag) -> bool {
        match &self.target {
            Target::Node(node) => tag.node == *node,
            Target::Id(id) => identifiers(tag).any(|own| own == id),
        }
    }

    /// Refuses a ciphertext that is not signed, before it is decrypted.
    fn check(&self, node: NodeNumber) -> Result<(), EncryptionFault> {
        match &self.covered {
            Some(covered) if !covers(covered, node) => {
                let (place, rule) = (self.place, NOT_PROVEN);
                Err(EncryptionFault::AlgorithmNotAllowed { place, rule })
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, last: Option<&str>) -> Result<(), EncryptionFault> {
        self.octets.clear();
        let decoded = match (last, &mut self.text) {
            (Some(text), Some(base64)) => base64.text(text.as_bytes(), &mut self.octets),
            (None, text) => text.take().map_or(Ok(()), |text| text.finish(&mut self.octets)),
            (Some(_), None) => Ok(()),
        };
        if decoded.is_err() {
            self.decipher.spoil();
        }
        take(&mut self.decipher, &self.octets, self.place)
    }

    fn finish(mut self) -> Result<Released<W>, EncryptionFault> {
        if self.met != 1 {
            let (place, rule) = (self.place, "exactly one element must hold the ciphertext");
            return Err(EncryptionFault::Invalid { place, rule });
        }
        self.take(None)?;
        self.decipher.finish()
    }
}

impl<W: Write> EventSink for ValuePass<W> {
    type Error = EncryptionFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), EncryptionFault> {
        match *event {
            Event::Start(tag) if self.depth.is_some() => {
                let rule = "the ciphertext is text and nothing else";
                return Err(EncryptionFault::Invalid { place: tag.position, rule });
            }
            Event::Start(tag) if self.is_target(tag) => {
                self.met += 1;
                self.check(tag.node)?;
                if self.met == 1 {
                    self.depth = Some(tag.depth);
                }
            }
            Event::End(tag, _) if self.depth == Some(tag.depth) => self.depth = None,
            Event::Text(node, text, _) if self.depth.is_some() => {
                self.check(node)?;
                self.take(Some(text))?;
            }
            _ => {}
        }
        Ok(())
    }
}
