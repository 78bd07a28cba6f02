#[idempotent(step)]
async fn hold_stock(order: &Order) -> Result<Hold, ShopError> {
    gateway::hold(order).await
}

// Expands to:

async fn hold_stock(order: &Order) -> Result<Hold, ShopError> {
    let call = ::idempotent_core::Operation::new("hold_stock")
        .step()
        .returning::<Result<Hold, ShopError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Hold, ShopError>>();
            }
            gateway::hold(order).await
        })
        .await
}
