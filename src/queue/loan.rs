//! A slot lent to the caller, to write a message in place.

use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::Sender;
use super::sender::Limit;
use crate::error::SendError;
use crate::payload::Payload;
use crate::wait::Deadline;

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

impl Sender {
    /// Lends a slot for a message of `len` bytes, to be written in place: zero copy. It still holds bytes of an older
    /// message, or zeroes. [`Loan::commit`] sends it; dropping the loan gives it up.
    ///
    /// # Errors
    /// As [`send`](Self::send); waits for room as that does.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// let mut tx = queue.sender()?;
    /// let mut loan = tx.loan(5)?;
    /// loan.copy_from_slice(b"hello");
    /// loan.commit();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn loan(&mut self, len: usize) -> Result<Loan<'_>, SendError> {
        let slot = self.loan_slot(len, Self::policy)?;
        Ok(Loan::new(self, slot))
    }

    /// Like [`loan`](Self::loan), but waits for room for at most `timeout` in all, whatever the policy.
    ///
    /// # Errors
    /// As [`send_timeout`](Self::send_timeout).
    pub fn loan_timeout(&mut self, len: usize, timeout: Duration) -> Result<Loan<'_>, SendError> {
        let slot = self.loan_slot(len, |_| Limit::Until(Deadline::after(timeout)))?;
        Ok(Loan::new(self, slot))
    }
}

impl<T: Payload> Sender<T> {
    /// Lends a slot for a message, to be written in place: zero copy. It still holds an older message, or zeroes.
    /// [`Loan::commit`] sends it; dropping the loan gives it up.
    ///
    /// # Errors
    /// As [`send`](Self::send); waits for room as that does.
    #[inline]
    pub fn loan(&mut self) -> Result<Loan<'_, T>, SendError> {
        let slot = self.loan_slot(size_of::<T>(), Self::policy)?;
        Ok(Loan::new(self, slot))
    }
}

impl<'a, T: ?Sized + Payload> Loan<'a, T> {
    #[inline]
    pub(super) fn new(sender: &'a mut Sender<T>, slot: *mut [u8]) -> Self {
        Self { sender, slot }
    }

    /// Sends the message as it stands in the slot.
    #[inline]
    pub fn commit(self) {
        let len = self.slot.len();
        self.sender.end_loan(Some(len));
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the slot was lent by the sender, which this loan borrows, and is claimed until the loan ends; its
        // bytes are mapped as long as the sender lives, and nobody else may write them.
        unsafe { &*self.slot }
    }

    #[inline]
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

    #[inline]
    fn deref(&self) -> &T {
        T::ref_from_bytes(self.bytes()).expect("slots have the size and alignment of their queue's messages")
    }
}

impl<T: ?Sized + Payload> DerefMut for Loan<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        T::mut_from_bytes(self.bytes_mut()).expect("slots have the size and alignment of their queue's messages")
    }
}

impl<T: ?Sized + Payload> Drop for Loan<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.sender.end_loan(None);
    }
}
