//! The documents say what the code does.

#![expect(clippy::unwrap_used, reason = "a document that cannot be read has failed its test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hubbub::app::App;
use hubbub::config::{Config, Sources};
use hubbub::telemetry::metrics::Metrics;
use hubbub_shared::error_code::Retry;
use hubbub_shared::limits::{DEPTH_MAX, DISPLAY_NAME_BYTES_MAX, EMOJI_BYTES_MAX, Limits, REASON_BYTES_MAX};
use hubbub_shared::{ClientFrame, CloseCode, ErrorCode, ServerFrame};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::Value;

const DASHBOARD: &str = "gateway/deploy/grafana/dashboards/hubbub.json";
const ALERTS: &str = "gateway/deploy/alerts.yml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table that begins with this head, cell by cell, without the backquotes of code.
fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let lines = document.lines().skip_while(|line| *line != head).skip(2);
    let rows: Vec<Vec<String>> = lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect();
    assert!(!rows.is_empty(), "there is no table with the head {head}");
    rows
}

fn column(table: &[Vec<String>], index: usize) -> Vec<String> {
    table.iter().map(|row| row[index].clone()).collect()
}

/// The frames of the examples that begin with this arrow. A frame may go on in indented lines.
fn examples(document: &str, arrow: char) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut open = false;
    for line in document.lines() {
        if let Some(frame) = line.strip_prefix(arrow) {
            examples.push(frame.trim().to_owned());
            open = true;
        } else if open && line.starts_with("   ") {
            examples.last_mut().unwrap().push_str(line.trim());
        } else {
            open = false;
        }
    }
    examples
}

