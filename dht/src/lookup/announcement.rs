//! [`Announcement`]: one put: which nodes need the value, which acknowledged it, when it is
//! announced again.

use std::time::Duration;

use super::{Creation, Ended, OpId};
use crate::value::{Field, Row, Value, ValueType};
use crate::{Contact, InfoHash, Timestamp};

/// Nodes with a remembered copy, above which those that the lookup has forgotten are forgotten
/// here as well.
const MAX_REPLICAS: usize = 128;

/// Bytes of an unsigned value up to which nodes are asked for the whole of what they hold.
const MAX_COMPARED: usize = 512;

/// What became of a put. An acknowledgement is no proof of storage: this protocol acknowledges
/// refused values too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub struct PutReport {
    /// Nodes that were sent the value, or spared it because they hold what it must not replace.
    pub asked: usize,
    /// Nodes that acknowledged it.
    pub acknowledged: usize,
    /// Nodes that refused it, or hold a signed value that must not be replaced by it.
    pub refused: usize,
    /// Nodes that did not answer in time, to the last attempt.
    pub silent: usize,
    /// Why it ended.
    pub ended: Ended,
}

impl std::ops::AddAssign for PutReport {
    /// Joins the reports of two address families.
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.silent += other.silent;
        self.ended = self.ended.join(other.ended);
    }
}

/// A value on its way to the nodes nearest to its key.
#[derive(Debug)]
pub(crate) struct Announcement {
    /// The put it belongs to.
    pub(crate) op: OpId,
    /// The id of the key that signed the value.
    owner: Option<InfoHash>,
    /// What is announced.
    pub(crate) value: Value,
    /// When it was made; `None` means "now" at each announcement.
    pub(crate) created: Option<Creation>,
    /// Announced again this long after each acknowledgement; `None` for once only.
    pub(crate) renewal: Option<Duration>,
    /// By node; hardly more than the lookup has candidates, too few to be in any order.
    replicas: Vec<(Contact, ReplicaState)>,
    /// Whether the first round is over.
    reported: bool,
    /// When its first round began.
    began: Option<Timestamp>,
    /// Requests sent for it.
    requests: usize,
}

/// What is known of a node's copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReplicaState {
    /// The node is being asked what it holds.
    Probed,
    /// It does not have the value.
    Lacks,
    /// It has the value, and must restart its life.
    Holds,
    /// The value is on its way to it.
    Sent,
    /// It did not answer when it was sent the value.
    Silent,
    /// It acknowledged.
    Acknowledged(Timestamp),
    /// It said no, or holds a value that ours must not replace.
    Refused,
    /// It refuses the tokens that it gives; a permanent put tries again then.
    Rejecting(Timestamp),
}

/// What a candidate must be sent for an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextRequest {
    Probe,
    Put,
    Refresh,
}

impl Announcement {
    pub(crate) fn new(
        op: OpId,
        value: Value,
        created: Option<Creation>,
        renewal: Option<Duration>,
    ) -> Self {
        let owner = Row::of(&value, &[Field::Owner].into()).owner;
        Self {
            op,
            owner: owner.filter(|id| !id.is_zero()),
            value,
            created,
            renewal,
            replicas: Vec::new(),
            reported: false,
            began: None,
            requests: 0,
        }
    }

    /// Returns what `node` must be sent now, if anything.
    pub(super) fn due(&self, node: &Contact, now: Timestamp) -> Option<NextRequest> {
        match self.replica(node) {
            None | Some(ReplicaState::Silent) => Some(self.first_request()),
            Some(ReplicaState::Lacks) => Some(NextRequest::Put),
            Some(ReplicaState::Holds) => Some(NextRequest::Refresh),
            Some(ReplicaState::Acknowledged(at)) => {
                let renewal = self.renewal?;
                (now >= at + renewal).then(|| self.first_request())
            }
            Some(ReplicaState::Rejecting(until)) => {
                (self.lasts() && now >= until).then(|| self.first_request())
            }
            Some(ReplicaState::Probed | ReplicaState::Sent | ReplicaState::Refused) => None,
        }
    }

    /// Reports whether nodes are asked for what they hold as a whole: that tells whether it is
    /// ours, and takes one datagram.
    pub(crate) fn compares_whole(&self) -> bool {
        self.value.signed().is_none() && self.value.packed().len() <= MAX_COMPARED
    }

