//! A hub in the simulation: its disk, its lives, and what is asked of it.

use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use amtsbote_archive::guard::{HeadGuard, SLOT};
use amtsbote_archive::note::LogKey;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Directory;
use amtsbote_domain::ports::Alone;
use amtsbote_store::{OpenError, SimulatedDisk, SqliteStore, StoreOptions};
use amtsbote_trust::master::MasterKey;
use amtsbote_trust::revocation;
use amtsbote_trust::wrapping::{MASTER_KEY, WrappingFolder};
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::disk::Disk;
use super::ground::{Ground, permissions, rules};
use super::network::{Target, Way};
use super::world::{SimClock, World, locked};
use crate::config::{DeliveryPolicy, Limits};
use crate::hub::{Hub, Mail, Noise, Pulse, Validations};
use crate::keys::KeysAtRest;
use crate::outlet::{Outlet, Outlets};
use crate::quota::Quotas;
use crate::standing::TrustRules;
use crate::stop::{self, Stopper};
use crate::tables::{Current, InForce, Tables};
use crate::worker;
use crate::worker::gates::Gates;

/// Parts beyond this many octets go to files.
const INLINE: usize = 1024;
/// How long the worker lets attempts end when a hub stops as it should.
const GRACE: Duration = Duration::from_secs(60);

/// One life of a hub, from start to stop or crash.
struct Life {
    hub: Arc<Hub>,
    disk: Arc<Disk>,
    worker: JoinHandle<()>,
    stopper: Stopper,
}

