use idempotent_core::{Error, idempotent};

#[idempotent(key = ("order", 7))]
async fn in_a_tuple(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[idempotent(key = format!("order:id"))]
async fn in_a_macro(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[idempotent(key = "order".to_string())]
async fn converted(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[idempotent(key = "order:{7}")]
async fn in_braces(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[idempotent(key = content("order"))]
async fn by_content(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop((in_a_tuple(1), in_a_macro(1), converted(1), in_braces(1), by_content(1)));
}
