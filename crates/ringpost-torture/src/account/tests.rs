//! Each complaint can be provoked, and what is allowed is not complained about.

use super::*;

/// What one receiver notes of message 0 of sender 1, and how it ends.
struct Story<'a> {
    noted: &'a [(Kind, u8)],
    killed: bool,
    unnoted: u64,
}

fn judged(committed: u32, stories: &[Story<'_>]) -> Verdict {
    judged_with(None, committed, stories)
}

fn judged_with(overwritten: Option<u64>, committed: u32, stories: &[Story<'_>]) -> Verdict {
    let mut account = Account::default();
    account.sender_ended(1, (1, committed), false);
    for story in stories {
        let mut holding = Holding::default();
        for &(kind, deliveries) in story.noted {
            account.event(&mut holding, Event { kind, sender: 1, sequence: 0, deliveries, at_us: 0 });
        }
        account.receiver_ended(holding, story.killed, story.unnoted);
    }
    account.finish(overwritten)
}

fn ended(noted: &[(Kind, u8)]) -> Story<'_> {
    Story { noted, killed: false, unnoted: 0 }
}

fn killed(noted: &[(Kind, u8)]) -> Story<'_> {
    Story { noted, killed: true, unnoted: 0 }
}

const WELL: [(Kind, u8); 3] = [(Kind::Got, 1), (Kind::Releasing, 1), (Kind::Released, 1)];
const AGAIN: [(Kind, u8); 3] = [(Kind::Got, 2), (Kind::Releasing, 2), (Kind::Released, 2)];

#[test]
fn what_is_allowed() {
    assert!(judged(1, &[ended(&WELL)]).is_clean());
    assert!(judged(1, &[killed(&WELL)]).is_clean());
    assert!(judged(1, &[killed(&WELL[..1]), ended(&AGAIN)]).is_clean());
    assert!(judged(1, &[killed(&WELL[..2]), ended(&AGAIN)]).is_clean());
    assert!(judged(1, &[ended(&[(Kind::Got, 1), (Kind::GivingBack, 1)]), ended(&AGAIN)]).is_clean());
    let uncertain = judged(1, &[killed(&WELL[..2])]);
    assert!(uncertain.is_clean() && uncertain.uncertain == 1);
    let vanished = judged(0, &[]);
    assert!(vanished.is_clean() && vanished.vanished == 1);
    let arrived = judged(0, &[ended(&WELL)]);
    assert!(arrived.is_clean() && arrived.arrived_uncommitted == 1);
    let unseen = judged(1, &[Story { noted: &[], killed: true, unnoted: 1 }, ended(&AGAIN)]);
    assert!(unseen.is_clean() && unseen.unseen == 1);
}

#[test]
fn a_lost_message_is_noticed() {
    assert_eq!(judged(1, &[]).lost, 1);
    assert_eq!(judged(1, &[killed(&WELL[..1])]).lost, 1, "its receiver died with it");
    assert_eq!(judged(1, &[ended(&[(Kind::Got, 1), (Kind::GivingBack, 1)])]).lost, 1, "it was given back");
}

#[test]
fn a_doubled_message_is_noticed() {
    assert_eq!(judged(1, &[ended(&WELL), ended(&WELL)]).doubled, 1, "not marked");
    assert_eq!(judged(1, &[ended(&WELL), ended(&AGAIN)]).doubled, 1, "released before");
    assert_eq!(judged(1, &[killed(&WELL[..1]), ended(&WELL)]).doubled, 1, "held, and not marked");
    assert_eq!(judged(1, &[ended(&AGAIN)]).doubled, 1, "marked, and nobody had died");
}

#[test]
fn a_robbed_receiver_is_noticed() {
    // It had the message all along, and released it later.
    let mut account = Account::default();
    account.sender_ended(1, (1, 1), false);
    let (mut robbed, mut robber) = (Holding::default(), Holding::default());
    let event = |(kind, deliveries)| Event { kind, sender: 1, sequence: 0, deliveries, at_us: 0 };
    account.event(&mut robbed, event(WELL[0]));
    for noted in AGAIN {
        account.event(&mut robber, event(noted));
    }
    account.event(&mut robbed, event(WELL[1]));
    account.event(&mut robbed, event(WELL[2]));
    account.receiver_ended(robbed, false, 0);
    account.receiver_ended(robber, false, 0);
    assert_eq!(account.finish(None).doubled, 1);
}

#[test]
fn other_faults_are_noticed() {
    assert_eq!(judged(1, &[ended(&WELL[..1])]).failed, 1, "kept at the end");
    let mut account = Account::default();
    let mut holding = Holding::default();
    for sequence in [1, 0] {
        for (kind, deliveries) in WELL {
            account.event(&mut holding, Event { kind, sender: 1, sequence, deliveries, at_us: 0 });
        }
    }
    account.receiver_ended(holding, false, 0);
    account.sender_ended(1, (1, 1), false);
    let verdict = account.finish(None);
    assert_eq!((verdict.disordered, verdict.torn), (1, 1), "in another order, and one that was never sent");
}

#[test]
fn what_was_overwritten_may_be_missing_and_nothing_else() {
    assert!(judged_with(Some(1), 1, &[]).is_clean());
    assert!(judged_with(Some(1), 1, &[killed(&WELL[..1])]).is_clean(), "it came back and was overwritten");
    assert!(judged_with(Some(0), 1, &[ended(&WELL)]).is_clean());
    assert_eq!(judged_with(Some(0), 1, &[]).lost, 1);
    assert_eq!(judged_with(Some(0), 1, &[killed(&WELL[..1])]).lost, 1);
    assert_eq!(judged_with(Some(1), 1, &[ended(&WELL)]).failed, 1, "it counts as overwritten, and came");
    assert_eq!(judged_with(Some(1), 1, &[ended(&WELL), ended(&AGAIN)]).doubled, 1);
    assert!(judged_with(Some(1), 1, &[killed(&WELL[..2])]).is_clean(), "nobody knows whether it was released");
    assert!(judged_with(Some(1), 0, &[]).is_clean(), "nobody knows whether it was committed");
}
