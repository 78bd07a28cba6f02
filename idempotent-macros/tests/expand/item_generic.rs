#[idempotent(key = order.id(), name = "charge")]
async fn charge<'a, G, O: Order + 'a>(gate: &'a G, order: O) -> Result<Receipt, G::Error>
where
    G: Gate, {
    gateway::charge(gate, order).await
}

// Expands to:

async fn charge<'a, G, O: Order + 'a>(gate: &'a G, order: O) -> Result<Receipt, G::Error>
where
    G: Gate,
{
    let call = ::idempotent_core::Operation::new("charge")
        .key(&order.id())
        .returning::<Result<Receipt, G::Error>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, G::Error>>();
            }
            gateway::charge(gate, order).await
        })
        .await
}
