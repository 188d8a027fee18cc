//! What users hold: the queue, its two ends, and the messages in between.

mod aim;
mod batch;
mod copies;
mod dead_letter;
mod descriptor;
#[cfg(feature = "tokio")]
mod future;
mod hold;
mod link;
mod loan;
mod look;
mod options;
mod own_lines;
mod pace;
mod read_in_place;
mod read_many;
mod receiver;
mod send_batch;
mod sender;
mod settings;
mod short;
mod short_send;
mod slices;
mod stall;
mod waitable;
mod watch;

pub use batch::{Batch, IntoIter, Iter, Message};
#[cfg(feature = "tokio")]
pub use future::{AsyncReceiver, AsyncSender};
pub use hold::Held;
pub use loan::Loan;
pub use options::{Options, Plan};
pub use receiver::Receiver;
pub use sender::Sender;
pub use waitable::{Waitable, wait_any};

use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;
use std::thread;

use crate::error::{CreateError, Error, JoinError, Mismatch, OpenError};
use crate::layout::geometry::{Ends, WhenFull};
use crate::layout::header::{DeliveryLimit, Header};
use crate::payload::{Payload, message_type};
use crate::ring;
use crate::segment::{Accept, Name, Segment};
use crate::sync::Ordering;
use crate::wait::{Deadline, Futex};

/// How often a name is looked for while waiting for it.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How often `open_or_create` tries again when others create and remove the name meanwhile.
const TRIES: u32 = 100;

