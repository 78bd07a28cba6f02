use idempotent_core::idempotent;
use tonic::{Response, Status, Streaming};

#[idempotent(key = id, grpc)]
async fn charge(id: u32) -> Result<Response<Streaming<()>>, Status> {
    Err(Status::not_found(id.to_string()))
}

fn main() {
    drop(charge(1));
}
