//! Wrapping keys as files: what a kill leaves, what is refused, how master keys change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::wrapping::{KeyError, KeyId, Period, Tenant, WrappingKeys};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::backup::{self, Cost, Restored};
use super::durable::faults::killed_at;
use super::layout::key_files;
use super::masters::MASTER_KEY;
use super::record::BackupRecord;
use super::sealed::{self, Key, Sealed};
use super::{MasterRotation, WrappingError, WrappingFolder};
use crate::master::MasterKey;

const PHRASE: &[u8] = b"correct horse battery staple";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn november() -> Timestamp {
    at("2026-11-23T08:00:00Z")
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a tenant")
}

/// A key store with a master key.
fn store() -> TempDir {
    let dir = tempdir().expect("a folder");
    MasterKey::create(&dir.path().join(MASTER_KEY)).expect("a master key");
    dir
}

fn open(store: &Path) -> WrappingFolder {
    WrappingFolder::open(store).expect("opens")
}

/// A data key that was wrapped, with what is needed to unwrap it.
struct Wrapped {
    id: KeyId,
    octets: Vec<u8>,
    key: [u8; 32],
}

fn wrap(keys: &WrappingFolder, name: &str, when: Timestamp) -> Wrapped {
    let key = Key::random().expect("random octets").0;
    let (id, octets) = keys.wrap(&tenant(name), when, b"hub-id", &key).expect("wraps");
    Wrapped { id, octets, key }
}

fn unwraps(keys: &WrappingFolder, wrapped: &Wrapped) -> Result<(), KeyError> {
    let mut key = [0; 32];
    keys.unwrap(&wrapped.id, b"hub-id", &wrapped.octets, &mut key)?;
    assert_eq!(key, wrapped.key);
    Ok(())
}

fn file_of(store: &Path, id: &KeyId) -> PathBuf {
    WrappingFolder::read(store).expect("opens").key_path(id)
}

#[test]
fn each_tenant_has_a_key_for_each_month_and_they_last() {
    let store = store();
    let keys = open(store.path());
    let lemgo = wrap(&keys, "ags:05766044", november());
    let again = wrap(&keys, "ags:05766044", at("2026-11-30T23:59:59Z"));
    let later = wrap(&keys, "ags:05766044", at("2026-12-01T00:00:00Z"));
    let other = wrap(&keys, "ags:05766020", november());
    assert_eq!(lemgo.id, again.id);
    assert!(lemgo.id.to_string().starts_with("ags:05766044/2026-11/1-"), "{}", lemgo.id);
    assert!(lemgo.id != later.id && lemgo.id != other.id && other.id != later.id);
    drop(keys);
    let keys = open(store.path());
    for wrapped in [&lemgo, &again, &later, &other] {
        unwraps(&keys, wrapped).expect("unwraps");
        keys.check(&wrapped.id).expect("is there");
        let file = fs::metadata(keys.key_path(&wrapped.id)).expect("is there");
        assert_eq!(file.mode() & 0o777, 0o600);
    }
    assert_eq!(wrap(&keys, "ags:05766044", november()).id, lemgo.id, "the same after a start");
    // A wrapped key fits its context only.
    let mut key = [0; 32];
    let wrong = keys.unwrap(&lemgo.id, b"other", &lemgo.octets, &mut key);
    assert!(matches!(wrong, Err(KeyError::Changed)), "{wrong:?}");
    let wrong = keys.unwrap(&other.id, b"hub-id", &lemgo.octets, &mut key);
    assert!(matches!(wrong, Err(KeyError::Changed)), "{wrong:?}");
    assert_eq!(key, [0; 32]);
}

#[test]
fn names_of_tenants_are_no_paths() {
    let store = store();
    let keys = open(store.path());
    let long = format!("x:{}", "ö".repeat(120));
    let names = ["a:../../../etc", "a:b/c", "a:.", "töj:1", "A:b", "a:B", "a:b%2fc", &long];
    let mut all = Vec::new();
    for name in names {
        all.push(wrap(&keys, name, november()));
    }
    let folder = store.path().join("wrapping");
    assert_eq!(key_files(&folder).expect("lists").len(), names.len());
    drop(keys);
    let keys = open(store.path());
    for wrapped in &all {
        unwraps(&keys, wrapped).expect("unwraps");
    }
    for file in keys.inventory().expect("lists") {
        assert!(file.fault.is_none() && file.id.is_some(), "{file:?}");
    }
}

