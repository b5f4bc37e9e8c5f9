//! Signatures both ways with other people's programs: ours are read by them, theirs by us.
//!
//! Ours are made and read by the shipped binary. The peers are the program `xmlsec1`, the library
//! xmlsec for Python (it knows RSA-PSS) and Apache Santuario. Encryption goes both ways with
//! Santuario, which knows RSA-OAEP of XML Encryption 1.1; `xmlsec1` does not.

mod encryption;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::Settings;
use crate::peer::Peer;
use crate::report::Report;
use crate::shipped::Shipped;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const INCLUSIVE_11: &str = "http://www.w3.org/2006/12/xml-c14n11";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";
const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
const MORE_2007: &str = "http://www.w3.org/2007/05/xmldsig-more#";

/// A document with what canonicalization must get right: prefixes declared outside and unused,
/// default namespace undone, references, CDATA, comments, instructions, line ends, letters beyond
/// ASCII.
const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- TEST -->\n\
    <n:nachricht xmlns:n=\"urn:example:n\" xmlns=\"urn:example:d\" xmlns:u=\"urn:example:u\" \
    xml:lang=\"de\" b='2' a=\"1\"><kopf Id=\"kopf\" u:z='&#9;&amp;\"'>Kreis Lippe \u{2013} \
    \u{e4}\u{f6}\u{fc}\u{1e9e}</kopf>\r\n<n:inhalt Id=\"inhalt\"><leer xmlns=\"\"/><![CDATA[<&>]]>\
    <!-- Anmerkung --><?pi daten?><n:kind u:x=\"1\"/></n:inhalt></n:nachricht>";

/// A key with its certificate, in the forms that the programs want.
struct Signer {
    name: &'static str,
    key_pem: PathBuf,
    key_der: PathBuf,
    certificate_pem: PathBuf,
    certificate_der: PathBuf,
}

/// One way to sign.
struct Way {
    key: &'static str,
    algorithm: String,
    canonicalization: &'static str,
    digest: &'static str,
    id: Option<&'static str>,
}

impl Way {
    fn new(key: &'static str, algorithm: String) -> Self {
        Self { key, algorithm, canonicalization: EXCLUSIVE, digest: SHA256, id: None }
    }

    fn name(&self) -> String {
        let last = |uri: &str| {
            let name = uri.trim_end_matches('#').rsplit(['#', '/']).next().unwrap_or(uri);
            name.to_owned()
        };
        let whole = self.id.map_or("whole", |_| "by-id");
        let (c14n, digest) = (last(self.canonicalization), last(self.digest));
        format!("{}-{}-{c14n}-{digest}-{whole}", self.key, last(&self.algorithm))
    }
}

/// Every algorithm once, every canonicalization once, a digest that is not the signature's.
fn ways() -> Vec<Way> {
    let mut ways = vec![
        Way::new("rsa", format!("{MORE}rsa-sha256")),
        Way::new("rsa", format!("{MORE}rsa-sha384")),
        Way::new("rsa", format!("{MORE}rsa-sha512")),
        Way::new("p256", format!("{MORE}ecdsa-sha256")),
        Way::new("p384", format!("{MORE}ecdsa-sha384")),
        Way::new("p521", format!("{MORE}ecdsa-sha512")),
        Way::new("rsa", format!("{MORE_2007}sha256-rsa-MGF1")),
        Way::new("rsa", format!("{MORE_2007}sha512-rsa-MGF1")),
    ];
    for canonicalization in [INCLUSIVE, INCLUSIVE_11] {
        let plain = || Way::new("p256", format!("{MORE}ecdsa-sha256"));
        ways.push(Way { canonicalization, ..plain() });
        ways.push(Way { canonicalization, id: Some("inhalt"), ..plain() });
    }
    ways.push(Way { id: Some("inhalt"), ..Way::new("rsa", format!("{MORE}rsa-sha256")) });
    ways.push(Way { digest: SHA512, ..Way::new("rsa", format!("{MORE}rsa-sha256")) });
    ways
}

