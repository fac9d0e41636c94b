//! What figures were found on, without which they say little.

use serde::{Deserialize, Serialize};

/// A machine, as far as it tells; what it does not tell is left empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    /// As it calls itself, with its family and model: virtual machines often give no better name.
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_kib.div_ceil(1024 * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let [name, family, model] = ["model name", "cpu family", "model"].map(|name| value(cpuinfo, name));
    if model.is_empty() { name } else { format!("{name} (family {family}, model {model})") }
}

/// The first value of this name in a file of the kernel.
fn value(text: &str, name: &str) -> String {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_one_name_are_told_apart_by_their_model() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 167\nmodel name\t: Xeon: a\n\nmodel\t\t: 5\n";
        assert_eq!(processor(cpuinfo), "Xeon: a (family 6, model 167)");
        assert_eq!(processor("Processor\t: one of another kind\n"), "");
    }

    #[test]
    fn this_machine_tells_what_it_is() {
        let here = Machine::here();
        assert!(here.processors > 0 && here.memory_gib > 0 && !here.kernel.is_empty(), "{here:?}");
    }
}
