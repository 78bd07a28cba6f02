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
        .returning::<Result<Receipt, G::Error>>();
    call.run(move || async move {
            if false {
                return ::idempotent_core::__private::output::<
                    Result<Receipt, G::Error>,
                >();
            }
            gateway::charge(gate, order).await
        })
        .await
}
