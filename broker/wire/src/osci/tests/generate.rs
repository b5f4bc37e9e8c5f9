//! Messages of every type, made up.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::osci::dialogue::Challenge;
use crate::osci::*;

/// Any text that XML can hold, among it what must be written otherwise.
fn text() -> impl Strategy<Value = String> {
    "[ -~äöüßÄ€\u{10000}\t\n\r]{0,24}"
}

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z0-9+/=.]{1,20}"
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..150)
}

pub(super) fn date_time() -> impl Strategy<Value = DateTime> {
    let date = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
    let text = format!("{date}T{time}(\\.[0-9]{{1,12}})?(Z|[+-]0[0-9]:[0-5][0-9])?");
    proptest::string::string_regex(&text)
        .expect("a pattern")
        .prop_map(|text| DateTime::parse(&text).expect("a time"))
}

fn language() -> impl Strategy<Value = Language> {
    "(de|en|fr-CH|dsb)".prop_map(|text| Language::parse(&text).expect("a language"))
}

fn message_id() -> impl Strategy<Value = MessageId> {
    octets().prop_map(|octets| MessageId::new(octets).expect("an id"))
}

/// Identifiers must be unique in a message, so each role has its own.
fn certificate(role: &'static str) -> impl Strategy<Value = Certificate> {
    (any::<bool>(), octets())
        .prop_map(move |(named, der)| Certificate { id: named.then(|| role.to_owned()), der })
}

fn certificates(role: &'static str) -> impl Strategy<Value = Vec<Certificate>> {
    vec(certificate(role), 0..3).prop_map(|mut all| {
        for (n, certificate) in all.iter_mut().enumerate() {
            certificate.id = certificate.id.take().map(|id| format!("{id}_{n}"));
        }
        all
    })
}

/// What the schema of this message allows.
fn non_intermediary(kind: MessageType) -> BoxedStrategy<NonIntermediaryCertificates> {
    use MessageType as T;
    let all = (
        of(certificate("originator_cipher")),
        certificates("author_cipher"),
        of(certificate("addressee_cipher")),
        certificates("reader_cipher"),
        of(certificate("originator_signature")),
        certificates("author_signature"),
        of(certificate("addressee_signature")),
        certificate("x_cipher"),
    );
    all.prop_map(move |(a, b, c, d, e, f, g, other)| {
        let mut found = NonIntermediaryCertificates {
            cipher_originator: a,
            cipher_other_authors: b,
            cipher_addressee: c,
            cipher_other_readers: d,
            signature_originator: e,
            signature_other_authors: f,
            signature_addressee: g,
        };
        match kind {
            T::GetMessageId | T::InitDialog => {
                found = NonIntermediaryCertificates {
                    cipher_originator: found
                        .cipher_originator
                        .or_else(|| (kind == T::InitDialog).then_some(other)),
                    signature_originator: found.signature_originator,
                    ..Default::default()
                };
            }
            T::ExitDialog | T::FetchDelivery | T::FetchProcessCard | T::PartialFetchDelivery => {
                found = NonIntermediaryCertificates {
                    signature_originator: found.signature_originator,
                    ..Default::default()
                };
            }
            T::StoreDelivery | T::PartialStoreDelivery => {
                found.cipher_addressee.get_or_insert(other);
                found.signature_addressee = None;
            }
            T::ResponseToAcceptDelivery => {
                found = NonIntermediaryCertificates {
                    signature_addressee: found.signature_addressee,
                    ..Default::default()
                };
            }
            _ => {}
        }
        found
    })
    .boxed()
}

fn intermediary(with_cipher: bool) -> impl Strategy<Value = IntermediaryCertificates> {
    (of(certificate("intermed_cipher")), of(certificate("intermed_signature"))).prop_map(
        move |(cipher, signature)| IntermediaryCertificates {
            cipher: cipher.filter(|_| with_cipher),
            signature,
        },
    )
}

fn features() -> impl Strategy<Value = FeatureDescription> {
    let feature = (text(), text()).prop_map(|(key, version)| Feature { key, version });
    let size = || of(1..1_000_000_u64);
    (vec(feature, 1..4), size(), size(), size(), size()).prop_map(|(features, a, b, c, d)| {
        FeatureDescription {
            features,
            max_chunk_size: a,
            min_chunk_size: b,
            max_message_size: c,
            chunk_message_time_out: d,
        }
    })
}

