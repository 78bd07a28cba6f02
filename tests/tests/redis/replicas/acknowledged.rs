//! What was answered stands on the replicas.

use idempotent_core::store::{ReserveOutcome, State, Store};
use idempotent_servers::{Flavor, Redis, Server, require};
use idempotent_tests::Attempt;

use super::replica_group::ReplicaGroup;

async fn keys(server: &Redis) -> String {
    server.cli(&["DBSIZE"]).await.to_string()
}

/// Each look at the replicas comes right after the answer.
async fn every_answer_stands_on_the_replicas(group: &ReplicaGroup) {
    let store = group.connect_patiently(2).await;
    for count in 1..=50 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        for replica in &group.replicas {
            assert_eq!(keys(replica).await, count.to_string());
        }
        let payload = vec![b'x'; 1000];
        attempt.record(&store, &reservation, &payload).await;
        let length = reservation.completed(&payload).as_bytes().len();
        for replica in &group.replicas {
            let used = replica.cli(&["EVAL", LONGER, "0", &length.to_string()]).await;
            assert_eq!(used.to_string(), count.to_string(), "completed records on a replica");
        }
    }
}

/// Counts the values of at least a length.
const LONGER: &str = "#!lua flags=no-writes,allow-cross-slot-keys
    local count = 0
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if redis.call('STRLEN', key) >= tonumber(ARGV[1]) then count = count + 1 end
    end
    return count";

#[tokio::test]
async fn by_script_every_answer_stands_on_the_replicas() {
    require!(Server::Redis);
    every_answer_stands_on_the_replicas(&ReplicaGroup::start(2).await).await;
}

#[tokio::test]
async fn by_ifeq_every_answer_stands_on_the_replicas() {
    require!(Server::Valkey91);
    every_answer_stands_on_the_replicas(&ReplicaGroup::of(Flavor::Valkey91, 2).await).await;
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_completes_all_the_same() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    let attempt = Attempt::at_most_once();
    let reservation = attempt.win(&store).await;
    group.primary.cli(&["SCRIPT", "FLUSH"]).await;
    attempt.record(&store, &reservation, b"result").await;
    let ReserveOutcome::Taken(entry) = attempt.reserve(&store).await.unwrap() else {
        panic!("a completed id was won");
    };
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, reservation.completed(b"result"));
    assert!(store.purge(&attempt.id).await.unwrap());
}
