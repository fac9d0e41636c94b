//! How a connection opens: who is it, may it come in, and what is it told first.

use std::sync::Arc;

use hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX;
use hubbub_shared::names::GUEST_PREFIX;
use hubbub_shared::{CloseCode, UserId};

use super::Context;
use super::command::{Credential, Hello};
use super::handle::{Ending, Handle};
use super::link::Opening;
use super::orders::{Refused, refused};
use super::registry::Registration;
use super::reply::{Dialect, Reply, Welcome};
use crate::auth::{AuthError, Identity};
use crate::broker::Author;
use crate::fault::{BANNED, Fault, RETRY_AFTER_MS};
use crate::grants::Grants;
use crate::hub::outbox::Outbox;
use crate::ids::ConnectionId;
use crate::random;
use crate::rooms::Person;
use crate::rooms::allowance::admitted;
use crate::sessions::{Created, NewSession, Session, SessionsError};

/// A connection that is welcome.
#[derive(Debug)]
pub struct LoggedIn {
    /// Its place in the registry.
    pub registration: Registration,
    /// Who it is.
    pub person: Person,
    /// When its credential runs out, Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// The login, if there is one.
    pub session: Option<Session>,
}

/// Who somebody is, by whichever credential.
struct Known {
    author: Author,
    grants: Grants,
    issued_at_s: Option<u64>,
    expires_at_ms: Option<u64>,
    session: Option<Session>,
    /// Only for a session that was just made.
    secret: Option<String>,
}

impl Context {
    /// Lets somebody in, or says why not. The welcome is queued.
    pub(super) async fn log_in(
        &self,
        opening: &Opening,
        dialect: &Arc<dyn Dialect>,
        hello: Hello,
        id: Option<u32>,
    ) -> Result<LoggedIn, Ending> {
        self.admit(opening).await.map_err(|ending| ending.answering(id))?;
        let replaces = hello.replaces.as_deref().and_then(ConnectionId::parse);
        let known = self.recognize(opening, hello).await.map_err(|ending| ending.answering(id))?;
        self.let_in(opening, dialect, known, replaces, id).await.map_err(|ending| ending.answering(id))
    }

    async fn admit(&self, opening: &Opening) -> Result<(), Ending> {
        if self.registry.is_draining() {
            return Err(Ending::for_a_while(CloseCode::Draining, RETRY_AFTER_MS));
        }
        let verdict = self.rooms.charge_hello(opening.address).await.map_err(unreachable)?;
        admitted(verdict).map_err(|fault| Ending::because(CloseCode::RateLimited, fault))
    }

    async fn recognize(&self, opening: &Opening, hello: Hello) -> Result<Known, Ending> {
        let device = || hello.program.clone().or_else(|| opening.user_agent.clone()).unwrap_or_default();
        match &hello.credential {
            Credential::Token(token) => {
                let identity = self.authenticator.verify(token).await.map_err(refused_token)?;
                Ok(by_token(identity))
            }
            Credential::Session(secret) => self.by_session(secret, opening).await,
            Credential::Cookie => match &opening.cookie {
                Some(secret) => self.by_session(secret, opening).await,
                None => Err(invalid("nothing to log in with: give a `token`, a `session` or a `guest`")),
            },
            Credential::Guest { name } => self.as_guest(name.as_deref(), device(), opening).await,
        }
    }

    async fn by_session(&self, secret: &str, opening: &Opening) -> Result<Known, Ending> {
        let found = self.sessions.open(secret, opening.address).await.map_err(unreachable)?;
        let Some(session) = found else {
            let fault = Fault::Unauthenticated("this session is over or unknown here; log in again".to_owned());
            return Err(Ending::because(CloseCode::CredentialExpired, fault));
        };
        Ok(by_session(session, None))
    }

    /// Makes a guest and their session.
    pub async fn make_guest(
        &self,
        name: Option<&str>,
        device: String,
        opening: &Opening,
    ) -> Result<(Box<Session>, String), Fault> {
        if !self.settings.guests {
            return Err(Fault::Unauthenticated("guests are not let in here; log in with a token".to_owned()));
        }
        if let Some(name) = name.filter(|name| name.len() > DISPLAY_NAME_BYTES_MAX) {
            return Err(Fault::TooLarge { what: "`name`", bytes: name.len(), max_bytes: DISPLAY_NAME_BYTES_MAX });
        }
        let user = UserId::new(&format!("{GUEST_PREFIX}{}", random::word(16)))
            .map_err(|error| Fault::internal(&format!("no id for a guest: {error}")))?;
        let new = NewSession {
            user,
            name: name.filter(|name| !name.is_empty()).map(Arc::from),
            grants: Grants::default(),
            issued_at_s: None,
            not_after_ms: None,
            device,
            address: opening.address,
        };
        match self.sessions.create(new).await? {
            Created::Session(session, secret) => Ok((session, secret)),
            // The id was made up a moment ago; whoever banned it knows more than its guest.
            Created::Refused(_) => Err(Fault::Forbidden(BANNED)),
        }
    }

