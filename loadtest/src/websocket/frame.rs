//! Frames of RFC 6455.

use std::ops::Range;

use thiserror::Error;

/// The largest frame that is read; the longest replies of a gateway are a quarter of it.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// The longest head of a frame that a client writes.
const HEAD_BYTES_MAX: usize = 14;

/// What stands for the length of a payload that needs more than seven bits: the length follows in so many bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// A frame at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    /// Whether it is the last one of its message.
    pub(crate) is_last: bool,
    /// Where its payload stands; the next frame begins at the end of it.
    pub(crate) payload: Range<usize>,
}

/// Why bytes are no frame that a server may send.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    #[error("a WebSocket frame of an unknown kind")]
    Opcode,
    #[error("a WebSocket frame with reserved bits, though nothing was negotiated")]
    Reserved,
    #[error("a masked WebSocket frame from the server")]
    Masked,
    #[error("a WebSocket frame of more than {PAYLOAD_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads the frame at the beginning of the bytes; `None` if it is not complete.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let opcode = Opcode::of(first & 0x0f).ok_or(FrameError::Opcode)?;
    let rest = &bytes[2..];
    let (start, length) = match second & 0x7f {
        TWO_BYTES => match rest.first_chunk() {
            Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        EIGHT_BYTES => match rest.first_chunk() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    if length > PAYLOAD_BYTES_MAX as u64 {
        return Err(FrameError::TooLong);
    }
    let payload = start..start + length as usize;
    Ok((payload.end <= bytes.len()).then_some(Frame { opcode, is_last: first & 0x80 != 0, payload }))
}

/// Writes a whole message as one frame, masked as a client's must be.
pub(crate) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    out.reserve(payload.len() + HEAD_BYTES_MAX);
    out.push(0x80 | opcode.bits());
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | TWO_BYTES);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | EIGHT_BYTES);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    for (byte, mask) in out[start..].iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server writes it.
    fn served(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut masked = Vec::new();
        write(&mut masked, opcode, payload, [0; 4]);
        let head = masked.len() - payload.len();
        masked[1] &= 0x7f;
        masked.drain(head - 4..head);
        masked
    }

    #[test]
    fn a_frame_is_read_once_its_last_byte_is_there_and_no_earlier() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = served(Opcode::Text, &payload);
            for end in (0..bytes.len()).step_by(1 + length / 500) {
                assert_eq!(read(&bytes[..end]), Ok(None), "{end} of {}", bytes.len());
            }
            let whole = bytes.len();
            bytes.extend_from_slice(b"\x89\x00");
            let frame = read(&bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.is_last, frame.payload.end), (Opcode::Text, true, whole));
            assert_eq!(bytes[frame.payload], payload);
            assert_eq!(read(&bytes[whole..]).unwrap().unwrap().opcode, Opcode::Ping);
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_refused() {
        assert_eq!(read(&[0x83, 0]), Err(FrameError::Opcode));
        assert_eq!(read(&[0xc1, 0]), Err(FrameError::Reserved));
        assert_eq!(read(&[0x81, 0x80]), Err(FrameError::Masked));
        assert_eq!(read(&[0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 1]), Err(FrameError::TooLong));
    }

    #[test]
    fn what_a_client_writes_is_masked_and_can_be_unmasked() {
        let mut out = Vec::new();
        write(&mut out, Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        // The example of RFC 6455, section 5.7.
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }
}
