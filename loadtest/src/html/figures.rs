//! Numbers as people write them, on the page.

/// A number without a fraction, thousands apart.
pub(crate) fn count(number: f64) -> String {
    crate::plot::number(number.round())
}

/// A number of milliseconds, with its unit.
pub(crate) fn ms(ms: f64) -> String {
    format!("{} ms", crate::plot::short(ms))
}

/// A number of bytes, with a unit that fits.
pub(crate) fn bytes(bytes: f64) -> String {
    for (size, unit) in [(f64::from(1 << 30), "GiB"), (f64::from(1 << 20), "MiB"), (1024.0, "KiB")] {
        if bytes.abs() >= size {
            return format!("{:.1} {unit}", bytes / size);
        }
    }
    format!("{bytes:.0} bytes")
}

/// A figure that may be missing.
pub(crate) fn or_dash(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_a_unit_that_fits() {
        assert_eq!(bytes(512.0), "512 bytes");
        assert_eq!(bytes(-2048.0), "-2.0 KiB");
        assert_eq!(bytes(3.5 * 1024.0 * 1024.0), "3.5 MiB");
    }

    #[test]
    fn milliseconds_keep_three_digits() {
        assert_eq!((ms(0.123_456), ms(12.345), ms(1_234.5)), ("0.123 ms".into(), "12.3 ms".into(), "1,235 ms".into()));
    }
}
