use idempotent_core::{Error, idempotent};
use tonic::Response;

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<Response<u32>, Error> {
    Ok(Response::new(id))
}

fn main() {
    drop(charge(1));
}