#[test]
fn one_works_with_it_and_others_only_read() {
    let store = store();
    let keys = open(store.path());
    let wrapped = wrap(&keys, "ags:05766044", november());
    let second = WrappingFolder::open(store.path()).err();
    assert!(matches!(second, Some(WrappingError::InUse)), "{second:?}");
    let reading = WrappingFolder::read(store.path()).expect("opens");
    unwraps(&reading, &wrapped).expect("unwraps");
    let made = reading.wrap(&tenant("a:b"), november(), b"", &[1; 32]);
    assert!(matches!(made, Err(KeyError::Unavailable(_))), "{made:?}");
    assert!(reading.destroy(&wrapped.id, november()).is_err());
    drop(keys);
    open(store.path());
}

#[test]
fn what_does_not_belong_is_refused() {
    let (store, other_store) = (store(), store());
    let keys = open(store.path());
    let lemgo = wrap(&keys, "ags:05766044", november());
    let detmold = wrap(&keys, "ags:05766020", november());
    drop(keys);
    let (first, second) = (file_of(store.path(), &lemgo.id), file_of(store.path(), &detmold.id));
    let (good, others) = (fs::read(&first).expect("reads"), fs::read(&second).expect("reads"));
    let refused = |octets: &[u8]| {
        fs::write(&first, octets).expect("writes");
        let keys = open(store.path());
        unwraps(&keys, &detmold).expect("the other is not touched");
        unwraps(&keys, &lemgo).expect_err("is refused")
    };
    // Two tenants' files swapped.
    assert!(matches!(refused(&others), KeyError::Damaged(_)));
    // Torn at every length, and every octet changed.
    for end in 0..good.len() {
        assert!(matches!(refused(&good[..end]), KeyError::Damaged(_)), "torn at {end}");
    }
    for n in 0..good.len() {
        let mut changed = good.clone();
        changed[n] ^= 1;
        // A changed name of the master key is one that nobody has.
        let error = refused(&changed);
        assert!(matches!(error, KeyError::Damaged(_) | KeyError::OtherMaster(_)), "octet {n}");
    }
    // The right name on another key.
    let folder = open(store.path());
    let forged = sealed::to_file(folder.master(), &lemgo.id, &Key([9; 32])).expect("seals");
    drop(folder);
    assert!(matches!(refused(&forged), KeyError::Damaged(_)));
    fs::write(&first, &good).expect("writes");
    for mode in [0o640, 0o604, 0o622] {
        fs::set_permissions(&first, Permissions::from_mode(mode)).expect("set");
        let keys = open(store.path());
        let error = unwraps(&keys, &lemgo).expect_err("is refused");
        assert!(matches!(error, KeyError::OpenToOthers(_)), "{mode:o}");
    }
    fs::set_permissions(&first, Permissions::from_mode(0o600)).expect("set");
    unwraps(&open(store.path()), &lemgo).expect("as before");
    fs::remove_file(&first).expect("removes");
    let error = unwraps(&open(store.path()), &lemgo).expect_err("is gone");
    assert!(matches!(error, KeyError::Missing(_)));
    // A key that is missing is never made again under its name.
    assert_ne!(wrap(&open(store.path()), "ags:05766044", november()).id, lemgo.id);
    // Another master key.
    fs::copy(other_store.path().join(MASTER_KEY), store.path().join(MASTER_KEY)).expect("copies");
    let error = unwraps(&open(store.path()), &detmold).expect_err("is refused");
    assert!(matches!(error, KeyError::OtherMaster(_)));
}

/// As a program that is just being started: it has a copy of every open file until it runs.
#[test]
fn a_lock_is_given_back_though_a_copy_of_its_file_is_open() {
    let store = store();
    let keys = open(store.path());
    let copy = keys.lock.as_ref().expect("a lock").0.try_clone().expect("a copy");
    drop(keys);
    drop(open(store.path()));
    drop(copy);
}

#[test]
fn a_folder_without_a_master_key_is_left_alone() {
    let dir = tempdir().expect("a folder");
    assert!(matches!(WrappingFolder::open(dir.path()), Err(WrappingError::Master(_))));
    assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0);
}

