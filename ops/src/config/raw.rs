//! The tables of the files, as written: names and types, nothing more. What each key means is
//! documented where people look it up, in `amtsbote.example.toml`.

use toml::Spanned;
use toml::value::Datetime;

use super::objects::RawObjects;
use super::table::table;

table! {
    /// `amtsbote.toml`.
    RawNode {
        name: Spanned<String>,
        party: Option<Spanned<String>>,
        #[serde(default = "data")]
        data_dir: String,
        #[serde(default = "directory")]
        directory: String,
        #[serde(default = "permissions")]
        permissions: String,
        #[serde(default = "packs")]
        packs: String,
        #[serde(default)]
        listen: RawListen => RawListen,
        tls: RawTls => RawTls,
        keys: RawKeys => RawKeys,
        #[serde(default)]
        store: RawStore => RawStore,
        #[serde(default)]
        log: RawLog => RawLog,
        #[serde(default)]
        policy: RawPolicy => RawPolicy,
        #[serde(default)]
        trust: RawTrust => RawTrust,
        #[serde(default)]
        revocation: RawRevocation => RawRevocation,
        #[serde(default)]
        limits: RawLimits => RawLimits,
        #[serde(default)]
        delivery: RawDelivery => RawDelivery,
        hints: Option<RawHints> => RawHints,
        osci: Option<RawOsci> => RawOsci,
        #[serde(default)]
        operator: Vec<RawOperator> => RawOperator,
        #[serde(default)]
        peer: Vec<RawPeer> => RawPeer,
    }
}

fn data() -> String {
    "data".to_owned()
}
fn directory() -> String {
    "directory.toml".to_owned()
}
fn permissions() -> String {
    "permissions.toml".to_owned()
}
fn packs() -> String {
    "packs".to_owned()
}

table! {
    #[derive(Default)]
    RawListen {
        native: Option<Spanned<String>>,
        operations: Option<Spanned<String>>,
    }
}

table! {
    RawTls {
        client_authorities: Vec<Spanned<String>>,
        identity: Option<Spanned<String>>,
    }
}

table! {
    RawKeys {
        store: Spanned<String>,
        party: Option<Spanned<String>>,
        passphrase_file: Option<Spanned<String>>,
        passphrase_credential: Option<Spanned<String>>,
    }
}

table! {
    #[derive(Default)]
    RawStore {
        kind: Option<Spanned<String>>,
        node: Option<Spanned<String>>,
        #[serde(default)]
        hosts: Vec<Spanned<String>>,
        port: Option<Spanned<u16>>,
        database: Option<Spanned<String>>,
        user: Option<Spanned<String>>,
        password_file: Option<Spanned<String>>,
        password_credential: Option<Spanned<String>>,
        tls: Option<Spanned<bool>>,
        authority: Option<Spanned<String>>,
        parts_dir: Option<Spanned<String>>,
        objects: Option<RawObjects> => RawObjects,
    }
}

table! {
    #[derive(Default)]
    RawLog {
        format: Option<Spanned<String>>,
        level: Option<Spanned<String>>,
    }
}

table! {
    #[derive(Default)]
    RawPolicy {
        file: Option<Spanned<String>>,
    }
}

table! {
    #[derive(Default)]
    RawTrust {
        #[serde(default)]
        content_anchors: Vec<Spanned<String>>,
        #[serde(default)]
        tls_client_anchors: Vec<Spanned<String>>,
        #[serde(default)]
        intermediates: Vec<Spanned<String>>,
        #[serde(default)]
        require_source: bool,
        grace_hours: Option<Spanned<u32>>,
    }
}

table! {
    RawRevocation {
        #[serde(default)]
        allowed_hosts: Vec<String>,
        #[serde(default)]
        loopback: bool,
        #[serde(default = "yes")]
        crl: bool,
        #[serde(default = "yes")]
        ocsp: bool,
        #[serde(default)]
        nonce: bool,
        timeout_ms: Option<u64>,
        refresh_minutes: Option<u32>,
        proxy: Option<String>,
        #[serde(default)]
        source: Vec<RawSource> => RawSource,
    }
}

impl Default for RawRevocation {
    fn default() -> Self {
        Self {
            allowed_hosts: vec![],
            loopback: false,
            crl: true,
            ocsp: true,
            nonce: false,
            timeout_ms: None,
            refresh_minutes: None,
            proxy: None,
            source: vec![],
        }
    }
}

