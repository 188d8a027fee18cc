//! What a queue is made with.

use core::marker::PhantomData;

use crate::error::CreateError;
use crate::layout::geometry::{Ends, Geometry, Request, WhenFull};
use crate::layout::header::DeliveryLimit;
use crate::payload::{Payload, message_type};
use crate::segment::{Accept, Spec};

/// What a queue is made with. Everything is fixed at creation; whoever opens the queue finds it as it is.
///
/// ```
/// use ringpost::{Ends, Options, WhenFull};
///
/// let options = Options::new(4096).max_len(64).senders(Ends::Single).when_full(WhenFull::Fail);
/// assert_eq!(options.plan()?.capacity, 4096);
/// # Ok::<(), ringpost::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Options<T: ?Sized = [u8]> {
    spec: Spec,
    accept: Accept,
    message: PhantomData<fn(&T)>,
}

/// The exact sizes of a queue before it is made, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Messages that it will hold: the capacity asked for, rounded up.
    pub capacity: u64,
    /// The whole segment, all of it allocated at creation.
    pub total_bytes: u64,
    /// From one slot's state word to the next one's.
    pub word_stride: u64,
    /// From the first slot's state word to its payload.
    pub payload_offset: u64,
    /// From one slot's payload to the next one's.
    pub payload_stride: u64,
    /// From the start of the segment to the first slot's state word.
    pub slots_offset: u64,
    /// Rows of the endpoint table: the most endpoints, and two fixed places for single ends.
    pub rows: u64,
}

impl Options {
    /// A queue of raw bytes that holds at least `capacity` messages (1 to 2^30), of up to 256 bytes each unless
    /// [`max_len`](Self::max_len) says otherwise.
    ///
    /// By default any number of senders and of receivers may join (64 endpoints in all), a full queue makes senders
    /// wait, and only the creating user may open it.
    pub fn new(capacity: usize) -> Self {
        Self::with(capacity, 256, 16, None)
    }

    /// A queue that holds at least `capacity` (1 to 2^30) values of type `U`.
    ///
    /// ```
    /// use ringpost::{Options, Queue};
    ///
    /// let queue = Queue::in_memory(Options::of::<u64>(1024))?;
    /// queue.sender()?.send(&42)?;
    /// assert_eq!(queue.receiver()?.iter().next(), Some(42));
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn of<U: Payload>(capacity: usize) -> Options<U> {
        Options::with(capacity, size_of::<U>(), align_of::<U>(), Some(message_type::<U>()))
    }

    /// The longest message in bytes, 0 to 2^31.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.spec.request.max_len = bytes as u64;
        self
    }

    /// What the address of every message is a multiple of: a power of two of at most 4096 bytes. By default 16.
    pub fn align(mut self, bytes: usize) -> Self {
        self.spec.request.align = bytes as u64;
        self
    }
}

impl<T: ?Sized + Payload> Options<T> {
    fn with(
        capacity: usize,
        max_len: usize,
        align: usize,
        message_type: Option<crate::layout::header::MessageType>,
    ) -> Self {
        let request = Request {
            capacity: capacity as u64,
            max_len: max_len as u64,
            align: align as u64,
            fixed_len: message_type.is_some(),
            packed: false,
            senders: Ends::Multi,
            receivers: Ends::Multi,
            when_full: WhenFull::Block,
            endpoints: 64,
        };
        let (mode, deliveries) = (0o600, DeliveryLimit::default());
        let spec =
            Spec { request, mode, ephemeral: false, huge_pages: false, prefault: false, message_type, deliveries };
        Self { spec, accept: Accept::default(), message: PhantomData }
    }

    /// How many senders may be joined at a time: one, which is faster, or many. By default many.
    pub fn senders(mut self, ends: Ends) -> Self {
        self.spec.request.senders = ends;
        self
    }

    /// How many receivers may be joined at a time: one, which is faster, or many. By default many.
    pub fn receivers(mut self, ends: Ends) -> Self {
        self.spec.request.receivers = ends;
        self
    }

