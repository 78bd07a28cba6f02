#[idempotent(step, name = "charge", key = line.id, fingerprint = (order.id, hold.id))]
async fn charge(order: &Order, line: &Line, hold: &Hold) -> Result<Payment, ShopError> {
    gateway::charge(order, line).await
}

// Expands to:

async fn charge(order: &Order, line: &Line, hold: &Hold) -> Result<Payment, ShopError> {
    let call = ::idempotent_core::Operation::new("charge")
        .step()
        .key(&line.id)
        .fingerprint(&(order.id, hold.id))
        .returning::<Result<Payment, ShopError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Payment, ShopError>>();
            }
            gateway::charge(order, line).await
        })
        .await
}
