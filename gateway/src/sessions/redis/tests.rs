//! Logins in a real Redis.

use std::net::Ipv4Addr;
use std::time::Duration;

use hubbub_testbed::RedisServer;
use parking_lot::Mutex;
use tokio::task::block_in_place;

use super::*;
use crate::grants::Grants;
use crate::redis::testing::{Connected, connect};
use crate::sessions::conformance::{Fixture, sessions_conformance};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

struct Shared {
    server: RedisServer,
    lifetime: Lifetime,
    now_ms: Mutex<u64>,
    connected: Mutex<Vec<Connected>>,
}

impl Fixture for Shared {
    async fn new(lifetime: Lifetime) -> Self {
        let server = block_in_place(RedisServer::start);
        Self { server, lifetime, now_ms: Mutex::new(1_790_000_000_000), connected: Mutex::default() }
    }

    async fn replica(&self) -> Arc<dyn Sessions> {
        Arc::new(self.sessions())
    }

    async fn pass(&self, time: Duration) {
        let mut now_ms = self.now_ms.lock();
        *now_ms += time.as_millis() as u64;
        for connected in &*self.connected.lock() {
            connected.set_now_ms(Some(*now_ms));
        }
    }

    fn now_ms(&self) -> u64 {
        *self.now_ms.lock()
    }

    async fn stored(&self) -> String {
        let all = "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do all[#all + 1] = key \
                   for _, text in ipairs(redis.call('HGETALL', key)) do all[#all + 1] = text end end return all";
        format!("{:?}", self.server.call(&["EVAL", all, "0"]).unwrap())
    }
}

impl Shared {
    fn sessions(&self) -> RedisSessions {
        let connected = connect(&self.server.url());
        connected.set_now_ms(Some(*self.now_ms.lock()));
        let sessions = RedisSessions::new(connected.redis.clone(), self.lifetime);
        self.connected.lock().push(connected);
        sessions
    }

    /// How often a command was carried out.
    fn calls(&self, command: &str) -> u64 {
        let stats = self.server.info(&format!("cmdstat_{command}"));
        stats.map_or(0, |stats| stats.trim_start_matches("calls=").split(',').next().unwrap().parse().unwrap())
    }

    /// What the time to live of the user's keys is, milliseconds; none where they are kept for good.
    fn left_ms(&self, what: &str, user: &str) -> Option<u64> {
        let connected = self.connected.lock();
        let keys = connected[0].keys();
        let left = self.server.cli(&["PTTL", &keys.key(keys.user(user), what, user)]).unwrap();
        left.parse().ok()
    }
}

