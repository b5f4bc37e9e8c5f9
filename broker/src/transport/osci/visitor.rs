//! Whose order it is: known by certificates that the message carries.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Directory, Partner, TrustedCertificate};
use amtsbote_domain::identity::AccountId;
use amtsbote_wire::osci::dialogue::{Challenge, ConversationId, Fresh};
use amtsbote_wire::osci::signature::Claimed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::rand::rand_bytes;
use openssl::sha::sha256;

/// Octets of a challenge, before they are Base64.
const CHALLENGE: usize = 18;
/// Digits of a conversation id that say in which account's dialogues to look. They are no secret.
const ACCOUNT_DIGITS: usize = 9;
/// Digits of a conversation id that are drawn.
const DRAWN_DIGITS: usize = 36;

/// Whose order it says it is; nothing is proven by that.
#[derive(Clone, Copy)]
pub(super) struct Claimant<'t> {
    /// How the account is known.
    pub(super) partner: &'t Partner,
    /// The account.
    pub(super) account: &'t Account,
}

/// Whose order it is, by what it claims: the certificate of its signature, else its cipher certificate,
/// else its dialogue.
pub(super) fn claimant<'t>(directory: &'t Directory, claimed: &Claimed) -> Option<Claimant<'t>> {
    let found = if claimed.is_signed() {
        let digests = claimed.certificates().iter().map(|named| Digest(sha256(&named.der)));
        digests.into_iter().find_map(|digest| directory.signing_partner(&digest))
    } else if let Some(cipher) = claimed.cipher_certificate() {
        directory.reading_partner(&Digest(sha256(cipher)))
    } else {
        let digits = claimed.conversation_id()?.as_str().get(..ACCOUNT_DIGITS)?;
        let of = |partner: &&Partner| account_digits(&partner.account) == digits;
        let partner = directory.partners().iter().find(of)?;
        let mut accounts = directory.accounts().iter();
        accounts.find(|account| account.id == partner.account).map(|account| (partner, account))
    };
    found.map(|(partner, account)| Claimant { partner, account })
}

impl Claimant<'_> {
    /// The cipher certificate of the account with this DER, valid at that time.
    pub(super) fn cipher(&self, der: &[u8], at: Timestamp) -> Option<&TrustedCertificate> {
        let mut own = self.partner.cipher.iter();
        own.find(|known| known.der == der && known.validity.holds(at))
    }

    /// The signature certificate of the account with this DER.
    pub(super) fn signature(&self, der: &[u8]) -> Option<&TrustedCertificate> {
        self.partner.signature.iter().find(|known| known.der == der)
    }
}

/// What is new in an answer to this account. None without randomness.
pub(super) fn fresh(account: &AccountId) -> Option<Fresh> {
    let mut octets = [0; CHALLENGE + DRAWN_DIGITS];
    rand_bytes(&mut octets).ok()?;
    let (challenge, digits) = octets.split_at(CHALLENGE);
    let challenge = Challenge::parse(&STANDARD.encode(challenge))?;
    // Not every digit is equally likely; all together they are far more than anybody can guess.
    let drawn: String = digits.iter().map(|octet| char::from(b'0' + octet % 10)).collect();
    let conversation = ConversationId::parse(&format!("{}{drawn}", account_digits(account)))?;
    Fresh::new(conversation, challenge)
}

fn account_digits(account: &AccountId) -> String {
    let digest = sha256(account.as_str().as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    format!("{:0ACCOUNT_DIGITS$}", number % 1_000_000_000)
}
