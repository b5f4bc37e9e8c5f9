//! The client of the native transport: one connection pool to one hub, as one account.
//!
//! It trusts the given authorities and no others, follows no redirects, uses no proxy, and reads
//! nothing without a limit. Requests that change nothing may be repeated by the caller at will;
//! [`NativeClient::acknowledge`] and [`NativeClient::cancel`] may as well, they are idempotent.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Part;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::ENVELOPE_CID;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem::{self, Problem};
use amtsbote_wire::native::status::{AcknowledgeRequest, InboxPage, LimitsDocument, MessageStatus};
use openssl::sha::Sha256;
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::answer;
use crate::error::{ClientError, causes};
use crate::receipt::{self, CheckedReceipt};

/// Longest JSON document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Longest envelope that is read, in bytes.
pub const MAX_ENVELOPE_BYTES: u64 = amtsbote_wire::native::envelope::MAX_BYTES as u64;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next sign of life: octets of ours that could be sent, or octets of the answer.
    pub idle: Duration,
    /// How long a connection without a request is kept for the next one. A hub ends one after
    /// `limits.request_head_ms`, and says in `Keep-Alive` how long it keeps it at least: whoever asks at that
    /// very moment finds the connection reset. So this is less.
    pub kept: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            kept: Duration::from_secs(4),
        }
    }
}

/// Which hub, and as whom.
#[derive(Clone)]
pub struct ClientOptions {
    /// `https://host:port`, nothing behind it.
    pub base_url: String,
    /// The authorities for the hub's TLS certificate, PEM.
    pub ca_pem: Vec<u8>,
    /// Our TLS client certificate and its issuers, PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, PEM (PKCS#8, not encrypted).
    pub key_pem: Vec<u8>,
    /// The public key of the hub's log, for receipts.
    pub hub_key: VerifierKey,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The language of refusals.
    pub language: Language,
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct NativeClient {
    http: reqwest::Client,
    base: Url,
    pub(crate) hub_key: VerifierKey,
    pub(crate) timeouts: Timeouts,
    language: Language,
}

impl NativeClient {
    /// Prepares; does not connect yet.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let bad = |what: &'static str| {
            move |error| ClientError::Options(format!("{what}: {}", causes(error)))
        };
        let authorities = certificates(&options.ca_pem)?;
        let identity =
            reqwest::Identity::from_pkcs8_pem(&options.certificate_pem, &options.key_pem)
                .map_err(bad("client certificate or key"))?;
        let http = reqwest::Client::builder()
            .tls_backend_native()
            .tls_certs_only(authorities)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .identity(identity)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Whether to send again is not for a library to decide.
            .retry(reqwest::retry::never())
            .connect_timeout(options.timeouts.connect)
            .pool_idle_timeout(options.timeouts.kept)
            .user_agent(concat!("amtsbote/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(bad("TLS"))?;
        Ok(Self {
            http,
            base: base_url(&options.base_url)?,
            hub_key: options.hub_key,
            timeouts: options.timeouts,
            language: options.language,
        })
    }

    /// The language of refusals.
    pub fn language(&self) -> Language {
        self.language
    }

    /// What became of a message of ours.
    pub async fn status(&self, id: &HubId) -> Result<MessageStatus, ClientError> {
        self.document(self.request(Method::GET, &["messages", id.as_str()])).await
    }

    /// A receipt of a message: `accepted`, or the word of the state it proves. Verified; what it
    /// is about is for the caller to compare ([`crate::receipt`]).
    pub async fn receipt(&self, id: &HubId, kind: &str) -> Result<CheckedReceipt, ClientError> {
        let request = self.request_with(
            Method::GET,
            &["messages", id.as_str(), "receipt"],
            &[("kind", kind)],
        );
        let response = self.ask(request, Duration::ZERO).await?;
        let octets = self.body(response, MAX_DOCUMENT_BYTES).await?;
        Ok(receipt::check(octets, &self.hub_key)?)
    }

    /// Withdraws a message that has not been handed out.
    pub async fn cancel(&self, id: &HubId) -> Result<MessageStatus, ClientError> {
        self.document(self.request(Method::POST, &["messages", id.as_str(), "cancel"])).await
    }

    /// A page of what waits for a party: after the cursor, at most `limit` entries, waiting up to
    /// `wait` seconds when there is nothing.
    pub async fn inbox_page(
        &self,
        party: &PartyId,
        after: Option<&str>,
        limit: u32,
        wait: u32,
    ) -> Result<InboxPage, ClientError> {
        let (limit, waiting) = (limit.to_string(), wait.to_string());
        let mut query = vec![("party", party.as_str()), ("limit", &limit), ("wait", &waiting)];
        query.extend(after.map(|cursor| ("after", cursor)));
        let request = self.request_with(Method::GET, &["inbox"], &query);
        self.document_within(request, Duration::from_secs(wait.into())).await
    }

    /// Fetches a part into `out` and sees that it is what `part` says: size and digest, and the
    /// digest in the answer's header. On an error `out` holds octets that must not be used.
    pub async fn fetch(
        &self,
        id: &HubId,
        part: &Part,
        out: &mut (dyn Write + Send),
    ) -> Result<(), ClientError> {
        let mut response = self.part(id, &part.cid).await?;
        let announced = content_digest_of(&response)?;
        let mut check = Check { hash: Sha256::new(), size: 0 };
        while let Some(octets) = self.chunk(&mut response).await? {
            check.size += octets.len() as u64;
            if check.size > part.size {
                return Err(ClientError::Content("a part is longer than signed".to_owned()));
            }
            check.hash.update(&octets);
            out.write_all(&octets)?;
        }
        check.ends_as(part, &announced)
    }

    /// Fetches the signed envelope of a message.
    pub async fn fetch_envelope(&self, id: &HubId) -> Result<Vec<u8>, ClientError> {
        let response = self.part(id, ENVELOPE_CID).await?;
        let announced = content_digest_of(&response)?;
        let octets = self.body(response, MAX_ENVELOPE_BYTES).await?;
        if Digest(openssl::sha::sha256(&octets)) != announced {
            return Err(ClientError::Content("the envelope was changed on its way".to_owned()));
        }
        Ok(octets)
    }

    /// Confirms that a message was taken, with the digest of its payload; returns the receipt. A
    /// repetition is answered the same.
    pub async fn acknowledge(
        &self,
        id: &HubId,
        payload: &Digest,
    ) -> Result<CheckedReceipt, ClientError> {
        let body = serde_json::to_vec(&AcknowledgeRequest { sha256: *payload })
            .expect("a digest can always be written");
        let request = self
            .request(Method::POST, &["inbox", id.as_str(), "acknowledge"])
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let response = self.ask(request, Duration::ZERO).await?;
        let octets = self.body(response, MAX_DOCUMENT_BYTES).await?;
        let checked = receipt::check(octets, &self.hub_key)?;
        receipt::is_acknowledgement_of(&checked.evidence, id, payload)?;
        Ok(checked)
    }

    /// The limits of the hub.
    pub async fn limits(&self) -> Result<LimitsDocument, ClientError> {
        self.document(self.request(Method::GET, &["limits"])).await
    }

    async fn part(&self, id: &HubId, cid: &str) -> Result<Response, ClientError> {
        let request = self.request(Method::GET, &["inbox", id.as_str(), "parts", cid]);
        self.ask(request, Duration::ZERO).await
    }

    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request_with(method, path, &[])
    }

