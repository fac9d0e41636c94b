//! The whole tool against a gateway that keeps its promises, and against gateways that break one each: every break must
//! be found, named, and fail the run.
#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod gateway;
mod peer;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::gateway::{Fault, Gateway};

struct Judged {
    exit_code: Option<i32>,
    text: String,
    report: Value,
}

impl Judged {
    fn count(&self, pointer: &str) -> u64 {
        self.report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {}", self.report))
    }

    /// The faults of the verdict; a failed run has some.
    fn faults(&self) -> String {
        assert_eq!(self.exit_code, Some(1), "{}", self.text);
        self.report["verdict"]["faults"].to_string()
    }

    fn passes(&self) {
        assert_eq!(self.exit_code, Some(0), "{}", self.text);
        assert_eq!(self.report["verdict"]["passed"], true);
        assert!(self.text.contains("Passed"), "{}", self.text);
    }
}

/// Runs the load generator against a gateway with this fault: four clients in a room, twenty messages, unless the
/// arguments say otherwise.
async fn judge(name: &str, fault: Fault, arguments: &str) -> Judged {
    judge_at(name.to_owned(), &Gateway::start(fault).await, arguments).await
}

async fn judge_at(name: String, gateway: &Gateway, arguments: &str) -> Judged {
    judge_url(name, &gateway.url(), arguments).await
}