#[test]
fn a_key_made_while_the_process_is_killed_is_whole_or_not_there() {
    let mut steps = 0;
    loop {
        let store = store();
        let keys = open(store.path());
        let before = wrap(&keys, "ags:05766044", november());
        let killed = killed_at(steps, || keys.wrap(&tenant("a:b"), november(), b"", &[1; 32]));
        drop(keys);
        let keys = open(store.path());
        unwraps(&keys, &before).expect("unwraps");
        for file in keys.inventory().expect("lists") {
            assert!(file.fault.is_none() && file.id.is_some(), "step {steps}: {file:?}");
        }
        let after = wrap(&keys, "a:b", november());
        unwraps(&keys, &after).expect("goes on");
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "only {steps} steps");
}

#[test]
fn a_new_master_key_takes_over_however_often_it_is_killed() {
    let mut steps = 0;
    loop {
        let store = store();
        let mut keys = open(store.path());
        let before: Vec<Wrapped> =
            ["a:1", "a:2", "a:3"].map(|name| wrap(&keys, name, november())).into();
        let old = keys.master().fingerprint();
        let killed = killed_at(steps, || keys.rotate_master(&[]));
        drop(keys);
        // The node works at every step, and makes keys.
        let keys = open(store.path());
        for wrapped in &before {
            unwraps(&keys, wrapped).unwrap_or_else(|error| panic!("step {steps}: {error}"));
        }
        let between = wrap(&keys, "a:4", november());
        drop(keys);
        let mut keys = open(store.path());
        if keys.master().fingerprint() == old {
            let rotation = keys.rotate_master(&[]).expect("goes on");
            assert_eq!(rotation.keys, 4);
        }
        assert!(!keys.rotation_pending(), "step {steps}");
        assert_ne!(keys.master().fingerprint(), old, "step {steps}");
        assert_eq!(keys.old_masters(), 1, "step {steps}");
        // Nothing is lost when the old one goes.
        let made = november();
        let master = keys.master().fingerprint();
        let record = BackupRecord { master, made, verified: Some(made) };
        assert_eq!(keys.retire_old(&[], Some(&record)).expect("retires"), 1, "step {steps}");
        drop(keys);
        let keys = open(store.path());
        assert_eq!(keys.old_masters(), 0);
        for wrapped in before.iter().chain([&between]) {
            unwraps(&keys, wrapped).expect("unwraps");
        }
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 30, "only {steps} steps");
}

#[test]
fn an_old_master_key_stays_until_the_new_one_has_a_verified_backup() {
    let store = store();
    let mut keys = open(store.path());
    let wrapped = wrap(&keys, "a:1", november());
    let sealed_before = fs::read(keys.key_path(&wrapped.id)).expect("reads");
    let old = keys.master().fingerprint();
    let rotation = keys.rotate_master(&[]).expect("rotates");
    assert_eq!(rotation, MasterRotation { resumed: false, wrapped: 1, keys: 1 });
    let master = keys.master().fingerprint();
    let made = november();
    let records = [
        None,
        Some(BackupRecord { master, made, verified: None }),
        Some(BackupRecord { master: old, made, verified: Some(made) }),
    ];
    for record in &records {
        let refused = keys.retire_old(&[], record.as_ref());
        assert!(matches!(refused, Err(WrappingError::NoVerifiedBackup)), "{refused:?}");
    }
    // A file from an older backup of the folder opens as long as the old one is there, and is
    // wrapped anew before it goes.
    fs::write(keys.key_path(&wrapped.id), &sealed_before).expect("writes");
    drop(keys);
    let mut keys = open(store.path());
    unwraps(&keys, &wrapped).expect("unwraps");
    let record = BackupRecord { master, made, verified: Some(made) };
    assert_eq!(keys.retire_old(&[], Some(&record)).expect("retires"), 1);
    drop(keys);
    unwraps(&open(store.path()), &wrapped).expect("unwraps");
    // One from before that comes back later does not.
    fs::write(file_of(store.path(), &wrapped.id), &sealed_before).expect("writes");
    let error = unwraps(&open(store.path()), &wrapped).expect_err("is refused");
    assert!(matches!(error, KeyError::OtherMaster(_)));
}