    /// What `send` does when the queue is full. By default it waits.
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.spec.request.when_full = policy;
        self
    }

    /// The most senders and receivers together that may be joined at a time, 2 to 1021. By default 64.
    pub fn endpoints(mut self, most: usize) -> Self {
        self.spec.request.endpoints = most as u64;
        self
    }

    /// How often a message may be delivered, 1 to 30. A receiver that takes one which has been delivered so often already
    /// puts it into the [dead-letter queue](Self::dead_letter), or drops it if there is none; both are counted. Each
    /// time a message is given back after the program has seen it, and each death of a receiver that holds it, is a
    /// delivery; so what was held together with a deadly message comes nearer to its limit, too. By default a message is
    /// delivered until it is released.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_deliveries(2))?;
    /// let (mut tx, mut rx) = (queue.sender()?, queue.receiver()?);
    /// tx.send(b"nobody can deal with me")?;
    /// rx.recv()?.nack();
    /// rx.recv()?.nack();
    /// assert!(rx.try_recv()?.is_none());
    /// assert_eq!(queue.stat().totals.expired, 1);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn max_deliveries(mut self, most: u32) -> Self {
        self.spec.deliveries.most = most;
        self
    }

    /// The queue that takes the messages which have been delivered [`max_deliveries`](Self::max_deliveries) times: a name
    /// as for a queue, another one than this queue's. If there is no such queue when it is needed, the receiver makes one
    /// for the same messages, with the same mode, and as large as this one; but for at least 64 messages where those take
    /// no more than a mebibyte. If it cannot take a message (it is full, say), the message is delivered once more; that is
    /// counted.
    pub fn dead_letter(mut self, name: &str) -> Self {
        self.spec.deliveries.dead_letter = Some(name.to_owned());
        self
    }

    /// Who may open it, as for a file; by default `0o600`. A class of users may do all or nothing: read and write, or
    /// neither, because receiving writes too. The umask does not apply.
    pub fn mode(mut self, mode: u32) -> Self {
        self.spec.mode = mode;
        self
    }

    /// When opening with these options: accept a queue that this user made, besides our own and root's.
    pub fn accept_owner(mut self, uid: u32) -> Self {
        self.accept = self.accept.owner(uid);
        self
    }

    /// Asks the kernel for huge pages. A hint: it is followed where `/sys/kernel/mm/transparent_hugepage/shmem_enabled`
    /// allows it.
    pub fn huge_pages(mut self, yes: bool) -> Self {
        self.spec.huge_pages = yes;
        self
    }

    /// Maps every page at once in the creating process, so that no page fault comes later. The memory itself is always
    /// allocated at creation.
    pub fn prefault(mut self, yes: bool) -> Self {
        self.spec.prefault = yes;
        self
    }

    /// Removes the queue when the last process that has it open closes it. By default it outlives its processes.
    pub fn ephemeral(mut self, yes: bool) -> Self {
        self.spec.ephemeral = yes;
        self
    }

    /// Whether messages lie side by side, with nothing in between: more of them on a cache line, and nothing to write for each but its
    /// bytes. Only with one sender and one receiver, and not with [`WhenFull::Overwrite`]. All messages have one length then, for raw bytes
    /// [`max_len`](Self::max_len); they lie at multiples of 8 bytes, or of their alignment if that is more. By default not.
    ///
    /// For streams of small values at the highest rate; the most is gained with
    /// [`send_slices_with`](crate::Sender::send_slices_with) and [`pull_slices_with`](crate::Receiver::pull_slices_with). A round trip may take
    /// longer, since what tells of a message is on a line of its own, and the messages of a batch show together, up to 32 at a
    /// time, instead of one after another.
    ///
    /// ```
    /// # use {ringpost::{Ends, Options, Queue}, std::time::Duration};
    /// let options = Options::of::<u64>(1 << 16).senders(Ends::Single).receivers(Ends::Single).packed(true);
    /// assert_eq!(options.plan()?.payload_stride, 8);
    /// let queue = Queue::in_memory(options)?;
    /// queue.sender()?.send_batch(1..=100)?;
    /// let (mut receiver, mut sum) = (queue.receiver()?, 0);
    /// while receiver.pull_some_with(32, Duration::ZERO, |n| sum += n)? > 0 {}
    /// assert_eq!(sum, 5050);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn packed(mut self, yes: bool) -> Self {
        self.spec.request.packed = yes;
        self.spec.request.fixed_len = yes || self.spec.message_type.is_some();
        self
    }

    /// The exact sizes that a queue with these options has.
    ///
    /// # Errors
    /// [`CreateError::InvalidOptions`] with the range allowed.
    pub fn plan(&self) -> Result<Plan, CreateError> {
        let geometry = Geometry::plan(self.spec.request)?;
        Ok(Plan {
            capacity: geometry.request.capacity,
            total_bytes: geometry.total,
            word_stride: geometry.word_stride,
            payload_offset: geometry.payload_offset,
            payload_stride: geometry.payload_stride,
            slots_offset: geometry.slots_offset,
            rows: geometry.rows,
        })
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn acceptable(&self) -> &Accept {
        &self.accept
    }
}

impl<T: ?Sized> Clone for Options<T> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), accept: self.accept.clone(), message: PhantomData }
    }
}
