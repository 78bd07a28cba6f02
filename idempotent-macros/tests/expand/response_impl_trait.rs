#[idempotent(key = order.id, response, detach, crate = ::shop::idempotent)]
async fn charge(order: Order) -> Result<impl IntoResponse, Refusal> {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

async fn charge(order: Order) -> ::shop::idempotent::__private::Response {
    let call = ::shop::idempotent::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&order.id)
        .returning_response();
    call.run_detached(move || async move {
            if false {
                return ::shop::idempotent::__output::<Result<_, Refusal>>();
            }
            gateway::charge(order.card, order.amount).await
        })
        .await
}