/// 1 must, 0 must not, - may: Response, Challenge, ConversationId, SequenceNumber.
fn control(rule: &'static str) -> impl Strategy<Value = Control> {
    let conversation = "[0-9]{1,19}".prop_map(|text| ConversationId::parse(&text).expect("digits"));
    let all = (text(), text(), conversation, any::<u64>(), any::<[bool; 4]>());
    all.prop_map(move |(response, challenge, conversation, number, flags)| {
        let there = |n: usize| match rule.as_bytes()[n] {
            b'1' => true,
            b'0' => false,
            _ => flags[n],
        };
        let parse = |text: String| Challenge::parse(&text).expect("short");
        Control {
            response: there(0).then_some(response).map(parse),
            challenge: there(1).then_some(challenge).map(parse),
            conversation: there(2).then_some(conversation),
            sequence: there(3).then_some(number),
        }
    })
}

/// As the schemas have it, written down a second time.
fn control_of(kind: MessageType) -> impl Strategy<Value = Control> {
    use MessageType as T;
    control(match kind {
        T::GetMessageId | T::StoreDelivery | T::ForwardDelivery | T::PartialStoreDelivery => "-1-1",
        T::InitDialog | T::AcceptDelivery | T::ProcessDelivery => "0100",
        T::ResponseToGetMessageId
        | T::ResponseToStoreDelivery
        | T::ResponseToPartialStoreDelivery => "1-11",
        T::ResponseToInitDialog => "1110",
        T::ResponseToExitDialog => "1011",
        T::ResponseToForwardDelivery => "1--1",
        T::ResponseToAcceptDelivery | T::ResponseToProcessDelivery => "1000",
        _ => "1111",
    })
}

fn order_head(kind: MessageType) -> impl Strategy<Value = OrderHead> {
    use MessageType as T;
    let with_recipient = matches!(kind, T::AcceptDelivery | T::ProcessDelivery);
    let demanded = matches!(kind, T::StoreDelivery | T::InitDialog | T::PartialStoreDelivery);
    let partial = matches!(kind, T::PartialStoreDelivery | T::PartialFetchDelivery);
    let languages = vec(language(), 1..4).prop_map(|all| DesiredLanguages::new(all).expect("one"));
    let all = (
        control_of(kind),
        languages,
        of(intermediary(true)),
        non_intermediary(kind),
        any::<bool>(),
        features(),
        any::<bool>(),
    );
    all.prop_map(move |(control, languages, i, certificates, some, features, more)| OrderHead {
        control,
        languages,
        intermediary: i.filter(|_| with_recipient),
        certificates: (demanded || some).then_some(certificates),
        features: (partial || more).then_some(features),
    })
}

fn response_head(kind: MessageType) -> impl Strategy<Value = ResponseHead> {
    use MessageType as T;
    let partial =
        matches!(kind, T::ResponseToPartialStoreDelivery | T::ResponseToPartialFetchDelivery);
    let all = (control_of(kind), of(intermediary(false)), features(), any::<bool>());
    all.prop_map(move |(control, intermediary, features, some)| ResponseHead {
        control,
        intermediary,
        features: (partial || some).then_some(features),
    })
}

fn recipient_head(kind: MessageType) -> impl Strategy<Value = RecipientHead> {
    let all = (control_of(kind), of(non_intermediary(kind)), of(features()));
    all.prop_map(|(control, certificates, features)| RecipientHead {
        control,
        certificates,
        features,
    })
}

fn said() -> impl Strategy<Value = Vec<feedback::Entry>> {
    let entry = (0..=9999_u16, of(language()), text());
    let entry = entry.prop_map(|(code, language, text)| feedback::Entry {
        code: feedback::Number::new(code),
        language,
        text,
    });
    vec(entry, 1..4)
}

fn timestamp() -> impl Strategy<Value = Stamped> {
    prop_oneof![
        date_time().prop_map(Stamped::Plain),
        (of("urn:[a-z]{1,8}"), octets())
            .prop_map(|(algorithm, token)| Stamped::Cryptographic { algorithm, token }),
    ]
}

