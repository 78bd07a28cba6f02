#[idempotent(key = order.id, response)]
async fn charge(order: Order) -> (StatusCode, Json<Receipt>) {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

async fn charge(order: Order) -> ::idempotent_core::__private::Response {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&order.id)
        .returning_response();
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<(StatusCode, Json<Receipt>)>();
            }
            gateway::charge(order.card, order.amount).await
        })
        .await
}
