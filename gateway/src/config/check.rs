//! What the values must be, alone and in relation to each other. Finds every problem, not the first.

mod access;

use std::fmt;
use std::ops::RangeInclusive;

use crate::config::Config;
use crate::limits::Quota;

/// What a frame holds beside its `data`, at most: names, key, target, and the words of the frame itself.
const AROUND_DATA_BYTES: u64 = 4_096;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_S: u64 = 86_400;
const MEBIBYTE: u64 = 1_048_576;

/// Something about the values of some options that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The options, the likeliest culprit first.
    pub(super) keys: Vec<String>,
    /// The rest of a sentence that begins with one of them.
    pub(super) problem: String,
}

/// All problems of a configuration.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    numbers(config, &mut problems);
    sizes(config, &mut problems);
    rooms(config, &mut problems);
    limits(config, &mut problems);
    redis(config, &mut problems);
    level(&config.log.level, &mut problems);
    access::check(config, &mut problems);
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, keys: &[&str], problem: impl Into<String>) {
        self.0.push(Problem { keys: keys.iter().map(|&key| key.to_owned()).collect(), problem: problem.into() });
    }

    fn range(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        if range.contains(&value) {
            return;
        }
        let (least, most) = (range.start(), range.end());
        self.add(
            &[key],
            match *most {
                u64::MAX => format!("is too small; at least {least} is wanted"),
                _ => format!("is out of range; {least} to {most} is wanted"),
            },
        );
    }

    /// A size must not be less than what another needs.
    fn fits(&mut self, outer: &Size, needed: u64, inner: &Size, why: &str) {
        if outer.bytes < needed {
            let problem = format!("does not go together: {inner} needs {outer} to be at least {needed}, so that {why}");
            self.add(&[&outer.key, &inner.key], problem);
        }
    }
}

/// The value of an option, and how a person calls the option.
struct Size {
    key: String,
    label: String,
    bytes: u64,
}

impl Size {
    fn of(key: &str, bytes: impl TryInto<u64>) -> Self {
        Self { key: key.to_owned(), label: format!("`{key}`"), bytes: bytes.try_into().unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label, self.bytes)
    }
}

fn numbers(config: &Config, problems: &mut Problems) {
    let Config { server, connection, auth, hub, broker, limits, .. } = config;
    let any = 1..=u64::MAX;
    for (key, value, range) in [
        ("server.connections_max", server.connections_max as u64, any.clone()),
        ("server.drain_ms", server.drain_ms, 0..=HOUR_MS),
        ("connection.hello_timeout_ms", connection.hello_timeout_ms, 100..=10 * MINUTE_MS),
        ("connection.heartbeat_ms", connection.heartbeat_ms, SECOND_MS..=HOUR_MS),
        ("connection.slow_grace_ms", connection.slow_grace_ms, 100..=HOUR_MS),
        ("connection.outbox_bytes", connection.outbox_bytes as u64, 1..=1_024 * MEBIBYTE),
        ("connection.per_user_max", connection.per_user_max as u64, any.clone()),
        ("connection.per_address_max", connection.per_address_max as u64, any.clone()),
        ("connection.frame_bytes", u64::from(connection.frame_bytes), 1..=64 * MEBIBYTE),
        ("connection.data_bytes", u64::from(connection.data_bytes), 1..=16 * MEBIBYTE),
        ("connection.key_bytes", u64::from(connection.key_bytes), 1..=1_024),
        ("connection.reply_bytes", u64::from(connection.reply_bytes), 1..=64 * MEBIBYTE),
        ("connection.rooms", u64::from(connection.rooms), 1..=100_000),
        ("connection.history", u64::from(connection.history), 1..=100_000),
        ("connection.pipeline", u64::from(connection.pipeline), 1..=100_000),
        ("auth.jwks_refresh_s", auth.jwks_refresh_s, 1..=DAY_S),
        ("auth.leeway_s", auth.leeway_s, 0..=600),
        ("auth.session_sliding_s", auth.session_sliding_s, 1..=10 * 365 * DAY_S),
        ("auth.session_absolute_s", auth.session_absolute_s, 1..=10 * 365 * DAY_S),
        ("limits.penalty_strikes", u64::from(limits.penalty_strikes), any.clone()),
        ("limits.penalty_window_ms", limits.penalty_window_ms, 1..=HOUR_MS),
        ("limits.penalty_ms", limits.penalty_ms, 0..=HOUR_MS),
        ("hub.workers", hub.workers as u64, 0..=1_024),
        ("hub.ring_entries", hub.ring_entries as u64, any.clone()),
        ("hub.linger_ms", hub.linger_ms, 0..=HOUR_MS),
        ("hub.presence_grace_ms", hub.presence_grace_ms, 0..=MINUTE_MS),
        // A member is seen within a second, and the bus needs its share of it.
        ("hub.presence_interval_ms", hub.presence_interval_ms, 1..=500),
        ("hub.log_reads_max", hub.log_reads_max as u64, any),
        // A silently lost envelope is found within 35 seconds.
        ("hub.head_check_ms", hub.head_check_ms, 100..=30 * SECOND_MS),
        ("broker.dedupe_s", broker.dedupe_s, 1..=DAY_S),
        ("broker.deadline_ms", broker.deadline_ms, 10..=MINUTE_MS),
    ] {
        problems.range(key, value, range);
    }
}

