//! The hub's own certificate is replaced while partners are connected.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::line::Line;
use super::{Issued, LEMGO, Use, World};

/// Who connects now sees the new certificate, with an answer of the responder; who was connected goes
/// on.
pub(super) async fn identity(world: &World) -> Result<String> {
    let path = world.folder.path();
    let file = |end: &str| world.client_file(&format!("{LEMGO}-tls.{end}.pem"));
    let own = Issued { certificate: file("cert"), key: file("key") };
    let ca = path.join("ca.pem");
    let connect = || tokio::task::block_in_place(|| Line::connect(&world.node.native, &ca, &own));
    let mut before = connect()?;
    let mut ask = |what: &str| -> Result<()> {
        let (status, _) = tokio::task::block_in_place(|| before.get("/v1/limits"))?;
        ensure!(status == 200, "{status} {what}");
        Ok(())
    };
    ask("before")?;
    let old = connect()?.server()?;

    let new = world.issue(&world.first, "knoten-2", Use::Server)?;
    // Its issuer belongs to it: about it the responder is asked.
    let chain = [fs::read(&new.certificate)?, fs::read(&ca)?].concat();
    fs::write(path.join("keys/tls.cert.pem"), chain)?;
    fs::copy(&new.key, path.join("keys/tls.key.pem"))?;
    // The responder has a new index, and sees it with the next question.
    world.refresh()?;
    world.must(&["reload"], 0)?;
    world.refresh()?;
    ask("over the connection of before")?;
    let shown = connect()?.server()?;
    let hex: String = shown.iter().map(|octet| format!("{octet:02x}")).collect();
    ensure!(shown != old && hex == new.fingerprint()?, "the old certificate is shown");

    for url in [&world.node.native, &world.node.operations] {
        let address = url.strip_prefix("https://").context("an address")?;
        let mut client = Command::new("openssl");
        client.args([
            "s_client",
            "-connect",
            address,
            "-status",
            "-verify_return_error",
            "-CAfile",
        ]);
        client.arg(&ca).arg("-cert").arg(&own.certificate).arg("-key").arg(&own.key);
        client.stdin(Stdio::null());
        let output = tokio::task::block_in_place(|| client.output())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(said.contains("OCSP Response Status: successful"), "{url}: no staple: {said}");
        ensure!(said.contains("Cert Status: good"), "{url}: {said}");
        ensure!(said.contains("TEST knoten-2"), "{url}: {said}");
    }
    ask("at the end")?;
    world.send(&world.town(LEMGO)?).await?;
    Ok(String::new())
}
