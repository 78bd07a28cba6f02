use idempotent_core::{Error, idempotent};

pub enum ApiError {
    Refused(Error),
}

#[idempotent(key = id, map_error = ApiError::Refused(error))]
async fn charge(id: u32) -> Result<u32, ApiError> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
