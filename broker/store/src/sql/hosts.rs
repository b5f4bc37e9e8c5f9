//! Which of several hosts answers: they are tried one by one, each with a limit of its own, so that one
//! that accepts a connection and keeps silent does not keep the next from being tried.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// How long one address of a host is waited for: from the first octet until it has said that it takes
/// changes.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long the addresses of one host are looked up.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Most addresses of one host that are tried.
const ADDRESSES: usize = 8;
/// Where an address names no port.
const PORT: u16 = 5432;

/// A place that may be the server.
pub(super) struct Candidate {
    /// Which of the hosts.
    host: usize,
    /// What to connect with: to this place alone.
    pub(super) config: Config,
}

/// The hosts of a store, and which of them was the right one last time.
pub(crate) struct Hosts {
    config: Config,
    last: AtomicUsize,
}

impl Hosts {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, last: AtomicUsize::new(0) }
    }

    /// In the order in which they are named, except that the one that was right last time comes first.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.config.get_hosts().len();
        let last = self.last.load(Ordering::Relaxed);
        (last < count).then_some(last).into_iter().chain((0..count).filter(move |n| *n != last))
    }

    /// The addresses of a host, each with all else that was said about the server.
    pub(super) async fn candidates(&self, host: usize) -> io::Result<Vec<Candidate>> {
        let of = |address| Candidate { host, config: only(&self.config, host, address) };
        let named = self.config.get_hosts().get(host);
        let Some(Host::Tcp(name)) = named else { return Ok(vec![of(None)]) };
        if let Some(address) = self.config.get_hostaddrs().get(host) {
            return Ok(vec![of(Some(*address))]);
        }
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let found = timeout(LOOK_UP, lookup_host((name.as_str(), PORT))).await.map_err(late)??;
        let found: Vec<Candidate> =
            found.take(ADDRESSES).map(|address| of(Some(address.ip()))).collect();
        match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        }
    }

    /// This one was right.
    pub(super) fn remember(&self, candidate: &Candidate) {
        self.last.store(candidate.host, Ordering::Relaxed);
    }
}

/// The same configuration for one host, at one address of it where that is known. The library knows no
/// shorter way, and would try all of them as one.
fn only(config: &Config, host: usize, address: Option<IpAddr>) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(host) {
        // For TLS the name counts, whatever the address.
        Some(Host::Tcp(name)) => one.host(name),
        Some(Host::Unix(folder)) => one.host_path(folder),
        None => &mut one,
    };
    if let Some(address) = address {
        one.hostaddr(address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(host).or_else(|| ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(time) = config.get_connect_timeout() {
        one.connect_timeout(*time);
    }
    if let Some(time) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*time);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str) -> Hosts {
        Hosts::new(address.parse().expect("an address"))
    }

    #[test]
    fn the_one_that_was_right_comes_first() {
        let hosts = hosts("postgres://hub@a,b,c/hub");
        assert_eq!(hosts.order().collect::<Vec<_>>(), [0, 1, 2]);
        hosts.last.store(2, Ordering::Relaxed);
        assert_eq!(hosts.order().collect::<Vec<_>>(), [2, 0, 1]);
    }

    /// Nothing that was said about the server is lost on the way to one of its hosts.
    #[test]
    fn one_host_keeps_all_that_was_said() {
        let said = "password=canary sslmode=require sslnegotiation=direct options='-c a=b' \
             application_name=x connect_timeout=7 tcp_user_timeout=9 keepalives=0 \
             keepalives_idle=11 keepalives_interval=12 keepalives_retries=13 \
             target_session_attrs=read-write channel_binding=require user=hub dbname=hub";
        let all: Config = format!("host=a,b port=1,2 {said}").parse().expect("an address");
        let one: Config = format!("host=b port=2 {said}").parse().expect("an address");
        assert_eq!(only(&all, 1, None), one);
        let address = IpAddr::from([127, 0, 0, 1]);
        let one: Config = format!("host=b hostaddr={address} port=2 {said}").parse().expect("one");
        assert_eq!(only(&all, 1, Some(address)), one);
        // One port counts for all hosts.
        let all: Config = "host=/run/a,/run/b port=1 user=hub".parse().expect("an address");
        let one: Config = "host=/run/b port=1 user=hub".parse().expect("an address");
        assert_eq!(only(&all, 1, None), one);
    }
}
