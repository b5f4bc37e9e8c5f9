//! What a notice says in words: what happened, why, what to do.

use amtsbote_domain::notice::Kind;
use amtsbote_domain::state::ClearingCause;
use amtsbote_domain::text::Text;

/// What happened.
pub(super) fn what(kind: Kind) -> Text {
    match kind {
        Kind::RejectedBack => Text {
            de: "Die Nachricht wurde von der Clearingstelle an Sie zurückgegeben. Sie wird nicht zugestellt.",
            en: "The clearing office has rejected the message back to you. It will not be delivered.",
        },
        Kind::Expired => Text {
            de: "Die Frist der Nachricht ist abgelaufen, bevor sie zugestellt werden konnte. Sie wird nicht mehr zugestellt.",
            en: "The time of the message ran out before it could be delivered. It will not be delivered any more.",
        },
        Kind::Cancelled => Text {
            de: "Der Betreiber hat die Nachricht zurückgezogen, bevor sie zugestellt wurde. Sie wird nicht zugestellt.",
            en: "The operator withdrew the message before it was delivered. It will not be delivered.",
        },
        Kind::InClearing => Text {
            de: "Die Nachricht konnte bisher nicht zugestellt werden. Die Clearingstelle entscheidet, wie es weitergeht.",
            en: "The message could not be delivered so far. The clearing office decides how it goes on.",
        },
        Kind::ExpiresSoon => Text {
            de: "Die Nachricht wartet noch auf ihre Zustellung oder Abholung, und ihre Frist läuft bald ab.",
            en: "The message still waits to be delivered or collected, and its time runs out soon.",
        },
    }
}

/// Why it did not go on.
pub(super) fn why(cause: ClearingCause) -> Text {
    match cause {
        ClearingCause::Refused => Text {
            de: "Der nächste Knoten hat sie endgültig abgelehnt.",
            en: "The next node refused it for good.",
        },
        ClearingCause::RepeatRefused => Text {
            de: "Der nächste Knoten hat eine Wiederholung abgelehnt; der Versuch davor kann angekommen sein.",
            en: "The next node refused a repetition; the attempt before may have arrived.",
        },
        ClearingCause::AttemptsExhausted => Text {
            de: "Der nächste Knoten war in keinem der vorgesehenen Versuche erreichbar. Angekommen ist nichts.",
            en: "The next node could not be reached in any of the attempts allowed. Nothing arrived.",
        },
        ClearingCause::OutcomeUnknown => Text {
            de: "Ob sie angekommen ist, ist unbekannt und ließ sich nicht feststellen.",
            en: "Whether it arrived is unknown and could not be found out.",
        },
        ClearingCause::DigestMismatch => Text {
            de: "Die gespeicherten Daten waren nicht mehr unverändert. Sie wurden nicht weitergegeben.",
            en: "The stored data were no longer unaltered. They were not passed on.",
        },
        ClearingCause::NoWay => Text {
            de: "Das Verzeichnis nannte keinen Weg mehr zum Leser.",
            en: "The directory had no way to the Reader any more.",
        },
    }
}

/// What to do. `unclear`: the Reader may have it all the same.
pub(super) fn advice(kind: Kind, unclear: bool) -> Text {
    match kind {
        Kind::RejectedBack if unclear => Text {
            de: "Fragen Sie den Leser nach der Kennung, bevor Sie erneut senden: Sie kann angekommen sein.",
            en: "Ask the Reader for the id before you send anew: it may have arrived.",
        },
        Kind::RejectedBack => Text {
            de: "Klären Sie die Ursache und senden Sie, wenn nötig, erneut unter einer neuen Kennung.",
            en: "Settle the cause and send anew, if needed, under a new id.",
        },
        Kind::Expired => Text {
            de: "Senden Sie, wenn der Inhalt noch gebraucht wird, erneut unter einer neuen Kennung, oder gehen Sie einen anderen Weg.",
            en: "If the content is still needed, send anew under a new id, or go another way.",
        },
        Kind::Cancelled => Text {
            de: "Wenden Sie sich bei Fragen mit der Kennung an den Betreiber. Wird der Inhalt noch gebraucht, senden Sie erneut unter einer neuen Kennung.",
            en: "With questions turn to the operator and name the id. If the content is still needed, send anew under a new id.",
        },
        Kind::InClearing if unclear => Text {
            de: "Es ist nichts zu tun. Senden Sie nicht erneut: Sie kann angekommen sein. Den Ausgang erfahren Sie mit der Kennung.",
            en: "There is nothing to do. Do not send anew: it may have arrived. Ask for its outcome by the id.",
        },
        Kind::InClearing => Text {
            de: "Es ist nichts zu tun. Senden Sie nicht erneut, solange nicht entschieden ist. Ist es eilig, wenden Sie sich mit der Kennung an die Clearingstelle.",
            en: "There is nothing to do. Do not send anew while it is undecided. If it is urgent, turn to the clearing office and name the id.",
        },
        Kind::ExpiresSoon => Text {
            de: "Ist es eilig, fragen Sie den Leser, ob er abholen kann, oder gehen Sie einen anderen Weg. Endet sie ohne Zustellung, werden Sie benachrichtigt.",
            en: "If it is urgent, ask the Reader whether it can collect it, or go another way. If it ends undelivered, you will be told.",
        },
    }
}