fn inspection() -> impl Strategy<Value = Inspection> {
    let online =
        (prop::sample::select(OnlineStatus::ALL), of(octets()), of(date_time()), of(octets()));
    let online =
        online.prop_map(|(result, ocsp, crl, ldap)| OnlineResult { result, ocsp, crl, ldap });
    let all = (
        timestamp(),
        text(),
        text(),
        // libxml2 reads no longer number.
        "-?[0-9]{1,20}",
        prop::sample::select(CertType::ALL),
        prop::sample::select(MathResult::ALL),
        prop::sample::select(OfflineResult::ALL),
        of(online),
    );
    all.prop_map(|(timestamp, subject, issuer, serial, cert, math, offline, online)| Inspection {
        timestamp,
        subject_name: subject,
        issuer_name: issuer,
        serial_number: serial,
        cert_type: cert,
        math_result: math,
        offline_result: offline,
        online_result: online,
    })
}

/// With or without forwarding and reception: `1` must, `0` must not, `-` may.
fn card(rule: &'static str) -> impl Strategy<Value = ProcessCardBundle> {
    let times = (timestamp(), timestamp(), timestamp(), any::<[bool; 2]>());
    let all = (message_id(), date_time(), times, of(text()), vec(inspection(), 0..3));
    all.prop_map(move |(message_id, modified, times, subject, inspections)| {
        let there = |n: usize| match rule.as_bytes()[n] {
            b'1' => true,
            b'0' => false,
            _ => times.3[n],
        };
        ProcessCardBundle {
            message_id,
            recent_modification: modified,
            creation: Some(times.0),
            forwarding: there(0).then_some(times.1),
            reception: there(1).then_some(times.2),
            subject,
            inspections,
        }
    })
}

fn quality(least: usize, most: usize) -> impl Strategy<Value = QualityOfTimestamp> {
    let one = || prop::sample::select(Quality::ALL);
    (one(), one(), any::<[bool; 2]>()).prop_map(move |(creation, reception, there)| {
        let both = least == 2 || (most == 2 && there[0]);
        let creates = both || (there[1] && (least > 0 || most == 1)) || (most == 2 && there[1]);
        QualityOfTimestamp {
            creation: creates.then_some(creation),
            reception: (both || (least == 1 && !creates)).then_some(reception),
        }
    })
}

fn selection() -> impl Strategy<Value = DeliverySelection> {
    prop_oneof![
        date_time().prop_map(DeliverySelection::ReceptionOfDelivery),
        message_id().prop_map(DeliverySelection::MessageId),
    ]
}

fn criteria() -> impl Strategy<Value = ProcessCardCriteria> {
    let role = of(prop::sample::select(SelectionRole::ALL));
    let date = (date_time(), of(any::<bool>()), role)
        .prop_map(|(at, no_reception, role)| SelectionDate { at, no_reception, role })
        .boxed();
    let selection = prop_oneof![
        date.clone().prop_map(ProcessCardSelection::ReceptionOfDelivery),
        date.prop_map(ProcessCardSelection::RecentModification),
        vec(message_id(), 1..4).prop_map(ProcessCardSelection::MessageIds),
    ];
    (of(selection), of(1..10_000_u64))
        .prop_map(|(selection, limit)| ProcessCardCriteria { selection, limit })
}

/// Which values there are: chunk size, received chunks, total chunks, total size.
fn chunk(rule: [bool; 4]) -> impl Strategy<Value = ChunkInformation> {
    let number = || 1..1_000_000_u64;
    (number(), number(), "[0-9]{1,3}( [0-9]{1,3}){0,3}", number(), number()).prop_map(
        move |(n, size, received, total, message)| ChunkInformation {
            chunk_number: n,
            chunk_size: rule[0].then_some(size),
            received_chunks: rule[1].then_some(received),
            total_chunk_numbers: rule[2].then_some(total),
            total_message_size: rule[3].then_some(message),
        },
    )
}

fn receiver() -> impl Strategy<Value = Option<String>> {
    of("https?://[a-z]{1,8}\\.example(:[0-9]{2,4})?/[a-z]{0,8}(\\?a=b&c=d)?")
}

fn id_and_subject() -> impl Strategy<Value = (Option<MessageId>, Option<String>)> {
    of((message_id(), of(text()))).prop_map(|both| match both {
        Some((id, subject)) => (Some(id), subject),
        None => (None, None),
    })
}

