//! Every act on single deliveries, alone and by two.

use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::digest::sha256;
use anyhow::{Context, Result, ensure};
use reqwest::Method;

use super::super::native::answer;
use super::cases::Causes;
use super::{DETMOLD, LEMGO, LOST_SERVICE, Manner, SERVICE, TEST_SERVICE, WAY, World, offer};
use crate::town::{Answer, Town};

/// The partner is back: the same id is sent again and arrives once, and the history says on whose
/// word.
pub(super) async fn resubmitted(world: &World, causes: &Causes) -> Result<String> {
    let sent = &causes.exhausted;
    let id = sent.id.as_str();
    let before = world.partner.seen(&sent.transport_id);
    ensure!(before == (0, 0), "the partner was away and has seen it: {before:?}");
    world.must("anna", &["clearing", "resubmit", id], 2)?;
    // Too early: it has all its attempts again, and comes back.
    world.partner.is(Manner::Away);
    world.must("berta", &["clearing", "resubmit", id, "--reason", "TEST zu früh"], 0)?;
    world.becomes(&sent.id, "in-clearing").await?;
    let attempts = world.status(&sent.id).await?["attempts"].as_u64();
    ensure!(attempts == Some(2), "{attempts:?} attempts since");
    world.partner.is(Manner::Takes);
    world.must("anna", &["clearing", "resubmit", id, "--reason", "TEST Leitung steht"], 0)?;
    world.becomes(&sent.id, "delivered").await?;
    let after = world.partner.seen(&sent.transport_id);
    ensure!(after == (1, 1), "it came and was taken {after:?} times");
    world.refused("anna", &["clearing", "resubmit", id, "--reason", "TEST"], "AB5005")?;
    world.refused("anna", &["clearing", "show", id], "AB5008")?;
    let grounds = world.grounds(&sent.id).await?;
    ensure!(grounds.len() == 2 && grounds[0]["by"]["name"] == "berta", "{grounds:?}");
    ensure!(grounds[1]["by"]["name"] == "anna", "{grounds:?}");
    ensure!(grounds[1]["reason"] == "TEST Leitung steht", "{grounds:?}");

    // What was refused goes again by the word of one, what may have arrived by that of two.
    let refused = &causes.refused;
    world.must("berta", &["clearing", "resubmit", refused.id.as_str(), "--reason", "TEST"], 0)?;
    world.becomes(&refused.id, "delivered").await?;
    ensure!(world.partner.seen(&refused.transport_id) == (2, 1), "refused once, taken once");
    Ok(String::new())
}

/// Without a way nothing is sent; with the directory mended it is.
pub(super) async fn no_way(world: &World, causes: &Causes) -> Result<String> {
    let id = &causes.no_way;
    let resubmit = ["clearing", "resubmit", id.as_str(), "--reason", "TEST"];
    let refused = world.must("anna", &resubmit, 1)?;
    ensure!(refused.text.contains("AB3003"), "{}", refused.text);
    let state = world.becomes(id, "in-clearing").await?;
    ensure!(state == "no-way", "{state}");
    offer(&world.folder, &[(SERVICE, false), (LOST_SERVICE, false)])?;
    world.must("anna", &["reload"], 0)?;
    world.partner.is(Manner::Takes);
    world.must("anna", &resubmit, 0)?;
    world.becomes(id, "delivered").await?;
    Ok(String::new())
}

/// Another way than the directory's needs two people. The Reader then collects it.
pub(super) async fn rerouted(world: &World, causes: &Causes) -> Result<String> {
    let sent = &causes.repeat_refused;
    let id = sent.id.as_str();
    let reroute =
        |via| ["clearing", "reroute", id, "--via", via, "--reason", "TEST Leitung bleibt gestört"];
    world.refused("anna", &reroute("peer:nobody"), "AB3006")?;
    world.must("anna", &reroute("somewhere"), 1)?;
    let said = world.must("anna", &reroute("inbox"), 0)?;
    let (proposal, digest) = world.proposed(&said)?;
    let seen = world.partner.seen(&sent.transport_id);
    ensure!(world.becomes(&sent.id, "in-clearing").await? == "repeat-refused", "acted alone");
    grant(world, "berta", &proposal, &digest, 0)?;
    world.carried_out(&proposal).await?;
    // It may have arrived before, so it is not called new.
    world.becomes(&sent.id, "waiting").await?;
    let detmold = Town::load(world.folder.path(), DETMOLD, &world.node.native)?;
    let page = detmold.client.inbox_page(&detmold.party, None, 100, 0).await?;
    ensure!(page.entries.iter().any(|entry| entry.id == sent.id), "not in the inbox");
    let (status, _, payload) =
        answer(detmold.request(Method::GET, &format!("/v1/inbox/{id}"))).await?;
    ensure!(status == 200, "{status}");
    detmold.client.acknowledge(&sent.id, &sha256(&payload)).await?;
    world.becomes(&sent.id, "acknowledged").await?;
    ensure!(world.partner.seen(&sent.transport_id) == seen, "sent to the partner as well");
    let grounds = world.grounds(&sent.id).await?;
    let grounds = grounds.first().context("no grounds")?;
    ensure!(grounds["by"]["name"] == "anna", "{grounds}");
    ensure!(grounds["granted"]["by"]["name"] == "berta", "{grounds}");
    ensure!(grounds["granted"]["proposal"] == proposal.as_str(), "{grounds}");
    Ok(String::new())
}

