//! Authorities that the tool `openssl` runs: it issues, revokes, writes lists and answers as a
//! responder, from one index.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What a certificate is for; the names of sections in the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    Client,
    Signature,
    Server,
}

impl Use {
    fn section(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Signature => "signature",
            Self::Server => "server",
        }
    }
}

/// Certificate and key, as files in PEM.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Issued {
    /// SHA-256 over the DER, 64 digits.
    pub(super) fn fingerprint(&self) -> Result<String> {
        let certificate = openssl::x509::X509::from_pem(&fs::read(&self.certificate)?)?;
        let digest = openssl::sha::sha256(&certificate.to_der()?);
        Ok(digest.iter().map(|octet| format!("{octet:02x}")).collect())
    }
}

/// An authority and its folder.
pub(super) struct Authority {
    folder: PathBuf,
}

const EXTENSIONS: &str = "\
[any]
commonName = supplied
countryName = optional
organizationName = optional
[list]
authorityKeyIdentifier = keyid:always
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[signature]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = DNS:localhost,IP:127.0.0.1
[req]
distinguished_name = empty
[empty]
";

impl Authority {
    /// A new one.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self> {
        let own = Self::open(folder)?;
        let (key, certificate) = (own.path("ca.key"), own.path("ca.pem"));
        let subject = format!("/C=DE/O=Amtsbote TEST/CN=TEST {name}");
        own.tool(&[
            &["req", "-x509", "-config", &own.path("ca.cnf"), "-extensions", "authority"][..],
            &["-subj", &subject, "-days", "30", "-keyout", &key, "-out", &certificate],
            NEW_KEY,
        ])?;
        Ok(own)
    }

    /// One whose key and certificate are there already.
    pub(super) fn adopt(folder: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let own = Self::open(folder)?;
        fs::copy(certificate, own.path("ca.pem"))?;
        fs::copy(key, own.path("ca.key"))?;
        Ok(own)
    }

    fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let own = Self { folder: folder.to_owned() };
        let here = folder.to_str().context("the folder's name is no UTF-8")?;
        let configuration = format!(
            "[ca]\ndefault_ca = here\n[here]\ndatabase = {here}/index.txt\n\
             crlnumber = {here}/number\nnew_certs_dir = {here}\nrand_serial = yes\n\
             certificate = {here}/ca.pem\nprivate_key = {here}/ca.key\ndefault_md = sha256\n\
             unique_subject = no\npolicy = any\ncrl_extensions = list\n{EXTENSIONS}"
        );
        fs::write(own.path("ca.cnf"), configuration)?;
        fs::write(own.path("index.txt"), "")?;
        fs::write(own.path("number"), "01\n")?;
        Ok(own)
    }

    /// Its certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A new key and a certificate for it, in `into`.
    pub(super) fn issue(&self, into: &Path, name: &str, usage: Use) -> Result<Issued> {
        self.issue_with(into, name, usage, NEW_KEY, &["-days", "20"])
    }

    /// The same with another key, valid at another time: arguments of `openssl req` and `openssl ca`.
    pub(super) fn issue_with(
        &self,
        into: &Path,
        name: &str,
        usage: Use,
        new_key: &[&str],
        valid: &[&str],
    ) -> Result<Issued> {
        let issued = Issued {
            certificate: into.join(format!("{name}.cert.pem")),
            key: into.join(format!("{name}.key.pem")),
        };
        let request = self.path("request.pem");
        let (certificate, key) = (issued.certificate.display(), issued.key.display());
        let (certificate, key) = (certificate.to_string(), key.to_string());
        let subject = format!("/C=DE/O=Amtsbote TEST/CN=TEST {name}");
        let configuration = self.path("ca.cnf");
        self.tool(&[
            &["req", "-new", "-config", &configuration, "-subj", &subject, "-keyout", &key],
            &["-out", &request],
            new_key,
        ])?;
        self.tool(&[
            &["ca", "-batch", "-notext", "-config", &configuration, "-in", &request][..],
            &["-extensions", usage.section(), "-out", &certificate],
            valid,
        ])?;
        // A key of ours is for its owner's eyes only.
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&issued.key, fs::Permissions::from_mode(0o600))?;
        Ok(issued)
    }

    /// Takes a certificate back.
    pub(super) fn revoke(&self, issued: &Issued, reason: &str) -> Result<()> {
        let certificate = issued.certificate.display().to_string();
        let configuration = self.path("ca.cnf");
        self.tool(&[&[
            "ca",
            "-config",
            &configuration,
            "-revoke",
            &certificate,
            "-crl_reason",
            reason,
        ]])
    }

    /// A list that is fresh for so many seconds, in PEM.
    pub(super) fn list(&self, seconds: u32) -> Result<Vec<u8>> {
        let (out, seconds) = (self.path("list.pem"), seconds.to_string());
        let configuration = self.path("ca.cnf");
        self.tool(&[&[
            "ca",
            "-config",
            &configuration,
            "-gencrl",
            "-crlsec",
            &seconds,
            "-out",
            &out,
        ]])?;
        Ok(fs::read(out)?)
    }

    /// A responder on loopback, which signs with the authority's own key; with port 0 the system
    /// chooses. It reads a changed index after the next question, so that one may still be answered
    /// from the old.
    pub(super) fn responder(&self, port: u16) -> Result<Responder> {
        let port = port.to_string();
        let [index, ca, key] = ["index.txt", "ca.pem", "ca.key"].map(|name| self.path(name));
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", &port, "-nmin", "60", "-index", &index, "-CA", &ca])
            .args(["-rsigner", &ca, "-rkey", &key])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .context("the tool openssl is needed (Debian package openssl)")?;
        // It says `ACCEPT [::]:PORT PID=..` when it listens.
        let said = child.stdout.take();
        let mut responder = Responder { child, port: 0 };
        let mut line = String::new();
        BufReader::new(said.context("it has no output")?).read_line(&mut line)?;
        let port = line.split_whitespace().nth(1).and_then(|address| address.rsplit_once(':'));
        let port = port.and_then(|(_, port)| port.parse().ok());
        responder.port = port.with_context(|| format!("openssl ocsp said {line:?}"))?;
        Ok(responder)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn tool(&self, arguments: &[&[&str]]) -> Result<()> {
        let arguments = arguments.concat();
        let output = Command::new("openssl")
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .context("the tool openssl is needed (Debian package openssl)")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl {}: {}", arguments.join(" "), said.trim());
        Ok(())
    }
}

/// A new key of P-256, not encrypted.
pub(super) const NEW_KEY: &[&str] =
    &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// A running responder; it ends with its owner.
pub(super) struct Responder {
    child: Child,
    pub(super) port: u16,
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