/// A named queue: each message goes to exactly one receiver, and is kept until that has taken and released it.
///
/// This is a handle on the segment, cheap to clone and to share between threads. The queue itself stays until it is
/// [removed](crate::remove), with no process at all, unless it was made [ephemeral](Options::ephemeral).
pub struct Queue<T: ?Sized = [u8]> {
    segment: Arc<Segment>,
    message: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized + Payload> Queue<T> {
    /// Makes a queue of that name and opens it.
    ///
    /// Names are `[A-Za-z0-9][A-Za-z0-9._-]{0,199}`. All of its memory is allocated now: a full file system is an error
    /// here and not a crash later. Others see it only once it is whole.
    ///
    /// # Errors
    /// [`CreateError::AlreadyExists`] if the name is taken; others as [`CreateError`] says.
    pub fn create(name: &str, options: Options<T>) -> Result<Self, CreateError> {
        let name = Name::new(name)?;
        Segment::create(&name, options.spec()).map(Self::new)
    }

    /// Opens the queue of that name, or makes it. Of several processes that do this at once, one makes it, and all get
    /// the same queue.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if there is one that was made with other options, saying both; otherwise those of
    /// [`create`](Self::create) and [`Queue::open`].
    pub fn open_or_create(name: &str, options: Options<T>) -> Result<Self, Error> {
        let checked = Name::new(name).map_err(CreateError::from)?;
        for _ in 0..TRIES {
            match Segment::open(&checked, options.acceptable()) {
                Ok(segment) => {
                    check_same(segment.header(), &options)?;
                    return Ok(Self::new(segment));
                }
                Err(OpenError::NotFound { .. }) => {}
                Err(other) => return Err(other.into()),
            }
            match Segment::create(&checked, options.spec()) {
                Ok(segment) => return Ok(Self::new(segment)),
                Err(CreateError::AlreadyExists { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(OpenError::NotFound { name: name.to_owned() }.into())
    }

    /// A queue on the heap of this process, with the same code and layout, for tests and for threads of one program. It
    /// goes with its last handle.
    ///
    /// # Errors
    /// [`CreateError::InvalidOptions`].
    pub fn in_memory(options: Options<T>) -> Result<Self, CreateError> {
        Segment::heap(options.spec()).map(Self::new)
    }

    /// Joins as a sender.
    ///
    /// # Errors
    /// [`JoinError::Taken`] if the queue allows a single sender and that lives; others as [`JoinError`] says.
    pub fn sender(&self) -> Result<Sender<T>, JoinError> {
        Sender::join(&self.segment)
    }

    /// Joins as a receiver.
    ///
    /// # Errors
    /// [`JoinError::Taken`] if the queue allows a single receiver and that lives; others as [`JoinError`] says.
    pub fn receiver(&self) -> Result<Receiver<T>, JoinError> {
        Receiver::join(&self.segment)
    }

    /// The same queue, for messages of type `U`.
    ///
    /// # Errors
    /// [`Mismatch`] if the queue was made for another type: by size, alignment or name.
    pub fn typed<U: Payload>(self) -> Result<Queue<U>, Mismatch> {
        check_type::<U>(self.segment.header())?;
        Ok(Queue::new_shared(self.segment))
    }
}

impl Queue {
    /// Opens an existing queue, whatever its messages are, as raw bytes.
    ///
    /// # Errors
    /// [`OpenError::NotFound`] at once if there is none; others as [`OpenError`] says.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        Self::open_with(name, &Accept::default())
    }

    /// Opens an existing queue that one of the owners in `accept` made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(name: &str, accept: &Accept) -> Result<Self, OpenError> {
        let name = Name::new(name)?;
        Segment::open(&name, accept).map(Self::new)
    }

    /// Opens the queue of that name, waiting for at most `timeout` in all for somebody to make it.
    ///
    /// # Errors
    /// [`OpenError::NotFound`] after the timeout; others as [`OpenError`] says, at once.
    pub fn wait_for(name: &str, timeout: Duration) -> Result<Self, OpenError> {
        Self::wait_for_with(name, timeout, &Accept::default())
    }

    /// [`wait_for`](Self::wait_for) a queue that one of the owners in `accept` made.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_with(name: &str, timeout: Duration, accept: &Accept) -> Result<Self, OpenError> {
        let checked = Name::new(name)?;
        let deadline = Deadline::after(timeout);
        loop {
            let left = match Segment::open(&checked, accept) {
                Err(OpenError::NotFound { name }) => match deadline.left() {
                    Some(left) if left.is_zero() => return Err(OpenError::NotFound { name }),
                    left => left.unwrap_or(LOOK_AGAIN),
                },
                other => return other.map(Self::new),
            };
            thread::sleep(left.min(LOOK_AGAIN));
        }
    }
}

impl<T: ?Sized> Queue<T> {
    fn new(segment: Segment) -> Self {
        Self::new_shared(Arc::new(segment))
    }

    fn new_shared(segment: Arc<Segment>) -> Self {
        Self { segment, message: PhantomData }
    }

    /// Its name; empty for one on the heap.
    pub fn name(&self) -> &str {
        self.segment.name().map_or("", Name::as_str)
    }

    /// Messages that wait to be taken, at most the capacity: a snapshot, old as soon as it is read. A message that is
    /// being written counts; one that a receiver holds does not.
    pub fn size(&self) -> usize {
        ring::size(&crate::participant::SharedRing::new(&self.segment)) as usize
    }

    /// Another name for [`size`](Self::size).
    pub fn len(&self) -> usize {
        self.size()
    }

    /// Whether no message waits to be taken: a snapshot.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The most messages that it holds: what was asked for, rounded up to a power of two.
    pub fn capacity(&self) -> usize {
        self.segment.header().geometry.request.capacity as usize
    }

    /// Bytes of the longest message.
    pub fn max_len(&self) -> usize {
        self.segment.header().geometry.request.max_len as usize
    }

    /// How many senders may join.
    pub fn senders(&self) -> Ends {
        self.segment.header().geometry.request.senders
    }

    /// How many receivers may join.
    pub fn receivers(&self) -> Ends {
        self.segment.header().geometry.request.receivers
    }

    /// What `send` does when it is full.
    pub fn when_full(&self) -> WhenFull {
        self.segment.header().geometry.request.when_full
    }

    /// Marks it closed, for good: nothing more can be sent; receivers drain what is there and then learn it. What others
    /// are sending at that very moment may still arrive, and stays in the queue if no receiver is left to take it.
    pub fn close(&self) {
        close(&self.segment);
    }

    /// Whether it is marked closed.
    pub fn is_closed(&self) -> bool {
        // Acquire: closed, pairs with close.
        self.segment.control().signals.closed.load(Ordering::Acquire) != 0
    }

    /// Whether its name has been removed.
    pub fn is_removed(&self) -> bool {
        self.segment.is_removed()
    }

    /// What it is and what has been done with it.
    pub fn stat(&self) -> crate::inspect::Stat {
        crate::inspect::stat(&self.segment)
    }
}

impl<T: ?Sized> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self::new_shared(Arc::clone(&self.segment))
    }
}

