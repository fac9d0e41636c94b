//! What a session store promises, as tests that every implementation is put through.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubbub_shared::UserId;

use super::{Created, Lifetime, NewSession, SESSIONS_PER_USER_MAX, Session, Sessions, UserStanding};
use crate::grants::{Grants, Pattern, Rights};

/// A store to be put through the tests.
pub(crate) trait Fixture {
    /// A store of its own, without sessions.
    async fn new(lifetime: Lifetime) -> Self;

    /// The store as one more replica sees it.
    async fn replica(&self) -> Arc<dyn Sessions>;

    /// Lets time pass for the store.
    async fn pass(&self, time: Duration);

    /// The store's time, Unix milliseconds.
    fn now_ms(&self) -> u64;

    /// All that is stored, as text.
    async fn stored(&self) -> String;
}

/// The tests for one implementation: `sessions_conformance!(its fixture, #[test attribute])`.
macro_rules! sessions_conformance {
    ($fixture:ty, #[$test:meta]) => {
        sessions_conformance!($fixture, #[$test],
            a_secret_opens_its_session_on_every_replica,
            what_a_session_is_made_from_is_kept,
            no_secret_is_stored,
            nothing_but_a_secret_opens_a_session,
            a_use_is_noted,
            a_session_that_is_used_lasts_and_one_that_is_not_ends,
            looking_at_a_session_is_no_use_of_it,
            a_session_ends_at_its_absolute_end_however_it_is_used,
            a_session_never_outlives_the_credential_it_was_made_from,
            sessions_are_listed_the_newest_first_and_only_to_their_user,
            a_revoked_session_is_gone_on_every_replica,
            a_session_is_revoked_once_and_by_its_user_only,
            all_others_are_revoked_and_the_kept_one_stays,
            a_revoked_user_has_no_session_left_but_can_get_a_new_one,
            a_revocation_refuses_tokens_issued_until_now_and_is_not_taken_back,
            a_banned_user_is_let_in_again_in_time_or_when_told,
            a_credential_that_was_revoked_makes_no_session_and_a_newer_one_does,
            a_banned_user_gets_no_session,
            a_session_made_while_its_user_is_revoked_does_not_survive,
            a_user_has_a_bounded_number_of_sessions_and_loses_the_one_unused_for_longest
        );
    };
    ($fixture:ty, #[$test:meta], $($promise:ident),+) => {$(
        #[$test]
        async fn $promise() {
            $crate::sessions::conformance::$promise::<$fixture>().await;
        }
    )+};
}
pub(crate) use sessions_conformance;

/// Uses that are a unit apart are told apart.
const UNIT: Duration = Duration::from_mins(1);

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x11));

/// Four units without use, twelve in any case.
async fn store<F: Fixture>() -> F {
    let unit_ms = UNIT.as_millis() as u64;
    F::new(Lifetime { sliding_ms: unit_ms * 4, absolute_ms: unit_ms * 12 }).await
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn new(id: &str) -> NewSession {
    NewSession {
        user: user(id),
        name: None,
        grants: Grants::default(),
        issued_at_s: None,
        not_after_ms: None,
        device: "test".to_owned(),
        address: HERE,
    }
}

async fn create(sessions: &Arc<dyn Sessions>, id: &str) -> (Session, String) {
    create_from(sessions, new(id)).await
}

async fn create_from(sessions: &Arc<dyn Sessions>, new: NewSession) -> (Session, String) {
    match sessions.create(new.clone()).await.unwrap() {
        Created::Session(session, secret) => (*session, secret),
        Created::Refused(standing) => panic!("{new:?} was refused: {standing:?}"),
    }
}

async fn open(sessions: &Arc<dyn Sessions>, secret: &str) -> Option<Session> {
    sessions.open(secret, HERE).await.unwrap()
}

/// Whether the session is there in every way of looking at it; the ways must agree.
async fn is_there(sessions: &Arc<dyn Sessions>, session: &Session, secret: &str) -> bool {
    let stands = sessions.stands(&session.user, &session.id).await.unwrap();
    let listed = sessions.list(&session.user).await.unwrap().iter().any(|other| other.id == session.id);
    let opens = open(sessions, secret).await.is_some();
    assert_eq!((stands, listed), (opens, opens), "stands, is listed; opens");
    opens
}

pub(crate) async fn a_secret_opens_its_session_on_every_replica<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let (session, secret) = create(&here, "ada").await;
    let (other, other_secret) = create(&here, "ada").await;
    assert_ne!(session.id, other.id);
    assert_ne!(secret, other_secret);
    for replica in [here, there] {
        assert!(is_there(&replica, &session, &secret).await);
        assert_eq!(open(&replica, &secret).await.unwrap().id, session.id);
        assert_eq!(open(&replica, &other_secret).await.unwrap().id, other.id);
    }
}

