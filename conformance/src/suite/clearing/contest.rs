//! Two people at the same moment: exactly one of them acts.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Manner, PAIRS, World, asking};

/// Rounds of one pair of clerks: what each wins stays within what one person may do alone.
const EACH: usize = 15;

/// Two clerks decide the same case at once, each with the other's act in mind.
pub(super) async fn clerks(world: &World, rounds: u32) -> Result<String> {
    let sent = world.cases(rounds as usize).await?;
    world.partner.is(Manner::Takes);
    let path = "/ops/v1/clearing/acts";
    ensure!(sent.len() <= EACH * PAIRS.len(), "more rounds than clerks");
    let mut wins = [0, 0];
    for (round, one) in sent.iter().enumerate() {
        let (first_name, second_name) = PAIRS[round / EACH];
        let (anna, berta) = (world.clerk(first_name)?, world.clerk(second_name)?);
        let resubmit = asking("resubmit", &[&one.id], &format!("TEST {first_name}"));
        let reject = asking("reject", &[&one.id], &format!("TEST {second_name}"));
        let (first, second) = match round % 2 {
            0 => {
                tokio::join!(world.post(&anna, path, &resubmit), world.post(&berta, path, &reject))
            }
            _ => {
                let (second, first) = tokio::join!(
                    world.post(&berta, path, &reject),
                    world.post(&anna, path, &resubmit)
                );
                (first, second)
            }
        };
        let answers = [first?, second?];
        let acted: Vec<bool> = answers.iter().map(done).collect();
        let [resubmitted, rejected] = acted[..] else { unreachable!("two answers") };
        ensure!(resubmitted != rejected, "round {round}: {answers:?}");
        wins[usize::from(rejected)] += 1;
        let (state, seen) =
            if rejected { ("rejected-back", (0, 0)) } else { ("delivered", (1, 1)) };
        world.becomes(&one.id, state).await?;
        let came = world.partner.seen(&one.transport_id);
        ensure!(came == seen, "round {round}: {state}, but it came {came:?} times");
        let grounds = world.grounds(&one.id).await?;
        let name = if rejected { second_name } else { first_name };
        ensure!(grounds.len() == 1 && grounds[0]["by"]["name"] == name, "{grounds:?}");
        ensure!(grounds[0]["reason"] == format!("TEST {name}"), "{grounds:?}");
    }
    Ok(format!("{rounds} rounds, {} to {}", wins[0], wins[1]))
}

/// Whether an answer says that it was done; anything else must say why not.
fn done((status, answer): &(u16, Value)) -> bool {
    *status == 200 && answer["results"][0]["result"] == "done"
}

/// Grant and denial of one proposal at once: one of them counts, and the deliveries follow it.
pub(super) async fn words(world: &World, rounds: u32) -> Result<String> {
    let (anna, berta) = (world.clerk("anna")?, world.clerk("berta")?);
    let mut granted_rounds = 0;
    for round in 0..rounds {
        let one = world.case(Manner::Refuses).await?;
        let close = asking("close", &[&one.id], "TEST");
        let (status, made) = world.post(&anna, "/ops/v1/clearing/acts", &close).await?;
        ensure!(status == 202, "{status} {made}");
        let proposal = made["proposal"]["id"].as_str().context("no proposal")?;
        let word = json!({ "digest": made["proposal"]["digest"], "reason": "TEST" });
        let [grant, deny] =
            ["grant", "deny"].map(|word| format!("/ops/v1/approvals/{proposal}/{word}"));
        let (granted, denied) =
            tokio::join!(world.post(&berta, &grant, &word), world.post(&anna, &deny, &word));
        let (granted, denied) = (granted?, denied?);
        let codes = [granted.0, denied.0];
        ensure!(
            codes == [200, 409] || codes == [409, 200],
            "round {round}: {granted:?} {denied:?}"
        );
        let state = if granted.0 == 200 { "delivered" } else { "in-clearing" };
        granted_rounds += u32::from(granted.0 == 200);
        world.becomes(&one.id, state).await?;
        if granted.0 != 200 {
            let reject = asking("reject", &[&one.id], "TEST");
            let (status, answer) = world.post(&anna, "/ops/v1/clearing/acts", &reject).await?;
            ensure!(status == 200, "{status} {answer}");
        }
    }
    Ok(format!("{rounds} rounds, {granted_rounds} granted"))
}