sessions_conformance!(Shared, #[tokio::test(flavor = "multi_thread")]);

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn create(sessions: &RedisSessions, id: &str) -> (Session, String) {
    let new = NewSession {
        user: user(id),
        name: None,
        grants: Grants::default(),
        issued_at_s: None,
        not_after_ms: None,
        device: String::new(),
        address: ADDRESS,
    };
    match sessions.create(new).await.unwrap() {
        Created::Session(session, secret) => (*session, secret),
        Created::Refused(standing) => panic!("{id} was refused: {standing:?}"),
    }
}

const WEEK_MS: u64 = 7 * 24 * 3_600_000;
const LONG: Lifetime = Lifetime { sliding_ms: WEEK_MS, absolute_ms: 10 * WEEK_MS };

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_written_once_a_minute_or_when_it_comes_from_elsewhere() {
    let store = Shared::new(LONG).await;
    let sessions = store.sessions();
    let (session, secret) = create(&sessions, "ada").await;
    let written = store.calls("hset");
    for _ in 0..10 {
        store.pass(Duration::from_secs(5)).await;
        assert_eq!(sessions.open(&secret, ADDRESS).await.unwrap(), Some(session.clone()));
    }
    assert_eq!(store.calls("hset"), written);
    let elsewhere = sessions.touch(&user("ada"), &session.id, OTHER_ADDRESS).await.unwrap().unwrap();
    assert_eq!((elsewhere.address, elsewhere.seen_ms), (OTHER_ADDRESS, store.now_ms()));
    store.pass(Duration::from_mins(1)).await;
    let later = sessions.open(&secret, OTHER_ADDRESS).await.unwrap().unwrap();
    assert_eq!((later.seen_ms, later.expires_ms), (store.now_ms(), store.now_ms() + WEEK_MS));
    assert_eq!(store.calls("hset"), written + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_slides_in_seconds_lasts_while_it_is_used_every_second() {
    let store = Shared::new(Lifetime { sliding_ms: 2_000, absolute_ms: WEEK_MS }).await;
    let sessions = store.sessions();
    let (_, secret) = create(&sessions, "ada").await;
    for _ in 0..10 {
        store.pass(Duration::from_secs(1)).await;
        assert!(sessions.open(&secret, ADDRESS).await.unwrap().is_some());
    }
    store.pass(Duration::from_secs(2)).await;
    assert_eq!(sessions.open(&secret, ADDRESS).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_was_used_least_recently_makes_room() {
    let store = Shared::new(LONG).await;
    let sessions = store.sessions();
    let mut made = Vec::new();
    for _ in 0..SESSIONS_PER_USER_MAX {
        made.push(create(&sessions, "ada").await.1);
    }
    store.pass(Duration::from_mins(1)).await;
    for secret in made[..10].iter().chain(&made[11..]) {
        sessions.open(secret, ADDRESS).await.unwrap().unwrap();
    }
    create(&sessions, "ada").await;
    assert!(sessions.open(&made[0], ADDRESS).await.unwrap().is_some());
    assert_eq!(sessions.open(&made[10], ADDRESS).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_collected_and_revocations_and_bans_for_good_are_kept() {
    let store = Shared::new(LONG).await;
    let sessions = store.sessions();
    let (_, secret) = create(&sessions, "ada").await;
    assert!((WEEK_MS..=WEEK_MS + 60_000).contains(&store.left_ms("sessions", "ada").unwrap()));
    // Time stands still for Redis itself, so that what slid is longer there than what it slid from.
    store.pass(Duration::from_hours(24)).await;
    sessions.open(&secret, ADDRESS).await.unwrap().unwrap();
    assert!(store.left_ms("sessions", "ada").unwrap() <= WEEK_MS + 60_000);

    sessions.set_banned(&user("bob"), Some(store.now_ms() + 1_000)).await.unwrap();
    assert!((1_000..=61_000).contains(&store.left_ms("standing", "bob").unwrap()));
    sessions.set_banned(&user("bob"), Some(u64::MAX)).await.unwrap();
    assert_eq!(store.left_ms("standing", "bob"), None);
    sessions.set_banned(&user("bob"), None).await.unwrap();
    assert_eq!(store.server.cli(&["KEYS", "*standing:bob"]).unwrap(), "");

    sessions.set_banned(&user("eve"), Some(store.now_ms() + 1_000)).await.unwrap();
    sessions.revoke_user(&user("eve")).await.unwrap();
    assert_eq!(store.left_ms("standing", "eve"), None);
    sessions.set_banned(&user("eve"), Some(store.now_ms() + 1_000)).await.unwrap();
    assert_eq!(store.left_ms("standing", "eve"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_still_opens_ends_revokes_and_bans_but_makes_no_session() {
    let store = Shared::new(LONG).await;
    let sessions = store.sessions();
    let (kept, secret) = create(&sessions, "ada").await;
    let (other, _) = create(&sessions, "ada").await;
    store.server.cli(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let ada = user("ada");
    assert!(sessions.open(&secret, OTHER_ADDRESS).await.unwrap().is_some());
    assert!(sessions.revoke(&ada, &other.id).await.unwrap());
    assert!(sessions.stands(&ada, &kept.id).await.unwrap());
    sessions.set_banned(&ada, Some(u64::MAX)).await.unwrap();
    let second = sessions.revoke_user(&ada).await.unwrap();
    let standing = UserStanding { revoked_before_s: Some(second), banned: true };
    assert_eq!(sessions.user_standing(&ada).await.unwrap(), standing);
    let new = NewSession {
        user: user("bob"),
        name: None,
        grants: Grants::default(),
        issued_at_s: None,
        not_after_ms: None,
        device: String::new(),
        address: ADDRESS,
    };
    assert!(matches!(sessions.create(new).await, Err(SessionsError::Unavailable)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_says_so() {
    let store = Shared::new(LONG).await;
    let sessions = store.sessions();
    let (session, secret) = create(&sessions, "ada").await;
    store.server.kill();
    assert!(matches!(sessions.open(&secret, ADDRESS).await, Err(SessionsError::Unavailable)));
    assert!(matches!(sessions.stands(&session.user, &session.id).await, Err(SessionsError::Unavailable)));
    assert!(matches!(sessions.user_standing(&session.user).await, Err(SessionsError::Unavailable)));
    // What cannot be a secret needs no store.
    assert_eq!(sessions.open("nobody-knows-this", ADDRESS).await.unwrap(), None);
}
