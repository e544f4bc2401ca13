//! All contacts are lost, and one shows up by itself.

use super::*;

#[test]
fn what_waits_goes_on_when_a_lost_contact_shows_up_by_itself() {
    let mut net = Net::new(2);
    net.settle();
    net.kill(0);
    let _ = net.get(1, InfoHash::of(b"nobody is there"));
    assert_eq!(net.nodes[1].status(Family::V4), Status::Connecting);

    let key = InfoHash::of(b"key");
    let op = net.nodes[1].get(net.now, key, Query::default()).unwrap();
    net.drain(1);
    net.dead[0] = false;
    net.nodes[0].get(net.now, key, Query::default()).unwrap();
    net.drain(0);
    net.run(30_000);
    assert_eq!(net.nodes[1].status(Family::V4), Status::Connected);
    let answered = |event| match event {
        Event::GetDone { op: its, report } if its == op => Some(report.answered),
        _ => None,
    };
    let answered = net.take_events(1).into_iter().find_map(answered);
    assert_eq!(answered, Some(1));
}
