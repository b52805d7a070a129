//! Status: a change of seq is announced, queried for, and applied, also over relays.

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_testkit::TestAuthority;

use crate::network::line;

#[tokio::test]
async fn a_change_is_seen_by_every_node_with_a_higher_seq() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let owner = nodes[0].id;
    let before = nodes[2].behaviour(move |it| it.overlay().record(&owner).map(|record| record.status.version)).await;
    nodes[0].behaviour(|behaviour| behaviour.set_application_field(Bytes::from("height 7"))).await;
    let seen = nodes[2].wait("the new status", |event| match event {
        Event::NodeChanged { record } if record.status.node == owner && record.status.application == "height 7" => {
            Some(record.status.version)
        }
        _ => None,
    });
    assert!(Some(seen.await) > before);
}

#[tokio::test]
async fn a_record_carries_name_agency_and_neighbours_of_its_node() {
    let nodes = line(&TestAuthority::named("chain", "agencyA"), 3).await;
    let (first, middle) = (nodes[0].id, nodes[1].id);
    let record = nodes[2].behaviour(move |it| it.overlay().record(&first).cloned()).await.expect("a record");
    assert_eq!((record.status.name.as_str(), record.status.agency.as_str()), ("n0", "agencyA"));
    assert!(record.status.neighbours.contains(&middle));
}
