//! Rate limits: which requests are counted where.

use std::net::IpAddr;

use hubbub_shared::RoomName;

use super::{Caller, Rooms};
use crate::fault::Fault;
use crate::limits::{Charge, LimitsError, Quota, Scope, Subject, Verdict, counted_as};

/// How much of each kind is allowed; `None` for no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quotas {
    /// Sends, edits, deletes and reactions of a user.
    pub user_send: Option<Quota>,
    /// Signals of a user.
    pub user_signal: Option<Quota>,
    /// Everything else a user asks.
    pub user_request: Option<Quota>,
    /// Everything that comes from an address.
    pub address_request: Option<Quota>,
    /// Hellos from an address.
    pub address_hello: Option<Quota>,
    /// Sends into a room.
    pub room_send: Option<Quota>,
    /// Sends of a user into a room.
    pub user_room_send: Option<Quota>,
    /// Calls with one API key.
    pub api: Option<Quota>,
}

impl Quotas {
    fn of(&self, scope: Scope) -> Option<Quota> {
        match scope {
            Scope::UserSend => self.user_send,
            Scope::UserSignal => self.user_signal,
            Scope::UserRequest => self.user_request,
            Scope::AddressRequest => self.address_request,
            Scope::AddressHello => self.address_hello,
            Scope::RoomSend => self.room_send,
            Scope::UserRoomSend => self.user_room_send,
            Scope::Api => self.api,
        }
    }
}

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity<'a> {
    /// Appends to a room.
    Send(&'a RoomName),
    /// Tells a room something that is not stored.
    Signal,
    /// Anything else.
    Request,
}

impl Rooms {
    /// Counts a request; says when to come back if it is one too many.
    pub async fn charge(&self, caller: &Caller, activity: Activity<'_>) -> Result<Verdict, LimitsError> {
        let mut charges = Charges { quotas: &self.quotas, list: Vec::new() };
        match caller {
            Caller::Person(person) => {
                let user = person.author.user.as_str();
                match activity {
                    Activity::Send(room) => {
                        charges.add(Scope::UserSend, || user.to_owned());
                        charges.add(Scope::UserRoomSend, || format!("{room} {user}"));
                        charges.add(Scope::RoomSend, || room.to_string());
                    }
                    Activity::Signal => charges.add(Scope::UserSignal, || user.to_owned()),
                    Activity::Request => charges.add(Scope::UserRequest, || user.to_owned()),
                }
                charges.add_address(Scope::AddressRequest, person.address);
            }
            Caller::Api { key, .. } => charges.add(Scope::Api, || key.to_string()),
        }
        self.ask(charges.list).await
    }

    /// Counts a frame that could not be understood.
    pub async fn charge_noise(&self, address: IpAddr) -> Result<Verdict, LimitsError> {
        let mut charges = Charges { quotas: &self.quotas, list: Vec::new() };
        charges.add_address(Scope::AddressRequest, address);
        self.ask(charges.list).await
    }

    /// Counts an attempt to log in.
    pub async fn charge_hello(&self, address: IpAddr) -> Result<Verdict, LimitsError> {
        let mut charges = Charges { quotas: &self.quotas, list: Vec::new() };
        charges.add_address(Scope::AddressHello, address);
        self.ask(charges.list).await
    }

    async fn ask(&self, charges: Vec<Charge>) -> Result<Verdict, LimitsError> {
        if charges.is_empty() { Ok(Verdict::Allowed) } else { self.limits.charge(&charges).await }
    }

    /// Counts a request that nothing needs to be looked up for.
    pub async fn admit(&self, caller: &Caller, activity: Activity<'_>) -> Result<(), Fault> {
        admitted(self.charge(caller, activity).await?)
    }
}

/// A verdict as an answer.
pub fn admitted(verdict: Verdict) -> Result<(), Fault> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Limited { retry_after_ms, .. } => Err(Fault::RateLimited { retry_after_ms }),
    }
}

struct Charges<'a> {
    quotas: &'a Quotas,
    list: Vec<Charge>,
}

impl Charges<'_> {
    fn add(&mut self, scope: Scope, name: impl FnOnce() -> String) {
        if let Some(quota) = self.quotas.of(scope) {
            self.list.push(Charge { subject: Subject { scope, name: name() }, quota, cost: 1 });
        }
    }

    /// Limits per address spare loopback: what comes from there is a proxy on the same machine, and stands for many.
    fn add_address(&mut self, scope: Scope, address: IpAddr) {
        if !address.is_loopback() {
            self.add(scope, || counted_as(address).to_string());
        }
    }
}
