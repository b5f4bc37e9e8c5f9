//! A client of our own codec: what a partner's software does.

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_wire::encryption::{Decryptor, Keys as Opening, NoRandomness, Recipient};
use amtsbote_wire::osci::dialogue::{Challenge, ClientDialogue};
use amtsbote_wire::osci::encrypted::{self, IvOctets, Sealing};
use amtsbote_wire::osci::fault::SoapMessageFault;
use amtsbote_wire::osci::mime::{self, Boundary, Event, Leading, PartHead, Reader, Writer};
use amtsbote_wire::osci::signature::{
    CertificateUse, Claimed, IfUnsigned, Making, Means, Received, Side, SignedBlock, SignedPart,
    certificate_id, signature_block,
};
use amtsbote_wire::osci::{
    Certificate, DesiredLanguages, Enclosed, ExitDialog, FetchDelivery, FetchProcessCard,
    GetMessageId, InitDialog, Language, Limits, Message, MessageId, MessageType,
    NonIntermediaryCertificates, OrderHead, PackageItem, ProcessCardCriteria, QualityOfTimestamp,
    StoreDelivery, identify,
};
use amtsbote_wire::signature::{Allowed, DigestAlgorithm};
use std::io::Write as _;

use super::ground::{Ground, Pair};

fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    openssl::rand::rand_bytes(octets).map_err(|_| NoRandomness)
}

/// How a client sends.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) signed: bool,
    pub(super) encrypted: bool,
}

pub(super) const WHOLLY: Manner = Manner { signed: true, encrypted: true };

/// A partner's software.
pub(super) struct Client {
    pub(super) keys: Pair,
    /// The certificates of the intermediary.
    hub: (Vec<u8>, TrustedCertificate),
    pub(super) manner: Manner,
    pub(super) languages: &'static str,
    pub(super) dialogue: ClientDialogue,
    url: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Back {
    /// An answer: its codes, with what it says, and its attachments.
    Answer(Box<Answered>),
    /// A SOAP fault with this code.
    Fault(String),
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) codes: Vec<String>,
    pub(super) texts: Vec<(String, String)>,
    pub(super) received: Received,
    pub(super) signed: bool,
    pub(super) encrypted: bool,
    pub(super) root: Vec<u8>,
    pub(super) attachments: Vec<(String, Vec<u8>)>,
}

impl Back {
    pub(super) fn answer(self) -> Answered {
        match self {
            Self::Answer(answer) => *answer,
            Self::Fault(code) => panic!("a fault {code} came back"),
        }
    }

    pub(super) fn fault(self) -> String {
        match self {
            Self::Fault(code) => code,
            Self::Answer(answer) => panic!("an answer came back: {:?}", answer.codes),
        }
    }
}

/// An order that is ready to leave.
pub(super) struct Letter {
    pub(super) octets: Vec<u8>,
}

impl Client {
    pub(super) fn new(ground: &Ground, keys: &Pair, manner: Manner) -> Self {
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
        Self {
            keys: keys.clone(),
            hub: {
                let tables = ground.hub.tables();
                let own = tables.intermediary.as_ref().expect("it is one");
                (own.cipher.der().to_vec(), own.signature.trusted())
            },
            manner,
            languages: "de",
            dialogue: ClientDialogue::new(),
            url: format!("https://{}/osci", ground.address),
            http: http.build().expect("a client"),
        }
    }

    fn head(&mut self, kind: MessageType) -> OrderHead {
        let mut octets = [0; 18];
        random(&mut octets).expect("randomness");
        let challenge: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let challenge = Challenge::parse(&challenge).expect("a challenge");
        let control = self.dialogue.order(kind, challenge).expect("it is the turn");
        let certificate = |usage, der: &[u8]| Certificate {
            id: Some(certificate_id("originator", usage, der)),
            der: der.to_vec(),
        };
        let cipher = certificate(CertificateUse::Cipher, self.keys.cipher.certificate().der());
        let signature =
            certificate(CertificateUse::Signature, self.keys.signature.certificate().der());
        // Inside a dialogue these name none: the supplier remembers it.
        let without = matches!(
            kind,
            MessageType::FetchDelivery | MessageType::ExitDialog | MessageType::FetchProcessCard
        );
        let certificates = NonIntermediaryCertificates {
            cipher_originator: (!without).then_some(cipher),
            signature_originator: self.manner.signed.then_some(signature),
            ..NonIntermediaryCertificates::default()
        };
        let languages = self.languages.split(' ').filter_map(Language::parse).collect();
        let none = certificates == NonIntermediaryCertificates::default();
        OrderHead {
            control,
            languages: DesiredLanguages::new(languages).expect("one at least"),
            intermediary: None,
            certificates: (!none).then_some(certificates),
            features: None,
        }
    }

