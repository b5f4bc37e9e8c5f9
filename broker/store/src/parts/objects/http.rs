//! Requests to the object store over the HTTP and TLS that the hub has anyway.
//!
//! All patience is here: what passes is tried again, as long as the service asks to be waited for and
//! not longer than [`PATIENCE`]. Every request can be repeated: objects are written once, under names
//! that nobody else knows, and what a repetition could have hidden is looked at afterwards. An answer
//! is read whole, within [`ANSWER`], before it counts; so one that breaks off in the middle is asked
//! for again like any other.

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use openssl::rand::rand_bytes;
use reqwest::{Body, Certificate, Client, StatusCode, Url};

use super::RANGE;
use super::options::{ObjectOptions, refuse};
use crate::options::OpenError;

/// Time for connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of the service.
const SILENCE: Duration = Duration::from_secs(20);
/// Time for one request with its answer.
const REQUEST: Duration = Duration::from_secs(60);
/// Time after which nothing is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a request is sent at most.
const TRIES: u32 = 5;
/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a request that was given up may be on its way.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// How long the service is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    silence: Duration,
    in_all: Duration,
    pause: Duration,
    pub(super) quiet: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: SILENCE, in_all: PATIENCE, pause: PAUSE, quiet: QUIET }
    }
}

impl Patience {
    /// For tests: short pauses, nothing late, and what is silent for longer than this is given up.
    #[cfg(test)]
    pub(super) fn little(silence: Option<Duration>) -> Self {
        let pause = Duration::from_millis(10);
        let (silence, quiet) = (silence.unwrap_or(SILENCE), Duration::ZERO);
        Self { pause, silence, quiet, ..Self::default() }
    }
}

/// Octets of an answer at most: a range of an object, or a text about something else.
const ANSWER: usize = RANGE + (64 << 10);

/// Why a request came to nothing. It says nothing of the octets, the key or the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody answers, or the answer breaks off.
    #[error("the object store does not answer ({0})")]
    Away(&'static str),
    /// It has too much to do, or is out of order.
    #[error("the object store is busy or out of order ({status})", status = .0.as_u16())]
    Busy(StatusCode, Option<Duration>),
    /// No room, or the quota is used up.
    #[error("the object store is full")]
    Full,
    /// It said no.
    #[error("the object store refused a request ({status})", status = .0.as_u16())]
    Refused(StatusCode),
    /// It sent more than was asked for.
    #[error("the object store sent more than was asked for")]
    TooLong,
    /// The request could not be made.
    #[error("a request to the object store could not be made")]
    NotMade,
}

impl Trouble {
    /// What to wait for before it is tried again; none where that would be in vain.
    fn wait(self, pause: Duration) -> Option<Duration> {
        match self {
            Self::Away(_) => Some(pause),
            Self::Busy(_, asked) => Some(asked.map_or(pause, |asked| asked.max(pause))),
            Self::Full | Self::Refused(_) | Self::TooLong | Self::NotMade => None,
        }
    }

    fn of(error: &reqwest::Error) -> Self {
        Self::Away(match error {
            error if error.is_connect() && is_about_certificates(error) => "its certificate",
            error if error.is_connect() => "no connection",
            error if error.is_timeout() => "too slow",
            _ => "the connection broke",
        })
    }
}

/// Whether nobody vouches for the service. The library below says so in its text alone.
fn is_about_certificates(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(now) = cause {
        if now.to_string().contains("certificate") {
            return true;
        }
        cause = now.source();
    }
    false
}

/// Makes the client of one object store.
pub(super) struct Connector {
    client: Client,
    patience: Patience,
}

impl Connector {
    pub(super) fn new(options: &ObjectOptions) -> Result<Self, OpenError> {
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(options.patience.silence)
            .timeout(REQUEST)
            .min_tls_version(reqwest::tls::Version::TLS_1_2);
        if let Some(pem) = &options.authority {
            let authorities = Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|authorities| !authorities.is_empty())
                .ok_or_else(|| refuse("the file with its authorities cannot be read"))?;
            builder = builder.tls_certs_only(authorities);
        }
        let client = builder.build().map_err(|_| refuse("TLS cannot be set up"))?;
        Ok(Self { client, patience: options.patience })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service { client: self.client.clone(), patience: self.patience }))
    }
}

struct Service {
    client: Client,
    patience: Patience,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpService for Service {
    fn call<'s, 'a>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(self.patiently(request))
    }
}