pub(crate) async fn what_a_session_is_made_from_is_kept<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let before_ms = store.now_ms();
    let unit_ms = UNIT.as_millis() as u64;
    let grants = Grants(vec![
        (Pattern::new("team-*"), Rights { join: true, send: true, moderate: false }),
        (Pattern::new("*"), Rights { join: true, ..Rights::NONE }),
        (Pattern::new(r#"no room: "{}" 👍"#), Rights { moderate: true, ..Rights::NONE }),
    ]);
    let new = NewSession {
        user: user("guest:A-Z_09=@,.;:/#$+"),
        name: Some(Arc::from("Ada \"Æ\" 👍\n{}")),
        grants: grants.clone(),
        issued_at_s: Some(before_ms / 1_000),
        not_after_ms: Some(before_ms + unit_ms * 8),
        device: "Browser/1.0 (räumlich; \"x\")".to_owned(),
        address: THERE,
    };
    let (session, secret) = create_from(&here, new.clone()).await;
    let after_ms = store.now_ms();
    assert_eq!((&session.user, &session.name, &session.grants), (&new.user, &new.name, &grants));
    assert_eq!((&session.device, session.address), (&new.device, THERE));
    assert!((before_ms..=after_ms).contains(&session.created_ms));
    assert_eq!(session.seen_ms, session.created_ms);
    assert_eq!(session.expires_ms, session.created_ms + unit_ms * 4);
    assert_eq!(session.ends_ms, before_ms + unit_ms * 8);
    assert_eq!(there.list(&new.user).await.unwrap(), vec![session.clone()]);
    let opened = there.open(&secret, THERE).await.unwrap().unwrap();
    let Session { seen_ms, expires_ms, .. } = opened;
    assert_eq!(opened, Session { seen_ms, expires_ms, ..session });
}

pub(crate) async fn no_secret_is_stored<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (session, secret) = create(&sessions, "ada").await;
    open(&sessions, &secret).await.unwrap();
    let stored = store.stored().await;
    assert!(stored.contains(&*session.id), "the session itself is not among what is stored");
    assert!(!stored.contains(&secret));
}

pub(crate) async fn nothing_but_a_secret_opens_a_session<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (session, secret) = create(&sessions, "ada").await;
    for wrong in ["", "*", &*session.id, "ada", &secret[1..], &format!("{secret}a"), &secret.to_lowercase()] {
        assert_eq!(open(&sessions, wrong).await, None, "{wrong:?}");
    }
    assert!(is_there(&sessions, &session, &secret).await);
}

pub(crate) async fn a_use_is_noted<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let (_, secret) = create(&here, "ada").await;
    store.pass(UNIT * 2).await;
    let used_ms = store.now_ms();
    let used = there.open(&secret, THERE).await.unwrap().unwrap();
    assert_eq!(used.address, THERE);
    // Exact to a minute.
    assert!(used.seen_ms + 60_000 >= used_ms && used.seen_ms <= store.now_ms());
    let listed = here.list(&user("ada")).await.unwrap();
    assert_eq!(listed, vec![used]);
}

pub(crate) async fn a_session_that_is_used_lasts_and_one_that_is_not_ends<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (used, used_secret) = create(&sessions, "ada").await;
    let (unused, unused_secret) = create(&sessions, "ada").await;
    for _ in 0..3 {
        store.pass(UNIT * 2).await;
        assert!(open(&sessions, &used_secret).await.is_some());
    }
    assert!(is_there(&sessions, &used, &used_secret).await);
    assert!(!is_there(&sessions, &unused, &unused_secret).await);
    assert!(!sessions.revoke(&unused.user, &unused.id).await.unwrap(), "what has ended cannot be revoked");
    store.pass(UNIT * 5).await;
    assert!(!is_there(&sessions, &used, &used_secret).await);
}

pub(crate) async fn looking_at_a_session_is_no_use_of_it<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (session, secret) = create(&sessions, "ada").await;
    for _ in 0..5 {
        store.pass(UNIT).await;
        sessions.stands(&session.user, &session.id).await.unwrap();
        sessions.list(&session.user).await.unwrap();
    }
    assert!(!is_there(&sessions, &session, &secret).await);
}

pub(crate) async fn a_session_ends_at_its_absolute_end_however_it_is_used<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (session, secret) = create(&sessions, "ada").await;
    let mut last = session.clone();
    for _ in 0..5 {
        store.pass(UNIT * 2).await;
        last = open(&sessions, &secret).await.unwrap();
        assert_eq!(last.ends_ms, session.ends_ms);
        assert!(last.expires_ms <= last.ends_ms);
    }
    assert_eq!(last.expires_ms, last.ends_ms);
    store.pass(UNIT * 3).await;
    assert!(!is_there(&sessions, &session, &secret).await);
}

