//! Orders as the reference library of OSCI-Transport wrote them, to a hub that has the keys of the
//! intermediary they were written for.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::{Directory, Partner};
use amtsbote_domain::identity::{AccountId, Transport, TransportId};
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};
use amtsbote_domain::ports::Clock;
use amtsbote_trust::keystore::{Identity, KeyStore, Passphrase};
use amtsbote_wire::osci::{Limits, Message, read};
use openssl::pkcs12::Pkcs12;

use super::client::{Client, Manner, parts};
use super::ground::{AUTHOR, Ground, Pair, READER, Wish, account, mailbox, party, tables};
use super::skipped;

/// What the recorded key stores are locked with: they are test material.
const PASSWORD: &str = "123456";
/// Their certificates are valid then.
const THEN: &str = "2026-11-24T12:00:00Z";

struct Then;

impl Clock for Then {
    fn now(&self) -> Timestamp {
        THEN.parse().expect("an instant")
    }
}

fn golden() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let corpus = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(|| shared.into(), PathBuf::from);
    let golden = corpus.join("osci-transport/golden");
    if golden.is_dir() {
        return Some(golden);
    }
    skipped::skipped("the corpus with recorded exchanges of OSCI-Transport is not there");
    None
}

/// A key of the recording. It comes into a key store as any other does.
fn identity(golden: &Path, dir: &Path, name: &str) -> Identity {
    let octets = fs::read(golden.join(format!("certs/{name}.p12"))).expect("a key store");
    let opened = Pkcs12::from_der(&octets).expect("DER").parse2(PASSWORD).expect("it opens");
    let key = opened.pkey.expect("a key").private_key_to_pem_pkcs8().expect("PEM");
    let certificate = opened.cert.expect("a certificate").to_pem().expect("PEM");
    let put = |kind: &str, octets: &[u8]| {
        let path = dir.join(format!("{name}.{kind}.pem"));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        std::io::Write::write_all(&mut file.expect("a file"), octets).expect("written");
    };
    put("key", &key);
    put("cert", &certificate);
    let store = KeyStore::open(dir, Passphrase::None).expect("a key store");
    store.identity(name).expect("a key")
}

struct Recording {
    golden: PathBuf,
    /// Who sends.
    client: Pair,
    /// Who collects.
    addressee: Pair,
    ground: Ground,
}

/// A hub with the intermediary's keys that knows the recorded client, whatever it does not sign or
/// encrypt.
async fn recording() -> Option<Recording> {
    let golden = golden()?;
    let dir = tempfile::tempdir().expect("a folder");
    let pair = |name: &str| Pair {
        signature: identity(&golden, dir.path(), &format!("{name}_sig")),
        cipher: identity(&golden, dir.path(), &format!("{name}_enc")),
    };
    let (own, client, addressee) = (pair("intermed"), pair("originator"), pair("addressee"));
    let trusted = |identity: &Identity| vec![identity.certificate().trusted()];
    let partner = |name: &str, pair: &Pair| Partner {
        account: AccountId::parse(name).expect("an account"),
        signature: trusted(&pair.signature),
        cipher: trusted(&pair.cipher),
        signed: false,
        encrypted: false,
    };
    let accounts = vec![account("author", AUTHOR), account("reader", READER)];
    let directory = Directory::new(vec![party(AUTHOR, false), party(READER, true)], accounts);
    let directory = directory.expect("consistent").with_partners(
        vec![partner("author", &client), partner("reader", &addressee)],
        vec![mailbox(READER, trusted(&addressee.cipher))],
    );
    let wish = Wish::default();
    let tables = tables(&wish, &own, directory.expect("consistent"));
    let ground = Ground::at(tables, wish.limits, Arc::new(Then)).await;
    Some(Recording { golden, client, addressee, ground })
}

impl Recording {
    fn order(&self, form: &str, name: &str) -> Vec<u8> {
        let path = self.golden.join(form).join(format!("{name}.req.mime"));
        fs::read(path).expect("a recorded order")
    }

    fn client(&self, manner: Manner) -> Client {
        Client::new(&self.ground, &self.client, manner)
    }

    fn addressee(&self, manner: Manner) -> Client {
        Client::new(&self.ground, &self.addressee, manner)
    }
}

const FORMS: [(&str, Manner); 2] = [
    ("sig", Manner { signed: true, encrypted: false }),
    ("sig+enc", Manner { signed: true, encrypted: true }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_orders_are_answered_in_kind() {
    let Some(recording) = recording().await else { return };
    for (form, manner) in FORMS {
        let client = recording.client(manner);
        let orders = [
            ("01-GetMessageId", "0800", recording.client(manner)),
            ("04-InitDialog", "0801", recording.addressee(manner)),
            ("11-GetMessageId", "0800", recording.client(manner)),
        ];
        for (name, code, client) in orders {
            let answer = client.post(recording.order(form, name)).await.answer();
            assert_eq!(answer.codes, [code], "{form}/{name}");
            assert_eq!((answer.signed, answer.encrypted), (manner.signed, manner.encrypted));
        }
        // These belong to dialogues that were led with somebody else.
        for name in ["05-FetchDelivery", "07-ExitDialog", "18-ExitDialog"] {
            assert_eq!(client.post(recording.order(form, name)).await.fault(), "9400", "{name}");
        }
        // Not built yet, and said so.
        for name in ["13-ForwardDelivery", "17-MediateDelivery"] {
            assert_eq!(client.post(recording.order(form, name)).await.fault(), "9300", "{name}");
        }
    }
    recording.ground.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_delivery_is_accepted_once_its_id_was_given_out() {
    let Some(recording) = recording().await else { return };
    let store = &recording.ground.hub.store;
    for (n, (form, manner)) in FORMS.into_iter().enumerate() {
        let client = recording.client(manner);
        let order = recording.order(form, "02-StoreDelivery");
        let refused = client.post(order.clone()).await.answer();
        assert_eq!(refused.codes, ["9801"], "{form}: an id that this hub never gave out");
        let opened = match manner.encrypted {
            true => {
                let opened = recording.golden.join("opened/02-StoreDelivery.req.inner.mime");
                fs::read(opened).expect("the same, opened")
            }
            false => order.clone(),
        };
        let root = parts(&opened).remove(0).1;
        let Message::StoreDelivery(meant) =
            read(&root[..], &Limits::default()).expect("an order").message
        else {
            panic!("a StoreDelivery")
        };
        let id = TransportId::parse(meant.message_id.as_text().expect("text")).expect("an id");
        let (author, hour) = (AccountId::parse("author").expect("one"), Duration::from_secs(3600));
        let issued = store.issue_id(&author, Transport::Intermediary, &id, hour).await;
        issued.expect("given out");
        let answer = client.post(order.clone()).await.answer();
        assert_eq!(answer.codes, ["0800"], "{form}");
        let again = client.post(order).await.answer();
        assert_eq!(again.codes, ["9801"], "{form}: a second time");
        let query = amtsbote_domain::ports::Query { limit: 10, ..Default::default() };
        let accepted = store.list(query).await.expect("a list");
        assert_eq!(accepted.len(), n + 1);
        let record = &accepted[0].record;
        // A container for the Reader alone lies in it, and two attachments beside it.
        assert_eq!(record.verdict, ContentVerdict::Opaque { reason: OpaqueReason::Encrypted });
        assert_eq!(record.parts.len(), 3);
        assert_eq!(record.envelope_sha256.0, openssl::sha::sha256(&root));
    }
    recording.ground.end().await;
}
