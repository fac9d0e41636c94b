//! What comes over a subscription, told apart. Messages are nearly all of it, so they are read by hand: a fifteenth of what
//! the codec costs, which reads everything else.

use redis_protocol::resp3::{
    decode::complete::decode,
    types::{OwnedFrame, Resp3Frame},
};

/// How every message begins.
const MESSAGE: &[u8] = b">3\r\n$8\r\nsmessage\r\n";
/// More than any server lets a value be.
const VALUE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sign<'a> {
    /// Somebody published.
    Message { channel: &'a str, payload: &'a [u8] },
    /// From here on a channel is heard.
    Subscribed(String),
    /// From here on a channel is not heard, whether that was asked for or not.
    Unsubscribed(String),
    /// The answer to a numbered PING.
    Pong(u64),
    /// A question was refused.
    Error(String),
    /// Nothing that matters here.
    Other,
}

/// What came is no RESP3.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// The first frame and its length; none while it is not whole.
pub(super) fn first(buffer: &[u8]) -> Result<Option<(Sign<'_>, usize)>, Garbled> {
    let Some(message) = buffer.strip_prefix(MESSAGE) else { return other(buffer) };
    let Some((channel, rest)) = value(message)? else { return Ok(None) };
    let Some((payload, rest)) = value(rest)? else { return Ok(None) };
    let channel = std::str::from_utf8(channel).map_err(|_| Garbled)?;
    Ok(Some((Sign::Message { channel, payload }, buffer.len() - rest.len())))
}

/// A `$` value, and what follows it.
type Value<'a> = (&'a [u8], &'a [u8]);

fn value(buffer: &[u8]) -> Result<Option<Value<'_>>, Garbled> {
    let mut bytes = 0_usize;
    for (at, &byte) in buffer.iter().enumerate() {
        match byte {
            b'$' if at == 0 => {}
            b'0'..=b'9' if at > 0 && bytes < VALUE_BYTES_MAX => bytes = bytes * 10 + usize::from(byte - b'0'),
            b'\r' if at > 1 => {
                let begin = at + 2;
                let Some(rest) = buffer.get(begin + bytes + 2..) else { return Ok(None) };
                return Ok(Some((&buffer[begin..begin + bytes], rest)));
            }
            _ => return Err(Garbled),
        }
    }
    Ok(None)
}

fn other(buffer: &[u8]) -> Result<Option<(Sign<'_>, usize)>, Garbled> {
    let Some((frame, bytes)) = decode(buffer).map_err(|_| Garbled)? else { return Ok(None) };
    let text = |frame: &OwnedFrame| frame.as_str().map(ToOwned::to_owned);
    let sign = match &frame {
        OwnedFrame::Push { data, .. } => match (data.first().and_then(text).as_deref(), data.get(1).and_then(text)) {
            (Some("ssubscribe"), Some(channel)) => Sign::Subscribed(channel),
            (Some("sunsubscribe"), Some(channel)) => Sign::Unsubscribed(channel),
            _ => Sign::Other,
        },
        OwnedFrame::SimpleError { data, .. } => Sign::Error(data.clone()),
        OwnedFrame::BlobError { data, .. } => Sign::Error(String::from_utf8_lossy(data).into_owned()),
        frame => text(frame).and_then(|text| text.parse().ok()).map_or(Sign::Other, Sign::Pong),
    };
    Ok(Some((sign, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: &[u8] = b">3\r\n$8\r\nsmessage\r\n$4\r\nroom\r\n$7\r\nhi\r\n$1x\r\n\
        >3\r\n$10\r\nssubscribe\r\n$4\r\nroom\r\n:1\r\n>3\r\n$12\r\nsunsubscribe\r\n$4\r\nroom\r\n:0\r\n\
        -NOPERM not you\r\n$2\r\n17\r\n+PONG\r\n>3\r\n$8\r\nsmessage\r\n$0\r\n\r\n$0\r\n\r\n";

    fn signs(mut buffer: &[u8]) -> Vec<Sign<'_>> {
        let mut signs = Vec::new();
        while let Some((sign, bytes)) = first(buffer).unwrap() {
            signs.push(sign);
            buffer = &buffer[bytes..];
        }
        assert!(buffer.is_empty());
        signs
    }

    #[test]
    fn frames_of_every_sort_are_told_apart() {
        assert_eq!(
            signs(FRAMES),
            [
                Sign::Message { channel: "room", payload: b"hi\r\n$1x" },
                Sign::Subscribed("room".to_owned()),
                Sign::Unsubscribed("room".to_owned()),
                Sign::Error("NOPERM not you".to_owned()),
                Sign::Pong(17),
                Sign::Other,
                Sign::Message { channel: "", payload: b"" },
            ]
        );
    }

    #[test]
    fn a_frame_counts_when_it_is_whole_wherever_it_was_cut() {
        for cut in 0..FRAMES.len() {
            let (mut buffer, mut found) = (&FRAMES[..cut], 0);
            while let Some((_, bytes)) = first(buffer).unwrap() {
                buffer = &buffer[bytes..];
                found += 1;
            }
            let whole = [&FRAMES[cut - buffer.len()..cut], &FRAMES[cut..]].concat();
            assert_eq!(found + signs(&whole).len(), 7, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_resp3_is_not_waited_for() {
        assert_eq!(first(b">3\r\n$8\r\nsmessage\r\n$x\r\n"), Err(Garbled));
        assert_eq!(first(b">3\r\n$8\r\nsmessage\r\n$99999999999999999999\r\n"), Err(Garbled));
        assert_eq!(first(b">3\r\n$8\r\nsmessage\r\n$1\r\n\xff\r\n$0\r\n\r\n"), Err(Garbled));
        assert_eq!(first(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Err(Garbled));
    }
}
