use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use toml::Value;

use super::known::{Known, defaults};
use super::*;
use crate::grants::Pattern;
use crate::limits::Quota;

/// A public key of Ed25519, the one of RFC 8037.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

/// A file that is gone again at the end of its test.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hubbub-{}-{number}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Faults> {
    let file = TemporaryFile::new("configuration.toml", file);
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources { file: Some(file.0.clone()), environment, flags: Vec::new() })
}

fn faults(file: &str) -> Vec<Fault> {
    load(file, &[]).unwrap_err().0
}

fn line(fault: &Fault) -> usize {
    match fault.source {
        Source::File { line: Some(line), .. } => line,
        ref other => panic!("{fault} comes from {other}"),
    }
}

/// The options that are no tables, each with its default.
fn leaves() -> Vec<(String, Value)> {
    fn collect(path: &str, value: Value, leaves: &mut Vec<(String, Value)>) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    collect(format!("{path}.{key}").trim_start_matches('.'), value, leaves);
                }
            }
            value => leaves.push((path.to_owned(), value)),
        }
    }
    let mut leaves = Vec::new();
    collect("", defaults().value(), &mut leaves);
    leaves.retain(|(path, _)| path != "rooms");
    leaves
}

mod manual {
    use super::*;

    #[test]
    fn the_manual_is_exactly_the_defaults() {
        assert_eq!(toml::from_str::<Config>(MANUAL).unwrap(), Config::default());
        assert_eq!(Config::load(&Sources::default()).unwrap(), Config::default());
        assert_eq!(load(MANUAL, &[]).unwrap(), Config::default());
    }

    #[test]
    fn the_manual_holds_every_option_and_no_other() {
        // Serde lists what a table may hold when it meets something else.
        let fields = |table: &str| -> Vec<String> {
            let error = toml::from_str::<Config>(&format!("{table}\nnothing = 1")).unwrap_err();
            let (_, expected) = error.message().split_once(", expected ").unwrap();
            let mut fields: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            fields.sort();
            fields
        };
        let known = Known::new();
        let keys = |path: &str| -> Vec<String> {
            let Value::Table(table) = known.option(path).unwrap() else { panic!("{path} is no table") };
            table.keys().cloned().collect()
        };
        for section in ["server", "connection", "auth", "limits", "hub", "broker", "log"] {
            assert_eq!(keys(section), fields(&format!("[{section}]")), "[{section}]");
        }
        assert_eq!(keys("rooms[0]"), fields("[[rooms]]"));
        let sections: Vec<String> = defaults().value().as_table().unwrap().keys().cloned().collect();
        assert_eq!(sections, fields(""));
    }

    #[test]
    fn the_example_of_an_api_key_works_once_its_comment_signs_are_gone() {
        let (_, example) = MANUAL.split_once("# [[auth.api_keys]]").unwrap();
        let example = example.split("\n\n").next().unwrap().replace("\n# ", "\n");
        let config = load(&format!("[[auth.api_keys]]{example}"), &[]).unwrap();
        assert_eq!(config.auth.api_keys[0].name, "backend");
    }
}

mod layers {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default() {
        let file = TemporaryFile::new(
            "layers.toml",
            "[server]\nlisten = '127.0.0.1:1'\nreplica = 'file'\n[limits]\nuser_send.burst = 7\n",
        );
        let mut sources = Sources { file: Some(file.0.clone()), ..Sources::default() };
        let from_file = Config::load(&sources).unwrap();
        assert_eq!(from_file.server.listen.port(), 1);
        assert_eq!(from_file.limits.user_send, Some(Quota { per_s: 10.0, burst: 7 }), "tables are joined");

        sources.environment.push(("HUBBUB_SERVER__LISTEN".into(), "127.0.0.1:2".into()));
        sources.environment.push(("HUBBUB_LIMITS__USER_SEND__PER_S".into(), "2.5".into()));
        let from_environment = Config::load(&sources).unwrap();
        assert_eq!(from_environment.server.listen.port(), 2);
        assert_eq!(from_environment.server.replica.as_deref(), Some("file"));
        assert_eq!(from_environment.limits.user_send, Some(Quota { per_s: 2.5, burst: 7 }));

        sources.flags.push(("--listen", "server.listen", "127.0.0.1:3".to_owned()));
        assert_eq!(Config::load(&sources).unwrap().server.listen.port(), 3);
    }

