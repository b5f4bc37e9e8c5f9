//! Two Readers behind one next hub, a third one here: each delivery goes by itself, under the envelope that all
//! share, and a repetition of each is one (P3).

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::hop;
use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client, Identity, Method};
use serde_json::Value;

use super::{Pair, becomes, party};
use crate::content::notice;
use crate::operations::Operator;
use crate::suite::native::answer;
use crate::town::{Answer, SERVICE, Town};

/// Behind the far hub, as the Reader of all other cases is.
const SECOND: &str = "05770032";
/// Of the near hub.
const HERE: &str = "05758004";

impl Pair {
    /// One message for all three.
    pub(super) async fn several_readers(&self) -> Result<String> {
        self.near.edit("directory.toml", |table| {
            let services = format!("[[service]]\nuri = \"{SERVICE}\"\nvia = \"peer:far\"\n");
            let services: toml::Table = toml::from_str(&services)?;
            let second = party(table, &format!("ags:{SECOND}"))?;
            second.insert("service".into(), services["service"].clone());
            Ok(())
        })?;
        let (near, far) = (self.near.serve()?, self.far.serve()?);
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let here = Town::load(self.near.path(), HERE, &near.native)?;
        let there = [
            Town::load(self.far.path(), "05766020", &far.native)?,
            Town::load(self.far.path(), SECOND, &far.native)?,
        ];
        let metadata = Metadata {
            other_readers: vec![here.party.clone(), there[1].party.clone()],
            ..lemgo.metadata(&there[0].party)
        };
        let draft = Draft { metadata: metadata.clone(), content: &notice };
        let wired = draft.sign(&lemgo.signer)?;
        let ids = match lemgo.post(&wired).await? {
            Answer::Accepted { hub_id, receipt, .. } => deliveries(&hub_id, &receipt)?,
            refused => anyhow::bail!("{refused:?}"),
        };
        ensure!(ids.len() == 3, "{} deliveries", ids.len());
        for n in [0, 2] {
            becomes(&self.near, &near, &ids[n], "delivered").await?;
        }
        let page = here.client.inbox_page(&here.party, None, 1_000, 0).await?;
        ensure!(page.entries.iter().any(|entry| entry.id == ids[1]), "not in the inbox here");

        let on_record = self.far_ids(&far, metadata.transport_id.as_str()).await?;
        ensure!(on_record.len() == 2, "{} on record there", on_record.len());
        let operator = Operator::load(self.near.path(), &near.operations)?;
        let hub = self.as_near_hub()?;
        let url = format!("{}/v1/messages", far.native);
        for (town, id) in there.iter().zip([&ids[0], &ids[2]]) {
            let page = town.client.inbox_page(&town.party, None, 1_000, 0).await?;
            let of_it = page.entries.iter().filter(|one| one.transport_id == metadata.transport_id);
            let of_it: Vec<_> = of_it.collect();
            ensure!(of_it.len() == 1, "{} times for {}", of_it.len(), town.party);
            let entry = of_it[0];
            ensure!(entry.other_readers.len() == 2, "{:?}", entry.other_readers);
            let envelope = town.client.fetch_envelope(&entry.id).await?;
            ensure!(envelope == wired.envelope, "envelope altered");
            let (_, _, payload) =
                answer(town.request(Method::GET, &format!("/v1/inbox/{}", entry.id))).await?;
            ensure!(payload == wired.parts[0].2, "payload altered (P4)");

            // What the near hub would repeat is found, Reader by Reader.
            let shown = operator.get(&format!("/ops/v1/messages/{id}")).await?;
            let record = serde_json::from_value(shown["messages"][0]["record"].clone())?;
            let again = send(&hub, &url, &wired, &record, Some(&town.party)).await?;
            ensure!(again == (200, Some(entry.id.to_string())), "a repeat is {again:?} (P3)");
            // For all of them at once it is no repeat, nor for somebody else a message.
            let (status, _) = send(&hub, &url, &wired, &record, None).await?;
            ensure!(status == 409, "for all Readers after one: {status}");
            let (status, _) = send(&hub, &url, &wired, &record, Some(&lemgo.party)).await?;
            ensure!(status == 400, "for no Reader: {status}");
        }
        let on_record = self.far_ids(&far, metadata.transport_id.as_str()).await?.len();
        ensure!(on_record == 2, "{on_record} on record there in the end");
        near.stop()?;
        far.stop()?;
        Ok("two there, one here".to_owned())
    }

    /// Connects to the far hub as the near one does.
    fn as_near_hub(&self) -> Result<Client> {
        let read = |name: &str| std::fs::read(self.near.path().join(name));
        let authority = std::fs::read(self.far.path().join("ca.pem"))?;
        let certificate = read("clients/05766044-tls.cert.pem")?;
        let key = read("clients/05766044-tls.key.pem")?;
        Ok(Client::builder()
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .identity(Identity::from_pkcs8_pem(&certificate, &key)?)
            .no_proxy()
            .build()?)
    }
}

/// The first delivery and those that its receipt names.
fn deliveries(first: &str, receipt: &[u8]) -> Result<Vec<HubId>> {
    let receipt: Value = serde_json::from_slice(receipt)?;
    let siblings = receipt["record"]["siblings"].as_array().context("no siblings")?;
    let ids = siblings.iter().filter_map(Value::as_str);
    [first].into_iter().chain(ids).map(|id| Ok(HubId::parse(id)?)).collect()
}

/// What the near hub sends; says the status and the id in the answer.
async fn send(
    hub: &Client,
    url: &str,
    wired: &Wired,
    record: &Accepted,
    reader: Option<&PartyId>,
) -> Result<(u16, Option<String>)> {
    let (content_type, body) = wired.body("grenze")?;
    let mut request = hub
        .post(url)
        .header("content-type", content_type)
        .header(hop::SENDER, hop::sender(record).to_string())
        .body(body);
    if let Some(reader) = reader {
        request = request.header(hop::READER, reader.as_str());
    }
    let (status, headers, _) = answer(request).await?;
    let location = headers.get("location").and_then(|value| value.to_str().ok());
    Ok((status, location.and_then(|path| path.rsplit('/').next()).map(str::to_owned)))
}