/// A hub.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) world: Arc<World>,
    pub(super) clock: Arc<SimClock>,
    dir: PathBuf,
    keys: Arc<WrappingFolder>,
    log_key: LogKey,
    directory: Box<dyn Fn() -> Directory + Send + Sync>,
    ways: OnceLock<Vec<(String, Target)>>,
    life: Mutex<Option<Life>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Node {
    /// A hub that is down.
    pub(super) fn new(
        world: &Arc<World>,
        name: &'static str,
        dir: &Path,
        directory: impl Fn() -> Directory + Send + Sync + 'static,
    ) -> Arc<Self> {
        let dir = dir.join(name);
        let key_store = dir.join("keys");
        fs::create_dir_all(&key_store).expect("a folder");
        if !key_store.join(MASTER_KEY).exists() {
            MasterKey::create(&key_store.join(MASTER_KEY)).expect("a key");
        }
        Arc::new(Self {
            name,
            world: world.clone(),
            clock: SimClock::new(world.clone()),
            keys: Arc::new(WrappingFolder::open(&key_store).expect("the key store opens")),
            dir,
            log_key: LogKey::generate(&format!("amtsbote/{name}/1")).expect("a key"),
            directory: Box::new(directory),
            ways: OnceLock::new(),
            life: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// Where it sends what.
    pub(super) fn connect(&self, ways: Vec<(String, Target)>) {
        let first = self.ways.set(ways).is_ok();
        assert!(first, "once, before its first life");
    }

    /// What verifies its receipts.
    pub(super) fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    pub(super) fn keys(&self) -> &WrappingFolder {
        &self.keys
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn is_up(&self) -> bool {
        locked(&self.life).as_ref().is_some_and(|life| !life.disk.is_off())
    }

    /// Its disk, while it lives.
    pub(super) fn disk(&self) -> Option<Arc<Disk>> {
        locked(&self.life).as_ref().map(|life| life.disk.clone())
    }

    /// Begins a life. Says whether it came up; a refusal that no fault explains is a breach.
    pub(super) async fn open(self: &Arc<Self>) -> bool {
        let disk = Disk::new(&self.world, self.name);
        // What the life before held is let go in turn.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let mut options = StoreOptions::new(
            self.data(),
            self.keys.clone(),
            self.log_key.clone(),
            self.clock.clone(),
        );
        options.reserve_bytes = 0;
        options.inline_limit = INLINE;
        options.simulated = Some(disk.clone());
        let store = match SqliteStore::open(options) {
            Ok(store) => Arc::new(store),
            Err(error) => {
                let explained = matches!(error, OpenError::Database(_));
                self.world.note(format!("{}: does not open", self.name));
                if !explained {
                    self.world.breach(format!("{}: refused to open: {error}", self.name));
                }
                return false;
            }
        };
        if store.started("simulation").await.is_err() {
            return false;
        }
        self.world.note(format!("{}: up, {} attempts were open", self.name, store.lost_attempts()));
        let (stopper, stop) = stop::channel();
        let hub = Arc::new(self.hub(store, &disk, stop.clone()));
        let worker = tokio::spawn(worker::run(hub.clone(), stop, GRACE));
        *locked(&self.life) = Some(Life { hub, disk, worker, stopper });
        true
    }

    fn hub(&self, store: Arc<SqliteStore>, disk: &Arc<Disk>, stop: stop::Stop) -> Hub {
        let ground = Ground::get();
        let directory = (self.directory)();
        let tables = Tables {
            identity: ground.identity.clone(),
            client_authorities: vec![],
            trust: TrustRules::default(),
            revocation: revocation::Settings::default(),
            policy: ground.policy.clone(),
            permissions: permissions(),
            delivery: Arc::new(rules()),
            packs: Arc::default(),
            operators: vec![],
            peers: vec![],
            writes_as: None,
            intermediary: None,
            digest: Digest([0; 32]),
            directory,
        };
        let mut outlets: Outlets = HashMap::new();
        for (name, target) in self.ways.get().into_iter().flatten() {
            let way: Arc<dyn Outlet> = Arc::new(Way {
                world: self.world.clone(),
                from: self.name,
                disk: disk.clone(),
                name: name.clone(),
                to: target.clone(),
            });
            outlets.insert(name.clone(), way);
        }
        let ids = self.world.clone();
        Hub {
            name: self.name.to_owned(),
            node: None,
            data_dir: self.data(),
            keys: KeysAtRest::new(self.keys.clone(), store.clone()),
            store,
            clock: self.clock.clone(),
            ids: Box::new(move || ids.id()),
            mail: Mail::new(&tables.directory),
            tables: Current::new(InForce::new(tables, outlets, ground.book.clone())),
            doors: ground.doors.clone(),
            book: ground.book.clone(),
            refresher: ground.refresher.clone(),
            under_grace: AtomicU64::new(0),
            reread: None,
            watching: Arc::default(),
            limits: Limits { reserve_bytes: 0, ..Limits::default() },
            delivery: DeliveryPolicy {
                lease: Duration::from_secs(40),
                attempt: Duration::from_secs(30),
                parallel: 6,
                idle: Duration::from_secs(5),
            },
            verifier: self.log_key.verifier().clone(),
            quotas: Quotas::default(),
            gates: Gates::default(),
            hints: Arc::new(Alone),
            validations: Validations::default(),
            work: Notify::new(),
            pulse: Pulse::default(),
            noise: Arc::new(Noise::default()),
            stop,
        }
    }

    /// Its life ends at once, wherever it is.
    pub(super) async fn crash(&self) {
        let Some(Life { hub, disk, worker, stopper }) = locked(&self.life).take() else { return };
        disk.turn_off();
        self.world.count(|figures| figures.crashes += 1);
        self.world.note(format!("{}: down", self.name));
        self.end_tasks().await;
        worker.abort();
        self.heed(worker.await);
        drop((hub, stopper));
        self.tear_guard();
    }

    /// It stops as it should.
    pub(super) async fn stop(&self) {
        let Some(Life { hub, worker, stopper, .. }) = locked(&self.life).take() else { return };
        self.end_tasks().await;
        stopper.stop();
        self.heed(worker.await);
        drop(hub);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn end_tasks(&self) {
        let mut tasks = std::mem::take(&mut *locked(&self.tasks));
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            self.heed(ended);
        }
    }

    /// A fault of the program is a breach, whatever it did.
    fn heed(&self, ended: Result<(), tokio::task::JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            self.world.breach(format!("{}: a task ended in a panic", self.name));
        }
    }

    /// Has something done inside the hub; nobody hears of it when it goes down first.
    pub(super) fn begin<T, F>(
        &self,
        work: impl FnOnce(Arc<Hub>) -> F,
    ) -> Option<(AbortHandle, oneshot::Receiver<T>)>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (hub, disk) = {
            let life = locked(&self.life);
            let life = life.as_ref().filter(|life| !life.disk.is_off())?;
            (life.hub.clone(), life.disk.clone())
        };
        let (sender, answer) = oneshot::channel();
        let work = work(hub);
        let mut tasks = locked(&self.tasks);
        while let Some(ended) = tasks.try_join_next() {
            self.heed(ended);
        }
        let abort = tasks.spawn(async move {
            let answer = work.await;
            if !disk.is_off() {
                // Whoever asked may have gone.
                let _ = sender.send(answer);
            }
        });
        Some((abort, answer))
    }

    /// The same, and waits for what comes of it.
    pub(super) async fn ask<T, F>(&self, work: impl FnOnce(Arc<Hub>) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (_, answer) = self.begin(work)?;
        answer.await.ok()
    }

    /// The slot that was written last may be torn by a power cut, as long as the other one is whole.
    fn tear_guard(&self) {
        let path = self.data().join("head.guard");
        if !self.world.trouble(300) {
            return;
        }
        let Ok(octets) = fs::read(&path) else { return };
        if octets.len() != 2 * SLOT {
            return;
        }
        let number = |slot: usize| octets[slot * SLOT + 16..slot * SLOT + 24].to_vec();
        let newest = usize::from(number(1) > number(0));
        let mut torn = octets.clone();
        torn[newest * SLOT + 64..(newest + 1) * SLOT].fill(0);
        // Only one that was never synced can be torn; then the other one is whole.
        let readable = fs::write(&path, &torn).is_ok() && HeadGuard::read(&path).is_ok();
        if !readable {
            fs::write(&path, &octets).expect("the guard is put back");
            return;
        }
        self.world.count(|figures| figures.torn += 1);
        self.world.note(format!("{}: the newest slot of the head guard is torn", self.name));
    }

    /// Changes a payload file at rest: cuts it off, or turns one bit.
    pub(super) fn rot(&self) {
        let mut files = Vec::new();
        let folders = fs::read_dir(self.data().join("payload")).into_iter().flatten().flatten();
        for folder in folders {
            let inside = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            files.extend(
                inside
                    .map(|file| file.path())
                    .filter(|path| path.extension().is_some_and(|end| end == "sealed")),
            );
        }
        // Their names are chance and not the seed's: only one whose length no other has can be chosen.
        let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        let lengths: Vec<u64> = files.iter().map(length).collect();
        files.retain(|path| lengths.iter().filter(|other| **other == length(path)).count() == 1);
        files.sort_by_key(length);
        if files.is_empty() {
            return;
        }
        let chosen = &files[self.world.between(0, files.len() as u64 - 1) as usize];
        let Ok(mut octets) = fs::read(chosen) else { return };
        let at = self.world.between(0, octets.len() as u64 - 1) as usize;
        if self.world.chance(500) {
            octets.truncate(at);
        } else {
            octets[at] ^= 1;
        }
        let written = fs::File::create(chosen).and_then(|mut file| file.write_all(&octets));
        written.expect("the file is written");
        self.world.count(|figures| figures.torn += 1);
        self.world.history().rotten.insert(self.name.to_owned());
        self.world.note(format!("{}: a payload file was changed at rest", self.name));
    }
}
