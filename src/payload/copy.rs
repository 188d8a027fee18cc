//! Copying a message into its slot.

/// Messages up to this length are copied word by word: one cache line.
const SMALL: usize = 64;

/// Copies items one after another, as far as there are any. Written out, because the compiler makes a loop of loops that it
/// knows the end of, and of that one of several; and volatile, or it makes one wide copy of it, or calls for one.
macro_rules! put {
    ($items:expr, $to:expr, $read:expr, $($index:literal)*) => {
        'all: {
            $(
                let Some(item) = $items.get($index) else { break 'all };
                $to.add($index).write_volatile($read(*item));
            )*
        }
    };
}

/// Copies a message into its slot. A small one goes word by word, because it was most likely written so a moment ago, and
/// a wider load cannot be served from several stores that are still on their way to the cache.
///
/// # Safety
/// `to` is valid for writes of `bytes.len()` bytes, and a multiple of 8, as all payloads are. (Should scribbled cursors make
/// it overlap `bytes`, what is sent is garbage, and nothing worse.)
#[inline(always)]
pub unsafe fn copy(bytes: &[u8], to: *mut u8) {
    debug_assert!(to.cast::<u64>().is_aligned());
    if bytes.len() > SMALL {
        // SAFETY: the caller's promise.
        return unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
    }
    let (words, rest) = bytes.as_chunks::<8>();
    // SAFETY: as above. Eight words are `SMALL` bytes, and seven bytes the most that are left of a word.
    unsafe { put!(words, to.cast::<u64>(), u64::from_ne_bytes, 0 1 2 3 4 5 6 7) };
    // SAFETY: the words end within the message, or with it.
    let to = unsafe { to.add(words.len() * 8) };
    // SAFETY: as above.
    unsafe { put!(rest, to, u8::from, 0 1 2 3 4 5 6) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn every_length_is_copied_and_nothing_more() {
        let bytes: Vec<u8> = (0..200).collect();
        for start in [0, 8, 16] {
            for len in 0..130 {
                let mut words = [u64::MAX; 20];
                let to = words.as_mut_bytes();
                let place = to[start..].as_mut_ptr();
                // SAFETY: `len` and `start` together are less than 160; the words and `start` are multiples of 8.
                unsafe { copy(&bytes[..len], place) };
                assert_eq!(to[start..start + len], bytes[..len]);
                assert!(to[..start].iter().chain(&to[start + len..]).all(|byte| *byte == 0xff));
            }
        }
    }
}