fn redis(config: &Config, problems: &mut Problems) {
    let prefix = &config.redis.prefix;
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':');
    if !(1..=32).contains(&prefix.len()) || !prefix.chars().all(is_plain) {
        // Braces would move all keys into one slot, and what ACLs take for a pattern would allow more than was meant.
        problems.add(&["redis.prefix"], "must be 1 to 32 letters, digits, `-`, `_`, `.` or `:`");
    }
}

/// An entry of the largest size must fit wherever it passes, or it could be sent but never read.
fn sizes(config: &Config, problems: &mut Problems) {
    let Config { connection, hub, broker, .. } = config;
    let data = Size::of("connection.data_bytes", connection.data_bytes);
    let frame = Size::of("connection.frame_bytes", connection.frame_bytes);
    let reply = Size::of("connection.reply_bytes", connection.reply_bytes);
    let outbox = Size::of("connection.outbox_bytes", connection.outbox_bytes);
    let ring = Size::of("hub.ring_bytes", hub.ring_bytes);
    let rings = Size::of("hub.ring_total_bytes", hub.ring_total_bytes);
    let logs = Size::of("broker.memory_total_bytes", broker.memory_total_bytes);
    problems.fits(&frame, data.bytes + AROUND_DATA_BYTES, &data, "the frame around the data fits too");
    problems.fits(&reply, data.bytes * 2, &data, "a reply holds any entry");
    problems.fits(&outbox, reply.bytes * 2, &reply, "a reply and what is live fit side by side");
    problems.fits(&ring, data.bytes + AROUND_DATA_BYTES, &data, "any entry fits");
    problems.fits(&rings, ring.bytes, &ring, "one room fits");
    for (index, kind) in config.rooms.iter().enumerate() {
        let key = format!("rooms[{index}].keep_bytes");
        let label = format!("`keep_bytes` of the rooms {:?}", kind.pattern.as_str());
        let keep = Size { key, label, bytes: kind.keep_bytes };
        problems.fits(&keep, data.bytes * 2, &data, "any entry is kept");
        problems.fits(&logs, keep.bytes, &keep, "one room fits");
    }
}

fn rooms(config: &Config, problems: &mut Problems) {
    for (index, kind) in config.rooms.iter().enumerate() {
        let key = |name: &str| format!("rooms[{index}].{name}");
        problems.range(&key("keep_entries"), kind.keep_entries, 1..=u64::MAX);
        problems.range(&key("keep_s"), kind.keep_s, 1..=100 * 365 * DAY_S);
        problems.range(&key("slow_mode_ms"), kind.slow_mode_ms, 0..=DAY_S * SECOND_MS);
        let covers = |earlier: &str| earlier == "*" || earlier == kind.pattern.as_str();
        if let Some(earlier) = config.rooms[..index].iter().find(|earlier| covers(earlier.pattern.as_str())) {
            let earlier = earlier.pattern.as_str();
            let problem = format!(
                "is never reached: the kind {earlier:?} stands before it and matches first; move this one up or remove it"
            );
            problems.add(&[&key("match")], problem);
        }
    }
}

fn limits(config: &Config, problems: &mut Problems) {
    let limits = &config.limits;
    for (name, quota) in [
        ("user_send", limits.user_send),
        ("user_signal", limits.user_signal),
        ("user_request", limits.user_request),
        ("address_request", limits.address_request),
        ("address_hello", limits.address_hello),
        ("room_send", limits.room_send),
        ("user_room_send", limits.user_room_send),
        ("api", limits.api),
    ] {
        let Some(Quota { per_s, burst }) = quota else { continue };
        // The comparison is false for what is no number.
        if !(per_s > 0.0 && per_s <= 1e9) {
            let problem = "is out of range; more than 0 is wanted, such as 10.0 (or \"off\" instead of the table)";
            problems.add(&[&format!("limits.{name}.per_s")], problem);
        }
        problems.range(&format!("limits.{name}.burst"), u64::from(burst), 1..=u64::MAX);
    }
}

fn level(level: &str, problems: &mut Problems) {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let levels = "off, error, warn, info, debug or trace is wanted, and for one part another after a comma, as in \
                  info,hubbub::hub=debug";
    // The filter takes a misspelt level for the name of a part, and would then log nothing else.
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    let stray = level.split(',').find(|word| !word.contains(['=', '[', ':']) && !is_level(word));
    if let Some(word) = stray {
        problems.add(&["log.level"], format!("holds {word:?}, which is no level; {levels}"));
    } else if tracing_subscriber::EnvFilter::try_new(level).is_err() {
        problems.add(&["log.level"], format!("is no filter; {levels}"));
    }
}