    /// Returns when `node` must be sent something, if a renewal is all it waits for.
    pub(super) fn due_at(&self, node: &Contact) -> Option<Timestamp> {
        match self.replica(node) {
            Some(ReplicaState::Acknowledged(at)) => self.renewal.map(|renewal| at + renewal),
            Some(ReplicaState::Rejecting(until)) => self.renewal.map(|_| until),
            _ => None,
        }
    }

    /// Reports whether `node` needs nothing until a renewal.
    pub(super) fn is_settled(&self, node: &Contact) -> bool {
        matches!(
            self.replica(node),
            Some(
                ReplicaState::Acknowledged(_) | ReplicaState::Refused | ReplicaState::Rejecting(_)
            )
        )
    }

    /// Reports whether a reply of `node` is on its way.
    pub(super) fn awaits(&self, node: &Contact) -> bool {
        matches!(
            self.replica(node),
            Some(ReplicaState::Probed | ReplicaState::Sent)
        )
    }

    pub(super) fn on_asked(&mut self, now: Timestamp, node: Contact, due: NextRequest) {
        self.requests += 1;
        self.began.get_or_insert(now);
        let replica = match due {
            NextRequest::Probe => ReplicaState::Probed,
            NextRequest::Put | NextRequest::Refresh => ReplicaState::Sent,
        };
        self.set(node, replica);
    }

    /// Notes which value `node` holds under our id, if any, and the whole of it if it was sent.
    pub(super) fn on_probed(
        &mut self,
        node: Contact,
        held: Option<&Row>,
        held_value: Option<&Value>,
    ) {
        let is_unsigned = self.value.signed().is_none();
        let owner = |row: &Row| row.owner.filter(|id| !id.is_zero());
        let replica = match held {
            // Only its owner replaces a signed value, and ours must not keep another's alive.
            Some(row) if owner(row).is_some() && owner(row) != self.owner => ReplicaState::Refused,
            // Unsigned values are final.
            Some(_)
                if is_unsigned && held_value.is_some_and(|it| !it.same_content(&self.value)) =>
            {
                ReplicaState::Refused
            }
            Some(row) if row.seq.unwrap_or(0) >= self.value.seq() && self.renewal.is_some() => {
                ReplicaState::Holds
            }
            Some(_) | None => ReplicaState::Lacks,
        };
        self.set(node, replica);
    }

    pub(super) fn on_acknowledged(&mut self, node: Contact, now: Timestamp) {
        self.set(node, ReplicaState::Acknowledged(now));
    }

    /// Notes that `node` has no such value to refresh, or that our token was wrong; if it is
    /// `paused`, as the tokens before, so that it is left alone until then.
    pub(super) fn on_rejected(&mut self, node: Contact, paused: Option<Timestamp>) {
        let replica = paused.map_or(ReplicaState::Lacks, ReplicaState::Rejecting);
        self.set(node, replica);
    }

    pub(super) fn on_refused(&mut self, node: Contact) {
        self.set(node, ReplicaState::Refused);
    }

    /// Notes that `node` failed; should it return, it starts anew.
    pub(super) fn on_failed(&mut self, node: &Contact) {
        match self.replica(node) {
            Some(ReplicaState::Sent) if !self.reported => self.set(*node, ReplicaState::Silent),
            Some(ReplicaState::Silent) => {}
            _ => self.replicas.retain(|(it, _)| it != node),
        }
    }

    /// Forgets all but the nodes that are still `known`, if there are many: the nearest may change
    /// without end.
    pub(super) fn trim(&mut self, known: impl Fn(&Contact) -> bool) {
        if self.replicas.len() > MAX_REPLICAS {
            self.replicas.retain(|(it, _)| known(it));
        }
    }

    /// Returns until when the first round may take, once it has begun.
    pub(super) fn ends_at(&self, max_time: Duration) -> Option<Timestamp> {
        let began = self.began.filter(|_| !self.reported)?;
        Some(began + max_time)
    }

    /// Returns why the first round must end now, if it has cost all that it may.
    pub(super) fn cut_short(
        &self,
        now: Timestamp,
        max_requests: usize,
        max_time: Duration,
    ) -> Option<Ended> {
        if self.ends_at(max_time)? <= now {
            Some(Ended::OutOfTime)
        } else {
            (self.requests >= max_requests).then_some(Ended::OutOfRequests)
        }
    }

