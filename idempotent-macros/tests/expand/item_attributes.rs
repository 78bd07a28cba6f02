#[idempotent(key = id)]
/// Charges.
#[tracing::instrument(skip_all)]
#[inline]
pub(crate) async fn charge(id: u32) -> anyhow::Result<Receipt> {
    #![allow(unused)]
    gateway::charge(id).await
}

// Expands to:

/// Charges.
#[tracing::instrument(skip_all)]
#[inline]
pub(crate) async fn charge(id: u32) -> anyhow::Result<Receipt> {
    #![allow(unused)]
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
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