#[test]
fn a_rotation_does_not_begin_where_a_key_does_not_open() {
    let store = store();
    let mut keys = open(store.path());
    let wrapped = wrap(&keys, "a:1", november());
    fs::write(keys.key_path(&wrapped.id), b"torn").expect("writes");
    keys.rotate_master(&[]).expect_err("is refused");
    assert!(!keys.rotation_pending());
    assert_eq!(fs::read_dir(store.path()).expect("reads").count(), 2, "nothing was made");
}

/// What a database needs and the folder does not have could be right under the old master key.
#[test]
fn no_master_key_changes_or_goes_while_the_database_names_a_key_that_is_not_here() {
    let store = store();
    let mut keys = open(store.path());
    let wrapped = wrap(&keys, "a:1", november());
    let gone = wrap(&keys, "a:2", november());
    keys.destroy(&gone.id, november()).expect("destroys");
    let elsewhere = KeyId::new(Tenant::shared(), Period::of(november()), 1, [7; 8]);
    let named = [wrapped.id.clone(), gone.id, elsewhere];
    let refused = keys.rotate_master(&named);
    assert!(matches!(refused, Err(WrappingError::Key(KeyError::Missing(_)))), "{refused:?}");
    assert!(!keys.rotation_pending() && keys.old_masters() == 0, "nothing was made");
    // Destroyed on purpose is no obstacle.
    keys.rotate_master(&named[..2]).expect("rotates");
    let (master, made) = (keys.master().fingerprint(), november());
    let record = BackupRecord { master, made, verified: Some(made) };
    let refused = keys.retire_old(&named, Some(&record));
    assert!(matches!(refused, Err(WrappingError::Key(KeyError::Missing(_)))), "{refused:?}");
    drop(keys);
    let mut keys = open(store.path());
    assert_eq!(keys.old_masters(), 1, "it is still there");
    assert_eq!(keys.retire_old(&named[..2], Some(&record)).expect("retires"), 1);
    unwraps(&keys, &wrapped).expect("unwraps");
}

#[test]
fn a_key_of_a_period_can_be_replaced_at_any_time() {
    let store = store();
    let keys = open(store.path());
    let before = wrap(&keys, "a:1", november());
    let other = wrap(&keys, "a:2", at("2026-10-01T00:00:00Z"));
    let made = keys.rotate_period(None, november()).expect("rotates");
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!((made[0].tenant(), made[0].generation()), (before.id.tenant(), 2));
    assert_eq!(wrap(&keys, "a:1", november()).id, made[0]);
    drop(keys);
    let keys = open(store.path());
    assert_eq!(wrap(&keys, "a:1", november()).id, made[0], "after a start");
    for wrapped in [&before, &other] {
        unwraps(&keys, wrapped).expect("what was before stays");
    }
    let made = keys.rotate_period(Some(&tenant("a:9")), november()).expect("rotates");
    assert_eq!(made[0].generation(), 1);
}

#[test]
fn a_destroyed_key_is_gone_on_purpose_and_stays_gone() {
    let mut steps = 0;
    loop {
        let store = store();
        let keys = open(store.path());
        let gone = wrap(&keys, "a:1", november());
        let stays = wrap(&keys, "a:2", november());
        let killed = killed_at(steps, || keys.destroy(&gone.id, november()));
        drop(keys);
        let mut keys = open(store.path());
        if killed {
            // Before its note it is there, after it it is not.
            match unwraps(&keys, &gone) {
                Ok(()) | Err(KeyError::Destroyed(_)) => {}
                Err(other) => panic!("step {steps}: {other}"),
            }
            keys.destroy(&gone.id, november()).expect("ends");
        }
        let error = unwraps(&keys, &gone).expect_err("is gone");
        assert!(matches!(error, KeyError::Destroyed(_)), "step {steps}: {error}");
        assert!(!keys.key_path(&gone.id).exists());
        keys.destroy(&gone.id, november()).expect("once more");
        let next = wrap(&keys, "a:1", november());
        assert_eq!(next.id.generation(), 2, "what comes now has a key of its own");
        keys.rotate_master(&[]).expect("rotates");
        for wrapped in [&stays, &next] {
            unwraps(&keys, wrapped).expect("unwraps");
        }
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 6, "only {steps} steps");
    let store = store();
    let keys = open(store.path());
    let id = KeyId::new(tenant("a:1"), Period::of(november()), 1, [1; 8]);
    assert!(keys.destroy(&id, november()).is_err(), "nothing to destroy, nothing noted");
}

