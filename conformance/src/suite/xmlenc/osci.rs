//! Recorded messages of OSCI-Transport 1.2: encrypted for the next node, and inside for the
//! Reader; and the same with one bit changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_schemas::xml::{Event, EventSink, Limits};
use amtsbote_wire::encryption::{
    AllowedEncryption, CipherSource, Decryptor, EncryptedData, EncryptionFault, Integrity, IvRule,
    Keys, OpensslDecryptor, PartOctets, read_plaintext, survey,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::random;
use crate::report::Report;
use crate::suite::xmldsig::mime::{Message, find};

/// The folder inside the corpus.
pub(super) const FOLDER: &str = "osci-transport";
/// Of the keys recorded with the messages.
const PASSWORD: &str = "123456";
/// Recorded messages that are encrypted for a node; and those with content for the Reader in them.
const COUNTS: (usize, usize) = (50, 12);
/// So many bits of a ciphertext are changed besides those of its vector and tag.
const FLIPS: usize = 16;

pub(super) fn run(folder: &Path, report: &mut Report) -> Result<()> {
    let mut counts = (0, 0);
    let golden = keys(&folder.join("golden/certs"))?;
    for file in files(&folder.join("golden/sig+enc"), "mime")? {
        if find(&fs::read(&file)?, b"EncryptedData").is_none() {
            // A fault is answered in the clear.
            continue;
        }
        let (name, inner) = (name(&file), recorded(&file, &folder.join("golden/opened")));
        counts.0 += 1;
        report.add(format!("osci/{name}"), transport(&file, inner, &golden));
    }
    let demo = keys(&folder.join("demo-pki"))?;
    for file in files(&folder.join("wire"), "enc.unsigned.http-body")? {
        counts.0 += 1;
        report.add(format!("osci/{}", name(&file)), transport(&file, None, &demo));
    }
    let contents = [("golden/opened", "mime", &golden), ("golden/sig", "mime", &golden)];
    let wire = [("wire", "plain.unsigned.http-body", &demo), ("wire", "rsa15.http-body", &demo)];
    for (place, ending, keys) in contents.into_iter().chain(wire) {
        for file in files(&folder.join(place), ending)? {
            let message = Message::parse(&fs::read(&file)?)?;
            if find(&message.document, b"EncryptedData").is_some() {
                counts.1 += 1;
                let name = format!("osci/content/{place}/{}", name(&file));
                report.add(name, content(&message, keys));
            }
        }
    }
    let whole = if counts == COUNTS {
        Ok(format!("{} messages, {} with content for the Reader", counts.0, counts.1))
    } else {
        Err(anyhow!("{counts:?} messages instead of {COUNTS:?}"))
    };
    report.add("osci/the-corpus-is-whole", whole);
    Ok(())
}

fn allowed() -> AllowedEncryption {
    AllowedEncryption { iv: IvRule::Osci, ..AllowedEncryption::default() }
}

/// Opens a message for a node; a copy of which any bit was changed stays closed.
fn transport(file: &Path, inner: Option<PathBuf>, keys: &[OpensslDecryptor]) -> Result<String> {
    let message = Message::parse(&fs::read(file)?)?;
    let [(cid, part)] = &message.parts[..] else { bail!("{} parts", message.parts.len()) };
    let plain = part_of(&message.document, cid, part, keys)?;
    let mut note = format!("{} octets", plain.len());
    if let Some(inner) = inner {
        let wanted = fs::read(&inner).context("the message as it was recorded inside")?;
        ensure!(plain == wanted, "the plaintext is not the one recorded");
        note.push_str(" as recorded");
    }
    let mut flips = 0;
    for at in places(part.len()) {
        let mut part = part.clone();
        part[at] ^= 1 << (at % 8);
        stays_closed(part_of(&message.document, cid, &part, keys))?;
        flips += 1;
    }
    for copy in with_other_keys(&message.document)? {
        stays_closed(part_of(&copy, cid, part, keys))?;
        flips += 1;
    }
    Ok(format!("{note}; {flips} changed copies stay closed"))
}

fn part_of(document: &[u8], cid: &str, part: &[u8], keys: &[OpensslDecryptor]) -> Result<Vec<u8>> {
    let survey = survey(document, &Limits::default(), &allowed())?;
    let [data] = survey.data() else { bail!("{} encrypted data", survey.data().len()) };
    ensure!(data.path() == "/Envelope/Body/EncryptedData", "not in its place");
    let named = matches!(data.source(), Some(CipherSource::Part { cid: own, .. }) if own == cid);
    ensure!(named, "the part is not the one that is named");
    let keys: Vec<&dyn Decryptor> = keys.iter().map(|key| key as &dyn Decryptor).collect();
    let opening = survey.open(data, Keys::of(&keys), &allowed(), None, &mut random)?;
    Ok(opening.part(part, PartOctets::Decoded, Vec::new())?.into_inner())
}

/// Opens all content for the Reader; it is XML, and read anew.
fn content(message: &Message, keys: &[OpensslDecryptor]) -> Result<String> {
    let survey = survey(&message.document[..], &Limits::default(), &allowed())?;
    let mut notes = Vec::new();
    for data in survey.data() {
        let plain = value_of(&message.document, data.id(), keys)?;
        let names = names(&plain, data)?;
        ensure!(!names.is_empty(), "no element");
        notes.push(format!("{} of {} elements", names[0], names.len()));
        attachments(&plain, message, keys, &mut notes)?;
    }
    for copy in with_other_keys(&message.document)? {
        let failed = survey.data().iter().any(|data| {
            let opened = value_of(&copy, data.id(), keys);
            opened.is_err_and(|error| is_uniform(&error))
        });
        ensure!(failed, "a changed copy opens");
    }
    Ok(notes.join(", "))
}

/// Opens the attachments to which decrypted content refers.
fn attachments(
    plain: &[u8],
    message: &Message,
    keys: &[OpensslDecryptor],
    notes: &mut Vec<String>,
) -> Result<()> {
    // The keys of attachments stand in the content, which was encrypted itself.
    let allowed = AllowedEncryption { plain_keys: true, ..allowed() };
    let survey = survey(plain, &Limits::default(), &allowed)?;
    let keys: Vec<&dyn Decryptor> = keys.iter().map(|key| key as &dyn Decryptor).collect();
    for data in survey.data() {
        let Some(CipherSource::Part { cid, .. }) = data.source() else {
            bail!("encrypted data in encrypted data that are no attachment");
        };
        let part = message.parts.iter().find(|(own, _)| own == cid);
        let (_, part) = part.context("the attachment is not there")?;
        let open = || survey.open(data, Keys::of(&keys), &allowed, None, &mut random);
        let opened = open()?.part(&part[..], PartOctets::Decoded, Vec::new())?;
        notes.push(format!("attachment of {} octets", opened.octets()));
        let mut changed = part.clone();
        *changed.last_mut().context("an empty attachment")? ^= 1;
        let opened = open()?.part(&changed[..], PartOctets::Decoded, Vec::new());
        ensure!(matches!(opened, Err(EncryptionFault::Undecryptable)), "a changed copy opens");
    }
    Ok(())
}

fn value_of(document: &[u8], id: Option<&str>, keys: &[OpensslDecryptor]) -> Result<Vec<u8>> {
    let limits = Limits::default();
    let survey = survey(document, &limits, &allowed())?;
    let data = survey.data().iter().find(|data| data.id() == id).context("not found again")?;
    let keys: Vec<&dyn Decryptor> = keys.iter().map(|key| key as &dyn Decryptor).collect();
    let opening = survey.open(data, Keys::of(&keys), &allowed(), None, &mut random)?;
    Ok(opening.document(document, &limits, Vec::new())?.into_inner())
}

fn names(plain: &[u8], data: &EncryptedData) -> Result<Vec<String>> {
    struct Names(Vec<String>);
    impl EventSink for Names {
        type Error = std::convert::Infallible;
        fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
            if let Event::Start(tag) = event {
                self.0.push(tag.local.clone());
            }
            Ok(())
        }
    }
    let mut names = Names(Vec::new());
    // Only ciphers with a tag are allowed here.
    read_plaintext(plain, data.content(), Integrity::Verified, &Limits::default(), &mut names)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(names.0)
}

