//! The public face of the evidence log: heads and tiles as C2SP tlog-tiles names them. Hashes only.

use std::sync::Arc;

use amtsbote_archive::tile::TilePath;
use amtsbote_domain::fault::Code;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::hub::Hub;
use crate::transport::refusal::{Named, Refusal};

/// `GET /log/checkpoint`.
pub(super) async fn checkpoint(State(hub): State<Arc<Hub>>) -> Result<Response, Refusal> {
    Ok(answer(hub.store.head().await?.into_bytes(), "text/plain; charset=utf-8"))
}

/// `GET /log/tile/<level>/<index>[.p/<width>]`.
pub(super) async fn tile(
    State(hub): State<Arc<Hub>>,
    Named(path): Named<String>,
) -> Result<Response, Refusal> {
    let tile = TilePath::parse(&format!("tile/{path}")).map_err(|_| Code::NotFound)?;
    let octets = hub.store.tile(tile.level(), tile.index(), tile.width()).await?;
    Ok(answer(octets, "application/octet-stream"))
}

fn answer(octets: Vec<u8>, media_type: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], octets).into_response()
}
