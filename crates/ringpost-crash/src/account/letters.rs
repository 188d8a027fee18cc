//! A queue and its dead-letter queue together: each message is in one of them, or in both.

use ringpost::{OpenError, Queue};

use super::{First, empty};
use crate::findings::{Findings, Wrong};
use crate::operation::{Expected, Must};
use crate::segment::dead;

/// Empties the dead-letter queue of queue `name`, which gave `got`, and compares.
pub fn examine(
    name: &str,
    got: &[(u64, bool)],
    expected: &[Expected],
    copies: usize,
    first: First,
    findings: &mut Findings,
) {
    let buried = match Queue::open(&dead(name)) {
        Ok(queue) => empty(&queue, first, findings).unwrap_or_default(),
        Err(OpenError::NotFound { .. }) => Vec::new(),
        Err(error) => return findings.add(Wrong::Stuck, format!("open the dead-letter queue: {error}")),
    };
    compare(got, &buried, expected, copies, findings);
}

fn compare(got: &[(u64, bool)], buried: &[(u64, bool)], expected: &[Expected], copies: usize, findings: &mut Findings) {
    for Expected { number, there, .. } in expected {
        let times = |all: &[(u64, bool)]| all.iter().filter(|(n, _)| n == number).count();
        let (here, among_dead) = (times(got), times(buried));
        if here + among_dead == 0 {
            findings.add(Wrong::Lost, format!("message {number} is in neither queue"));
        }
        if here > usize::from(*there != Must::NotBe) {
            findings.add(Wrong::Doubled, format!("message {number} is delivered once more than allowed"));
        }
    }
    let most = expected.len() + copies;
    if got.len() + buried.len() > most {
        findings.add(Wrong::Doubled, format!("{got:?} and dead {buried:?}: more than {most}"));
    }
    for (number, redelivered) in got.iter().chain(buried) {
        if *redelivered {
            findings.add(Wrong::Doubled, format!("message {number} says that it was delivered before"));
        }
        if !expected.iter().any(|message| message.number == *number) {
            findings.add(Wrong::Doubled, format!("message {number}, which was released long ago"));
        }
    }
    if !buried.is_sorted_by_key(|(number, _)| *number) {
        findings.add(Wrong::Disordered, format!("dead {buried:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, Pair, expected};

    #[test]
    fn each_message_is_in_one_of_the_two_or_in_both() {
        let found = |got: &[u64], buried: &[u64], copies| {
            let expected = expected(Operation::Bury, Pair::ManyMany, false);
            let first = expected[0].number;
            let flagged = |numbers: &[u64]| numbers.iter().map(|number| (first + number, false)).collect::<Vec<_>>();
            let mut findings = Findings::default();
            compare(&flagged(got), &flagged(buried), &expected, copies, &mut findings);
            Wrong::ALL.into_iter().filter(|wrong| findings.has(*wrong)).collect::<Vec<_>>()
        };
        assert_eq!(found(&[2], &[0, 1], 0), []);
        assert_eq!(found(&[], &[0, 0, 1, 2], 1), []);
        assert_eq!(found(&[2], &[1], 1), [Wrong::Lost]);
        assert_eq!(found(&[], &[0, 1], 1), [Wrong::Lost]);
        assert_eq!(found(&[2], &[0, 0, 1], 0), [Wrong::Doubled]);
        assert_eq!(found(&[0, 2], &[0, 1], 1), [Wrong::Doubled]);
        assert_eq!(found(&[2], &[1, 0], 1), [Wrong::Disordered]);
        assert_eq!(found(&[2, 3], &[0, 1], 1), [Wrong::Doubled]);
    }
}