impl Service {
    async fn patiently(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let begun = Instant::now();
        let mut pause = self.patience.pause;
        let mut tries = 1;
        loop {
            let trouble = match self.once(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            match trouble.wait(jittered(pause)) {
                Some(wait) if tries < TRIES && begun.elapsed() + wait < self.patience.in_all => {
                    tracing::debug!(%trouble, tries, "asking the object store again");
                    tokio::time::sleep(wait).await;
                }
                // Of this kind, nobody tries it once more.
                _ => return Err(HttpError::new(HttpErrorKind::Unknown, trouble)),
            }
            pause *= 2;
            tries += 1;
        }
    }

    async fn once(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let (head, body) = request.into_parts();
        let url: Url = head.uri.to_string().parse().map_err(|_| Trouble::NotMade)?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(Body::wrap(body));
        let mut answer = self.client.execute(request).await.map_err(|error| Trouble::of(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut octets = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| Trouble::of(&error))? {
            if octets.len() + piece.len() > ANSWER {
                return Err(Trouble::TooLong);
            }
            octets.extend_from_slice(&piece);
        }
        judge(status, &headers, &octets)?;
        let mut made = http::Response::new(HttpResponseBody::from(octets));
        *made.status_mut() = status;
        made.extensions_mut().insert(Stated::of(&headers));
        *made.headers_mut() = headers;
        Ok(made)
    }
}

/// What the service says of an object beside the object, for whoever checks it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stated {
    pub(super) sha256: Option<String>,
}

impl Stated {
    fn of(headers: &http::HeaderMap) -> Self {
        let stated = headers.get("x-amz-checksum-sha256").and_then(|value| value.to_str().ok());
        Self { sha256: stated.map(str::to_owned) }
    }
}

/// What an answer means. Those that `object_store` has a word for pass.
fn judge(status: StatusCode, headers: &http::HeaderMap, octets: &[u8]) -> Result<(), Trouble> {
    let says = |word: &str| octets.windows(word.len()).any(|window| window == word.as_bytes());
    let after = || {
        // A date instead of seconds is not understood; then the usual pause is made.
        let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    };
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::INSUFFICIENT_STORAGE => Err(Trouble::Full),
        // Services have no common code for it, but all call it so.
        _ if says("QuotaExceeded") || says("StorageFull") => Err(Trouble::Full),
        StatusCode::NOT_FOUND
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::FORBIDDEN
        | StatusCode::UNAUTHORIZED => Ok(()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Trouble::Busy(status, after()))
        }
        StatusCode::NOT_IMPLEMENTED => Err(Trouble::Refused(status)),
        _ if status.is_server_error() => Err(Trouble::Busy(status, after())),
        _ => Err(Trouble::Refused(status)),
    }
}

/// Between half of a pause and all of it, so that those who wait do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without random octets it is half of it.
    let _ = rand_bytes(&mut random);
    pause / 2 + pause.mul_f64(f64::from(random[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, after: Option<&str>, body: &str) -> Result<(), Trouble> {
        let mut headers = http::HeaderMap::new();
        if let Some(after) = after {
            headers.insert("retry-after", after.parse().expect("a value"));
        }
        judge(StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes())
    }

    #[test]
    fn answers_mean_what_they_say() {
        for passes in [200, 204, 206, 401, 403, 404, 412] {
            judged(passes, None, "").expect("passes");
        }
        for (status, body) in [
            (507, ""),
            (403, "<Code>QuotaExceeded</Code>"),
            (400, "<Code>XMinioAdminBucketQuotaExceeded</Code>"),
            (507, "<Code>XMinioStorageFull</Code>"),
        ] {
            assert_eq!(judged(status, None, body), Err(Trouble::Full), "{status} {body}");
        }
        let wait = |status, after| judged(status, after, "").expect_err("trouble").wait(PAUSE);
        assert_eq!(wait(503, Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(wait(503, Some("0")), Some(PAUSE));
        assert_eq!(wait(429, Some("Mon, 23 Nov 2026 12:00:00 GMT")), Some(PAUSE));
        for in_vain in [301, 400, 416, 501] {
            assert_eq!(wait(in_vain, Some("1")), None, "{in_vain}");
        }
        let longest = jittered(PAUSE * 16);
        assert!((PAUSE * 8..=PAUSE * 16).contains(&longest), "{longest:?}");
    }
}