fn is_uniform(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(EncryptionFault::Undecryptable))
}

fn stays_closed(outcome: Result<Vec<u8>>) -> Result<()> {
    match outcome {
        Ok(_) => bail!("a changed copy opens"),
        Err(error) if is_uniform(&error) => Ok(()),
        Err(error) => Err(error.context("a changed copy is refused with another error")),
    }
}

/// Every octet of vector and tag, and some between.
fn places(length: usize) -> Vec<usize> {
    let between = (1..=FLIPS).map(|n| n * length / (FLIPS + 1));
    (0..12).chain(between).chain(length.saturating_sub(16)..length).collect()
}

/// Copies of a document, each with one bit changed in the octets of one `CipherValue`.
fn with_other_keys(document: &[u8]) -> Result<Vec<Vec<u8>>> {
    const TAG: &[u8] = b"<xenc:CipherValue>";
    let (mut copies, mut from) = (Vec::new(), 0);
    while let Some(at) = find(&document[from..], TAG) {
        let start = from + at + TAG.len();
        let end = start + find(&document[start..], b"<").context("an end tag")?;
        from = end;
        let text = std::str::from_utf8(&document[start..end])?;
        let octets = STANDARD.decode(text.split_whitespace().collect::<String>())?;
        for at in (0..8).map(|n| n * (octets.len() - 1) / 7) {
            let mut octets = octets.clone();
            octets[at] ^= 1 << (at % 8);
            let text = STANDARD.encode(octets);
            copies.push([&document[..start], text.as_bytes(), &document[end..]].concat());
        }
    }
    Ok(copies)
}

