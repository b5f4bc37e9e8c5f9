//! Recognises private keys where they have no business, in every form in which people pass them on.
//!
//! It need not understand them, and looks at their beginnings only: what it takes for a key is
//! refused, and what is no certificate is refused all the same, only with another reason.

/// What stands in front of private keys and of stores that are made to hold them.
const BEGINNINGS: [&[u8]; 4] = [
    // OpenSSH, without the armour of its PEM form.
    b"openssh-key-v1\0",
    b"PuTTY-User-Key-File-",
    // Java key stores: JKS and JCEKS.
    b"\xfe\xed\xfe\xed",
    b"\xce\xce\xce\xce",
];

/// Whether the octets look like a private key, or like a store of them.
pub(super) fn is_private_key(octets: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| octets.starts_with(beginning))
        || is_der(octets)
        || is_pgp(octets)
        || octets.split(|c| matches!(c, b'\n' | b'\r')).any(is_armour)
}

/// A line that begins a key as text: `-----BEGIN ... PRIVATE KEY ...-----` of PEM, OpenSSH and PGP,
/// `---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----`, and PuTTY's.
fn is_armour(line: &[u8]) -> bool {
    let holds = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
    holds(b"PuTTY-User-Key-File-")
        || holds(b"--") && holds(b"BEGIN") && (holds(b"PRIVATE KEY") || holds(b"SECRET KEY"))
}

/// PKCS#1, SEC 1 and PKCS#8 keys, encrypted PKCS#8 keys, and PKCS#12 files.
fn is_der(octets: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    /// 1.2.840.113549.1.5 (PKCS#5) and 1.2.840.113549.1.12.1 (PKCS#12): encryption by passphrase.
    const BY_PASSPHRASE: [&[u8]; 2] =
        [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];
    let inside = |octets, tag| element(octets).filter(|(found, _)| *found == tag).map(|(_, at)| at);
    let Some(outer) = inside(octets, SEQUENCE) else { return false };
    match element(outer) {
        // All of them begin with their version: 0 or 1 in keys, 3 in PKCS#12. A certificate begins
        // with a SEQUENCE, a public key in PKCS#1 with a large number.
        Some((INTEGER, value)) => {
            outer[1..].starts_with(b"\x01") && matches!(value.first(), Some(0 | 1 | 3))
        }
        Some((SEQUENCE, algorithm)) => element(algorithm).is_some_and(|(tag, name)| {
            tag == 0x06 && BY_PASSPHRASE.iter().any(|arc| name.starts_with(arc))
        }),
        _ => false,
    }
}

/// Tag of the first element, and the octets from where its contents begin. Its length counts for
/// nothing: a key that is cut off is a key.
fn element(octets: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let more = match length {
        // 0x80 is the indefinite length of BER, which some programs use for PKCS#12.
        0x00..=0x80 => 0,
        longer => usize::from(longer & 0x7f),
    };
    Some((tag, rest.get(more..)?))
}

/// A packet with a secret key or subkey without armour (RFC 9580, 4.2 and 5: tags 5 and 7).
fn is_pgp(octets: &[u8]) -> bool {
    let Some(&first) = octets.first() else { return false };
    let (tag, head) = match first {
        0xc0..=0xff => (first & 0x3f, 1 + new_length(octets)),
        0x80..=0xbf => ((first >> 2) & 0x0f, [2, 3, 5, 1][usize::from(first & 3)]),
        _ => return false,
    };
    // The version tells a packet from other octets that begin like one.
    matches!(tag, 5 | 7) && octets.get(head).is_some_and(|version| (2..=6).contains(version))
}

