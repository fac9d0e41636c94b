//! What values must be in relation to each other and to the world.

use super::*;

/// Asserts that this file has one fault, of this option, with these words in it.
fn one_fault(file: &str, key: &str, words: &str) {
    let found = faults(file);
    let [fault] = &found[..] else { panic!("{file}: {found:?}") };
    assert_eq!(fault.key, key, "{fault}");
    assert!(fault.problem.contains(words), "{fault}");
}

#[test]
fn what_can_be_sent_can_be_read_back() {
    one_fault("connection.data_bytes = 61441", "connection.data_bytes", "`connection.frame_bytes` (65536)");
    one_fault("connection.frame_bytes = 36863", "connection.frame_bytes", "at least 36864");
    one_fault("connection.reply_bytes = 65535", "connection.reply_bytes", "at least 65536");
    one_fault("connection.outbox_bytes = 524287", "connection.outbox_bytes", "at least 524288");
    one_fault("hub.ring_bytes = 36863", "hub.ring_bytes", "at least 36864");
    one_fault("hub.ring_total_bytes = 262143", "hub.ring_total_bytes", "at least 262144");
    one_fault("broker.memory_total_bytes = 1048575", "broker.memory_total_bytes", "at least 1048576");
    one_fault("[[rooms]]\nmatch = 'a'\nkeep_bytes = 65535", "rooms[0].keep_bytes", "at least 65536");
    assert!(load("connection = { data_bytes = 32768, frame_bytes = 36864, reply_bytes = 65536 }", &[]).is_ok());
}

#[test]
fn a_fault_is_laid_to_the_option_that_was_set() {
    one_fault("connection.reply_bytes = 524289", "connection.reply_bytes", "`connection.outbox_bytes` (1048576)");
    one_fault("auth.session_absolute_s = 60", "auth.session_absolute_s", "longer than");
    one_fault("auth.session_sliding_s = 9999999", "auth.session_sliding_s", "longer than");
}

#[test]
fn a_kind_of_rooms_that_is_never_reached_is_a_fault() {
    one_fault("[[rooms]]\nmatch = 'a'\n[[rooms]]\nmatch = 'a'", "rooms[1].match", "\"a\" stands before it");
    one_fault("[[rooms]]\nmatch = '*'\n[[rooms]]\nmatch = 'a'", "rooms[1].match", "\"*\" stands before it");
}

#[test]
fn api_keys_are_told_apart_by_name_and_by_hash() {
    let key = |name: &str, key: &str| format!("[[auth.api_keys]]\nname = '{name}'\nhash = '{}'\n", ApiKeyHash::of(key));
    one_fault(&(key("a", "1") + &key("a", "2")), "auth.api_keys[1].name", "earlier key");
    one_fault(&(key("a", "1") + &key("b", "1")), "auth.api_keys[1].hash", "\"a\"");
    one_fault(&key("a b", "1"), "auth.api_keys[0].name", "is no name");
    assert!(load(&(key("a", "1") + &key("b", "2")), &[]).is_ok());
}

#[test]
fn an_algorithm_needs_a_key_that_fits_it() {
    one_fault("auth.algorithms = ['HS256', 'RS256']", "auth.algorithms[1]", "auth.public_keys");
    one_fault("auth.algorithms = ['HS256']\nauth.secret = ''", "auth.algorithms[0]", "auth.secret");
    let both = "auth.jwks_url = 'https://login.example.org/keys'\nauth.algorithms = ['HS256', 'ES256']\n";
    one_fault(both, "auth.algorithms[0]", "auth.secret");
    assert!(load(&format!("{both}auth.secret = 'a secret of its own'"), &[]).is_ok());
}

#[test]
fn a_gateway_that_lets_nobody_in_does_not_start() {
    one_fault("auth.guests = 'never'\nauth.secret = ''", "auth.guests", "lets nobody in");
    assert!(load("auth.guests = 'never'", &[]).is_ok());
}

#[test]
fn public_keys_are_files_that_hold_public_keys() {
    one_fault("auth.public_keys = ['/nowhere/key.pem']", "auth.public_keys[0]", "cannot be read: No such file");
    for (name, text, words) in [
        ("key.pem", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "a private key"),
        ("key.pem", "nothing", "no public key"),
        ("keys.json", "{}", "no JWKS"),
    ] {
        let file = TemporaryFile::new(name, text);
        one_fault(&format!("auth.public_keys = [{:?}]", file.0), "auth.public_keys[0]", words);
    }
    let file = TemporaryFile::new("key.pem", PUBLIC_KEY);
    let good = format!("auth.public_keys = [{:?}]\n", file.0);
    assert!(load(&good, &[]).is_ok());
    one_fault(&format!("{good}auth.algorithms = ['RS256']"), "auth.public_keys[0]", "none of the algorithms");
    let both = format!("{good}auth.algorithms = ['EdDSA']\nauth.secret = 'mine'");
    one_fault(&both, "auth.secret", "none of the algorithms");
}

#[test]
fn keys_are_fetched_over_https_or_from_this_machine() {
    for url in ["https://login.example.org/keys", "http://127.0.0.1:9/keys", "http://[::1]/keys", "http://localhost/"] {
        assert!(load(&format!("auth.jwks_url = '{url}'"), &[]).is_ok(), "{url}");
    }
    one_fault("auth.jwks_url = 'http://login.example.org/'", "auth.jwks_url", "https");
    one_fault("auth.jwks_url = 'ftp://login.example.org/'", "auth.jwks_url", "https");
    one_fault("auth.jwks_url = 'login.example.org'", "auth.jwks_url", "no URL");
}

#[test]
fn an_origin_is_written_as_browsers_do() {
    for origin in ["https://chat.example.org", "http://localhost:5173", "https://chat.example.org:8443"] {
        assert!(load(&format!("server.origins = ['{origin}']"), &[]).is_ok(), "{origin}");
    }
    one_fault("server.origins = ['*']", "server.origins[0]", "no origin");
    one_fault("server.origins = ['chat.example.org']", "server.origins[0]", "no origin");
    for origin in ["https://Chat.example.org", "https://chat.example.org/", "https://chat.example.org:443"] {
        one_fault(&format!("server.origins = ['{origin}']"), "server.origins[0]", "\"https://chat.example.org\"");
    }
}

#[test]
fn a_level_is_a_level_and_not_the_name_of_a_part() {
    for level in ["info", "OFF", "info,hubbub::hub=debug", "warn,hubbub=trace"] {
        assert!(load(&format!("log.level = '{level}'"), &[]).is_ok(), "{level}");
    }
    one_fault("log.level = 'inof'", "log.level", "no level");
    one_fault("log.level = ''", "log.level", "no level");
    one_fault("log.level = 'hubbub=loud'", "log.level", "no filter");
    one_fault("log.level = 'warn, hubbub=trace'", "log.level", "no filter");
}

#[test]
fn two_listeners_need_two_addresses() {
    one_fault("server.metrics_listen = '127.0.0.1:8080'", "server.metrics_listen", "same address");
    assert!(load("server = { listen = '127.0.0.1:0', metrics_listen = '127.0.0.1:0' }", &[]).is_ok());
}
