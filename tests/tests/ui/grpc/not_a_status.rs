use idempotent_core::{Error, idempotent};
use tonic::Response;

#[idempotent(key = id, grpc)]
async fn charge(id: u32) -> Result<Response<()>, Error> {
    drop(id);
    Ok(Response::new(()))
}

fn main() {
    drop(charge(1));
}
