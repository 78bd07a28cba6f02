//! The rows.

use std::time::Duration;

use idempotent_core::Guarantee;

use super::{MinReplicas, Persistence, Promise, Row, ServerFault, Topology, WorkerFault};

const GUARANTEES: [Guarantee; 2] = [Guarantee::AtLeastOnce, Guarantee::AtMostOnce];

const SHORT_LEASE: Duration = Duration::from_secs(2);
/// Longer than a failover, so that a living owner's lease outlasts one.
const FAILOVER_LEASE: Duration = Duration::from_secs(6);

/// Longer than most leases, so that some need renewing.
const LONGEST_BODY: Duration = Duration::from_millis(2_400);

/// All rows.
#[must_use]
pub fn rows() -> Vec<Row> {
    GUARANTEES
        .into_iter()
        .flat_map(|guarantee| {
            let mut rows = one_server(guarantee);
            rows.extend(sentinel(guarantee));
            rows.extend(cluster(guarantee));
            rows.extend(postgres(guarantee));
            rows.extend(sqlite(guarantee));
            rows
        })
        .collect()
}

/// What a store that loses nothing promises when owners are lost, to the server's faults or their
/// own.
fn owners_lost(guarantee: Guarantee) -> Promise {
    match guarantee {
        Guarantee::AtMostOnce => Promise::NoDuplicates,
        _ => Promise::OwnersLost,
    }
}

/// The same while owners cannot reach the store for longer than a lease.
fn owners_cut_off(guarantee: Guarantee) -> Promise {
    match guarantee {
        Guarantee::AtMostOnce => Promise::NoDuplicates,
        _ => Promise::FaultsOnly,
    }
}

fn one_server(guarantee: Guarantee) -> Vec<Row> {
    use ServerFault::{
        Delay, DemotePrimary, DropConnections, FillMemory, FlushScripts, LoseAnswers, Pause,
        Restart,
    };
    let row = |faults: &str, topology| Row::new(faults, topology, guarantee);
    let redis = Topology::Redis(Persistence::None);
    let redis_aof = Topology::Redis(Persistence::AppendOnly);
    let valkey = Topology::Valkey(Persistence::None);
    let valkey_aof = Topology::Valkey(Persistence::AppendOnly);
    vec![
        row("no-server-fault", redis)
            .workers(5, WorkerFault::Kill)
            .operations(110_000)
            .promise(owners_lost(guarantee)),
        row("paused-workers", redis).workers(4, WorkerFault::Pause).promise(owners_lost(guarantee)),
        row("scripts-flushed", redis)
            .servers(&[FlushScripts; 6])
            .workers(2, WorkerFault::Kill)
            .promise(owners_lost(guarantee)),
        row("memory-full", redis)
            .servers(&[FillMemory; 2])
            .workers(2, WorkerFault::Kill)
            .promise(owners_lost(guarantee)),
        row("proxy", Topology::Proxied)
            .servers(&[LoseAnswers, Delay, DropConnections, LoseAnswers, Delay])
            .promise(owners_cut_off(guarantee)),
        row("paused-server", redis)
            .servers(&[Pause; 2])
            .load(Duration::from_secs(9))
            .workers(1, WorkerFault::Kill)
            .promise(owners_cut_off(guarantee)),
        row("demoted", redis)
            .servers(&[DemotePrimary])
            .load(Duration::from_secs(9))
            .promise(owners_cut_off(guarantee)),
        row("demoted", valkey)
            .servers(&[DemotePrimary])
            .load(Duration::from_secs(9))
            .workers(1, WorkerFault::Kill)
            .promise(owners_cut_off(guarantee)),
        row("restarted", redis_aof)
            .servers(&[FlushScripts, Restart, Restart])
            .workers(1, WorkerFault::Kill)
            .promise(owners_cut_off(guarantee)),
        row("restarted", redis).servers(&[Restart; 2]).promise(Promise::FaultsOnly),
        row("everything", valkey_aof)
            .servers(&[Pause, FillMemory, Restart])
            .workers(2, WorkerFault::Kill)
            .workers(1, WorkerFault::Pause)
            .promise(owners_cut_off(guarantee)),
    ]
}

