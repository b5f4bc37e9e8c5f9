//! Octets as they come: from a request, within the time limits, or out of a spool.

use std::io::Read;
use std::time::Duration;

use amtsbote_domain::fault::{Code, Fault};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::spool::unreadable;
use crate::config::Limits;

/// The first seconds of a body, in which the slowest speed is not yet asked for.
const SPEED_FREE: Duration = Duration::from_secs(10);
/// Octets read at once out of a spool.
const PIECE: usize = 64 << 10;

/// Where octets come from.
pub(super) struct Pieces {
    source: Source,
    announced: Option<u64>,
    limits: Limits,
    begun: Instant,
    octets: u64,
}

enum Source {
    Body(Body),
    Spool(Box<dyn Read + Send>),
    Done,
}

impl Pieces {
    /// Those of a request; nothing is read yet.
    pub(super) fn of_body(headers: &HeaderMap, body: Body, limits: Limits) -> Self {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        Self {
            source: Source::Body(body),
            announced: length.and_then(|length| length.parse().ok()),
            limits,
            begun: Instant::now(),
            octets: 0,
        }
    }

    /// Those of a spool with so many octets.
    pub(super) fn of_spool(spool: Box<dyn Read + Send>, octets: u64, limits: Limits) -> Self {
        let source = Source::Spool(spool);
        Self { source, announced: Some(octets), limits, begun: Instant::now(), octets: 0 }
    }

    /// How many octets were announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next ones; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let data = match &mut self.source {
                Source::Done => return Ok(None),
                Source::Spool(spool) => read(spool.as_mut())?,
                Source::Body(body) => {
                    let idle = Duration::from_millis(self.limits.body_idle_ms);
                    let frame = tokio::time::timeout(idle, body.frame()).await;
                    let slow = |_| Fault::new(Code::TooSlow).because("body_idle_ms");
                    match frame.map_err(slow)? {
                        None => None,
                        Some(Err(_)) => return Err(Fault::new(Code::Truncated)),
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) => Some(data),
                            Err(_) => continue,
                        },
                    }
                }
            };
            let Some(data) = data else {
                self.source = Source::Done;
                return Ok(None);
            };
            self.octets += data.len() as u64;
            self.within_limits()?;
            return Ok(Some(data));
        }
    }

    fn within_limits(&self) -> Result<(), Fault> {
        if self.octets > self.limits.request_bytes {
            return Err(Fault::new(Code::TooLarge).because("request_bytes"));
        }
        let timed = self.begun.elapsed().saturating_sub(SPEED_FREE).as_secs();
        let slowest = timed.saturating_mul(self.limits.body_bytes_per_second);
        if matches!(self.source, Source::Body(_)) && self.octets < slowest {
            return Err(Fault::new(Code::TooSlow).because("body_bytes_per_second"));
        }
        Ok(())
    }

    /// The rest of a request that was not read to its end.
    pub(super) fn into_unread(self) -> Option<Body> {
        match self.source {
            Source::Body(body) => Some(body),
            Source::Spool(_) | Source::Done => None,
        }
    }
}

fn read(spool: &mut (dyn Read + Send)) -> Result<Option<Bytes>, Fault> {
    let mut piece = vec![0; PIECE];
    let count = tokio::task::block_in_place(|| spool.read(&mut piece)).map_err(unreadable)?;
    piece.truncate(count);
    Ok((count > 0).then(|| piece.into()))
}