    /// Signs and encrypts as the manner is.
    pub(super) fn letter(
        &self,
        message: &Message,
        enclosed: &Enclosed,
        attachments: &[(&str, &[u8])],
    ) -> Letter {
        let draft = message.write(enclosed).expect("it can be written");
        let digest = DigestAlgorithm::Sha256;
        let signature = self.manner.signed.then(|| {
            let blocks: Vec<_> = draft
                .blocks()
                .map(|(id, octets)| SignedBlock::of(id, octets, digest).expect("digested"))
                .collect();
            let digests: Vec<_> =
                attachments.iter().map(|(_, octets)| openssl::sha::sha256(octets)).collect();
            let parts: Vec<_> = attachments
                .iter()
                .zip(&digests)
                .map(|((content_id, _), digest)| SignedPart { content_id, digest })
                .collect();
            let (blocks, parts) = (&blocks[..], &parts[..]);
            let making = Making { side: Side::Client, role: "originator", digest, blocks, parts };
            let signer = self.keys.signature.signer().expect("a signer");
            signature_block(&making, &signer).expect("signed")
        });
        let root = draft.finish(signature.as_deref().map(str::as_bytes));
        let boundary = Boundary::draw(&mut random).expect("randomness");
        let mut writer = Writer::new(Vec::new(), Leading::Nothing, boundary).expect("begins");
        writer.begin(&PartHead::root()).expect("begins");
        writer.data(&root).expect("written");
        for (name, octets) in attachments {
            let head = PartHead::attachment(*name, octets.len() as u64);
            writer.begin(&head).expect("begins");
            writer.data(octets).expect("written");
        }
        let inner = writer.finish().expect("ends");
        if !self.manner.encrypted {
            return Letter { octets: inner };
        }
        let recipient = Recipient::new(&self.hub.0).expect("RSA");
        let sealing = Sealing::new(&recipient, IvOctets::Twelve, &mut random).expect("a key");
        let mut writer = sealing.begin(Vec::new(), &mut random).expect("begins");
        writer.write_all(&inner).expect("written");
        Letter { octets: writer.finish().expect("ends") }
    }

    /// Sends octets and reads what comes back; the dialogue is not touched.
    pub(super) async fn post(&self, octets: Vec<u8>) -> Back {
        let sent = self.http.post(&self.url).header("content-type", "text/xml").body(octets);
        let mut answer = sent.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.expect("a body") {
            octets.extend_from_slice(&chunk);
            assert!(octets.len() < 16 << 20, "an answer of a test is small");
        }
        read_back(&self.keys, &self.hub.1, &octets)
    }

    /// Sends an order; the dialogue must go on with the answer.
    pub(super) async fn send(
        &mut self,
        message: Message,
        enclosed: &Enclosed,
        attachments: &[(&str, &[u8])],
    ) -> Back {
        let letter = self.letter(&message, enclosed, attachments);
        let back = self.post(letter.octets).await;
        match &back {
            Back::Answer(answer) => {
                assert_eq!(answer.signed, self.manner.signed);
                assert_eq!(answer.encrypted, self.manner.encrypted);
                let control = answer.received.message.control();
                self.dialogue.answer(control).expect("the answer to this order");
            }
            Back::Fault(_) => self.dialogue.lost(),
        }
        back
    }

    pub(super) async fn get_message_id(&mut self) -> MessageId {
        let head = self.head(MessageType::GetMessageId);
        let answer = self.send(GetMessageId { head }.into(), &Enclosed::default(), &[]).await;
        match answer.answer().received.message {
            Message::ResponseToGetMessageId(answer) => answer.message_id.expect("an id"),
            other => panic!("{:?}", other.message_type()),
        }
    }

    pub(super) async fn init(&mut self) -> Back {
        let head = self.head(MessageType::InitDialog);
        self.send(InitDialog { head }.into(), &Enclosed::default(), &[]).await
    }

    pub(super) async fn exit(&mut self) -> Back {
        let head = self.head(MessageType::ExitDialog);
        self.send(ExitDialog { head }.into(), &Enclosed::default(), &[]).await
    }

    pub(super) async fn fetch(
        &mut self,
        selection: Option<amtsbote_wire::osci::DeliverySelection>,
    ) -> Back {
        let head = self.head(MessageType::FetchDelivery);
        let order = FetchDelivery { head, selection };
        self.send(order.into(), &Enclosed::default(), &[]).await
    }

