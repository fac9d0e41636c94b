//! WebSocket frames by hand, also such as no library would write.

/// The opcodes of RFC 6455.
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;

/// A frame of a client, masked with zeros, which leave the payload as it is.
pub(crate) fn frame(opcode: u8, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, is_final, payload.len() as u64, true);
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A frame as a client must not send it, without a mask.
pub(crate) fn unmasked(payload: &[u8]) -> Vec<u8> {
    let mut frame = head(TEXT, true, payload.len() as u64, false);
    frame.extend(payload);
    frame
}

/// The first bytes of a frame that claims this length.
pub(crate) fn head(opcode: u8, is_final: bool, length: u64, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    let mut head = vec![opcode | if is_final { 0x80 } else { 0 }];
    match length {
        0..=125 => head.push(mask | length as u8),
        126..=65_535 => {
            head.push(mask | 0x7e);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(mask | 0x7f);
            head.extend(length.to_be_bytes());
        }
    }
    head
}
