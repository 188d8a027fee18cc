//! Sizes and durations as people write them.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

/// `64`, `64KiB`, `1MiB`: bytes.
pub fn bytes(text: &str) -> Result<usize, String> {
    let size = ByteSize::from_str(text).map_err(|_| format!("not a size: {text:?} (write 64, 64KiB, 1MiB)"))?;
    usize::try_from(size.as_u64()).map_err(|_| format!("too large for this machine: {text}"))
}

/// `100ms`, `2s`, `1m 30s`: a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e} (write 100ms, 2s, 1m)"))
}

/// `0600`: an octal mode, with or without its leading zero.
pub fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text.trim_start_matches("0o"), 8)
        .map_err(|_| format!("not an octal mode: {text:?} (write 0600)"))
}

/// Bytes for a person: `64.0 KiB`.
pub fn show_bytes(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// A time since 1970 in nanoseconds, for a person.
pub fn show_time(ns: u64) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_nanos(ns);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A span of time for a person, to the second, or to the millisecond if it is short.
pub fn show_span(span: Duration) -> String {
    let exact = if span < Duration::from_secs(10) {
        Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(span.as_secs())
    };
    humantime::format_duration(exact).to_string()
}

/// A span of time in nanoseconds.
pub fn span_ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(bytes("64"), Ok(64));
        assert_eq!(bytes("64KiB"), Ok(65536));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert!(bytes("many").is_err());
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert!(duration("soon").is_err());
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("660"), Ok(0o660));
        assert!(mode("9").is_err());
    }
}
