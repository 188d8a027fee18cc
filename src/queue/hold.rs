//! Messages that are kept beyond the call that took them, and settled from any thread.
//!
//! What they and their receiver tell each other, and why nothing of it is delivered twice, is in `ring/holds.rs`. When the
//! receiver is gone before its messages, it lives on in [`Shared`]; so the endpoint stays joined until the last of them is
//! settled.

use core::marker::PhantomData;
use core::ops::Deref;
use std::sync::Arc;

use super::Receiver;
use super::batch::{Batch, Message};
use super::link::count;
use super::own_lines::own_lines_of_all;
use crate::os::fork;
use crate::participant::SharedRing;
use crate::payload::Payload;
use crate::ring::{Blocked, Holds, Lookout, Memory, MultiReceiver, Next, ReceiveEnd, Run, Settled};
use crate::wait::{Before, Futex, notify};

/// A message that its receiver's program keeps for as long as it likes, on any thread: it dereferences to its bytes or its
/// value, in place. Made by [`Message::hold`] and [`Batch::hold`].
///
/// Dropping it releases it; while panicking it goes back into the queue. Its endpoint stays joined until the last of its
/// held messages is gone, even when the [`Receiver`] is dropped before. A queue with a single receiver frees its slots
/// in order, so there a held message stops the senders when they come round to it; and its slot is freed at the
/// receiver's next call, or at once if that is waiting or gone.
///
/// A held message that is leaked lasts until the process ends, or until [`Receiver::abandon`]; then it is delivered again.
#[must_use = "dropping a held message releases it"]
pub struct Held<T: ?Sized + Payload = [u8]> {
    shared: Arc<Shared>,
    position: u64,
    deliveries: u8,
    /// It goes back instead of being released.
    back: bool,
    message: PhantomData<Box<T>>,
}

/// What a receiver and its held messages have in common.
pub struct Shared {
    ring: SharedRing,
    futex: Futex,
    /// The number of one of many receivers; the only one settles for itself.
    multi: Option<u16>,
    generation: u64,
    list: Holds<Box<Receiver>>,
}

impl<T: ?Sized + Payload> Message<'_, T> {
    /// Keeps it beyond the borrow of its receiver, to be dealt with on any thread and at any time. See [`Held`].
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64))?;
    /// let mut rx = queue.receiver()?;
    /// queue.sender()?.send(b"later")?;
    /// let held = rx.recv()?.hold();
    /// std::thread::spawn(move || {
    ///     assert_eq!(&*held, b"later");
    ///     held.release();
    /// });
    /// assert!(rx.try_recv()?.is_none());
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn hold(self) -> Held<T> {
        let (receiver, position) = self.into_parts();
        let shared = Arc::clone(receiver.holds.get_or_init(|| Arc::new(Shared::of(receiver))));
        // In a forked child it is the parent's, and another thread of that may have had the lock.
        if receiver.link.is_here() {
            receiver.end.borrow().part(&receiver.link.ring, position);
            shared.list.hold();
        }
        Held { deliveries: receiver.deliveries(position), shared, position, back: false, message: PhantomData }
    }
}

impl<T: ?Sized + Payload> Batch<'_, T> {
    /// Keeps all that it still holds beyond the borrow of the receiver, each to be dealt with on its own. See [`Held`].
    pub fn hold(self) -> Vec<Held<T>> {
        self.into_iter().map(Message::hold).collect()
    }
}

impl<T: ?Sized + Payload> Held<T> {
    /// How often it has been delivered, this time included: 1 the first time. It counts up to 31.
    pub fn deliveries(&self) -> u32 {
        self.deliveries.into()
    }

    /// Releases it: it has been dealt with. The same as dropping it.
    pub fn release(self) {}

    /// Puts it back into the queue, to be delivered again. The only receiver gets it at its next call.
    pub fn nack(mut self) {
        self.back = true;
    }
}

impl<T: ?Sized + Payload> Drop for Held<T> {
    fn drop(&mut self) {
        self.shared.settle(self.position, self.back || std::thread::panicking());
    }
}

impl<T: ?Sized + Payload> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let ring = &self.shared.ring;
        let slot = ring.slot(self.position);
        let slot = core::ptr::slice_from_raw_parts(slot.payload(), ring.len(slot));
        // SAFETY: the slot has room for `max_len` bytes and `len` is never more; `shared` keeps it mapped; and correct
        // processes leave it alone until it is settled, which happens when `self` is dropped. Who abandons the receiver
        // before has promised that nobody looks here any more.
        let bytes = unsafe { &*slot };
        T::ref_from_bytes(bytes).expect("slots have the size and alignment of their queue's messages")
    }
}

impl<T: ?Sized + Payload + core::fmt::Debug> core::fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        (**self).fmt(f)
    }
}

impl Shared {
    fn of<T: ?Sized>(receiver: &Receiver<T>) -> Self {
        let multi = matches!(*receiver.end.borrow(), ReceiveEnd::Multi(_)).then(|| receiver.link.number());
        Self {
            ring: SharedRing::new(receiver.link.ring.segment()),
            futex: receiver.link.futex,
            multi,
            generation: receiver.link.fork_generation(),
            list: Holds::default(),
        }
    }

    /// Whether something that was settled waits for the receiver's next take. The settler moves the receivers' event.
    pub(super) fn wait_for_receiver(&self) -> bool {
        // One of many settles at once.
        self.multi.is_none() && self.list.is_unsettled()
    }

