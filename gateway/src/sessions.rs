//! Logins: a session is made once, named by a secret, shared by a user's tabs, and can be ended by its user or by the
//! application.
//!
//! A session store promises:
//!
//! 1. It keeps only the SHA-256 of a secret, so that what is stored logs nobody in.
//! 2. A session ends at the earliest of: no use for the sliding time, its absolute end, the expiry of the credential
//!    it was made from, its revocation. After that [`Sessions::open`] does not find it.
//! 3. A revocation holds from its answer on, for every later [`Sessions::open`].
//! 4. A user has at most [`SESSIONS_PER_USER_MAX`] sessions; one more ends the one that was not used for the longest
//!    time.
//! 5. No session is made for a banned user or from a credential that was revoked. Looking and making are one step: a
//!    revocation ends every session made before it and refuses what comes after.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_shared::UserId;
use thiserror::Error;

use crate::grants::Grants;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod redis;

/// The most sessions that one user has at a time.
pub const SESSIONS_PER_USER_MAX: usize = 100;

/// A login, as it is stored and shown; never with its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id, fit to be shown.
    pub id: Arc<str>,
    /// Whose login.
    pub user: UserId,
    /// The name to show.
    pub name: Option<Arc<str>>,
    /// What it allows beyond the policies of room kinds.
    pub grants: Grants,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// When it was last used, Unix milliseconds; exact to a minute.
    pub seen_ms: u64,
    /// When it ends if it is not used again, Unix milliseconds.
    pub expires_ms: u64,
    /// When it ends in any case, Unix milliseconds.
    pub ends_ms: u64,
    /// The program and device, as they named themselves.
    pub device: String,
    /// Where it was last used from.
    pub address: IpAddr,
}

/// What a new session is made from.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose login.
    pub user: UserId,
    /// The name to show.
    pub name: Option<Arc<str>>,
    /// What it allows.
    pub grants: Grants,
    /// When the credential was issued, Unix seconds; none for a guest, who shows none.
    pub issued_at_s: Option<u64>,
    /// The expiry of the credential, Unix milliseconds; none for a guest.
    pub not_after_ms: Option<u64>,
    /// The program and device.
    pub device: String,
    /// Where it is used from.
    pub address: IpAddr,
}

/// What became of the wish for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there. The second value is its secret, which is not kept: text of the characters that a cookie may have,
    /// which means something to the store alone.
    Session(Box<Session>, String),
    /// The user is banned, or the credential was revoked: nothing was made.
    Refused(UserStanding),
}

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// Without use.
    pub sliding_ms: u64,
    /// In any case.
    pub absolute_ms: u64,
}

/// How a user stands with the whole service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserStanding {
    /// Tokens issued in this second (Unix seconds) or before are refused.
    pub revoked_before_s: Option<u64>,
    /// Kept out altogether.
    pub banned: bool,
}

impl UserStanding {
    /// Whether a credential that was issued at this second, if it says when, was revoked.
    pub fn revokes(&self, issued_at_s: Option<u64>) -> bool {
        issued_at_s.zip(self.revoked_before_s).is_some_and(|(issued_at_s, before_s)| issued_at_s <= before_s)
    }
}

/// Why the session store gave no answer. The dependency's fault; retry.
#[derive(Debug, Clone, Error)]
pub enum SessionsError {
    /// The store did not answer in time.
    #[error("the session store did not answer in time")]
    Unavailable,
}

/// Logins; see the module for what is promised.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Makes a session, unless the user is banned or the credential was revoked.
    async fn create(&self, new: NewSession) -> Result<Created, SessionsError>;

    /// Finds the session of a secret, and counts as a use of it.
    async fn open(&self, secret: &str, address: IpAddr) -> Result<Option<Session>, SessionsError>;

    /// Counts as a use of a session that is in use by a connection; `None` once it does not stand any more.
    async fn touch(&self, user: &UserId, id: &str, address: IpAddr) -> Result<Option<Session>, SessionsError>;

    /// Whether a session still stands, without using it.
    async fn stands(&self, user: &UserId, id: &str) -> Result<bool, SessionsError>;

    /// The user's sessions, the newest first.
    async fn list(&self, user: &UserId) -> Result<Vec<Session>, SessionsError>;

    /// Ends one of the user's sessions; answers whether there was one.
    async fn revoke(&self, user: &UserId, id: &str) -> Result<bool, SessionsError>;

    /// Ends all of the user's sessions except one; answers the ids of those ended.
    async fn revoke_others(&self, user: &UserId, keep: &str) -> Result<Vec<Arc<str>>, SessionsError>;

    /// Ends all of the user's sessions and refuses every token issued until now; answers the second (Unix) that
    /// [`UserStanding::revoked_before_s`] shows from now on.
    async fn revoke_user(&self, user: &UserId) -> Result<u64, SessionsError>;

    /// Keeps a user out of the whole service until then (Unix milliseconds), or lets the user in again.
    async fn set_banned(&self, user: &UserId, until_ms: Option<u64>) -> Result<(), SessionsError>;

    /// How a user stands with the whole service.
    async fn user_standing(&self, user: &UserId) -> Result<UserStanding, SessionsError>;
}