pub(crate) async fn a_session_never_outlives_the_credential_it_was_made_from<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let not_after_ms = store.now_ms() + UNIT.as_millis() as u64 * 3;
    let (session, secret) = create_from(&sessions, NewSession { not_after_ms: Some(not_after_ms), ..new("ada") }).await;
    assert_eq!((session.expires_ms, session.ends_ms), (not_after_ms, not_after_ms));
    store.pass(UNIT * 2).await;
    assert_eq!(open(&sessions, &secret).await.unwrap().expires_ms, not_after_ms);
    store.pass(UNIT * 2).await;
    assert!(!is_there(&sessions, &session, &secret).await);
    // A credential that has run out already makes a session that has ended.
    let (session, secret) = create_from(&sessions, NewSession { not_after_ms: Some(not_after_ms), ..new("ada") }).await;
    assert!(!is_there(&sessions, &session, &secret).await);
}

pub(crate) async fn sessions_are_listed_the_newest_first_and_only_to_their_user<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.insert(0, create(&sessions, "ada").await.0.id);
        store.pass(UNIT / 4).await;
    }
    create(&sessions, "bob").await;
    let listed: Vec<_> = sessions.list(&user("ada")).await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(listed, made);
    assert_eq!(sessions.list(&user("ad")).await.unwrap(), vec![]);
    assert!(!sessions.stands(&user("bob"), &made[0]).await.unwrap());
}

pub(crate) async fn a_revoked_session_is_gone_on_every_replica<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let (session, secret) = create(&here, "ada").await;
    let (other, other_secret) = create(&here, "ada").await;
    assert!(here.revoke(&session.user, &session.id).await.unwrap());
    for replica in [here, there] {
        assert!(!is_there(&replica, &session, &secret).await);
        assert!(is_there(&replica, &other, &other_secret).await);
    }
}

pub(crate) async fn a_session_is_revoked_once_and_by_its_user_only<F: Fixture>() {
    let store = store::<F>().await;
    let sessions = store.replica().await;
    let (session, secret) = create(&sessions, "ada").await;
    create(&sessions, "bob").await;
    assert!(!sessions.revoke(&user("bob"), &session.id).await.unwrap());
    assert!(!sessions.revoke(&user("eve"), &session.id).await.unwrap());
    assert!(!sessions.revoke(&user("ada"), "").await.unwrap());
    assert!(is_there(&sessions, &session, &secret).await);
    assert!(sessions.revoke(&user("ada"), &session.id).await.unwrap());
    assert!(!sessions.revoke(&user("ada"), &session.id).await.unwrap());
}

pub(crate) async fn all_others_are_revoked_and_the_kept_one_stays<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let (kept, kept_secret) = create(&here, "ada").await;
    let (one, one_secret) = create(&here, "ada").await;
    let (two, two_secret) = create(&there, "ada").await;
    let (bobs, bobs_secret) = create(&here, "bob").await;
    let ended: HashSet<_> = there.revoke_others(&user("ada"), &kept.id).await.unwrap().into_iter().collect();
    assert_eq!(ended, HashSet::from([Arc::clone(&one.id), Arc::clone(&two.id)]));
    assert!(is_there(&here, &kept, &kept_secret).await);
    assert!(is_there(&here, &bobs, &bobs_secret).await);
    assert!(!is_there(&here, &one, &one_secret).await);
    assert!(!is_there(&here, &two, &two_secret).await);
    assert!(there.revoke_others(&user("ada"), &kept.id).await.unwrap().is_empty());
}

pub(crate) async fn a_revoked_user_has_no_session_left_but_can_get_a_new_one<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let (one, one_secret) = create(&here, "ada").await;
    let (two, two_secret) = create(&there, "ada").await;
    let (bobs, bobs_secret) = create(&here, "bob").await;
    here.revoke_user(&user("ada")).await.unwrap();
    assert!(!is_there(&there, &one, &one_secret).await);
    assert!(!is_there(&there, &two, &two_secret).await);
    assert!(is_there(&there, &bobs, &bobs_secret).await);
    let (fresh, fresh_secret) = create(&there, "ada").await;
    assert!(is_there(&here, &fresh, &fresh_secret).await);
}

pub(crate) async fn a_revocation_refuses_tokens_issued_until_now_and_is_not_taken_back<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    assert_eq!(there.user_standing(&user("ada")).await.unwrap(), UserStanding::default());
    let before_s = store.now_ms() / 1_000;
    let second = here.revoke_user(&user("ada")).await.unwrap();
    assert!((before_s..=store.now_ms() / 1_000).contains(&second));
    assert_eq!(there.user_standing(&user("ada")).await.unwrap().revoked_before_s, Some(second));
    assert_eq!(there.user_standing(&user("bob")).await.unwrap(), UserStanding::default());
    store.pass(UNIT * 14 + Duration::from_secs(1)).await;
    assert_eq!(there.user_standing(&user("ada")).await.unwrap().revoked_before_s, Some(second));
    let later = there.revoke_user(&user("ada")).await.unwrap();
    assert!(later > second);
    assert_eq!(here.user_standing(&user("ada")).await.unwrap().revoked_before_s, Some(later));
}

