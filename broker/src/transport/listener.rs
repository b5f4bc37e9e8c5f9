//! One TLS listener: accepts, shakes hands within a time, tells the service who is there.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_trust::tls::{self, Acceptor};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use openssl::ssl::Ssl;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use crate::config::Limits;
use crate::doors;
use crate::hub::Noise;
use crate::stop::Stop;
use crate::transport::patient::Patient;
use crate::transport::places::Places;

/// Says how long a connection is kept (RFC 2068, 19.7.1.1; many clients still heed it).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Octets of a request's head, and of what is read ahead on a connection.
const HEAD_BYTES: usize = 64 << 10;
/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// SHA-256 over the DER of the client certificate; none where none was shown (which only the
    /// operations listener lets in).
    pub(crate) certificate: Option<Digest>,
    /// There was no place for one more connection: one request is answered, with a refusal.
    pub(crate) crowded: bool,
}

/// A bound listener.
pub(crate) struct Listener {
    socket: TcpListener,
    door: Door,
}

/// What every connection needs.
#[derive(Clone)]
struct Door {
    acceptor: doors::Door,
    limits: Limits,
    places: Arc<Places>,
    noise: Arc<Noise>,
}

impl Listener {
    /// Binds; port 0 lets the system choose. Nobody is answered before [`Listener::serve`].
    pub(crate) async fn bind(
        address: SocketAddr,
        acceptor: doors::Door,
        limits: Limits,
        noise: Arc<Noise>,
    ) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let places = Arc::new(Places::new(limits.connections));
        Ok(Self { socket, door: Door { acceptor, limits, places, noise } })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` says so; then lets requests under way end, for `grace` at most.
    pub(crate) async fn serve(self, router: Router, stop: Stop, grace: Duration) {
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = self.door.places.at_the_door().await;
                self.socket.accept().await.map(|(stream, from)| (stream, from, place))
            };
            tokio::select! {
                accepted = next => match accepted {
                    Ok((stream, from, place)) => {
                        let visit = self.door.clone().visit(
                            stream, from, place, router.clone(), stop.clone(),
                        );
                        connections.spawn(visit);
                    }
                    Err(error) => {
                        // Out of descriptors, or the peer is gone already: wait a little, go on.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = stop.said() => break,
            }
            while let Some(ended) = connections.try_join_next() {
                report(ended);
            }
        }
        drop(self.socket);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!(open = connections.len(), "connections outlast the grace period");
            connections.shutdown().await;
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a fault of the program");
    }
}

impl Door {
    /// One connection from handshake to end. Noise of strangers is counted, never evidence (P8).
    async fn visit(
        self,
        stream: TcpStream,
        from: SocketAddr,
        at_the_door: OwnedSemaphorePermit,
        router: Router,
        stop: Stop,
    ) {
        let patience = self.places.patience(Duration::from_millis(self.limits.handshake_ms));
        let acceptor = self.acceptor.get();
        let stream = tokio::select! {
            shaken = shake_hands(stream, &acceptor) => match shaken {
                Ok(stream) => stream,
                Err(error) => {
                    self.noise.count();
                    return tracing::debug!(%from, %error, "TLS handshake failed");
                }
            },
            () = patience => {
                self.noise.count();
                return tracing::debug!(%from, "TLS handshake took too long");
            }
        };
        let certificate = fingerprint(&stream);
        let place = self.places.inside(certificate);
        let crowded = place.is_none();
        // Whoever finds no place inside keeps the one at the door, for one short answer.
        let at_the_door = crowded.then_some(at_the_door);

        let router = TowerToHyperService::new(router);
        let kept = kept(&self.limits).filter(|_| !crowded);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Visitor { certificate, crowded });
            let (answering, kept) = (router.call(request), kept.clone());
            async move {
                answering.await.map(|mut response| {
                    response.headers_mut().extend(kept.map(|kept| (KEEP_ALIVE, kept)));
                    response
                })
            }
        });
        let stalled = Duration::from_millis(self.limits.body_idle_ms);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // Runs between two requests as well: it ends idle connections.
            .header_read_timeout(Duration::from_millis(self.limits.request_head_ms))
            .max_buf_size(HEAD_BYTES)
            .keep_alive(!crowded)
            .serve_connection(TokioIo::new(Patient::new(stream, stalled)), service);
        let mut connection = std::pin::pin!(connection);
        let patience = async {
            match &at_the_door {
                Some(_) => {
                    self.places.patience(Duration::from_millis(self.limits.handshake_ms)).await
                }
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = patience => return tracing::debug!(%from, "no place, and no request in time"),
            () = stop.said() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        drop(place);
        if let Err(error) = ended {
            tracing::debug!(%from, %error, "connection ended early");
        }
    }
}

/// How long a client may count on an unused connection: half of the time after which it is ended. A request
/// that is under way at that moment would be lost; whoever knows the time does not send one.
fn kept(limits: &Limits) -> Option<HeaderValue> {
    let seconds = limits.request_head_ms / 2_000;
    let value = HeaderValue::try_from(format!("timeout={seconds}")).ok();
    value.filter(|_| seconds > 0)
}

async fn shake_hands(
    stream: TcpStream,
    acceptor: &Acceptor,
) -> Result<SslStream<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut stream = SslStream::new(Ssl::new(acceptor.current().context())?, stream)?;
    Pin::new(&mut stream).accept().await?;
    Ok(stream)
}

fn fingerprint(stream: &SslStream<TcpStream>) -> Option<Digest> {
    // A certificate that OpenSSL let in and cannot encode identifies nobody.
    tls::peer_fingerprint(stream.ssl()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_less_than_the_time_there_is() {
        let told = |request_head_ms| {
            let limits = Limits { request_head_ms, ..Limits::default() };
            kept(&limits).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(told(10_000).as_deref(), Some("timeout=5"));
        assert_eq!(told(2_000).as_deref(), Some("timeout=1"));
        assert_eq!(told(1_999), None, "less than a second cannot be said");
        assert_eq!(told(u64::MAX / 2).map(|text| text.len() > 8), Some(true));
    }
}