/// The Author sees that it was rejected back, and has a receipt that verifies without the hub.
pub(super) async fn rejected(world: &World, causes: &Causes) -> Result<String> {
    // The word of one is not enough where it may have arrived.
    let id = &causes.mismatch;
    let reject = ["clearing", "reject", id.as_str(), "--reason", "TEST bitte neu senden"];
    let said = world.must("anna", &reject, 0)?;
    let (proposal, digest) = world.proposed(&said)?;
    grant(world, "berta", &proposal, &digest, 0)?;
    world.becomes(id, "rejected-back").await?;

    let sent = world.case(Manner::Away).await?;
    let reject = ["clearing", "reject", sent.id.as_str(), "--reason", "TEST Leser aufgelöst"];
    world.must("berta", &reject, 0)?;
    world.becomes(&sent.id, "rejected-back").await?;
    for id in [id, &sent.id] {
        let seen = world.lemgo.client.status(id).await?;
        ensure!(seen.state == "rejected-back", "the Author sees {}", seen.state);
        // Checked with the hub's public key and nothing else.
        let receipt = world.lemgo.client.receipt(id, "rejected-back").await?;
        ensure!(serde_json::to_string(&receipt.evidence)?.contains("TEST "), "without the reason");
    }
    let dossier = world.folder.path().join("rejected.dossier.json");
    let to = dossier.display().to_string();
    world.must("anna", &["archive", "prove", sent.id.as_str(), "--to", &to], 0)?;
    world.must("anna", &["archive", "check-dossier", &to], 0)?;
    let proof = std::fs::read_to_string(dossier)?;
    ensure!(proof.contains("berta"), "the dossier does not say who");
    Ok(String::new())
}

/// A person's word that it arrived takes another person's.
pub(super) async fn closed(world: &World, causes: &Causes) -> Result<String> {
    let sent = &causes.unknown;
    let id = sent.id.as_str();
    let seen = world.partner.seen(&sent.transport_id);
    world.partner.is(Manner::Takes);
    let close = ["clearing", "close", id, "--reason", "TEST Eingang telefonisch bestätigt"];
    let said = world.must("anna", &close, 0)?;
    let (proposal, digest) = world.proposed(&said)?;
    let refused = grant(world, "anna", &proposal, &digest, 1)?;
    ensure!(refused.contains("AB5009"), "{refused}");
    let refused = grant(world, "carl", &proposal, &digest, 1)?;
    ensure!(refused.contains("AB5009"), "a second certificate is no second person: {refused}");
    let refused = grant(world, "berta", &proposal, &"0".repeat(64), 1)?;
    ensure!(refused.contains("AB5011"), "{refused}");
    ensure!(world.becomes(&sent.id, "in-clearing").await? == "outcome-unknown", "closed by one");
    let listed = world.must("berta", &["approval", "list"], 0)?;
    ensure!(listed.text.contains(&proposal), "not listed: {}", listed.text);
    let shown = world.must("berta", &["approval", "show", &proposal], 0)?;
    ensure!(shown.text.contains(id) && shown.text.contains(&digest), "{}", shown.text);
    grant(world, "berta", &proposal, &digest, 0)?;
    world.becomes(&sent.id, "delivered").await?;
    let refused = grant(world, "berta", &proposal, &digest, 1)?;
    ensure!(refused.contains("AB5010"), "{refused}");
    ensure!(world.partner.seen(&sent.transport_id) == seen, "closing has sent something");
    world.lemgo.client.receipt(&sent.id, "delivered").await?;

    // Who proposed may take it back, with the same second certificate too.
    let other = world.case(Manner::Silent).await?;
    let close = ["clearing", "close", other.id.as_str(), "--reason", "TEST"];
    let (proposal, digest) = world.proposed(&world.must("anna", &close, 0)?)?;
    let deny = ["approval", "deny", &proposal, "--digest", &digest, "--reason", "TEST geirrt"];
    world.must("carl", &deny, 0)?;
    let refused = grant(world, "berta", &proposal, &digest, 1)?;
    ensure!(refused.contains("AB5010"), "{refused}");
    ensure!(world.becomes(&other.id, "in-clearing").await? == "outcome-unknown", "closed");
    Ok(String::new())
}