pub(crate) async fn a_banned_user_is_let_in_again_in_time_or_when_told<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let ada = user("ada");
    let units_from_now_ms = |units: u64| Some(store.now_ms() + units * UNIT.as_millis() as u64);
    here.set_banned(&ada, units_from_now_ms(4)).await.unwrap();
    assert!(there.user_standing(&ada).await.unwrap().banned);
    assert!(!there.user_standing(&user("bob")).await.unwrap().banned);
    store.pass(UNIT * 5).await;
    assert!(!there.user_standing(&ada).await.unwrap().banned);
    here.set_banned(&ada, units_from_now_ms(1_000)).await.unwrap();
    assert!(there.user_standing(&ada).await.unwrap().banned);
    there.set_banned(&ada, None).await.unwrap();
    assert!(!here.user_standing(&ada).await.unwrap().banned);
    here.set_banned(&ada, Some(u64::MAX)).await.unwrap();
    assert!(there.user_standing(&ada).await.unwrap().banned, "a ban for good");
}

pub(crate) async fn a_credential_that_was_revoked_makes_no_session_and_a_newer_one_does<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let second = here.revoke_user(&user("ada")).await.unwrap();
    for issued_at_s in [0, second - 1, second] {
        let refused = there.create(NewSession { issued_at_s: Some(issued_at_s), ..new("ada") }).await.unwrap();
        let standing = UserStanding { revoked_before_s: Some(second), banned: false };
        assert_eq!(refused, Created::Refused(standing), "issued at {issued_at_s}, revoked at {second}");
    }
    assert_eq!(there.list(&user("ada")).await.unwrap(), vec![]);
    create_from(&there, NewSession { issued_at_s: Some(second), ..new("bob") }).await;
    let (session, secret) = create_from(&there, NewSession { issued_at_s: Some(second + 1), ..new("ada") }).await;
    assert!(is_there(&here, &session, &secret).await);
}

pub(crate) async fn a_banned_user_gets_no_session<F: Fixture>() {
    let store = store::<F>().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let until_ms = store.now_ms() + UNIT.as_millis() as u64;
    here.set_banned(&user("ada"), Some(until_ms)).await.unwrap();
    let refused = there.create(new("ada")).await.unwrap();
    assert_eq!(refused, Created::Refused(UserStanding { revoked_before_s: None, banned: true }));
    store.pass(UNIT * 2).await;
    create(&there, "ada").await;
}

pub(crate) async fn a_session_made_while_its_user_is_revoked_does_not_survive<F: Fixture>() {
    let store = store::<F>().await;
    let replicas = [store.replica().await, store.replica().await];
    let issued_at_s = store.now_ms() / 1_000;
    let log_in = |index: usize| {
        let new = NewSession { issued_at_s: Some(issued_at_s), ..new("ada") };
        let replica = &replicas[index % 2];
        async move { replica.create(new).await.unwrap() }
    };
    let revoke = async { replicas[0].revoke_user(&user("ada")).await.unwrap() };
    let (before, _, after) = tokio::join!(join_all((0..20).map(log_in)), revoke, join_all((0..20).map(log_in)));
    for created in before.into_iter().chain(after) {
        if let Created::Session(session, secret) = created {
            assert!(!is_there(&replicas[1], &session, &secret).await, "{session:?} survived");
        }
    }
}

pub(crate) async fn a_user_has_a_bounded_number_of_sessions_and_loses_the_one_unused_for_longest<F: Fixture>() {
    // Long enough that nothing ends by itself and that uses are told apart by the minute.
    let store = F::new(Lifetime { sliding_ms: 86_400_000, absolute_ms: 86_400_000 }).await;
    let sessions = store.replica().await;
    let mut made = Vec::new();
    for _ in 0..SESSIONS_PER_USER_MAX {
        made.push(create(&sessions, "ada").await);
        // So that no two are of the same millisecond.
        store.pass(Duration::from_millis(2)).await;
    }
    for (session, secret) in &made {
        assert!(is_there(&sessions, session, secret).await);
    }
    let newest = create(&sessions, "ada").await;
    assert!(is_there(&sessions, &newest.0, &newest.1).await);
    assert_eq!(sessions.list(&user("ada")).await.unwrap().len(), SESSIONS_PER_USER_MAX);
    assert!(!is_there(&sessions, &made[0].0, &made[0].1).await);
    assert!(is_there(&sessions, &made[1].0, &made[1].1).await);
}
