//! What is looked at, and what must be left of it.

use clap::ValueEnum;
use ringpost::{CreateError, Ends, Options, Queue, WhenFull};

use crate::message::{Block, MAX_LEN};

/// One operation of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// Send one message
    Send,
    /// Send one more message: a single sender knows by now what is free
    SendAgain,
    /// Try to send when full
    SendFull,
    /// Send when full, over the oldest message
    Overwrite,
    /// Send into a queue that is full but for a slot that was given up
    SendSkipped,
    /// Take one message
    Pull,
    /// Take one message, copy it out and release it, all in one
    PullCopy,
    /// Take and release one more message: a single receiver knows by now where it comes
    PullAgain,
    /// Take one more message, copy it out and release it, all in one
    PullCopyAgain,
    /// Read one more message in place and release it, all in one
    ReadAgain,
    /// Read two more messages in place and release them, all in one
    ReadManyAgain,
    /// Read two more values in place, as a slice where they lie side by side, and release them, all in one
    ReadSlicesAgain,
    /// Take one message, behind a slot that was given up
    PullSkipped,
    /// Release three messages, over the end of a lap
    Release,
    /// Release a message while an older one is still held
    ReleaseLate,
    /// Release three messages taken at once, the middle one first
    ReleaseMiddle,
    /// Lend a slot, write in place, commit
    Commit,
    /// Lend a slot, write in place, give it up
    Abort,
    /// Send two messages at once
    SendBatch,
    /// Write three values in place, as slices, over the end of a lap
    SendSlices,
    /// Take three messages at once, over the end of a lap
    PullBatch,
    /// Put back three messages that were looked at, over the end of a lap
    GiveBack,
    /// Put back three messages that nobody looked at, over the end of a lap
    GiveBackUnseen,
    /// Put back the middle one of three messages taken at once, release the others
    GiveBackMiddle,
    /// Take a message, hold it, release it, take the next
    HoldRelease,
    /// Take a message, hold it, put it back, take it again
    HoldNack,
    /// Hold two messages, release the newer, put the older back, take it again
    HoldLate,
    /// Leave as a receiver while two messages are held, put the newer back, release the older
    HoldLeave,
    /// Sleep as a receiver of two queues, both empty, until the time is over
    WaitAny,
    /// Sleep as a sender of a full queue and a receiver of an empty one, until the time is over
    WaitAnyFull,
    /// Take one message behind two that go to a dead-letter queue, which is made for them
    Bury,
    /// The same with three messages at once, and a dead-letter queue that is there
    BuryBatch,
    /// Join as a sender
    JoinSender,
    /// Join as a receiver
    JoinReceiver,
    /// Leave as a sender
    LeaveSender,
    /// Leave as a receiver
    LeaveReceiver,
    /// Leave as a receiver that has leaked what it holds
    LeaveHolding,
    /// Join both ends after others died with a loan, or in the middle of a batch, and with messages
    Recover,
    /// Receive where others died meanwhile in the middle of a batch and with messages
    Repair,
    /// Make a queue
    Create,
    /// Make a queue where files without a name cannot be had
    CreateTemporary,
    /// Open a queue
    Open,
    /// Make or open a queue
    OpenOrCreate,
    /// Remove a queue
    Remove,
    /// Close an ephemeral queue, the last one out
    LeaveEphemeral,
}

/// Messages that a queue holds: the least with a multi end.
const CAPACITY: usize = 4;
/// Messages that a dead-letter queue holds: each death may leave a copy in it, and one that is full makes its messages come again.
const DEAD_LETTERS: usize = 64;
/// The most endpoints of every queue here.
pub const ENDPOINTS: usize = 4;

/// A dead-letter queue that is there before it is needed.
pub fn dead_letters() -> Options {
    Options::new(DEAD_LETTERS).max_len(MAX_LEN).endpoints(ENDPOINTS)
}

/// Whether the feature has queues with these ends packed.
fn is_packed(ends: Pair) -> bool {
    cfg!(feature = "packed") && ends == Pair::OneOne
}

