//! A procedure system of a town, with the keys that `init --dev` gave it.

use std::path::Path;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_adapters::{ClientOptions, NativeClient, Timeouts};
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::Clock;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem::Problem;
use amtsbote_wire::signature::OpensslSigner;
use anyhow::{Context, Result, anyhow, bail, ensure};
use openssl::pkey::PKey;
use openssl::x509::X509;
use uuid::Uuid;

use crate::client_file::ClientFile;

/// The service that every town of the example region offers.
pub(crate) const SERVICE: &str = "urn:amtsbote:service:xummeldung";
/// Octets of an answer.
const ANSWER_BYTES: usize = 1 << 20;

/// One procedure system.
pub(crate) struct Town {
    /// Its authority.
    pub party: PartyId,
    /// What its Author signs with.
    pub signer: OpensslSigner,
    /// The client library of the product.
    pub client: NativeClient,
    raw: reqwest::Client,
    url: String,
}

/// What the hub answered to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 201 or 200 with a receipt.
    Accepted {
        /// The hub's id, from `Location`.
        hub_id: String,
        /// The receipt's octets.
        receipt: Vec<u8>,
        /// 200 instead of 201.
        repeated: bool,
    },
    /// A problem document.
    Refused(Box<Problem>),
}

impl Answer {
    /// The code of a refusal.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => problem.code(),
            Self::Accepted { .. } => None,
        }
    }
}

impl Town {
    /// The town with this key, speaking to a node at `native`.
    pub(crate) fn load(folder: &Path, ags: &str, native: &str) -> Result<Self> {
        let file = ClientFile::load(folder, ags)?;
        let named = |name: &Option<String>| {
            file.read(name.as_deref().with_context(|| format!("{ags} signs nothing"))?)
        };
        let signer = OpensslSigner::new(
            PKey::private_key_from_pem(&named(&file.signing_key)?)?,
            &X509::from_pem(&named(&file.signing_certificate)?)?,
        )?;
        let [ca_pem, certificate_pem, key_pem] = file.tls()?;
        let client = NativeClient::new(ClientOptions {
            base_url: native.to_owned(),
            ca_pem,
            certificate_pem,
            key_pem,
            hub_key: VerifierKey::parse(&file.verifier).map_err(|e| anyhow!("{e}"))?,
            timeouts: Timeouts::default(),
            language: Language::En,
        })?;
        let raw = file.http()?;
        let party = file.party.with_context(|| format!("{ags} is nobody's client"))?;
        Ok(Self { party, signer, client, raw, url: native.to_owned() })
    }

    /// Metadata for a message to `reader` under a fresh transport id.
    pub(crate) fn metadata(&self, reader: &PartyId) -> Metadata {
        let created = amtsbote_broker::clock::SystemClock.now();
        Metadata {
            author: self.party.clone(),
            reader: reader.clone(),
            other_readers: vec![],
            service: ServiceUri::parse(SERVICE).expect("the constant is a service"),
            message_type: None,
            transport_id: TransportId::parse(&Uuid::new_v4().to_string())
                .expect("a UUID is a transport id"),
            business_id: Some(
                MessageUuid::parse(&Uuid::new_v4().to_string()).expect("a UUID is a business id"),
            ),
            created,
            not_before: None,
            expires: None,
            test: false,
        }
    }

    /// A good notice to `reader`, signed.
    pub(crate) fn notice(&self, reader: &PartyId) -> Result<(Metadata, Wired)> {
        let metadata = self.metadata(reader);
        let draft = Draft { metadata: metadata.clone(), content: &crate::content::notice };
        Ok((metadata, draft.sign(&self.signer)?))
    }

    /// Hands a message over as it is.
    pub(crate) async fn post(&self, wired: &Wired) -> Result<Answer> {
        let boundary = format!("b-{}", Uuid::new_v4().simple());
        let (content_type, body) = wired.body(&boundary)?;
        self.post_body(&content_type, body).await
    }

    /// Hands any body over.
    pub(crate) async fn post_body(&self, content_type: &str, body: Vec<u8>) -> Result<Answer> {
        let mut answer = self
            .raw
            .post(format!("{}/v1/messages", self.url))
            .header("content-type", content_type)
            .body(body)
            .send()
            .await?;
        let status = answer.status().as_u16();
        let location = answer
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.rsplit('/').next())
            .map(str::to_owned);
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            ensure!(octets.len() + chunk.len() <= ANSWER_BYTES, "the answer is too long");
            octets.extend_from_slice(&chunk);
        }
        match (status, location) {
            (200 | 201, Some(hub_id)) => {
                Ok(Answer::Accepted { hub_id, receipt: octets, repeated: status == 200 })
            }
            (400.., _) => {
                let problem = Problem::parse(&octets).context("not a problem document")?;
                ensure!(problem.status == status, "status {status} with {problem:?}");
                Ok(Answer::Refused(Box::new(problem)))
            }
            (status, _) => bail!("status {status} means nothing here"),
        }
    }

    /// A plain request under the town's certificate.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.raw.request(method, format!("{}{path}", self.url))
    }
}
