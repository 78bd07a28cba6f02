//! [`Callbacks`]: what the client says while it is polled.
//!
//! librdkafka waits until a rebalance is answered, and goes on meanwhile. So it is noted here, and answered by the polling
//! thread once the partitions' messages are settled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::state::{Commit, Place};

/// What was said.
#[derive(Debug)]
pub(crate) enum Said {
    Assigned(Vec<Place>),
    Revoked(Vec<Place>),
    /// A commit has ended: the broker has confirmed it, or why it has not.
    Committed(KafkaResult<Vec<Commit>>),
    /// Where a partition ended after it was assigned, and in which assignment.
    End(Place, u64, i64),
}

#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    said: Mutex<VecDeque<Said>>,
    /// The client is at its end: nobody answers rebalances any more.
    is_closing: AtomicBool,
    /// Why servers cannot be reached.
    error: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Callbacks {
    pub(crate) fn next(&self) -> Option<Said> {
        locked(&self.said).pop_front()
    }

    pub(crate) fn say(&self, said: Said) {
        locked(&self.said).push_back(said);
    }

    pub(crate) fn closes(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// The last error of the client as a whole.
    pub(crate) fn take_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        locked(&self.error).take()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Callbacks {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            reason,
            "a client of Kafka has an error"
        );
        if let Some(code) = error.rdkafka_error_code() {
            *locked(&self.error) = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_closing() {
            let _ = if is_assigned {
                assign(consumer, partitions)
            } else {
                unassign(consumer, partitions)
            };
            return;
        }
        let places = places(partitions);
        self.say(if is_assigned { Said::Assigned(places) } else { Said::Revoked(places) });
    }
}

pub(crate) fn places(partitions: &TopicPartitionList) -> Vec<Place> {
    let elements = partitions.elements().into_iter();
    elements.map(|element| (element.topic().into(), element.partition())).collect()
}

pub(crate) fn listed(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}

/// With offsets.
pub(crate) fn offsets<'a>(
    of: impl IntoIterator<Item = (&'a Place, i64)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in of {
        list.add_partition_offset(topic, *partition, Offset::Offset(offset))?;
    }
    Ok(list)
}

/// Takes what is assigned, by whichever protocol the group has.
pub(crate) fn assign(
    consumer: &BaseConsumer<Callbacks>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Gives up what is revoked.
pub(crate) fn unassign(
    consumer: &BaseConsumer<Callbacks>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}