    async fn as_guest(&self, name: Option<&str>, device: String, opening: &Opening) -> Result<Known, Ending> {
        let (session, secret) = self.make_guest(name, device, opening).await.map_err(|fault| {
            let code = match &fault {
                Fault::Unavailable => CloseCode::Unavailable,
                Fault::TooLarge { .. } => CloseCode::BadFrame,
                Fault::Forbidden(_) => CloseCode::Banned,
                _ => CloseCode::CredentialInvalid,
            };
            Ending::because(code, fault)
        })?;
        Ok(by_session(*session, Some(secret)))
    }

    /// Registers first and looks at the credential again then, so that no revocation falls between.
    async fn let_in(
        &self,
        opening: &Opening,
        dialect: &Arc<dyn Dialect>,
        known: Known,
        replaces: Option<ConnectionId>,
        id: Option<u32>,
    ) -> Result<LoggedIn, Ending> {
        let Known { author, grants, issued_at_s, expires_at_ms, session, secret } = known;
        if let Some(left) = self.registry.penalty(&author.user) {
            return Err(Ending::for_a_while(CloseCode::RateLimited, left.as_millis() as u64 + 1));
        }
        let connection = ConnectionId::random();
        let outbox = Outbox::new(
            connection,
            author.clone(),
            dialect.clone(),
            self.settings.outbox_bytes,
            self.metrics.outbox.clone(),
        );
        let session_id = session.as_ref().map(|session| session.id.clone());
        let handle = Handle::new(Arc::new(outbox), dialect.clone(), session_id.clone(), issued_at_s, opening.address);
        let replaced = replaces.and_then(|older| self.registry.get(older)).filter(|older| older.user == author.user);
        let registration = self
            .registry
            .register(handle, replaced.as_ref().map(|older| older.id))
            .map_err(|code| Ending::for_a_while(code, RETRY_AFTER_MS))?;
        let handle = &registration.handle;
        match refused(self, handle).await.map_err(unreachable)? {
            None => {}
            Some(Refused::Banned) => return Err(Ending::new(CloseCode::Banned)),
            Some(Refused::Revoked) => {
                let fault = Fault::Unauthenticated("this credential was revoked; log in again".to_owned());
                return Err(Ending::because(CloseCode::CredentialExpired, fault));
            }
        }
        let welcome = Welcome {
            connection: connection.to_string(),
            replica: self.replica.clone(),
            time_ms: self.clock.now_ms(),
            expires_at_ms,
            author: author.clone(),
            session: session_id.map(|session| (session, secret)),
            heartbeat_ms: self.settings.heartbeat.as_millis() as u64,
            limits: self.settings.wire,
        };
        handle.outbox.reply(dialect.reply(id, &Reply::Welcome(welcome)));
        if let Some(older) = replaced {
            older.end(Ending::new(CloseCode::Draining));
        }
        let person = Person { author, grants, address: opening.address };
        Ok(LoggedIn { registration, person, expires_at_ms, session })
    }
}

fn by_token(identity: Identity) -> Known {
    Known {
        author: Author { user: identity.user, name: identity.name },
        grants: identity.grants,
        issued_at_s: Some(identity.issued_at_s),
        expires_at_ms: Some(identity.expires_at_ms),
        session: None,
        secret: None,
    }
}

fn by_session(session: Session, secret: Option<String>) -> Known {
    Known {
        author: Author { user: session.user.clone(), name: session.name.clone() },
        grants: session.grants.clone(),
        issued_at_s: None,
        expires_at_ms: Some(session.ends_ms),
        session: Some(session),
        secret,
    }
}

fn invalid(message: &str) -> Ending {
    Ending::because(CloseCode::CredentialInvalid, Fault::Unauthenticated(message.to_owned()))
}

fn unreachable<E>(_: E) -> Ending
where
    Fault: From<E>,
{
    Ending::because(CloseCode::Unavailable, Fault::Unavailable)
}

fn refused_token(error: AuthError) -> Ending {
    let code = match &error {
        AuthError::Malformed(_) | AuthError::BadSignature | AuthError::WrongClaims(_) => CloseCode::CredentialInvalid,
        AuthError::Expired | AuthError::NotYetValid { .. } => CloseCode::CredentialExpired,
        AuthError::KeysUnavailable { .. } => CloseCode::Unavailable,
    };
    Ending::because(code, Fault::Token(error))
}

/// The revocation of a token's user, for tokens that are shown on a live connection.
pub async fn token_is_revoked(context: &Context, identity: &Identity) -> Result<bool, SessionsError> {
    let standing = context.sessions.user_standing(&identity.user).await?;
    Ok(standing.revokes(Some(identity.issued_at_s)) || standing.banned)
}