/// How many senders and receivers a queue allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pair {
    /// One and one
    #[value(name = "1:1")]
    OneOne,
    /// One and many
    #[value(name = "1:n")]
    OneMany,
    /// Many and one
    #[value(name = "n:1")]
    ManyOne,
    /// Many and many
    #[value(name = "n:n")]
    ManyMany,
}

impl Pair {
    /// Its name on the command line.
    pub fn name(self) -> String {
        value_name(&self)
    }

    /// The senders.
    pub fn senders(self) -> Ends {
        if matches!(self, Self::OneOne | Self::OneMany) { Ends::Single } else { Ends::Multi }
    }

    /// The receivers.
    pub fn receivers(self) -> Ends {
        if matches!(self, Self::OneOne | Self::ManyOne) { Ends::Single } else { Ends::Multi }
    }
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Who makes a queue before an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// There is none.
    Nobody,
    /// The process that is traced.
    Child,
    /// The process that traces.
    Tracer,
}

/// How many messages the queue has, and how many of those are held, when an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The number of the first message that is there. All before it have been sent and released.
    pub first: u64,
    /// So many are there.
    pub waiting: u64,
    /// So many of those, from the first, a receiver holds.
    pub held: u64,
    /// Whether a slot that was given up lies before them.
    pub skipped: bool,
}

impl Scene {
    /// Behind the last message: the number of the next.
    pub fn end(self) -> u64 {
        self.first + self.waiting
    }
}

