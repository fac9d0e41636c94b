//! Calls of the HTTP API, and what answers have to be.

use std::net::SocketAddr;
use std::time::Duration;

use hubbub::config::{ApiKeyConfig, ApiKeyHash, Config};
use serde_json::{Value, json};

use crate::client::{Client, DEADLINE};
use crate::harness::{Gateway, now_ms, token, token_of};
use crate::plain_http::{self, Answer};

/// The key of the application's back end.
pub(crate) const API_KEY: &str = "hbk_of_the_tests";

/// What the configuration says of it.
pub(crate) fn key() -> ApiKeyConfig {
    ApiKeyConfig { name: "tests".to_owned(), hash: ApiKeyHash::of(API_KEY) }
}

/// A gateway with one API key.
pub(crate) async fn gateway() -> Gateway {
    gateway_with(|_| {}).await
}

/// As `gateway`, with these settings changed.
pub(crate) async fn gateway_with(change: impl FnOnce(&mut Config)) -> Gateway {
    Gateway::with(|config| {
        config.auth.api_keys.push(key());
        change(config);
    })
    .await
}

/// Believes what this machine says of whom it speaks for.
pub(crate) fn trust_this_machine(config: &mut Config) {
    config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
}

/// A token of this user that was issued then.
pub(crate) fn token_issued(user: &str, issued_ms: u64) -> String {
    let issued_s = issued_ms / 1_000;
    token_of(&json!({"sub": user, "name": "A Name", "iat": issued_s, "exp": issued_s + 3_600}))
}

/// A token of this user with the name that is shown.
pub(crate) fn named_token(user: &str) -> String {
    token_issued(user, now_ms())
}

/// A call that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let headers = vec![("user-agent".to_owned(), "a test".to_owned())];
        Self { address, method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.header("authorization", format!("Bearer {credential}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        plain_http::request(self.address, &self.method, &self.path, &headers, &self.body).await
    }
}

impl Answer {
    /// 200 with JSON, which it gives.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// This status, and a JSON error of this code that a person can read, which it gives.
    #[track_caller]
    pub(crate) fn failed(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let error = self.json()["error"].take();
        assert_eq!(error["code"], code, "{self:?}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{self:?}");
        // Who is told to come back is told so twice, and both say the same.
        let retry_after_s: Option<u64> = self.header("retry-after").map(|seconds| seconds.parse().unwrap());
        assert_eq!(retry_after_s, error["retry_after_ms"].as_u64().map(|ms| ms.div_ceil(1_000)), "{self:?}");
        error
    }
}

/// A login that was made.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Login {
    #[track_caller]
    pub(crate) fn of(answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {answer}")).to_owned();
        Self { id: text(&answer["id"]), secret: text(&answer["secret"]) }
    }

    /// As a browser sends it.
    pub(crate) fn cookie(&self) -> String {
        format!("hubbub_session={}", self.secret)
    }

    /// As a hello names it.
    pub(crate) fn credential(&self) -> Value {
        json!({"session": self.secret})
    }
}

impl Gateway {
    /// The origin of its own page.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.address(), method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub(crate) fn patch(&self, path: &str) -> Call {
        self.call("PATCH", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Publishes a message with the API key.
    pub(crate) async fn publish(&self, room: &str, body: Value) -> Value {
        let path = format!("/v1/rooms/{}/messages", encoded(room));
        self.post(&path).bearer(API_KEY).json(&body).send().await.succeeded()
    }

    /// The whole history of a room, as the API key sees it.
    pub(crate) async fn history(&self, room: &str) -> Value {
        self.get(&format!("/v1/rooms/{}/messages", encoded(room))).bearer(API_KEY).send().await.succeeded()
    }

    /// Logs in with a token.
    pub(crate) async fn log_in(&self, user: &str) -> Login {
        self.log_in_with(&token(user)).await
    }

    /// Logs in with this token.
    pub(crate) async fn log_in_with(&self, token: &str) -> Login {
        Login::of(&self.post("/v1/sessions").json(&json!({"token": token})).send().await.succeeded())
    }

    /// Logs in as a guest.
    pub(crate) async fn guest(&self) -> Login {
        Login::of(&self.post("/v1/sessions").json(&json!({"guest": {}})).send().await.succeeded())
    }

    /// A socket that said hello with this credential, and its reply.
    pub(crate) async fn hello(&self, credential: Value) -> (Client, Value) {
        let mut client = self.socket().await;
        let mut hello = json!({"type": "hello"});
        hello.as_object_mut().unwrap().extend(credential.as_object().unwrap().clone());
        let reply = client.ask(hello).await;
        (client, reply)
    }

    /// A socket that is welcome with this credential.
    pub(crate) async fn connect(&self, credential: Value) -> Client {
        let (client, reply) = self.hello(credential).await;
        assert_eq!(reply["type"], "welcome", "{reply}");
        client
    }
}

impl Client {
    /// The next frame of this type; those before it stay to be read.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        self.wait_for(|frame| frame["type"] == kind).await
    }

    /// The connection is still there.
    pub(crate) async fn stays(&mut self) {
        assert_eq!(self.ask(json!({"type": "ping"})).await["type"], "pong");
    }
}

/// A name as it stands in a path.
pub(crate) fn encoded(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

/// Looks again until it is as wanted.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"))
}