fn sentinel(guarantee: Guarantee) -> Vec<Row> {
    // What a killed master kept is of no matter: it comes back as a replica, which starts anew.
    let row = |acknowledged| {
        Row::new("master-killed", Topology::Sentinel, guarantee)
            .failover()
            .servers(&[ServerFault::KillMaster])
            .min_replicas(acknowledged)
    };
    vec![
        row(0).promise(Promise::FaultsOnly),
        row(1).promise(Promise::FaultsOnly),
        row(2).promise(Promise::NoDuplicates),
    ]
}

fn cluster(guarantee: Guarantee) -> Vec<Row> {
    use ServerFault::{CutMaster, CutMasterWithReplica, KillMaster, RestartMaster};
    let row = |faults: &str, servers: &[ServerFault], replicas, safe: bool, acknowledged| {
        let parted = servers.iter().any(|fault| matches!(fault, CutMaster | CutMasterWithReplica));
        let topology = Topology::Cluster {
            replicas,
            persistence: if safe { Persistence::AppendOnly } else { Persistence::None },
            validity: if safe { 10 } else { 0 },
            namespace: parted,
        };
        let promised = safe && acknowledged == replicas;
        Row::new(faults, topology, guarantee)
            .failover()
            .servers(servers)
            .min_replicas(acknowledged)
            .promise(if promised { Promise::NoDuplicates } else { Promise::FaultsOnly })
    };
    vec![
        row("master-killed", &[KillMaster], 1, false, 0),
        row("master-killed", &[KillMaster], 1, false, 1),
        row("master-killed", &[KillMaster], 1, true, 1),
        row("master-restarted", &[RestartMaster; 2], 1, false, 0),
        row("master-restarted", &[RestartMaster; 2], 1, false, 1),
        row("master-restarted", &[RestartMaster; 2], 1, true, 1),
        row("master-cut-off", &[CutMaster], 1, false, 0),
        row("master-cut-off", &[CutMaster], 1, false, 1),
        row("master-cut-off", &[CutMaster], 1, true, 1),
        row("master-and-replica-cut-off", &[CutMasterWithReplica], 2, false, 0),
        row("master-and-replica-cut-off", &[CutMasterWithReplica], 2, false, 1),
        row("master-and-replica-cut-off", &[CutMasterWithReplica], 2, true, 1),
        row("master-and-replica-cut-off", &[CutMasterWithReplica], 2, true, 2),
    ]
}

fn postgres(guarantee: Guarantee) -> Vec<Row> {
    use ServerFault::{DemotePrimary, Restart};
    use WorkerFault::{CancelBegins, ExhaustPool, Kill};
    let row = |faults: &str| Row::new(faults, Topology::Postgres, guarantee).database();
    let in_groups =
        |faults: &str| Row::new(faults, Topology::PostgresInGroups, guarantee).database().crowd();
    vec![
        row("cancelled-begins").workers(8, CancelBegins),
        row("exhausted-pool").long_bodies().workers(3, ExhaustPool),
        row("demoted").servers(&[DemotePrimary]).promise(owners_cut_off(guarantee)),
        row("restarted").servers(&[Restart; 2]).promise(owners_cut_off(guarantee)),
        row("everything")
            .long_bodies()
            .load(Duration::from_secs(14))
            .servers(&[Restart, DemotePrimary])
            .workers(4, CancelBegins)
            .workers(2, ExhaustPool)
            .workers(2, Kill)
            .promise(owners_cut_off(guarantee)),
        in_groups("killed").workers(6, Kill).promise(owners_lost(guarantee)),
        in_groups("restarted")
            .servers(&[Restart; 2])
            .workers(3, Kill)
            .promise(owners_cut_off(guarantee)),
    ]
}

