//! What a Hubbub says of itself under `/metrics`.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A replica that is busy may answer late, and is then asked again.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The metrics of the replica on this port of 127.0.0.1.
pub(super) fn read(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A metric, all of its labels together; 0 where it is not told.
pub(super) fn value(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter_map(|rest| match rest.as_bytes().first() {
        Some(b' ' | b'{') => rest.rsplit_once(' ')?.1.parse::<f64>().ok(),
        Some(_) | None => None,
    });
    values.sum()
}

/// A metric of several replicas together; `None` where one of them does not answer.
pub(super) fn sum(ports: &[u16], name: &str) -> Option<f64> {
    ports.iter().map(|&port| read(port).ok().map(|metrics| value(&metrics, name))).sum()
}

/// Follows the replicas until the run is over: how often they read logs from the first message on.
pub(super) fn log_reads_from_first_message(ports: &[u16], is_over: &AtomicBool) -> Option<f64> {
    let look = || Some((sum(ports, "hubbub_entries_heard_total")?, sum(ports, "hubbub_log_reads_total")?));
    let (mut before, mut last) = (None, None);
    loop {
        // What is looked at after the end holds all of it.
        let was_over = is_over.load(Ordering::Acquire);
        if let Some((entries, reads)) = look() {
            if entries == 0.0 {
                before = Some(reads);
            }
            last = Some(reads);
        }
        if was_over {
            return Some(last? - before?);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_of_its_labels_and_not_of_those_that_begin_alike() {
        let metrics = "# TYPE a counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 7\nb 1.5\n";
        assert!((value(metrics, "a_total") - 5.0).abs() < 1e-9);
        assert!((value(metrics, "b") - 1.5).abs() < 1e-9);
        assert!(value(metrics, "c").abs() < 1e-9);
    }
}
