//! Tables that are wrong: nothing of them comes into force, nothing is kept.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{LEMGO, World, text};

const DIRECTORY: &str = "directory.toml";

/// A directory with a mistake: the reason is shown with its line, and the old one goes on.
pub(super) async fn broken(world: &World) -> Result<String> {
    let path = world.folder.path().join(DIRECTORY);
    let good = fs::read_to_string(&path)?;
    let lemgo = world.town(LEMGO)?;
    let mut said = String::new();
    for (wrong, hint) in [
        (format!("{good}\n[[party]]\nid = \"ags:05766044\"\nnmae = \"x\"\n"), "nmae"),
        (format!("{good}\n[[party]]\nid = \"ags:05766044\"\nname = \"x\"\n"), "twice"),
        (format!("{good}\n[[party"), "line"),
    ] {
        fs::write(&path, wrong)?;
        said = text(&world.must(&["reload"], 1)?);
        ensure!(said.contains(DIRECTORY) && said.contains(hint), "{said}");
        world.send(&lemgo).await?;
    }
    // The line of the first one; the last only says where TOML ends.
    fs::write(&path, format!("{good}\n[[party]]\nid = \"ags:05766044\"\nnmae = \"x\"\n"))?;
    let line = good.lines().count() + 4;
    let german = text(&world.must(&["--lang", "de", "reload"], 1)?);
    ensure!(german.contains(&format!("Zeile {line}")), "{german} (line {line})");
    fs::write(&path, good)?;
    world.must(&["reload"], 0)?;
    world.send(&lemgo).await?;
    Ok(said.lines().last().unwrap_or_default().trim().to_owned())
}

/// A private key where a certificate belongs is refused, and nothing of it is kept.
pub(super) async fn private_key(world: &World) -> Result<String> {
    let path = world.folder.path().join(DIRECTORY);
    let good = fs::read_to_string(&path)?;
    let key = world.client_file(&format!("{LEMGO}-sig.key.pem"));
    let lines = fs::read_to_string(&key)?;
    let secret = lines.lines().nth(1).context("a key has lines")?.to_owned();
    for kind in ["party", "account"] {
        world.pin(kind, LEMGO, &[&key])?;
        let said = text(&world.must(&["reload"], 1)?);
        ensure!(said.contains("private key") && said.contains("line"), "{said}");
        ensure!(!said.contains(&secret), "the reason quotes the key");
        fs::write(&path, &good)?;
    }
    world.must(&["reload"], 0)?;
    for place in ["data", "node.log", "keys", "packs"] {
        holds_not(&world.folder.path().join(place), &secret)?;
    }
    world.send(&world.town(LEMGO)?).await?;
    Ok(String::new())
}

/// No file below holds this text.
fn holds_not(place: &Path, text: &str) -> Result<()> {
    if place.is_dir() {
        for entry in fs::read_dir(place)? {
            holds_not(&entry?.path(), text)?;
        }
        return Ok(());
    }
    let octets = fs::read(place)?;
    let found = octets.windows(text.len()).any(|window| window == text.as_bytes());
    ensure!(!found, "{} holds the key", place.display());
    Ok(())
}