    /// Returns the report of the first round, once.
    pub(super) fn report(&mut self, ended: Ended) -> Option<PutReport> {
        if self.reported {
            return None;
        }
        self.reported = true;
        let replicas = self.replicas.iter().map(|(_, replica)| replica);
        let count =
            |which: fn(&ReplicaState) -> bool| replicas.clone().filter(|it| which(it)).count();
        let acknowledged = count(|replica| matches!(replica, ReplicaState::Acknowledged(_)));
        let refused =
            count(|replica| matches!(replica, ReplicaState::Refused | ReplicaState::Rejecting(_)));
        let is_silent =
            |replica: &ReplicaState| matches!(replica, ReplicaState::Sent | ReplicaState::Silent);
        let silent = count(is_silent);
        if self.renewal.is_some() {
            // Should they answer after all, they are sent it anew.
            self.replicas.retain(|(_, replica)| !is_silent(replica));
        }
        Some(PutReport {
            asked: acknowledged + refused + silent,
            acknowledged,
            refused,
            silent,
            ended,
        })
    }

    /// Reports whether it is announced again and again.
    pub(super) fn lasts(&self) -> bool {
        self.renewal.is_some()
    }

    /// Reports whether the first round is over.
    pub(super) fn was_reported(&self) -> bool {
        self.reported
    }

    /// Reports whether nothing is left to do: it was reported, and is not announced again.
    pub(super) fn is_over(&self) -> bool {
        self.reported && self.renewal.is_none()
    }

    fn replica(&self, node: &Contact) -> Option<ReplicaState> {
        let known = self.replicas.iter().find(|(it, _)| it == node);
        known.map(|(_, replica)| *replica)
    }

    fn set(&mut self, node: Contact, replica: ReplicaState) {
        match self.replicas.iter_mut().find(|(it, _)| *it == node) {
            Some((_, known)) => *known = replica,
            None => self.replicas.push((node, replica)),
        }
    }

