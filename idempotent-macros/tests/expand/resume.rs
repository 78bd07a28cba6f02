#[idempotent(key = order.id, name = "shop.checkout", resume = order)]
pub async fn checkout(order: Order) -> Result<Receipt, ShopError> {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

pub async fn checkout(order: Order) -> Result<Receipt, ShopError> {
    let call = ::idempotent_core::Operation::new("shop.checkout")
        .key(&order.id)
        .resume(&order)
        .returning::<Result<Receipt, ShopError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, ShopError>>();
            }
            gateway::charge(order.card, order.amount).await
        })
        .await
}