impl Operation {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        value_name(&self)
    }

    /// The combinations of ends that make a difference to it.
    pub fn ends(self) -> &'static [Pair] {
        if cfg!(feature = "packed") {
            return self.packed_ends();
        }
        match self {
            // A dead sender's claim must be in a living receiver's way.
            Self::Repair | Self::PullSkipped => &[Pair::ManyOne, Pair::ManyMany],
            // Elsewhere nothing is left of what was given up, or only the receiver passes it.
            Self::SendSkipped => &[Pair::ManyMany],
            // Only of a packed queue: elsewhere a slice is one message.
            _ if self.is_of_slices() => &[],
            _ if self.is_inside() => Pair::value_variants(),
            _ => &[Pair::ManyMany],
        }
    }

    fn packed_ends(self) -> &'static [Pair] {
        match self {
            Self::Repair | Self::PullSkipped | Self::SendSkipped | Self::Overwrite => &[],
            _ => &[Pair::OneOne],
        }
    }

    /// Whether its queue is of values, which alone go as slices.
    pub fn is_of_slices(self) -> bool {
        matches!(self, Self::SendSlices | Self::ReadSlicesAgain)
    }

    /// Who makes the queue before it begins.
    pub fn maker(self) -> Maker {
        match self {
            Self::Create | Self::CreateTemporary | Self::OpenOrCreate => Maker::Nobody,
            // Or it would go when its maker has it open no more.
            Self::LeaveEphemeral => Maker::Child,
            _ => Maker::Tracer,
        }
    }

    /// Whether the queue may be gone afterwards.
    pub fn removes(self) -> bool {
        matches!(self, Self::Remove | Self::LeaveEphemeral)
    }

    /// Whether it puts messages away among the dead letters.
    pub fn buries(self) -> bool {
        matches!(self, Self::Bury | Self::BuryBatch)
    }

    /// What one does who comes to what it leaves behind, and dies, too.
    pub fn repairer(self) -> Self {
        if self.buries() { self } else { Self::Recover }
    }

    /// Whether it works on the content of a queue, and not on its name.
    pub fn is_inside(self) -> bool {
        self.maker() == Maker::Tracer && !self.removes() && self != Self::Open
    }

    /// Makes the queue.
    pub fn create(self, name: &str, ends: Pair) -> Result<(), CreateError> {
        if self.is_of_slices() {
            let options = Options::of::<Block>(CAPACITY).endpoints(ENDPOINTS).packed(is_packed(ends));
            return Queue::create(name, options.senders(ends.senders()).receivers(ends.receivers())).map(drop);
        }
        Queue::create(name, self.options(ends)).map(drop)
    }

    /// What the queue is made with, unless it is of values.
    pub fn options(self, ends: Pair) -> Options {
        let when_full = if self == Self::Overwrite { WhenFull::Overwrite } else { WhenFull::Block };
        let options = Options::new(CAPACITY).max_len(MAX_LEN).endpoints(ENDPOINTS);
        let options = options.senders(ends.senders()).receivers(ends.receivers());
        let packed = is_packed(ends) && when_full == WhenFull::Block;
        options.when_full(when_full).ephemeral(self == Self::LeaveEphemeral).packed(packed)
    }

    /// How the queue is when it begins.
    pub fn scene(self, ends: Pair) -> Scene {
        let capacity = CAPACITY as u64;
        let (waiting, held) = match self {
            Self::SendFull | Self::Overwrite | Self::WaitAnyFull => (capacity, 0),
            Self::WaitAny => (0, 0),
            Self::SendSkipped => (capacity - 1, 0),
            Self::PullAgain | Self::PullCopyAgain | Self::ReadAgain => (3, 0),
            Self::PullBatch | Self::ReadManyAgain | Self::ReadSlicesAgain => (4, 0),
            Self::SendSlices => (1, 0),
            Self::Release | Self::GiveBack | Self::GiveBackUnseen => (4, 3),
            Self::ReleaseMiddle | Self::GiveBackMiddle => (4, 3),
            Self::ReleaseLate | Self::HoldLate | Self::HoldLeave | Self::Bury | Self::BuryBatch => (3, 2),
            Self::Repair if ends == Pair::ManyOne => (0, 0),
            // The dead sender's batch needs the rest.
            Self::Repair => (2, 2),
            Self::Recover if ends.senders() == Ends::Multi => (2, 2),
            Self::LeaveHolding | Self::Recover => (3, 2),
            _ => (2, 0),
        };
        let skipped = matches!(self, Self::SendSkipped | Self::PullSkipped);
        Scene { first: 2 * capacity - self.left_of_lap(ends), waiting, held, skipped }
    }

    /// How many positions the lap has left when it begins: one, so that what follows wraps around, or as many as go together,
    /// since no run goes on into the next lap.
    fn left_of_lap(self, ends: Pair) -> u64 {
        match self {
            // With one message there, what is sent wraps around.
            Self::SendSlices => 2,
            // Three in one run, and behind it one that is not of it.
            Self::ReleaseMiddle | Self::GiveBackMiddle => 4,
            // Two of the three in one run, and one behind the end.
            Self::PullBatch | Self::Release | Self::GiveBack | Self::GiveBackUnseen => 2,
            // What dead senders leave, too.
            Self::Recover | Self::Repair => 2,
            Self::ReleaseLate | Self::HoldLate | Self::HoldLeave | Self::LeaveHolding
                if ends.receivers() == Ends::Multi =>
            {
                2
            }
            _ => 1,
        }
    }
}

/// Whether something is so in every case, in none, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// It is.
    Be,
    /// It may be.
    Maybe,
    /// It is not.
    NotBe,
}

/// What must be true of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its number.
    pub number: u64,
    /// Whether it is delivered.
    pub there: Must,
    /// Whether that says that it was delivered before.
    pub redelivered: Must,
    /// Whether the operation sends it: of several, the first ones are there or none.
    pub own: bool,
}