fn yes() -> bool {
    true
}

table! {
    RawSource {
        issuer: Spanned<String>,
        #[serde(default)]
        crl: Vec<String>,
        #[serde(default)]
        ocsp: Vec<String>,
    }
}

table! {
    #[derive(Default)]
    RawLimits {
        request_bytes: Option<u64>,
        envelope_bytes: Option<u64>,
        payload_bytes: Option<u64>,
        attachment_bytes: Option<u64>,
        parts: Option<usize>,
        account_concurrency: Option<usize>,
        account_messages_per_minute: Option<u32>,
        connections: Option<usize>,
        handshake_ms: Option<u64>,
        request_head_ms: Option<u64>,
        body_idle_ms: Option<u64>,
        body_bytes_per_second: Option<u64>,
        validation_ms: Option<u64>,
        reserve_bytes: Option<u64>,
        alone_hours: Option<u32>,
    }
}

table! {
    #[derive(Default)]
    RawDelivery {
        rules: Option<Spanned<String>>,
        max_attempts: Option<u32>,
        first_wait_ms: Option<u64>,
        longest_wait_ms: Option<u64>,
        lease_ms: Option<u64>,
        attempt_ms: Option<u64>,
        parallel: Option<u32>,
        idle_ms: Option<u64>,
    }
}

table! {
    RawHints {
        url: Spanned<String>,
        #[serde(default = "slash")]
        vhost: String,
        #[serde(default = "amtsbote")]
        user: String,
        password_file: Option<Spanned<String>>,
        password_credential: Option<Spanned<String>>,
        authority: Option<Spanned<String>>,
        identity: Option<Spanned<String>>,
    }
}

table! {
    RawOsci {
        listen: Spanned<String>,
        #[serde(default = "osci_cipher")]
        cipher: Spanned<String>,
        #[serde(default = "osci_signature")]
        signature: Spanned<String>,
    }
}

fn osci_cipher() -> Spanned<String> {
    Spanned::new(0..0, "osci-cipher".to_owned())
}
fn osci_signature() -> Spanned<String> {
    Spanned::new(0..0, "osci-signature".to_owned())
}

fn slash() -> String {
    "/".to_owned()
}
fn amtsbote() -> String {
    "amtsbote".to_owned()
}

table! {
    RawOperator {
        name: String,
        certificate: Spanned<String>,
    }
}

table! {
    RawPeer {
        name: Spanned<String>,
        url: Spanned<String>,
        authority: Spanned<String>,
        certificate: Spanned<String>,
        key: Spanned<String>,
    }
}

table! {
    /// `directory.toml`.
    RawDirectory {
        #[serde(default)]
        party: Vec<RawParty> => RawParty,
        #[serde(default)]
        account: Vec<RawAccount> => RawAccount,
    }
}

table! {
    RawParty {
        id: Spanned<String>,
        name: String,
        #[serde(default)]
        certificates: Vec<Spanned<String>>,
        #[serde(default)]
        cipher_certificates: Vec<Spanned<String>>,
        #[serde(default)]
        legacy: bool,
        legacy_until: Option<Spanned<Datetime>>,
        grace_hours: Option<Spanned<u32>>,
        #[serde(default)]
        service: Vec<RawService> => RawService,
    }
}

table! {
    RawService {
        uri: Spanned<String>,
        via: Spanned<String>,
        valid_from: Option<Spanned<Datetime>>,
        valid_until: Option<Spanned<Datetime>>,
        #[serde(default)]
        certificates: Vec<Spanned<String>>,
        #[serde(default)]
        opaque: bool,
        #[serde(default)]
        test: bool,
    }
}

table! {
    RawAccount {
        id: Spanned<String>,
        certificates: Vec<Spanned<String>>,
        #[serde(default)]
        parties: Vec<Spanned<String>>,
        #[serde(default)]
        relay: bool,
        #[serde(default)]
        legacy: bool,
        legacy_until: Option<Spanned<Datetime>>,
        grace_hours: Option<Spanned<u32>>,
        osci: Option<RawPartner> => RawPartner,
    }
}

table! {
    RawPartner {
        #[serde(default)]
        signature: Vec<Spanned<String>>,
        #[serde(default)]
        cipher: Vec<Spanned<String>>,
        #[serde(default = "yes")]
        signed: bool,
        #[serde(default = "yes")]
        encrypted: bool,
    }
}

