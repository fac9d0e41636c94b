//! What the servers used, in a few lines for each of them.

use std::io::{Result, Write};

use super::{FAINT, HEAD};
use crate::servers::{Figures, UNCOUNTED, Usage, Used};

pub(super) fn write(used: &Used, out: &mut impl Write) -> Result<()> {
    if used.connecting.is_empty() {
        return Ok(());
    }
    writeln!(out, "{HEAD}Servers{HEAD:#}")?;
    for (number, Usage { pid, name, figures }) in used.connecting.iter().enumerate() {
        writeln!(out, "  {name} {FAINT}({pid}){FAINT:#}")?;
        match figures {
            Some(figures) => connecting(figures, out)?,
            None => writeln!(out, "    ended while clients connected.")?,
        }
        match used.sending.get(number).map(|usage| &usage.figures) {
            Some(Some(figures)) => sending(figures, out)?,
            Some(None) if figures.is_some() => writeln!(out, "    ended while messages were sent.")?,
            Some(None) | None => {}
        }
    }
    let mut counted = used.sending.iter().filter_map(|usage| usage.figures.as_ref());
    if counted.any(|figures| figures.system_calls.is_none()) {
        writeln!(out, "  {FAINT}{UNCOUNTED}{FAINT:#}")?;
    }
    Ok(())
}

fn connecting(figures: &Figures, out: &mut impl Write) -> Result<()> {
    write!(out, "    Connecting: {:.2} s of processor time", seconds(figures))?;
    if let Some(us) = figures.cpu_us_per_connection {
        write!(out, ", {us:.1} µs per connection")?;
    }
    write!(out, "; {:.1} MiB resident", mebibytes(figures.resident_bytes))?;
    if let Some(bytes) = figures.resident_bytes_per_connection {
        write!(out, ", {:.1} KiB per connection", bytes / 1024.0)?;
    }
    writeln!(out, "; {} threads.", figures.threads)
}

fn sending(figures: &Figures, out: &mut impl Write) -> Result<()> {
    write!(out, "    Sending: {:.2} s of processor time", seconds(figures))?;
    for (us, what) in [(figures.cpu_us_per_message, "message"), (figures.cpu_us_per_delivery, "delivery")] {
        if let Some(us) = us {
            write!(out, ", {us:.1} µs per {what}")?;
        }
    }
    if let Some(calls) = figures.system_calls {
        write!(out, "; {calls} system calls")?;
    }
    if let Some(calls) = figures.system_calls_per_delivery {
        write!(out, ", {calls:.3} per delivery")?;
    }
    writeln!(
        out,
        "; {:.1} MiB resident, {:.1} MiB at most.",
        mebibytes(figures.resident_bytes),
        mebibytes(figures.resident_peak_bytes)
    )
}

fn seconds(figures: &Figures) -> f64 {
    figures.cpu_us() as f64 / 1e6
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