fn keys(folder: &Path) -> Result<Vec<OpensslDecryptor>> {
    let mut keys = Vec::new();
    for file in files(folder, "p12")? {
        let name = name(&file);
        if !name.contains("cipher") && !name.contains("enc") {
            continue;
        }
        let (key, certificate) = key(&file).with_context(|| name.clone())?;
        keys.push(OpensslDecryptor::new(key, &certificate).with_context(|| name.clone())?);
    }
    ensure!(!keys.is_empty(), "no keys in {}", folder.display());
    Ok(keys)
}

fn key(file: &Path) -> Result<(PKey<Private>, X509)> {
    if let Ok(parsed) = Pkcs12::from_der(&fs::read(file)?)?.parse2(PASSWORD)
        && let (Some(key), Some(certificate)) = (parsed.pkey, parsed.cert)
    {
        return Ok((key, certificate));
    }
    // RC2 and the like: the library knows them no more, the program does.
    let output = Command::new("openssl")
        .args(["pkcs12", "-legacy", "-nodes", "-clcerts", "-passin", "env:PASSWORD", "-in"])
        .arg(file)
        .env("PASSWORD", PASSWORD)
        .output()
        .context("openssl: install the Debian package openssl")?;
    ensure!(output.status.success(), "openssl cannot read it");
    Ok((PKey::private_key_from_pem(&output.stdout)?, X509::from_pem(&output.stdout)?))
}

/// The inside of a message, where it was recorded.
fn recorded(file: &Path, folder: &Path) -> Option<PathBuf> {
    let inner = folder.join(name(file).replace(".mime", ".inner.mime"));
    inner.is_file().then_some(inner)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if name(&path).ends_with(&format!(".{ending}")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
