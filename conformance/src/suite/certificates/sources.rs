//! Sources of revocation are configured anew while the hub runs; and what an operator may do of whose
//! certificate nothing is known.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use super::authority::Authority;
use super::line::Line;
use super::{LONG, Use, World};
use crate::node::Node;

const MESSAGES: &str = "/ops/v1/messages";
const CHECKS: &str = "/ops/v1/checks";
const REFRESH: &str = "/ops/v1/revocation/refresh";
const RELOAD: &str = "/ops/v1/reload";

/// Longest wait for a source to be asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// Less than new tables wait for the first word of a source.
const SOON: Duration = Duration::from_secs(4);

/// An operator of an authority whose list cannot be had is let in to what helps, on record, and to
/// nothing else; with the list to everything; revoked to nothing.
pub(super) async fn operator(world: &World) -> Result<String> {
    let path = world.folder.path();
    let third = Authority::new(&path.join("third"), "third authority")?;
    std::fs::copy(third.certificate(), path.join("third.pem"))?;
    let person = world.issue(&third, "operator-third", Use::Client)?;
    let before = std::fs::read_to_string(path.join("amtsbote.toml"))?;
    world.folder.edit("amtsbote.toml", |table| {
        push(table, "tls", "client_authorities", "third.pem".into())?;
        push(table, "trust", "tls_client_anchors", "third.pem".into())?;
        let mut entry = Table::new();
        entry.insert("name".into(), "TEST third".into());
        entry.insert("certificate".into(), person.certificate.display().to_string().into());
        let operators = table.entry("operator").or_insert(Value::Array(vec![]));
        operators.as_array_mut().context("no operators")?.push(entry.into());
        Ok(())
    })?;
    world.must(&["reload"], 0)?;
    let ca = path.join("ca.pem");
    let ask = |method: &str, path: &str| {
        tokio::task::block_in_place(|| {
            Line::connect(&world.node.operations, &ca, &person)?.ask(method, path)
        })
    };
    let (status, body) = ask("GET", MESSAGES)?;
    ensure!(status == 200, "no source is named yet: {status} {body}");

    // Only [revocation] changes.
    world.folder.edit("amtsbote.toml", |table| {
        let mut source = Table::new();
        source.insert("issuer".into(), "third.pem".into());
        source.insert("crl".into(), vec![Value::from("third.crl")].into());
        push(table, "revocation", "source", source.into())
    })?;
    world.must(&["reload"], 0)?;
    let (status, body) = ask("GET", MESSAGES)?;
    ensure!(status == 503 && body.contains("AB2011"), "the source is not known: {status} {body}");
    let leaves = world.metric("amtsbote_log_leaves").await?;
    for (method, path, own) in [("GET", CHECKS, 0), ("POST", REFRESH, 1), ("POST", RELOAD, 1)] {
        let before = world.metric("amtsbote_log_leaves").await?;
        let (status, body) = ask(method, path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        let more = world.metric("amtsbote_log_leaves").await? - before;
        ensure!(more == own + 1, "{path} left {more} leaves");
    }
    ensure!(world.metric("amtsbote_log_leaves").await? > leaves, "nothing on record");
    for path in ["/ops/v1/status", "/ops/v1/directory", "/ops/v1/certificates/affected"] {
        let (status, body) = ask("GET", path)?;
        ensure!(status == 503 && body.contains("AB2011"), "{path}: {status} {body}");
    }

    std::fs::write(path.join("third.crl"), third.list(LONG)?)?;
    let (status, body) = ask("POST", REFRESH)?;
    ensure!(status == 200, "{status} {body}");
    let (status, body) = ask("GET", MESSAGES)?;
    ensure!(status == 200, "the list is there: {status} {body}");

    third.revoke(&person, "superseded")?;
    std::fs::write(path.join("third.crl"), third.list(LONG)?)?;
    world.must(&["cert", "refresh"], 0)?;
    for (method, path) in [("GET", CHECKS), ("POST", REFRESH), ("POST", RELOAD)] {
        let (status, body) = ask(method, path)?;
        ensure!(status == 403 && body.contains("AB2010"), "{path}: {status} {body}");
    }
    std::fs::write(path.join("amtsbote.toml"), before)?;
    world.must(&["reload"], 0)?;
    Ok(String::new())
}

/// Has the hub read a table again that names a source which never answers, and returns when it waits
/// for its first word. The source stays as long as what is returned.
pub(super) fn wait_for_a_silent_one(world: &World) -> Result<(TcpListener, Option<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let host = listener.local_addr()?.to_string();
    world.folder.edit("amtsbote.toml", |table| {
        push(table, "revocation", "allowed_hosts", host.clone().into())?;
        let sources = table.get_mut("revocation").and_then(|table| table.get_mut("source"));
        let source = sources.and_then(|sources| sources.get_mut(0)).and_then(Value::as_table_mut);
        let list = vec![Value::from(format!("http://{host}/"))];
        source.context("no source")?.insert("crl".into(), list.into());
        Ok(())
    })?;
    let pid = world.node.pid().to_string();
    ensure!(Command::new("kill").args(["-HUP", &pid]).status()?.success(), "no signal");
    let begun = Instant::now();
    let mut asked = None;
    while asked.is_none() {
        ensure!(begun.elapsed() < PATIENCE, "the source is not asked");
        std::thread::sleep(Duration::from_millis(10));
        asked = listener.accept().ok().map(|(stream, _)| stream);
    }
    Ok((listener, asked))
}

/// SIGTERM is heard all the same, and at once.
pub(super) fn stop<T>(node: Node, silent: Result<T>) -> Result<String> {
    let _silent = silent?;
    let begun = Instant::now();
    tokio::task::block_in_place(|| node.stop())?;
    ensure!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    Ok(format!("{} ms", begun.elapsed().as_millis()))
}

/// Adds a value to an array of a table; makes the array where there is none.
pub(super) fn push(table: &mut Table, name: &str, key: &str, value: Value) -> Result<()> {
    let inner = table.get_mut(name).and_then(Value::as_table_mut).context("no such table")?;
    let array = inner.entry(key).or_insert(Value::Array(vec![]));
    array.as_array_mut().context("no array")?.push(value);
    Ok(())
}
