//! A mock cluster, and topics of one test on it: orders, dead letters, retries.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Delivery, Needs, Source, SourceErrorKind};
use idempotent_core::testing::sources::SourceSubject;
use idempotent_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use idempotent_kafka::rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use idempotent_kafka::rdkafka::mocking::MockCluster;
use idempotent_kafka::rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use idempotent_kafka::rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use idempotent_kafka::{ID, KafkaSource};

use crate::effects::{millis, secs};

/// Long enough for all cases of the contract at once.
const DEADLINE: Duration = secs(3);

/// The cluster that tests share which do not break it.
static SHARED: LazyLock<Arc<Cluster>> = LazyLock::new(Cluster::start);
static TOPICS: AtomicU32 = AtomicU32::new(0);

type Mock = MockCluster<'static, DefaultProducerContext>;
type Job = Box<dyn FnOnce(&Mock) + Send>;

/// A mock cluster. It lives on a thread of its own, since its handle cannot leave the one that made it.
pub(crate) struct Cluster {
    pub(crate) servers: String,
    jobs: Mutex<mpsc::Sender<Job>>,
    producer: FutureProducer,
}

impl Cluster {
    pub(crate) fn start() -> Arc<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (started, starting) = mpsc::channel();
        std::thread::spawn(move || {
            let mock = MockCluster::new(1).unwrap();
            started.send(mock.bootstrap_servers()).unwrap();
            todo.iter().for_each(|job| job(&mock));
        });
        let servers = starting.recv().unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &servers).set("message.max.bytes", "100000000");
        let producer = config.create().unwrap();
        Arc::new(Self { servers, jobs: Mutex::new(jobs), producer })
    }

    /// Does something to the cluster, and waits for it.
    pub(crate) fn with(&self, job: impl FnOnce(&Mock) + Send + 'static) {
        let (done, ended) = mpsc::channel();
        let job = move |mock: &Mock| {
            job(mock);
            done.send(()).unwrap();
        };
        self.jobs.lock().unwrap().send(Box::new(job)).unwrap();
        ended.recv().unwrap();
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        let topic = topic.to_owned();
        self.with(move |mock| mock.create_topic(&topic, partitions, 1).unwrap());
    }
}

/// The topics of one test.
#[derive(Clone)]
pub(crate) struct Topics {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) orders: String,
    partitions: i32,
    strategy: &'static str,
    /// Members get the first partitions in the order in which they came. Such ones do not leave by themselves.
    is_ordered: bool,
    members: Arc<AtomicU32>,
    published: Arc<AtomicI32>,
}

impl Topics {
    /// On the shared cluster.
    pub(crate) fn with_partitions(partitions: i32) -> Self {
        Self::on(Arc::clone(&SHARED), partitions)
    }

    pub(crate) fn on(cluster: Arc<Cluster>, partitions: i32) -> Self {
        let orders = format!("orders{}", TOPICS.fetch_add(1, Ordering::Relaxed));
        cluster.create(&orders, partitions);
        let (members, published) = (Arc::default(), Arc::default());
        let (strategy, is_ordered) = ("range", false);
        let topics = Self { cluster, orders, partitions, strategy, is_ordered, members, published };
        topics.cluster.create(&topics.dead(), 1);
        topics.cluster.create(&topics.retry(), 1);
        topics
    }

    pub(crate) fn ordered_members(mut self) -> Self {
        self.is_ordered = true;
        self
    }

    pub(crate) fn cooperative(mut self) -> Self {
        self.strategy = "cooperative-sticky";
        self
    }

    pub(crate) fn dead(&self) -> String {
        format!("{}.dead", self.orders)
    }

    pub(crate) fn retry(&self) -> String {
        format!("{}.retry", self.orders)
    }

