//! One TLS connection that stays open, seen from close by: what is asked twice over it is asked over
//! the same one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslStream, SslVerifyMode};

use super::authority::Issued;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER_BYTES: usize = 1 << 20;

/// The connection.
pub(super) struct Line(BufReader<SslStream<TcpStream>>);

impl Line {
    /// Connects to `https://127.0.0.1:port` under a certificate.
    pub(super) fn connect(url: &str, ca: &Path, own: &Issued) -> Result<Self> {
        let address = url.strip_prefix("https://").context("an address")?;
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_ca_file(ca)?;
        builder.set_verify(SslVerifyMode::PEER);
        builder.set_certificate_file(&own.certificate, SslFiletype::PEM)?;
        builder.set_private_key_file(&own.key, SslFiletype::PEM)?;
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let stream = builder.build().connect("127.0.0.1", socket);
        Ok(Self(BufReader::new(stream.map_err(|error| anyhow::anyhow!("{error}"))?)))
    }

    /// Asks for a path; status and body.
    pub(super) fn get(&mut self, path: &str) -> Result<(u16, String)> {
        self.ask("GET", path)
    }

    /// The same by another method, without a body.
    pub(super) fn ask(&mut self, method: &str, path: &str) -> Result<(u16, String)> {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).context("no status line")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            ensure!(self.0.read_line(&mut line)? > 0, "the connection ended");
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?;
                }
                Some(_) => {}
            }
        }
        ensure!(length <= ANSWER_BYTES, "the answer is too long");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body)?))
    }

    /// SHA-256 over the certificate that the server has shown.
    pub(super) fn server(&self) -> Result<[u8; 32]> {
        let certificate = self.0.get_ref().ssl().peer_certificate().context("no certificate")?;
        Ok(openssl::sha::sha256(&certificate.to_der()?))
    }
}