    /// A held message is not held any more.
    fn settle(&self, position: u64, back: bool) {
        // First of all: in a forked child, another thread of the parent may have had the lock.
        if self.generation != fork::generation() {
            return;
        }
        let noted_later = self.list.settle(|parted| {
            let len = self.ring.len(self.ring.slot(position)) as u64;
            let settled = Settled { position, released: (!back).then_some(len) };
            match (parted, self.multi) {
                (Some(receiver), _) => receiver.settle_for(settled),
                (None, Some(number)) => self.settle_word(number, Run { first: position, count: 1 }, back),
                (None, None) => {}
            }
            settled
        });
        if noted_later && self.multi.is_none() {
            notify(&self.futex, &self.ring.signals().not_empty.word, 1, Before::Nothing);
        }
    }

    /// The slot's part: its word is ours, whichever thread we are.
    fn settle_word(&self, number: u16, run: Run, back: bool) {
        let mut end = MultiReceiver::new(number, false);
        let signals = self.ring.signals();
        if back {
            end.give_back(&self.ring, run, true);
            notify(&self.futex, &signals.not_empty.word, 1, Before::Nothing);
        } else {
            own_lines_of_all(&self.ring, run, false);
            end.release(&self.ring, run);
            notify(&self.futex, &signals.not_full.word, 1, Before::Nothing);
        }
    }
}

impl Receiver {
    /// Settles a held message of a receiver whose user has dropped it.
    fn settle_for(&self, settled: Settled) {
        let run = Run { first: settled.position, count: 1 };
        if settled.released.is_some() { self.release(run) } else { self.give_back(run, true) }
    }

    /// Its user has dropped it: lives on until the last held message is gone.
    pub(super) fn part(self, shared: &Shared) {
        shared.list.part(
            Box::new(self),
            |receiver, settled| receiver.note(settled),
            |receiver| receiver.end.borrow_mut().again_from_head(),
        );
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// Gives up the endpoint at once: all that it still holds is delivered again, messages that were leaked and those
    /// that are held on other threads alike. What becomes of a [`Held`] afterwards makes no difference to the queue.
    ///
    /// Dropping a receiver instead waits, in effect, for its held messages: its endpoint stays joined until the last of
    /// them is gone. Use this when some were leaked.
    ///
    /// # Safety
    /// No message of this receiver that is still held is dereferenced from now on: its slot may be written by others.
    pub unsafe fn abandon(mut self) {
        let Some(shared) = self.holds.take() else { return };
        if !self.link.is_here() {
            return;
        }
        let settled = shared.list.abandon();
        self.forget_again(&shared);
        self.note(&settled);
    }

    /// Takes messages if some were held once: first notes those that have been settled, and gives out those that came
    /// back meanwhile.
    #[cold]
    pub(super) fn take_beside_held(&mut self, want: u64) -> Result<Run, Blocked> {
        let Some(shared) = self.holds.get().map(Arc::clone) else { return Err(Blocked::Wait(None)) };
        let beside_held = loop {
            match shared.list.next() {
                Next::Note(settled) => self.note(&settled),
                Next::Again(position) => {
                    if self.deliveries(position) > 1 {
                        count(&self.link.row().redelivered, 1);
                        self.suspect = self.dead_letters.is_some();
                    }
                    return Ok(Run { first: position, count: 1 });
                }
                Next::Take { beside_held } => break beside_held,
            }
        };
        // What this very call has taken is held, too: others may settle the last one that they have while it waits for more.
        let beside_held = beside_held || self.held.get() > 0;
        let end = self.end.get_mut();
        if beside_held { end.take_beside_held(&self.link.ring, want) } else { end.take(&self.link.ring, want) }
    }

    /// Keeps what comes back to the only receiver for its next take: starting again from head would deliver what is held,
    /// too. `false`: this is not such a case.
    #[cold]
    pub(super) fn keep_for_again(&self, run: Run, seen: bool) -> bool {
        let Some(shared) = self.holds.get().filter(|shared| shared.multi.is_none()) else { return false };
        if seen {
            self.end.borrow_mut().note_seen(&self.link.ring, run);
        }
        shared.list.keep_for_again(run);
        true
    }

    /// Nothing is held any more, so what is kept to come again is found from head, as always.
    #[cold]
    pub(super) fn forget_again(&self, shared: &Shared) {
        if shared.list.forget_again() {
            self.end.borrow_mut().again_from_head();
        }
    }

    /// What to look for: the next take has to look after settled messages first, and puts a rewind off while some are held.
    pub(super) fn lookout(&self) -> Lookout {
        let end = self.end.borrow();
        let Some(shared) = self.holds.get().filter(|shared| shared.multi.is_none() && self.link.is_here()) else {
            return end.lookout();
        };
        // As the next take: what comes back is put off while anything is held.
        if self.held.get() > 0 && !shared.list.is_unsettled() {
            return end.lookout_ahead();
        }
        shared.list.lookout(&end)
    }

    /// The receiver's part of settling.
    fn note(&self, settled: &[Settled]) {
        for Settled { position, released } in settled.iter().copied() {
            let run = Run { first: position, count: 1 };
            let single = matches!(*self.end.borrow(), ReceiveEnd::Single(_));
            match released {
                Some(_) if single => self.release(run),
                None if single => self.give_back(run, true),
                // The word was settled at once.
                Some(len) => {
                    self.let_go(1);
                    count(&self.link.row().pulled, 1);
                    count(&self.link.row().pulled_bytes, len);
                }
                None => self.let_go(1),
            }
        }
    }
}
