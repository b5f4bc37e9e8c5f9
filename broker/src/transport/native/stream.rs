//! A request body as the message it holds: parts of `multipart/related`, within the time limits.

use std::collections::VecDeque;
use std::time::Duration;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::ports::{ENVELOPE_CID, Pending};
use amtsbote_wire::native::multipart::{Event, Parser};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::form::Signed;
use crate::config::Limits;
use crate::step::form::Form;
use crate::step::received::{Inbound, PartHead};

/// The first seconds of a body, in which the slowest speed is not yet asked for.
const SPEED_FREE: Duration = Duration::from_secs(10);

/// A message in a request body.
pub(super) struct BodyMessage {
    body: Body,
    parser: Parser,
    /// What was read and not yet asked for; never more than one frame of the body.
    found: VecDeque<Found>,
    announced: Option<u64>,
    limits: Limits,
    begun: Instant,
    octets: u64,
    whole: bool,
    form: Signed,
}

enum Found {
    Begin(PartHead),
    Data(Bytes),
    EndOfPart,
    EndOfMessage,
}

impl BodyMessage {
    /// Looks at the headers; reads nothing of the body.
    pub(super) fn new(
        headers: &HeaderMap,
        body: Body,
        limits: Limits,
        form: Signed,
    ) -> Result<Self, (Fault, Body)> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let parser = match Parser::new(content_type) {
            Ok(parser) => parser,
            Err(error) => return Err((Fault::from(error), body)),
        };
        if headers.contains_key(header::CONTENT_ENCODING) {
            let fault = Fault::new(Code::UnsupportedMediaType).because("Content-Encoding");
            return Err((fault, body));
        }
        Ok(Self {
            body,
            parser,
            found: VecDeque::new(),
            announced: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            limits,
            begun: Instant::now(),
            octets: 0,
            whole: false,
            form,
        })
    }

    /// Whether nothing of the body was read.
    pub(super) fn is_unread(&self) -> bool {
        self.octets == 0
    }

    /// The rest of the body, for whoever wants to read it off.
    pub(super) fn into_body(self) -> Body {
        self.body
    }

    async fn next(&mut self) -> Result<Found, Fault> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(found);
            }
            if self.whole {
                return Ok(Found::EndOfMessage);
            }
            self.read_frame().await?;
        }
    }

    async fn read_frame(&mut self) -> Result<(), Fault> {
        let idle = Duration::from_millis(self.limits.body_idle_ms);
        let frame = tokio::time::timeout(idle, self.body.frame())
            .await
            .map_err(|_| Fault::new(Code::TooSlow).because("body_idle_ms"))?;
        let frame = match frame {
            None => {
                self.parser.finish()?;
                self.whole = true;
                return Ok(());
            }
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(Fault::new(Code::Truncated)),
        };
        let Ok(data) = frame.into_data() else { return Ok(()) };
        self.octets += data.len() as u64;
        self.within_limits()?;
        let mut input: &[u8] = &data;
        while let Some(event) = self.parser.next_event(&mut input)? {
            self.found.push_back(match event {
                Event::PartBegin(head) => {
                    Found::Begin(PartHead { cid: head.content_id, media_type: head.content_type })
                }
                // Octets that the parser held back at the border of two frames are its own.
                Event::Data(octets) if within(&data, octets) => Found::Data(data.slice_ref(octets)),
                Event::Data(octets) => Found::Data(Bytes::copy_from_slice(octets)),
                Event::PartEnd => Found::EndOfPart,
                Event::End => continue,
            });
        }
        Ok(())
    }

    fn within_limits(&self) -> Result<(), Fault> {
        if self.octets > self.limits.request_bytes {
            return Err(Fault::new(Code::TooLarge).because("request_bytes"));
        }
        let timed = self.begun.elapsed().saturating_sub(SPEED_FREE).as_secs();
        if self.octets < timed.saturating_mul(self.limits.body_bytes_per_second) {
            return Err(Fault::new(Code::TooSlow).because("body_bytes_per_second"));
        }
        Ok(())
    }
}

/// Whether `octets` lie inside `data`.
fn within(data: &Bytes, octets: &[u8]) -> bool {
    let (outer, inner) = (data.as_ptr_range(), octets.as_ptr_range());
    outer.start <= inner.start && inner.end <= outer.end
}

impl Inbound for BodyMessage {
    fn envelope(&mut self, limit: u64) -> Pending<'_, Result<Vec<u8>, Fault>> {
        Box::pin(async move {
            let place = "part 1";
            match self.next().await? {
                Found::Begin(head) if head.cid == ENVELOPE_CID => {}
                _ => {
                    return Err(Fault::new(Code::MalformedRequest).at(place).because(ENVELOPE_CID));
                }
            }
            let mut octets = Vec::new();
            while let Some(chunk) = self.chunk().await? {
                if (octets.len() + chunk.len()) as u64 > limit {
                    return Err(Fault::new(Code::TooLarge).at(place).because("envelope_bytes"));
                }
                octets.extend_from_slice(&chunk);
            }
            Ok(octets)
        })
    }

    fn next_part(&mut self) -> Pending<'_, Result<Option<PartHead>, Fault>> {
        Box::pin(async move {
            match self.next().await? {
                Found::Begin(head) => Ok(Some(head)),
                Found::EndOfMessage => Ok(None),
                Found::Data(_) | Found::EndOfPart => Err(Fault::new(Code::MalformedRequest)),
            }
        })
    }

    fn chunk(&mut self) -> Pending<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(async move {
            match self.next().await? {
                Found::Data(octets) => Ok(Some(octets)),
                Found::EndOfPart => Ok(None),
                Found::Begin(_) | Found::EndOfMessage => Err(Fault::new(Code::MalformedRequest)),
            }
        })
    }

    fn announced(&self) -> Option<u64> {
        self.announced
    }

    fn form(&mut self) -> &mut dyn Form {
        &mut self.form
    }
}