table! {
    /// `permissions.toml`.
    RawPermissions {
        #[serde(default)]
        allow: Vec<Spanned<RawAllow>> => RawAllow,
    }
}

table! {
    RawAllow {
        from: Spanned<String>,
        to: Spanned<String>,
        service: Spanned<String>,
        types: Option<Vec<Spanned<String>>>,
        valid_from: Option<Spanned<Datetime>>,
        valid_until: Option<Spanned<Datetime>>,
    }
}

table! {
    /// `delivery.toml`.
    RawRules {
        default: Option<Spanned<RawTreatment>> => RawTreatment,
        #[serde(default)]
        rule: Vec<Spanned<RawRule>> => RawRule,
        #[serde(default)]
        recipient: Vec<Spanned<RawRecipient>> => RawRecipient,
        #[serde(default)]
        lane: Vec<Spanned<RawLane>> => RawLane,
        #[serde(default)]
        calendar: RawCalendar => RawCalendar,
        #[serde(default)]
        successor: Vec<Spanned<RawSuccessor>> => RawSuccessor,
    }
}

table! {
    RawTreatment {
        max_attempts: Option<u32>,
        first_wait_ms: Option<u64>,
        longest_wait_ms: Option<u64>,
        time_to_live_hours: Option<u32>,
        working_days: Option<u32>,
        notice_before_hours: Option<u32>,
        lane: Option<Spanned<String>>,
        in_order: Option<bool>,
        alternative: Option<Vec<Spanned<RawAlternative>>> => RawAlternative,
    }
}

table! {
    RawLane {
        name: Spanned<String>,
        weight: u32,
    }
}

table! {
    RawAlternative {
        via: Spanned<String>,
        out_longer_s: Option<u64>,
        failed_more: Option<u32>,
        #[serde(default)]
        maintenance_over_end: bool,
    }
}

table! {
    RawRule {
        service: Option<Spanned<String>>,
        to: Option<Spanned<String>>,
        max_attempts: Option<u32>,
        first_wait_ms: Option<u64>,
        longest_wait_ms: Option<u64>,
        time_to_live_hours: Option<u32>,
        working_days: Option<u32>,
        lane: Option<Spanned<String>>,
        in_order: Option<bool>,
        alternative: Option<Vec<Spanned<RawAlternative>>> => RawAlternative,
        notice_before_hours: Option<u32>,
    }
}

table! {
    RawRecipient {
        peer: Spanned<String>,
        parallel: Option<Spanned<u32>>,
        rate: Option<Spanned<u32>>,
        #[serde(default)]
        breaker: RawBreaker => RawBreaker,
        #[serde(default)]
        weekly: Vec<RawWeekly> => RawWeekly,
        #[serde(default)]
        maintenance: Vec<RawMaintenance> => RawMaintenance,
    }
}

table! {
    #[derive(Default)]
    RawBreaker {
        failures: Option<u32>,
        first_pause_ms: Option<u64>,
        longest_pause_ms: Option<u64>,
        pace: Option<u32>,
        full_pace: Option<u32>,
    }
}

table! {
    RawWeekly {
        day: Spanned<String>,
        from: Spanned<Datetime>,
        until: Spanned<Datetime>,
    }
}

table! {
    RawMaintenance {
        from: Spanned<Datetime>,
        until: Spanned<Datetime>,
    }
}

table! {
    #[derive(Default)]
    RawCalendar {
        #[serde(default)]
        christmas_eve: bool,
        #[serde(default)]
        new_years_eve: bool,
        #[serde(default)]
        closed: Vec<Spanned<Datetime>>,
    }
}

table! {
    RawSuccessor {
        old: Spanned<String>,
        new: Spanned<String>,
        from: Spanned<Datetime>,
        note: String,
    }
}

table! {
    /// `client.toml`.
    RawClient {
        url: Option<Spanned<String>>,
        operations_url: Option<Spanned<String>>,
        ca: Spanned<String>,
        certificate: Spanned<String>,
        key: Spanned<String>,
        signing_certificate: Option<Spanned<String>>,
        signing_key: Option<Spanned<String>>,
        party: Option<Spanned<String>>,
        verifier: Option<Spanned<String>>,
        trusted_certificates: Option<Spanned<String>>,
        #[serde(default)]
        legacy_authors: Vec<Spanned<String>>,
    }
}
