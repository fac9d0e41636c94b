//! The embedded version.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_shared::UserId;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{Created, Lifetime, NewSession, SESSIONS_PER_USER_MAX, Session, Sessions, SessionsError, UserStanding};
use crate::clock::Clock;
use crate::random;

/// Characters of a session's id: 95 bits, so that ids of all users are told apart.
const ID_CHARACTERS: usize = 16;
/// Characters of a session's secret: 256 bits, as many as its hash has.
const SECRET_CHARACTERS: usize = 43;
/// Below this number of users a sweep is not worth its while.
const SWEEP_USERS_MIN: usize = 1_024;

type SecretHash = [u8; 32];

/// Logins in this process's memory. Replicas share them by sharing the value.
#[derive(Debug)]
pub struct MemorySessions {
    clock: Clock,
    lifetime: Lifetime,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: ahash::HashMap<UserId, User>,
    /// Whose session a secret opens. Secrets of sessions that ended without being revoked stay until they are swept.
    owners: ahash::HashMap<SecretHash, UserId>,
    /// The number of users at which what has ended is swept away: twice what the last sweep left, so that sweeping
    /// costs a constant time per user.
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct User {
    /// In the order in which they were made.
    sessions: Vec<(SecretHash, Session)>,
    /// Kept for good, since nobody knows how long the tokens live that it refuses. Only the application makes these.
    revoked_before_s: Option<u64>,
    banned_until_ms: Option<u64>,
}

impl MemorySessions {
    /// A store without logins, whose sessions last as long as `lifetime` says.
    pub fn new(clock: Clock, lifetime: Lifetime) -> Self {
        let users = ahash::HashMap::default();
        let state = State { users, owners: ahash::HashMap::default(), sweep_at: SWEEP_USERS_MIN };
        Self { clock, lifetime, state: Mutex::new(state) }
    }
}

fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

fn stands(session: &Session, now_ms: u64) -> bool {
    session.expires_ms > now_ms
}

impl Lifetime {
    /// Counts as a use of a session that stands.
    fn use_now(&self, session: &mut Session, now_ms: u64, address: IpAddr) -> Option<Session> {
        if !stands(session, now_ms) {
            return None;
        }
        session.seen_ms = now_ms;
        session.expires_ms = now_ms.saturating_add(self.sliding_ms).min(session.ends_ms);
        session.address = address;
        Some(session.clone())
    }
}

#[async_trait]
impl Sessions for MemorySessions {
    async fn create(&self, new: NewSession) -> Result<Created, SessionsError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let user_standing = state.user_standing(&new.user, now_ms);
        if user_standing.banned || user_standing.revokes(new.issued_at_s) {
            return Ok(Created::Refused(user_standing));
        }
        let ends_ms = now_ms.saturating_add(self.lifetime.absolute_ms).min(new.not_after_ms.unwrap_or(u64::MAX));
        let session = Session {
            id: Arc::from(random::word(ID_CHARACTERS)),
            user: new.user,
            name: new.name,
            grants: new.grants,
            created_ms: now_ms,
            seen_ms: now_ms,
            expires_ms: now_ms.saturating_add(self.lifetime.sliding_ms).min(ends_ms),
            ends_ms,
            device: new.device,
            address: new.address,
        };
        let secret = random::word(SECRET_CHARACTERS);
        state.insert(hash(&secret), session.clone(), now_ms);
        Ok(Created::Session(Box::new(session), secret))
    }

    async fn open(&self, secret: &str, address: IpAddr) -> Result<Option<Session>, SessionsError> {
        let now_ms = self.clock.now_ms();
        let hash = hash(secret);
        let mut state = self.state.lock();
        let State { users, owners, .. } = &mut *state;
        let sessions = owners.get(&hash).and_then(|user| users.get_mut(user)).map(|user| &mut user.sessions);
        let found = sessions.and_then(|sessions| sessions.iter_mut().find(|(other, _)| *other == hash));
        Ok(found.and_then(|(_, session)| self.lifetime.use_now(session, now_ms, address)))
    }

