//! Kick, ban, mute, across replicas.

use hubbub_shared::client_frame::ModerationAction;
use hubbub_shared::limits::REASON_BYTES_MAX;
use hubbub_shared::server_frame::RemovedReason;
use hubbub_shared::{RoomName, UserId};

use super::allowance::Activity;
use super::{Caller, Right, Rooms};
use crate::broker::StandingChange;
use crate::control::Order;
use crate::fault::Fault;

/// What a moderator asks for.
#[derive(Debug, Clone)]
pub struct Moderation {
    /// The room.
    pub room: RoomName,
    /// Whom it concerns.
    pub user: UserId,
    /// What to do.
    pub action: ModerationAction,
    /// For how long; `None` until it is ended.
    pub for_ms: Option<u64>,
    /// Why, for the log.
    pub reason: Option<String>,
}

impl Rooms {
    /// Kicks, bans or mutes somebody, or ends that. The state is written first and the order given second, so that
    /// nobody gets back in between; without an answer, repeat.
    pub async fn moderate(&self, caller: &Caller, moderation: Moderation) -> Result<(), Fault> {
        let Moderation { room, user, action, for_ms, reason } = moderation;
        self.require(caller, &room, Right::Moderate).await?;
        if let Some(reason) = reason.as_deref().filter(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(Fault::TooLarge { what: "`reason`", bytes: reason.len(), max_bytes: REASON_BYTES_MAX });
        }
        self.admit(caller, Activity::Request).await?;
        let until_ms = for_ms.map_or(u64::MAX, |for_ms| self.clock.now_ms().saturating_add(for_ms));
        let change = match action {
            ModerationAction::Kick => None,
            ModerationAction::Ban => Some(StandingChange::Ban { until_ms }),
            ModerationAction::Unban => Some(StandingChange::Unban),
            ModerationAction::Mute => Some(StandingChange::Mute { until_ms }),
            ModerationAction::Unmute => Some(StandingChange::Unmute),
        };
        if let Some(change) = change {
            self.broker.set_standing(&room, &user, change).await?;
        }
        let removed = match action {
            ModerationAction::Kick => Some(RemovedReason::Kicked),
            ModerationAction::Ban => Some(RemovedReason::Banned),
            ModerationAction::Unban | ModerationAction::Mute | ModerationAction::Unmute => None,
        };
        let by = match caller {
            Caller::Person(person) => person.author.user.as_str(),
            Caller::Api { key, .. } => key,
        };
        tracing::info!(%room, %user, ?action, for_ms, reason, by, "moderated");
        if let Some(reason) = removed {
            self.control.give(Order::Remove { room, user, reason }).await?;
        }
        Ok(())
    }
}
