//! Sessions with a token: bounded, logged in, and made anew when the token was lost.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

use crate::error::TrustError;

use super::{MAX_SESSIONS, TokenOptions};

/// Longest wait for a session while all are in use.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What goes wrong while a session is used.
pub(super) enum Trouble {
    /// The module said so.
    Module(Error),
    /// We did.
    Ours(TrustError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

impl From<TrustError> for Trouble {
    fn from(error: TrustError) -> Self {
        Self::Ours(error)
    }
}

impl From<Trouble> for TrustError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Module(error) => Self::Token(reason(&error)),
            Trouble::Ours(error) => error,
        }
    }
}

/// The name of a return value of PKCS#11, without the explanation that the library adds.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Pkcs11(value, function) => format!("{function:?}: {value:?}"),
        other => other.to_string(),
    }
}

/// The sessions with one token.
pub(super) struct Sessions {
    options: TokenOptions,
    module: Pkcs11,
    state: Mutex<State>,
    freed: Condvar,
    /// A token locks itself after few wrong PINs, so one that was refused is not tried again.
    pin_refused: Mutex<bool>,
}

struct State {
    idle: Vec<Session>,
    in_use: usize,
}

impl Sessions {
    /// Loads the module. Nothing is asked of the token yet.
    pub(super) fn open(options: TokenOptions) -> Result<Self, TrustError> {
        let module = Pkcs11::new(&options.module).map_err(Trouble::from)?;
        let state = Mutex::new(State { idle: Vec::new(), in_use: 0 });
        let (freed, pin_refused) = (Condvar::new(), Mutex::new(false));
        Ok(Self { options, module, state, freed, pin_refused })
    }

    pub(super) fn options(&self) -> &TokenOptions {
        &self.options
    }

    /// How many sessions wait for work.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Works with a session. Where the token turns out to be lost (pulled and put back, restarted,
    /// logged out by somebody else) the work is done once more with a new session; so it must be
    /// work that may be done twice, and does not matter if it was.
    pub(super) fn with<T>(
        &self,
        work: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, TrustError> {
        Ok(self.try_with(work)?)
    }

    /// The same, with what the module said.
    pub(super) fn try_with<T>(
        &self,
        work: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let place = self.place()?;
        match self.once(&work) {
            Err(Trouble::Module(error)) if is_lost(&error) => {
                tracing::warn!(
                    reason = reason(&error),
                    "PKCS#11: the token was lost, opening it again"
                );
                // All the others are as dead. They are closed outside the lock.
                let dead = std::mem::take(&mut self.lock().idle);
                drop(dead);
                let done = self.once(&work);
                drop(place);
                done
            }
            done => done,
        }
    }

    fn once<T>(&self, work: impl Fn(&Session) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let idle = self.lock().idle.pop();
        let session = match idle {
            Some(session) => session,
            None => self.new_session()?,
        };
        self.log_in(&session)?;
        let done = work(&session);
        // A session that failed is closed: nothing may be left going in it. Octets that are none for
        // the key are no failure (`decrypt`): whoever sends many of them shall not cause as many
        // logins.
        if !matches!(done, Err(Trouble::Module(_))) {
            self.lock().idle.push(session);
        }
        done
    }

    /// Waits until one more may work.
    fn place(&self) -> Result<Place<'_>, TrustError> {
        let most = self.options.sessions.clamp(1, MAX_SESSIONS);
        let (mut state, waited) = self
            .freed
            .wait_timeout_while(self.lock(), MAX_WAIT, |state| state.in_use >= most)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(TrustError::TokenBusy);
        }
        state.in_use += 1;
        Ok(Place(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_session(&self) -> Result<Session, Trouble> {
        match self.module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another store may use the same module. It is never finalised: that would end the
            // sessions of all.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.module.open_ro_session(self.slot()?)?)
    }

    /// The slot in which the token is now.
    fn slot(&self) -> Result<Slot, Trouble> {
        let mut found = Vec::new();
        for slot in self.module.get_slots_with_initialized_token()? {
            let token = self.module.get_token_info(slot)?;
            if token.label().trim_end() == self.options.label {
                found.push(slot);
            }
        }
        match found[..] {
            [slot] => Ok(slot),
            _ => Err(TrustError::NoToken.into()),
        }
    }

    /// A login counts for all sessions of the process with the token, and so does a logout.
    fn log_in(&self, session: &Session) -> Result<(), Trouble> {
        use SessionState::{RoUser, RwUser};
        if matches!(session.get_session_info()?.session_state(), RoUser | RwUser) {
            return Ok(());
        }
        let mut refused = self.pin_refused.lock().unwrap_or_else(PoisonError::into_inner);
        if *refused {
            return Err(TrustError::PinRefused.into());
        }
        let mut pin = self.options.pin.read()?.ok_or(TrustError::Passphrase)?;
        let pin = RawAuthPin::new(Box::new(std::mem::take(&mut pin.0)));
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked,
                _,
            )) => {
                *refused = true;
                Err(TrustError::PinRefused.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// One of the sessions that may be in use.
struct Place<'a>(&'a Sessions);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().in_use -= 1;
        self.0.freed.notify_one();
    }
}

/// Whether the session, the token or the module is gone, so that a new session may help.
fn is_lost(error: &Error) -> bool {
    let Error::Pkcs11(value, _) = error else { return false };
    matches!(
        value,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SlotIdInvalid
            | RvError::CryptokiNotInitialized
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
    )
}
