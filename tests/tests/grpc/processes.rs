//! Two servers over one Redis, as two processes of a service are.

use idempotent_core::backends::RedisStore;
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::SOON;
use tonic::Code;

use super::server::{is_replay, tea};
use super::{Client, Shop};

#[tokio::test]
async fn a_retry_that_reaches_another_process_is_a_replay() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let shop = async || {
        let builder = RedisStore::builder(redis.url()).response_timeout(SOON);
        Shop::on(builder.connect().await.unwrap())
    };
    let (first, second) = (shop().await, shop().await);
    let (one, _server) = Client::of(&first).await;
    let (other, _other_server) = Client::of(&second).await;
    let receipt = one.order("Charge", &tea(Code::Ok)).await.unwrap();
    let replay = other.order("Charge", &tea(Code::Ok)).await.unwrap();
    assert!(!is_replay(receipt.metadata()) && is_replay(replay.metadata()));
    assert_eq!(receipt.get_ref(), replay.get_ref());
    let none = other.fails("Quota", &tea(Code::NotFound)).await;
    let again = one.fails("Quota", &tea(Code::NotFound)).await;
    assert_eq!((none.message(), again.message()), ("“no”, says run 1", "“no”, says run 1"));
    assert!(!is_replay(none.metadata()) && is_replay(again.metadata()));
    assert_eq!((first.runs.count(), second.runs.count()), (1, 1));
}
