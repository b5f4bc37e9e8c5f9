//! Certificates judged at a given instant (P10). There is no clock here.

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::validity::Validity;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::X509Ref;

use crate::error::TrustError;

/// Why a certificate does not count at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotValid {
    /// Its time has not come.
    #[error("the certificate is valid from {from}")]
    NotYet {
        /// First instant.
        from: Timestamp,
    },
    /// Its time is over.
    #[error("the certificate was valid until {until}")]
    Expired {
        /// First instant after.
        until: Timestamp,
    },
}

impl From<NotValid> for Fault {
    fn from(reason: NotValid) -> Self {
        Fault::new(Code::CertificateNotValid).because(reason)
    }
}

/// Judges a span of time at `at`.
pub fn judge(validity: &Validity, at: Timestamp) -> Result<(), NotValid> {
    match (validity.from, validity.until) {
        (Some(from), _) if at < from => Err(NotValid::NotYet { from }),
        (_, Some(until)) if until <= at => Err(NotValid::Expired { until }),
        _ => Ok(()),
    }
}

/// Whole days from `at` until the end, for warnings; none when it has no end, negative when over.
pub fn days_left(validity: &Validity, at: Timestamp) -> Option<i64> {
    const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
    let until = validity.until?;
    Some((until.as_second() - at.as_second()).div_euclid(SECONDS_PER_DAY))
}

/// The validity of a certificate. RFC 5280, 4.1.2.5: both of its dates belong to it, to the second;
/// [`Validity`] ends before its end, which is one second later.
pub fn of(x509: &X509Ref) -> Result<Validity, TrustError> {
    Ok(Validity {
        from: Some(instant(x509.not_before())?),
        until: Some(
            instant(x509.not_after())?
                .checked_add(jiff::SignedDuration::from_secs(1))
                .map_err(|_| TrustError::Malformed)?,
        ),
    })
}

fn instant(time: &Asn1TimeRef) -> Result<Timestamp, TrustError> {
    const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Timestamp::from_second(i64::from(since.days) * SECONDS_PER_DAY + i64::from(since.secs))
        .map_err(|_| TrustError::Malformed)
}

/// The other way round, for certificates that are issued here.
pub(crate) fn asn1(at: Timestamp) -> Result<Asn1Time, TrustError> {
    Ok(Asn1Time::from_unix(at.as_second())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::Purpose;
    use crate::testca::tests::{FROM, UNTIL, issue};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn both_dates_of_a_certificate_belong_to_it() {
        let certificate = issue("TEST a", Purpose::Client).certificate().clone();
        let (from, until) = (at(FROM), at(UNTIL));
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(certificate.validity(), Validity { from: Some(from), until: Some(until) });
        let judged = |at| judge(&certificate.validity(), at);
        assert_eq!(judged(from), Ok(()));
        assert_eq!(judged(until - second), Ok(()));
        assert_eq!(judged(from - second), Err(NotValid::NotYet { from }));
        assert_eq!(judged(until), Err(NotValid::Expired { until }));
        assert_eq!(Fault::from(NotValid::Expired { until }).code, Code::CertificateNotValid);
    }

    #[test]
    fn days_are_counted_whole() {
        let validity = Validity { from: None, until: Some(at("2026-11-30T00:00:00Z")) };
        assert_eq!(days_left(&validity, at("2026-11-23T00:00:00Z")), Some(7));
        assert_eq!(days_left(&validity, at("2026-11-23T00:00:01Z")), Some(6));
        assert_eq!(days_left(&validity, at("2026-11-30T00:00:01Z")), Some(-1));
        assert_eq!(days_left(&Validity::default(), at(FROM)), None);
    }
}
