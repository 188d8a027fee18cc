//! A slot lent to the caller, to write a message in place.

use core::ops::{Deref, DerefMut};

use super::Sender;
use crate::error::SendError;
use crate::payload::Payload;

/// A slot lent by [`Sender::loan`]. It dereferences to the message, to be written in place.
///
/// [`commit`](Self::commit) sends it. Dropping it gives the slot up: receivers never see it. A process that dies with it
/// loses just this message, and nobody waits for it.
pub struct Loan<'a, T: ?Sized + Payload = [u8]> {
    sender: &'a mut Sender<T>,
    slot: *mut [u8],
}

// SAFETY: a loan is the unique borrow of a sender, which is `Send`, and of a slot that is this sender's alone.
unsafe impl<T: ?Sized + Payload> Send for Loan<'_, T> {}

impl<'a, T: ?Sized + Payload> Loan<'a, T> {
    pub(super) fn new(sender: &'a mut Sender<T>, slot: *mut [u8]) -> Self {
        Self { sender, slot }
    }

    /// Sends the message as it stands in the slot.
    pub fn commit(self) {
        let len = self.slot.len();
        self.sender.end_loan(Some(len));
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the slot was lent by the sender, which this loan borrows, and is claimed until the loan ends; its
        // bytes are mapped as long as the sender lives, and nobody else may write them.
        unsafe { &*self.slot }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; and `&mut self` makes it the only reference.
        unsafe { &mut *self.slot }
    }
}

impl Loan<'_> {
    /// Sends the first `len` bytes, for a message that turned out shorter than the loan.
    ///
    /// # Errors
    /// [`SendError::TooLong`] if the loan is shorter than that, [`SendError::WrongLen`] if every message of this queue
    /// has one length; the slot is given up.
    pub fn commit_len(self, len: usize) -> Result<(), SendError> {
        if len > self.slot.len() {
            return Err(SendError::TooLong { len, max_len: self.slot.len() });
        }
        self.sender.check_len(len)?;
        self.sender.end_loan(Some(len));
        Ok(())
    }
}

impl<T: ?Sized + Payload> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        T::ref_from_bytes(self.bytes()).expect("slots have the size and alignment of their queue's messages")
    }
}

impl<T: ?Sized + Payload> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        T::mut_from_bytes(self.bytes_mut()).expect("slots have the size and alignment of their queue's messages")
    }
}

impl<T: ?Sized + Payload> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.sender.end_loan(None);
    }
}
