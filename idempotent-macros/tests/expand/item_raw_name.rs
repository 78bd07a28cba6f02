#[idempotent(key = id)]
async fn r#yield(id: u32) -> anyhow::Result<Receipt> {
    gateway::charge(id).await
}

// Expands to:

async fn r#yield(id: u32) -> anyhow::Result<Receipt> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::yield"),
        )
        .key(&id)
        .returning::<anyhow::Result<Receipt>>()
        .comparing(|results| results.compare_ok());
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<anyhow::Result<Receipt>>();
            }
            gateway::charge(id).await
        })
        .await
}