    #[test]
    fn a_variable_is_read_as_its_option_wants_it() {
        let config = load(
            "",
            &[
                ("HUBBUB_AUTH__SECRET", "007 [is] {literal}, 'text' "),
                ("HUBBUB_AUTH__ISSUER", "1234"),
                ("HUBBUB_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
                ("HUBBUB_SERVER__ORIGINS", "[\"https://a.example\"]"),
                ("HUBBUB_CONNECTION__ROOMS", " 5 "),
                ("HUBBUB_LIMITS__API", "off"),
                ("HUBBUB_LIMITS__ROOM_SEND", "{ per_s = 1, burst = 2 }"),
                ("HUBBUB_ROOMS", "[{ match = 'a-*', presence = false }]"),
                ("HUBBUB_SERVER__METRICS_LISTEN", ""),
            ],
        )
        .unwrap();
        assert_eq!(config.auth.secret.unwrap().expose(), "007 [is] {literal}, 'text' ");
        assert_eq!(config.auth.issuer.as_deref(), Some("1234"));
        let proxies: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(config.server.origins, ["https://a.example"]);
        assert_eq!(config.connection.rooms, 5);
        assert_eq!(config.limits.api, None);
        assert_eq!(config.limits.room_send, Some(Quota { per_s: 1.0, burst: 2 }));
        assert!(!config.rooms[0].presence);
        assert_eq!(config.server.metrics_listen, None);
    }

    #[test]
    fn what_an_orchestrator_sets_for_a_service_of_this_name_is_no_fault() {
        let kubernetes = [
            ("HUBBUB_SERVICE_HOST", "10.0.0.1"),
            ("HUBBUB_SERVICE_PORT", "80"),
            ("HUBBUB_SERVICE_PORT_HTTP", "80"),
            ("HUBBUB_PORT", "tcp://10.0.0.1:80"),
            ("HUBBUB_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("HUBBUB_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("HUBBUB_PORT_80_TCP_PORT", "80"),
            ("HUBBUB_PORT_80_TCP_PROTO", "tcp"),
            ("HUBBUB_GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("HUBBUB_CONFIG", "/etc/hubbub.toml"),
        ];
        assert_eq!(load("", &kubernetes), Ok(Config::default()));
    }

    #[test]
    fn a_slip_in_a_variable_is_a_fault_that_names_the_right_variable() {
        for (variable, right) in [
            ("HUBBUB_LISTEN", "HUBBUB_SERVER__LISTEN"),
            ("HUBBUB_SERVER_LISTEN", "HUBBUB_SERVER__LISTEN"),
            ("HUBBUB_SERVER__LISSTEN", "HUBBUB_SERVER__LISTEN"),
            ("HUBBUB_SECRET", "HUBBUB_AUTH__SECRET"),
            ("HUBBUB_LIMITS__SEND__BURST", "HUBBUB_LIMITS__USER_SEND__BURST"),
            ("HUBBUB_HUB__HEARTBEAT_MS", "HUBBUB_CONNECTION__HEARTBEAT_MS"),
        ] {
            let faults = load("", &[(variable, "1")]).unwrap_err().0;
            let [fault] = &faults[..] else { panic!("{variable}: {faults:?}") };
            assert_eq!(fault.source, Source::Variable(variable.to_owned()));
            assert!(fault.problem.ends_with(&format!("did you mean `{right}`?")), "{fault}");
        }
    }

    #[test]
    fn a_whole_section_in_one_variable_is_a_fault() {
        let faults = load("", &[("HUBBUB_LOG", "debug")]).unwrap_err();
        assert!(faults.to_string().contains("HUBBUB_LOG__"), "{faults}");
    }

    #[test]
    fn the_last_kind_of_rooms_matches_every_room() {
        let config = load("[[rooms]]\nmatch = 'team-*'\nkeep_entries = 5\n", &[]).unwrap();
        assert_eq!(config.room_kind("team-a").unwrap().keep_entries, 5);
        assert_eq!(config.room_kind("general"), Some(&RoomKindConfig::default()));
        assert_eq!(config.rooms.len(), 2);

        let config = load("[[rooms]]\nmatch = '*'\nkeep_entries = 5\n", &[]).unwrap();
        assert_eq!(config.rooms.len(), 1);
        assert_eq!(config.room_kind("general").unwrap().keep_entries, 5);
    }
}

mod report {
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
        let report =
            load("", &[("HUBBUB_SECRET", "hidden"), ("HUBBUB_AUTH__SECRT", "hidden")]).unwrap_err().to_string();
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
}

mod relations {
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
        let key =
            |name: &str, key: &str| format!("[[auth.api_keys]]\nname = '{name}'\nhash = '{}'\n", ApiKeyHash::of(key));
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
        for url in
            ["https://login.example.org/keys", "http://127.0.0.1:9/keys", "http://[::1]/keys", "http://localhost/"]
        {
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
}

mod meaning {
    use super::*;
    use hubbub_shared::UserId;

    use crate::auth::policy::Who;

    #[test]
    fn guests_come_in_by_default_only_on_a_loopback_address() {
        assert!(Config::default().guests_allowed());
        assert!(load("server.listen = '[::1]:80'", &[]).unwrap().guests_allowed());
        assert!(!load("server.listen = '0.0.0.0:80'", &[]).unwrap().guests_allowed());
        assert!(load("server.listen = '0.0.0.0:80'\nauth.guests = 'always'", &[]).unwrap().guests_allowed());
        assert!(!load("auth.guests = 'never'", &[]).unwrap().guests_allowed());
    }

    #[test]
    fn beside_public_keys_the_development_secret_does_not_count() {
        assert!(Config::default().auth.is_development_secret());
        let keys = "auth.jwks_url = 'https://login.example.org/keys'";
        let with_keys = load(keys, &[]).unwrap().auth;
        assert_eq!(with_keys.token_secret(), None);
        assert!(!with_keys.is_development_secret());
        let with_both = load(&format!("{keys}\nauth.secret = 'mine'"), &[]).unwrap().auth;
        assert_eq!(with_both.token_secret(), Some(&Secret::new("mine")));
    }

    #[test]
    fn a_kind_of_rooms_says_who_may_do_what() {
        let kind = &load("[[rooms]]\nmatch = 'a'\nsend = 'users'\nmoderate = ['ada']", &[]).unwrap().rooms[0];
        assert_eq!((&kind.join, &kind.send), (&Who::Everyone, &Who::Users));
        assert_eq!(kind.moderate, Who::Only([UserId::new("ada").unwrap()].into()));
        assert_eq!(load("[[rooms]]\nmatch = 'a'\njoin = 'nobody'", &[]).unwrap().rooms[0].join, Who::Nobody);
    }

    #[test]
    fn a_pattern_of_the_configuration_could_match_a_room() {
        assert_eq!(load("[[rooms]]\nmatch = 'a*b'", &[]).unwrap().rooms[0].pattern, Pattern::new("a*b"));
        for pattern in ["", "a b", "ä", "a?"] {
            assert_eq!(faults(&format!("[[rooms]]\nmatch = '{pattern}'"))[0].key, "rooms[0].match");
        }
    }

    #[test]
    fn the_hash_of_a_key_is_its_sha_256_in_either_case_of_digits() {
        let hash = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(ApiKeyHash::of("foo").to_string(), hash);
        assert_eq!(hash.to_uppercase().replace("SHA", "sha").parse(), Ok(ApiKeyHash::of("foo")));
        for wrong in ["", "sha256:", &hash[7..], &hash[..70], &format!("{hash}0"), &hash.replace("2c", "+c")] {
            assert_eq!(wrong.parse::<ApiKeyHash>(), Err(auth::ApiKeyHashError), "{wrong}");
        }
    }
}

mod warnings {
    use super::*;

    fn warnings(file: &str) -> Vec<String> {
        load(file, &[]).unwrap().warnings()
    }

    #[test]
    fn the_development_secret_is_warned_of_the_louder_where_others_can_reach_it() {
        assert!(warnings("")[0].contains("development secret"));
        assert!(warnings("server.listen = '0.0.0.0:80'")[0].starts_with("ANYBODY CAN LOG IN AS ANYBODY"));
        let own = warnings("server.listen = '0.0.0.0:80'\nauth.secret = '0123456789abcdef0123456789abcdef'");
        assert!(!own.iter().any(|warning| warning.contains("secret")), "{own:?}");
        assert!(warnings("auth.secret = 'short'")[0].contains("guessed"));
    }

    #[test]
    fn what_is_open_to_the_world_is_warned_of() {
        let has = |file: &str, words: &str| warnings(file).iter().any(|warning| warning.contains(words));
        assert!(has("server.listen = '0.0.0.0:80'\nauth.guests = 'always'", "guests come in"));
        assert!(!has("auth.guests = 'always'", "guests come in"));
        assert!(has("server.trusted_proxies = ['0.0.0.0/0']", "escape the limits"));
        assert!(has("[[rooms]]\nmatch = 'a'\nmoderate = 'everyone'", "kick and ban"));
        assert!(has("auth.jwks_url = 'https://login.example.org/'", "auth.audience"));
        assert!(has("", "hubbub key hash"));
        let hash = ApiKeyHash::of("key");
        assert!(!has(&format!("[[auth.api_keys]]\nname = 'a'\nhash = '{hash}'"), "hubbub key hash"));
    }
}
