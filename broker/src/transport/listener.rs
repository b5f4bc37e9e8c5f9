//! One TLS listener: accepts, shakes hands within a time, tells the service who is there.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_trust::tls;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use openssl::ssl::{Ssl, SslAcceptor};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use crate::config::Limits;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// SHA-256 over the DER of the client certificate; none where none was shown (which only the
    /// operations listener lets in).
    pub(crate) certificate: Option<Digest>,
}

/// A bound listener.
pub(crate) struct Listener {
    socket: TcpListener,
    acceptor: SslAcceptor,
    limits: Limits,
}

impl Listener {
    /// Binds; port 0 lets the system choose.
    pub(crate) async fn bind(
        address: SocketAddr,
        acceptor: SslAcceptor,
        limits: Limits,
    ) -> std::io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, acceptor, limits })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` says so; then lets requests under way end, for `grace` at most.
    pub(crate) async fn serve(
        self,
        router: Router,
        mut stop: watch::Receiver<bool>,
        grace: Duration,
    ) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        while !*stop.borrow() {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => {
                    place.expect("the semaphore is never closed")
                }
                _ = stop.changed() => break,
            };
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, from)) => {
                        let visit = visit(
                            stream, from, self.acceptor.clone(), router.clone(), self.limits,
                            stop.clone(), place,
                        );
                        connections.spawn(visit);
                    }
                    Err(error) => {
                        // Out of descriptors, or the peer is gone already: wait a little, go on.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                _ = stop.changed() => break,
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!("connections were still open at the end of the grace period");
        }
    }
}

/// One connection from handshake to end. Noise of strangers is a debug line, never evidence (P8).
async fn visit(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: SslAcceptor,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let handshake = shake_hands(stream, &acceptor);
    let limit = Duration::from_millis(limits.handshake_ms);
    let stream = match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%from, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%from, "TLS handshake took too long"),
    };
    let visitor = Visitor { certificate: fingerprint(&stream) };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor);
        router.call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.request_head_ms))
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "connection ended early");
    }
}

async fn shake_hands(
    stream: TcpStream,
    acceptor: &SslAcceptor,
) -> Result<SslStream<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut stream = SslStream::new(Ssl::new(acceptor.context())?, stream)?;
    Pin::new(&mut stream).accept().await?;
    Ok(stream)
}

fn fingerprint(stream: &SslStream<TcpStream>) -> Option<Digest> {
    // A certificate that OpenSSL let in and cannot encode identifies nobody.
    tls::peer_fingerprint(stream.ssl()).unwrap_or_default()
}
