//! OpenSSL's verifier, asked about one candidate: it builds the path from nothing but the
//! candidate's own certificates and applies RFC 5280, 6, in its strict mode.

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509Ref, X509StoreContext, X509VerifyResult};

use super::MAX_PATH;
use super::anchors::Demands;
use super::fault::{Broken, PathFault, Reason};
use super::names::ServerName;
use crate::pem::Certificate;

/// Judges a candidate, leaf first, anchor last. `partial` admits an anchor that is not a root.
pub(super) fn judge(
    candidate: &[&Certificate],
    demands: &Demands<'_>,
    partial: bool,
) -> Result<(), PathFault> {
    let [leaf, ..] = candidate else {
        return Ok(());
    };
    let failed = |_| Broken(Reason::Refused, "OpenSSL failed").at(0, leaf);
    match ask(candidate, demands, partial).map_err(failed)? {
        Answer::Holds => Ok(()),
        Answer::OtherPath => Err(Broken(Reason::Refused, "OpenSSL found another path").at(0, leaf)),
        Answer::Broken(result, depth) => {
            let depth = depth.min(candidate.len() - 1);
            Err(Broken(reason(result), result.error_string()).at(depth, candidate[depth]))
        }
    }
}

enum Answer {
    Holds,
    OtherPath,
    Broken(X509VerifyResult, usize),
}

fn ask(
    candidate: &[&Certificate],
    demands: &Demands<'_>,
    partial: bool,
) -> Result<Answer, ErrorStack> {
    let Some(((leaf, anchor), between)) = ends(candidate) else { return Ok(Answer::OtherPath) };
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&*parameters(candidate, demands, partial)?)?;
    store.add_cert(anchor.to_owned())?;
    let mut untrusted = Stack::new()?;
    for certificate in between {
        untrusted.push(certificate.x509().to_owned())?;
    }
    let mut context = X509StoreContext::new()?;
    context.init(&store.build(), leaf, &untrusted, |context| {
        if !context.verify_cert()? {
            return Ok(Answer::Broken(context.error(), context.error_depth() as usize));
        }
        let Some(chain) = context.chain() else { return Ok(Answer::OtherPath) };
        let mut same = chain.len() == candidate.len();
        for (found, wanted) in chain.iter().zip(candidate) {
            same &= found.to_der()? == wanted.der();
        }
        Ok(if same { Answer::Holds } else { Answer::OtherPath })
    })
}

/// Leaf and anchor, which may be one, and what is between them.
fn ends<'a>(
    candidate: &'a [&'a Certificate],
) -> Option<((&'a X509Ref, &'a X509Ref), &'a [&'a Certificate])> {
    let (leaf, rest) = candidate.split_first()?;
    let Some((anchor, between)) = rest.split_last() else {
        return Some(((leaf.x509(), leaf.x509()), &[]));
    };
    Some(((leaf.x509(), anchor.x509()), between))
}

fn parameters(
    candidate: &[&Certificate],
    demands: &Demands<'_>,
    partial: bool,
) -> Result<X509VerifyParam, ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    // POLICY_CHECK: a path that demands a policy (4.2.1.11) must have one.
    param.set_flags(X509VerifyFlags::X509_STRICT | X509VerifyFlags::POLICY_CHECK)?;
    if partial {
        param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    }
    param.set_time(time(candidate, demands));
    param.set_depth(MAX_PATH as i32);
    param.set_auth_level(demands.floors.security_level());
    if let Some(purpose) = demands.purpose.openssl() {
        param.set_purpose(purpose)?;
    }
    // RFC 9525, 6.3: an asterisk stands for a whole label; the common name is not looked at.
    param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT);
    match demands.name {
        Some(ServerName::Dns(name)) => param.set_host(name)?,
        Some(ServerName::Ip(address)) => param.set_ip(*address)?,
        None => {}
    }
    Ok(param)
}

/// The instant for OpenSSL. The spans were judged already, with their last second (RFC 5280, 4.1.2.5);
/// OpenSSL leaves that second out, so it is told one second less where it would matter. It is asked
/// all the same: it also looks at how the times are written.
fn time(candidate: &[&Certificate], demands: &Demands<'_>) -> i64 {
    let ends = candidate.iter().filter_map(|certificate| certificate.validity().until);
    let last = ends.map(|end| end.as_second() - 2).min();
    last.map_or(demands.at.as_second(), |last| last.min(demands.at.as_second()))
}

/// OpenSSL's numbers (x509_vfy.h), which are part of its interface.
fn reason(result: X509VerifyResult) -> Reason {
    match result.as_raw() {
        2 | 18..=21 | 24 | 27..=31 => Reason::NoAnchor,
        4 | 6 | 7 | 77 | 78 => Reason::Signature,
        9 => Reason::NotYetValid,
        10 => Reason::Expired,
        13 | 14 | 41 => Reason::Malformed,
        22 | 25 => Reason::PathLength,
        26 => Reason::ExtendedKeyUsage,
        32 => Reason::KeyUsage,
        34 => Reason::CriticalExtension,
        42 | 43 => Reason::CertificatePolicy,
        47..=49 | 51..=53 => Reason::NameConstraint,
        62 | 64 => Reason::HostName,
        66 | 67 | 94 => Reason::WeakKey,
        68 | 76 => Reason::WeakSignature,
        79 => Reason::NotAnAuthority,
        80..=93 => Reason::Profile,
        _ => Reason::Refused,
    }
}
