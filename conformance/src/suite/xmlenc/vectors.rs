//! The vectors of the xmlsec project.

use std::fs;
use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_schemas::xml::{Event, EventSink, Limits, drive};
use amtsbote_wire::encryption::{
    AllowedEncryption, Content, Decryptor, EncryptedData, EncryptionFault, Keys, Proof, Survey,
    survey,
};
use amtsbote_wire::signature::{
    Allowed, Name, OpensslSigner, Place, Profile, Verification, sign_enveloped, verify,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::x509::X509;

use super::compare::{readable, replaced, same};
use super::keys::Handed;
use super::random;
use crate::report::Report;
use crate::suite::given;
use crate::suite::xmldsig::keys::{certificate, ec_key};
use crate::suite::xmldsig::mime::find;

/// The table beside the archive.
const TABLE: &str = "xmlsec-enc-cases.tsv";
/// Lines of the table.
const ROWS: usize = 170;

/// One line of the table.
struct Row {
    line: usize,
    opens: bool,
    file: String,
    algorithms: String,
    options: String,
}

impl Row {
    fn parse((n, line): (usize, &str)) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        ensure!(columns.len() >= 6, "{TABLE}: line {} has too few columns", n + 1);
        Ok(Self {
            line: n + 1,
            opens: columns[0] == "success",
            file: columns[2].to_owned(),
            algorithms: columns[3].to_owned(),
            options: columns[5].to_owned(),
        })
    }

    fn name(&self) -> String {
        format!("xmlsec/{}:{}", self.file, self.line)
    }

    fn uses(&self, word: &str) -> bool {
        self.algorithms.split_whitespace().any(|own| own.starts_with(word))
    }
}

pub(super) fn run(suites: &Path, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    given::unpack(&suites.join(given::VECTORS), scratch.path())?;
    let tests = scratch.path().join("xmlsec/tests");
    let table = fs::read_to_string(suites.join(TABLE)).context("reading the table of vectors")?;
    let rows = table.lines().enumerate().skip(1).map(Row::parse).collect::<Result<Vec<_>>>()?;
    let whole = match rows.len() {
        ROWS => Ok(format!("{ROWS} vectors")),
        other => Err(anyhow!("{other} vectors instead of {ROWS}")),
    };
    report.add("xmlsec/the-table-is-whole", whole);
    for row in &rows {
        let outcome = judge(row, &tests);
        match (row.opens, outcome, reason(row, &tests)) {
            (_, Ok(_), Some(_)) => report.add(row.name(), Err(anyhow!("it opens, but must not"))),
            (_, Err(error), Some(why)) if is_refusal(&error) => report.skip(row.name(), why),
            (true, outcome, _) => report.add(row.name(), outcome),
            (false, Ok(_), None) => report.add(row.name(), Err(anyhow!("it opens, but must not"))),
            (false, Err(error), None) if is_refusal(&error) => {
                report.add(row.name(), Ok(format!("refused: {error:#}")));
            }
            (_, Err(error), _) => report.add(row.name(), Err(error)),
        }
    }
    Ok(())
}

/// Whether the library said no, and nothing else went wrong.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<EncryptionFault>().is_some_and(|fault| {
        !matches!(
            fault,
            EncryptionFault::Read(_) | EncryptionFault::Spool(_) | EncryptionFault::Library(_)
        )
    })
}