fn sqlite(guarantee: Guarantee) -> Vec<Row> {
    use WorkerFault::{CancelBegins, ExhaustPool, Kill};
    let row = |faults: &str| Row::new(faults, Topology::Sqlite, guarantee).database();
    vec![
        row("cancelled-begins").workers(8, CancelBegins),
        row("exhausted-pool").long_bodies().workers(3, ExhaustPool),
        row("everything")
            .long_bodies()
            .workers(4, CancelBegins)
            .workers(2, ExhaustPool)
            .workers(2, Kill)
            .promise(owners_lost(guarantee)),
    ]
}

impl Row {
    fn new(faults: &str, topology: Topology, guarantee: Guarantee) -> Self {
        Self {
            name: format!("{faults}/{}/{}", topology.name(), guarantee.as_str()),
            topology,
            guarantee,
            min_replicas: MinReplicas::None,
            worker_faults: Vec::new(),
            server_faults: Vec::new(),
            promise: Promise::NoDuplicates,
            lease: SHORT_LEASE,
            load: Duration::from_secs(7),
            operations: 20_000,
            keys: 1_000,
            tasks: 64,
            longest_body: LONGEST_BODY,
        }
    }

    /// As many operations as a database on a loaded machine keeps up with, on as many keys as leave
    /// some for each worker throughout, and not so many at once that they queue for the connections of a
    /// pool for as long as they may take.
    fn database(mut self) -> Self {
        self.operations = 2_000;
        self.keys = 400;
        self.tasks = 16;
        self.load = Duration::from_secs(9);
        self
    }

    /// So many callers at once that changes wait for each other's commit, and leave together.
    fn crowd(mut self) -> Self {
        self.operations = 16_000;
        self.keys = 4_000;
        self.tasks = 256;
        self
    }

    /// Bodies that outlast what an exhausted pool takes from their lease.
    fn long_bodies(mut self) -> Self {
        self.longest_body = self.lease * 5 / 2;
        self
    }

    /// Time for a failover.
    fn failover(mut self) -> Self {
        self.lease = FAILOVER_LEASE;
        self.load = Duration::from_secs(10);
        self
    }

    fn load(mut self, load: Duration) -> Self {
        self.load = load;
        self
    }

    fn workers(mut self, times: usize, fault: WorkerFault) -> Self {
        self.worker_faults.extend([fault].repeat(times));
        self
    }

    fn servers(mut self, faults: &[ServerFault]) -> Self {
        self.server_faults.extend(faults);
        self
    }

    fn operations(mut self, operations: u64) -> Self {
        self.operations = operations;
        self
    }

    fn promise(mut self, promise: Promise) -> Self {
        self.promise = promise;
        self
    }

    /// Names the row after it, where there are replicas to speak of.
    fn min_replicas(mut self, count: u8) -> Self {
        let word = match count {
            0 => "no-replicas".to_owned(),
            count if count == self.topology.replicas() => "all-replicas".to_owned(),
            count => format!("{count}-replica"),
        };
        self.min_replicas = if count == 0 { MinReplicas::None } else { MinReplicas::Some(count) };
        if let Some((start, guarantee)) = self.name.rsplit_once('/') {
            self.name = format!("{start}/{word}/{guarantee}");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let names: HashSet<_> = rows().into_iter().map(|row| row.name).collect();
        assert_eq!(names.len(), rows().len());
    }

    #[test]
    fn nothing_is_duplicated_at_most_once_where_no_server_forgets() {
        for row in rows().iter().filter(|row| row.guarantee == Guarantee::AtMostOnce) {
            let forgets = row.promise == Promise::FaultsOnly;
            let replicated = row.topology.replicas() > 0;
            assert!(!forgets || replicated || row.name.starts_with("restarted/redis/"), "{row:?}");
        }
    }
}
