//! WebSocket frames as they are written to the socket: header and payload in one piece, the same for every recipient
//! (RFC 6455 §5.2; what a server writes is not masked).

use bytes::Bytes;

/// The longest header of a frame that is not masked.
const HEADER_BYTES_MAX: usize = 10;
/// The last frame of a message, of text.
const FINAL_TEXT: u8 = 0x81;

/// A whole text frame around what `write` appends to the buffer, which must be UTF-8.
pub fn text(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    // The header's length depends on the payload's, so the longest has room and what is not needed is cut off.
    let mut buffer = Vec::with_capacity(512);
    buffer.resize(HEADER_BYTES_MAX, 0);
    write(&mut buffer);
    let payload_bytes = buffer.len() - HEADER_BYTES_MAX;
    let start = match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(short @ 0..=125), _) => {
            buffer[HEADER_BYTES_MAX - 1] = short;
            HEADER_BYTES_MAX - 2
        }
        (_, Ok(medium)) => {
            buffer[HEADER_BYTES_MAX - 3] = 126;
            buffer[HEADER_BYTES_MAX - 2..HEADER_BYTES_MAX].copy_from_slice(&medium.to_be_bytes());
            HEADER_BYTES_MAX - 4
        }
        (_, Err(_)) => {
            buffer[HEADER_BYTES_MAX - 9] = 127;
            buffer[HEADER_BYTES_MAX - 8..HEADER_BYTES_MAX].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            HEADER_BYTES_MAX - 10
        }
    };
    buffer[start] = FINAL_TEXT;
    // Rings and queues hold frames for long; what was reserved too much would be held with them.
    buffer.shrink_to_fit();
    Bytes::from(buffer).slice(start..)
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_frame_of_any_length_is_read_as_what_was_written() {
        for payload_bytes in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = "x".repeat(payload_bytes);
            let frame = text(|buffer| buffer.extend_from_slice(payload.as_bytes()));
            let stream = stream_of(frame).await;
            let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
            let Some(Ok(Message::Text(read))) = client.next().await else { panic!("{payload_bytes} bytes") };
            assert_eq!(read.as_str(), payload);
        }
    }

    /// A stream that brings these bytes.
    async fn stream_of(bytes: Bytes) -> tokio::io::DuplexStream {
        use tokio::io::AsyncWriteExt as _;
        let (mut server, client) = tokio::io::duplex(bytes.len() + 1);
        server.write_all(&bytes).await.unwrap();
        client
    }
}
