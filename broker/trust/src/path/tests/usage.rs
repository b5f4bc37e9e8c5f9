//! What a certificate is for, and for whom.

use super::*;

#[test]
fn purposes_are_told_apart_as_the_peer_does() {
    let root = Authority::root("TEST root");
    let usage = ["digitalSignature"];
    let server = root.issue(&Shape::leaf("TEST s").usage(&usage).extended(&["serverAuth"]));
    let client = root.issue(&Shape::leaf("TEST c").usage(&usage).extended(&["clientAuth"]));
    for (leaf, purpose, option, holds) in [
        (&server, Purpose::TlsServer, "sslserver", true),
        (&server, Purpose::TlsClient, "sslclient", false),
        (&client, Purpose::TlsClient, "sslclient", true),
        (&client, Purpose::TlsServer, "sslserver", false),
    ] {
        let judged = anchors(&[&root]).validate(&leaf.certificate, &[], purpose, today());
        assert_eq!(judged.is_ok(), holds, "{option}");
        assert_eq!(openssl_verifies(&[&root], &[], leaf, &["-purpose", option]), holds);
    }
    let fault = ours(&[&root], &[], &server).expect_err("not for content");
    assert_eq!((fault.reason, fault.depth), (Reason::ExtendedKeyUsage, 0));
    // An issuer restricted to clients cannot make a server.
    let sub = root.issue(&Shape::authority("TEST sub").extended(&["clientAuth"]));
    let leaf = sub.issue(&Shape::leaf("TEST s").usage(&usage).extended(&["serverAuth"]));
    let untrusted = certificates(&[&sub]);
    let judged =
        anchors(&[&root]).validate(&leaf.certificate, &untrusted, Purpose::TlsServer, today());
    assert_eq!(judged.map_err(|f| (f.reason, f.depth)), Err((Reason::ExtendedKeyUsage, 1)));
}

/// OpenSSL knows no purpose for these, so it does not look at what their issuers are restricted to.
#[test]
fn an_issuer_for_servers_makes_no_signers() {
    let root = Authority::root("TEST root");
    let judged = |restricted: &[&'static str], purpose| {
        let sub = root.issue(&Shape::authority("TEST sub").extended(restricted));
        let leaf = sub.issue(&Shape::leaf("TEST a").usage(&["digitalSignature", "keyAgreement"]));
        let known = anchors(&[&root]);
        let judged = known.validate(&leaf.certificate, &certificates(&[&sub]), purpose, today());
        judged.map(drop).map_err(|fault| (fault.reason, fault.depth))
    };
    for purpose in [Purpose::Content, Purpose::Transport, Purpose::Encryption] {
        assert_eq!(judged(&["serverAuth"], purpose), Err((Reason::ExtendedKeyUsage, 1)));
        assert_eq!(judged(&["serverAuth", "emailProtection"], purpose), Ok(()));
        assert_eq!(
            (judged(&["anyExtendedKeyUsage"], purpose), judged(&[], purpose)),
            (Ok(()), Ok(()))
        );
    }
}

#[test]
fn a_server_is_called_by_its_name() {
    let root = Authority::root("TEST root");
    let names = ["hub.example.test", "*.towns.example.test", "127.0.0.1", "::1"];
    let shape =
        Shape::leaf("common.example.test").usage(&["digitalSignature"]).extended(&["serverAuth"]);
    let leaf = root.issue(&shape.names(&names));
    for (name, holds) in [
        ("hub.example.test", true),
        ("HUB.example.TEST", true),
        ("lemgo.towns.example.test", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("example.test", false),
        ("towns.example.test", false),
        ("a.lemgo.towns.example.test", false),
        ("common.example.test", false),
        ("127.0.0.2", false),
    ] {
        let name: ServerName = name.parse().expect("a name");
        let demands = Demands { name: Some(&name), ..Demands::new(Purpose::TlsServer, today()) };
        let judged = anchors(&[&root]).judge(&leaf.certificate, &[], &demands);
        let wanted = if holds { Ok(2) } else { Err(Reason::HostName) };
        assert_eq!(judged.map(|p| p.certificates().len()).map_err(|f| f.reason), wanted, "{name}");
        let option = match name {
            ServerName::Dns(_) => "-verify_hostname",
            ServerName::Ip(_) => "-verify_ip",
        };
        assert_eq!(openssl_verifies(&[&root], &[], &leaf, &[option, &name.to_string()]), holds);
    }
    // Without a subjectAltName there is no name; the common name is none.
    let nameless = root.issue(&Shape::leaf("hub.example.test").extended(&["serverAuth"]));
    let name: ServerName = "hub.example.test".parse().expect("a name");
    let demands = Demands { name: Some(&name), ..Demands::new(Purpose::TlsServer, today()) };
    let judged = anchors(&[&root]).judge(&nameless.certificate, &[], &demands);
    assert_eq!(judged.map_err(|f| f.reason), Err(Reason::HostName));
}
