use super::*;

#[test]
fn a_server_keeps_its_data_over_a_restart_only_where_it_was_told_to() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    server.cli(&["SET", "a", "b c"]).unwrap();
    server.kill();
    assert!(!server.is_running());
    assert!(server.cli(&["GET", "a"]).is_err());
    server.restart();
    assert_eq!(server.cli(&["GET", "a"]).unwrap(), "b c");
    server.restart_empty();
    assert_eq!(server.call(&["GET", "a"]).unwrap(), Reply::Nil);
}

#[test]
fn a_frozen_server_answers_when_it_goes_on_and_dies_frozen_too() {
    let server = RedisServer::start();
    server.pause();
    assert!(server.is_running() && !server.is_answering());
    server.resume();
    assert_eq!(server.cli(&["PING"]).unwrap(), "PONG");
    server.pause();
    server.kill();
    assert!(!server.is_running());
}

#[test]
fn a_server_ends_with_its_owner() {
    let server = RedisServer::start();
    let port = server.port();
    drop(server);
    assert!(Connection::open(port).is_err());
}

#[test]
fn errors_of_the_server_are_errors() {
    let server = RedisServer::start();
    assert!(server.cli(&["NONSENSE"]).unwrap_err().starts_with("ERR unknown command"));
    assert_eq!(server.cli(&["EVAL", "return {1, {'a', 'b'}}", "0"]).unwrap(), "1\na\nb");
}

#[test]
fn a_password_and_a_user_are_asked_for() {
    let server = RedisServer::start_with_password("s3cret");
    assert_eq!(server.url(), format!("redis://:s3cret@127.0.0.1:{}", server.port()));
    let ask = |server: &RedisServer, command: &[&str]| Connection::open(server.port()).unwrap().call(command).unwrap();
    assert!(ask(&server, &["GET", "a"]).unwrap_err().starts_with("NOAUTH"));
    assert_eq!(server.cli(&["GET", "a"]).unwrap(), "");

    let server = RedisServer::start_with_user("hubbub", "s3cret", &["~hb:*", "+@all"]);
    assert_eq!(server.url(), format!("redis://hubbub:s3cret@127.0.0.1:{}", server.port()));
    assert!(ask(&server, &["AUTH", "hubbub", "s3cret"]).is_ok());
    assert!(ask(&server, &["AUTH", "hubbub", "other"]).unwrap_err().starts_with("WRONGPASS"));
}

#[test]
fn a_server_with_tls_has_a_certificate_that_its_authority_vouches_for() {
    let server = RedisServer::start_with_tls(&[]);
    assert!(server.url().starts_with("rediss://127.0.0.1:"));
    let authority = fs::read_to_string(server.ca_file().unwrap()).unwrap();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn a_replica_follows_its_master() {
    let master = RedisServer::start();
    master.cli(&["SET", "a", "b"]).unwrap();
    let replica = RedisServer::start_replica_of(&master);
    assert_eq!(replica.cli(&["GET", "a"]).unwrap(), "b");
    assert!(replica.cli(&["SET", "a", "c"]).unwrap_err().starts_with("READONLY"));
}