/// Why a vector is not one for this library.
fn reason(row: &Row, tests: &Path) -> Option<&'static str> {
    let document = fs::read(tests.join(format!("{}.xml", row.file))).unwrap_or_default();
    Some(if row.uses("camellia") || row.uses("kw-camellia") {
        "Camellia: no algorithm of XML Encryption 1.1; not asked for"
    } else if row.uses("chacha20") || row.file.contains("chacha20") {
        "ChaCha20: no algorithm of XML Encryption 1.1; not asked for"
    } else if row.uses("dh-es") {
        "Diffie-Hellman without curves: not asked for; the group here has 1024 or 2048 bits"
    } else if row.uses("ml-kem") {
        "ML-KEM: not asked for, and OpenSSL 3.0 has none"
    } else if row.uses("md5") || row.uses("ripemd160") {
        "MD5 and RIPEMD-160: not built by design"
    } else if row.uses("sha3-224") && !row.uses("rsa-1_5") {
        "SHA3-224: not asked for"
    } else if row.uses("sha3-224") {
        "SHA3-224 as digest of a certificate: not asked for"
    } else if row.file.ends_with("_aes128gcm") && wrapped(&document) == Some(256 / 8 + 8) {
        "the wrapped key has 256 bits, AES-128 wants 128: refused by design (xmlsec cuts it off)"
    } else if row.file.ends_with("/enc-des3cbc-aes192-keyname") {
        "a key encrypted with AES-CBC instead of key wrap, without any check: refused by design"
    } else if find(&document, b"REC-xpath-19991116").is_some() {
        "XPath in a CipherReference: refused by design"
    } else {
        return None;
    })
}

/// Octets of the first wrapped key in a document.
fn wrapped(document: &[u8]) -> Option<usize> {
    const TAG: &[u8] = b"<xenc:CipherValue>";
    let start = find(document, TAG)? + TAG.len();
    let text = &document[start..start + find(&document[start..], b"<")?];
    STANDARD.decode(text).ok().map(|octets| octets.len())
}

/// Opens a vector and compares it with what the set says.
fn judge(row: &Row, tests: &Path) -> Result<String> {
    let octets = fs::read(tests.join(format!("{}.xml", row.file))).context("reading the vector")?;
    let (document, changed) = readable(&octets)?;
    let mut note = Vec::new();
    if changed {
        let limits = Limits::default();
        let refused = survey(&octets[..], &limits, &AllowedEncryption::default()).is_err();
        ensure!(refused, "a document type declaration, or an encoding, is not refused");
        note.push("refused as it comes; opened in UTF-8 without a document type declaration");
    }
    let handed = match Handed::parse(&row.options, tests) {
        // Keys of algorithms that OpenSSL does not know cannot be handed in.
        Err(_) if row.uses("ml-kem") => Handed::default(),
        _ if row.uses("dh-es") => Handed::default(),
        handed => handed?,
    };
    let mut outcome = as_wanted(row, tests, &document, &handed, &As::default());
    if handed.lax {
        // Whoever does not look at names tries the key for every one, and for every certificate.
        for other in mentioned(&document)? {
            if outcome.is_err() {
                outcome = as_wanted(row, tests, &document, &handed, &other);
            }
        }
    }
    if outcome? {
        note.push("under a signature");
    }
    Ok(note.join("; "))
}

/// Opens the document and compares what comes out; says whether it took a signature.
fn as_wanted(row: &Row, tests: &Path, document: &[u8], handed: &Handed, by: &As) -> Result<bool> {
    let (plain, proven) = open(document, handed, by)?;
    let wanted = fs::read(tests.join(format!("{}.data", row.file)));
    let wanted = wanted.context("what must come out")?;
    let survey = survey(document, &Limits::default(), &AllowedEncryption::legacy())?;
    let data = only(&survey)?;
    let found = match data.content() {
        Content::Octets => plain,
        Content::Element | Content::Content => replaced(document, data.node(), &plain)?,
    };
    same(&found, &wanted)?;
    Ok(proven)
}

fn only(survey: &Survey) -> Result<&EncryptedData> {
    match survey.data() {
        [data] => Ok(data),
        several => Err(anyhow!("{} encrypted data", several.len())),
    }
}

/// The plaintext, and whether it took a signature to get it.
fn open(document: &[u8], handed: &Handed, by: &As) -> Result<(Vec<u8>, bool)> {
    match opened(document, handed, by, None) {
        // Old algorithms are used under a signature only: that they are refused without is the test.
        // Then the vector is opened in both ways there are: signed, and as what it is, a vector.
        Err(error) if needs_signature(&error) => {
            let (signed, proof) = signed(document)?;
            let plain = opened(&signed, handed, by, Some(Proof::Signature(&proof)))?;
            let same = opened(document, handed, by, Some(Proof::TrustedByOtherMeans))?;
            ensure!(plain == same, "the signature makes a difference");
            Ok((plain, true))
        }
        outcome => Ok((outcome?, false)),
    }
}