    pub(super) async fn cards(&mut self, criteria: ProcessCardCriteria) -> Back {
        let head = self.head(MessageType::FetchProcessCard);
        self.send(FetchProcessCard { head, criteria }.into(), &Enclosed::default(), &[]).await
    }

    /// A StoreDelivery for the holder of a cipher certificate.
    pub(super) fn store(&mut self, message_id: MessageId, addressee: &[u8]) -> StoreDelivery {
        let mut head = self.head(MessageType::StoreDelivery);
        let cipher_addressee = Certificate {
            id: Some(certificate_id("addressee", CertificateUse::Cipher, addressee)),
            der: addressee.to_vec(),
        };
        let certificates = head.certificates.get_or_insert_default();
        certificates.cipher_addressee = Some(cipher_addressee);
        let (quality, subject) = (QualityOfTimestamp::PLAIN, Some("TEST".to_owned()));
        StoreDelivery { head, quality, message_id, subject }
    }
}

/// A container with these octets, and attachments beside them.
pub(super) fn package(octets: &[u8], attachments: &[&str]) -> Enclosed {
    use amtsbote_wire::osci::{OwnContent, container};
    let mut contents =
        vec![OwnContent::Base64 { id: "content1".to_owned(), octets: octets.to_vec() }];
    for (n, cid) in attachments.iter().enumerate() {
        contents.push(OwnContent::Attachment {
            id: format!("content{}", n + 2),
            cid: (*cid).to_owned(),
        });
    }
    let item: PackageItem = container("container1", &[], &contents).expect("an item");
    Enclosed { package: Some(vec![item]), custom: vec![] }
}

/// Takes an answer apart.
fn read_back(keys: &Pair, hub: &TrustedCertificate, octets: &[u8]) -> Back {
    let mut parts = parts(octets);
    let mut encrypted = false;
    let kind = identify(&parts[0].1[..], &Limits::default()).expect("a message");
    if kind == MessageType::MessageFault {
        let fault = SoapMessageFault::read(&parts[0].1).expect("a fault");
        return Back::Fault(fault.code.expect("a code").to_string());
    }
    if kind == MessageType::MessageEncrypted {
        let decryptor = keys.cipher.decryptor().expect("it decrypts");
        let decryptors: [&dyn Decryptor; 1] = [&decryptor];
        let opened = encrypted::open_message(
            octets,
            &mime::Limits::default(),
            Opening::of(&decryptors),
            &encrypted::policy(),
            &mut random,
            Vec::new(),
        );
        parts = self::parts(&opened.expect("it opens").into_inner());
        encrypted = true;
    }
    let mut parts = parts.into_iter();
    let (_, root) = parts.next().expect("a root part");
    let attachments: Vec<_> = parts.collect();
    let allowed = Allowed::default();
    let limits = Limits::default();
    let mut claimed =
        Claimed::read(&root[..], Side::Supplier, &limits, &allowed).expect("an answer");
    let signed = claimed.is_signed();
    for (name, octets) in &attachments {
        let mut hasher = claimed.hasher();
        hasher.update(octets);
        let digest = hasher.finish().expect("digested");
        claimed.attachment(name, false, digest).expect("an attachment");
    }
    let trusted = [hub.clone()];
    let at = "2026-11-24T12:00:00Z".parse::<Timestamp>().expect("an instant");
    let means = Means { trusted: &trusted, at, allowed: &allowed, unsigned: IfUnsigned::Permit };
    let (received, _) = claimed.verify(&means).expect("it holds").into_parts();
    let feedback = received.message.feedback();
    let codes = feedback.iter().filter_map(|entry| entry.code).map(|code| code.to_string());
    let texts = feedback.iter().map(|entry| {
        let language = entry.language.as_ref().map_or("", |language| language.as_str());
        (language.to_owned(), entry.text.clone())
    });
    Back::Answer(Box::new(Answered {
        codes: codes.collect(),
        texts: texts.collect(),
        received,
        signed,
        encrypted,
        root,
        attachments,
    }))
}

/// The parts of a message: names and octets.
pub(super) fn parts(octets: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut reader = Reader::new(mime::Limits::default());
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    let mut input = octets;
    while let Some(event) = reader.next_event(&mut input).expect("a message") {
        match event {
            Event::PartBegin(head) => parts.push((head.content_id, Vec::new())),
            Event::Data(octets) => parts.last_mut().expect("a part").1.extend_from_slice(octets),
            Event::Headers(_) | Event::PartEnd { .. } | Event::End => {}
        }
    }
    reader.finish().expect("whole");
    parts
}
