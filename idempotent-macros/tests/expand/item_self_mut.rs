impl Gate {
    #[idempotent(key = order.id, name = "gate.charge")]
    async fn charge(&mut self, order: Order) -> Result<Receipt, Self::Error> {
        gateway::charge(self.card(), order.amount).await
    }
}

// Expands to:

impl Gate {
    async fn charge(&mut self, order: Order) -> Result<Receipt, Self::Error> {
        let call = ::idempotent_core::Operation::new("gate.charge")
            .key(&order.id)
            .returning::<Result<Receipt, Self::Error>>()
            .comparing(|results| results.compare_ok());
        call.run(move || async move {
                if false {
                    return ::idempotent_core::__output::<Result<Receipt, Self::Error>>();
                }
                gateway::charge(self.card(), order.amount).await
            })
            .await
    }
}
