//! A time-stamping authority that is asked over HTTP (RFC 3161, 3.4).

use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::ports::Clock;

use super::{MAX_ANSWER_BYTES, Question, Refused, Stamp};
use crate::path::{Anchors, Floors};
use crate::revocation;
use crate::revocation::Guard;
use crate::revocation::fetch::{Fetcher, Service};

/// Why there is no stamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unstamped {
    /// No answer came.
    #[error("the time-stamping authority was not reached: {0}")]
    Unreached(#[from] revocation::Refused),
    /// The answer does not count.
    #[error("the time stamp does not count: {0}")]
    Refused(#[from] Refused),
}

/// An authority, and whom to trust that it is one.
#[derive(Clone)]
pub struct Authority {
    address: String,
    fetcher: Fetcher,
    anchors: Arc<Anchors>,
    floors: Floors,
    clock: Arc<dyn Clock>,
}

impl Authority {
    /// `guard` says which hosts may be asked at all, `timeout` bounds a whole exchange, `proxy` is the
    /// address of a proxy for it.
    pub fn new(
        address: &str,
        guard: Guard,
        timeout: Duration,
        proxy: Option<&str>,
        trusted: (Arc<Anchors>, Floors),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Unstamped> {
        guard.check(address)?;
        let fetcher = Fetcher::new(guard, timeout, proxy)?;
        let (anchors, floors) = trusted;
        Ok(Self { address: address.to_owned(), fetcher, anchors, floors, clock })
    }

    /// Has a digest stamped, and verifies the stamp. Whether the authority's certificate was revoked is
    /// asked elsewhere.
    pub async fn stamp(&self, digest: Digest) -> Result<Stamp, Unstamped> {
        let question = Question::about(digest)?;
        let sent = question.to_der();
        let answer =
            self.fetcher.ask(Service::TimeStamp, &self.address, sent, MAX_ANSWER_BYTES).await?;
        let now = self.clock.now();
        Ok(Stamp::answered(&answer, &question, &self.anchors, self.floors, now)?)
    }
}