impl<T: ?Sized> core::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queue").field("name", &self.name()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// Marks the queue closed and wakes everyone, to learn it.
fn close(segment: &Segment) {
    let signals = &segment.control().signals;
    // Release: close, pairs with closed.
    signals.closed.store(1, Ordering::Release);
    link::wake_all(&Futex::register(), signals);
}

/// Whether a queue that was found is the one that `options` would make. Mode, prefault and huge pages are the creator's.
fn check_same<T: ?Sized + Payload>(found: &Header, options: &Options<T>) -> Result<(), Error> {
    let wanted = options.spec();
    let geometry = crate::layout::geometry::Geometry::plan(wanted.request).map_err(CreateError::from)?;
    let (wanted, found_request) = (geometry.request, found.geometry.request);
    let same = |what, expected: String, found: String| {
        if expected == found { Ok(()) } else { Err(Error::Mismatch(Mismatch { what, expected, found })) }
    };
    same("capacity", wanted.capacity.to_string(), found_request.capacity.to_string())?;
    same("max_len", wanted.max_len.to_string(), found_request.max_len.to_string())?;
    same("align", wanted.align.to_string(), found_request.align.to_string())?;
    same("fixed length of messages", wanted.fixed_len.to_string(), found_request.fixed_len.to_string())?;
    same("packed", wanted.packed.to_string(), found_request.packed.to_string())?;
    same("message type", type_name(options.spec().message_type.as_ref()), type_name(found.message_type.as_ref()))?;
    same("senders", format!("{:?}", wanted.senders), format!("{:?}", found_request.senders))?;
    same("receivers", format!("{:?}", wanted.receivers), format!("{:?}", found_request.receivers))?;
    same("policy when full", format!("{:?}", wanted.when_full), format!("{:?}", found_request.when_full))?;
    let limits = (&options.spec().deliveries, &found.deliveries);
    let dead_letter = |limit: &DeliveryLimit| limit.dead_letter.clone().unwrap_or_else(|| "none".to_owned());
    same("limit of deliveries", limits.0.most.to_string(), limits.1.most.to_string())?;
    same("dead-letter queue", dead_letter(limits.0), dead_letter(limits.1))?;
    same("endpoints", wanted.endpoints.to_string(), found_request.endpoints.to_string())?;
    same("ephemeral", options.spec().ephemeral.to_string(), found.ephemeral.to_string())
}

fn type_name(found: Option<&crate::layout::header::MessageType>) -> String {
    found.map_or_else(|| "raw bytes".to_owned(), |t| format!("{} ({:#x})", t.name, t.hash))
}

fn check_type<U: Payload>(header: &Header) -> Result<(), Mismatch> {
    let wanted = message_type::<U>();
    let request = &header.geometry.request;
    let same = |what, expected: String, found: String| {
        if expected == found { Ok(()) } else { Err(Mismatch { what, expected, found }) }
    };
    if header.message_type.as_ref().map(|t| t.hash) != Some(wanted.hash) {
        return same("message type", type_name(Some(&wanted)), type_name(header.message_type.as_ref()));
    }
    same("fixed length of messages", true.to_string(), request.fixed_len.to_string())?;
    same("size of the message type", size_of::<U>().to_string(), request.max_len.to_string())?;
    same("alignment of the message type", align_of::<U>().to_string(), request.align.to_string())
}
