//! A broker that knows the bus and nothing else, so that these tests are about presence alone.

use async_trait::async_trait;
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::prelude::{Builder, ServerConfig};
use fred::types::Message;
use fred::types::config::Config;
use hubbub_shared::{Data, Position};

use super::*;
use crate::broker::conformance::author;
use crate::broker::{
    Broker, BrokerError, Envelope, Head, Marker, NewsSender, PageLimit, Payload, PresenceChange, Publish, Published,
    Range, Reading, Standing, StandingChange, Unread,
};
use crate::ids::Origin;

/// A replica's end of the bus.
pub(crate) struct BusAlone {
    redis: Arc<Redis>,
    client: Client,
}

/// What a frame `P` of the bus carries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    user: String,
    name: Option<String>,
    present: bool,
    count: u64,
}

impl BusAlone {
    pub(super) async fn connect(redis: Arc<Redis>, port: u16, news: NewsSender) -> Self {
        let server = ServerConfig::new_centralized("127.0.0.1", port);
        let client = Builder::from_config(Config { server, ..Config::default() })
            .with_performance_config(|performance| performance.broadcast_channel_capacity = 65_536)
            .build()
            .unwrap();
        client.init().await.unwrap();
        let mut messages = client.message_rx();
        tokio::spawn(async move {
            while let Ok(message) = messages.recv().await {
                news.send(envelope(&message));
            }
        });
        Self { redis, client }
    }

    fn channel(&self, room: &RoomName) -> crate::redis::Channel {
        let keys = self.redis.keys();
        keys.channel(keys.room(room), "room", room.as_str())
    }
}

fn envelope(message: &Message) -> Envelope {
    let (_, room) = message.channel.split_once("}:room:").unwrap();
    let text = message.value.as_str().unwrap();
    let (sort, json) = text.split_at(1);
    let payload = match sort {
        "P" => {
            let Change { user, name, present, count } = serde_json::from_str(json).unwrap();
            let member = Author { user: UserId::new(&user).unwrap(), name: name.map(Arc::from) };
            Payload::Presence(PresenceChange { member, present, count })
        }
        "S" => Payload::Signal { from: Some(author("ada")), data: Data::from_json(json).unwrap() },
        _ => panic!("what is {text}?"),
    };
    Envelope { room: RoomName::new(room).unwrap(), origin: None, payload }
}

#[async_trait]
impl Broker for BusAlone {
    async fn emit(&self, envelope: Envelope) -> Result<(), BrokerError> {
        let Payload::Signal { data, .. } = envelope.payload else { return Err(BrokerError::Unavailable) };
        let payload = format!("S{}", data.as_json()).into();
        self.redis.publish(&self.channel(&envelope.room), payload).await.unwrap();
        Ok(())
    }

    async fn subscribe(&self, room: &RoomName) -> Result<(), BrokerError> {
        self.client.ssubscribe(self.channel(room).name).await.unwrap();
        Ok(())
    }

    async fn unsubscribe(&self, _: &RoomName) {}

    async fn publish(&self, _: Publish) -> Result<Published, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn read(&self, _: &RoomName, _: Range, _: PageLimit) -> Result<Reading, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn heads(&self, _: &[RoomName]) -> Result<Vec<Head>, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn mark_read(
        &self,
        _: &RoomName,
        _: &UserId,
        _: &Position,
        _: Option<Origin>,
    ) -> Result<Marker, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn unread(&self, _: &UserId, _: &[RoomName]) -> Result<Vec<Unread>, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn standing(&self, _: &RoomName, _: &UserId) -> Result<Standing, BrokerError> {
        Err(BrokerError::Unavailable)
    }

    async fn set_standing(&self, _: &RoomName, _: &UserId, _: StandingChange) -> Result<(), BrokerError> {
        Err(BrokerError::Unavailable)
    }
}
