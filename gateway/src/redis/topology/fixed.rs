//! One server, always the same; all there is to find is whether it is what the operator takes it for.

use tokio::time::Instant;

use super::{Answer, Topology, peers::ANSWER_WITHIN};
use crate::redis::{
    url::HostPort,
    wire::{Login, Wire, WireError},
};

pub(super) struct Server {
    address: HostPort,
    login: Login,
}

impl Server {
    pub(super) fn new(address: HostPort, login: Login) -> Self {
        Self { address, login }
    }

    pub(super) async fn ask(&self) -> Result<Answer, WireError> {
        let wire = Wire::connect(&self.address, &self.login, Instant::now() + ANSWER_WITHIN).await?;
        let address = &self.address;
        let greeting = wire.greeting();
        let advice = match (greeting.mode.as_str(), greeting.role.as_str()) {
            ("sentinel", _) => "is a sentinel: write redis-sentinel:// and the service's name in `redis.url`",
            ("cluster", _) => "is a node of a cluster: write redis-cluster:// in `redis.url`",
            (_, "replica" | "slave") => {
                "is a replica, which refuses writes: name its master in `redis.url`, or Sentinel"
            }
            _ => {
                let topology = Topology::single(address.clone());
                return Ok(Answer { topology, sees_majority: true, epoch: 0 });
            }
        };
        Err(WireError::Reply(format!("{address} {advice}")))
    }
}
