#[idempotent(key = order, map_error = refuse, grpc, detach)]
async fn charge(order: u64) -> Result<Response<Receipt>, Status> {
    gateway::charge(order).await
}

// Expands to:

async fn charge(order: u64) -> Result<Response<Receipt>, Status> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&order)
        .returning_grpc_or::<Result<Response<Receipt>, Status>>(refuse);
    call.run_detached(move || async move {
            if false {
                return ::idempotent_core::__output::<
                    Result<Response<Receipt>, Status>,
                >();
            }
            gateway::charge(order).await
        })
        .await
}
