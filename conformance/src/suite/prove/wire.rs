//! The line between two hubs: a proxy that passes octets on, keeps them back, or cuts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Octets that are under way in the proxy, for each direction of a connection.
const UNDER_WAY: usize = 16 << 10;

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Octets arrive.
    Passes,
    /// Nothing arrives, and nobody is told: packets are dropped.
    Drops,
    /// Answers do not come back; what is asked arrives.
    SwallowsAnswers,
    /// Connections break, and new ones as well.
    Breaks,
}

/// A line. It ends with this value.
pub(super) struct Wire {
    /// Where the near hub finds the far one.
    pub(super) port: u16,
    to: Arc<watch::Sender<u16>>,
    line: Arc<watch::Sender<Line>>,
    met: Met,
    listening: JoinHandle<()>,
}

/// How often each state of the line has made a difference, in the order of [`Line`].
type Met = Arc<[AtomicU64; 4]>;

impl Wire {
    /// A line that passes, to a port that is told later.
    pub(super) async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (to, line) = (Arc::new(watch::channel(0).0), Arc::new(watch::channel(Line::Passes).0));
        let met = Met::default();
        let (target, state, noted) = (to.clone(), line.clone(), met.clone());
        let listening = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, state) = (*target.borrow(), state.subscribe());
                let noted = noted.clone();
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _broken = connect(near, to, state, noted).await;
                });
            }
        });
        Ok(Self { port, to, line, met, listening })
    }

    /// The port at which the far hub really listens.
    pub(super) fn leads_to(&self, port: u16) {
        self.to.send_replace(port);
    }

    /// From now on it does this.
    pub(super) fn does(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// How often connections or octets have met this state and did not pass for it.
    pub(super) fn met(&self, line: Line) -> u64 {
        self.met[line as usize].load(Ordering::Acquire)
    }
}

fn note(met: &Met, line: Line) {
    met[line as usize].fetch_add(1, Ordering::AcqRel);
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
        self.line.send_replace(Line::Breaks);
    }
}

async fn connect(
    near: TcpStream,
    to: u16,
    mut line: watch::Receiver<Line>,
    met: Met,
) -> Result<()> {
    // Who dials while packets are dropped hears nothing.
    if *line.borrow() == Line::Drops {
        note(&met, Line::Drops);
    }
    line.wait_for(|line| *line != Line::Drops).await?;
    if *line.borrow() == Line::Breaks {
        note(&met, Line::Breaks);
        return Ok(());
    }
    let far = TcpStream::connect(("127.0.0.1", to)).await?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = pass(near_in, far_out, line.clone(), |line| line != Line::Drops, &met);
    let back = pass(far_in, near_out, line.clone(), |line| line == Line::Passes, &met);
    tokio::select! {
        ended = async { tokio::try_join!(there, back) } => ended.map(drop),
        _ = line.wait_for(|line| *line == Line::Breaks) => {
            note(&met, Line::Breaks);
            Ok(())
        }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    open: fn(Line) -> bool,
    met: &Met,
) -> Result<()> {
    let mut octets = vec![0; UNDER_WAY];
    loop {
        let count = from.read(&mut octets).await?;
        let now = *line.borrow();
        if !open(now) {
            note(met, now);
        }
        line.wait_for(|line| open(*line)).await?;
        if count == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&octets[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_line_passes_swallows_and_breaks() {
        let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let wire = Wire::new().await.expect("a line");
        wire.leads_to(echo.local_addr().expect("bound").port());
        let mut near = TcpStream::connect(("127.0.0.1", wire.port)).await.expect("connects");
        let (mut far, _) = echo.accept().await.expect("a connection");
        let mut octets = [0; 3];
        near.write_all(b"one").await.expect("writes");
        far.read_exact(&mut octets).await.expect("arrives");
        assert_eq!(&octets, b"one");
        let met = || [Line::Drops, Line::SwallowsAnswers, Line::Breaks].map(|line| wire.met(line));
        assert_eq!(met(), [0, 0, 0], "nothing has met an accident");

        wire.does(Line::SwallowsAnswers);
        near.write_all(b"two").await.expect("writes");
        far.read_exact(&mut octets).await.expect("what is asked arrives");
        far.write_all(b"yes").await.expect("writes");
        let soon = Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, near.read(&mut octets)).await.is_err());
        assert_eq!(met(), [0, 1, 0], "an answer was kept back");
        wire.does(Line::Passes);
        near.read_exact(&mut octets).await.expect("arrives at last");
        assert_eq!(&octets, b"yes");

        wire.does(Line::Breaks);
        assert!(!matches!(near.read(&mut octets).await, Ok(1..)));
        assert_eq!(met(), [0, 1, 1], "a connection broke");
    }
}
