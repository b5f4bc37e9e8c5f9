//! OSCI-Transport 1.2 with the hub as Intermediary: `POST /osci` (`docs/decisions/0008`).
//!
//! [`arriving`] reads a body up to the order in it, [`visitor`] says whose it is, [`judging`] whether what
//! came is what was signed, [`desk`] puts it where it belongs in its dialogue and has it carried out,
//! [`answer`] writes what goes back. A delivery takes the way of any other message: [`delivery`] is what
//! the pipeline takes in.
//!
//! Every answer has status 200: clients look at no other. What is no order, or comes from nobody we
//! know, is answered with a SOAP fault: nothing is signed for it, and nothing is left behind.

mod answer;
mod arriving;
mod cards;
mod delivery;
mod desk;
mod fetching;
mod judging;
mod pieces;
mod says;
mod spool;
#[cfg(test)]
mod tests;
mod visitor;

use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_wire::osci::feedback;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::answer::Answer;
use self::says::Refusal;
use crate::hub::Hub;
use crate::transport::linger::linger;
use crate::transport::listener::Visitor;
use crate::transport::refusal::keep_private;

/// Octets of memory that one place stands for.
const PLACE_BYTES: usize = 256 << 10;
/// Places: root parts, and what is made of them, take at most so much memory together (64 MiB).
const PLACES: usize = 256;
/// How long a message waits for its first place.
const WAIT: Duration = Duration::from_secs(5);
/// Most octets of a root part; what is larger travels as an attachment.
const ROOT_BYTES: u64 = 16 << 20;

/// The route of the Intermediary.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    let office = Office { hub, places: Arc::new(Semaphore::new(PLACES)) };
    Router::new()
        .route("/osci", post(order))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(Arc::new(office))
}

/// The hub as Intermediary.
struct Office {
    hub: Arc<Hub>,
    places: Arc<Semaphore>,
}

/// The right to hold so much in memory; given back when dropped.
struct Memory {
    places: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
}

impl Memory {
    /// Waits for the first place.
    async fn begin(places: &Arc<Semaphore>) -> Result<Self, Fault> {
        let first = tokio::time::timeout(WAIT, places.clone().acquire_owned()).await;
        let first = first.ok().and_then(Result::ok);
        let first = first.ok_or_else(|| Fault::new(Code::Unavailable).after(1))?;
        Ok(Self { places: places.clone(), held: vec![first] })
    }

    /// Holds so many octets now. Whoever holds some does not wait for more: two would wait for each
    /// other.
    fn hold(&mut self, octets: usize) -> Result<(), Fault> {
        while self.held.len() * PLACE_BYTES < octets {
            let more = self.places.clone().try_acquire_owned();
            self.held.push(more.map_err(|_| Fault::new(Code::Unavailable).after(1))?);
        }
        Ok(())
    }
}

/// `POST /osci`.
async fn order(
    State(office): State<Arc<Office>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let mut source = pieces::Pieces::of_body(&head.headers, body, office.hub.limits);
    let said = if visitor.crowded {
        Err(Refusal::fault(feedback::Code::SupplierError))
    } else {
        office.take(&mut source).await
    };
    let octets = said.and_then(|answer: Answer| answer.into_octets()).unwrap_or_else(|refusal| {
        tracing::debug!(code = %refusal.code(), "no order");
        refusal.into_octets()
    });
    if let Some(body) = source.into_unread() {
        linger(body).await;
    }
    let mut response = (StatusCode::OK, Body::from(octets)).into_response();
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    keep_private(&mut response);
    response
}
