use super::*;

fn plan(line: &str) -> Result<Plan, PlanError> {
    Plan::new(RunArguments::parse_words(line))
}

#[test]
fn the_defaults_make_a_plan() {
    let plan = plan("").unwrap();
    assert_eq!((plan.clients, plan.rooms, plan.senders), (100, 1, 100));
    assert!(plan.room(0).starts_with("load-"));
}

#[test]
fn every_fault_of_the_arguments_says_what_would_be_right() {
    for (arguments, word) in [
        ("--url http://127.0.0.1:1", "ws://"),
        ("--clients 0", "--clients must be at least 1"),
        ("--rooms 0", "--rooms must be at least 1"),
        ("--rate 0", "--rate must be"),
        ("--rate NaN", "--rate must be"),
        ("--connect-rate inf", "--connect-rate must be"),
        ("--rooms 2 --rooms-per-client 3", "more than --rooms 2; raise --rooms"),
        ("-n 4 --churn 3 --slow-readers 2", "raise --clients"),
        ("-n 4 --slow-readers 4", "nobody is left to send"),
        ("-n 4 --senders 5", "lower --senders"),
        ("-n 4 --threads 0", "--threads must be at least 1"),
        ("-n 4 --connects-in-flight 0", "--connects-in-flight must be at least 1"),
        ("-n 9 --rooms 2 --senders 3 --missed 5", "a multiple of --rooms"),
        ("-n 4 --senders 4 --missed 5", "less than --clients"),
        ("-n 4 --rooms 2 --churn 3 --presence", "does not --churn"),
        (
            "--language pusher --churn 3 --payload-bytes 200",
            "--churn is only known of the native language; leave it out",
        ),
        ("--language socketio", "--payload-bytes must be at least 150"),
        ("--room-spread zipf --zipf-exponent 0", "--zipf-exponent must be"),
        ("--source localhost", "--source localhost"),
        ("--run a*b", "--run a*b"),
        ("--source 0.0.0.0-255.255.255.255", "at most 65536"),
        ("-n 28001 --source 127.0.0.2 --url ws://127.0.0.1:1,ws://127.0.0.2:1", "more addresses of this machine"),
        ("--run a23456789012345678901234567890", "at most 24 characters"),
        ("--rate 1e12 --arrivals poisson", "--arrivals even"),
        ("--rate 1e12 -d 10s", "lower --rate"),
        ("--rooms 9 --senders 9 --missed 18446744073709551615", "lower --rate, --duration or --missed"),
        ("--hold 99999999999999999s", "--hold must be at most"),
        ("--drain 99999999999999999s", "--drain must be at most"),
        ("--listen", "--run"),
        ("--listen --run a --arrivals poisson", "--seed"),
        ("--listen --run a --language socketio --payload-bytes 200", "--language native"),
        ("--listen --run a -n 9 --senders 3 --missed 5", "--missed"),
        ("--listen --run a --churn 5", "--churn"),
        ("nowhere", "hubbub-loadtest scenarios"),
        ("-n 28001", "several addresses"),
        ("--payload-bytes 1", "at least"),
        ("--room-prefix a*", "'*'"),
        ("--pid 4294967295", "no process 4294967295"),
        ("--token-file /nowhere/tokens", "give a file"),
    ] {
        let error = plan(arguments).unwrap_err().to_string();
        assert!(error.contains(word), "{arguments}: {error}");
    }
    assert!(plan("-n 4 --slow-readers 4 --idle").is_ok());
    assert!(plan("--listen --run a --arrivals poisson --seed 1").is_ok());
    assert!(plan("-n 28001 --url ws://127.0.0.1:1,ws://127.0.0.2:1").is_ok());
}

#[test]
fn flags_have_the_last_word_over_the_scenario() {
    let plan = plan("big-room --rate 50 --max-p99-ms 7 -d 1s").unwrap();
    assert_eq!((plan.clients, plan.payload_bytes, plan.messages_per_second), (1_000, 200, 50.0));
    assert_eq!((plan.duration, plan.pass.delivered_p99_ms), (Duration::from_secs(1), Some(7.0)));
    assert_eq!(plan.scenario.as_deref(), Some("big-room"));
}

#[test]
fn a_plan_can_be_read_back_from_the_report() {
    let plan = plan("reconnect-storm --source 127.0.0.2 --connect-rate 100").unwrap();
    let json = serde_json::to_string(&plan).unwrap();
    let again: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    assert_eq!(again.pass, plan.pass);
}

#[test]
fn tokens_never_reach_the_report() {
    let plan = plan("--token secret1 --token secret2").unwrap();
    assert_eq!(plan.tokens.len(), 2);
    assert!(!serde_json::to_string(&plan).unwrap().contains("secret"));
}