fn needs_signature(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(EncryptionFault::AlgorithmNotAllowed { rule, .. }) if rule.starts_with("an old algorithm needs")
    )
}

fn opened(document: &[u8], handed: &Handed, by: &As, proof: Option<Proof<'_>>) -> Result<Vec<u8>> {
    let allowed = AllowedEncryption {
        retrieval: !handed.no_retrieval,
        same_document: !handed.no_reference,
        ..AllowedEncryption::legacy()
    };
    let limits = Limits::default();
    let survey = survey(document, &limits, &allowed)?;
    let data = only(&survey)?;
    let decryptors = handed.decryptors(by.name.as_deref(), by.certificate.as_ref())?;
    let secrets = handed.secrets(by.name.as_deref());
    let decryptors: Vec<&dyn Decryptor> = decryptors.iter().map(|d| d as &dyn Decryptor).collect();
    let keys =
        Keys { decryptors: &decryptors, secrets: &secrets, originators: &handed.originators };
    let opening = survey.open(data, keys, &allowed, proof, &mut random)?;
    Ok(opening.document(document, &limits, Vec::new())?.into_inner())
}

/// The document inside another one, which is signed as a whole.
fn signed(document: &[u8]) -> Result<(Vec<u8>, Verification)> {
    const ROOT: Name = Name::new("", "signed");
    const SIGNATURE: &[Name] =
        &[ROOT, Name::new("http://www.w3.org/2000/09/xmldsig#", "Signature")];
    let start = match document.strip_prefix(b"<?xml") {
        Some(rest) => 5 + find(rest, b"?>").context("a declaration without an end")? + 2,
        None => 0,
    };
    let whole = [b"<signed>", &document[start..], b"</signed>"].concat();
    let key = ec_key()?;
    let certificate = certificate(&PKey::public_key_from_der(&key.public_key_to_der()?)?)?;
    let signer = OpensslSigner::new(key, &certificate)?;
    let signed = sign_enveloped(&whole, &signer, &Place::LastInRoot)?;
    let der = certificate.to_der()?;
    let trusted = TrustedCertificate {
        fingerprint: Digest(sha256(&der)),
        der,
        validity: Validity { from: None, until: None },
    };
    let at: Timestamp = "2026-11-24T00:00:00Z".parse()?;
    let allowed = Allowed::default();
    let profile = Profile::new(SIGNATURE, &[&[ROOT]], &allowed);
    let verification = verify(&signed, &profile, &Limits::default(), &[trusted], at)?;
    Ok((signed, verification))
}

/// By what a key is known, where that is not what the options say.
#[derive(Default)]
struct As {
    name: Option<String>,
    certificate: Option<X509>,
}

/// Every name and every certificate that a document mentions.
fn mentioned(document: &[u8]) -> Result<Vec<As>> {
    #[derive(Default)]
    struct Mentioned(Vec<As>, String);
    impl EventSink for Mentioned {
        type Error = std::convert::Infallible;
        fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
            match event {
                Event::Start(_) => self.1.clear(),
                Event::Text(_, text, _) => self.1.push_str(text),
                Event::End(tag, _) if tag.local == "KeyName" => {
                    let name = Some(self.1.trim().to_owned());
                    self.0.push(As { name, certificate: None });
                }
                Event::End(tag, _) if tag.local == "X509Certificate" => {
                    let text: String = self.1.split_whitespace().collect();
                    let der = STANDARD.decode(text).unwrap_or_default();
                    self.0.push(As { name: None, certificate: X509::from_der(&der).ok() });
                }
                _ => {}
            }
            Ok(())
        }
    }
    let mut found = Mentioned::default();
    if let Err(error) = drive(document, &Limits::default(), &mut found) {
        bail!("{error}");
    }
    Ok(found.0)
}
