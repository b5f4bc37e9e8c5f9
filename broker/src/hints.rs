//! Hints between the nodes of one store: told after a commit, heard as a ring of our own bells.

use std::sync::Arc;

use amtsbote_domain::ports::{Alone, Clock, Hint, Hints};
use tokio::task::JoinHandle;

use crate::config::HintSettings;
use crate::hub::Hub;
use crate::stop::Stop;
#[cfg(feature = "rabbitmq")]
use crate::transport::rabbitmq;

impl Hub {
    /// There is something to do, here or at another node: after the commit.
    pub(crate) fn tell(&self, hint: Hint) {
        self.hear(&hint);
        self.hints.announce(hint);
    }

    /// There may be something to do. Whether there is, the store says.
    pub(crate) fn hear(&self, hint: &Hint) {
        match hint {
            Hint::Work => self.work.notify_one(),
            Hint::Inbox(reader) => self.mail.ring(reader),
            Hint::Everything => {
                self.work.notify_one();
                self.mail.ring_all();
            }
        }
    }
}

/// What carries hints, not yet started: it needs a hub that hears.
pub(crate) struct Carrier {
    #[cfg(feature = "rabbitmq")]
    supervisor: rabbitmq::Supervisor,
    #[cfg(not(feature = "rabbitmq"))]
    none: std::convert::Infallible,
}

impl Carrier {
    /// Carries hints until `stop` says so.
    pub(crate) fn start(self, hub: &Arc<Hub>, stop: Stop) -> JoinHandle<()> {
        #[cfg(feature = "rabbitmq")]
        {
            let hub = hub.clone();
            let hear = move |hint: &Hint| hub.hear(hint);
            tokio::spawn(self.supervisor.run(Arc::new(hear), stop))
        }
        #[cfg(not(feature = "rabbitmq"))]
        {
            let _ = (hub, stop);
            match self.none {}
        }
    }
}

/// What tells the other nodes, and what carries it there; `log` is the name of the log that all of
/// them write.
pub(crate) fn carrier(
    settings: Option<HintSettings>,
    log: &str,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Hints>, Option<Carrier>), String> {
    let Some(settings) = settings else { return Ok((Arc::new(Alone), None)) };
    #[cfg(feature = "rabbitmq")]
    {
        let (announcer, supervisor) =
            rabbitmq::Supervisor::new(settings, log, clock.clone(), rabbitmq::Timing::default())?;
        Ok((announcer, Some(Carrier { supervisor })))
    }
    #[cfg(not(feature = "rabbitmq"))]
    {
        // Only what carries hints needs them.
        let _ = (settings, log, clock);
        Err("this program was built without the feature rabbitmq".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Mutex;

    use amtsbote_domain::party::PartyId;
    use amtsbote_domain::ports::HintReport;
    use futures_util::FutureExt;

    use crate::config::DeliveryPolicy;
    use crate::outlet::Outlets;
    use crate::testing;

    /// Remembers what was announced.
    #[derive(Default)]
    struct Heard(Mutex<Vec<Hint>>);

    impl Hints for Heard {
        fn announce(&self, hint: Hint) {
            self.0.lock().expect("a lock").push(hint);
        }

        fn report(&self) -> Option<HintReport> {
            None
        }
    }

    #[tokio::test]
    async fn a_hint_rings_here_and_is_told_to_others_while_one_that_is_heard_stays_here() {
        let dir = tempfile::tempdir().expect("a folder");
        let (hub, _stopper) =
            testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::default());
        let heard = Arc::new(Heard::default());
        let mut hub = Arc::into_inner(hub).expect("nobody else has it");
        hub.hints = heard.clone();
        let reader = testing::metadata().reader;
        let inbox = Hint::Inbox(reader.clone());
        for hint in [Hint::Work, inbox.clone(), Hint::Everything] {
            let (work, mail) = (hint != inbox, hint != Hint::Work);
            for told in [true, false] {
                let sign = hub.mail.sign(&reader);
                if told {
                    hub.tell(hint.clone())
                } else {
                    hub.hear(&hint)
                }
                assert_eq!(hub.work.notified().now_or_never().is_some(), work, "{hint:?}");
                assert_eq!(sign.now_or_never().is_some(), mail, "{hint:?}");
            }
        }
        // A party that nobody knows has no bell, and does no harm.
        hub.hear(&Hint::Inbox(PartyId::parse("ags:99999999").expect("a party")));
        assert_eq!(*heard.0.lock().expect("a lock"), [Hint::Work, inbox, Hint::Everything]);
    }

    #[tokio::test]
    async fn without_settings_there_is_nobody_to_tell() {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let (hints, carrier) = carrier(None, "amtsbote/test/1", &clock).expect("nothing to set up");
        assert!(carrier.is_none());
        hints.announce(Hint::Everything);
        assert_eq!(hints.report(), None);
    }
}