/// No person brings a test message to a real system (P11): neither when it is decided, nor when the
/// directory changes between decision and delivery.
pub(super) async fn test_stays_test(world: &World) -> Result<String> {
    let offered = |test: Option<bool>| -> Result<()> {
        let mut services = vec![(SERVICE, false)];
        services.extend(test.map(|test| (TEST_SERVICE, test)));
        offer(&world.folder, &services)?;
        world.must("anna", &["reload"], 0).map(drop)
    };
    offered(Some(true))?;
    world.partner.is(Manner::Takes);
    let id = world.later(TEST_SERVICE, 3, false).await?;
    offered(None)?;
    ensure!(world.becomes(&id, "in-clearing").await? == "no-way", "another cause");
    let transport_id = world.status(&id).await?["transport_id"].as_str().map(str::to_owned);
    let transport_id = transport_id.context("no transport id")?;
    let reroute = |via| ["clearing", "reroute", id.as_str(), "--via", via, "--reason", "TEST"];
    for (test, code) in [(None, "AB3003"), (Some(false), "AB3005")] {
        offered(test)?;
        for via in ["inbox", WAY] {
            world.refused("anna", &reroute(via), code)?;
        }
    }
    offered(Some(true))?;
    let (proposal, digest) = world.proposed(&world.must("anna", &reroute(WAY), 0)?)?;
    offered(Some(false))?;
    grant(world, "berta", &proposal, &digest, 0)?;
    let shown = world.carried_out(&proposal).await?;
    ensure!(shown["targets"][0]["decided"]["result"] == "done", "{shown}");
    ensure!(world.becomes(&id, "in-clearing").await? == "no-way", "another cause");
    ensure!(world.partner.seen(&transport_id) == (0, 0), "a test message came to a real system");
    offered(Some(true))?;
    world.must("anna", &["clearing", "resubmit", id.as_str(), "--reason", "TEST"], 0)?;
    world.becomes(&id, "delivered").await?;
    ensure!(world.partner.seen(&transport_id) == (1, 1), "not delivered once");
    Ok(String::new())
}

/// Before anything leaves: held it lies in no inbox, released it does, cancelled it never will.
pub(super) async fn held(world: &World) -> Result<String> {
    let minden = PartyId::parse("ags:05770024")?;
    let town = Town::load(world.folder.path(), "05770024", &world.node.native)?;
    let in_inbox = async |id: &HubId| -> Result<bool> {
        let page = town.client.inbox_page(&minden, None, 1_000, 0).await?;
        Ok(page.entries.iter().any(|entry| entry.id == *id))
    };
    let (_, wired) = world.lemgo.notice(&minden)?;
    let id = match world.lemgo.post(&wired).await? {
        Answer::Accepted { hub_id, .. } => HubId::parse(&hub_id)?,
        refused => anyhow::bail!("{LEMGO}: {refused:?}"),
    };
    ensure!(in_inbox(&id).await?, "not in the inbox");
    let act = |word: &'static str| ["message", word, id.as_str(), "--reason", "TEST Anruf"];
    world.must("anna", &act("hold"), 0)?;
    ensure!(!in_inbox(&id).await?, "held and in the inbox");
    let path = format!("/v1/inbox/{id}");
    let (status, ..) = answer(town.request(Method::GET, &path)).await?;
    ensure!(status != 200, "held and handed out");
    world.refused("berta", &act("hold"), "AB5005")?;
    world.must("berta", &act("release"), 0)?;
    ensure!(in_inbox(&id).await?, "released and not in the inbox");
    world.must("anna", &act("cancel"), 0)?;
    ensure!(!in_inbox(&id).await?, "cancelled and in the inbox");
    world.becomes(&id, "cancelled").await?;
    world.lemgo.client.receipt(&id, "cancelled").await?;
    world.refused("anna", &act("release"), "AB5005")?;

    // On its way to a partner as well, and released it does not leave before its time.
    world.partner.is(Manner::Takes);
    let id = world.later(SERVICE, 2, false).await?;
    let act = |word: &'static str| ["message", word, id.as_str(), "--reason", "TEST Anruf"];
    world.must("anna", &act("hold"), 0)?;
    world.must("anna", &act("release"), 0)?;
    world.becomes(&id, "delivered").await?;
    let grounds = world.grounds(&id).await?;
    ensure!(grounds.len() == 2 && grounds[0]["act"] == "hold", "{grounds:?}");
    world.refused("anna", &act("cancel"), "AB5005")?;
    Ok(String::new())
}

/// The second person's word, with the exit code that it must have.
pub(super) fn grant(
    world: &World,
    clerk: &str,
    proposal: &str,
    digest: &str,
    code: i32,
) -> Result<String> {
    let grant = ["approval", "grant", proposal, "--digest", digest, "--reason", "TEST nachgesehen"];
    Ok(world.must(clerk, &grant, code)?.text)
}
