//! Who may be here at the same time (P8).
//!
//! There are places at the door, for handshakes, and places inside. A stranger gets no further
//! than the door, and when the door is crowded whoever has stood there for a second gives way; one
//! certificate gets a share of the places inside, never all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A handshake that has lasted so long gives way to those who wait outside.
const HURRY: Duration = Duration::from_secs(1);

/// The places of one listener.
pub(crate) struct Places {
    door: Arc<Semaphore>,
    crowd: Notify,
    inside: Arc<Semaphore>,
    share: usize,
    taken: Mutex<HashMap<Option<Digest>, usize>>,
}

/// A place inside; given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    certificate: Option<Digest>,
    _inside: OwnedSemaphorePermit,
}

impl Places {
    /// So many places inside; a quarter of it at the door, and for one certificate.
    pub(crate) fn new(connections: usize) -> Self {
        let share = (connections / 4).max(1);
        Self {
            door: Arc::new(Semaphore::new(share)),
            crowd: Notify::new(),
            inside: Arc::new(Semaphore::new(connections)),
            share,
            taken: Mutex::default(),
        }
    }

    /// Waits for a place at the door; hurries those who stand there too long.
    pub(crate) async fn at_the_door(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = self.door.clone().try_acquire_owned() {
                return place;
            }
            self.crowd.notify_waiters();
            let place = self.door.clone().acquire_owned();
            if let Ok(place) = tokio::time::timeout(HURRY / 4, place).await {
                return place.expect("the semaphore is never closed");
            }
        }
    }

    /// Ends when a handshake that began now must have ended: after `limit`, and when the door is
    /// crowded much sooner.
    pub(crate) async fn patience(&self, limit: Duration) {
        tokio::time::sleep(limit.min(HURRY)).await;
        let rest = limit.saturating_sub(HURRY);
        // Either way the patience is at its end.
        let _crowded = tokio::time::timeout(rest, self.crowd.notified()).await;
    }

    /// A place inside for whoever showed this certificate, or none, if there is one.
    pub(crate) fn inside(self: &Arc<Self>, certificate: Option<Digest>) -> Option<Place> {
        let inside = self.inside.clone().try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().expect("no code panics while it counts");
        let own = taken.entry(certificate).or_default();
        if *own >= self.share {
            return None;
        }
        *own += 1;
        Some(Place { places: self.clone(), certificate, _inside: inside })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().expect("no code panics while it counts");
        if let Some(own) = taken.get_mut(&self.certificate) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.certificate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_cannot_take_every_place() {
        let places = Arc::new(Places::new(8));
        let (a, b) = (Some(Digest([1; 32])), Some(Digest([2; 32])));
        let own: Vec<Place> = std::iter::from_fn(|| places.inside(a)).collect();
        assert_eq!(own.len(), 2);
        let other = places.inside(b);
        assert!(other.is_some(), "the others find a place");
        drop((own, other));
        assert!(places.taken.lock().expect("whole").is_empty(), "nothing is remembered for ever");
        assert_eq!(places.inside.available_permits(), 8);
    }

    #[test]
    fn there_is_an_end_to_all_places() {
        let places = Arc::new(Places::new(4));
        let taken: Vec<Place> =
            (0..9).filter_map(|n| places.inside(Some(Digest([n; 32])))).collect();
        assert_eq!(taken.len(), 4);
    }

    #[tokio::test]
    async fn strangers_who_stand_at_the_door_give_way() {
        let places = Arc::new(Places::new(8));
        let limit = Duration::from_secs(3_600);
        for _ in 0..2 {
            let place = places.at_the_door().await;
            let places = places.clone();
            tokio::spawn(async move {
                places.patience(limit).await;
                drop(place);
            });
        }
        let found = tokio::time::timeout(limit / 60, places.at_the_door()).await;
        assert!(found.is_ok(), "whoever stands at the door keeps all others out");
    }
}
