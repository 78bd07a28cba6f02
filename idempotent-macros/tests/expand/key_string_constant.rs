#[idempotent(key = "nightly {{report}}", singleton)]
pub async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    gateway::charge(order.card, order.amount).await
}

// Expands to:

pub async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key("nightly {report}")
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