/// A message of this type; none of an encrypted one or a fault.
pub(super) fn message(kind: MessageType) -> BoxedStrategy<Message> {
    use MessageType as T;
    match kind {
        T::GetMessageId => order_head(kind).prop_map(|head| GetMessageId { head }.into()).boxed(),
        T::InitDialog => order_head(kind).prop_map(|head| InitDialog { head }.into()).boxed(),
        T::ExitDialog => order_head(kind).prop_map(|head| ExitDialog { head }.into()).boxed(),
        T::ResponseToGetMessageId => (response_head(kind), said(), of(message_id()))
            .prop_map(|(head, feedback, message_id)| {
                ResponseToGetMessageId { head, feedback, message_id }.into()
            })
            .boxed(),
        T::ResponseToInitDialog => (response_head(kind), said())
            .prop_map(|(head, feedback)| ResponseToInitDialog { head, feedback }.into())
            .boxed(),
        T::ResponseToExitDialog => (response_head(kind), said())
            .prop_map(|(head, feedback)| ResponseToExitDialog { head, feedback }.into())
            .boxed(),
        T::StoreDelivery => (order_head(kind), quality(2, 2), message_id(), of(text()))
            .prop_map(|(head, quality, message_id, subject)| {
                StoreDelivery { head, quality, message_id, subject }.into()
            })
            .boxed(),
        T::ResponseToStoreDelivery => (response_head(kind), said(), of(card("00")))
            .prop_map(|(head, feedback, process_card)| {
                ResponseToStoreDelivery { head, feedback, process_card }.into()
            })
            .boxed(),
        T::FetchDelivery => (order_head(kind), of(selection()))
            .prop_map(|(head, selection)| FetchDelivery { head, selection }.into())
            .boxed(),
        T::ResponseToFetchDelivery => (
            response_head(kind),
            said(),
            of(selection()),
            of(card("10")),
            of(non_intermediary(kind)),
        )
            .prop_map(|(head, feedback, selection, process_card, certificates)| {
                ResponseToFetchDelivery { head, feedback, selection, process_card, certificates }
                    .into()
            })
            .boxed(),
        T::FetchProcessCard => (order_head(kind), criteria())
            .prop_map(|(head, criteria)| FetchProcessCard { head, criteria }.into())
            .boxed(),
        T::ResponseToFetchProcessCard => {
            (response_head(kind), said(), criteria(), vec(card("--"), 0..3))
                .prop_map(|(head, feedback, criteria, process_cards)| {
                    ResponseToFetchProcessCard { head, feedback, criteria, process_cards }.into()
                })
                .boxed()
        }
        T::ForwardDelivery => {
            (order_head(kind), quality(2, 2), receiver(), message_id(), of(text()))
                .prop_map(|(head, quality, receiver, message_id, subject)| {
                    ForwardDelivery { head, quality, receiver, message_id, subject }.into()
                })
                .boxed()
        }
        T::ResponseToForwardDelivery => (response_head(kind), said(), of(card("--")))
            .prop_map(|(head, feedback, process_card)| {
                ResponseToForwardDelivery { head, feedback, process_card }.into()
            })
            .boxed(),
        T::AcceptDelivery => (order_head(kind), card("10"))
            .prop_map(|(head, process_card)| AcceptDelivery { head, process_card }.into())
            .boxed(),
        T::ResponseToAcceptDelivery => (recipient_head(kind), said())
            .prop_map(|(head, feedback)| ResponseToAcceptDelivery { head, feedback }.into())
            .boxed(),
        T::MediateDelivery => (order_head(kind), quality(0, 2), receiver(), id_and_subject())
            .prop_map(|(head, quality, receiver, (message_id, subject))| {
                MediateDelivery { head, quality, receiver, message_id, subject }.into()
            })
            .boxed(),
        T::ResponseToMediateDelivery => (
            response_head(kind),
            said(),
            of((card("11"), of(card("10")))),
            of(non_intermediary(kind)),
        )
            .prop_map(|(head, feedback, cards, certificates)| {
                let (request_card, reply_card) = match cards {
                    Some((request, reply)) => (Some(request), reply),
                    None => (None, None),
                };
                ResponseToMediateDelivery { head, feedback, request_card, reply_card, certificates }
                    .into()
            })
            .boxed(),
        T::ProcessDelivery => (order_head(kind), of(message_id()), of(card("10")))
            .prop_map(|(head, message_id_response, process_card)| {
                ProcessDelivery { head, message_id_response, process_card }.into()
            })
            .boxed(),
        T::ResponseToProcessDelivery => {
            (recipient_head(kind), quality(0, 2), said(), id_and_subject())
                .prop_map(|(head, quality, feedback, (message_id, subject))| {
                    ResponseToProcessDelivery { head, quality, feedback, message_id, subject }
                        .into()
                })
                .boxed()
        }
        T::PartialStoreDelivery => (
            order_head(kind),
            quality(1, 1),
            message_id(),
            of(text()),
            of(chunk([true, false, true, true])),
        )
            .prop_map(|(head, quality, message_id, subject, chunk)| {
                PartialStoreDelivery { head, quality, message_id, subject, chunk }.into()
            })
            .boxed(),
        T::ResponseToPartialStoreDelivery => (
            response_head(kind),
            of(said()),
            said(),
            of(card("00")),
            chunk([false, true, true, false]),
        )
            .prop_map(|(head, inside, feedback, process_card, chunk)| {
                let inside_feedback = inside.unwrap_or_default();
                ResponseToPartialStoreDelivery {
                    head,
                    inside_feedback,
                    feedback,
                    process_card,
                    chunk,
                }
                .into()
            })
            .boxed(),
        T::PartialFetchDelivery => {
            (order_head(kind), of(selection()), chunk([true, true, false, false]))
                .prop_map(|(head, selection, chunk)| {
                    PartialFetchDelivery { head, selection, chunk }.into()
                })
                .boxed()
        }
        T::ResponseToPartialFetchDelivery => (
            response_head(kind),
            said(),
            of(selection()),
            chunk([false, false, true, true]),
            message_id(),
            of(non_intermediary(kind)),
        )
            .prop_map(|(head, feedback, selection, chunk, message_id, certificates)| {
                ResponseToPartialFetchDelivery {
                    head,
                    feedback,
                    selection,
                    chunk,
                    message_id,
                    certificates,
                }
                .into()
            })
            .boxed(),
        T::MessageEncrypted | T::MessageFault => unreachable!("no message of this codec"),
    }
}

