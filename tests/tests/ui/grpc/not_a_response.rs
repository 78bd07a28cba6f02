use idempotent_core::idempotent;
use tonic::Status;

#[idempotent(key = id, grpc)]
async fn charge(id: u32) -> Result<String, Status> {
    Ok(id.to_string())
}

fn main() {
    drop(charge(1));
}
