use idempotent_core::{Error, idempotent};

#[idempotent(key = format!("{tenant}:{order}"))]
async fn charge(tenant: String, order: String) -> Result<(), Error> {
    drop((tenant, order));
    Ok(())
}

#[idempotent(key = order, scope = format!("{}/{}", tenant, user))]
async fn refund(tenant: String, user: String, order: u64) -> Result<u64, Error> {
    drop((tenant, user));
    Ok(order)
}

// One part cannot run into another.
#[idempotent(key = format!("{order:05}"))]
async fn ship(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {
    drop((charge(String::new(), String::new()), refund(String::new(), String::new(), 1), ship(1)));
}