    /// A client of the group of this test.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = client(&self.cluster.servers, &self.orders);
        config.set("partition.assignment.strategy", self.strategy);
        if self.is_ordered {
            let number = self.members.fetch_add(1, Ordering::Relaxed);
            config.set("group.instance.id", format!("member-{number}"));
        }
        config
    }

    pub(crate) fn source_of(&self, client: ClientConfig) -> KafkaSource {
        KafkaSource::new(client, [self.orders.as_str()])
            .dead_letters(self.dead())
            .deadline(DEADLINE)
            .commit_every(millis(200))
    }

    pub(crate) fn source(&self) -> KafkaSource {
        self.source_of(self.client())
    }

    /// A source that has started.
    pub(crate) async fn started(&self) -> KafkaSource {
        start(self.source()).await
    }

    /// Produces a record to a partition of any topic.
    pub(crate) async fn produce(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&str>,
        payload: &[u8],
        headers: OwnedHeaders,
    ) {
        let record = FutureRecord { topic, partition: Some(partition), ..FutureRecord::to(topic) };
        let mut record = record.payload(payload).headers(headers);
        record.key = key;
        let sent = self.cluster.producer.send(record, secs(10)).await;
        sent.map_err(|(error, _)| error).unwrap();
    }

    /// Publishes an order, with its payload as its id.
    pub(crate) async fn publish(&self, partition: i32, key: Option<&str>, order: &str) {
        let headers = OwnedHeaders::new().insert(Header { key: ID, value: Some(order) });
        self.produce(&self.orders, partition, key, order.as_bytes(), headers).await;
    }

    /// All records of a topic with one partition.
    pub(crate) async fn records(&self, topic: &str) -> Vec<OwnedMessage> {
        let (config, topic) = (client(&self.cluster.servers, "reader"), topic.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let (_, high) = consumer.fetch_watermarks(&topic, 0, secs(10)).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
            consumer.assign(&list).unwrap();
            let mut records = Vec::new();
            while i64::try_from(records.len()).unwrap() < high {
                records.extend(consumer.poll(secs(1)).map(|record| record.unwrap().detach()));
            }
            records
        });
        reading.await.unwrap()
    }

    pub(crate) async fn dead_letters(&self) -> Vec<OwnedMessage> {
        self.records(&self.dead()).await
    }

    /// What the group has committed of each partition, and nothing where it has not.
    pub(crate) async fn committed(&self) -> Vec<Option<i64>> {
        let (config, this) = (client(&self.cluster.servers, &self.orders), self.clone());
        let asking = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&this.orders, 0, this.partitions - 1);
            let list = consumer.committed_offsets(list, secs(10)).unwrap();
            let offset = |offset| match offset {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            list.elements().iter().map(|element| offset(element.offset())).collect()
        });
        asking.await.unwrap()
    }

    /// Waits until the group has committed this.
    pub(crate) async fn until_committed(&self, expected: &[Option<i64>]) {
        let mut found = Vec::new();
        let waiting = async {
            while found != expected {
                tokio::time::sleep(millis(50)).await;
                found = self.committed().await;
            }
        };
        let waited = tokio::time::timeout(secs(60), waiting).await;
        assert!(waited.is_ok(), "{found:?} and not {expected:?}");
    }
}

/// A client of a group. Its members are waited for only as long as a loaded machine needs.
pub(crate) fn client(servers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in [
        ("bootstrap.servers", servers),
        ("group.id", group),
        ("session.timeout.ms", "3000"),
        ("heartbeat.interval.ms", "200"),
        ("max.poll.interval.ms", "60000"),
        ("fetch.wait.max.ms", "50"),
    ] {
        config.set(name, value);
    }
    config
}

pub(crate) async fn start(mut source: KafkaSource) -> KafkaSource {
    source.start(&Needs::of("shop.ship").attempts(8).concurrency(8)).await.unwrap();
    source
}

/// The next delivery, which must come.
pub(crate) async fn next(source: &mut KafkaSource) -> Delivery {
    let waiting = async {
        loop {
            match source.next(NonZeroUsize::MIN).await {
                Ok(delivery) => return delivery,
                Err(error) => assert_eq!(error.kind(), SourceErrorKind::Unavailable, "{error}"),
            }
            tokio::time::sleep(millis(50)).await;
        }
    };
    tokio::time::timeout(secs(60), waiting).await.expect("a message comes")
}

/// A header as text.
pub(crate) fn header(record: &OwnedMessage, name: &str) -> String {
    let headers = record.headers().into_iter().flat_map(Headers::iter);
    let mut values = headers.filter(|header| header.key == name).filter_map(|header| header.value);
    String::from_utf8(values.next().unwrap_or_default().to_vec()).unwrap()
}

#[async_trait]
impl SourceSubject for Topics {
    async fn connect(&self) -> Box<dyn Source> {
        Box::new(self.source())
    }

    /// To the partitions in turn.
    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        let partition = self.published.fetch_add(1, Ordering::Relaxed) % self.partitions;
        let mut headers = OwnedHeaders::new();
        if let Some(id) = id {
            headers = headers.insert(Header { key: ID, value: Some(id) });
        }
        self.produce(&self.orders, partition, None, payload, headers).await;
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        let letters = self.dead_letters().await.into_iter();
        letters.map(|it| (header(&it, ID), it.payload().unwrap_or_default().to_vec())).collect()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn keeps_to_one_connection(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        secs(30)
    }
}
