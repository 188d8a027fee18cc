//! How messages and reports are written.

use std::io::{self, Write};

use ringpost::Ends;
use serde_json::{Value, json};

use crate::args::Format;
use crate::exit::Failure;

/// Appends one message to `out`.
pub fn append(out: &mut Vec<u8>, format: Format, message: &[u8], deliveries: u32) {
    match format {
        Format::Raw => out.extend_from_slice(message),
        Format::Text => {
            out.extend_from_slice(message);
            out.push(b'\n');
        }
        Format::Length => {
            out.extend_from_slice(&(message.len() as u32).to_le_bytes());
            out.extend_from_slice(message);
        }
        Format::Hex => {
            out.extend(hex(message).bytes());
            out.push(b'\n');
        }
        Format::Json => {
            out.extend(json_of(message, deliveries).to_string().bytes());
            out.push(b'\n');
        }
    }
}

/// Whether that format says how often a message was delivered.
pub fn shows_deliveries(format: Format) -> bool {
    format == Format::Json
}

/// One message as a JSON object.
pub fn json_of(message: &[u8], deliveries: u32) -> Value {
    match std::str::from_utf8(message) {
        Ok(text) => json!({ "len": message.len(), "deliveries": deliveries, "text": text }),
        Err(_) => json!({ "len": message.len(), "deliveries": deliveries, "hex": hex(message) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// One or many.
pub fn ends(ends: Ends) -> &'static str {
    match ends {
        Ends::Single => "single",
        Ends::Multi => "multi",
    }
}

/// Writes one JSON document.
pub fn print_json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Io("writing JSON", e.into()))?;
    writeln!(io::stdout(), "{text}").map_err(Failure::output)
}

/// Writes names and values, aligned.
pub fn print_table(rows: &[(&str, String)]) -> Result<(), Failure> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = io::stdout().lock();
    rows.iter().try_for_each(|(name, value)| writeln!(out, "{name:<width$}  {value}")).map_err(Failure::output)
}

/// Writes lines.
pub fn print_lines(lines: &[String]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(Failure::output)
}

/// Writes rows under their headings, aligned; nothing when there are none.
pub fn print_columns(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let mut widths: Vec<usize> = headings.iter().map(|h| h.len()).collect();
    for row in rows {
        // What stands last in a row has nothing behind it to be aligned: an error may be long.
        for (width, cell) in widths.iter_mut().zip(row.iter().rev().skip(1).rev()) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut out = io::stdout().lock();
    let mut write = |text: String| writeln!(out, "{text}").map_err(Failure::output);
    if !rows.is_empty() {
        write(line(&mut headings.iter().copied()))?;
    }
    rows.iter().try_for_each(|row| write(line(&mut row.iter().map(String::as_str))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format() {
        let show = |format, message: &[u8]| {
            let mut out = Vec::new();
            append(&mut out, format, message, 2);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(show(Format::Text, b"a b"), "a b\n");
        assert_eq!(show(Format::Raw, b"a b"), "a b");
        assert_eq!(show(Format::Hex, &[0, 255]), "00ff\n");
        assert_eq!(show(Format::Length, b"abc"), "\x03\0\0\0abc");
        assert_eq!(show(Format::Json, b"hi"), "{\"deliveries\":2,\"len\":2,\"text\":\"hi\"}\n");
        assert_eq!(show(Format::Json, &[255]), "{\"deliveries\":2,\"hex\":\"ff\",\"len\":1}\n");
    }
}
