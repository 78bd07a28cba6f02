//! The picture in README, taken by whoever runs the tests.

use std::path::Path;

use idempotent_servers::{Server, require};

use crate::page::{ANEW, LOSE, MORE, PAY, Page};

/// Everything that happens on it, happens. `UPDATE_SCREENSHOT=1` puts it into its place; it is in the
/// target folder in any case.
#[tokio::test]
async fn the_pages_picture_shows_one_order_for_each_intention() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    page.tab.click(PAY, 1).await;
    page.outcomes(&["paying"]).await;
    page.tab.reload().await;
    page.receipt(1).await;
    page.tab.click(MORE, 1).await;
    page.tab.click(PAY, 1).await;
    page.outcomes(&["executed", "replayed", "refused"]).await;
    page.tab.click(LOSE, 1).await;
    page.tab.click(ANEW, 1).await;
    page.outcomes(&["executed", "replayed", "refused", "paying"]).await;
    page.tab.click(PAY, 1).await;
    page.receipt(2).await;
    let both = ["executed", "replayed"];
    page.outcomes(&[&both[..], &["refused"], &both, &both[1..]].concat()).await;
    assert_eq!(page.tried().await, ["try-twice", "try-reload", "try-amount", "try-lose"]);
    // What appears has appeared.
    page.tab
        .until("document.getAnimations().every(animation => animation.playState === 'finished')")
        .await;

    let picture = page.tab.picture().await;
    let folder = env!("CARGO_TARGET_TMPDIR");
    std::fs::write(Path::new(folder).join("checkout.png"), &picture).unwrap();
    if std::env::var_os("UPDATE_SCREENSHOT").is_some() {
        let place =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/http/checkout/screenshot.png");
        // Other fonts make another size, so it is bounded where it is kept.
        assert!(picture.len() < 200_000, "{} bytes", picture.len());
        std::fs::write(place, &picture).unwrap();
    }
    assert_eq!(page.shop.orders().len(), 2);
}