/// All messages that matter, in the order of their delivery.
pub fn expected(operation: Operation, ends: Pair, finished: bool) -> Vec<Expected> {
    let scene = operation.scene(ends);
    let whole = |number| Expected { number, there: Must::Be, redelivered: Must::NotBe, own: false };
    let mut all: Vec<Expected> = (scene.first..scene.end()).map(whole).collect();
    let held = |all: &mut Vec<Expected>, count: usize, redelivered: Must| {
        all[..count].iter_mut().for_each(|message| message.redelivered = redelivered);
    };
    let before = scene.held as usize;
    let sent = |all: &mut Vec<Expected>, count: u64, there: Must| {
        let own = (scene.end()..scene.end() + count).map(|n| Expected { there, own: true, ..whole(n) });
        all.extend(own);
    };
    match operation {
        Operation::Send | Operation::SendSkipped | Operation::Commit | Operation::Overwrite => {
            sent(&mut all, 1, if finished { Must::Be } else { Must::Maybe });
        }
        Operation::SendAgain => {
            sent(&mut all, 2, if finished { Must::Be } else { Must::Maybe });
            // The first one was sent before.
            let first = scene.waiting as usize;
            all[first] = whole(scene.end());
        }
        Operation::SendBatch => sent(&mut all, 2, if finished { Must::Be } else { Must::Maybe }),
        Operation::SendSlices => sent(&mut all, 3, if finished { Must::Be } else { Must::Maybe }),
        Operation::Abort | Operation::SendFull => sent(&mut all, 1, Must::NotBe),
        // Seen by the program only when the operation is over.
        Operation::Pull | Operation::PullSkipped => held(&mut all, 1, if finished { Must::Be } else { Must::Maybe }),
        Operation::PullAgain | Operation::PullCopyAgain | Operation::ReadAgain if !finished => {
            held(&mut all, 2, Must::Maybe)
        }
        Operation::ReadManyAgain | Operation::ReadSlicesAgain if !finished => held(&mut all, 3, Must::Maybe),
        // In the long way it has been held for a moment.
        Operation::PullCopy if !finished => held(&mut all, 1, Must::Maybe),
        Operation::HoldRelease => held(&mut all, 2, if finished { Must::Be } else { Must::Maybe }),
        Operation::HoldNack => held(&mut all, 1, if finished { Must::Be } else { Must::Maybe }),
        Operation::HoldLate | Operation::HoldLeave => held(&mut all, 2, Must::Be),
        Operation::PullBatch => held(&mut all, 3, if finished { Must::Be } else { Must::Maybe }),
        Operation::Release | Operation::ReleaseLate | Operation::ReleaseMiddle => held(&mut all, before, Must::Be),
        Operation::GiveBack | Operation::GiveBackMiddle => held(&mut all, before, Must::Be),
        Operation::LeaveHolding | Operation::Recover | Operation::Repair => held(&mut all, before, Must::Be),
        Operation::GiveBackUnseen => held(&mut all, before, if finished { Must::NotBe } else { Must::Maybe }),
        _ => {}
    }
    let gone = if finished { Must::NotBe } else { Must::Maybe };
    take_out(operation, &mut all, before, gone);
    all
}

/// Those that it releases or puts away are `gone`.
fn take_out(operation: Operation, all: &mut [Expected], before: usize, gone: Must) {
    match operation {
        Operation::Release | Operation::ReleaseMiddle => {
            all[..before].iter_mut().for_each(|message| message.there = gone);
        }
        Operation::ReleaseLate | Operation::HoldLate => all[1].there = gone,
        Operation::GiveBackMiddle => [0, 2].into_iter().for_each(|at| all[at].there = gone),
        Operation::Overwrite | Operation::HoldRelease | Operation::HoldLeave | Operation::PullCopy => {
            all[0].there = gone;
        }
        // The first one was released before.
        Operation::PullAgain | Operation::PullCopyAgain | Operation::ReadAgain => {
            all[0].there = Must::NotBe;
            all[1].there = gone;
        }
        Operation::ReadManyAgain | Operation::ReadSlicesAgain => {
            all[0].there = Must::NotBe;
            all[1..3].iter_mut().for_each(|message| message.there = gone);
        }
        // Here, not among the dead letters: the last one only if it has not been delivered either.
        Operation::Bury | Operation::BuryBatch => {
            all[..2].iter_mut().for_each(|message| message.there = Must::NotBe);
            all[2].there = gone;
        }
        _ => {}
    }
}
