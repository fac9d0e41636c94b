//! What is told of faults.

use proptest::prelude::*;

use super::*;

#[test]
fn every_fault_is_told_at_once_with_its_line_and_no_other() {
    let found = faults(
        r#"
[server]
lissten = "127.0.0.1:1"
listen = "localhost"
trusted_proxies = ["10.0.0.0/8", "ten"]

[connection]
heartbeat_ms = "often"
heartbeats = 1
frame_bytes = 99999999999

[auth]
guests = "sometimes"

[[auth.api_keys]]
hash = "sha256:12"

[[rooms]]
keep_s = 5

[[rooms]]
match = "te am"
join = ["ada", "b ob"]

[limits]
user_send = { burst = 0 }
user_signal = { brust = 1 }
room_send = "of"

[log]
level = "inof"
format = "xml"
"#,
    );
    let places: Vec<(usize, &str)> = found.iter().map(|fault| (line(fault), fault.key.as_str())).collect();
    assert_eq!(
        places,
        [
            (3, "server.lissten"),
            (4, "server.listen"),
            (5, "server.trusted_proxies[1]"),
            (8, "connection.heartbeat_ms"),
            (9, "connection.heartbeats"),
            (10, "connection.frame_bytes"),
            (13, "auth.guests"),
            (15, "auth.api_keys[0].name"),
            (16, "auth.api_keys[0].hash"),
            (18, "rooms[0].match"),
            (22, "rooms[1].match"),
            (23, "rooms[1].join[1]"),
            (26, "limits.user_send.burst"),
            (27, "limits.user_signal.brust"),
            (28, "limits.room_send"),
            (31, "log.level"),
            (32, "log.format"),
        ]
    );
    assert_eq!(
        found[3].to_string().split_once(')').unwrap().1,
        " is a text, but a whole number, 0 or more, is wanted; the default is 25000"
    );
    assert!(found[4].problem.contains("`connection.heartbeat_ms`"), "{}", found[4]);
}

#[test]
fn what_no_option_can_be_is_one_fault_of_that_option() {
    for (option, _) in leaves() {
        for impossible in ["{ nothing = 1 }", "[[[1]]]"] {
            let found = faults(&format!("{option} = {impossible}\n"));
            let [fault] = &found[..] else { panic!("{option} = {impossible}: {found:?}") };
            assert_eq!(fault.key.split('[').next(), Some(option.as_str()), "{fault}");
            assert!(fault.problem.contains("wanted"), "{fault}");
        }
    }
}

#[test]
fn every_number_that_must_not_be_zero_or_endless_is_told_by_its_own_name() {
    let mut told = 0;
    for (option, default) in leaves() {
        if !matches!(default, Value::Integer(_) | Value::Float(_)) {
            continue;
        }
        for value in ["0", "9223372036854775807"] {
            if let Err(Faults(found)) = load(&format!("{option} = {value}\n"), &[]) {
                assert!(found.iter().all(|fault| fault.key == option), "{option} = {value}: {found:?}");
                told += 1;
            }
        }
    }
    assert!(told > 50, "only {told} of them were faults");
}

#[test]
fn no_report_shows_a_secret_however_it_is_misspelt() {
    for file in [
        "[auth]\nsecret = ['hidden']",
        "[auth]\nsecret = {hidden = 'hidden'}",
        "[auth]\nsecret = hidden",
        "[auth]\nsecret = 'hidden",
        "[auth]\nsecret = \"hidden\" hidden",
        "[auth]\nsecret = 'a'\nsecret = 'hidden'",
        "[auth]\nsecrt = 'hidden'",
        "[auth]\napi_keys = ['hidden']",
        "[auth]\njwks_url = 'http://ada:hidden@example.org/'",
        "auth = 'hidden'",
        "secret = 'hidden'",
    ] {
        let text = load(file, &[]).unwrap_err().to_string();
        let unshown = text.replace("secret.hidden", "");
        assert!(!unshown.contains("hidden") || file.contains("api_keys"), "{file}: {text}");
    }
    let report = load("", &[("HUBBUB_SECRET", "hidden"), ("HUBBUB_AUTH__SECRT", "hidden")]).unwrap_err().to_string();
    assert!(!report.contains("hidden"), "{report}");
    let config = load("[auth]\nsecret = 'hidden'", &[]).unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let report = load("", &[("HUBBUB_LOG__FORMAT", "\u{1b}[2J\n")]).unwrap_err().to_string();
    assert!(!report.contains('\u{1b}'), "{report}");
}

#[test]
fn a_broken_line_is_told_with_its_number_and_the_rest_of_the_file_is_still_checked() {
    let found = faults("[server]\ndrain_ms = \nreplica = 'a b'\n[log]\nlevel = 'info\n");
    let places: Vec<(usize, &str)> = found.iter().map(|fault| (line(fault), fault.key.as_str())).collect();
    assert_eq!(places, [(2, "syntax"), (3, "server.replica"), (5, "syntax")]);
    let found = faults("[server]\nlisten = 0-1\n");
    assert_eq!(found.iter().map(line).collect::<Vec<_>>(), [2], "{found:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_beside_other_faults() {
    let sources = Sources {
        file: Some("/nowhere/hubbub.toml".into()),
        environment: vec![("HUBBUB_HUB__WORKERS".into(), "many".into())],
        flags: vec![("--listen", "server.listen", "8080".to_owned())],
    };
    let report = Config::load(&sources).unwrap_err();
    let keys: Vec<&str> = report.0.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["--config", "hub.workers", "server.listen"]);
    assert!(report.to_string().contains("/nowhere/hubbub.toml"), "{report}");
    assert!(report.to_string().contains("flag --listen"), "{report}");
}

#[test]
fn an_unknown_option_is_answered_with_the_nearest_known_one() {
    for (file, right) in [
        ("[connection]\nheartbeats_ms = 1", "connection.heartbeat_ms"),
        ("[broker]\nheartbeat_ms = 1", "connection.heartbeat_ms"),
        ("[conection]\nrooms = 1", "connection"),
        ("heartbeat_ms = 1", "connection.heartbeat_ms"),
        ("[[rooms]]\nmatch = 'a'\nkeep_entires = 1", "rooms.keep_entries"),
        ("[[auth.api_keys]]\nname = 'a'\nhashh = ''", "auth.api_keys.hash"),
    ] {
        let report = load(file, &[]).unwrap_err().to_string();
        assert!(report.contains(&format!("did you mean `{right}`?")), "{file}: {report}");
    }
}

proptest! {
    #[test]
    fn whatever_a_file_says_the_answer_is_a_configuration_or_faults(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, "[\\[\\]{}=\"'.,#\n a-z0-9-]{0,8}"), 1..6)
    ) {
        let mut text = MANUAL.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        for (place, length, instead) in damage {
            let start = place.index(text.len());
            text.replace_range(start..(start + length).min(text.len()), &instead);
        }
        if let Err(Faults(found)) = load(&text, &[]) {
            assert!(!found.is_empty());
            assert!(found.iter().all(|fault| line(fault) <= text.lines().count() + 1), "{found:?}");
        }
    }
}
