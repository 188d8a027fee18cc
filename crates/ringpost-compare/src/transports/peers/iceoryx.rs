//! iceoryx2: publish and subscribe, over a pool of samples that are lent and read in place.
//!
//! Who sleeps is woken by an event, a service of its own: the form that the library's examples have.

use std::mem::MaybeUninit;
use std::path::Path as FilePath;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::sample_mut_uninit::SampleMutUninit;
use iceoryx2::service::port_factory::{event, publish_subscribe};
use ringpost::zerocopy::IntoBytes;

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx, Waiting};

type Ipc = ipc::Service;

/// Slices of bytes. A subscriber that has no room makes the publisher wait.
pub struct Slices;

/// Removes what a killed process left: the files of this place that are not in its folder.
pub struct Guard(String);

impl Drop for Guard {
    fn drop(&mut self) {
        let Ok(entries) = std::fs::read_dir("/dev/shm") else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.0) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn prefix(place: &Place) -> String {
    format!("{}_", place.name)
}

/// The node, its service for messages, and its service for waking.
struct Services {
    _node: Node<Ipc>,
    messages: publish_subscribe::PortFactory<Ipc, [u64], ()>,
    wakes: Option<event::PortFactory<Ipc>>,
}

impl Services {
    fn open(place: &Place) -> Result<Self> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        config.global.prefix = FileName::new(prefix(place).as_bytes()).ok().context("the prefix is no file name")?;
        config.global.set_root_path(&root(&place.dir)?);
        let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
        let node = builder.create::<Ipc>()?;
        let name: ServiceName = place.name.as_str().try_into()?;
        let messages = node.service_builder(&name).publish_subscribe::<[u64]>();
        let messages = messages
            .max_publishers(1)
            .max_subscribers(1)
            .max_nodes(2)
            .history_size(0)
            .subscriber_max_buffer_size(place.depth)
            .subscriber_max_borrowed_samples(1)
            .enable_safe_overflow(false)
            .open_or_create()?;
        let wakes = if place.wait == Waiting::Sleep {
            Some(node.service_builder(&name).event().max_notifiers(1).max_listeners(1).max_nodes(2).open_or_create()?)
        } else {
            None
        };
        Ok(Self { _node: node, messages, wakes })
    }
}

fn root(dir: &FilePath) -> Result<Path> {
    Path::new(dir.as_os_str().as_encoded_bytes()).ok().context("the folder's path is too long")
}

impl Transport for Slices {
    const ABLE: Able = Able {
        sleep: Support::Yes,
        many: Support::No("every subscriber gets every message"),
        in_place: true,
        ..Able::LEAST
    };
    type Guard = Guard;
    type Tx = SlicesTx;
    type Rx = SlicesRx;

    fn create(place: &Place) -> Result<Guard> {
        Ok(Guard(prefix(place)))
    }

    fn sender(place: &Place) -> Result<SlicesTx> {
        let services = place.until(|| Services::open(place))?;
        let tx = services
            .messages
            .publisher_builder()
            .initial_max_slice_len(place.len / 8)
            .max_loaned_samples(2)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let wake = services.wakes.as_ref().map(|wakes| wakes.notifier_builder().create()).transpose()?;
        // What is sent to nobody is lost.
        place.until(|| {
            ensure!(services.messages.dynamic_config().number_of_subscribers() == 1, "no subscriber has come");
            Ok(())
        })?;
        tx.update_connections()?;
        let next = tx.loan_slice_uninit(place.len / 8)?;
        Ok(SlicesTx { next: Some(next), tx, wake, words: place.len / 8, _services: services })
    }

    fn receiver(place: &Place) -> Result<SlicesRx> {
        let services = place.until(|| Services::open(place))?;
        let wake = services.wakes.as_ref().map(|wakes| wakes.listener_builder().create()).transpose()?;
        let rx = services.messages.subscriber_builder().buffer_size(place.depth).create()?;
        Ok(SlicesRx { rx, wake, _services: services })
    }
}

/// Publishes.
pub struct SlicesTx {
    /// Lent beforehand, as the library's own benchmark does: while the last one is on its way.
    next: Option<SampleMutUninit<Ipc, [MaybeUninit<u64>], ()>>,
    tx: Publisher<Ipc, [u64], ()>,
    wake: Option<Notifier<Ipc>>,
    words: usize,
    _services: Services,
}

impl Tx for SlicesTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        let mut sample = self.next.take().context("an earlier message could not be lent")?;
        let words = sample.payload_mut();
        // SAFETY: as long as the sample, which is lent exclusively. It lies in a file that began as zeros, and holds integers
        // only: its bytes are initialized, and any bytes are a value.
        fill(unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) });
        // SAFETY: filled above.
        let reached = unsafe { sample.assume_init() }.send()?;
        ensure!(reached == 1, "a message went to {reached} subscribers");
        self.next = Some(self.tx.loan_slice_uninit(self.words)?);
        Ok(())
    }

    fn send_asleep(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        self.send(fill, idle)?;
        self.wake.as_ref().context("not joined to wake anybody")?.notify()?;
        Ok(())
    }
}

/// Subscribes.
pub struct SlicesRx {
    rx: Subscriber<Ipc, [u64], ()>,
    wake: Option<Listener<Ipc>>,
    _services: Services,
}

impl Rx for SlicesRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            if let Some(sample) = self.rx.receive()? {
                read(sample.payload().as_bytes());
                return Ok(());
            }
            idle.pause()?;
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let wake = self.wake.as_ref().context("not joined to be woken")?;
        loop {
            if let Some(sample) = self.rx.receive()? {
                read(sample.payload().as_bytes());
                return Ok(true);
            }
            if wake.timed_wait(|_| {}, Duration::from_millis(50))? == 0 {
                return Ok(false);
            }
        }
    }
}