/// Octets of a length in the newer form of packets (RFC 9580, 4.2.1).
fn new_length(octets: &[u8]) -> usize {
    match octets.get(1) {
        Some(192..=223) => 2,
        Some(255) => 5,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::tests::{issue, openssl};
    use crate::testca::{KeyKind, Purpose};
    use std::path::Path;
    use std::process::Command;

    fn made_by(program: &str, arguments: &[&str], package: &str) {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .unwrap_or_else(|_| panic!("the tool {program} is needed (Debian package {package})"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn read(path: &Path) -> Vec<u8> {
        std::fs::read(path).expect("there")
    }

    #[test]
    fn keys_that_openssl_writes_are_recognised() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let (key, out) = (path("key.pem"), path("out"));
        let issued = issue("TEST a", Purpose::Client);
        std::fs::write(&key, issued.key_pem().expect("pem")).expect("written");
        std::fs::write(path("cert.pem"), issued.chain_pem().expect("pem")).expect("written");
        let rsa = path("rsa.pem");
        openssl(&["genrsa", "-out", &rsa, "2048"]);
        let pass = ["-passout", "pass:geheim"];
        let forms: Vec<Vec<&str>> = vec![
            vec!["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", &key],
            vec!["pkcs8", "-topk8", "-outform", "DER", "-in", &key, pass[0], pass[1]],
            vec![
                "pkcs8",
                "-topk8",
                "-v1",
                "PBE-SHA1-3DES",
                "-outform",
                "DER",
                "-in",
                &key,
                pass[0],
                pass[1],
            ],
            vec!["ec", "-outform", "DER", "-in", &key],
            vec!["rsa", "-traditional", "-outform", "DER", "-in", &rsa],
            vec!["rsa", "-traditional", "-in", &rsa],
            vec!["rsa", "-traditional", "-aes256", "-in", &rsa, pass[0], pass[1]],
            vec!["pkcs12", "-export", "-inkey", &key, "-in", "CERT", pass[0], pass[1]],
            vec!["pkcs12", "-export", "-nokeys", "-in", "CERT", pass[0], pass[1]],
        ];
        let cert = path("cert.pem");
        for form in forms {
            let mut arguments: Vec<&str> = form
                .iter()
                .map(|word| if *word == "CERT" { cert.as_str() } else { word })
                .collect();
            arguments.extend(["-out", &out]);
            openssl(&arguments);
            assert!(is_private_key(&read(Path::new(&out))), "{form:?}");
        }
        let public: [&[&str]; 3] = [
            &["ec", "-pubout", "-outform", "DER", "-in", &key],
            &["rsa", "-RSAPublicKey_out", "-outform", "DER", "-in", &rsa],
            &["x509", "-outform", "DER", "-in", &cert],
        ];
        for form in public {
            openssl(&[form, &["-out", &out]].concat());
            assert!(!is_private_key(&read(Path::new(&out))), "{form:?}");
        }
    }

    #[test]
    fn keys_of_ssh_and_pgp_are_recognised() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("UTF-8").to_owned();
        let key = format!("{home}/id");
        made_by("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key], "openssh-client");
        assert!(is_private_key(&read(Path::new(&key))));
        assert!(!is_private_key(&read(Path::new(&format!("{key}.pub")))));
        let quiet =
            ["--homedir", &home, "--batch", "--passphrase", "", "--pinentry-mode", "loopback"];
        let gpg = |arguments: &[&str]| made_by("gpg", &[&quiet, arguments].concat(), "gpg");
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("set");
        gpg(&["--quick-generate-key", "TEST Person", "ed25519", "sign", "never"]);
        for (export, armour, private) in [
            ("--export-secret-keys", true, true),
            ("--export-secret-keys", false, true),
            ("--export-secret-subkeys", true, true),
            ("--export", true, false),
            ("--export", false, false),
        ] {
            let out = format!("{home}/out");
            drop(std::fs::remove_file(&out));
            let armour: &[&str] = if armour { &["--armor"] } else { &[] };
            gpg(&[armour, &["--output", &out, export]].concat());
            assert_eq!(is_private_key(&read(Path::new(&out))), private, "{export} {armour:?}");
        }
        // The agent that gpg started goes with its folder.
        made_by("gpgconf", &["--homedir", &home, "--kill", "gpg-agent"], "gpgconf");
    }

    #[test]
    fn forms_without_a_tool_are_recognised() {
        for text in [
            &b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"[..],
            b"some words\nPuTTY-User-Key-File-2: ssh-rsa\n",
            b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n",
            b"\xef\xbb\xbf-----BEGIN RSA PRIVATE KEY-----",
            b"openssh-key-v1\0\0\0\0\x04none",
            b"\xfe\xed\xfe\xed\0\0\0\x02",
            b"\x30\x80\x02\x01\x03\x30\x80",
        ] {
            assert!(is_private_key(text), "{}", String::from_utf8_lossy(text));
        }
        for text in [
            &b""[..],
            b"\x30",
            b"\x30\x82",
            b"\x30\x03\x02\x01\x02",
            b"\xc5",
            b"X509v3 Private Key Usage Period:",
            b"friendlyName: PRIVATE KEY of somebody",
        ] {
            assert!(!is_private_key(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn any_certificate_is_none() {
        for kind in [KeyKind::EcP256, KeyKind::Rsa3072] {
            let certificate = crate::testca::tests::ca(kind).certificate();
            assert!(!is_private_key(certificate.der()));
            assert!(!is_private_key(&certificate.to_pem().expect("pem")));
        }
    }
}
