//! The floor, driven by the generator as a gateway is: what is measured against it was measured in the same way.
#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hubbub-loadtest");

/// A floor that ends with its test.
struct Floor {
    process: Child,
    url: String,
}

impl Floor {
    fn start() -> Self {
        let mut process =
            Command::new(PROGRAM).args(["floor", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once(' ').unwrap().1;
        Self { url: format!("ws://{address}/v1/ws"), process }
    }

    /// Runs the generator against it, and gives the report back.
    fn judge(&self, arguments: &str) -> Value {
        let json = tempfile::NamedTempFile::new().unwrap();
        self.run(&format!("{arguments} --json {}", json.path().display()));
        serde_json::from_reader(json.as_file()).unwrap()
    }

    /// Runs the generator against it; the run passes.
    fn run(&self, arguments: &str) {
        let output = Command::new(PROGRAM)
            .args(["run", "--url", &self.url, "--pid", &format!("floor={}", self.process.id())])
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}");
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn every_message_reaches_every_member_in_order() {
    let report = Floor::start().judge("-n 20 --rooms 5 --rooms-per-client 2 --rate 200 -d 1s --payload-bytes 300");
    assert_eq!(report["messages"]["acknowledged"], 200);
    // Each room has 8 members.
    assert_eq!(report["deliveries"]["total"], 1_600);
    assert_eq!(report["connections"]["stayed"], 20);
}

#[test]
fn who_wants_the_acknowledgement_in_the_place_of_the_message_gets_no_more() {
    let report = Floor::start().judge("-n 4 --rate 40 -d 1s --no-echo");
    assert_eq!(report["messages"]["acknowledged"], 40);
    assert_eq!(report["closes"], serde_json::json!({}));
}

#[test]
fn a_delivery_is_one_write() {
    let report = Floor::start().judge("-n 100 --rate 20 -d 1s");
    let figures = &report["servers"]["sending"][0]["figures"];
    assert_eq!(report["deliveries"]["total"], 2_000);
    if let Some(calls) = figures["system_calls_per_delivery"].as_f64() {
        // Beside the writes: a wait and a read for each message, which goes to 100.
        assert!((1.0..1.2).contains(&calls), "{figures}");
    }
}

#[test]
fn a_report_is_a_page_that_needs_nothing_else_and_two_reports_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let floor = Floor::start();
    for (name, clients) in [("a", 4), ("b", 8)] {
        let (json, html) = (file(&format!("{name}.json")), file(&format!("{name}.html")));
        floor.run(&format!("-n {clients} --rate 40 -d 500ms --json {json} --html {html}"));
    }
    let output = Command::new(PROGRAM)
        .args(["compare", &file("a.json"), &file("b.json"), "--html", &file("c.html")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("clients is 4 here and 8 there") && text.contains("processor time per delivery"), "{text}");
    for (page, words) in [
        ("a.html", ["Passed: every promise was kept.", "<svg", "processor time per delivery"]),
        ("c.html", ["Not the same test", "<svg", "processor time per delivery"]),
    ] {
        let page = std::fs::read_to_string(file(page)).unwrap();
        for word in words {
            assert!(page.contains(word), "{word} is missing in {page}");
        }
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !elsewhere.contains("http") && !elsewhere.contains("<script") && !elsewhere.contains("<link"),
            "{page}"
        );
    }
}

#[test]
fn a_report_of_before_is_compared_by_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = Floor::start().judge("-n 4 --rate 40 -d 500ms");
    let new = folder.path().join("new.json");
    std::fs::write(&new, report.to_string()).unwrap();
    let fields = report.as_object_mut().unwrap();
    fields.retain(|name, _| ["plan", "verdict", "deliveries", "latencies", "messages"].contains(&name.as_str()));
    report["messages"].as_object_mut().unwrap().remove("refused");
    report["latencies"].as_object_mut().unwrap().remove("spread");
    report["latencies"]["delivered"].as_object_mut().unwrap().remove("p99_9_ms");
    let old = folder.path().join("old.json");
    std::fs::write(&old, report.to_string()).unwrap();
    let output = Command::new(PROGRAM).arg("compare").args([&old, &new]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("delivered, 99 %") && !text.contains("spread, 50 %"), "{text}");
}

#[test]
fn what_is_no_report_is_not_compared() {
    let output = Command::new(PROGRAM).args(["compare", "/nowhere/a.json", "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/a.json could not be read"));
}

#[test]
fn servers_are_measured_beside_each_other_and_those_that_are_not_there_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    std::fs::write(&page, "<!-- bench-peers: begin; written by `make bench-peers` -->\n<!-- bench-peers: end -->")
        .unwrap();
    let bench = |arguments: &str| {
        Command::new(PROGRAM)
            .args(["bench-peers", "--root", "/nowhere", "--target"])
            .arg(folder.path())
            .arg("--page")
            .arg(&page)
            .args(arguments.split_whitespace())
            .env_remove("HUBBUB_BIN")
            .output()
            .unwrap()
    };
    let output = bench("--parts big-room --rounds 2 -- -n 20 --rate 20 -d 500ms");
    let (text, words) = (std::fs::read_to_string(&page).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("floor, round 2 of 2") && words.contains("min left"), "{words}");
    let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap().to_owned();
    assert!(!row("floor").contains('–') || row("floor").contains("<sub>"), "{text}");
    assert_eq!(row("Hubbub").matches('–').count(), 5, "{text}");
    assert!(text.contains("Hubbub: hubbub ended at once"), "{text}");
    assert!(text.contains("ARGS='--parts big-room --rounds 2 -- -n 20 --rate 20 -d 500ms'"), "{text}");

    assert_eq!(bench("--write-only").status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text, "written anew from what was kept, it is the same");
    std::fs::remove_file(folder.path().join("bench-peers.json")).unwrap();
    let output = bench("--parts idle --rounds 1");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("would be lost: big-room") && !words.contains("round 1"), "{words}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text);
}
