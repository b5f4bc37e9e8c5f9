//! The doors of a node: what they show and whom they let in. Made as a whole before anything of
//! it is in force; a connection that stands keeps what it was made with.

use std::sync::Arc;

use amtsbote_domain::ports::Clock;
use amtsbote_trust::TrustError;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::Book;
use amtsbote_trust::tls::{Acceptor, ClientCertificate, Staple};

use crate::standing::issuer_of;
use crate::tables::{Current, Tables};

/// The settings of a listener, replaced with the tables.
pub(crate) type Door = Arc<Current<Acceptor>>;

/// What the doors show under these tables: that of the native transport, that of the operations
/// address, and that at which partners are known by what their messages carry.
pub(crate) fn acceptors(
    tables: &Tables,
    book: &Arc<Book>,
    clock: &Arc<dyn Clock>,
) -> Result<[Acceptor; 3], TrustError> {
    let Tables { identity, client_authorities, .. } = tables;
    let issuers = identity.chain().iter().skip(1).cloned().collect();
    let staple = staple(issuers, book.clone(), clock.clone());
    let acceptor =
        |client| Acceptor::new(identity, client_authorities, client, Some(staple.clone()));
    Ok([
        acceptor(ClientCertificate::Required)?,
        acceptor(ClientCertificate::Optional)?,
        acceptor(ClientCertificate::NotAsked)?,
    ])
}

/// What is stapled to our own certificate, issued by one of these.
fn staple(issuers: Vec<Certificate>, book: Arc<Book>, clock: Arc<dyn Clock>) -> Staple {
    Arc::new(move |certificate: &Certificate| {
        let issuer = issuer_of(certificate, &issuers)?;
        book.staple(certificate, issuer, clock.now()).map(|response| response.to_vec())
    })
}
