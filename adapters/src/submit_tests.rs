//! Tests of submitting: what leaves, and what is said when it goes wrong. The other side is a bare
//! TLS listener that reads some octets; that a hub accepts them is shown in `conformance`.

use std::net::TcpListener;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use amtsbote_domain::validity::Validity;
use amtsbote_wire::native::multipart::{Event, Parser};
use amtsbote_wire::native::problem::Problem;
use amtsbote_wire::signature::Allowed;
use openssl::ssl::SslVersion;

use super::*;
use crate::inbox::{TrustedSigners, verify_author};
use crate::testing::{Keys, answer, at, client, listen, metadata, read_until};

const LONG: Duration = Duration::from_secs(60);
const TLS13: SslVersion = SslVersion::TLS1_3;

fn content(cid: &str, source: Source) -> Content {
    Content { cid: cid.to_owned(), media_type: "application/xml".to_owned(), source }
}

/// The same certificates for everybody.
struct Signers(Vec<TrustedCertificate>);

impl TrustedSigners for Signers {
    fn certificates(&self, _: &PartyId) -> Vec<TrustedCertificate> {
        self.0.clone()
    }

    fn allowed(&self, _: &PartyId, _: Timestamp) -> Allowed {
        Allowed::default()
    }
}

async fn submit(client: &NativeClient, keys: &Keys) -> Result<SubmitOutcome, ClientError> {
    let payload = content("payload", Source::Octets(Bytes::from_static(b"<a/>")));
    let signer = keys.signer();
    let submission =
        Submission { metadata: &metadata(), payload, attachments: vec![], signer: &signer };
    client.submit(submission).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_is_the_signed_message_whole() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large");
    let large: Vec<u8> = (0..3 * CHUNK_BYTES as u32 + 7).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &large).expect("written");
    let (port, serving) = listen(&keys, &keys, TLS13, |stream| read_until(stream, b"--\r\n"));
    let client = client(port, &keys, &keys, LONG);
    let signer = keys.signer();
    let result = client
        .submit(Submission {
            metadata: &metadata(),
            payload: content("payload", Source::Octets(Bytes::from_static(b""))),
            attachments: vec![content("plan", Source::File(path))],
            signer: &signer,
        })
        .await;
    assert!(matches!(result, Err(ClientError::OutcomeUnknown(_))), "{result:?}");
    let request = serving.join().expect("ended").expect("served");

    let end = request.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(request[..end].to_vec()).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("post /v1/messages http/1.1"), "{head}");
    assert!(head.contains(&format!("content-length: {}", request.len() - end)), "{head}");
    assert!(!head.contains("transfer-encoding") && head.contains("accept-language: en"), "{head}");
    let content_type = head.split("content-type: ").nth(1).expect("a type");
    let parts = parts(content_type.lines().next().expect("a line"), &request[end..]);
    let ids: Vec<&str> = parts.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["envelope.xml", "payload", "plan"]);
    assert_eq!(parts[2].1, large);

    let der = keys.certificate.to_der().expect("der");
    let trusted =
        TrustedCertificate { fingerprint: sha256(&der), der, validity: Validity::default() };
    let verify = |trusted: Vec<TrustedCertificate>| {
        verify_author(&parts[0].1, &Signers(trusted), at("2026-11-23T06:00:00Z"))
    };
    let verified = verify(vec![trusted]).expect("signed by the Author");
    assert_eq!(verified.metadata(), &metadata());
    assert_eq!(verified.parts()[1].sha256, sha256(&large));
    assert_eq!(verify(vec![]).expect_err("not trusted").exit_code(), 1);
}

fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut parser = Parser::new(content_type).expect("multipart");
    let (mut parts, mut input) = (Vec::new(), body);
    while let Some(event) = parser.next_event(&mut input).expect("good") {
        match event {
            Event::PartBegin(headers) => parts.push((headers.content_id, Vec::new())),
            Event::Data(octets) => parts.last_mut().expect("a part").1.extend_from_slice(octets),
            Event::PartEnd | Event::End => {}
        }
    }
    parser.finish().expect("whole");
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unreachable() {
    let keys = Keys::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let result = submit(&client(port, &keys, &keys, LONG), &keys).await;
    assert!(matches!(result, Err(ClientError::Unreachable(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_gets_nothing() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (port, serving) = listen(&other, &keys, TLS13, |stream| read_until(stream, b"never"));
    let result = submit(&client(port, &keys, &keys, LONG), &keys).await;
    assert!(matches!(result, Err(ClientError::Unreachable(_))), "{result:?}");
    assert_eq!(serving.join().expect("ended"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_hub_refuses_means_that_it_has_nothing() {
    // Not known at all; of an authority known by the same name with another key.
    for other in [Keys::under("TEST other root"), Keys::new()] {
        let keys = Keys::new();
        for version in [SslVersion::TLS1_2, TLS13] {
            let never = |stream: &mut _| read_until(stream, b"never");
            let (port, serving) = listen(&keys, &other, version, never);
            let result = {
                let client = client(port, &keys, &keys, LONG);
                submit(&client, &keys).await
            };
            assert!(matches!(result, Err(ClientError::Unreachable(_))), "{result:?}");
            assert_eq!(serving.join().expect("ended"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_after_octets_left_is_unknown() {
    let keys = Keys::new();
    for seen in [&b"amtsbote-"[..], b"<envelope.xml>", b"<payload>", b"--\r\n"] {
        let (port, serving) = listen(&keys, &keys, TLS13, move |stream| {
            let octets = read_until(stream, seen);
            stream.get_ref().shutdown(std::net::Shutdown::Both).expect("cut");
            octets
        });
        let result = submit(&client(port, &keys, &keys, LONG), &keys).await;
        let error = result.expect_err("cut");
        assert!(matches!(error, ClientError::OutcomeUnknown(_)), "{error:?}");
        assert_eq!(error.exit_code(), 4);
        assert!(serving.join().expect("ended").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_says_nothing_is_not_waited_for_without_end() {
    let keys = Keys::new();
    let (port, serving) = listen(&keys, &keys, TLS13, |stream| read_until(stream, b"never"));
    let result = {
        let client = client(port, &keys, &keys, Duration::from_millis(300));
        submit(&client, &keys).await
    };
    assert!(matches!(result, Err(ClientError::OutcomeUnknown(_))), "{result:?}");
    assert!(serving.join().expect("ended").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_told_apart() {
    let keys = Keys::new();
    let problem = Problem::new(&Fault::new(Code::ContentInvalid), Language::En, "e-1").to_bytes();
    let internal = Problem::new(&Fault::new(Code::Internal), Language::En, "e-2").to_bytes();
    let json = "application/problem+json";
    let cases = [
        ("422 X", json, problem.clone(), 1),
        ("500 X", json, internal, 4),
        ("422 X", "text/html", problem, 4),
        ("502 X", "text/html", b"<html/>".to_vec(), 4),
        ("302 X", "text/html", b"".to_vec(), 4),
        ("503 X", json, b"{".to_vec(), 4),
        ("201 X", "application/json", b"{}".to_vec(), 4),
        ("201 X", "application/json", vec![b' '; 2 * 1024 * 1024], 4),
    ];
    for (status, media_type, body, exit_code) in cases {
        let (port, serving) = listen(&keys, &keys, TLS13, move |stream| {
            read_until(stream, b"--\r\n");
            answer(stream, &format!("{status}\r\nContent-Type: {media_type}"), &body);
        });
        let result = {
            let client = client(port, &keys, &keys, LONG);
            submit(&client, &keys).await
        };
        let error = result.expect_err("no acceptance");
        assert_eq!(error.exit_code(), exit_code, "{status} {media_type}: {error:?}");
        serving.join().expect("ended").expect("served");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_fails_while_it_is_sent_is_our_own_fault() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("short");
    std::fs::write(&path, b"short").expect("written");
    let (port, serving) = listen(&keys, &keys, TLS13, |stream| read_until(stream, b"never"));
    let client = client(port, &keys, &keys, LONG);
    let part = Part {
        cid: "payload".to_owned(),
        media_type: "application/xml".to_owned(),
        size: 6,
        sha256: Digest([0; 32]),
    };
    let framing = frame(4, &[part]).expect("framed");
    let file = File::open(&path).expect("there");
    let segments =
        vec![Segment::Octets(Bytes::from_static(b"<e/>")), Segment::File { file, left: 6 }];
    let error = client.send(&framing, segments).await.expect_err("cannot be whole");
    assert!(matches!(error, ClientError::Local(_)), "{error:?}");
    let octets = serving.join().expect("ended").expect("served");
    assert!(!octets.ends_with(b"--\r\n"), "the end must not have left");

    let absent = content("payload", Source::File(folder.path().join("absent")));
    assert!(matches!(measure(absent).await, Err(ClientError::Local(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_built_is_not_sent() {
    let keys = Keys::new();
    let client = client(9, &keys, &keys, LONG);
    let signer = keys.signer();
    for cid in ["", "envelope.xml", "a b", "payload\r\nX: 1"] {
        let payload = content(cid, Source::Octets(Bytes::from_static(b"x")));
        let submission =
            Submission { metadata: &metadata(), payload, attachments: vec![], signer: &signer };
        let error = client.submit(submission).await.expect_err(cid);
        assert!(matches!(error, ClientError::Message(_)), "{cid:?}: {error:?}");
    }
}