    async fn touch(&self, user: &UserId, id: &str, address: IpAddr) -> Result<Option<Session>, SessionsError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let sessions = state.users.get_mut(user).map(|user| &mut user.sessions);
        let found = sessions.and_then(|sessions| sessions.iter_mut().find(|(_, session)| *session.id == *id));
        Ok(found.and_then(|(_, session)| self.lifetime.use_now(session, now_ms, address)))
    }

    async fn stands(&self, user: &UserId, id: &str) -> Result<bool, SessionsError> {
        let now_ms = self.clock.now_ms();
        let state = self.state.lock();
        Ok(state.standing(user, now_ms).any(|session| *session.id == *id))
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, SessionsError> {
        let now_ms = self.clock.now_ms();
        let state = self.state.lock();
        Ok(state.standing(user, now_ms).rev().cloned().collect())
    }

    async fn revoke(&self, user: &UserId, id: &str) -> Result<bool, SessionsError> {
        let now_ms = self.clock.now_ms();
        Ok(!self.state.lock().end(user, now_ms, |session| *session.id == *id).is_empty())
    }

    async fn revoke_others(&self, user: &UserId, keep: &str) -> Result<Vec<Arc<str>>, SessionsError> {
        let now_ms = self.clock.now_ms();
        Ok(self.state.lock().end(user, now_ms, |session| *session.id != *keep))
    }

    async fn revoke_user(&self, user: &UserId) -> Result<u64, SessionsError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        state.end(user, now_ms, |_| true);
        let known = state.user(user, now_ms);
        let second = known.revoked_before_s.unwrap_or(0).max(now_ms / 1_000);
        known.revoked_before_s = Some(second);
        Ok(second)
    }

    async fn set_banned(&self, user: &UserId, until_ms: Option<u64>) -> Result<(), SessionsError> {
        let now_ms = self.clock.now_ms();
        self.state.lock().user(user, now_ms).banned_until_ms = until_ms;
        Ok(())
    }

    async fn user_standing(&self, user: &UserId) -> Result<UserStanding, SessionsError> {
        let now_ms = self.clock.now_ms();
        Ok(self.state.lock().user_standing(user, now_ms))
    }
}

impl State {
    /// The user's sessions that have not ended, the oldest first.
    fn standing(&self, user: &UserId, now_ms: u64) -> impl DoubleEndedIterator<Item = &Session> {
        let sessions = self.users.get(user).map_or(&[][..], |user| &user.sessions);
        sessions.iter().map(|(_, session)| session).filter(move |session| stands(session, now_ms))
    }

    fn user_standing(&self, user: &UserId, now_ms: u64) -> UserStanding {
        self.users.get(user).map_or_else(UserStanding::default, |user| UserStanding {
            revoked_before_s: user.revoked_before_s,
            banned: user.banned_until_ms.is_some_and(|until_ms| until_ms > now_ms),
        })
    }

    /// The user, to be changed.
    fn user(&mut self, user: &UserId, now_ms: u64) -> &mut User {
        if !self.users.contains_key(user) && self.users.len() >= self.sweep_at {
            self.sweep(now_ms);
        }
        self.users.entry(user.clone()).or_default()
    }

    fn insert(&mut self, hash: SecretHash, session: Session, now_ms: u64) {
        let owner = session.user.clone();
        // What has ended goes first; then, if there are too many, the one that was not used for the longest time.
        let mut ended = Vec::new();
        let sessions = &mut self.user(&owner, now_ms).sessions;
        ended.extend(sessions.extract_if(.., |(_, session)| !stands(session, now_ms)).map(|(hash, _)| hash));
        if sessions.len() >= SESSIONS_PER_USER_MAX {
            let oldest = sessions.iter().enumerate().min_by_key(|(_, (_, session))| session.seen_ms);
            ended.extend(oldest.map(|(index, _)| index).map(|index| sessions.remove(index).0));
        }
        // Most users have one session; a vector left to itself would make room for four.
        if sessions.is_empty() {
            sessions.reserve_exact(1);
        }
        sessions.push((hash, session));
        for hash in ended {
            self.owners.remove(&hash);
        }
        self.owners.insert(hash, owner);
    }

    /// Ends those of the user's sessions that stand and are chosen; answers their ids.
    fn end(&mut self, user: &UserId, now_ms: u64, mut chosen: impl FnMut(&Session) -> bool) -> Vec<Arc<str>> {
        let Some(known) = self.users.get_mut(user) else { return Vec::new() };
        let ended = known.sessions.extract_if(.., |(_, session)| !stands(session, now_ms) || chosen(session));
        let mut ids = Vec::new();
        for (hash, session) in ended {
            self.owners.remove(&hash);
            if stands(&session, now_ms) {
                ids.push(session.id);
            }
        }
        ids
    }

