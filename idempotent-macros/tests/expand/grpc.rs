#[idempotent(key = grpc::key(&request)?, grpc, on_error = disposition)]
async fn charge(request: Request<Order>) -> Result<Response<Receipt>, Status> {
    gateway::charge(request.into_inner()).await
}

// Expands to:

async fn charge(request: Request<Order>) -> Result<Response<Receipt>, Status> {
    let call = ::idempotent_core::Operation::from_path(
            ::core::concat!(::core::module_path!(), "::charge"),
        )
        .key(&grpc::key(&request)?)
        .returning_grpc::<Result<Response<Receipt>, Status>>()
        .on_error(disposition);
    call.run(move || async move {
            if false {
                return ::idempotent_core::__output::<
                    Result<Response<Receipt>, Status>,
                >();
            }
            gateway::charge(request.into_inner()).await
        })
        .await
}
