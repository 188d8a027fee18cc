//! What a message may be: raw bytes, or a type any of whose bit patterns is a valid value.

mod copy;

pub use copy::copy;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::header::{MessageType, fingerprint};

/// The most bytes of a message that is copied rather than pointed to.
const SMALL: usize = 64;

/// What can travel through a queue: `[u8]`, or any sized type with the four traits of the `zerocopy` crate. Implemented
/// for everything that has them; derive those for types of your own.
///
/// They are what makes reading in place sound between processes that cannot check one another: whatever bytes the other
/// side leaves, they are a valid value.
pub trait Payload: FromBytes + IntoBytes + Immutable + KnownLayout {}

impl<T: ?Sized + FromBytes + IntoBytes + Immutable + KnownLayout> Payload for T {}

/// Calls `then` with a copy of `message`, if that is small. So a message that is also written word by word elsewhere need not be in
/// memory for the sake of its address, which is what a call that is not inlined would ask for.
#[inline(always)]
pub fn by_copy<T: ?Sized + Payload, R>(message: &T, then: impl FnOnce(&T) -> R) -> R {
    #[repr(align(64))]
    struct Local([u8; SMALL]);
    let bytes = message.as_bytes();
    let mut local = Local([0; SMALL]);
    let Some(copy) = local.0.get_mut(..bytes.len()) else { return then(message) };
    copy.copy_from_slice(bytes);
    then(T::ref_from_bytes(copy).unwrap_or(message))
}

/// How `T` is recorded in a segment's header.
pub fn message_type<T>() -> MessageType {
    let name = core::any::type_name::<T>();
    // Zero stands for raw bytes.
    MessageType { name: name.to_owned(), hash: fingerprint(name.as_bytes()).max(1) }
}
