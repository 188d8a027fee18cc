//! What a message may be: raw bytes, or a type any of whose bit patterns is a valid value.

mod copy;
mod own_lines;

pub use copy::copy;
pub use own_lines::own_lines;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, PointerMetadata};

use crate::layout::header::{MessageType, fingerprint};

/// What can travel through a queue: `[u8]`, or any sized type with the four traits of the `zerocopy` crate. Implemented
/// for everything that has them; derive those for types of your own.
///
/// They are what makes reading in place sound between processes that cannot check one another: whatever bytes the other
/// side leaves, they are a valid value.
pub trait Payload: FromBytes + IntoBytes + Immutable + KnownLayout {}

impl<T: ?Sized + FromBytes + IntoBytes + Immutable + KnownLayout> Payload for T {}

/// The length of every `T`, or `None` if they differ. Known to the compiler, which makes no code for what cannot be.
#[inline(always)]
pub fn len_of<T: ?Sized + Payload>() -> Option<usize> {
    // Of a slice as long as that the length is more than there is.
    let longest = T::size_for_metadata(T::PointerMetadata::from_elem_count(usize::MAX));
    longest.filter(|len| *len <= isize::MAX as usize)
}

/// How `T` is recorded in a segment's header.
pub fn message_type<T>() -> MessageType {
    let name = core::any::type_name::<T>();
    // Zero stands for raw bytes.
    MessageType { name: name.to_owned(), hash: fingerprint(name.as_bytes()).max(1) }
}
