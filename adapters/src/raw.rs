//! Handing over a body exactly as given: for the demo, the suites and the vendor's sandbox, which
//! must send what no honest client would build ([`crate::probe`]).

use amtsbote_domain::evidence::Evidence;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::client::{MAX_DOCUMENT_BYTES, NativeClient};
use crate::error::{ClientError, causes};
use crate::probe::Wired;
use crate::receipt::{self, CheckedReceipt, ReceiptFault};

/// The hub took a body.
#[derive(Clone, Debug)]
pub struct RawOutcome {
    /// The receipt over the acceptance, verified. Whether it is about what was meant is for the
    /// caller to compare.
    pub receipt: CheckedReceipt,
    /// The HTTP status: 201, or 200 for a repetition.
    pub status: u16,
}

impl NativeClient {
    /// Submits a message as it is, flaws included. A refusal is [`ClientError::Refused`].
    pub async fn submit_wired(&self, wired: &Wired) -> Result<RawOutcome, ClientError> {
        let boundary = format!("amtsbote-{}", uuid::Uuid::new_v4().simple());
        let (content_type, body) =
            wired.body(&boundary).map_err(|error| ClientError::Message(error.to_string()))?;
        self.submit_raw(&content_type, body).await
    }

    /// Submits a request body as it is.
    pub async fn submit_raw(
        &self,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<RawOutcome, ClientError> {
        let request = self
            .request(Method::POST, &["messages"])
            .header(CONTENT_TYPE, content_type)
            .timeout(self.timeouts.idle)
            .body(body);
        let response = request.send().await.map_err(|error| match error.is_connect() {
            true => ClientError::Unreachable(causes(error)),
            false => ClientError::OutcomeUnknown(causes(error)),
        })?;
        let status = response.status().as_u16();
        if !matches!(status, 200 | 201) {
            return Err(self.refusal(response).await);
        }
        let octets = self.body(response, MAX_DOCUMENT_BYTES).await?;
        let receipt = receipt::check(octets, &self.hub_key)?;
        match receipt.evidence {
            Evidence::Accepted(_) => Ok(RawOutcome { receipt, status }),
            _ => Err(ReceiptFault::OtherAct.into()),
        }
    }
}