    fn sweep(&mut self, now_ms: u64) {
        let Self { users, owners, .. } = self;
        users.retain(|_, user| {
            for (hash, _) in user.sessions.extract_if(.., |(_, session)| !stands(session, now_ms)) {
                owners.remove(&hash);
            }
            let banned = user.banned_until_ms.is_some_and(|until_ms| until_ms > now_ms);
            banned || user.revoked_before_s.is_some() || !user.sessions.is_empty()
        });
        self.sweep_at = (users.len() * 2).max(SWEEP_USERS_MIN);
        users.shrink_to(self.sweep_at);
        owners.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::grants::Grants;
    use crate::sessions::conformance::{Fixture, sessions_conformance};

    const NOW_MS: u64 = 1_790_000_000_000;
    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    struct Memory(Arc<MemorySessions>);

    impl Fixture for Memory {
        async fn new(lifetime: Lifetime) -> Self {
            Self(Arc::new(MemorySessions::new(Clock::tokio(NOW_MS), lifetime)))
        }

        async fn replica(&self) -> Arc<dyn Sessions> {
            Arc::clone(&self.0) as Arc<dyn Sessions>
        }

        fn now_ms(&self) -> u64 {
            self.0.clock.now_ms()
        }

        async fn pass(&self, time: Duration) {
            advance(time).await;
        }

        async fn stored(&self) -> String {
            format!("{:?}", self.0.state.lock())
        }
    }

    sessions_conformance!(Memory, #[tokio::test(start_paused = true)]);

    fn sessions() -> MemorySessions {
        MemorySessions::new(Clock::tokio(NOW_MS), Lifetime { sliding_ms: 1_000, absolute_ms: 10_000 })
    }

    fn new(user: &str) -> NewSession {
        NewSession {
            user: UserId::new(user).unwrap(),
            name: None,
            grants: Grants::default(),
            issued_at_s: None,
            not_after_ms: None,
            device: String::new(),
            address: ADDRESS,
        }
    }

    async fn create(sessions: &MemorySessions, user: &str) -> (Session, String) {
        match sessions.create(new(user)).await.unwrap() {
            Created::Session(session, secret) => (*session, secret),
            Created::Refused(standing) => panic!("{user} got no session: {standing:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_to_the_millisecond() {
        let sessions = sessions();
        let (_, secret) = create(&sessions, "ada").await;
        advance(Duration::from_millis(999)).await;
        assert!(sessions.open(&secret, ADDRESS).await.unwrap().is_some());
        advance(Duration::from_secs(1)).await;
        assert_eq!(sessions.open(&secret, ADDRESS).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_session_that_was_used_least_recently_makes_room() {
        let sessions = sessions();
        let mut secrets = Vec::new();
        for _ in 0..SESSIONS_PER_USER_MAX {
            secrets.push(create(&sessions, "ada").await.1);
        }
        advance(Duration::from_millis(1)).await;
        for secret in secrets[..10].iter().chain(&secrets[11..]) {
            sessions.open(secret, ADDRESS).await.unwrap().unwrap();
        }
        create(&sessions, "ada").await;
        assert!(sessions.open(&secrets[0], ADDRESS).await.unwrap().is_some());
        assert_eq!(sessions.open(&secrets[10], ADDRESS).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn guests_that_went_are_forgotten_and_revocations_and_bans_are_not() {
        let sessions = sessions();
        let (revoked, banned) = (UserId::new("ada").unwrap(), UserId::new("bob").unwrap());
        sessions.revoke_user(&revoked).await.unwrap();
        sessions.set_banned(&banned, Some(u64::MAX)).await.unwrap();
        for number in 0..10 * SWEEP_USERS_MIN {
            create(&sessions, &format!("guest:{number}")).await;
            advance(Duration::from_millis(1)).await;
        }
        assert!(sessions.user_standing(&revoked).await.unwrap().revoked_before_s.is_some());
        assert!(sessions.user_standing(&banned).await.unwrap().banned);
        let state = sessions.state.lock();
        // At any time 1,000 guests are there.
        assert!(state.users.len() <= 2 * SWEEP_USERS_MIN, "{} users are kept", state.users.len());
        assert!(state.owners.len() <= 2 * SWEEP_USERS_MIN, "{} secrets are kept", state.owners.len());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_that_ended_are_forgotten_when_their_user_gets_a_new_one() {
        let sessions = sessions();
        for _ in 0..50 {
            create(&sessions, "ada").await;
        }
        advance(Duration::from_secs(1)).await;
        create(&sessions, "ada").await;
        let state = sessions.state.lock();
        assert_eq!((state.users.len(), state.owners.len()), (1, 1));
    }
}
