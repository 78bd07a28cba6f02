//! What people do to a page that takes their money.

use idempotent_servers::{Server, require};

use crate::page::{ANEW, BACK, LOSE, MORE, PAY, Page};

#[tokio::test]
async fn a_double_click_places_one_order_and_both_answers_are_its_receipt() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    page.tab.click(PAY, 2).await;
    page.outcomes(&["paying", "waits"]).await;
    assert_eq!(page.receipt(2).await, ("1".to_owned(), true));
    page.outcomes(&["executed", "replayed"]).await;
    assert_eq!(page.shop.orders().len(), 1);
    assert_eq!(page.text("#charged").await, "€24.00");
    assert_eq!(page.tried().await, ["try-twice"]);
    assert_eq!(page.tab.faults(), [""; 0]);
}

#[tokio::test]
async fn a_page_that_is_reloaded_while_it_pays_gets_the_receipt_of_the_payment_that_went_on() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    let key = page.text("#key").await;
    page.tab.click(PAY, 1).await;
    page.outcomes(&["paying"]).await;
    page.tab.reload().await;
    // The reloaded page has the whole log, and asks for the same payment by itself.
    page.outcomes(&["paying", "waits"]).await;
    assert_eq!(page.receipt(1).await, ("1".to_owned(), true));
    page.outcomes(&["executed", "replayed"]).await;
    assert_eq!(page.text("#key").await, key);
    page.says("[data-request=\"1\"]", "the page is gone").await;
    let orders = page.shop.orders();
    assert_eq!((orders.len(), orders[0].request), (1, 1));
    assert_eq!(page.tried().await, ["try-reload"]);
    assert_eq!(page.tab.faults(), [""; 0]);
}

#[tokio::test]
async fn a_page_that_is_reloaded_after_it_paid_shows_its_receipt_again() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    page.tab.click(PAY, 1).await;
    let first = page.receipt(1).await;
    page.tab.reload().await;
    page.outcomes(&["executed", "replayed"]).await;
    assert_eq!(page.receipt(1).await, first);
    assert_eq!(page.shop.orders().len(), 1);
}

#[tokio::test]
async fn another_amount_under_the_same_key_is_refused_and_nothing_is_charged() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    page.tab.click(PAY, 1).await;
    page.receipt(1).await;
    page.tab.click(MORE, 1).await;
    page.tab.click(PAY, 1).await;
    page.outcomes(&["executed", "refused"]).await;
    page.says("#state", "Refused: this key bought 1 × Darjeeling").await;
    assert_eq!(page.tried().await, ["try-amount"]);
    assert_eq!(page.shop.orders().len(), 1);

    page.tab.click(BACK, 1).await;
    assert_eq!(page.receipt(2).await, ("1".to_owned(), true));
    page.outcomes(&["executed", "refused", "replayed"]).await;
    assert_eq!(page.shop.orders().len(), 1);
}

#[tokio::test]
async fn what_one_key_was_refused_for_is_bought_under_a_new_one() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    let key = page.text("#key").await;
    page.tab.click(PAY, 1).await;
    page.tab.click(MORE, 1).await;
    // The first payment runs still: its key stands for its cart from the start.
    page.tab.click(PAY, 1).await;
    page.outcomes(&["paying", "refused"]).await;
    page.tab.click(ANEW, 1).await;
    assert_eq!(page.receipt(1).await.0, "2");
    assert_ne!(page.text("#key").await, key);
    page.outcomes(&["executed", "refused", "executed"]).await;
    let orders = page.shop.orders();
    assert_eq!(orders.iter().map(|order| order.quantity).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(page.tab.faults(), [""; 0]);
}

#[tokio::test]
async fn an_answer_that_gets_lost_is_asked_for_again_with_the_same_key() {
    require!(Server::Chromium);
    let mut page = Page::open().await;
    page.tab.click(LOSE, 1).await;
    page.tab.click(PAY, 1).await;
    page.tab.until("document.querySelector('[data-state=lost]')").await;
    assert_eq!(page.receipt(1).await, ("1".to_owned(), true));
    page.outcomes(&["executed", "replayed"]).await;
    page.says("[data-request=\"1\"]", "the receipt is lost").await;
    assert_eq!(page.shop.orders().len(), 1);
    assert_eq!(page.tried().await, ["try-lose"]);
}
