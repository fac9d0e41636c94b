use std::time::Duration;

use super::*;

/// What comes within a moment.
fn answer(stream: &mut TcpStream, request: &str) -> String {
    let words = request.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let request: String = std::iter::once(format!("*{}\r\n", request.split(' ').count())).chain(words).collect();
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 1_024];
    let length = stream.read(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn subscriptions_are_muted_while_commands_get_through() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    let mut old = connect();
    assert!(answer(&mut old, "ssubscribe a").contains("ssubscribe"));
    proxy.mute_subscriptions();
    assert_eq!(answer(&mut connect(), "ping"), "+PONG\r\n");
    server.cli(&["SPUBLISH", "a", "b"]).unwrap();
    assert_eq!(answer(&mut old, "ssubscribe b"), "");
    assert_eq!(answer(&mut connect(), "ssubscribe a"), "");
    proxy.unmute_subscriptions();
    assert_eq!(answer(&mut old, "ssubscribe c"), "");
    assert!(answer(&mut connect(), "ssubscribe a").contains("ssubscribe"));
}

#[test]
fn what_is_to_be_lost_is_lost_and_the_rest_is_not() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let mut listener = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    assert!(answer(&mut listener, "ssubscribe a").contains("ssubscribe"));
    proxy.lose("secret");
    server.cli(&["SPUBLISH", "a", "a secret"]).unwrap();
    assert!(answer(&mut listener, "ssubscribe b").contains("ssubscribe"));
    server.cli(&["SPUBLISH", "a", "news"]).unwrap();
    assert!(answer(&mut listener, "ssubscribe c").contains("news"));
}
