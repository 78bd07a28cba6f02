//! A proxy that numbers the steps of PostgreSQL's transactions, and lets one stand still.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::net::SocketAddr;

use idempotent_servers::{Halt, Postgres, Server, StepProxy, require};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that speaks as little of the protocol as will do.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let mut client = Client(TcpStream::connect(address).await.unwrap());
        let start = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        client.0.write_all(start).await.unwrap();
        client.answer().await.unwrap();
        client
    }

    async fn query(&mut self, statement: &str) {
        let length = u32::try_from(statement.len() + 5).unwrap().to_be_bytes();
        let message = [b"Q", &length[..], statement.as_bytes(), b"\0"].concat();
        self.0.write_all(&message).await.unwrap();
    }

    /// The kinds of the messages up to the last one of an answer; `None` if the connection ends.
    async fn answer(&mut self) -> Option<String> {
        let mut kinds = String::new();
        while !kinds.ends_with('Z') {
            kinds.push(char::from(self.0.read_u8().await.ok()?));
            let length = self.0.read_u32().await.ok()?;
            let mut body = vec![0; usize::try_from(length - 4).unwrap()];
            self.0.read_exact(&mut body).await.ok()?;
        }
        Some(kinds)
    }

    async fn ask(&mut self, statement: &str) -> String {
        self.query(statement).await;
        self.answer().await.unwrap()
    }
}

async fn notes() -> (Postgres, StepProxy) {
    let postgres = Postgres::start().await;
    postgres.sql("CREATE TABLE notes (id int)").await;
    let proxy = StepProxy::start(postgres.address()).await.unwrap();
    (postgres, proxy)
}

#[tokio::test]
async fn a_transaction_stands_still_just_where_it_is_told_to() {
    require!(Server::Postgres);
    let (postgres, proxy) = notes().await;
    for (halt, committed) in [(Halt::Before, "0"), (Halt::Unanswered, "1"), (Halt::Answered, "1")] {
        postgres.sql("DELETE FROM notes").await;
        let mut client = Client::connect(proxy.address()).await;
        client.ask("SELECT").await;
        proxy.halt(3, halt);
        client.ask("BEGIN").await;
        client.ask("INSERT INTO notes VALUES (7)").await;
        assert!(proxy.is_armed() && proxy.take_halted().is_none());
        client.query("COMMIT").await;

        let halted = proxy.halted().await;

        assert_eq!((halted.number(), halted.halt()), (3, halt));
        assert_eq!((halted.step().message(), halted.step().statement()), ("Query", "COMMIT"));
        assert!(!proxy.is_armed());
        let mut other = Client::connect(proxy.address()).await;
        assert_eq!(other.ask("SELECT 1").await, "TDCZ", "everything else goes on");
        let rows = postgres.sql("SELECT count(*) FROM notes").await;
        assert_eq!(rows[0][0].as_deref(), Some(committed), "{halt:?}");
        if halt == Halt::Answered {
            assert_eq!(client.answer().await.unwrap(), "CZ");
        }
        postgres.kill();
        assert_eq!(client.answer().await, None, "{halt:?}");
        postgres.restart().await;
    }
}

#[tokio::test]
async fn a_step_that_the_server_refuses_is_not_the_one_that_is_meant() {
    require!(Server::Postgres);
    let (_postgres, proxy) = notes().await;
    for halt in [Halt::Unanswered, Halt::Answered] {
        proxy.halt(2, halt);
        let mut client = Client::connect(proxy.address()).await;
        client.ask("BEGIN").await;
        assert_eq!(client.ask("SELECT 1 / 0").await, "EZ");
        assert!(proxy.is_armed(), "{halt:?}");
        client.ask("ROLLBACK").await;
        client.ask("BEGIN").await;
        client.query("SELECT 2").await;
        assert_eq!(proxy.halted().await.step().statement(), "SELECT 2");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_on_the_way_to_a_step_leaves_it_to_the_next() {
    require!(Server::Postgres);
    let (postgres, proxy) = notes().await;
    let mut client = Client::connect(proxy.address()).await;
    proxy.halt(2, Halt::Unanswered);
    client.ask("BEGIN").await;
    client.query("SELECT pg_sleep(60)").await;
    while proxy.is_armed() {
        tokio::task::yield_now().await;
    }
    postgres.kill();
    assert_eq!(client.answer().await, None);
    assert!(proxy.is_armed() && proxy.take_halted().is_none());
}

#[tokio::test]
async fn a_transaction_that_does_something_else_at_that_number_goes_on() {
    require!(Server::Postgres);
    let (_postgres, proxy) = notes().await;
    let mut client = Client::connect(proxy.address()).await;
    for statement in ["BEGIN", "SELECT 1", "ROLLBACK"] {
        client.ask(statement).await;
    }
    let seen = proxy.seen();
    let select = &seen.first().unwrap()[1];
    proxy.halt_at(2, select, Halt::Before);
    for statement in ["BEGIN", "SELECT 2", "SELECT 1", "ROLLBACK", "BEGIN"] {
        client.ask(statement).await;
    }
    assert!(proxy.is_armed());
    client.query("SELECT 1").await;
    assert_eq!(proxy.halted().await.step(), select);
}

#[tokio::test]
async fn each_way_to_the_end_of_a_transaction_is_told_once() {
    require!(Server::Postgres);
    let (_postgres, proxy) = notes().await;
    let mut client = Client::connect(proxy.address()).await;
    for statements in [["BEGIN", "COMMIT"], ["BEGIN", "ROLLBACK"], ["BEGIN", "COMMIT"]] {
        for statement in statements {
            client.ask(statement).await;
        }
    }
    client.ask("BEGIN").await;
    client.ask("SELECT 1 / 0").await;
    client.ask("COMMIT").await;
    let seen = proxy.seen();
    let seen = seen.iter().map(|steps| steps.last().unwrap().statement());
    assert_eq!(seen.collect::<Vec<_>>(), ["COMMIT", "ROLLBACK"]);
}