#[test]
fn keys_of_an_older_store_are_taken_over_once() {
    let mut steps = 0;
    loop {
        let store = store();
        let keys = open(store.path());
        let period = Period::parse("2026-11").expect("a period");
        let key = Key::random().expect("random octets");
        let old = sealed::wrap(keys.master().octets(), b"2026-11", &key.0).expect("wraps");
        let data = sealed::wrap(&key.0, b"hub-id", &[7; 32]).expect("wraps");
        let killed = killed_at(steps, || keys.adopt(&period, &old));
        drop(keys);
        let keys = open(store.path());
        let id = keys.adopt(&period, &old).expect("takes over");
        assert_eq!(keys.adopt(&period, &old).expect("once more"), id);
        assert_eq!(keys.inventory().expect("lists").len(), 1);
        assert_eq!(id.tenant(), &Tenant::shared());
        let mut opened = [0; 32];
        keys.unwrap(&id, b"hub-id", &data, &mut opened).expect("unwraps");
        assert_eq!(opened, [7; 32]);
        for (period, wrapped) in [("2026-12", &old[..]), ("2026-11", &old[1..]), ("2026-11", b"")] {
            let refused = keys.adopt(&Period::parse(period).expect("a period"), wrapped);
            assert!(matches!(refused, Err(KeyError::NotOurs)), "{refused:?}");
        }
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "only {steps} steps");
}

fn backup_of(keys: &WrappingFolder) -> Vec<u8> {
    backup::seal(keys, "rz-beispiel", november(), PHRASE, Cost::Trial).expect("is made")
}

#[test]
fn a_backup_is_proven_without_being_installed_and_restores_an_empty_node() {
    let store = store();
    let keys = open(store.path());
    let wrapped = wrap(&keys, "a:1", november());
    let octets = backup_of(&keys);
    let opened = backup::unseal(&octets, PHRASE).expect("opens");
    assert_eq!((opened.node.as_str(), opened.made), ("rz-beispiel", november()));
    assert_eq!(opened.named, std::slice::from_ref(&wrapped.id));
    let opens = opened.compare(store.path()).expect("compares");
    assert!(opens.everything() && opens.opened == 1, "{opens:?}");
    // Made before this key, it opens it all the same.
    wrap(&keys, "a:2", november());
    assert_eq!(opened.compare(store.path()).expect("compares").opened, 2);
    drop(keys);

    // A new machine: the folder from the backup of the key store, the master key from its own.
    let machine = tempdir().expect("a folder");
    let folder = machine.path().join("wrapping");
    copy(&store.path().join("wrapping"), &folder);
    let opens = opened.compare(machine.path()).expect("compares");
    assert!(!opens.is_present_master && opens.opened == 2, "{opens:?}");
    assert_eq!(opened.restore(machine.path()).expect("restores"), Restored::Installed);
    assert_eq!(opened.restore(machine.path()).expect("is there"), Restored::Present);
    unwraps(&open(machine.path()), &wrapped).expect("unwraps");

    // Another master key is neither overwritten nor put over keys that it does not open.
    let mut keys = open(store.path());
    keys.rotate_master(&[]).expect("rotates");
    assert!(!opened.compare(store.path()).expect("compares").everything());
    let refused = opened.restore(store.path());
    assert!(matches!(refused, Err(WrappingError::OtherMasterPresent)), "{refused:?}");
    let newer = backup::unseal(&backup_of(&keys), PHRASE).expect("opens");
    fs::remove_file(machine.path().join(MASTER_KEY)).expect("removes");
    let refused = newer.restore(machine.path());
    assert!(matches!(refused, Err(WrappingError::OpensNothing)), "{refused:?}");
    assert!(!machine.path().join(MASTER_KEY).exists());
}

