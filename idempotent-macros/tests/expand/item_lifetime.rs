#[idempotent(key = order.id)]
async fn charge<'a>(order: &'a Order, note: &str) -> Result<Receipt, ChargeError> {
    gateway::charge(order, note).await
}

// Expands to:

async fn charge<'a>(order: &'a Order, note: &str) -> Result<Receipt, ChargeError> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&order.id)
        .returning::<Result<Receipt, ChargeError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, ChargeError>>();
            }
            gateway::charge(order, note).await
        })
        .await
}
