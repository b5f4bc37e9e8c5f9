//! Orders outside of any explicit dialogue: implicit ones, misplaced ones, and the recipient's part.

use super::control::{Control, Demand, Fresh};
use super::order::Where;
use super::outcome::{NotTaken, Stands, Taken};
use super::sign_in::{Caller, Shown};
use crate::osci::feedback::Code;
use crate::osci::message_type::MessageType;

/// The answer to an order that is a dialogue of its own.
pub fn implicit(control: &Control, caller: Caller, fresh: &Fresh) -> Result<Taken, NotTaken> {
    if caller.lacks_cipher() {
        return Err(Code::ClientCipherCertificateMissing.into());
    }
    let (seal, client) = (caller.seal(), caller.certificates);
    let shown = Shown::of(client.signature.is_some(), false);
    Ok(Taken { answer: alone(control, fresh), seal, stands: Stands::Ended, client, shown })
}

/// What is answered to an order that does not stand where it must: feedback where the order itself is
/// refused (9802), else a fault.
pub fn misplaced(
    order: MessageType,
    code: Code,
    control: &Control,
    caller: &Caller,
    fresh: &Fresh,
) -> NotTaken {
    if code != Code::ExplicitDialogueRequired {
        return code.into();
    }
    if caller.lacks_cipher() {
        return Code::ClientCipherCertificateMissing.into();
    }
    let mut answer = alone(control, fresh);
    if order.response().is_some_and(|answer| answer.control().challenge == Demand::MustNot) {
        answer.challenge = None;
    }
    NotTaken { code, answer: Some(answer), seal: caller.seal() }
}

/// The control block of an answer outside of any explicit dialogue: all four, as recorded.
fn alone(control: &Control, fresh: &Fresh) -> Control {
    Control {
        response: control.challenge.clone(),
        challenge: Some(fresh.challenge.clone()),
        conversation: Some(fresh.conversation.clone()),
        sequence: Some(control.sequence.unwrap_or(0)),
    }
}

/// The control block with which a recipient answers an intermediary: its challenge, nothing else.
pub fn passive(order: MessageType, control: &Control) -> Result<Control, Code> {
    let Control { response, challenge, conversation, sequence } = control;
    if order.in_dialogue() != Some(Where::Alone) || challenge.is_none() {
        return Err(Code::NotAnOrder);
    }
    if response.is_some() || conversation.is_some() || sequence.is_some() {
        return Err(Code::DialogueMismatch);
    }
    Ok(Control { response: challenge.clone(), ..Control::default() })
}
