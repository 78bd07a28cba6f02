#[idempotent(key = content(order), name = "shop.charge")]
async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    let call = ::idempotent_core::Operation::new("shop.charge")
        .key(&::idempotent_core::call::ContentKey::of(&order))
        .returning::<Result<Receipt, ChargeError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, ChargeError>>();
            }
            gateway::charge(order.card, order.amount).await
        })
        .await
}