async fn judge_url(name: String, url: &str, arguments: &str) -> Judged {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    // What an earlier run left is not to be taken for this one's.
    drop(std::fs::remove_file(&path));
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub-loadtest"));
    command.args(["run", "--url", url, "-n", "4", "--duration", "500ms", "--drain", "2s"]);
    if !arguments.contains("--idle") {
        command.args(["--rate", "40"]);
    }
    command.args(arguments.split_whitespace()).arg("--json").arg(&path);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
    Judged { exit_code: output.status.code(), report: report.unwrap_or_else(|| panic!("no report: {text}")), text }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_keeps_its_promises_passes() {
    let judged = judge("good", Fault::None, "").await;
    judged.passes();
    assert_eq!(judged.count("/messages/acknowledged"), 20);
    assert_eq!(judged.count("/deliveries/total"), 80);
    assert_eq!(judged.count("/latencies/delivered/count"), 80);
    assert_eq!(judged.count("/connections/stayed"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_gateways_are_one_to_the_ledger() {
    // Two gateways that do not share a room: clients that take turns see two logs where there must be one.
    let other = Gateway::start(Fault::None).await;
    let judged = judge("several", Fault::None, &format!("--url {}", other.url())).await;
    assert!(judged.faults().contains("entries differed"), "{}", judged.text);
    assert_eq!(judged.report["plan"]["urls"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processor_time_of_a_process_is_told_per_message_and_delivery() {
    let judged = judge("servers", Fault::None, &format!("--pid gateway={}", std::process::id())).await;
    judged.passes();
    let [gateway] = &judged.report["servers"]["sending"].as_array().unwrap()[..] else { panic!("{}", judged.report) };
    let number = |name: &str| gateway["figures"][name].as_f64().unwrap();
    assert_eq!((gateway["pid"].as_u64(), gateway["name"].as_str()), (Some(std::process::id().into()), Some("gateway")));
    // Of 20 messages 80 deliveries are made.
    assert!((number("cpu_us_per_message") - 4.0 * number("cpu_us_per_delivery")).abs() < 1.0, "{gateway}");
    let cpu_us = number("cpu_user_us") + number("cpu_system_us");
    assert!((cpu_us / 20.0 - number("cpu_us_per_message")).abs() < 1.0, "{gateway}");
    assert!(judged.text.contains("Servers") && judged.text.contains("per delivery"), "{}", judged.text);
    assert!(
        judged.report["servers"]["connecting"][0]["figures"]["cpu_us_per_connection"].is_f64(),
        "{}",
        judged.report
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rooms_have_a_ledger_each() {
    let judged = judge("rooms", Fault::None, "--rooms 4 --rooms-per-client 2 --room-prefix r --rate 32").await;
    judged.passes();
    // Every room has two members, so every message is delivered twice.
    assert_eq!(judged.count("/deliveries/total"), 32);
    let rooms = judged.report["rooms"].as_array().unwrap();
    assert_eq!(rooms.iter().map(|room| room["room"].as_str().unwrap()).collect::<Vec<_>>(), ["r0", "r1", "r2", "r3"]);
    assert!(rooms.iter().all(|room| room["acknowledged"] == 4), "{rooms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_in_its_message_s_place_counts_as_a_delivery() {
    let judged = judge("no_echo", Fault::None, "--no-echo").await;
    judged.passes();
    assert_eq!(judged.count("/deliveries/total"), 80);
    assert_eq!(judged.count("/latencies/delivered/count"), 60, "an acknowledgement is not timed as a delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_goes_misses_nothing() {
    let judged = judge("churn", Fault::None, "--churn 3 --churn-every 50ms --duration 1s").await;
    judged.passes();
    assert!(judged.count("/connections/churned") > 5, "{}", judged.text);
    assert!(judged.count("/ledger/recovered") > 0, "{}", judged.text);
    assert_eq!(judged.count("/messages/acknowledged"), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_is_not_timed_and_misses_nothing() {
    let judged = judge("slow", Fault::None, "--slow-readers 1 --slow-for 400ms").await;
    judged.passes();
    assert_eq!(judged.count("/deliveries/total"), 80);
    assert_eq!(judged.count("/latencies/delivered/count"), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_run_sends_nothing() {
    let judged = judge("idle", Fault::None, "--idle --hold 100ms").await;
    judged.passes();
    assert_eq!((judged.count("/messages/sent"), judged.count("/connections/stayed")), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_found() {
    let judged = judge("hole", Fault::Hole, "").await;
    assert!(judged.faults().contains("1 seqs were left out"));
    assert_eq!((judged.count("/ledger/lost"), judged.count("/ledger/holes")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_may_be_allowed() {
    let judged = judge("allowed", Fault::Hole, "--max-loss 1").await;
    judged.passes();
    assert_eq!((judged.count("/ledger/lost"), judged.count("/ledger/holes")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_never_comes_is_found() {
    let judged = judge("tail", Fault::Tail, "").await;
    assert!(judged.faults().contains("acknowledged deliveries were lost"));
    assert_eq!((judged.count("/ledger/lost"), judged.count("/ledger/holes")), (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_is_found() {
    let judged = judge("double", Fault::Double, "").await;
    assert!(judged.faults().contains("1 entries came twice"));
    assert_eq!(judged.count("/ledger/lost"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_found() {
    let judged = judge("swap", Fault::Swap, "").await;
    assert!(judged.faults().contains("1 entries came out of order"));
    assert_eq!((judged.count("/ledger/lost"), judged.count("/ledger/holes")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_entry_under_the_same_number_is_found() {
    let judged = judge("contradiction", Fault::Contradiction, "").await;
    assert!(judged.faults().contains("entries differed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_never_answered_is_found() {
    let judged = judge("silence", Fault::Silence, "").await;
    assert!(judged.faults().contains("1 messages were never answered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reset_passes_over_is_counted_apart() {
    let judged = judge("reset", Fault::Reset, "").await;
    judged.passes();
    assert_eq!((judged.count("/ledger/resets_lag"), judged.count("/ledger/skipped")), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_away_comes_back_and_misses_nothing() {
    let judged = judge("drain", Fault::Goodbye, "").await;
    judged.passes();
    assert_eq!(judged.count("/closes/4001 this connection is being moved: come back"), 1);
    assert_eq!(judged.count("/errors/unavailable"), 1);
    assert_eq!(judged.count("/ledger/recovered"), 1);
    // It was not the scenario that sent it away, so all that it missed and all that it could not send is timed.
    assert_eq!((judged.count("/deliveries/untimed"), judged.count("/latencies/delivered/count")), (0, 80));
    assert_eq!(judged.count("/latencies/acknowledged/count"), 20);
    let longest_ms = judged.report["latencies"]["delivered"]["max_ms"].as_f64().unwrap();
    assert!(longest_ms > 200.0, "{}", judged.text);
    assert!(judged.text.contains("1 connections ended that the scenario did not end"), "{}", judged.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_as_the_scenario_wants_makes_nothing_late() {
    let judged = judge("excused", Fault::None, "-n 8 --churn 6 --churn-every 100ms --duration 1s").await;
    judged.passes();
    let (untimed, replayed) = (judged.count("/deliveries/untimed"), judged.count("/ledger/replayed"));
    assert!(replayed > 0 && untimed >= replayed, "{}", judged.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_for_good_stays_away() {
    let judged = judge("banned", Fault::Banned, "").await;
    assert!(judged.faults().contains("4 clients were never let in"));
    assert_eq!(judged.count("/closes/4505 banned from the service"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_that_is_missed_fails_the_run() {
    let judged = judge("threshold", Fault::None, "--max-p99-ms 0.000001").await;
    assert!(judged.faults().contains("99th percentile"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_the_report_says_so() {
    let judged = judge("nobody", Fault::Deaf, "--connect-timeout 300ms").await;
    assert!(judged.faults().contains("4 clients were never let in"));
    assert!(judged.text.contains("connection refused"), "{}", judged.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_and_misses_something_gets_it_back() {
    let judged = judge("storm", Fault::None, "--senders 1 --missed 20 --rate 200 --away 100ms").await;
    judged.passes();
    assert_eq!(judged.count("/returns/clients"), 3);
    assert_eq!(judged.count("/returns/missed"), 20);
    assert!(judged.report["returns"]["ratio"].as_f64().unwrap() > 0.0, "{}", judged.text);
    // Each of the three came back twice.
    assert_eq!((judged.count("/ledger/recovered"), judged.count("/ledger/replayed")), (6, 60));
    assert_eq!(judged.count("/latencies/recovered/count"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_leaves_something_out_is_found() {
    let line = "--senders 1 --missed 20 --rate 200 --away 100ms --connect-timeout 2s";
    let judged = judge("forgetful", Fault::Forgetful, line).await;
    assert!(judged.faults().contains("acknowledged deliveries were lost"));
    assert_eq!((judged.count("/ledger/lost"), judged.count("/ledger/holes")), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_be_there_is_compared_with_who_is() {
    let line = "-n 8 --presence --churn 6 --churn-every 50ms";
    let judged = judge("presence", Fault::None, line).await;
    judged.passes();
    // Half of those who churn are gone in the end.
    assert_eq!((judged.count("/presence/rooms_watched"), judged.count("/presence/members")), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_departure_that_nobody_is_told_of_is_found() {
    let judged = judge("ghosts", Fault::Ghosts, "-n 8 --presence --churn 6 --churn-every 50ms").await;
    assert!(judged.faults().contains("members were told to be there in the end and were not"));
    assert!(judged.count("/presence/ghosts") >= 3, "{}", judged.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_that_nobody_is_told_of_is_found() {
    let judged = judge("unseen", Fault::Unseen, "-n 8 --presence --churn 6 --churn-every 50ms").await;
    assert!(judged.faults().contains("members were there in the end and nobody was told"), "{}", judged.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_s_own_thresholds_fail_the_run() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("strict.toml");
    std::fs::write(&path, "arrivals = 'poisson'\n[pass]\ndeliveries_per_second = 1e6\ncpu_us_per_delivery = 1")
        .unwrap();
    let judged = judge("strict", Fault::None, path.to_str().unwrap()).await;
    let faults = judged.faults();
    assert!(faults.contains("deliveries were made per second; at least 1000000 were asked for"), "{faults}");
    assert!(faults.contains("it could not be found how many µs of processor time"), "without --pid: {faults}");
    assert_eq!(judged.report["plan"]["arrivals"], "poisson");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_connect_from_several_addresses_as_fast_as_they_are_let_in() {
    let judged = judge("sources", Fault::None, "--source 127.0.0.2-127.0.0.4 --connect-rate max --threads 3").await;
    judged.passes();
    assert_eq!(judged.count("/latencies/tcp_connected/count"), 4);
    assert_eq!(judged.count("/generator/threads"), 3);
}

/// What a process that only listens says of messages that another one sends.
async fn overhear(name: &str, fault: Fault) -> Judged {
    let gateway = Gateway::start(fault).await;
    let together = format!("--run {name} --room-prefix r --senders 1 --rate 40");
    let listens = format!("{together} --listen --drain 10s");
    let sends = format!("{together} -n 1");
    let listening = judge_at(format!("{name}-listening"), &gateway, &listens);
    let sending = judge_at(format!("{name}-sending"), &gateway, &sends);
    let (listening, sending) = tokio::join!(listening, async {
        // Whoever joins after the first message is owed one less.
        gateway.wait_for_members(4).await;
        sending.await
    });
    sending.passes();
    listening
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_only_listens_tells_how_old_the_messages_of_another_are() {
    let judged = overhear("overheard", Fault::None).await;
    judged.passes();
    assert_eq!((judged.count("/messages/sent"), judged.count("/deliveries/total")), (0, 80));
    assert_eq!(judged.count("/latencies/delivered/count"), 80);
    assert_eq!(judged.report["broadcasts"].as_array().unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_only_listens_finds_what_never_came() {
    let judged = overhear("unheard", Fault::Tail).await;
    assert!(judged.faults().contains("deliveries of what the other process was to send never came"));
    assert_eq!(judged.count("/ledger/lost"), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_fails_at_first_may_be_a_fault() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("patient.toml");
    std::fs::write(&path, "[pass]\nfailed_connections = 0").unwrap();
    let judged = judge("patient", Fault::Deaf, &format!("{} --connect-timeout 300ms", path.display())).await;
    assert!(judged.faults().contains("connections could not be opened at once; 0 were allowed"), "{}", judged.text);
}

#[test]
fn a_report_that_could_not_be_written_stops_the_run_before_it_begins() {
    let run = |file: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub-loadtest"));
        let output = command.args(["run", "--url", "ws://127.0.0.1:9", "--connect-timeout", "10s", file]);
        output.arg("/nowhere/report").output().unwrap()
    };
    for file in ["--json", "--html"] {
        let output = run(file);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("/nowhere/report could not be written") && output.stdout.is_empty(), "{text}");
    }
}
