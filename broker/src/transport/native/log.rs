//! The public face of the evidence log: heads and tiles as C2SP tlog-tiles names them. Hashes only.

use std::sync::Arc;

use amtsbote_archive::tile::TilePath;
use amtsbote_domain::fault::{Code, Fault};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::Wanted;
use super::answer::Problem;
use crate::hub::Hub;

/// `GET /log/checkpoint`.
pub(super) async fn checkpoint(
    State(hub): State<Arc<Hub>>,
    language: Wanted,
) -> Result<Response, Problem> {
    let head = hub.store.head().await.map_err(|error| Problem::store(&error, language))?;
    let mut response = Body::from(head).into_response();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(response)
}

/// `GET /log/tile/<level>/<index>[.p/<width>]`.
pub(super) async fn tile(
    State(hub): State<Arc<Hub>>,
    language: Wanted,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let tile = TilePath::parse(&format!("tile/{path}"))
        .map_err(|_| Problem::new(Fault::new(Code::NotFound), language))?;
    let octets = hub
        .store
        .tile(tile.level(), tile.index(), tile.width())
        .await
        .map_err(|error| Problem::store(&error, language))?;
    let mut response = Body::from(octets).into_response();
    let binary = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, binary);
    Ok(response)
}
