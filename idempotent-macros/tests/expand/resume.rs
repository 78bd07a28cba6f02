#[idempotent(key = order.id, name = "shop.checkout", resume = order)]
pub async fn checkout(order: Order) -> Result<Receipt, ShopError> {
    gateway::charge(order.card, order.amount).await
}
