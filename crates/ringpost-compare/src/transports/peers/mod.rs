//! Other libraries that carry messages between processes, each by its fastest documented interface.

#[cfg(feature = "aeron")]
pub mod aeron;
pub mod cloudtoid;
pub mod iceoryx;
pub mod ipc_channel;
pub mod ipmpsc;
pub mod ringfire;
pub mod shaq;

use self::ringfire::{Blobs, Typed};
use self::shaq::{Many, Single};
use crate::registry::{Entry, Kind, by_size, processes, small};

/// shaq, one to one.
pub const SHAQ: Entry = Entry {
    name: "shaq",
    kind: Kind::Peer,
    package: Some("shaq"),
    about: "one to one, values; write batch and read batch, in place",
    work: by_size!(processes, Single),
};

/// shaq, many to many.
pub const SHAQ_MANY: Entry = Entry {
    name: "shaq-many",
    kind: Kind::Peer,
    package: Some("shaq"),
    about: "many to many, 2 + 2 joined; values; write guard or batch and read batch, in place",
    work: by_size!(processes, Many),
};

/// ringfire.
pub const RINGFIRE: Entry = Entry {
    name: "ringfire",
    kind: Kind::Peer,
    package: Some("ringfire"),
    about: "one to one; values up to 1 KiB, waiting for the reader: push, recv; blobs above: push_with, view, in place",
    work: |len| small!(processes, Typed)(len).or_else(|| Some(processes::<Blobs>())),
};

/// cloudtoid-interprocess.
pub const CLOUDTOID: Entry = Entry {
    name: "cloudtoid",
    kind: Kind::Peer,
    package: Some("cloudtoid-interprocess"),
    about: "many to many, 2 + 2 joined; bytes; try_send, or try_send_batch where sent in batches, and try_recv_into",
    work: |_| Some(processes::<cloudtoid::Bytes>()),
};

/// iceoryx2.
pub const ICEORYX: Entry = Entry {
    name: "iceoryx2",
    kind: Kind::Peer,
    package: Some("iceoryx2"),
    about: "publish and subscribe without overflow; slices lent beforehand, in place; an event for sleepers",
    work: |_| Some(processes::<iceoryx::Slices>()),
};

/// ipmpsc.
pub const IPMPSC: Entry = Entry {
    name: "ipmpsc",
    kind: Kind::Peer,
    package: Some("ipmpsc"),
    about: "many to one behind a lock; slices, received without a copy",
    work: |_| Some(processes::<ipmpsc::Slices>()),
};

/// ipc-channel.
pub const IPC_CHANNEL: Entry = Entry {
    name: "ipc-channel",
    kind: Kind::Peer,
    package: Some("ipc-channel"),
    about: "channel of bytes over a socket; send and try_recv, recv one way",
    work: |_| Some(processes::<ipc_channel::Bytes>()),
};

/// Aeron.
#[cfg(feature = "aeron")]
pub const AERON: Entry = Entry {
    name: "aeron",
    kind: Kind::Peer,
    package: Some("rusteron-client"),
    about: "exclusive publication between processes; claim and poll, in place up to 64 KiB less headers; a log of its own length",
    work: |_| Some(processes::<aeron::Ipc>()),
};
