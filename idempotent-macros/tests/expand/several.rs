#[idempotent(key = "{order.id}", ttl = "24h", name = "charge", scope = tenant, fingerprint = order, guarantee = at_most_once, detach)]
pub async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

pub async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    let call = ::idempotent_core::Operation::new("charge")
        .ttl(::core::time::Duration::from_secs(86400))
        .guarantee(::idempotent_core::Guarantee::AtMostOnce)
        .scope(&tenant)
        .key(&order.id)
        .fingerprint(&order)
        .returning::<Result<Receipt, ChargeError>>()
        .comparing(|results| results.compare_ok());
    call.run_detached(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, ChargeError>>();
            }
            gateway::charge(order.card, order.amount).await
        })
        .await
}