    fn request_with(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an https address has a path")
            .clear()
            .push("v1")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let language = match self.language {
            Language::De => "de",
            Language::En => "en",
        };
        self.http.request(method, url).header(ACCEPT_LANGUAGE, language)
    }

    async fn document<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        self.document_within(request, Duration::ZERO).await
    }

    async fn document_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        more: Duration,
    ) -> Result<T, ClientError> {
        let response = self.ask(request, more).await?;
        let status = response.status().as_u16();
        let octets = self.body(response, MAX_DOCUMENT_BYTES).await?;
        let what = "the document cannot be read";
        serde_json::from_slice(&octets).map_err(|_| ClientError::Unexpected { status, what })
    }

    /// Sends a request that may be repeated, and answers only with success.
    async fn ask(&self, request: RequestBuilder, more: Duration) -> Result<Response, ClientError> {
        let sent = self.alive(more, request.send()).await?;
        let response = sent.map_err(|error| match error.is_connect() {
            true => ClientError::Unreachable(causes(error)),
            false => ClientError::Interrupted(causes(error)),
        })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.refusal(response).await),
        }
    }

    /// What an answer that is no success says.
    pub(crate) async fn refusal(&self, response: Response) -> ClientError {
        let status = response.status().as_u16();
        let unexpected = |what| ClientError::Unexpected { status, what };
        let media_type = header(&response, CONTENT_TYPE.as_str());
        if !media_type.is_some_and(|text| answer::is_media_type(text, problem::MEDIA_TYPE)) {
            return unexpected("no problem document");
        }
        match self.body(response, problem::MAX_BYTES as u64).await {
            Err(error) => error,
            Ok(octets) => match Problem::parse(&octets) {
                Ok(problem) => ClientError::Refused(Box::new(problem)),
                Err(_) => unexpected("the problem document cannot be read"),
            },
        }
    }

    /// The whole body, up to a limit.
    pub(crate) async fn body(
        &self,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let status = response.status().as_u16();
        let mut octets = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if (octets.len() + chunk.len()) as u64 > limit {
                return Err(ClientError::Unexpected { status, what: "the answer is too long" });
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, ClientError> {
        let chunk = self.alive(Duration::ZERO, response.chunk()).await?;
        chunk.map_err(|error| ClientError::Interrupted(causes(error)))
    }

    async fn alive<T>(
        &self,
        more: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, ClientError> {
        let limit = self.timeouts.idle + more;
        let silence = || ClientError::Interrupted(format!("no answer for {} s", limit.as_secs()));
        timeout(limit, work).await.map_err(|_| silence())
    }
}

impl std::fmt::Debug for NativeClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

struct Check {
    hash: Sha256,
    size: u64,
}

impl Check {
    fn ends_as(self, part: &Part, announced: &Digest) -> Result<(), ClientError> {
        let what = match (self.size == part.size, Digest(self.hash.finish())) {
            (false, _) => "a part is shorter than signed",
            (true, digest) if digest != part.sha256 => "a part has another digest than signed",
            (true, digest) if digest != *announced => "a part has another digest than announced",
            (true, _) => return Ok(()),
        };
        Err(ClientError::Content(what.to_owned()))
    }
}

pub(crate) fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn content_digest_of(response: &Response) -> Result<Digest, ClientError> {
    header(response, "content-digest").and_then(answer::content_digest).ok_or(
        ClientError::Unexpected {
            status: response.status().as_u16(),
            what: "no Content-Digest with SHA-256",
        },
    )
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let bad = || ClientError::Options("the authorities cannot be read as PEM".to_owned());
    let read = openssl::x509::X509::stack_from_pem(pem).map_err(|_| bad())?;
    if read.is_empty() {
        return Err(bad());
    }
    let convert = |x509: openssl::x509::X509| {
        let der = x509.to_der().map_err(|_| bad())?;
        reqwest::Certificate::from_der(&der).map_err(|_| bad())
    };
    read.into_iter().map(convert).collect()
}

fn base_url(text: &str) -> Result<Url, ClientError> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        url.scheme() == "https" && url.has_host() && bare && anonymous
    });
    url.ok_or_else(|| ClientError::Options("the address must be https://host:port".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    use openssl::ssl::SslVersion;

    use crate::testing::{Keys, acceptor, answer, client_with, read_until};

    #[test]
    fn only_a_bare_https_address_is_taken() {
        for good in ["https://hub.example.test:8443", "https://[::1]:8443/", "https://localhost"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "hub.example.test",
            "http://hub.example.test",
            "https://a:b@hub.example.test",
            "https://hub.example.test/v1",
            "https://hub.example.test?x",
        ] {
            assert!(matches!(base_url(bad), Err(ClientError::Options(_))), "{bad}");
        }
    }

    #[test]
    fn a_part_must_be_what_was_signed() {
        let digest = |octets: &[u8]| Digest(openssl::sha::sha256(octets));
        let check = |octets: &[u8], announced: &[u8]| {
            let mut hash = Sha256::new();
            hash.update(octets);
            let part = Part {
                cid: "payload".to_owned(),
                media_type: "application/xml".to_owned(),
                size: 3,
                sha256: digest(b"abc"),
            };
            Check { hash, size: octets.len() as u64 }.ends_as(&part, &digest(announced))
        };
        assert!(check(b"abc", b"abc").is_ok());
        for (octets, announced) in [("ab", "ab"), ("abd", "abd"), ("abc", "abd")] {
            let error = check(octets.as_bytes(), announced.as_bytes()).expect_err("refused");
            assert_eq!(error.exit_code(), 1);
        }
    }

    /// Asks twice with a pause. The other side ends a connection on which it is asked a second time without
    /// reading it: as a hub does that gave the connection up at that moment. Says what came of the second.
    async fn asked_again(kept: Duration, pause: Duration) -> Result<MessageStatus, ClientError> {
        let keys = Keys::new();
        let acceptor = acceptor(&keys, &keys, SslVersion::TLS1_3);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = std::thread::spawn(move || {
            let mut connections = 0;
            loop {
                let (stream, _) = listener.accept().expect("a client");
                let mut stream = acceptor.accept(stream).expect("TLS");
                connections += 1;
                read_until(&mut stream, b"\r\n\r\n");
                answer(&mut stream, "404 Not Found", b"");
                // Either it is given up, or it is used again.
                if connections == 2 || matches!(stream.read(&mut [0]), Ok(1..)) {
                    return connections;
                }
            }
        });
        let timeouts = Timeouts { kept, ..Timeouts::default() };
        let client = client_with(port, &keys, &keys, timeouts);
        let id = HubId::parse("0197a2c4-0000-7000-8000-000000000001").expect("an id");
        client.status(&id).await.expect_err("it is not there");
        tokio::time::sleep(pause).await;
        let again = client.status(&id).await;
        let connections = serving.join().expect("served");
        assert_eq!(connections, if kept > pause { 1 } else { 2 });
        again
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_the_hub_may_be_ending_is_not_used() {
        let lost = |answer| {
            matches!(
                answer,
                Err(ClientError::Interrupted(_)
                    | ClientError::OutcomeUnknown(_)
                    | ClientError::Unreachable(_))
            )
        };
        let minute = Duration::from_secs(60);
        let short = Duration::from_millis(20);
        assert!(
            lost(asked_again(minute, short).await),
            "this is what happens to who keeps it too long"
        );
        assert!(!lost(asked_again(short, 5 * short).await));
        // Half of what a hub keeps them by default, and less than it says.
        assert!(Timeouts::default().kept < Duration::from_secs(5));
    }
}
