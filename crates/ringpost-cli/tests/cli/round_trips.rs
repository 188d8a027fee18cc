//! What goes in comes out, byte by byte, through two processes.

use std::process::Stdio;
use std::thread;

use crate::run::{ALL_ENDS, Running, create_with, numbered, ok, ok_with};

const MAX_LEN: usize = 1000;

/// Sends `input` in one process while another follows into a file or pipe, and returns what that wrote.
fn through(ends: (&str, &str), input: &[u8], framing: &str, format: &str, max_len: usize) -> Vec<u8> {
    let name = create_with(ends, "trip", &format!("--max-len {max_len}"));
    let follower = Running::start(["pull", &*name, "--follow", "--format", format], Stdio::null());
    let follower = thread::spawn(move || follower.finish());
    ok_with(["send", &*name, "--framing", framing, "--close"], input);
    follower.join().expect("a follower").succeeded().out
}

fn all_ends(input: &[u8], framing: &str, format: &str) {
    let expected = if framing == "lines" { [input, b"\n"].concat() } else { input.to_vec() };
    let is_whole_lines = framing != "lines" || input.is_empty() || input.ends_with(b"\n");
    let expected = if is_whole_lines { input } else { &expected[..] };
    for ends in ALL_ENDS {
        let out = through(ends, input, framing, format, MAX_LEN);
        assert!(out == expected, "{ends:?} {framing}: {} bytes became {}", input.len(), out.len());
    }
}

/// Bytes of all values, newlines and zeroes among them.
fn binary(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect()
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| [&(message.len() as u32).to_le_bytes(), &message[..]].concat()).collect()
}

#[test]
fn no_input_is_no_message() {
    for (framing, format) in [("lines", "text"), ("length", "length"), ("chunk", "raw"), ("whole", "raw")] {
        all_ends(b"", framing, format);
    }
}

#[test]
fn lines_as_text() {
    all_ends(b"one\n\n\nfour\r\n \xff\xfe\0 binary\n", "lines", "text");
    all_ends(b"\n", "lines", "text");
    all_ends(b"a last line without its newline", "lines", "text");
    let longest = "x".repeat(MAX_LEN);
    all_ends(format!("{longest}\nshort\n{longest}\n").as_bytes(), "lines", "text");
    all_ends(format!("short\n{longest}").as_bytes(), "lines", "text");
}

#[test]
fn many_lines() {
    all_ends(numbered(0, 10_000).as_bytes(), "lines", "text");
}

#[test]
fn lengths_as_lengths() {
    let lens = [0, 1, 3, 4, 5, MAX_LEN - 1, MAX_LEN, 0, 0, 17];
    all_ends(&framed(&lens.map(binary)), "length", "length");
    let many: Vec<_> = (0..5000).map(|i| binary(i % 97)).collect();
    all_ends(&framed(&many), "length", "length");
}

#[test]
fn chunks_as_raw() {
    for count in [1, MAX_LEN - 1, MAX_LEN, MAX_LEN + 1, 3 * MAX_LEN, 300 * MAX_LEN + 7] {
        all_ends(&binary(count), "chunk", "raw");
    }
}

#[test]
fn whole_as_raw() {
    for count in [1, 2, MAX_LEN] {
        all_ends(&binary(count), "whole", "raw");
    }
}

/// Longer messages are written from where they lie.
#[test]
fn large_messages_as_raw() {
    for ends in ALL_ENDS {
        let input = binary(3_000_001);
        assert!(through(ends, &input, "chunk", "raw", 10_000) == input, "chunks, {ends:?}");
        assert!(through(ends, &input, "whole", "raw", 3_000_001) == input, "whole, {ends:?}");
        assert!(through(ends, &input, "chunk", "raw", 400_000) == input, "larger than what is gathered, {ends:?}");
    }
}

#[test]
fn chunks_of_a_size() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "sizes", "--max-len 16");
        ok_with(["send", &*name, "--framing", "chunk", "--chunk", "3"], b"abcdefgh");
        assert_eq!(ok(["pull", &*name]).lines(), ["abc", "def", "gh"], "{ends:?}");
    }
}

/// At the end of the input nothing waits for room that nobody needs.
#[test]
fn just_as_much_as_there_is_room_for() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "exact", "--max-len 4");
        for (framing, input) in [("chunk", vec![b'x'; 256]), ("lines", b"abc\n".repeat(64))] {
            ok_with(["send", &*name, "--framing", framing], &input);
            assert_eq!(ok(["pull", &*name, "--size", "65"]).lines().len(), 64, "{ends:?}, {framing}");
        }
    }
}

#[test]
fn batches_of_every_size() {
    let name = create_with(("single", "multi"), "batch", "--max-len 16");
    for batch in ["1", "2", "63", "64", "1000"] {
        ok_with(["send", &*name, "--batch", batch], numbered(0, 64).as_bytes());
        assert_eq!(ok(["pull", &*name]).text(), numbered(0, 64), "{batch}");
    }
}

#[test]
fn arguments() {
    let name = create_with(("multi", "multi"), "arguments", "--max-len 64");
    let messages = ["", "a b", "ünïcode ✓", "two\nlines", "--", "-dash"];
    ok(["send", &*name, "--"].into_iter().chain(messages));
    let out = ok(["pull", &*name, "--format", "length"]).out;
    assert!(out == framed(&messages.map(|message| message.as_bytes().to_vec())));
}

#[test]
fn json_is_text_or_hex() {
    for ends in ALL_ENDS {
        let messages =
            [&b"plain"[..], b"", b"\"quotes\" \\ \x01", "ünïcode ✓".as_bytes(), b"two\nlines", b"\xff\0\x80"];
        let name = create_with(ends, "json", "--max-len 64");
        ok_with(["send", &*name, "--framing", "length"], &framed(&messages.map(<[u8]>::to_vec)));
        let done = ok(["pull", &*name, "--format", "json"]);
        let documents: Vec<serde_json::Value> =
            done.lines().iter().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
        assert_eq!(documents.len(), messages.len());
        for (document, message) in documents.iter().zip(messages) {
            assert_eq!(document["len"].as_u64(), Some(message.len() as u64), "{document}");
            assert_eq!(document["deliveries"].as_u64(), Some(1), "{document}");
            match std::str::from_utf8(message) {
                Ok(text) => assert_eq!((document["text"].as_str(), document.get("hex")), (Some(text), None)),
                Err(_) => assert_eq!((document["hex"].as_str(), document.get("text")), (Some("ff0080"), None)),
            }
        }
    }
}

#[test]
fn hex_digits() {
    for ends in ALL_ENDS {
        let all: Vec<u8> = (0..=255).collect();
        let name = create_with(ends, "hex", "--max-len 256");
        ok_with(["send", &*name, "--framing", "whole"], &all);
        ok(["send", &*name, ""]);
        let expected: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(ok(["pull", &*name, "--format", "hex"]).text(), format!("{expected}\n\n"));
    }
}
