//! A checkout page to click through: pay twice, reload while it spins, change the amount, lose an
//! answer, and see beside it what the server did.
//!
//! Run it with `cargo run -p examples-http --bin checkout`, open the address that it prints, and end it
//! with Ctrl-C. The shop is in `shop.rs`, the log of what happens in `log.rs`, and the page is
//! `page.html`.

mod log;
mod shop;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use self::shop::Shop;

/// How long the card's bank takes: long enough to click again, or to reload the page.
const PACE: Duration = Duration::from_millis(2500);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // The usual port, or another one if that is taken.
    let ports = [3000, 0].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = TcpListener::bind(&ports[..]).await?;
    println!("The shop is open: http://{}    (Ctrl-C closes it)", listener.local_addr()?);
    let shop = Shop::new(PACE);
    // Not a graceful shutdown, which would wait for pages that follow the log to be closed.
    tokio::select! {
        ended = axum::serve(listener, shop.router()) => ended?,
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    println!("\n{} orders were placed.", shop.orders().len());
    Ok(())
}
