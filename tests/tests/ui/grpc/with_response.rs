use idempotent_core::idempotent;
use tonic::{Response, Status};

#[idempotent(key = id, grpc, response)]
async fn charge(id: u32) -> Result<Response<()>, Status> {
    drop(id);
    Ok(Response::new(()))
}

fn main() {
    drop(charge(1));
}
