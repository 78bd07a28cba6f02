#[idempotent(key = order.id, name = "shop.charge", tx = tx, guarantee = exactly_once)]
pub async fn charge(tx: &mut PgConnection, order: Order) -> Result<Receipt> {
    gateway::charge(tx, order.card, order.amount).await
}

// Expands to:

pub async fn charge(tx: &mut PgConnection, order: Order) -> Result<Receipt> {
    let call = ::idempotent_core::Operation::new("shop.charge")
        .key(&order.id)
        .returning::<Result<Receipt>>()
        .in_transaction_comparing(tx, |results| results.compare_ok());
    call.run(move |tx| async move {
            let result = async {
                if false {
                    return ::idempotent_core::__output::<Result<Receipt>>();
                }
                let tx = &mut *tx;
                gateway::charge(tx, order.card, order.amount).await
            }
                .await;
            (tx, result)
        })
        .await
}
