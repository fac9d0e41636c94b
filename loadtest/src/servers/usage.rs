//! What lies between two looks at the same processes.

use serde::{Deserialize, Serialize};

use super::{Look, State};

/// What the usage is divided by: how much of each there was between the two looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Per {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Connections that were opened meanwhile.
    pub(crate) connections: u64,
}

/// What each process used in the two parts of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Used {
    /// From before the first connection until everybody was in their rooms, divided by the connections.
    pub(crate) connecting: Vec<Usage>,
    /// From then until everything was answered and delivered, divided by the messages and the deliveries.
    pub(crate) sending: Vec<Usage>,
}

/// What one process used between two looks. Times are in microseconds of processor time, user and system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// Nothing where the process ended meanwhile.
    pub(crate) figures: Option<Figures>,
}

/// The figures of a process that lived on. A `None` among what is divided: there was nothing to divide by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub(crate) cpu_user_us: u64,
    pub(crate) cpu_system_us: u64,
    /// At the second look; so are the peak, which is that of the process's whole life, and the threads.
    pub(crate) resident_bytes: u64,
    pub(crate) resident_peak_bytes: u64,
    /// What the resident memory grew by, negative where it shrank.
    pub(crate) resident_grown_bytes: i64,
    pub(crate) threads: u64,
    /// Nothing where they could not be counted; [`super::UNCOUNTED`] says why.
    pub(crate) system_calls: Option<u64>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) cpu_us_per_delivery: Option<f64>,
    pub(crate) cpu_us_per_connection: Option<f64>,
    pub(crate) system_calls_per_message: Option<f64>,
    pub(crate) system_calls_per_delivery: Option<f64>,
    pub(crate) resident_bytes_per_connection: Option<f64>,
}

/// What each process used between two looks of one watch.
pub(crate) fn used(before: &[Look], after: &[Look], per: Per) -> Vec<Usage> {
    std::iter::zip(before, after)
        .map(|(before, after)| Usage {
            pid: after.pid,
            name: after.name.clone(),
            figures: before
                .state
                .as_ref()
                .zip(after.state.as_ref())
                .map(|(before, after)| Figures::of(before, after, per)),
        })
        .collect()
}

impl Figures {
    pub(super) fn of(before: &State, after: &State, per: Per) -> Self {
        let cpu_us = after.cpu_us.saturating_sub(before.cpu_us);
        let user_ticks = after.user_ticks.saturating_sub(before.user_ticks);
        let system_ticks = after.system_ticks.saturating_sub(before.system_ticks);
        // Less than a tick is all called user.
        let cpu_system_us = cpu_us * system_ticks / (user_ticks + system_ticks).max(1);
        let cpu_user_us = cpu_us - cpu_system_us;
        let system_calls =
            before.system_calls.zip(after.system_calls).map(|(before, after)| after.saturating_sub(before));
        let resident_grown_bytes = after.resident_bytes.cast_signed() - before.resident_bytes.cast_signed();
        Self {
            cpu_user_us,
            cpu_system_us,
            resident_bytes: after.resident_bytes,
            resident_peak_bytes: after.resident_peak_bytes,
            resident_grown_bytes,
            threads: after.threads,
            system_calls,
            cpu_us_per_message: ratio(cpu_us as f64, per.messages),
            cpu_us_per_delivery: ratio(cpu_us as f64, per.deliveries),
            cpu_us_per_connection: ratio(cpu_us as f64, per.connections),
            system_calls_per_message: system_calls.and_then(|calls| ratio(calls as f64, per.messages)),
            system_calls_per_delivery: system_calls.and_then(|calls| ratio(calls as f64, per.deliveries)),
            resident_bytes_per_connection: ratio(resident_grown_bytes as f64, per.connections),
        }
    }

    /// User and system together, in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.cpu_user_us + self.cpu_system_us
    }
}

/// A figure of all of these together, if each of them has it.
pub(crate) fn sum(usages: &[Usage], of: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let all = usages.iter().map(|usage| of(usage.figures.as_ref()?)).sum::<Option<f64>>();
    all.filter(|_| !usages.is_empty())
}

fn ratio(of: f64, to: u64) -> Option<f64> {
    (to > 0).then(|| of / to as f64)
}
