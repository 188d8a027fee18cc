//! A helper that waits in the place of an endpoint, which has an event loop to sleep in.
//!
//! The endpoint gives orders through a control word: the lower two bits say what to do, the others count orders, so that
//! each order makes the word another one. Only the endpoint counts up. The helper changes [`Order::Watch`] into
//! [`Order::Rest`] when it has something to report, in one exchange with exactly the order that it followed: an order
//! that came meanwhile stands.

use core::time::Duration;

use super::until::look_and_watch;
use super::{Attempt, LONG_SLEEP, Parking, Phase, SHORT_SLEEP, event};
use crate::sync::{AtomicU32, Ordering};

const WHAT: u32 = 3;
const ONE_ORDER: u32 = 4;
/// How long a helper with nothing to do sleeps, at most: it is woken for every order.
const A_DAY: Duration = Duration::from_secs(86_400);

/// What a helper is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing, until the next order.
    Rest = 0,
    /// Watch, and report once.
    Watch = 1,
    /// End.
    Stop = 2,
}

/// Gives the next order. One thread at a time does this.
pub fn order<P: Parking>(parking: &P, control: &AtomicU32, what: Order) {
    // Relaxed: only we count up; what the helper may change meanwhile does not matter any more.
    let next = (control.load(Ordering::Relaxed) & !WHAT).wrapping_add(ONE_ORDER) | what as u32;
    // Release: order, pairs with obey: what the helper is to look for was noted before. An exchange, because the helper may
    // exchange it at the same moment.
    control.swap(next, Ordering::Release);
    parking.unpark(control, 1);
}

/// The helper: follows orders until it is told to stop. `event` is moved after what `look` looks for. Whenever a look is
/// done while there is an order to watch, `report` is called once, and the order is done.
///
/// When it has slept ([`Phase::has_slept`]), a look that is done must pass the wake-up on if there is more than the endpoint will take. And
/// `pass_on` is called when an order ends a sleep: the event's waker may have counted us as woken at the same moment, after
/// whoever gave the order has passed on what it saw.
pub fn serve<P: Parking>(
    parking: &P,
    control: &AtomicU32,
    event: &AtomicU32,
    mut look: impl FnMut(Phase) -> Attempt<()>,
    mut report: impl FnMut(),
    mut pass_on: impl FnMut(),
) {
    loop {
        // Acquire: obey, pairs with order.
        let order = control.load(Ordering::Acquire);
        if order & WHAT == Order::Stop as u32 {
            return;
        }
        if order & WHAT != Order::Watch as u32 {
            parking.park(control, order, A_DAY);
            continue;
        }
        if !watch(parking, (control, order), event, &mut look) {
            pass_on();
        } else {
            let done = order & !WHAT | Order::Rest as u32;
            // Relaxed: a report says nothing but that a look is worthwhile.
            if control.compare_exchange(order, done, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                report();
            }
        }
    }
}

/// Waits by the protocol. Returns whether a look was done; if not, the order is no longer in force.
fn watch<P: Parking>(
    parking: &P,
    control: (&AtomicU32, u32),
    event: &AtomicU32,
    look: &mut impl FnMut(Phase) -> Attempt<()>,
) -> bool {
    let mut phase = Phase::Sleeping;
    // Relaxed: the order is read again before it is obeyed.
    while control.0.load(Ordering::Relaxed) == control.1 {
        let ticket = event::mark(parking, event);
        let soon = match look_and_watch(phase, look) {
            Attempt::Done(()) => return true,
            Attempt::Blocked { soon } => soon,
        };
        let limit = if soon || !ticket.ordered { SHORT_SLEEP } else { LONG_SLEEP };
        event::sleep_or(parking, event, ticket, control, limit);
        phase = Phase::Woken;
    }
    false
}
