//! Cutting standard input into messages, without copying more than a partial one at the end of a block.

use std::io::{self, Read};

use crate::args::Framing;

/// Input that is read in blocks and cut into messages.
pub struct Blocks<R> {
    input: R,
    framing: Framing,
    /// What has been read; messages are cut from `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

/// Why input could not be cut.
#[derive(Debug)]
pub enum CutError {
    /// Reading failed, or was interrupted.
    Io(io::Error),
    /// A message is longer than the queue takes, at least this long.
    TooLong(usize),
    /// Input ended in the middle of a length-framed message.
    Truncated,
}

const BLOCK: usize = 256 * 1024;
const LENGTH: usize = 4;

impl<R: Read> Blocks<R> {
    /// Cuts `input` into messages of at most `max_len` bytes.
    pub fn new(input: R, framing: Framing, max_len: usize) -> Self {
        // Room for a whole message of any framing behind a block.
        let buffer = vec![0; BLOCK + max_len.saturating_add(LENGTH + 1)];
        Self { input, framing, buffer, start: 0, end: 0, ended: false }
    }

    /// Reads on and returns the messages that are whole now, at most `most`; none only at the end of the input.
    pub fn next(&mut self, most: usize, max_len: usize) -> Result<Vec<&[u8]>, CutError> {
        loop {
            let (used, ranges) = self.cut(most, max_len)?;
            if !ranges.is_empty() || (self.ended && self.start == self.end) {
                self.start += used;
                return Ok(ranges.into_iter().map(|(from, to)| &self.buffer[from..to]).collect());
            }
            self.fill().map_err(CutError::Io)?;
        }
    }

    /// Moves a partial message to the front and reads a block behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.input.read(&mut self.buffer[self.end..])?;
        self.end += read;
        self.ended = read == 0;
        Ok(())
    }

    /// The byte ranges of whole messages in the buffer, and how many bytes they and their frames use.
    fn cut(&self, most: usize, max_len: usize) -> Result<(usize, Vec<(usize, usize)>), CutError> {
        let mut ranges = Vec::new();
        let mut at = self.start;
        while ranges.len() < most {
            let Some((from, to, next)) = self.one(at, max_len)? else { break };
            if to - from > max_len {
                // What is whole before it goes first.
                return if ranges.is_empty() {
                    Err(CutError::TooLong(to - from))
                } else {
                    Ok((at - self.start, ranges))
                };
            }
            ranges.push((from, to));
            at = next;
        }
        Ok((at - self.start, ranges))
    }

    /// The message that begins at `at`, if it is whole: its bytes, and where the next one begins.
    fn one(&self, at: usize, max_len: usize) -> Result<Option<(usize, usize, usize)>, CutError> {
        let rest = &self.buffer[at..self.end];
        let whole = (self.ended && !rest.is_empty()).then_some((at, self.end, self.end));
        match self.framing {
            Framing::Lines => match memchr::memchr(b'\n', rest) {
                Some(len) => Ok(Some((at, at + len, at + len + 1))),
                None if rest.len() > max_len => Ok(Some((at, self.end, self.end))),
                None => Ok(whole),
            },
            Framing::Chunk if rest.len() >= max_len && max_len > 0 => Ok(Some((at, at + max_len, at + max_len))),
            Framing::Whole if rest.len() > max_len => Ok(Some((at, self.end, self.end))),
            Framing::Chunk | Framing::Whole => Ok(whole),
            Framing::Length => self.one_by_length(at, rest, max_len),
        }
    }

    fn one_by_length(&self, at: usize, rest: &[u8], max_len: usize) -> Result<Option<(usize, usize, usize)>, CutError> {
        let Some(prefix) = rest.first_chunk::<LENGTH>() else {
            return if self.ended && !rest.is_empty() { Err(CutError::Truncated) } else { Ok(None) };
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        let (from, to) = (at + LENGTH, at + LENGTH + len);
        if to <= self.end || len > max_len {
            // Whole, or longer than any message may be: the caller looks at its length first.
            return Ok(Some((from, to, to)));
        }
        if self.ended { Err(CutError::Truncated) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, so that every message is cut in two somewhere.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn cut(input: &[u8], framing: Framing, max_len: usize) -> Result<Vec<Vec<u8>>, CutError> {
        let mut expected = None;
        for step in [1, 2, 3, 7, 1000] {
            let mut blocks = Blocks::new(Dribble(input, step), framing, max_len);
            let mut all = Vec::new();
            loop {
                let some: Vec<_> = blocks.next(2, max_len)?.into_iter().map(<[u8]>::to_vec).collect();
                if some.is_empty() {
                    break;
                }
                all.extend(some);
            }
            assert_eq!(expected.get_or_insert_with(|| all.clone()), &all, "in steps of {step}");
        }
        Ok(expected.unwrap_or_default())
    }

    #[test]
    fn lines() {
        assert_eq!(cut(b"one\n\nthree\nfour", Framing::Lines, 8).unwrap(), [&b"one"[..], b"", b"three", b"four"]);
        assert_eq!(cut(b"", Framing::Lines, 8).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(cut(b"12345678\n", Framing::Lines, 8).unwrap(), [b"12345678"]);
        assert!(matches!(cut(b"123456789\n", Framing::Lines, 8), Err(CutError::TooLong(9))));
    }

    #[test]
    fn chunks() {
        assert_eq!(cut(b"abcdefgh", Framing::Chunk, 3).unwrap(), [&b"abc"[..], b"def", b"gh"]);
        assert_eq!(cut(b"abcdef", Framing::Chunk, 3).unwrap(), [b"abc", b"def"]);
    }

    #[test]
    fn whole() {
        assert_eq!(cut(b"all of\nit", Framing::Whole, 20).unwrap(), [b"all of\nit"]);
        assert!(matches!(cut(b"all of it", Framing::Whole, 4), Err(CutError::TooLong(_))));
    }

    #[test]
    fn lengths() {
        let input = b"\x03\0\0\0abc\0\0\0\0\x01\0\0\0z";
        assert_eq!(cut(input, Framing::Length, 8).unwrap(), [&b"abc"[..], b"", b"z"]);
        assert!(matches!(cut(b"\x03\0\0\0ab", Framing::Length, 8), Err(CutError::Truncated)));
        assert!(matches!(cut(b"\x03\0", Framing::Length, 8), Err(CutError::Truncated)));
        assert!(matches!(cut(b"\xff\xff\xff\xffab", Framing::Length, 8), Err(CutError::TooLong(_))));
    }
}
