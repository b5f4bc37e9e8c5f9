//! The word "stop", once for the whole node.

use tokio::sync::watch;

/// Whoever may say it. Dropping it says it too.
pub(crate) struct Stopper(watch::Sender<bool>);

/// Whoever must heed it.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Both ends.
pub(crate) fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Says it.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was said.
    pub(crate) fn is_said(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when it was said.
    pub(crate) async fn said(&self) {
        // An error says that whoever could have said it is gone.
        let _gone = self.0.clone().wait_for(|said| *said).await.map(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_heard_by_those_who_listen_and_those_who_come_late() {
        let (stopper, stop) = channel();
        assert!(!stop.is_said());
        let listening = tokio::spawn({
            let stop = stop.clone();
            async move { stop.said().await }
        });
        stopper.stop();
        listening.await.expect("heard");
        stop.said().await;
        assert!(stop.is_said());
    }

    #[tokio::test]
    async fn a_node_that_was_dropped_has_stopped() {
        let (stopper, stop) = channel();
        drop(stopper);
        stop.said().await;
        assert!(stop.is_said());
    }
}
