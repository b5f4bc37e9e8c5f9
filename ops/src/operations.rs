//! The operations API of a running hub, asked under a personal certificate.

use std::io::Write;
use std::time::Duration;

use amtsbote_domain::fault::Code;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem::Problem;
use reqwest::{Certificate, Identity, Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::client::ClientConfig;
use crate::outcome::{Context, Exit, Failure};

/// Longest JSON document that is read, in bytes.
const MAX_DOCUMENT: usize = 64 << 20;
/// Longest wait for the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence while an answer is awaited: verifying a long log takes its time.
const SILENCE: Duration = Duration::from_secs(600);

/// A connection to the operations API.
pub(crate) struct Operations {
    http: reqwest::Client,
    base: Url,
}

/// Names and values of a query; what is none is left out.
pub(crate) type Query<'a> = &'a [(&'a str, Option<String>)];

impl Operations {
    /// Prepares it; connects with the first question.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Failure> {
        let base = config.operations_url()?;
        let base: Url = base.parse().or_usage("operations_url", "operations_url")?;
        let wrong = ("TLS-Einstellungen des Clients", "TLS settings of the client");
        let identity = Identity::from_pkcs8_pem(&config.certificate_pem, &config.key_pem)
            .or_usage(wrong.0, wrong.1)?;
        let authorities =
            Certificate::from_pem_bundle(&config.ca_pem).or_usage(wrong.0, wrong.1)?;
        let http = reqwest::Client::builder()
            .identity(identity)
            .tls_certs_only(authorities)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .or_usage(wrong.0, wrong.1)?;
        Ok(Self { http, base })
    }

    /// Asks for a document.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        self.document(Method::GET, path, query).await
    }

    /// Has something done.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.document(Method::POST, path, &[]).await
    }

    /// Has something done that needs words.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        read(self.ask_with(path, body).await?).await
    }

    /// The same, with the answer as it comes.
    pub(crate) async fn ask_with(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Response, Failure> {
        let body = serde_json::to_vec(body).map_err(anyhow::Error::from)?;
        self.answer(self.http.post(self.url(path, &[])?).body(body)).await
    }

    /// Asks for octets and writes them as they come; says how many.
    pub(crate) async fn copy(
        &self,
        path: &[&str],
        target: &mut impl Write,
    ) -> Result<u64, Failure> {
        let mut response = self.ask(Method::GET, path, &[]).await?;
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.or_not_now(BROKEN.0, BROKEN.1)? {
            target.write_all(&chunk).or_not_now("Schreiben", "writing")?;
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    async fn document<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        read(self.ask(method, path, query).await?).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<Response, Failure> {
        self.answer(self.http.request(method, self.url(path, query)?)).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| {
            let base = &self.base;
            let cause = anyhow::Error::from(error.without_url());
            Failure::not_now(
                format!("Der Knoten unter {base} ist nicht erreichbar: {cause:#}"),
                format!("The hub at {base} cannot be reached: {cause:#}"),
            )
        })?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    /// The segments of a path are encoded, so an id with odd characters stays one segment.
    fn url(&self, path: &[&str], query: Query<'_>) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| {
                Failure::usage("operations_url ist keine Adresse", "operations_url is no address")
            })?
            .pop_if_empty()
            .extend(["ops", "v1"])
            .extend(path);
        let given = query.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        for (name, value) in given {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    serde_json::from_slice(&limited(response).await?).or_not_now(
        "Die Antwort des Knotens ist nicht lesbar",
        "The answer of the hub cannot be read",
    )
}

const BROKEN: (&str, &str) =
    ("Die Antwort des Knotens brach ab", "The answer of the hub broke off");

async fn limited(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.or_not_now(BROKEN.0, BROKEN.1)? {
        if octets.len() + chunk.len() > MAX_DOCUMENT {
            return Err(Failure::not_now(
                "Die Antwort des Knotens ist größer als 64 MiB; --limit verkleinern",
                "The answer of the hub is larger than 64 MiB; use a smaller --limit",
            ));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

/// A refusal, in words; the hub answers operators in English, the code has both languages.
async fn refused(response: Response) -> Failure {
    let status = response.status();
    let exit =
        if status.is_server_error() || status.as_u16() == 429 { Exit::NotNow } else { Exit::No };
    let problem = match limited(response).await {
        Ok(octets) => Problem::parse(&octets).ok(),
        Err(failure) => return failure,
    };
    match problem {
        Some(problem) => match problem.code() {
            Some(code) => {
                let more = [problem.place, problem.rule].into_iter().flatten().collect::<Vec<_>>();
                let more = match more.is_empty() {
                    true => String::new(),
                    false => format!(" [{}]", more.join(", ")),
                };
                let text = |language| format!("{}{more}", explained(code, language));
                Failure::new(exit, text(Language::De), text(Language::En))
            }
            None => {
                let text = format!("{}: {} {}", problem.code, problem.title, problem.advice);
                Failure::new(exit, &text, &text)
            }
        },
        None => Failure::new(exit, format!("HTTP {status}"), format!("HTTP {status}")),
    }
}

/// A code with title and advice.
pub(crate) fn explained(code: Code, language: Language) -> String {
    format!("{code}: {} {}", code.title().get(language), code.advice().get(language))
}
