//! From the bus to the replica's news.

use bytes::Bytes;
use hubbub_shared::RoomName;

use super::envelope;
use crate::broker::NewsSender;
use crate::redis::Ear;

/// Takes what the bus brings, to be handed to it when it starts.
#[derive(Debug)]
pub struct BusEar {
    news: NewsSender,
}

impl BusEar {
    /// Gives the news to this sender.
    pub fn new(news: NewsSender) -> Self {
        Self { news }
    }
}

impl Ear for BusEar {
    fn heard(&self, channel: &str, payload: Bytes) {
        let Some(room) = room_of(channel) else { return };
        match envelope::decode(&room, &payload) {
            Some(envelopes) => envelopes.into_iter().for_each(|envelope| self.news.send(envelope)),
            None => {
                // It may have been an entry, which the log will show.
                tracing::error!(
                    channel,
                    bytes = payload.len(),
                    "the bus brought what this version does not understand"
                );
                self.news.missed();
            }
        }
    }

    fn missed(&self) {
        self.news.missed();
    }
}

/// The room whose channel this is.
fn room_of(channel: &str) -> Option<RoomName> {
    let (_, name) = channel.split_once("}:room:")?;
    let control = RoomName::control();
    if name == control.as_str() { Some(control) } else { RoomName::new(name).ok() }
}
