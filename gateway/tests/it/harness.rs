//! A whole gateway in this process, one per test, with settings of the test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubbub::app::App;
use hubbub::auth::{NewToken, mint};
use hubbub::config::{Config, DEVELOPMENT_SECRET, RoomKindConfig};
use hubbub::grants::{Grants, Pattern, Rights};
use hubbub_shared::UserId;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::client::{Client, DEADLINE};
use crate::plain_http;

/// A gateway that serves on a free port of the loopback address.
#[derive(Debug)]
pub(crate) struct Gateway {
    app: App,
    /// Ends after it.
    _backend: Backend,
}

impl Gateway {
    /// With the defaults, but without rate limits: a test that is about one sets it.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// As `start`, with these settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let gateway = Self::starting(change).await;
        let ready = async {
            while plain_http::get(gateway.address(), "/readyz", &[]).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ready).await.expect("the gateway was not ready");
        gateway
    }

    /// As `with`, without waiting until it is ready.
    pub(crate) async fn starting(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let limits = &mut config.limits;
        for quota in [
            &mut limits.user_send,
            &mut limits.user_signal,
            &mut limits.user_request,
            &mut limits.address_request,
            &mut limits.address_hello,
            &mut limits.room_send,
            &mut limits.user_room_send,
            &mut limits.api,
        ] {
            *quota = None;
        }
        let backend = Backend::start(&mut config);
        change(&mut config);
        Self { app: App::start(&config).await.unwrap(), _backend: backend }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.app.address()
    }

    /// Where it serves health and metrics besides.
    pub(crate) fn operator_address(&self) -> SocketAddr {
        self.app.operator_address().unwrap()
    }

    /// Asks it to go, and waits until it has.
    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }

    /// A socket that has not said hello.
    pub(crate) async fn socket(&self) -> Client {
        Client::connect(self.address(), &[]).await.unwrap()
    }

    /// A socket whose upgrade request carried these headers.
    pub(crate) async fn socket_with(&self, headers: &[(&str, &str)]) -> Client {
        Client::connect(self.address(), headers).await.unwrap()
    }

    /// A connection of this user that is welcome, with a token that says nothing about rooms.
    pub(crate) async fn user(&self, user: &str) -> Client {
        self.holder(&token(user)).await
    }

    /// A connection of whoever holds this token, and is welcome.
    pub(crate) async fn holder(&self, token: &str) -> Client {
        let mut client = self.socket().await;
        let welcome = client.ask(json!({"type": "hello", "token": token})).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        client
    }

    /// As `user`, and in this room; gives the `joined` too.
    pub(crate) async fn member(&self, user: &str, room: &str) -> (Client, Value) {
        let mut client = self.user(user).await;
        let joined = client.joins(room).await;
        (client, joined)
    }
}

/// Adds a kind of rooms before those that are there.
pub(crate) fn kind(config: &mut Config, pattern: &str, change: impl FnOnce(&mut RoomKindConfig)) {
    let mut kind = RoomKindConfig { pattern: Pattern::new(pattern), ..RoomKindConfig::default() };
    change(&mut kind);
    config.rooms.insert(0, kind);
}

/// A token of this user, good for an hour.
pub(crate) fn token(user: &str) -> String {
    token_with(user, &[])
}

/// As `token`, with rights in rooms: `[("team-*", "join send")]`.
pub(crate) fn token_with(user: &str, rooms: &[(&str, &str)]) -> String {
    let grants = rooms.iter().map(|&(pattern, rights)| {
        let has = |right: &str| rights.split(' ').any(|word| word == right);
        (Pattern::new(pattern), Rights { join: has("join"), send: has("send"), moderate: has("moderate") })
    });
    let token = NewToken {
        user: &UserId::new(user).unwrap(),
        name: None,
        grants: &Grants(grants.collect()),
        issuer: None,
        audience: None,
        lifetime: Duration::from_hours(1),
    };
    mint(DEVELOPMENT_SECRET, token, now_ms()).unwrap()
}

/// A token that says exactly this, signed as all are.
pub(crate) fn token_of(claims: &Value) -> String {
    signed(claims, DEVELOPMENT_SECRET)
}

/// A token that says exactly this, signed with this secret.
pub(crate) fn signed(claims: &Value, secret: &str) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}
