//! Systems that chose the same id: at the next hub, to which all of them come by one account, each has a
//! message of its own, and a repetition stays one (P3).

use std::collections::BTreeSet;

use amtsbote_adapters::probe::Draft;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{HubId, MessageUuid};
use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result, ensure};
use openssl::sha::sha256;
use reqwest::Method;
use uuid::Uuid;

use super::{Pair, accepted, array, becomes, party};
use crate::content::notice;
use crate::operations::Operator;
use crate::suite::native::answer;
use crate::town::{Answer, Town};

/// The first Author, who has two systems: one sends by an account of this town.
const SECOND_SYSTEM: &str = "05766040";
/// Another Author.
const OTHER_AUTHOR: &str = "05758012";

impl Pair {
    /// Two systems of one Author and one of another use one id for three messages.
    pub(super) async fn same_ids(&self) -> Result<String> {
        self.let_two_systems_send()?;
        let (near, far) = (self.near.serve()?, self.far.serve()?);
        let town = |ags: &str| Town::load(self.near.path(), ags, &near.native);
        let (lemgo, second, other) = (town("05766044")?, town(SECOND_SYSTEM)?, town(OTHER_AUTHOR)?);
        let reader = Town::load(self.far.path(), "05766020", &far.native)?;
        let mut said = lemgo.metadata(&reader.party);
        let id = said.transport_id.clone();

        let mut sent = BTreeSet::new();
        let mut ids: Vec<HubId> = Vec::new();
        for (author, system) in [(&lemgo, &lemgo), (&lemgo, &second), (&other, &other)] {
            said.author = author.party.clone();
            said.business_id = Some(MessageUuid::parse(&Uuid::new_v4().to_string())?);
            let draft = Draft { metadata: said.clone(), content: &notice };
            let wired = draft.sign(&author.signer)?;
            sent.insert(Digest(sha256(&wired.parts[0].2)));
            let first = accepted(system.post(&wired).await?)?;
            let again = system.post(&wired).await?;
            ensure!(
                matches!(&again, Answer::Accepted { hub_id, repeated: true, .. }
                    if *hub_id == first.to_string()),
                "a repeat is {again:?} (P3)"
            );
            ids.push(first);
        }
        ensure!(sent.len() == 3 && ids.iter().collect::<BTreeSet<_>>().len() == 3, "not three");
        for id in &ids {
            becomes(&self.near, &near, id, "delivered").await?;
        }

        let operator = Operator::load(self.far.path(), &far.operations)?;
        let (mut arrived, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for there in self.far_ids(&far, id.as_str()).await? {
            let path = format!("/v1/inbox/{there}");
            let (_, _, payload) = answer(reader.request(Method::GET, &path)).await?;
            ensure!(arrived.insert(Digest(sha256(&payload))), "it arrived twice (P3)");
            let shown = operator.get(&format!("/ops/v1/messages/{there}")).await?;
            let scope = shown["messages"][0]["record"]["scope"].as_str().context("no scope")?;
            let author = shown["messages"][0]["record"]["metadata"]["author"].as_str();
            ensure!(
                scope.starts_with("sender:") && author.is_some_and(|who| scope.ends_with(who)),
                "the scope on record is {scope}"
            );
            scopes.insert(scope.to_owned());
        }
        ensure!(
            arrived == sent,
            "{} of {} messages arrived as they were",
            arrived.len(),
            sent.len()
        );
        ensure!(scopes.len() == 3, "{} scopes on record", scopes.len());
        near.stop()?;
        far.stop()?;
        Ok("three messages under one id".to_owned())
    }

    /// The second account may act for the first Author as well, and the next hub knows the other one.
    fn let_two_systems_send(&self) -> Result<()> {
        let author = PartyId::parse("ags:05766044")?.to_string();
        self.near.edit("directory.toml", |table| {
            let name = format!("verfahren-{SECOND_SYSTEM}");
            let account = array(table, "account")?
                .iter_mut()
                .filter_map(toml::Value::as_table_mut)
                .find(|account| account["id"].as_str() == Some(&name))
                .context("no second system")?;
            array(account, "parties")?.push(author.into());
            Ok(())
        })?;
        let signer = self.near.path().join(format!("certs/{OTHER_AUTHOR}-sig.pem"));
        self.far.edit("directory.toml", |table| {
            let other = party(table, &format!("ags:{OTHER_AUTHOR}"))?;
            array(other, "certificates")?.push(signer.display().to_string().into());
            Ok(())
        })
    }
}
