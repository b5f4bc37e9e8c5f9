//! The client that fetches lists, answers and time stamps: bounded in size and time, and only from hosts
//! that the configuration names. Addresses come from certificates, and whoever issues one must not
//! choose what this machine connects to.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Proxy, RequestBuilder, Response, Url, redirect};

use super::error::Refused;

/// Which hosts may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Names or IP addresses: `host` for the port of the scheme, `host:port` for another one.
    pub allowed_hosts: Vec<String>,
    /// Whether this machine itself may be one of them (tests, the demo).
    pub loopback: bool,
}

impl Guard {
    /// Whether an address may be asked as far as can be told before its name is resolved.
    pub fn check(&self, address: &str) -> Result<(), Refused> {
        self.url(address).map(drop)
    }

    fn url(&self, address: &str) -> Result<Url, Refused> {
        let url = Url::parse(address).map_err(|_| Refused::Address)?;
        self.check_url(&url)?;
        Ok(url)
    }

    fn check_url(&self, url: &Url) -> Result<(), Refused> {
        let known = matches!(url.scheme(), "http" | "https");
        let (true, Some(host)) = (known, url.host_str()) else { return Err(Refused::Address) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Address);
        }
        let allowed = |entry: &String| {
            let entry = entry.to_ascii_lowercase();
            match url.port() {
                None => entry == host,
                Some(port) => entry == format!("{host}:{port}"),
            }
        };
        if !self.allowed_hosts.iter().any(allowed) {
            return Err(Refused::Host);
        }
        match host.trim_matches(['[', ']']).parse() {
            Ok(ip) if !self.may_connect(ip) => Err(Refused::Inside),
            _ => Ok(()),
        }
    }

    /// Also asked about what a name resolves to. Private networks may be sources: those of public
    /// administration are.
    fn may_connect(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        !(link_local || ip.is_unspecified() || ip.is_multicast())
            && (self.loopback || !ip.is_loopback())
    }
}

/// Resolves names, and leaves out what must not be connected to.
struct GuardedResolver(Arc<Guard>);

/// All that a name resolved to was left out.
#[derive(Debug)]
struct NothingOutside;

impl fmt::Display for NothingOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Refused::Inside, f)
    }
}

impl Error for NothingOutside {}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<SocketAddr> =
                found.filter(|address| guard.may_connect(address.ip())).collect();
            match outside.is_empty() {
                true => Err(NothingOutside.into()),
                false => Ok(Box::new(outside.into_iter()) as Addrs),
            }
        })
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Service {
    /// Revocation (RFC 6960, A.1).
    Ocsp,
    /// Time stamps (RFC 3161, 3.4).
    TimeStamp,
}

impl Service {
    /// Of question and answer.
    fn media_types(self) -> (&'static str, &'static str) {
        match self {
            Self::Ocsp => ("application/ocsp-request", "application/ocsp-response"),
            Self::TimeStamp => ("application/timestamp-query", "application/timestamp-reply"),
        }
    }
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    client: Client,
    guard: Arc<Guard>,
}

/// Time to connect at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Fetcher {
    /// `timeout` bounds a whole exchange. `proxy` is the address of a proxy for all of them.
    pub(crate) fn new(
        guard: Guard,
        timeout: Duration,
        proxy: Option<&str>,
    ) -> Result<Self, Refused> {
        let guard = Arc::new(guard);
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(GuardedResolver(guard.clone()))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .pool_max_idle_per_host(1)
            .referer(false);
        let builder = match proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(|_| Refused::Address)?),
            None => builder,
        };
        Ok(Self { client: builder.build().map_err(|_| Refused::Engine)?, guard })
    }

    /// Fetches at most `limit` bytes; follows one redirection, to a host that is allowed as well.
    pub(crate) async fn get(&self, address: &str, limit: usize) -> Result<Vec<u8>, Refused> {
        let url = self.guard.url(address)?;
        let response = send(self.client.get(url.clone())).await?;
        if !response.status().is_redirection() {
            return read(response, limit).await;
        }
        let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
        let target = target.and_then(|target| url.join(target).ok()).ok_or(Refused::Redirect)?;
        self.guard.check_url(&target).map_err(|_| Refused::Redirect)?;
        let response = send(self.client.get(target)).await?;
        if response.status().is_redirection() {
            return Err(Refused::Redirect);
        }
        read(response, limit).await
    }

    /// Asks a service. No redirections.
    pub(crate) async fn ask(
        &self,
        service: Service,
        address: &str,
        question: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, Refused> {
        let (question_type, answer_type) = service.media_types();
        let request = self
            .client
            .post(self.guard.url(address)?)
            .header(CONTENT_TYPE, question_type)
            .header(ACCEPT, answer_type)
            .body(question);
        let response = send(request).await?;
        if response.status().is_redirection() {
            return Err(Refused::Redirect);
        }
        read(response, limit).await
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Refused> {
    request.send().await.map_err(|error| failure(&error))
}

async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Refused> {
    const OK: u16 = 200;
    let status = response.status().as_u16();
    if status != OK {
        return Err(Refused::Status(status));
    }
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Refused::TooLarge);
    }
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if octets.len() + chunk.len() > limit {
            return Err(Refused::TooLarge);
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

fn failure(error: &reqwest::Error) -> Refused {
    if error.is_timeout() {
        return Refused::Timeout;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<NothingOutside>() {
            return Refused::Inside;
        }
        cause = error.source();
    }
    Refused::Unreachable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_are_named_and_never_ones_inside() {
        let guard = |hosts: &[&str], loopback| Guard {
            allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            loopback,
        };
        let hosts =
            ["crl.example.test", "ocsp.example.test:8080", "169.254.169.254", "127.0.0.1:80"];
        let named =
            guard(&[&hosts[..], &["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]].concat(), false);
        for (address, expected) in [
            ("http://crl.example.test/a.crl", Ok(())),
            ("HTTPS://CRL.example.test:443/a.crl", Ok(())),
            ("http://crl.example.test:81/", Err(Refused::Host)),
            ("http://ocsp.example.test:8080/", Ok(())),
            ("http://ocsp.example.test/", Err(Refused::Host)),
            ("http://other.example.test/", Err(Refused::Host)),
            ("http://crl.example.test.evil.test/", Err(Refused::Host)),
            ("http://crl.example.test@evil.test/", Err(Refused::Address)),
            ("http://a:b@crl.example.test/", Err(Refused::Address)),
            ("ldap://crl.example.test/", Err(Refused::Address)),
            ("file:///etc/passwd", Err(Refused::Address)),
            ("//crl.example.test/", Err(Refused::Address)),
            ("http://169.254.169.254/", Err(Refused::Inside)),
            ("http://127.0.0.1/", Err(Refused::Inside)),
            ("http://127.1/", Err(Refused::Inside)),
            ("http://0x7f000001/", Err(Refused::Inside)),
            ("http://[::1]/", Err(Refused::Inside)),
        ] {
            assert_eq!(named.check(address), expected, "{address}");
        }
        let inside = guard(&["127.0.0.1:8080", "[::1]"], true);
        assert_eq!(inside.check("http://127.0.0.1:8080/"), Ok(()));
        assert_eq!(inside.check("http://[::1]/"), Ok(()));
        assert!(!named.may_connect("::ffff:127.0.0.1".parse().expect("an address")));
        assert!(named.may_connect("10.1.2.3".parse().expect("an address")));
    }
}
