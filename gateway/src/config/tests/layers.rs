//! Where an option is taken from.

use hubbub_shared::RoomName;

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
fn the_first_kind_of_rooms_that_matches_holds_and_the_defaults_where_none_does() {
    let kinds = load("[[rooms]]\nmatch = 'team-*'\nkeep_s = 5\n[[rooms]]\nmatch = 'team-a*'", &[]).unwrap().kinds();
    let age_ms = |room: &str| kinds.of(&RoomName::new(room).unwrap()).retention.age_ms;
    assert_eq!(age_ms("team-a"), 5_000);
    assert_eq!(age_ms("general"), RoomKindConfig::default().keep_s * 1_000);
}