#[test]
fn a_changed_backup_or_a_wrong_passphrase_opens_nothing() {
    let store = store();
    let keys = open(store.path());
    wrap(&keys, "a:1", november());
    let octets = backup_of(&keys);
    let wrong = backup::unseal(&octets, b"another passphrase");
    assert!(matches!(wrong, Err(WrappingError::WrongPassphrase)), "{wrong:?}");
    for weak in [&b"short"[..], &[b'x'; 1025]] {
        let refused = backup::seal(&keys, "n", november(), weak, Cost::Trial);
        assert!(matches!(refused, Err(WrappingError::UnfitPassphrase)));
    }
    let text = String::from_utf8(octets).expect("text");
    for (from, to) in [
        ("rz-beispiel", "rz-beispieb"),
        ("2026-11-23T", "2026-11-24T"),
        ("a:1/2026-11", "a:1/2026-12"),
        ("scrypt: 14 8 1", "scrypt: 13 8 1"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let refused = backup::unseal(changed.as_bytes(), PHRASE);
        assert!(matches!(refused, Err(WrappingError::WrongPassphrase)), "{from}: {refused:?}");
    }
    for (from, to) in [("scrypt: 14 8 1", "scrypt: 30 8 1"), ("14 8 1", "14 9 1"), ("sealed", "s")]
    {
        let refused = backup::unseal(text.replace(from, to).as_bytes(), PHRASE);
        assert!(matches!(refused, Err(WrappingError::NotABackup)), "{from}: {refused:?}");
    }
    for end in [0, 10, text.len() / 2, text.len() - 1] {
        assert!(backup::unseal(&text.as_bytes()[..end], PHRASE).is_err(), "cut at {end}");
    }
    let mut key = keys;
    key.masters.next = Some(MasterKey::generate().expect("a key"));
    let refused = backup::seal(&key, "n", november(), PHRASE, Cost::Trial);
    assert!(matches!(refused, Err(WrappingError::RotationPending)));
}

/// Copies a folder of folders of files, with their rights.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("makes a folder");
    for entry in fs::read_dir(from).expect("reads") {
        let path = entry.expect("an entry").path();
        let place = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, &place).expect("copies");
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let master = MasterKey::from_octets(&[1; 32]);
        for prefix in [&b""[..], b"ABwrapk\x01", b"ABwrapk\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03"] {
            let file = [prefix, &octets].concat();
            if let Some(sealed) = Sealed::parse(&file) {
                prop_assert!(sealed.open(&master).is_none());
            }
        }
        prop_assert!(sealed::unwrap(&[1; 32], b"", &octets).is_none());
        prop_assert!(backup::unseal(&octets, PHRASE).is_err());
    }
}

/// Nodes share a key store: each makes keys beside the other, each opens what the other wrapped, and
/// nothing that ends or changes a key is done meanwhile.
#[test]
fn nodes_share_a_key_store() {
    let dir = tempdir().expect("a folder");
    MasterKey::create(&dir.path().join(MASTER_KEY)).expect("a key");
    let nodes = [0, 1].map(|_| WrappingFolder::open_shared(dir.path()).expect("opens"));
    assert!(matches!(WrappingFolder::open(dir.path()), Err(WrappingError::InUse)));
    let at = "2026-11-23T08:00:00Z".parse().expect("an instant");
    let tenants: Vec<Tenant> =
        (0..20).map(|n| Tenant::parse(&format!("ags:057660{n:02}")).expect("a tenant")).collect();
    let wrapped: Vec<_> = std::thread::scope(|threads| {
        let run = |node: &'static str, folder| {
            let tenants = &tenants;
            threads.spawn(move || {
                let wrap = |tenant| {
                    WrappingFolder::wrap(folder, tenant, at, node.as_bytes(), &[7; 32])
                        .expect("wraps")
                };
                tenants.iter().map(wrap).map(|(id, key)| (node, id, key)).collect::<Vec<_>>()
            })
        };
        let both = [run("a", &nodes[0]), run("b", &nodes[1])];
        both.into_iter().flat_map(|run| run.join().expect("no panic")).collect()
    });
    for (node, id, key) in &wrapped {
        for folder in &nodes {
            let mut opened = [0; 32];
            folder.unwrap(id, node.as_bytes(), key, &mut opened).expect("opens");
            assert_eq!(opened, [7; 32]);
        }
    }
    assert!(nodes[0].destroy(&wrapped[0].1, at).is_err(), "another node may be using it");
    drop(nodes);
    let alone = WrappingFolder::open(dir.path()).expect("opens");
    assert!(alone.inventory().expect("reads").iter().all(|file| file.fault.is_none()));
    assert!(matches!(WrappingFolder::open_shared(dir.path()), Err(WrappingError::InUse)));
}
