#[idempotent(key = key, name = "charge")]
async fn charge(key: impl Key) -> Result<impl Serialize + DeserializeOwned, ChargeError> {
    gateway::charge(key).await
}

// Expands to:

async fn charge(
    key: impl Key,
) -> Result<impl Serialize + DeserializeOwned, ChargeError> {
    let call = ::idempotent_core::Operation::new("charge")
        .key(&key)
        .returning::<Result<_, ChargeError>>();
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<Result<_, ChargeError>>();
            }
            gateway::charge(key).await
        })
        .await
}
