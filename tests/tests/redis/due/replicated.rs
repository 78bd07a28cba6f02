//! With replicas that acknowledge: a call with an input begins once they have it, and its place in the index.

use idempotent_servers::{Flavor, Server, require};

use super::call::{Call, index, number};
use crate::replicas::{ReplicaGroup, assert_short};

#[tokio::test]
async fn a_call_with_an_input_begins_once_replicas_have_it_and_its_place_in_the_index() {
    require!(Server::Redis);
    let group = ReplicaGroup::of(Flavor::Redis, 1).await;
    let (store, replica) = (group.connect_patiently(1).await, &group.replicas[0]);
    for at in 1..=20 {
        let call = Call::reserve(&store).await;
        assert_eq!(number(replica, &["EXISTS", &call.key()]).await, 1);
        assert_eq!(number(replica, &["ZCARD", &index()]).await, at);
    }
    let hasty = group.connect(1).await;
    group.leave(0).await;
    let short = Call::try_reserve(&hasty).await.err().unwrap();
    assert_short(&short, 0, 1);
}