#[test]
fn every_frame_in_the_protocol_is_one_as_the_code_writes_it_and_none_is_left_out() {
    let protocol = document("docs/protocol.md");
    let mut asked = BTreeSet::new();
    for example in examples(&protocol, '→') {
        let frame = ClientFrame::decode(&example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(frame.encode(), example);
        asked.insert(frame.kind());
    }
    assert_eq!(asked, ClientFrame::TYPES.iter().copied().collect());
    let mut told = BTreeSet::new();
    for example in examples(&protocol, '←') {
        let frame = ServerFrame::decode(&example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(frame.encode(), example);
        if let ServerFrame::Welcome(welcome) = &frame {
            assert_eq!(welcome.limits, Limits::DEFAULT);
        }
        told.insert(frame.kind());
    }
    assert_eq!(told, ServerFrame::TYPES.iter().copied().collect());
}

#[test]
fn every_frame_in_the_readme_is_one_as_the_code_writes_it() {
    let readme = document("README.md");
    let frames: Vec<&str> = readme.lines().filter(|line| line.starts_with("{\"type\":")).collect();
    assert!(frames.len() > 3, "there is no example any more");
    for frame in frames {
        let asked = ClientFrame::decode(frame).map(|frame| frame.encode());
        let told = ServerFrame::decode(frame).map(|frame| frame.encode());
        assert_eq!(asked.or(told).as_deref(), Ok(frame));
    }
}

#[test]
fn every_configuration_in_the_documents_has_no_faults() {
    for path in ["docs/operations.md", "docs/performance.md", "docs/security.md"] {
        let text = document(path);
        for (number, block) in text.split("```toml\n").skip(1).enumerate() {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.{number}.toml", path.replace('/', ".")));
            fs::write(&file, block.split("```").next().unwrap()).unwrap();
            let sources = Sources { file: Some(file), ..Sources::default() };
            Config::load(&sources).unwrap_or_else(|faults| panic!("{path}: {faults:?}"));
        }
    }
}

#[test]
fn the_protocol_lists_the_error_codes_and_whether_a_retry_makes_sense() {
    let rows = table(&document("docs/protocol.md"), "| code | when | retry |");
    assert_eq!(column(&rows, 0), ErrorCode::ALL.map(ErrorCode::as_str));
    let retry = ErrorCode::ALL.map(|code| match code.retry() {
        Retry::No => "no",
        Retry::Later => "yes",
        Retry::WithNewCredential => "with a new credential",
    });
    assert_eq!(column(&rows, 2), retry);
}

#[test]
fn the_protocol_lists_the_close_codes_and_the_error_before_each() {
    let rows = table(&document("docs/protocol.md"), "| close | `error` before it | meaning |");
    assert_eq!(column(&rows, 0), CloseCode::ALL.map(|code| code.number().to_string()));
    assert_eq!(column(&rows, 1), CloseCode::ALL.map(|code| code.error_code().to_string()));
}

#[test]
fn the_protocol_lists_the_limits() {
    let protocol = document("docs/protocol.md");
    let rows = table(&protocol, "| limit | default | over it |");
    let limits = serde_json::to_value(Limits::DEFAULT).unwrap();
    let limits = limits.as_object().unwrap();
    assert_eq!(rows.len(), limits.len());
    for row in &rows {
        assert_eq!(limits[&row[0]].to_string(), row[1], "{}", row[0]);
    }
    let rows = table(&protocol, "| what | most | over it |");
    for (what, most) in [
        ("nesting of a frame, the frame's own object included", DEPTH_MAX.to_string()),
        ("an emoji", format!("{EMOJI_BYTES_MAX} bytes")),
        ("a name to show, of guests and in tokens", format!("{DISPLAY_NAME_BYTES_MAX} bytes")),
        ("the reason of a moderation", format!("{REASON_BYTES_MAX} bytes")),
    ] {
        assert!(rows.iter().any(|row| row[0] == what && row[1] == most), "{what}: {most}");
    }
}

#[test]
fn the_map_of_the_architecture_lists_every_module_in_reading_order() {
    let code = document("gateway/src/lib.rs");
    let modules: Vec<&str> = code.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rows = table(&document("ARCHITECTURE.md"), "| module | what it is |");
    assert_eq!(column(&rows, 0), modules);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_lists_every_call_of_the_http_api() {
    let description: Value = serde_json::from_str(&get("/v1/openapi.json").await).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    let described = paths.flat_map(|(path, calls)| {
        calls.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let rows = table(&document("docs/protocol.md"), "| call | who | what |");
    let listed = rows.iter().flat_map(|row| row[0].split(", ")).map(str::to_owned);
    assert_eq!(described.collect::<BTreeSet<_>>(), listed.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operations_manual_lists_every_metric() {
    let exported: BTreeSet<String> = metrics().await.into_iter().map(|(name, _)| name).collect();
    let rows = table(&document("docs/operations.md"), "| metric | meaning | what to do |");
    let listed = column(&rows, 0).into_iter().map(|name| name.split('{').next().unwrap().to_owned()).collect();
    assert_eq!(exported, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let mut exported = BTreeSet::new();
    for (name, kind) in metrics().await {
        if kind == "histogram" {
            exported.extend(["_bucket", "_count", "_sum"].map(|part| format!("{name}{part}")));
        } else {
            exported.insert(name);
        }
    }
    let dashboard: Value = serde_json::from_str(&document(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let drawn: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for (place, text) in [(DASHBOARD, drawn.join("\n")), (ALERTS, document(ALERTS))] {
        let asked: BTreeSet<&str> =
            text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with("hubbub_")).collect();
        assert!(asked.len() > 5, "{place} asks for next to nothing");
        let unknown: Vec<_> = asked.iter().filter(|name| !exported.contains(**name)).collect();
        assert!(unknown.is_empty(), "{place} asks for {unknown:?}");
    }
}

#[test]
fn the_operations_manual_explains_every_alert() {
    let alerts = document(ALERTS);
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!names.is_empty(), "there is no alert any more");
    let rows = table(&document("docs/operations.md"), "| alert | meaning | what to do |");
    assert_eq!(column(&rows, 0), names);
}

/// Every metric that a gateway exports: its name, as it is asked for, and its kind.
async fn metrics() -> BTreeSet<(String, String)> {
    let mut exported = get("/metrics").await;
    // What has labels is told only once it was counted.
    let metrics = Metrics::default();
    metrics.connection.greeted(Ok(()));
    metrics.connection.handled("join", Duration::ZERO);
    metrics.connection.failed(ErrorCode::Gone);
    metrics.connection.ended(None);
    metrics.http.answered("GET", "other", 200, Duration::ZERO);
    let mut registry = Registry::with_prefix("hubbub");
    metrics.register(&mut registry);
    encode(&mut exported, &registry).unwrap();

    let families = exported.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let named = families.map(|family| match family.split_once(' ').unwrap() {
        (name, kind @ "counter") => (format!("{name}_total"), kind),
        (name, kind @ "info") => (format!("{name}_info"), kind),
        (name, kind) => (name.to_owned(), kind),
    });
    named.map(|(name, kind)| (name, kind.to_owned())).collect()
}

/// What a gateway with the default configuration answers at a path.
async fn get(path: &str) -> String {
    let listen = ("--listen", "server.listen", "127.0.0.1:0".to_owned());
    let config = Config::load(&Sources { flags: vec![listen], ..Sources::default() }).unwrap();
    let app = App::start(&config).await.unwrap();
    let mut socket = TcpStream::connect(app.address()).unwrap();
    write!(socket, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    app.stop().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body.to_owned()
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut documents = vec![];
    for folder in ["", "docs", "gateway", "loadtest", "shared", "web-client"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            if !section.is_empty() {
                let titles = fs::read_to_string(&target).unwrap();
                let known = titles.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == section);
                assert!(known, "{} links to {link}", path.display());
            }
        }
    }
}

/// What a title is linked by.
fn anchor(title: &str) -> String {
    let title = title.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