    /// Returns what a node is sent first, or for a renewal. It is asked what it holds before it is
    /// sent the value: an unsigned one must not replace a signed one, and for a permanent one a
    /// refresh may do. A certificate is sent whatever is there: another one would be refreshed, and
    /// its renewals are rare.
    fn first_request(&self) -> NextRequest {
        let may_refresh = self.value.signed().is_none() || self.renewal.is_some();
        if may_refresh && self.value.value_type() != ValueType::CERTIFICATE {
            NextRequest::Probe
        } else {
            NextRequest::Put
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::{Latency, Limits, Lookup, LookupAction, LookupReply, LookupRequest};
    use crate::value::{Draft, ValueId};
    use crate::{Seed, wire};

    #[test]
    fn of_many_nodes_only_those_still_known_are_remembered() {
        let value = wire::pack(&Draft::new(vec![7]), ValueId(1));
        let mut announce = Announcement::new(OpId(1), value, None, None);
        let addr = ([127, 0, 0, 1], 1).into();
        let node = |number: usize| Contact::new(InfoHash::of(&number.to_be_bytes()), addr);
        let last = node(MAX_REPLICAS);
        for number in 0..=MAX_REPLICAS {
            assert_eq!(announce.replicas.len(), number);
            announce.on_acknowledged(node(number), Timestamp::ZERO);
            announce.on_acknowledged(node(number), Timestamp::ZERO);
            if number < MAX_REPLICAS {
                announce.trim(|_| false);
            }
        }
        announce.trim(|node| *node == last);
        assert_eq!(announce.replicas.len(), 1);
        assert!(announce.is_settled(&last));
        assert!(!announce.is_settled(&node(0)));
    }

    #[test]
    fn what_another_holds_under_the_id_is_refused_and_not_refreshed() {
        let lasting = Some(Duration::from_secs(600));
        let text = |text: &str| wire::pack(&Draft::from(text), ValueId(1));
        let fields = [Field::Id, Field::Owner, Field::Seq].into();
        let node = Contact::new(InfoHash::ZERO, ([127, 0, 0, 1], 1).into());
        let (ours, other) = (text("ours"), text("other"));
        let mut announcement = Announcement::new(OpId(1), ours.clone(), None, lasting);
        let signed = Row {
            owner: Some(InfoHash::new([1; 20])),
            ..Row::of(&other, &fields)
        };
        let row = Row::of(&other, &fields);
        for (row, value, replica) in [
            (&signed, None, ReplicaState::Refused),
            (&row, Some(&other), ReplicaState::Refused),
            (&row, Some(&ours), ReplicaState::Holds),
            (&row, None, ReplicaState::Holds),
        ] {
            announcement.on_probed(node, Some(row), value);
            assert_eq!(announcement.replica(&node), Some(replica));
        }
        announcement.owner = Some(InfoHash::new([2; 20]));
        announcement.on_probed(node, Some(&signed), None);
        assert_eq!(announcement.replica(&node), Some(ReplicaState::Refused));
        announcement.owner = signed.owner;
        announcement.on_probed(node, Some(&signed), None);
        assert_eq!(announcement.replica(&node), Some(ReplicaState::Holds));
    }

    #[test]
    fn a_node_that_fails_with_the_value_is_silent_in_the_report_and_new_after_it() {
        let value = wire::pack(&Draft::new(vec![7]), ValueId(1));
        let mut announcement = Announcement::new(OpId(1), value, None, None);
        let addr = ([127, 0, 0, 1], 1).into();
        let node = |number: u8| Contact::new(InfoHash::new([number; 20]), addr);
        let mut fail = |number: u8| {
            announcement.on_asked(Timestamp::ZERO, node(number), NextRequest::Put);
            announcement.on_failed(&node(number));
            let replica = announcement.replica(&node(number));
            announcement.reported = true;
            replica
        };
        assert_eq!(fail(1), Some(ReplicaState::Silent));
        assert_eq!(fail(2), None);
    }

    #[test]
    fn a_node_that_failed_and_returns_before_a_put_is_over_is_sent_it_anew() {
        let mut rng = Seed::from_number(1).public();
        let mut lookup = Lookup::new(InfoHash::ZERO, Limits::default());
        let value = wire::pack(&Draft::new(vec![7]), ValueId(1));
        lookup.announce(
            Timestamp::ZERO,
            Announcement::new(OpId(1), value, None, None),
        );
        let node = |number| Contact::new(InfoHash::new([number; 20]), ([127, 0, 0, 1], 1).into());
        let (here, returning) = (node(1), node(2));
        lookup.offer(&[here, returning], true);
        let (mut puts, mut is_back, mut now) = (0, false, Timestamp::ZERO);
        loop {
            match lookup.poll(now, false, &Latency::UNKNOWN, &mut rng) {
                LookupAction::Request(contact, LookupRequest::Put(..))
                    if contact == returning && !is_back =>
                {
                    is_back = true;
                    lookup.on_failed(now, &returning);
                    lookup.offer(&[returning], true);
                }
                LookupAction::Request(contact, ask) => {
                    puts += usize::from(matches!(ask, LookupRequest::Put(..)));
                    let token = Some("token".into());
                    let answer = LookupReply {
                        token,
                        ..LookupReply::default()
                    };
                    lookup.on_answer(now, &contact, &ask, answer);
                }
                LookupAction::Announced(_, report) => {
                    assert!(is_back);
                    assert_eq!((puts, report.acknowledged, report.silent), (2, 2, 0));
                    return;
                }
                LookupAction::Answered(..) => panic!("nothing was asked"),
                LookupAction::Wait(until) => {
                    assert_ne!(until, Timestamp::MAX, "it waits for ever");
                    now = until;
                }
            }
        }
    }

    #[test]
    fn nodes_that_come_ever_nearer_are_remembered_up_to_a_bound() {
        let now = Timestamp::ZERO;
        let mut rng = Seed::from_number(1).public();
        let mut lookup = Lookup::new(InfoHash::ZERO, Limits::default());
        let value = wire::pack(&Draft::new(vec![7]), ValueId(1));
        let for_good = Some(Duration::from_secs(3_600));
        lookup.announce(now, Announcement::new(OpId(1), value, None, for_good));
        for distance in (1..=1_000_u16).rev() {
            let mut id = [0; InfoHash::LEN];
            id[18..].copy_from_slice(&distance.to_be_bytes());
            let addr = ([127, 0, 0, 1], distance).into();
            let nearest = Contact::new(InfoHash::new(id), addr);
            lookup.offer(&[nearest], true);
            loop {
                match lookup.poll(now, false, &Latency::UNKNOWN, &mut rng) {
                    LookupAction::Request(contact, ask) => {
                        let answer = LookupReply {
                            token: Some("token".into()),
                            ..LookupReply::default()
                        };
                        lookup.on_answer(now, &contact, &ask, answer);
                    }
                    LookupAction::Answered(..) | LookupAction::Announced(..) => {}
                    LookupAction::Wait(_) => break,
                }
            }
            let announce = lookup.announced(ValueId(1)).unwrap();
            assert!(announce.replicas.len() <= MAX_REPLICAS);
            assert!(announce.is_settled(&nearest));
        }
    }
}
