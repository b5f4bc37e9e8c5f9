//! One connection, whose end is certain.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amtsbote_trust::tls;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, Event};
use openssl::ssl::SslConnector;

use crate::config::HintSettings;

use super::{FRAME, HEARTBEAT};

/// How long a connection gets to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);
/// Longest reason that is shown, in characters: the broker may have written it.
const REASON: usize = 300;
const NO_ANSWER: &str = "no answer";

/// Why a connection did not come about, or ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(String);

impl Broken {
    /// For this reason, which becomes one short line.
    pub(super) fn new(reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string();
        Self(reason.chars().filter(|c| !c.is_control()).take(REASON).collect())
    }

    /// Nothing came in time.
    pub(super) fn no_answer() -> Self {
        Self::new(NO_ANSWER)
    }

    /// Whether that was it.
    pub(super) fn is_no_answer(&self) -> bool {
        self.0 == NO_ANSWER
    }
}

impl From<lapin::Error> for Broken {
    fn from(error: lapin::Error) -> Self {
        Self::new(error)
    }
}

/// Where the broker is, and how to talk to it.
#[derive(Clone)]
pub(super) struct Place {
    settings: HintSettings,
    tls: Option<SslConnector>,
}

impl Place {
    /// Fails when the certificates cannot be used.
    pub(super) fn new(settings: HintSettings) -> Result<Self, String> {
        let connector = settings.tls.as_ref();
        let connector = connector.map(|(authorities, identity)| {
            tls::connector(authorities, identity.as_ref()).map_err(|error| error.to_string())
        });
        let tls = connector.transpose()?;
        Ok(Self { settings, tls })
    }

    /// TLS is made here and not by the library, so that only the named authority counts.
    fn uri(&self) -> AMQPUri {
        let HintSettings { host, port, virtual_host, user, password, .. } = &self.settings;
        let userinfo = AMQPUserInfo { username: user.clone(), password: password.clone() };
        AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo, host: host.clone(), port: *port },
            vhost: virtual_host.clone(),
            query: AMQPQueryString {
                frame_max: Some(FRAME),
                heartbeat: Some(HEARTBEAT),
                ..AMQPQueryString::default()
            },
        }
    }
}

/// The plug of a connection. The library works in a thread of its own, which waits for the socket
/// for as long as that is open, whoever has given up in the meantime: so it is pulled in any case.
#[derive(Clone, Default)]
struct Plug(Arc<Mutex<Socket>>);

#[derive(Default)]
enum Socket {
    #[default]
    None,
    Open(TcpStream),
    Shut,
}

impl Plug {
    /// Remembers the socket; an error when it was pulled before there was one.
    fn take(&self, socket: TcpStream) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*held, Socket::Shut) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *held = Socket::Open(socket);
        Ok(())
    }

    fn pull(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Socket::Open(socket) = std::mem::replace(&mut *held, Socket::Shut) {
            // An error says that it is closed already.
            let _closed = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Pulls the plug when it goes.
struct Pull(Plug);

impl Drop for Pull {
    fn drop(&mut self) {
        self.0.pull();
    }
}

/// A connection. Dropping it ends it.
pub(super) struct Link {
    connection: Connection,
    _pull: Pull,
}

impl Link {
    /// Connects, as `role` for the broker's list, within this time.
    pub(super) async fn open(place: &Place, role: &str, time: Duration) -> Result<Self, Broken> {
        // Before the attempt: a call that is dropped in its midst ends it too.
        let pull = Pull(Plug::default());
        let (plug, host, tls) = (pull.0.clone(), place.settings.host.clone(), place.tls.clone());
        let options = ConnectionProperties::default()
            .with_connection_name(format!("amtsbote hints ({role})").into());
        let runtime = lapin::runtime::default_runtime()?;
        let address = (host.clone(), place.settings.port);
        let reactor = runtime.clone();
        let connect = async move |_, _| -> lapin::Result<_> {
            let stream = async {
                let found: Vec<SocketAddr> =
                    tokio::net::lookup_host(address.clone()).await?.collect();
                let stream = AsyncTcpStream::connect(&reactor, found).await?;
                if let AsyncTcpStream::Plain(socket) = &stream {
                    let socket = socket.get_ref();
                    // A hint is small, and is not to wait for the next one.
                    socket.set_nodelay(true)?;
                    plug.take(socket.as_fd().try_clone_to_owned()?.into())?;
                }
                match &tls {
                    Some(tls) => stream.into_openssl(tls, &host).await,
                    None => Ok(stream),
                }
            };
            // This runs in the library's thread: nobody drops it, so it ends by itself.
            match tokio::time::timeout(time, stream).await {
                Ok(stream) => Ok(stream?),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        };
        let connection = Connection::connector(place.uri(), runtime, connect, options);
        match tokio::time::timeout(time, connection).await {
            Ok(connection) => Ok(Self { connection: connection?, _pull: pull }),
            Err(_) => Err(Broken::no_answer()),
        }
    }

    /// A channel.
    pub(super) async fn channel(&self) -> Result<Channel, Broken> {
        Ok(self.connection.create_channel().await?)
    }

    /// What happens to the connection as a whole.
    pub(super) fn events(&self) -> impl futures_util::Stream<Item = Event> + Send + use<'_> {
        self.connection.events_listener()
    }

    /// An error once it has ended, whether anybody has said so or not.
    pub(super) fn check(&self) -> Result<(), Broken> {
        match self.connection.status().connected() {
            true => Ok(()),
            false => Err(Broken::new("the connection has ended")),
        }
    }

    /// Says good-bye, briefly, and ends.
    pub(super) async fn end(self) {
        let farewell = self.connection.close(200, "OK".into());
        // Whatever the answer: the plug is pulled.
        let _answer = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Waits for an answer of the broker, for so long.
pub(super) async fn within<T>(
    time: Duration,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Broken> {
    match tokio::time::timeout(time, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Broken::no_answer()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_short_line() {
        let broken = Broken::new(format!("refused\r\nby {}", "x".repeat(1_000)));
        assert!(broken.0.starts_with("refusedby xxx"), "{broken}");
        assert_eq!(broken.0.chars().count(), REASON);
    }

    #[test]
    fn a_socket_that_comes_after_the_plug_was_pulled_is_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = || TcpStream::connect(listener.local_addr().expect("it")).expect("connects");
        let plug = Plug::default();
        plug.take(socket()).expect("in time");
        plug.pull();
        plug.pull();
        assert!(plug.take(socket()).is_err());
    }
}