/// Runs it.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let document = scratch.path().join("document.xml");
    std::fs::write(&document, DOCUMENT)?;
    let signers = [
        Signer::new(scratch.path(), "rsa", PKey::from_rsa(Rsa::generate(3072)?)?)?,
        Signer::new(scratch.path(), "p256", curve(Nid::X9_62_PRIME256V1)?)?,
        Signer::new(scratch.path(), "p384", curve(Nid::SECP384R1)?)?,
        Signer::new(scratch.path(), "p521", curve(Nid::SECP521R1)?)?,
    ];
    let mut peers: Vec<Box<dyn Other>> = vec![
        Box::new(Xmlsec1),
        Box::new(Peer::python_xmlsec(scratch.path())?),
        Box::new(Peer::santuario(scratch.path())?),
    ];
    for peer in &mut peers {
        for way in ways() {
            let signer = signers.iter().find(|signer| signer.name == way.key);
            let case = Case {
                shipped: &settings.shipped,
                document: &document,
                folder: scratch.path(),
                signer: signer.context("a way names a key that there is not")?,
                way,
            };
            let name = case.way.name();
            if let Some(why) = peer.cannot(&case.way) {
                report.skip(format!("{}/{name}", peer.called()), why);
                continue;
            }
            let ours = case.ours_read_by(peer.as_mut());
            report.add(format!("{}/ours/{name}", peer.called()), ours);
            report.add(format!("{}/theirs/{name}", peer.called()), case.theirs(peer.as_mut()));
        }
    }
    let mut santuario = Peer::santuario(scratch.path())?;
    let rsa = signers.iter().find(|signer| signer.name == "rsa").context("there is one")?;
    encryption::run(&mut santuario, scratch.path(), &document, rsa, report)
}

/// One way to sign, with what it needs.
struct Case<'a> {
    shipped: &'a Shipped,
    document: &'a Path,
    folder: &'a Path,
    signer: &'a Signer,
    way: Way,
}

impl Case<'_> {
    fn ours_read_by(&self, peer: &mut dyn Other) -> Result<String> {
        let arguments = self.sign_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let signed = self.shipped.must(&arguments)?;
        let file = self.folder.join("ours.xml");
        std::fs::write(&file, &signed)?;
        self.read_by_us(&file)?;
        peer.verify(&file, self.signer)?;
        let changed = self.folder.join("ours-changed.xml");
        std::fs::write(&changed, tampered(&signed)?)?;
        ensure!(peer.verify(&changed, self.signer).is_err(), "the peer misses a change");
        Ok(String::new())
    }

    fn theirs(&self, peer: &mut dyn Other) -> Result<String> {
        let file = self.folder.join("theirs.xml");
        peer.sign(self.document, &file, self.signer, &self.way)?;
        self.read_by_us(&file)?;
        let changed = self.folder.join("theirs-changed.xml");
        std::fs::write(&changed, tampered(&std::fs::read(&file)?)?)?;
        ensure!(self.read_by_us(&changed).is_err(), "we miss a change");
        Ok(String::new())
    }

    fn sign_arguments(&self) -> Vec<String> {
        let algorithm = self.way.algorithm.rsplit('#').next().unwrap_or_default();
        let algorithm = match algorithm.strip_suffix("-rsa-MGF1") {
            Some(digest) => format!("rsa-pss-{digest}"),
            None => algorithm.to_owned(),
        };
        let canonicalization = match self.way.canonicalization {
            EXCLUSIVE => "exclusive",
            INCLUSIVE => "inclusive",
            _ => "inclusive-1.1",
        };
        let mut arguments = vec![
            "signature",
            "sign",
            text(self.document),
            "--certificate",
            text(&self.signer.certificate_pem),
            "--key",
            text(&self.signer.key_pem),
            "--algorithm",
            &algorithm,
            "--canonicalization",
            canonicalization,
            "--digest",
            self.way.digest.rsplit('#').next().unwrap_or_default(),
        ];
        if let Some(id) = self.way.id {
            arguments.extend(["--id", id]);
        }
        arguments.into_iter().map(str::to_owned).collect()
    }

    fn read_by_us(&self, file: &Path) -> Result<()> {
        let trust = text(&self.signer.certificate_pem);
        self.shipped.must(&["signature", "verify", text(file), "--trust", trust]).map(drop)
    }
}

/// A value that every way signs, changed by one letter.
fn tampered(signed: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(signed)?;
    ensure!(text.contains("Anmerkung") || text.contains("&lt;&amp;&gt;") || text.contains("<&>"));
    let changed = text.replacen("u:x=\"1\"", "u:x=\"2\"", 1);
    ensure!(changed != text, "nothing to change");
    Ok(changed.into_bytes())
}

/// A program of others.
trait Other {
    fn called(&self) -> &'static str;
    /// Why it cannot take part in this way, if it cannot.
    fn cannot(&self, way: &Way) -> Option<&'static str>;
    fn verify(&mut self, document: &Path, signer: &Signer) -> Result<()>;
    fn sign(&mut self, document: &Path, to: &Path, signer: &Signer, way: &Way) -> Result<()>;
}

