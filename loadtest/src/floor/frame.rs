//! WebSocket frames as the floor reads and writes them: whole texts, and the end.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::connection::Gone;

/// The longest frame that is read.
const BYTES_MAX: u64 = 1024 * 1024;

/// A frame that came in whole.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Nothing where it is no text.
    pub(super) text: Option<&'a [u8]>,
    /// Whether the client says goodbye.
    pub(super) ends: bool,
    /// With its header.
    pub(super) length: usize,
}

/// The frame that these bytes begin with, unmasked in place; `None` until all of it is there.
pub(super) fn next(bytes: &mut [u8]) -> Result<Option<Frame<'_>>, Gone> {
    let mut cursor = Cursor::new(&*bytes);
    let Some((header, payload)) = FrameHeader::parse(&mut cursor).map_err(|_| Gone)? else { return Ok(None) };
    if payload > BYTES_MAX {
        return Err(Gone);
    }
    let start = cursor.position() as usize;
    let length = start + payload as usize;
    let Some(payload) = bytes.get_mut(start..length) else { return Ok(None) };
    if let Some(mask) = header.mask {
        for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
            *byte ^= mask;
        }
    }
    let text = (header.opcode == OpCode::Data(Data::Text) && header.is_final).then_some(&*payload);
    Ok(Some(Frame { text, ends: header.opcode == OpCode::Control(Control::Close), length }))
}

/// Appends a text frame.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), is_final: true, ..FrameHeader::default() };
    if header.format(text.len() as u64, out).is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_is_read_once_it_is_whole() {
        let (payload, mask) = (b"{\"type\":\"ping\"}", [1, 2, 3, 4]);
        let mut bytes = vec![0x81, 0x80 | payload.len() as u8];
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        let whole = bytes.len();
        for length in 0..whole {
            assert!(next(&mut bytes[..length]).unwrap().is_none());
        }
        bytes.extend_from_slice(b"rest");
        let frame = next(&mut bytes).unwrap().unwrap();
        assert_eq!((frame.text, frame.ends, frame.length), (Some(&payload[..]), false, whole));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for length in [0, 125, 126, 70_000] {
            let mut bytes = Vec::new();
            let said = "x".repeat(length);
            text(&mut bytes, &said);
            let whole = bytes.len();
            let frame = next(&mut bytes).unwrap().unwrap();
            assert_eq!((frame.text, frame.length), (Some(said.as_bytes()), whole));
        }
    }

    #[test]
    fn a_goodbye_ends_and_a_ping_says_nothing() {
        let frame = |bytes: &mut [u8]| next(bytes).unwrap().map(|frame| (frame.text.is_some(), frame.ends)).unwrap();
        assert_eq!(frame(&mut [0x88, 0]), (false, true));
        assert_eq!(frame(&mut [0x89, 0]), (false, false));
        assert!(next(&mut [0x81, 127, 0, 0, 0, 0, 0, 16, 0, 1]).is_err(), "nobody sends so much here");
    }
}
