//! The saboteur kills what the arrows of the pipeline hang on: processes, the broker and the database.

use idempotent_servers::{Nats, Postgres};

use crate::Failure;
use crate::chance::Chance;
use crate::process::{Process, Said};

/// What is killed with -9.
#[derive(Clone, Copy)]
enum Target {
    Shop,
    OrdersRelay,
    Broker,
    Warehouse,
    ShipmentsRelay,
    Database,
}

const TARGETS: [(Target, &str); 6] = [
    (Target::Shop, "a shop"),
    (Target::OrdersRelay, "a relay of the shop's outbox"),
    (Target::Broker, "the broker"),
    (Target::Warehouse, "a warehouse"),
    (Target::ShipmentsRelay, "a relay of the warehouse's outbox"),
    (Target::Database, "the database server"),
];

/// Two processes of each role, with what they say.
pub(crate) struct Staff {
    processes: Vec<[Process; 2]>,
    pub(crate) shops: [Said; 2],
    pub(crate) warehouses: Said,
}

impl Staff {
    pub(crate) fn start(shop: &str, warehouse: &str, broker: &str) -> Result<Self, Failure> {
        let (shops, warehouses) = (<[Said; 2]>::default(), Said::default());
        let pair = |role: &'static str, words: &[&str], said: [&Said; 2]| {
            let [one, other] = said.map(|said| Process::start(role, words, said));
            Ok::<_, Failure>([one?, other?])
        };
        let nobody = Said::default();
        let processes = vec![
            pair("shop", &[shop], [&shops[0], &shops[1]])?,
            pair("relay", &[shop, broker], [&nobody; 2])?,
            pair("warehouse", &[warehouse, broker], [&warehouses; 2])?,
            pair("relay", &[warehouse, broker], [&nobody; 2])?,
        ];
        Ok(Self { processes, shops, warehouses })
    }

    /// Starts again what has ended by itself, as what came up while the database was away.
    pub(crate) fn revive(&mut self) -> Result<(), Failure> {
        self.processes.iter_mut().flatten().try_for_each(Process::revive)
    }

    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.processes.into_iter().flatten().try_for_each(Process::stop)
    }
}

/// When something is killed, by how many shipments there are, and how often which.
pub(crate) struct Saboteur {
    chance: Chance,
    /// The next ones last.
    plan: Vec<(u64, Target, &'static str)>,
    pub(crate) kills: Vec<(&'static str, u32)>,
}

impl Saboteur {
    /// Each target as often as the others, in an order and at moments that the seed decides.
    pub(crate) fn new(requests: u32, seed: u64) -> Self {
        let (mut chance, mut plan) = (Chance::new(seed), Vec::new());
        let rounds = u64::from(requests / 250).max(1);
        let distance = u64::from(requests) / (rounds * TARGETS.len() as u64 + 1);
        for _ in 0..rounds {
            let mut targets = TARGETS.to_vec();
            while !targets.is_empty() {
                let (target, name) =
                    targets.swap_remove(chance.below(targets.len() as u64) as usize);
                let before = plan.len() as u64;
                plan.push((before * distance + chance.below(distance.max(1)), target, name));
            }
        }
        plan.reverse();
        Self { chance, plan, kills: TARGETS.map(|(_, name)| (name, 0)).to_vec() }
    }

    /// Kills what is due after this many shipments.
    pub(crate) async fn strike(
        &mut self,
        shipped: u64,
        staff: &mut Staff,
        servers: (&Postgres, &Nats),
    ) -> Result<(), Failure> {
        let Some((_, target, name)) = self.plan.pop_if(|(due, ..)| *due <= shipped) else {
            return Ok(());
        };
        println!("after {shipped} shipments {name} is killed, and started again");
        let which = self.chance.below(2) as usize;
        let mut replace = |role: usize| staff.processes[role][which].replace();
        match target {
            Target::Shop => replace(0)?,
            Target::OrdersRelay => replace(1)?,
            Target::Warehouse => replace(2)?,
            Target::ShipmentsRelay => replace(3)?,
            Target::Broker => servers.1.restart().await,
            Target::Database => servers.0.restart().await,
        }
        if let Some((_, times)) = self.kills.iter_mut().find(|(named, _)| *named == name) {
            *times += 1;
        }
        Ok(())
    }
}
