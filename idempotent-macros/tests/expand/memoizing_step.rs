#[idempotent(
    step,
    name = "charge",
    key = line.id,
    fingerprint = (order.id, hold.id),
    guarantee = at_most_once,
    memoize = all
)]
async fn charge(order: &Order, line: &Line, hold: &Hold) -> Result<Payment, ShopError> {
    gateway::charge(order, line).await
}

// Expands to:

async fn charge(order: &Order, line: &Line, hold: &Hold) -> Result<Payment, ShopError> {
    let call = ::idempotent_core::Operation::new("charge")
        .guarantee(::idempotent_core::Guarantee::AtMostOnce)
        .step()
        .key(&line.id)
        .fingerprint(&(order.id, hold.id))
        .returning::<Result<Payment, ShopError>>()
        .comparing(|results| results.compare_ok())
        .memoize_errors()
        .comparing_errors(|results| results.compare_err());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Payment, ShopError>>();
            }
            gateway::charge(order, line).await
        })
        .await
}
