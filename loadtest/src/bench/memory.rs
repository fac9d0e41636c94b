//! What connections cost this machine: the processes at both ends, and the kernel between them.

use procfs::process::Process as Observed;
use procfs::{Current, Meminfo};
use serde::Serialize;

use super::process::Process;

/// Pages of the kernel's buffers are of this size here.
const PAGE_BYTES: u64 = 4096;

/// What the machine has in use at a moment, in bytes where nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// What could still be had, of which the kernel would take some from its own objects.
    pub(super) available_bytes: u64,
    /// All that is not free, but for the cache of files. The others are parts of it.
    pub(super) used_bytes: u64,
    /// The kernel's own objects: sockets, files, entries of tables.
    pub(super) slab_bytes: u64,
    pub(super) page_tables_bytes: u64,
    /// What waits in the buffers of TCP sockets.
    pub(super) tcp_buffers_bytes: u64,
    pub(super) tcp_sockets: u64,
}

impl Memory {
    /// How it stands now; zeros where the kernel does not tell.
    pub(super) fn now() -> Self {
        let Ok(all) = Meminfo::current() else { return Self::default() };
        let sockets = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        Self {
            available_bytes: all.mem_available.unwrap_or(all.mem_free),
            used_bytes: all.mem_total.saturating_sub(all.mem_free + all.buffers + all.cached),
            slab_bytes: all.slab,
            page_tables_bytes: all.page_tables.unwrap_or_default(),
            tcp_buffers_bytes: of_tcp(&sockets, "mem") * PAGE_BYTES,
            tcp_sockets: of_tcp(&sockets, "inuse"),
        }
    }

    /// What is in use now and was not then.
    pub(super) fn since(self, then: Self) -> Self {
        Self {
            available_bytes: then.available_bytes.saturating_sub(self.available_bytes),
            used_bytes: self.used_bytes.saturating_sub(then.used_bytes),
            slab_bytes: self.slab_bytes.saturating_sub(then.slab_bytes),
            page_tables_bytes: self.page_tables_bytes.saturating_sub(then.page_tables_bytes),
            tcp_buffers_bytes: self.tcp_buffers_bytes.saturating_sub(then.tcp_buffers_bytes),
            tcp_sockets: self.tcp_sockets.saturating_sub(then.tcp_sockets),
        }
    }
}

/// A number of the line about TCP in `/proc/net/sockstat`.
fn of_tcp(sockets: &str, name: &str) -> u64 {
    let words = sockets.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let mut words = words.split_ascii_whitespace().skip_while(|word| *word != name).skip(1);
    words.next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The resident memory of processes together, in bytes.
pub(super) fn resident_bytes<'a>(processes: impl IntoIterator<Item = &'a Process>) -> u64 {
    let resident = processes.into_iter().map(|process| {
        let status = Observed::new(process.pid().cast_signed()).and_then(|observed| observed.status());
        status.ok().and_then(|status| status.vmrss).unwrap_or_default() * 1024
    });
    resident.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_tcp_are_found_by_their_names() {
        let text = "sockets: used 37\nTCP: inuse 4 orphan 0 tw 6 alloc 7 mem 2\nUDP: inuse 9 mem 8\n";
        assert_eq!((of_tcp(text, "inuse"), of_tcp(text, "mem"), of_tcp(text, "more")), (4, 2, 0));
        assert_eq!(of_tcp("", "inuse"), 0);
    }

    #[test]
    fn this_machine_tells_what_it_has() {
        let now = Memory::now();
        assert!(now.available_bytes > 0 && now.slab_bytes > 0, "{now:?}");
        assert!(now.used_bytes >= now.slab_bytes + now.page_tables_bytes, "the parts are in the whole: {now:?}");
        assert_eq!(now.since(now), Memory::default());
    }
}
