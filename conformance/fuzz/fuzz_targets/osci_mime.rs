//! Any bytes in any pieces, and any edit of a message: the reader of OSCI answers the same however it
//! is cut, writes again what it read, takes up no dialogue but one that could have rested, and opens
//! nothing but what was sealed.
#![no_main]

use std::io::Write as _;
use std::sync::LazyLock;

use amtsbote_fuzz::apply;
use amtsbote_wire::encryption::{
    Decryptor, EncryptionFault, Keys, NoRandomness, OpensslDecryptor, Recipient,
};
use amtsbote_wire::osci::dialogue::Dialogue;
use amtsbote_wire::osci::encrypted::{EncryptedFault, IvOctets, Sealing, open_message, policy};
use amtsbote_wire::osci::fault::SoapMessageFault;
use amtsbote_wire::osci::mime::{
    Boundary, Event, Leading, Limits, MimeFault, PartHead, Reader, Writer,
};
use amtsbote_wire::osci::{self, ContentRule, Enclosed, PackageItem};
use libfuzzer_sys::fuzz_target;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;

const PLAIN: &[u8] = b"<soap:Envelope/>";

type Parts = Vec<(String, Vec<u8>)>;

fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    openssl::rand::rand_bytes(octets).map_err(|_| NoRandomness)
}

struct Sealed {
    key: OpensslDecryptor,
    body: Vec<u8>,
}

static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let certificate = amtsbote_fuzz::certificate(&key);
    let recipient = Recipient::new(&certificate.to_der().expect("DER")).expect("a recipient");
    let sealing = Sealing::new(&recipient, IvOctets::Twelve, &mut random).expect("sealed");
    let mut writer = sealing.begin(Vec::new(), &mut random).expect("begins");
    writer.write_all(PLAIN).expect("written");
    let body = writer.finish().expect("ends");
    Sealed { key: OpensslDecryptor::new(key, &certificate).expect("a key"), body }
});

/// A message in the clear, with parts that travel in each way.
const CLEAR: &[u8] = b"\r\nMIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=a/b; \
    type=text/xml\r\n\r\n--a/b\r\nContent-Type: text/xml; charset=UTF-8\r\n\
    Content-Transfer-Encoding: 8bit\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--a/b\r\n\
    Content-Transfer-Encoding: 8-bit\r\nContent-ID: <a.txt>\r\nContent-Length: 4\r\n\r\nabcd\r\n\
    --a/b\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <b>\r\n\r\nQUJD\r\n--a/b\r\n\
    Content-Transfer-Encoding: quoted-printable\r\nContent-ID: <c>\r\n\r\na=20=\r\nb\r\n--a/b--\r\n";

fn read(body: &[u8], piece: usize) -> Result<(String, Parts), MimeFault> {
    let limits = Limits { root_bytes: 4096, part_bytes: 4096, ..Limits::default() };
    let mut reader = Reader::new(limits);
    let (mut boundary, mut parts) = (String::new(), Parts::new());
    for chunk in body.chunks(piece) {
        let mut input = chunk;
        while let Some(event) = reader.next_event(&mut input)? {
            match event {
                Event::Headers(headers) => boundary = headers.boundary,
                Event::PartBegin(head) => parts.push((head.content_id, Vec::new())),
                Event::Data(octets) => {
                    parts.last_mut().expect("data belong to a part").1.extend_from_slice(octets);
                }
                Event::PartEnd { .. } | Event::End => {}
            }
        }
    }
    reader.finish()?;
    Ok((boundary, parts))
}

fn written(parts: &Parts, boundary: Boundary) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Leading::Nothing, boundary).expect("a writer");
    for (number, (id, octets)) in parts.iter().enumerate() {
        let head = match number {
            0 => PartHead::root(),
            _ => PartHead::attachment(id.clone(), octets.len() as u64),
        };
        writer.begin(&head).expect("begins");
        writer.data(octets).expect("written");
    }
    writer.finish().expect("ends")
}

/// What is read of an envelope and can be written says the same when it is read again.
fn message(root: &[u8]) {
    let limits = osci::Limits::default();
    let kind = osci::identify(root, &limits);
    let Ok(part) = osci::read(root, &limits) else { return };
    assert_eq!(kind, Ok(part.message.message_type()), "two readers see two messages");
    let package = part.package.unwrap_or_default();
    let clear = package.containers.iter().map(|container| &container.element);
    let items = package.encrypted.iter().chain(clear).filter_map(|element| {
        let canonical = element.canonical_of(root).expect("what was read can be taken out");
        PackageItem::new(&canonical).ok()
    });
    let takes = part.message.message_type().content() != ContentRule::Never;
    let package = takes.then(|| items.collect());
    let Ok(draft) = part.message.write(&Enclosed { package, custom: Vec::new() }) else { return };
    let again = osci::read(&draft.finish(None)[..], &limits).expect("what is written is read");
    assert_eq!(again.message, part.message, "written and read");
}

fuzz_target!(|octets: &[u8]| {
    let Some((&choice, rest)) = octets.split_first() else { return };
    let sealed = &*SEALED;
    let body = match choice & 3 {
        0 => rest.to_vec(),
        1 => apply(&sealed.body, rest),
        _ => apply(CLEAR, rest),
    };
    let whole = read(&body, usize::MAX);
    assert_eq!(read(&body, usize::from(choice >> 2) % 13 + 1), whole, "a cut changes something");
    if let Ok((_, parts)) = &whole {
        // Decoded octets may hold any boundary but one that is drawn for them.
        let known: Vec<&[u8]> = parts.iter().map(|(_, octets)| &octets[..]).collect();
        let boundary = Boundary::draw_beside(&mut random, &known).expect("a boundary");
        let again = written(parts, boundary);
        let (_, read) = read(&again, usize::MAX).expect("what is written is read");
        assert_eq!(&read, parts, "written and read");
        if let Some((_, root)) = parts.first() {
            let _fault = SoapMessageFault::read(root);
            message(root);
        }
    }
    if let Ok(dialogue) = Dialogue::restore(&body) {
        assert_eq!(dialogue.snapshot(), Ok(body.clone()), "two forms of one dialogue");
    }
    let decryptors: [&dyn Decryptor; 1] = [&sealed.key];
    let (limits, keys) = (Limits::default(), Keys::of(&decryptors));
    match open_message(&body[..], &limits, keys, &policy(), &mut random, Vec::new()) {
        Ok(opened) => assert_eq!(opened.into_inner(), PLAIN, "a tag over other octets"),
        Err(EncryptedFault::Encryption(EncryptionFault::Library(error))) => panic!("{error}"),
        Err(_) => {}
    }
});