impl Other for Peer {
    fn called(&self) -> &'static str {
        self.name()
    }

    fn cannot(&self, _: &Way) -> Option<&'static str> {
        None
    }

    fn verify(&mut self, document: &Path, signer: &Signer) -> Result<()> {
        self.ask(&["verify", text(document), text(&signer.certificate_der)])
    }

    fn sign(&mut self, document: &Path, to: &Path, signer: &Signer, way: &Way) -> Result<()> {
        let mut fields = vec![
            "sign",
            text(document),
            text(to),
            text(&signer.key_der),
            text(&signer.certificate_der),
            &way.algorithm,
            way.canonicalization,
            way.digest,
        ];
        fields.extend(way.id);
        self.ask(&fields)
    }
}

/// The program `xmlsec1` of Debian.
struct Xmlsec1;

impl Xmlsec1 {
    fn run(arguments: &[&str]) -> Result<()> {
        let output = Command::new("xmlsec1")
            .args(arguments)
            .output()
            .context("xmlsec1 cannot be started: install the Debian package xmlsec1")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("xmlsec1 says no: {}", said.lines().next().unwrap_or_default());
        }
        Ok(())
    }
}

impl Other for Xmlsec1 {
    fn called(&self) -> &'static str {
        "xmlsec1"
    }

    fn cannot(&self, way: &Way) -> Option<&'static str> {
        way.algorithm.contains("MGF1").then_some("Debian's xmlsec1 1.2.37 has no RSA-PSS")
    }

    fn verify(&mut self, document: &Path, signer: &Signer) -> Result<()> {
        let certificate = text(&signer.certificate_pem);
        Self::run(&[
            "--verify",
            "--pubkey-cert-pem",
            certificate,
            "--enabled-key-data",
            "raw-x509-cert,rsa,ecdsa",
            "--id-attr:Id",
            "urn:example:n:inhalt",
            text(document),
        ])
    }

    fn sign(&mut self, document: &Path, to: &Path, signer: &Signer, way: &Way) -> Result<()> {
        let template = std::fs::read_to_string(document)?;
        let (uri, enveloped) = match way.id {
            Some(id) => (format!("#{id}"), String::new()),
            None => {
                let transform = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
                (String::new(), format!("<Transform Algorithm=\"{transform}\"/>"))
            }
        };
        let Way { algorithm, canonicalization, digest, .. } = way;
        let signature = format!(
            "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>\
             <CanonicalizationMethod Algorithm=\"{canonicalization}\"/>\
             <SignatureMethod Algorithm=\"{algorithm}\"/><Reference URI=\"{uri}\"><Transforms>\
             {enveloped}<Transform Algorithm=\"{canonicalization}\"/></Transforms>\
             <DigestMethod Algorithm=\"{digest}\"/><DigestValue/></Reference></SignedInfo>\
             <SignatureValue/><KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo>\
             </Signature></n:nachricht>"
        );
        let template = template.replacen("</n:nachricht>", &signature, 1);
        let file = to.with_extension("template");
        std::fs::write(&file, template)?;
        let keys = format!("{},{}", text(&signer.key_pem), text(&signer.certificate_pem));
        Self::run(&[
            "--sign",
            "--privkey-pem",
            &keys,
            "--id-attr:Id",
            "urn:example:n:inhalt",
            "--output",
            text(to),
            text(&file),
        ])
    }
}

impl Signer {
    fn new(folder: &Path, name: &'static str, key: PKey<Private>) -> Result<Self> {
        let certificate = self_signed(name, &key)?;
        let place = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        let signer = Self {
            name,
            key_pem: place("key.pem"),
            key_der: place("key.der"),
            certificate_pem: place("cert.pem"),
            certificate_der: place("cert.der"),
        };
        private(&signer.key_pem, &key.private_key_to_pem_pkcs8()?)?;
        private(&signer.key_der, &key.private_key_to_pkcs8()?)?;
        std::fs::write(&signer.certificate_pem, certificate.to_pem()?)?;
        std::fs::write(&signer.certificate_der, certificate.to_der()?)?;
        Ok(signer)
    }
}

fn private(path: &Path, octets: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(octets)?)
}

fn curve(nid: Nid) -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(nid)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn self_signed(name: &str, key: &PKey<Private>) -> Result<X509> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_text("CN", &format!("TEST {name}"))?;
    let subject = subject.build();
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(2)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn text(path: &Path) -> &str {
    // Folders of this program's own making.
    path.to_str().unwrap_or_default()
}
