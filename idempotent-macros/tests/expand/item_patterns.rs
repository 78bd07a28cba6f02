#[idempotent(key = "{order.id}:{r#type}")]
async fn charge(Json(order): Json<Order>, mut x: u32, _: Unused, r#type: Kind) -> Result<Receipt, ChargeError> {
    x += 1;
    gateway::charge(order, x).await
}

// Expands to:

async fn charge(
    Json(order): Json<Order>,
    mut x: u32,
    _: Unused,
    r#type: Kind,
) -> Result<Receipt, ChargeError> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&(&order.id, ":", &r#type))
        .returning::<Result<Receipt, ChargeError>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<Receipt, ChargeError>>();
            }
            x += 1;
            gateway::charge(order, x).await
        })
        .await
}
