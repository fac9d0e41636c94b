use hubbub_testbed::RedisServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const SOON: std::time::Duration = std::time::Duration::from_millis(500);

async fn connect(url: &str, ca_file: Option<&std::path::Path>) -> Result<Wire, WireError> {
    let url: RedisUrl = url.parse().unwrap();
    let tls = url.tls.then(|| Tls::new(ca_file).unwrap());
    let login = Login::to_servers(&url, tls);
    let Place::Fixed(address) = &url.topology else { panic!("{url}") };
    Wire::connect(address, &login, Instant::now() + SOON).await
}

async fn ask(wire: &mut Wire, words: &[&str]) -> Result<String, WireError> {
    let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
    wire.request(&words, Instant::now() + SOON).await.map(|answer| text(&answer).into_owned())
}

/// A server that says the same to everybody.
async fn parrot(says: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                while socket.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {
                    socket.write_all(says).await.unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_connection_is_logged_in_named_and_in_its_database() {
    let server = RedisServer::start_with_user("ada", "p/w", &["~*", "&*", "+@all"]);
    let url = format!("{}/3", server.url().replace("p/w", "p%2Fw"));
    let mut wire = connect(&url, None).await.unwrap();
    assert_eq!((wire.greeting().mode.as_str(), wire.greeting().role.as_str()), ("standalone", "master"));
    assert_eq!(ask(&mut wire, &["CLIENT", "GETNAME"]).await.unwrap(), "hubbub");
    assert_eq!(ask(&mut wire, &["ACL", "WHOAMI"]).await.unwrap(), "ada");
    assert!(ask(&mut wire, &["CLIENT", "INFO"]).await.unwrap().contains(" db=3 "));
}

#[tokio::test]
async fn errors_say_whose_fault_it_is() {
    let server = RedisServer::start_with_user("ada", "pw", &["~*", "&*", "+@all", "-flushall"]);
    let url = server.url();
    for login in ["", "ada:other@", ":other@"] {
        let refused = connect(&url.replace("ada:pw@", login), None).await.unwrap_err();
        assert!(matches!(refused, WireError::Refused(_)), "{login}: {refused}");
        assert!(matches!(RedisError::from(refused), RedisError::Refused(_)));
    }
    let mut wire = connect(&url, None).await.unwrap();
    assert!(matches!(ask(&mut wire, &["FLUSHALL"]).await, Err(WireError::Refused(_))));
    let reply = ask(&mut wire, &["GET"]).await.unwrap_err();
    assert!(matches!(&reply, WireError::Reply(text) if text.contains("wrong number")), "{reply}");
    assert_eq!(ask(&mut wire, &["ECHO", "still in step"]).await.unwrap(), "still in step");
    server.pause();
    assert!(matches!(ask(&mut wire, &["PING"]).await, Err(WireError::Unreachable(_))));
    assert!(matches!(connect(&url, None).await, Err(WireError::Unreachable(_))));
    server.kill();
    assert!(matches!(connect(&url, None).await, Err(WireError::Unreachable(_))));
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_so() {
    let old = parrot(b"%3\r\n+version\r\n+6.2.14\r\n+mode\r\n+standalone\r\n+role\r\n+master\r\n").await;
    let error = connect(&old, None).await.unwrap_err();
    assert_eq!(error, WireError::TooOld("6.2.14".to_owned()));
    assert!(error.to_string().contains("needs Redis 7.0 or Valkey 7.2"));
    let ancient = parrot(b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n").await;
    assert!(matches!(connect(&ancient, None).await, Err(WireError::TooOld(_))));
    let stranger = parrot(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(connect(&stranger, None).await.is_err());
}

#[tokio::test]
async fn tls_believes_the_authority_it_was_given_and_no_other() {
    let (server, stranger) = (RedisServer::start_with_tls(&[]), RedisServer::start_with_tls(&[]));
    let ours = server.ca_file();
    let mut wire = connect(&server.url(), ours.as_deref()).await.unwrap();
    assert_eq!(ask(&mut wire, &["PING"]).await.unwrap(), "PONG");
    let refused = connect(&stranger.url(), ours.as_deref()).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let refused = connect(&server.url(), None).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

#[test]
fn a_file_that_holds_no_certificates_is_named() {
    let fault = |path: &str| Tls::new(Some(std::path::Path::new(path))).unwrap_err().to_string();
    assert!(fault("/nowhere/ca.pem").contains("`/nowhere/ca.pem` cannot be read"));
    assert!(fault("Cargo.toml").contains("`Cargo.toml` holds no certificate"));
}

#[test]
fn error_replies_are_told_apart_for_those_who_call() {
    let error = |text: &str| RedisError::from(WireError::of_reply(text));
    for text in ["MOVED 1 h:1", "CLUSTERDOWN The cluster is down", "LOADING", "ERR max number of clients reached"] {
        assert_eq!(error(text), RedisError::Unavailable, "{text}");
    }
    assert_eq!(error("OOM command not allowed"), RedisError::Full);
    assert!(matches!(error("NOPERM not you"), RedisError::Refused(_)));
    assert!(matches!(error("CROSSSLOT Keys"), RedisError::Broken(_)));
}
