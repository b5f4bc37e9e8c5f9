//! Reading on for a while after a refusal, so that a sender who is still writing gets to read the
//! answer instead of a reset connection.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;

/// Octets of a refused request that are read and thrown away.
const LINGER_BYTES: usize = 8 << 20;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(5);

/// Reads on for a little while in a request of which nothing was read. A sender who waits to be
/// told to go on has written nothing, and is not told to (`Expect: 100-continue`).
pub(super) async fn unread(request: Request) {
    let (head, body) = request.into_parts();
    unread_body(&head.headers, body).await;
}

/// The same, of the request's two halves.
pub(super) async fn unread_body(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(header::EXPECT) {
        linger(body).await;
    }
}

/// Reads on for a little while.
pub(super) async fn linger(mut body: Body) {
    let mut left = LINGER_BYTES;
    let drain = async {
        while let Some(Ok(frame)) = body.frame().await {
            let octets = frame.data_ref().map_or(0, |data| data.len());
            match left.checked_sub(octets) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Either way the answer goes out now.
    if tokio::time::timeout(LINGER, drain).await.is_err() {
        tracing::debug!("a refused request was still being written");
    }
}
