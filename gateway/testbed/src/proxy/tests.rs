use std::time::Duration;

use super::*;
use crate::waiting::until;

fn ask(stream: &mut TcpStream, request: &str) {
    let words = request.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let request: String = std::iter::once(format!("*{}\r\n", request.split(' ').count())).chain(words).collect();
    stream.write_all(request.as_bytes()).unwrap();
}

/// Asks, and reads until this text has come.
fn answers(stream: &mut TcpStream, request: &str, text: &str) {
    ask(stream, request);
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut answer = Vec::new();
    until(text, || {
        let mut buffer = [0; 1_024];
        let length = stream.read(&mut buffer).unwrap_or(0);
        answer.extend_from_slice(&buffer[..length]);
        contains(&answer, text.as_bytes()).then_some(())
    });
}

/// Asks, and nothing comes for a while.
fn is_silent(stream: &mut TcpStream, request: &str) {
    ask(stream, request);
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 1_024]).is_err(), "something came");
}

#[test]
fn subscriptions_are_muted_while_commands_get_through() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    let mut old = connect();
    answers(&mut old, "ssubscribe a", "ssubscribe");
    proxy.mute_subscriptions();
    answers(&mut connect(), "ping", "+PONG\r\n");
    server.cli(&["SPUBLISH", "a", "b"]).unwrap();
    is_silent(&mut old, "ssubscribe b");
    is_silent(&mut connect(), "ssubscribe a");
    proxy.unmute_subscriptions();
    is_silent(&mut old, "ssubscribe c");
    answers(&mut connect(), "ssubscribe a", "ssubscribe");
}

#[test]
fn what_is_to_be_lost_is_lost_and_the_rest_is_not() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let mut listener = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    answers(&mut listener, "ssubscribe a", "ssubscribe");
    proxy.lose("secret");
    server.cli(&["SPUBLISH", "a", "a secret"]).unwrap();
    until("the loss", || (proxy.losses() == 1).then_some(()));
    answers(&mut listener, "ssubscribe b", "ssubscribe");
    server.cli(&["SPUBLISH", "a", "news"]).unwrap();
    answers(&mut listener, "ssubscribe c", "news");
}