/// The types that [`message`] makes.
pub(super) fn kinds() -> impl Iterator<Item = MessageType> {
    let others = [MessageType::MessageEncrypted, MessageType::MessageFault];
    MessageType::ALL.iter().copied().filter(move |kind| !others.contains(kind))
}

/// A message of any type.
pub(super) fn any_message() -> impl Strategy<Value = Message> {
    prop::sample::select(kinds().collect::<Vec<_>>()).prop_flat_map(message)
}

/// Containers of ours, with contents of both kinds.
fn items() -> impl Strategy<Value = (Vec<PackageItem>, Vec<Vec<OwnContent>>)> {
    let content = (any::<bool>(), vec(any::<u8>(), 0..300), word());
    vec(vec(content, 0..3), 0..3).prop_map(|containers| {
        let mut number = 0;
        let contents: Vec<Vec<OwnContent>> = containers
            .into_iter()
            .map(|contents| {
                let own = contents.into_iter().map(|(is_attachment, octets, cid)| {
                    number += 1;
                    let id = format!("content{number}");
                    if is_attachment {
                        OwnContent::Attachment { id, cid }
                    } else {
                        OwnContent::Base64 { id, octets }
                    }
                });
                own.collect()
            })
            .collect();
        let written = contents.iter().enumerate().map(|(n, contents)| {
            container(&format!("contentcontainer{n}"), &[], contents).expect("written")
        });
        (written.collect(), contents)
    })
}

/// A message with content where it must or may have some, and what was put into each container.
pub(super) fn with_content() -> impl Strategy<Value = (Message, Enclosed, Vec<Vec<OwnContent>>)> {
    (any_message(), items(), any::<bool>()).prop_map(|(message, (items, contents), some)| {
        let package = match message.message_type().content() {
            ContentRule::Never => None,
            ContentRule::Optional if some => None,
            ContentRule::Optional | ContentRule::Required => Some(items),
        };
        let contents = if package.is_some() { contents } else { Vec::new() };
        (message, Enclosed { package, custom: Vec::new() }, contents)
    })
}
