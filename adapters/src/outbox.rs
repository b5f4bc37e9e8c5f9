//! Sending what a procedure system wants to send: collect, submit, confirm or abort.

use amtsbote_domain::fault::{Code, Fault, Retry};
use amtsbote_wire::native::problem::Problem;
use amtsbote_wire::signature::Signer;
use tracing::{info, warn};

use crate::client::NativeClient;
use crate::error::ClientError;
use crate::port::{Outbound, Outgoing};
use crate::submit::{Submission, SubmitOutcome};

/// What became of one order.
#[derive(Debug)]
pub enum Pushed {
    /// There was none.
    Nothing,
    /// The hub has it, and the system knows.
    Confirmed(Box<SubmitOutcome>),
    /// The hub refused it for good, and the system knows.
    Aborted(Box<Problem>),
}

/// Sends the next order. An error leaves the order where it is: the next call sends it again under
/// the same id.
pub async fn push_next(
    client: &NativeClient,
    signer: &(dyn Signer + Sync),
    outbound: &mut dyn Outbound,
) -> Result<Pushed, ClientError> {
    let Some(order) = outbound.collect()? else { return Ok(Pushed::Nothing) };
    let Outgoing { metadata, payload, attachments, .. } = order.clone();
    let submission = Submission { metadata: &metadata, payload, attachments, signer };
    match client.submit(submission).await {
        Ok(outcome) => {
            outbound.confirm(&order, &outcome)?;
            info!(message = %outcome.hub_id, "accepted");
            Ok(Pushed::Confirmed(Box::new(outcome)))
        }
        Err(ClientError::Refused(problem)) if is_final(&problem) => {
            outbound.abort(&order, &problem)?;
            warn!(code = %problem.code, error_id = %problem.error_id, "refused");
            Ok(Pushed::Aborted(problem))
        }
        // It cannot even be built, today or tomorrow; it must not hold up those behind it.
        Err(ClientError::Message(why)) => {
            let fault = Fault::new(Code::MalformedRequest).because(why);
            let problem = Problem::new(&fault, client.language(), "");
            outbound.abort(&order, &problem)?;
            warn!(code = %problem.code, "an order cannot be built");
            Ok(Pushed::Aborted(Box::new(problem)))
        }
        Err(error) => Err(error),
    }
}

/// Whether sending the same again cannot help before somebody has done something.
fn is_final(problem: &Problem) -> bool {
    problem.retry != Retry::Later && problem.code() != Some(Code::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::{FolderOutbox, Order, OrderFile};
    use crate::testing::{Keys, client, metadata};
    use amtsbote_domain::text::Language;
    use std::time::Duration;

    #[test]
    fn only_what_can_never_succeed_is_final() {
        let problem = |code| Problem::new(&Fault::new(code), Language::En, "e");
        assert!(is_final(&problem(Code::ContentInvalid)));
        assert!(is_final(&problem(Code::NotPermitted)));
        assert!(!is_final(&problem(Code::DiskFull)));
        assert!(!is_final(&problem(Code::Internal)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_order_stays_when_the_hub_is_away_and_goes_when_it_cannot_be_built() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut outbox = FolderOutbox::open(folder.path()).expect("open");
        for (name, cid) in [("a", "envelope.xml"), ("b", "payload")] {
            let place = folder.path().join(name);
            std::fs::create_dir(&place).expect("made");
            std::fs::write(place.join("payload.xml"), b"<a/>").expect("written");
            let files = vec![OrderFile {
                file: "payload.xml".to_owned(),
                cid: cid.to_owned(),
                media_type: "application/xml".to_owned(),
            }];
            let order = Order { metadata: metadata(), files };
            let octets = serde_json::to_vec(&order).expect("JSON");
            std::fs::write(place.join("order.json"), octets).expect("written");
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let keys = Keys::new();
        let client = client(port, &keys, &keys, Duration::from_secs(60));
        let first = push_next(&client, &keys.signer(), &mut outbox).await.expect("aborted");
        assert!(matches!(first, Pushed::Aborted(problem) if problem.code == "AB1001"));
        for _ in 0..2 {
            let second = push_next(&client, &keys.signer(), &mut outbox).await;
            assert!(matches!(second, Err(ClientError::Unreachable(_))), "{second:?}");
        }
        assert!(folder.path().join("b/order.json").is_file());
        std::fs::remove_dir_all(folder.path().join("b")).expect("removed");
        let nothing = push_next(&client, &keys.signer(), &mut outbox).await;
        assert!(matches!(nothing, Ok(Pushed::Nothing)), "{nothing:?}");
    }
}
